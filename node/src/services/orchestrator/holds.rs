//! Who is filling which session.
//!
//! A hold is a number, larger than every one before it. A holder that shows no sign of life loses its
//! hold to the next one who asks; store and vault refuse what it then still has under way. This table
//! only says who may ask: what protects the data are the numbers, compared where it is written.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use lucid_api::{Problem, ports::LeaseId};
use lucid_core::SessionId;

use crate::services::problem;

/// A holder is believed alive this long after its last sign of life: more than twice what it renews
/// its hold after.
const ALIVE_FOR: Duration = Duration::from_secs(5);

/// The holds.
#[derive(Default)]
pub(super) struct Holds {
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    held: HashMap<SessionId, Hold>,
    last: u64,
}

struct Hold {
    lease: LeaseId,
    renewed: Instant,
}

impl Holds {
    /// Takes a new hold.
    ///
    /// # Errors
    /// `upload_in_use` while another holder is alive.
    pub(super) fn take(&self, session: SessionId) -> Result<LeaseId, Problem> {
        let mut table = self.lock();
        if table.held.get(&session).is_some_and(|hold| hold.renewed.elapsed() < ALIVE_FOR) {
            return Err(problem::in_use());
        }
        // From the clock, so that it is larger than those of an earlier process; from the last one, in
        // case the clock was set back.
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let clock = u64::try_from(clock.as_micros()).unwrap_or(u64::MAX);
        table.last = clock.max(table.last.saturating_add(1));
        let lease = LeaseId(table.last);
        table.held.insert(session, Hold { lease, renewed: Instant::now() });
        Ok(lease)
    }

    /// A sign of life.
    ///
    /// # Errors
    /// `upload_in_use` where the hold has gone to another.
    pub(super) fn renew(&self, session: SessionId, lease: LeaseId) -> Result<(), Problem> {
        let mut table = self.lock();
        match table.held.get_mut(&session) {
            Some(hold) if hold.lease == lease => {
                hold.renewed = Instant::now();
                Ok(())
            }
            _ => Err(problem::in_use()),
        }
    }

    /// Lets go; whether the hold was still the holder's.
    pub(super) fn release(&self, session: SessionId, lease: LeaseId) -> bool {
        let mut table = self.lock();
        let own = table.held.get(&session).is_some_and(|hold| hold.lease == lease);
        if own {
            table.held.remove(&session);
        }
        own
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // The table is whole between its operations, none of which panics half way.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use lucid_api::Code;

    use super::*;

    fn session(byte: u8) -> SessionId {
        SessionId::from_random([byte; 16])
    }

    #[test]
    fn one_holder_at_a_time_and_numbers_grow() {
        let holds = Holds::default();
        let first = holds.take(session(1)).unwrap();
        assert_eq!(holds.take(session(1)).unwrap_err().code, Code::UploadInUse);
        let other = holds.take(session(2)).unwrap();
        assert!(other > first);
        holds.renew(session(1), first).unwrap();
        assert_eq!(holds.renew(session(1), other).unwrap_err().code, Code::UploadInUse);
        assert!(!holds.release(session(1), other));
        assert!(holds.release(session(1), first));
        assert!(!holds.release(session(1), first));
        assert_eq!(holds.renew(session(1), first).unwrap_err().code, Code::UploadInUse);
        assert!(holds.take(session(1)).unwrap() > other);
    }

    #[test]
    fn who_shows_no_life_loses_the_hold() {
        let holds = Holds::default();
        let first = holds.take(session(1)).unwrap();
        let long_ago = Instant::now().checked_sub(ALIVE_FOR).unwrap();
        holds.lock().held.get_mut(&session(1)).unwrap().renewed = long_ago;
        let second = holds.take(session(1)).unwrap();
        assert!(second > first);
        assert_eq!(holds.renew(session(1), first).unwrap_err().code, Code::UploadInUse);
        assert!(!holds.release(session(1), first), "its end does not end the other's");
        holds.renew(session(1), second).unwrap();
    }
}
