//! Group commit: entries that come while the log is being written to go into it together.
//!
//! A writer queues its entries. Where nobody writes, it does so itself, for all that is queued by then:
//! one write, one sync of the tail, one signature, one checkpoint. Whoever comes meanwhile waits, is told
//! what became of its entries, or is the next to write. So an append alone costs no more than it must,
//! and many at once share what durability costs.
//!
//! Those of a group are told together and often come again together, the first of them a moment before
//! the others. It waits for them (`GATHER_PART`), or every second group would be of one.
//!
//! Invariants:
//! - entries stand in the log in the order in which they were queued, those of one writer together;
//! - no group has entries of two writers about one session: the later ones are checked against what
//!   the earlier ones made of it; and what changes the parameters is the last in its group, as sessions
//!   that are opened after it are held against them;
//! - each writer is told once, and only what is so: done after the group is durable, else the error. A
//!   group fails as a whole, and each of it is told so. A writer that panics takes its group with it, and
//!   the log then takes no more.
//!
//! A crash loses what nobody was told of.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use lucid_core::entry::Entry;

use super::Committed;
use crate::{error::StoreError, log::Prepared};

/// Bytes in the tail that one group writes, but for a larger one that is alone.
const GROUP_BYTES_MAX: usize = 4 << 20;
/// A group that is smaller than the one before it waits for more, for this part of the time that the one
/// before took: what it can lose is small beside what one more group would cost.
const GATHER_PART: u32 = 8;
/// And never longer than this.
const GATHER_MAX: Duration = Duration::from_millis(5);

/// What a writer appends.
pub(super) struct Request {
    pub(super) entries: Vec<Entry>,
    pub(super) prepared: Prepared,
    told: Mutex<Option<Result<Committed, StoreError>>>,
    /// It was told, or it is its turn to write. Goes with the queue's lock.
    woken: Condvar,
}

impl Request {
    pub(super) fn new(entries: Vec<Entry>, prepared: Prepared) -> Self {
        Self { entries, prepared, told: Mutex::default(), woken: Condvar::new() }
    }

    /// Says what became of it.
    pub(super) fn tell(&self, answer: Result<Committed, StoreError>) {
        let earlier = unpoisoned(&self.told).replace(answer);
        assert!(earlier.is_none(), "a writer is told once");
    }

    fn take_answer(&self) -> Option<Result<Committed, StoreError>> {
        unpoisoned(&self.told).take()
    }

    fn is_told(&self) -> bool {
        unpoisoned(&self.told).is_some()
    }
}

/// Who waits to append.
#[derive(Default)]
pub(super) struct Queue(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    requests: VecDeque<Arc<Request>>,
    /// Somebody writes, or gathers what to write.
    writing: bool,
    /// Who gathers, until there are so many.
    gathering: Option<(usize, Arc<Request>)>,
    /// The group before: how many it was, and how long it took.
    before: (usize, Duration),
}

impl Queue {
    /// Has `request` appended, by this thread or another, and gives what became of it. `write` appends a
    /// group and tells each of it; where it fails, its error is for those that were not told, and where it
    /// panics, `panicked` is.
    pub(super) fn commit(
        &self,
        request: Request,
        panicked: impl Fn() -> StoreError,
        write: impl Fn(Vec<&Request>) -> Result<(), StoreError>,
    ) -> Result<Committed, StoreError> {
        let request = Arc::new(request);
        let mut waiting = self.lock();
        waiting.requests.push_back(Arc::clone(&request));
        if let Some((_, gatherer)) = waiting.gathering.as_ref().filter(|(n, _)| waiting.has(*n)) {
            gatherer.woken.notify_one();
        }
        loop {
            if let Some(answer) = request.take_answer() {
                return answer;
            }
            if waiting.writing {
                waiting = request.woken.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            waiting.writing = true;
            waiting = Self::gather(waiting, &request);
            let group = waiting.next_group();
            drop(waiting);
            let turn = Turn { queue: self, group, begun: Instant::now(), panicked: &panicked };
            if let Err(error) = write(turn.group.iter().map(|request| &**request).collect()) {
                turn.fail(error);
            }
            drop(turn);
            waiting = self.lock();
        }
    }

    /// Waits a moment for as many as there were in the group before.
    fn gather<'a>(
        mut waiting: MutexGuard<'a, Waiting>,
        gatherer: &Arc<Request>,
    ) -> MutexGuard<'a, Waiting> {
        let (count, time) = waiting.before;
        if waiting.has(count) {
            return waiting;
        }
        waiting.gathering = Some((count, Arc::clone(gatherer)));
        let patience = (time / GATHER_PART).min(GATHER_MAX);
        let few = |waiting: &mut Waiting| !waiting.has(count);
        let waited = gatherer.woken.wait_timeout_while(waiting, patience, few);
        let (mut waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        waiting.gathering = None;
        waiting
    }

    /// Requests that nobody is writing yet.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.lock().requests.len()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        unpoisoned(&self.0)
    }
}

impl Waiting {
    fn has(&self, count: usize) -> bool {
        self.requests.len() >= count
    }

    /// The longest run of requests that may be appended together; at least one, where there is one.
    fn next_group(&mut self) -> Vec<Arc<Request>> {
        let (mut bytes, mut sessions, mut last) = (0, HashSet::new(), false);
        let fits = |request: &&Arc<Request>| {
            let first = bytes == 0;
            bytes += request.prepared.tail_bytes();
            let own: HashSet<_> = request.entries.iter().filter_map(Entry::session).collect();
            let apart = own.is_disjoint(&sessions);
            sessions.extend(own);
            let after = last;
            last |= request.entries.iter().any(changes_what_is_checked);
            first || (bytes <= GROUP_BYTES_MAX && apart && !after)
        };
        let count = self.requests.iter().take_while(fits).count();
        self.requests.drain(..count).collect()
    }
}

/// A writer's turn. When it is over, however it ends, its group is told and the next one is woken.
struct Turn<'a, P: Fn() -> StoreError> {
    queue: &'a Queue,
    group: Vec<Arc<Request>>,
    begun: Instant,
    panicked: &'a P,
}

impl<P: Fn() -> StoreError> Turn<'_, P> {
    /// Tells an error to all that were told nothing.
    fn fail(&self, error: StoreError) {
        let mut untold = self.group.iter().filter(|request| !request.is_told());
        let (Some(one), more) = (untold.next(), untold.collect::<Vec<_>>()) else { return };
        if more.is_empty() {
            return one.tell(Err(error));
        }
        let error = Arc::new(error);
        for request in [one].into_iter().chain(more) {
            request.tell(Err(StoreError::Group(Arc::clone(&error))));
        }
    }
}

impl<P: Fn() -> StoreError> Drop for Turn<'_, P> {
    fn drop(&mut self) {
        for request in self.group.iter().filter(|request| !request.is_told()) {
            request.tell(Err((self.panicked)()));
        }
        // Under the lock: who looks at it before finds itself told, who waits is woken.
        let mut waiting = self.queue.lock();
        waiting.writing = false;
        waiting.before = (self.group.len(), self.begun.elapsed());
        for request in &self.group {
            request.woken.notify_one();
        }
        if let Some(next) = waiting.requests.front() {
            next.woken.notify_one();
        }
    }
}

/// What these locks guard is whole whenever they are let go.
fn unpoisoned<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether an entry decides which entries may come after it, so that none of its group may.
fn changes_what_is_checked(entry: &Entry) -> bool {
    matches!(entry, Entry::ParametersChanged(_) | Entry::AnchorTron(_))
}
