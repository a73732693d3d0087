//! The task that anchors: follows the log, says when an anchor is due, carries it, and tells how it goes.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use lucid_core::{EntryIndex, Timestamp, tron::Sun};
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};

use super::{
    carry::{AnchoringOptions, Carrier},
    due::{Rhythm, Unanchored},
    hindrance::Hindrance,
    job::{Job, Stage},
    ports::{Clock, Log, Memory, Unavailable},
    state::State,
};
use crate::Tron;

/// The same warning is not given again within a day.
const WARN_AGAIN: Duration = Duration::from_hours(24);
/// The clocks of this machine and of TRON may differ by so much before somebody is told.
const CLOCKS_DIFFER_MS: u64 = 60_000;

/// How anchoring goes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// What waits.
    pub unanchored: Unanchored,
    /// When the next anchor is due, where anything waits and none is on its way.
    pub due_at: Option<Timestamp>,
    /// The anchor on its way.
    pub job: Option<Job>,
    /// Entries under the newest anchor.
    pub anchored_size: u64,
    /// What the last day's anchors cost.
    pub spent: Sun,
    /// What keeps it from going on, and when it is tried again.
    pub hindrance: Option<(String, Timestamp)>,
}

/// What anchors a log.
pub struct Anchoring {
    parts: tokio::sync::Mutex<Parts>,
    progress: Mutex<Progress>,
    /// Somebody wants an anchor now.
    wanted: Mutex<bool>,
    wake: Notify,
}

struct Parts {
    carrier: Carrier,
    /// What is remembered, once it was loaded.
    state: Option<State>,
    /// The log as far as it was looked at.
    unanchored: Unanchored,
    anchored_size: u64,
    rhythm: Option<Rhythm>,
    /// Hindrances in a row.
    failures: u32,
    warned: Option<(String, Instant)>,
    clocks_compared: bool,
}

impl Anchoring {
    /// What anchors `log` on `tron`, and remembers in `memory`.
    #[must_use]
    pub fn new(
        tron: Arc<dyn Tron>,
        log: Arc<dyn Log>,
        memory: Arc<dyn Memory>,
        options: AnchoringOptions,
        clock: Clock,
    ) -> Self {
        let carrier = Carrier::new(tron, log, memory, options, clock);
        let parts = Parts {
            carrier,
            state: None,
            unanchored: Unanchored::default(),
            anchored_size: 0,
            rhythm: None,
            failures: 0,
            warned: None,
            clocks_compared: false,
        };
        Self {
            parts: tokio::sync::Mutex::new(parts),
            progress: Mutex::default(),
            wanted: Mutex::new(false),
            wake: Notify::new(),
        }
    }

    /// How it goes.
    #[must_use]
    pub fn progress(&self) -> Progress {
        unpoisoned(&self.progress).clone()
    }

    /// Makes an anchor due now, where the log has anything but anchors that is not anchored; what hinders is
    /// tried again at once.
    pub fn anchor_now(&self) {
        *unpoisoned(&self.wanted) = true;
        self.wake.notify_one();
    }

    /// Anchors until the future is dropped, which it may be at any moment.
    pub async fn run(&self) {
        let mut parts = self.parts.lock().await;
        loop {
            let pause = match self.turn(&mut parts).await {
                Ok(pause) => {
                    if parts.has_got_somewhere() {
                        parts.failures = 0;
                    }
                    self.tell(&parts, None);
                    pause
                }
                Err(hindrance) => self.hindered(&mut parts, &hindrance),
            };
            tokio::select! {
                () = sleep(pause) => {}
                () = self.wake.notified() => {}
            }
        }
    }

    /// Looks at the log, and goes one step.
    async fn turn(&self, parts: &mut Parts) -> Result<Duration, Hindrance> {
        parts.follow().await?;
        let is_wanted = std::mem::take(&mut *unpoisoned(&self.wanted));
        let mut state = match &parts.state {
            Some(state) => state.clone(),
            None => parts.carrier.memory.load().await?,
        };
        let turn = parts.turn_of(&mut state, is_wanted).await;
        // What is in memory is what is durable, however the turn ended.
        parts.state = Some(state);
        turn
    }

    /// Tells of a hindrance, and gives how long to wait.
    fn hindered(&self, parts: &mut Parts, hindrance: &Hindrance) -> Duration {
        let random = getrandom::u32().unwrap_or(u32::MAX / 2);
        let pause = hindrance.pause(&parts.carrier.options.pauses, parts.failures, random);
        parts.failures = parts.failures.saturating_add(1);
        let text = hindrance.to_string();
        let is_known = parts
            .warned
            .as_ref()
            .is_some_and(|(warned, at)| *warned == text && at.elapsed() < WARN_AGAIN);
        if !is_known {
            tracing::warn!(reason = text, "the log is not anchored, and goes on being due");
            parts.warned = Some((text.clone(), Instant::now()));
        }
        let now = (parts.carrier.clock)();
        let millis = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        let again = Timestamp::from_unix_millis(now.unix_millis().saturating_add(millis));
        self.tell(parts, Some((text, again)));
        pause
    }

    fn tell(&self, parts: &Parts, hindrance: Option<(String, Timestamp)>) {
        let now = (parts.carrier.clock)();
        let state = parts.state.as_ref();
        let job = state.and_then(|state| state.job.clone());
        let due_at = match (&job, parts.rhythm) {
            (Some(job), _) => Some(job.due_at),
            (None, Some(rhythm)) => parts.unanchored.due_at(rhythm, now),
            (None, None) => None,
        };
        *unpoisoned(&self.progress) = Progress {
            unanchored: parts.unanchored,
            due_at,
            job,
            anchored_size: parts.anchored_size,
            spent: state.map_or(Sun::ZERO, |state| state.spent_since_yesterday(now)),
            hindrance,
        };
    }
}

impl Parts {
    /// Whether what hindered is over: a transaction that is built may be refused as the one before was.
    fn has_got_somewhere(&self) -> bool {
        let stage = self.state.as_ref().and_then(|state| state.job.as_ref()).map(|job| &job.stage);
        matches!(stage, None | Some(Stage::Seen { .. } | Stage::Solid { .. }))
    }

    /// Takes up what the log has since it was looked at last. What is asked of it changes by its entries alone, so
    /// nothing more is asked while it does not grow.
    async fn follow(&mut self) -> Result<(), Unavailable> {
        let log = Arc::clone(&self.carrier.log);
        let size = log.head().await?.size;
        if self.rhythm.is_some() && size == self.unanchored.until {
            return Ok(());
        }
        self.rhythm = Some(log.rhythm().await?);
        let anchored_size = log.anchored_size().await?;
        if anchored_size != self.anchored_size {
            self.anchored_size = anchored_size;
            self.unanchored = Unanchored::after(anchored_size);
        }
        while self.unanchored.until < size {
            let page = log.entries(EntryIndex(self.unanchored.until)).await?;
            if page.is_empty() {
                break;
            }
            for (index, entry) in &page {
                self.unanchored.take(*index, entry);
            }
        }
        Ok(())
    }

    async fn turn_of(&mut self, state: &mut State, is_wanted: bool) -> Result<Duration, Hindrance> {
        if state.job.is_none() {
            let Some(job) = self.due(is_wanted).await? else {
                return Ok(self.carrier.options.look_every);
            };
            let next = State { job: Some(job), ..state.clone() };
            self.carrier.remember(state, next).await?;
        }
        if !self.clocks_compared && self.carrier.options.key.is_some() {
            self.compare_clocks().await;
        }
        self.carrier.step(state).await
    }

    /// The anchor that is due, if one is.
    async fn due(&self, is_wanted: bool) -> Result<Option<Job>, Unavailable> {
        let now = (self.carrier.clock)();
        let due_at = self.rhythm.and_then(|rhythm| self.unanchored.due_at(rhythm, now));
        let due_at = due_at.filter(|at| *at <= now).or(is_wanted.then_some(now));
        let Some(due_at) = due_at else { return Ok(None) };
        if self.unanchored.entries == 0 {
            return Ok(None);
        }
        let head = self.carrier.log.head().await?;
        Ok(Some(Job::due(head.checkpoint, head.size, head.root, due_at)))
    }

    /// Says so where this machine's clock is wrong. Anchors go by TRON's, but times in the log go by this one.
    async fn compare_clocks(&mut self) {
        // Whatever is wrong with the server is told by the step.
        let Ok(head) = self.carrier.tron.head().await else { return };
        self.clocks_compared = true;
        let (ours, theirs) = ((self.carrier.clock)().unix_millis(), head.body().timestamp_ms);
        let seconds = ours.abs_diff(theirs) / 1000;
        if ours.abs_diff(theirs) > CLOCKS_DIFFER_MS {
            let side = if ours > theirs { "ahead of" } else { "behind" };
            tracing::warn!(
                "this machine's clock is {seconds} s {side} TRON's newest block: check it, for times in \
                 the log go by it"
            );
        }
    }
}

/// What these locks guard is whole whenever they are let go.
fn unpoisoned<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
