//! When an anchor is due: pure.
//!
//! What counts are entries that say something final of a session: that it is what it is, or that it was
//! destroyed. Entries of the node's own making (blocks, anchors) do not count, or each anchor would be a
//! reason for the next.

use lucid_core::{EntryIndex, Timestamp, entry::Entry};

/// What the log has since the last anchor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Unanchored {
    /// Entries of every kind but anchors.
    pub entries: u64,
    /// Sealed sessions and destroyed ones.
    pub sessions: u64,
    /// When the first of them was sealed or destroyed.
    pub since: Option<Timestamp>,
    /// Entries looked at: those before this place are counted or anchored.
    pub until: u64,
}

/// How often there are anchors: the parameters in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rhythm {
    /// The first unanchored session waits for so many seconds at most.
    pub interval_seconds: u64,
    /// So many do not wait.
    pub sessions_max: u64,
}

impl Unanchored {
    /// Nothing counted yet of a log whose first `size` entries are anchored.
    #[must_use]
    pub fn after(size: u64) -> Self {
        Self { until: size, ..Self::default() }
    }

    /// Takes up the entry at `index`; one that was taken up already changes nothing.
    pub fn take(&mut self, index: EntryIndex, entry: &Entry) {
        if index.0 < self.until {
            return;
        }
        self.until = index.0 + 1;
        self.entries += u64::from(!matches!(entry, Entry::AnchorTron(_)));
        if matches!(entry, Entry::SessionSealed(_) | Entry::SessionErased(_)) {
            self.sessions += 1;
            self.since = self.since.or(Some(entry.at()));
        }
    }

    /// When an anchor is due, where anything waits for one; a moment that is past where it is due now.
    ///
    /// A clock that went back makes nothing wait for longer than the interval: of times in the future
    /// `now` counts.
    #[must_use]
    pub fn due_at(&self, rhythm: Rhythm, now: Timestamp) -> Option<Timestamp> {
        let since = self.since?.min(now);
        match self.sessions >= rhythm.sessions_max {
            true => Some(since),
            false => Some(since.after_seconds(rhythm.interval_seconds)),
        }
    }
}

#[cfg(test)]
mod tests {
    use lucid_core::{
        Owner, SessionId,
        access::Role,
        entry::{SessionErased, UserChanged},
    };

    use super::*;

    const RHYTHM: Rhythm = Rhythm { interval_seconds: 3600, sessions_max: 3 };

    fn at(second: u64) -> Timestamp {
        Timestamp::from_unix_millis(second * 1000)
    }

    fn erased(second: u64) -> Entry {
        let mut id = [7; 16];
        (id[6], id[8]) = (0x40, 0x80);
        let session_id = SessionId::from_bytes(id).unwrap();
        let (kind, v) = Default::default();
        Entry::SessionErased(SessionErased { at: at(second), kind, session_id, v })
    }

    #[test]
    fn the_first_waits_for_the_interval_and_many_do_not_wait() {
        let mut unanchored = Unanchored::after(10);
        assert_eq!(unanchored.due_at(RHYTHM, at(50)), None, "nothing to anchor");
        unanchored.take(EntryIndex(9), &erased(1));
        assert_eq!(unanchored, Unanchored::after(10), "it is anchored already");
        unanchored.take(EntryIndex(10), &erased(100));
        unanchored.take(EntryIndex(10), &erased(100));
        assert_eq!(unanchored.sessions, 1);
        assert_eq!(unanchored.due_at(RHYTHM, at(150)), Some(at(3700)));
        unanchored.take(EntryIndex(11), &erased(200));
        assert_eq!(unanchored.due_at(RHYTHM, at(250)), Some(at(3700)));
        unanchored.take(EntryIndex(12), &erased(300));
        assert_eq!(unanchored.due_at(RHYTHM, at(350)), Some(at(100)));
        assert_eq!(unanchored.until, 13);
        // The clock is an hour behind what it was.
        let behind = Unanchored { sessions: 1, ..unanchored };
        assert_eq!(behind.due_at(RHYTHM, at(40)), Some(at(3640)));
    }

    #[test]
    fn what_the_node_says_of_itself_is_no_reason() {
        let local: Owner = "local".parse().unwrap();
        let (kind, v) = Default::default();
        let (by, user, role) = (local.clone(), local, Role::User);
        let entry =
            Entry::UserChanged(UserChanged { at: at(1), by, kind, revoked: false, role, user, v });
        let mut unanchored = Unanchored::after(0);
        unanchored.take(EntryIndex(0), &entry);
        assert_eq!((unanchored.sessions, unanchored.entries, unanchored.until), (0, 1, 1));
    }
}
