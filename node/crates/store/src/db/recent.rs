//! What the log says since the trees were last written.
//!
//! It is kept in memory and read from the log again at each start. If each entry were written to sled
//! at once, every start after it would write sled's whole page table (a snapshot): two million bytes for
//! the two entries of one session, where the log is a million entries long.

use std::collections::BTreeMap;

use lucid_core::{EntryIndex, SessionId, entry::Entry};

use super::SessionRow;

/// The changes that the entries from `base` to `size` make to the trees.
#[derive(Default)]
pub(super) struct Recent {
    /// Entries that the trees stand for.
    pub(super) base: u64,
    /// Entries that trees and changes stand for together.
    pub(super) size: u64,
    /// Rows as they are now, of the sessions that changed.
    pub(super) rows: BTreeMap<SessionId, SessionRow>,
    /// Sessions opened, by place.
    pub(super) opened: BTreeMap<EntryIndex, SessionId>,
    /// Sessions that a start must look at, and those it need not look at any more.
    pub(super) unfinished: BTreeMap<SessionId, bool>,
}

impl Recent {
    /// No change yet to trees that stand for `size` entries.
    pub(super) fn after(size: u64) -> Self {
        Self { base: size, size, ..Self::default() }
    }

    /// Takes up the entry at `index`; `written` is the row of its session in the trees.
    pub(super) fn apply(&mut self, index: EntryIndex, entry: &Entry, written: Option<SessionRow>) {
        let Some(session) = entry.session() else { return };
        if let Entry::SessionOpened(entry) = entry {
            self.rows.insert(session, SessionRow::opened(index, entry));
            self.opened.insert(index, session);
            self.unfinished.insert(session, true);
            return;
        }
        // `check` lets no entry about an unknown session into the log; one that a foreign program
        // put there is not about any session of this node.
        let Some(mut row) = self.rows.remove(&session).or(written) else { return };
        match entry {
            Entry::SessionSealed(entry) => row.seal(index, entry),
            Entry::SessionVoided(entry) => row.void(index, entry),
            Entry::SessionErased(entry) => row.erase(index, entry),
            Entry::SessionOpened(_)
            | Entry::UserChanged(_)
            | Entry::NodeEvent(_)
            | Entry::Other(_) => {}
        }
        // Its keys and chunks are destroyed after the entry that says so.
        self.unfinished.insert(session, row.ended.is_some());
        self.rows.insert(session, row);
    }
}
