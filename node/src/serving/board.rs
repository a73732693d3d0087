//! What the board shows of the node, and what the node does about what happens on the board.
//!
//! The light follows the checks and the uploads. A short press seals the open sessions, a long one ends the node, and
//! the machine where somebody watches `board_poweroff_file`. While the processor is slowed down, fewer workers seal. A supply
//! that breaks down is an entry `node.event`: pieces of evidence that were made then are worth a second look. Nothing
//! of it is needed for the node to work.

use std::{
    fs::OpenOptions,
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use lucid_api::{
    health::{Check, Readiness},
    metrics::{BoardMeasured, Measured},
};
use lucid_hal::board::{
    Board, Reading, fan::FanRule, press::Press, signal::Signal, throttle::Throttling,
};
use tokio::{
    sync::mpsc,
    time::{self, Instant},
};
use tokio_util::sync::CancellationToken;

use super::readiness::LEDGER_LOG;
use crate::{
    board::{Attendance, Attendant, Event},
    config::BoardConfig,
    output::notice,
    services::{
        chunker::LocalChunker,
        cpu::{HeldBack, Pool},
        orchestrator::Orchestrator,
    },
};

/// A start that reads what is unfinished may take this long before a watchdog resets the board.
const STARTING: Duration = Duration::from_mins(15);
/// A node whose checks answer is taken to live for this long. Longer than systemd's own watchdog waits
/// (`WatchdogSec`): starting the node again is tried before the board is reset.
const LIVES: Duration = Duration::from_secs(90);
/// How often the node is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Its checks answer in this time, or something is wrong.
const LOOK_TIME: Duration = Duration::from_secs(10);
/// What is copied elsewhere is behind where it waits for longer.
const BEHIND_SECONDS: u64 = 300;
/// Uploads that were told to end have this long until their sessions are sealed.
const SEAL_TIME: Duration = Duration::from_secs(15);
/// Between two tries.
const SEAL_AGAIN: Duration = Duration::from_millis(100);
/// A supply that flickers makes one entry in this time.
const SUPPLY_ENTRY_EVERY: Duration = Duration::from_hours(1);

/// What was measured last; what is not measured is not there.
#[derive(Clone, Default)]
pub(super) struct Figures(Arc<Mutex<Option<BoardMeasured>>>);

impl Figures {
    pub(super) fn get(&self) -> Option<BoardMeasured> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, figures: BoardMeasured) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(figures);
    }
}

/// A board that is attended to while the node starts.
pub(super) struct Opened {
    attendance: Attendance,
    events: mpsc::Receiver<Event>,
}

/// Opens the board and begins to attend to it; what cannot be had of it is said, and is no reason not to start.
pub(super) fn open(config: &BoardConfig) -> Option<Opened> {
    let (board, errors) = Board::open(&config.wanted);
    for error in errors {
        notice(&format!("the board: {error}"));
    }
    begin(board, config)
}

fn begin(board: Board, config: &BoardConfig) -> Option<Opened> {
    let attendant = Attendant::new(board, FanRule::new(config.fan_on_at));
    match Attendance::begin(attendant, STARTING) {
        Ok((attendance, events)) => Some(Opened { attendance, events }),
        Err(error) => {
            notice(&format!("the board: nobody attends to it: {error}"));
            None
        }
    }
}

/// What of the node the board works with.
pub(super) struct Parts {
    pub(super) readiness: Arc<dyn Readiness>,
    pub(super) sessions: Arc<Orchestrator>,
    pub(super) chunker: Arc<LocalChunker>,
    pub(super) cpu: Pool,
    pub(super) figures: Figures,
    /// Cancelled when the node stops.
    pub(super) stop: CancellationToken,
    /// Cancelled by a long press: the node is to stop.
    pub(super) leave: CancellationToken,
}

/// The node's side of the board.
struct Following {
    parts: Parts,
    attendance: Attendance,
    supply: Supply,
    held_back: Option<HeldBack>,
}

impl Opened {
    /// Follows node and board until the node stops; the light then says so until this is dropped.
    pub(super) async fn follow(self, parts: Parts) -> Option<Attendance> {
        let Self { attendance, mut events } = self;
        let supply = Supply::default();
        let stop = parts.stop.clone();
        let mut following = Following { parts, attendance, supply, held_back: None };
        let mut look = time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = look.tick() => following.look().await,
                event = events.recv() => match event {
                    Some(event) => following.take(event).await,
                    None => return None,
                },
            }
        }
        following.attendance.show(Signal::Stopping);
        // What ends in order is not reset in the middle of it.
        following.attendance.lives(LIVES);
        Some(following.attendance)
    }
}

impl Following {
    async fn look(&mut self) {
        let readiness = &self.parts.readiness;
        let looked = time::timeout(LOOK_TIME, async {
            (readiness.checks().await, readiness.measure().await)
        });
        let Ok((checks, measured)) = looked.await else {
            // A watchdog is not fed for much longer.
            self.attendance.show(Signal::Failed);
            return;
        };
        self.attendance.show(signal(&checks, &measured));
        // A start repairs a log that takes no more entries; nothing else gets better by one.
        if !checks.iter().any(|check| check.name == LEDGER_LOG && !check.ok) {
            self.attendance.lives(LIVES);
        }
    }

    async fn take(&mut self, event: Event) {
        match event {
            Event::Pressed(Press::Short) => self.seal().await,
            Event::Pressed(Press::Long) => {
                // A log that takes nothing does not keep the node from stopping.
                let told = self.tell("board.button", "held: the node stops".to_owned());
                if time::timeout(LOOK_TIME, told).await.is_err() {
                    tracing::error!("the button was held, and the log does not take that");
                }
                self.parts.leave.cancel();
            }
            Event::Supply { is_low } => {
                if let Some((event, detail)) = self.supply.became(is_low, Instant::now()) {
                    tracing::warn!("{detail}");
                    self.tell(event, detail).await;
                }
            }
            Event::Read(reading) => self.read(reading).await,
            // Whoever attends to the board tells these.
            Event::Failed(..) | Event::Recovered(_) => {}
        }
    }

    async fn read(&mut self, reading: Reading) {
        let Reading { temperature, throttling } = reading;
        let threads = self.parts.cpu.threads().get();
        let workers = throttling.map_or(threads, |said| said.workers(threads));
        match (self.held_back.is_some(), threads.saturating_sub(workers)) {
            (false, 1..) => {
                tracing::warn!(
                    workers,
                    of = threads,
                    "the processor is slowed down: fewer seal at once"
                );
                // The pool may be busy for long, and the board waits for nothing: the next reading tries again.
                let hold = self.parts.cpu.hold_back(threads - workers);
                match time::timeout(LOOK_EVERY, hold).await {
                    Ok(Ok(held)) => self.held_back = Some(held),
                    Ok(Err(problem)) => tracing::warn!(%problem, "workers cannot be held back"),
                    Err(_) => {}
                }
            }
            (true, 0) => {
                tracing::info!(workers, "the processor has its speed again");
                self.held_back = None;
            }
            _ => {}
        }
        if temperature.is_some() || throttling.is_some() {
            self.parts.figures.set(BoardMeasured {
                celsius: temperature.map(|milli| f64::from(milli.0) / 1000.0),
                slowed: throttling.map(Throttling::is_slowed),
                under_voltage: throttling.map(Throttling::is_under_voltage),
                under_voltages: self.supply.times,
                workers: workers as u64,
            });
        }
    }

    /// Seals the open sessions with what they have.
    async fn seal(&mut self) {
        self.parts.chunker.end_uploads();
        let until = Instant::now() + SEAL_TIME;
        let mut sealed = 0;
        let left = loop {
            match self.parts.sessions.seal_open().await {
                Ok((more, 0)) => {
                    sealed += more;
                    break 0;
                }
                Ok((more, left)) => {
                    sealed += more;
                    if Instant::now() > until {
                        break left;
                    }
                }
                Err(problem) => {
                    tracing::error!(%problem, "the button was pressed, and no session can be sealed");
                    return;
                }
            }
            time::sleep(SEAL_AGAIN).await;
        };
        tracing::info!(sealed, left, "the button was pressed: open sessions are sealed");
        let left = if left == 0 { String::new() } else { format!(", {left} could not be") };
        self.tell("board.button", format!("pressed: open sessions sealed: {sealed}{left}")).await;
    }

    async fn tell(&self, event: &'static str, detail: String) {
        if let Err(problem) = self.parts.sessions.tell(event, detail).await {
            tracing::error!(%problem, event, "what happened on the board is not in the log");
        }
    }
}

/// What the light says of a node.
fn signal(checks: &[Check], measured: &Measured) -> Signal {
    let behind = measured.sync_lag_seconds.is_some_and(|seconds| seconds > BEHIND_SECONDS);
    match measured.uploads {
        _ if checks.iter().any(|check| !check.ok) => Signal::Failed,
        Some(1..) => Signal::Recording,
        _ if behind => Signal::Behind,
        _ => Signal::Healthy,
    }
}

/// A supply over time: which of its breakdowns is told in the log.
#[derive(Default)]
struct Supply {
    /// Since the start.
    times: u64,
    /// When one was told last, and how many there have been at that time.
    told: Option<(Instant, u64)>,
}

impl Supply {
    /// What is told of a change; a supply that is good again is not.
    fn became(&mut self, is_low: bool, now: Instant) -> Option<(&'static str, String)> {
        if !is_low {
            return None;
        }
        self.times += 1;
        let before = match self.told {
            Some((at, _)) if now.saturating_duration_since(at) < SUPPLY_ENTRY_EVERY => return None,
            Some((_, before)) => before,
            None => 0,
        };
        self.told = Some((now, self.times));
        let times = self.times - before;
        let more = match times {
            1 => String::new(),
            times => format!(", {times} times since it was told last"),
        };
        Some(("board.under_voltage", format!("the supply's voltage is too low{more}")))
    }
}

/// Asks whoever watches `path` to switch the machine off. What is there already is left as it is: another life of this node
/// asked, or the path is something else's.
///
/// # Errors
/// Where the file cannot be made.
pub(super) fn ask_for_poweroff(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(file) => file.sync_all(),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
