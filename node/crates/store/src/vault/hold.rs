//! Holds: which uploader may commit chunks to a session.
//!
//! An uploader that was believed dead may wake up with a chunk half written. Its hold has a number, a
//! later uploader's is larger, and the number is compared under a short lock of the session in the
//! moment in which a file is begun or gets its name: once a later hold has begun, no file of an earlier
//! one can. No clocks need to agree.
//!
//! Within a hold an index may be written again (an answer was lost and the chunk is sent once more). Of
//! several writers of an index the last one begun counts, and none once the chunk was settled, so that
//! what an acknowledgement speaks of is what stays in the file.
//!
//! All of this is in memory. A vault that was started anew knows no hold, so that whoever wants to go on
//! begins one.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use lucid_core::{ChunkIndex, SessionId};

use super::Lease;
use crate::error::StoreError;

/// Sessions whose hold was let go that are remembered one by one.
const ENDED_MAX: usize = 16_384;

/// Where a hold is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    /// None was begun, or the last one was let go.
    #[default]
    Ended,
    /// What an earlier one left is being destroyed; after an error that is to be done again.
    Beginning,
    /// Its writers may commit.
    Begun,
}

/// The hold on one session.
#[derive(Default)]
pub(crate) struct Hold {
    /// The largest lease seen.
    latest: Option<Lease>,
    phase: Phase,
    /// No chunk before this is written.
    floor: u32,
    /// The last writer begun of each index from `floor` on.
    writers: BTreeMap<u32, u64>,
    /// Numbers writers.
    count: u64,
}

/// A session's hold, shared with its writers.
pub(crate) type Shared = Arc<Mutex<Hold>>;

/// Locks a hold, which is whole between its operations.
pub(crate) fn lock(hold: &Shared) -> MutexGuard<'_, Hold> {
    hold.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The holds on all sessions.
#[derive(Default)]
pub(crate) struct Holds {
    sessions: HashMap<SessionId, Shared>,
    /// Those that were let go, the longest ago first: their last lease must not begin again.
    ended: VecDeque<SessionId>,
    /// The largest lease of those that are not remembered one by one any more. Leases of all sessions
    /// grow together, so what is not larger is not a session's first one.
    forgotten: Option<Lease>,
}

impl Holds {
    /// The hold of a session that is to be begun under `lease`.
    pub(crate) fn beginning(
        &mut self,
        session: SessionId,
        lease: Lease,
    ) -> Result<Shared, StoreError> {
        if let Some(hold) = self.get(session) {
            return Ok(hold);
        }
        if self.forgotten >= Some(lease) {
            return Err(lost(session, lease));
        }
        Ok(Arc::clone(self.sessions.entry(session).or_default()))
    }

    /// The hold of a session, where one was begun.
    pub(crate) fn get(&self, session: SessionId) -> Option<Shared> {
        self.sessions.get(&session).cloned()
    }

    /// A session's hold was let go.
    pub(crate) fn ended(&mut self, session: SessionId) {
        self.ended.push_back(session);
        if self.ended.len() <= ENDED_MAX {
            return;
        }
        let Some(oldest) = self.ended.pop_front() else { return };
        let Some(hold) = self.sessions.get(&oldest) else { return };
        let hold = lock(hold);
        if hold.phase == Phase::Ended {
            self.forgotten = self.forgotten.max(hold.latest);
            drop(hold);
            self.sessions.remove(&oldest);
        }
    }

    /// A session's files are gone: there is nothing to guard.
    pub(crate) fn forget(&mut self, session: SessionId) {
        self.sessions.remove(&session);
    }
}

impl Hold {
    /// Ends earlier holds: from here on none of their writers commits. False where this very hold was
    /// begun before.
    pub(crate) fn take(&mut self, session: SessionId, lease: Lease) -> Result<bool, StoreError> {
        match self.latest.map(|latest| lease.cmp(&latest)) {
            Some(Ordering::Less) => return Err(lost(session, lease)),
            Some(Ordering::Equal) => match self.phase {
                Phase::Ended => return Err(lost(session, lease)),
                Phase::Begun => return Ok(false),
                Phase::Beginning => {}
            },
            Some(Ordering::Greater) | None => {}
        }
        (self.latest, self.phase) = (Some(lease), Phase::Beginning);
        self.writers.clear();
        Ok(true)
    }

    /// What earlier holds left is destroyed.
    pub(crate) fn begun(&mut self, next: ChunkIndex) {
        (self.floor, self.phase) = (next.0, Phase::Begun);
    }

    /// Ends every hold; false where there was none.
    pub(crate) fn end(&mut self) -> bool {
        self.writers.clear();
        std::mem::take(&mut self.phase) != Phase::Ended
    }

    /// No chunk before `floor` is written any more.
    pub(crate) fn settled(&mut self, floor: u32) {
        self.floor = self.floor.max(floor);
        self.writers = self.writers.split_off(&self.floor);
    }

    /// Begins a writer; true where another of that index was begun before.
    pub(crate) fn begin_writer(
        &mut self,
        session: SessionId,
        lease: Lease,
        index: ChunkIndex,
    ) -> Result<(u64, bool), StoreError> {
        if (self.latest, self.phase) != (Some(lease), Phase::Begun) {
            return Err(lost(session, lease));
        }
        if index.0 < self.floor {
            let reason = format!("chunk {index} is acknowledged, and not written again");
            return Err(StoreError::Chunk { session, reason });
        }
        self.count += 1;
        let before = self.writers.insert(index.0, self.count);
        Ok((self.count, before.is_some()))
    }
}

fn lost(session: SessionId, lease: Lease) -> StoreError {
    StoreError::LeaseLost { session, lease: lease.0 }
}

/// A writer's right to give its file a name.
pub(crate) struct Ticket {
    pub(crate) session: SessionId,
    pub(crate) lease: Lease,
    pub(crate) index: ChunkIndex,
    pub(crate) number: u64,
    pub(crate) hold: Shared,
}

impl Ticket {
    /// Runs `rename` if this writer's hold is the last one begun, and it is its index's last writer: no
    /// hold begins in between.
    pub(crate) fn commit(
        &self,
        rename: impl FnOnce() -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let hold = lock(&self.hold);
        if !self.is_current(&hold) {
            return Err(lost(self.session, self.lease));
        }
        rename()
    }

    /// Runs `remove` where the unfinished file under the temporary name is this writer's own.
    pub(crate) fn give_up(&self, remove: impl FnOnce()) {
        let mut hold = lock(&self.hold);
        if self.is_current(&hold) {
            hold.writers.remove(&self.index.0);
            remove();
        }
    }

    fn is_current(&self, hold: &Hold) -> bool {
        (hold.latest, hold.phase) == (Some(self.lease), Phase::Begun)
            && hold.writers.get(&self.index.0) == Some(&self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(number: u32) -> SessionId {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        SessionId::from_random(bytes)
    }

    /// Begins a hold from chunk `next` on.
    fn begin(holds: &mut Holds, number: u32, lease: u64, next: u32) -> Result<bool, StoreError> {
        let hold = holds.beginning(session(number), Lease(lease))?;
        let mut hold = lock(&hold);
        let fresh = hold.take(session(number), Lease(lease))?;
        if fresh {
            hold.begun(ChunkIndex(next));
        }
        Ok(fresh)
    }

    fn end(holds: &mut Holds, number: u32) {
        let hold = holds.get(session(number)).unwrap();
        assert!(lock(&hold).end());
        assert!(!lock(&hold).end(), "it ends once");
        holds.ended(session(number));
    }

    #[test]
    fn leases_grow() {
        let mut holds = Holds::default();
        for (lease, want) in [
            (5, Some(true)),
            (5, Some(false)),
            (4, None),
            (6, Some(true)),
            (5, None),
            (6, Some(false)),
            (u64::MAX, Some(true)),
            (0, None),
        ] {
            assert_eq!(begin(&mut holds, 1, lease, 0).ok(), want, "{lease}");
        }
        end(&mut holds, 1);
        assert!(begin(&mut holds, 1, u64::MAX, 0).is_err(), "what was let go does not come back");
        assert_eq!(begin(&mut holds, 2, 0, 0).ok(), Some(true), "each session has its own");
    }

    #[test]
    fn a_beginning_that_failed_is_not_begun() {
        let mut hold = Hold::default();
        assert!(hold.take(session(1), Lease(1)).unwrap());
        assert!(hold.begin_writer(session(1), Lease(1), ChunkIndex(0)).is_err());
        assert!(hold.take(session(1), Lease(1)).unwrap(), "it is done again");
        hold.begun(ChunkIndex(3));
        assert!(hold.begin_writer(session(1), Lease(1), ChunkIndex(2)).is_err());
        assert_eq!(hold.begin_writer(session(1), Lease(1), ChunkIndex(3)).unwrap(), (1, false));
        assert_eq!(hold.begin_writer(session(1), Lease(1), ChunkIndex(3)).unwrap(), (2, true));
        hold.settled(4);
        assert!(hold.writers.is_empty());
        assert!(hold.begin_writer(session(1), Lease(1), ChunkIndex(3)).is_err());
    }

    #[test]
    fn sessions_that_ended_long_ago_are_forgotten_and_their_leases_are_not() {
        let mut holds = Holds::default();
        let many = ENDED_MAX as u32 + 100;
        for number in 0..many {
            assert!(begin(&mut holds, number, 1000 + u64::from(number), 0).unwrap());
            end(&mut holds, number);
        }
        for number in [0, 50, 99, 100, many - 1] {
            for lease in [0, 1000 + u64::from(number)] {
                assert!(begin(&mut holds, number, lease, 0).is_err(), "{number} under {lease}");
            }
        }
        assert_eq!((holds.sessions.len(), holds.ended.len()), (ENDED_MAX, ENDED_MAX));
        assert!(begin(&mut holds, many, 1000 + u64::from(many), 0).unwrap());
    }
}
