//! What is known without the trees: what the log says since they were last written, which sessions are
//! open, which parameters are in force, and how far the log is anchored.
//!
//! The first is kept in memory and read from the log again at each start. If each entry were written to
//! sled at once, every start after it would write sled's whole page table (a snapshot): two million bytes
//! for the two entries of one session, where the log is a million entries long.
//!
//! Open sessions are few, and a start reads the rows of all of them. So what lists and counts them costs
//! the disk nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound::{Excluded, Unbounded},
};

use lucid_core::{
    EntryIndex, Owner, SessionId,
    entry::{AnchorTron, Entry, ParametersChanged},
};

use super::{Due, SessionRow, State, order::Place};

/// Sessions by the place of their opening, all of them and by owner.
#[derive(Default)]
pub(super) struct Places {
    all: BTreeMap<EntryIndex, SessionId>,
    by_owner: BTreeMap<Owner, BTreeMap<EntryIndex, SessionId>>,
}

impl Places {
    pub(super) fn insert(&mut self, row: &SessionRow) {
        self.all.insert(row.opened, row.session);
        self.by_owner.entry(row.owner.clone()).or_default().insert(row.opened, row.session);
    }

    fn remove(&mut self, row: &SessionRow) {
        self.all.remove(&row.opened);
        if let Some(places) = self.by_owner.get_mut(&row.owner) {
            places.remove(&row.opened);
            if places.is_empty() {
                self.by_owner.remove(&row.owner);
            }
        }
    }

    fn clear(&mut self) {
        self.all.clear();
        self.by_owner.clear();
    }

    /// Number of an owner's sessions.
    pub(super) fn count(&self, owner: &Owner) -> usize {
        self.by_owner.get(owner).map_or(0, BTreeMap::len)
    }

    /// Number of all sessions.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// The owners and their sessions.
    pub(super) fn owners(&self) -> impl Iterator<Item = (&Owner, Place)> {
        let of = |(owner, places)| std::iter::repeat(owner).zip(flat(places));
        self.by_owner.iter().flat_map(of)
    }

    /// All sessions.
    pub(super) fn iter(&self) -> impl Iterator<Item = Place> {
        flat(&self.all)
    }

    /// The sessions, an owner's or all, in the order of a list that goes on after a place.
    pub(super) fn after(
        &self,
        owner: Option<&Owner>,
        newest: bool,
        after: Option<EntryIndex>,
    ) -> Box<dyn Iterator<Item = Place> + '_> {
        let Some(places) = owner.map_or(Some(&self.all), |owner| self.by_owner.get(owner)) else {
            return Box::new(std::iter::empty());
        };
        let after = after.map_or(Unbounded, Excluded);
        let place = |(&place, &session)| (place, session);
        match newest {
            true => Box::new(places.range((Unbounded, after)).rev().map(place)),
            false => Box::new(places.range((after, Unbounded)).map(place)),
        }
    }
}

fn flat(places: &BTreeMap<EntryIndex, SessionId>) -> impl Iterator<Item = Place> {
    places.iter().map(|(&place, &session)| (place, session))
}

/// The changes that the entries from `base` to `size` make to the trees, the open sessions, the
/// parameters in force, and the last anchor.
#[derive(Default)]
pub(super) struct Recent {
    /// Entries that the trees stand for.
    pub(super) base: u64,
    /// Entries that trees and changes stand for together.
    pub(super) size: u64,
    /// Rows as they are now, of the sessions that changed.
    pub(super) rows: BTreeMap<SessionId, SessionRow>,
    /// Sessions opened.
    pub(super) opened: Places,
    /// Sessions that a start must look at, and those it need not look at any more.
    pub(super) unfinished: BTreeMap<SessionId, bool>,
    /// Places of `user.changed` entries.
    pub(super) users: BTreeSet<EntryIndex>,
    /// Places of `parameters.changed` entries.
    pub(super) parameters: BTreeSet<EntryIndex>,
    /// Places of `anchor.tron` entries.
    pub(super) anchors: BTreeSet<EntryIndex>,
    /// Sessions that are to be erased, and those that no longer are.
    pub(super) due: BTreeMap<Due, bool>,
    /// The newest change of parameters, whenever it was.
    pub(super) in_force: Option<ParametersChanged>,
    /// The newest anchor, whenever it was.
    pub(super) anchored: Option<AnchorTron>,
    /// The sessions that are open now, whenever they were opened.
    pub(super) open: Places,
}

impl Recent {
    /// No change yet to trees that stand for `size` entries, with these open sessions.
    pub(super) fn after(size: u64, open: Places) -> Self {
        Self { base: size, size, open, ..Self::default() }
    }

    /// The trees stand for all of it now.
    pub(super) fn written(&mut self) {
        self.base = self.size;
        self.rows.clear();
        self.opened.clear();
        self.unfinished.clear();
        self.users.clear();
        self.parameters.clear();
        self.anchors.clear();
        self.due.clear();
    }

    /// Takes up the entry at `index`; `written` is the row of its session in the trees.
    pub(super) fn apply(&mut self, index: EntryIndex, entry: &Entry, written: Option<SessionRow>) {
        match entry {
            Entry::UserChanged(_) => {
                self.users.insert(index);
            }
            Entry::ParametersChanged(changed) => {
                self.parameters.insert(index);
                self.in_force = Some(changed.clone());
            }
            Entry::AnchorTron(anchor) => {
                self.anchors.insert(index);
                self.anchored = Some(anchor.clone());
            }
            _ => {}
        }
        let Some(session) = entry.session() else { return };
        if let Entry::SessionOpened(entry) = entry {
            let row = SessionRow::opened(index, entry);
            self.opened.insert(&row);
            self.open.insert(&row);
            self.unfinished.insert(session, true);
            self.rows.insert(session, row);
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
            | Entry::EvmBody(_)
            | Entry::EvmBlock(_)
            | Entry::ParametersChanged(_)
            | Entry::AnchorTron(_)
            | Entry::Other(_) => {}
        }
        if row.state() != State::Open {
            self.open.remove(&row);
        }
        if let Some(at) = row.erased_from() {
            self.due.insert(Due { at, session }, row.state() == State::Sealed);
        }
        // Its keys and chunks are destroyed after the entry that says so.
        self.unfinished.insert(session, row.ended.is_some());
        self.rows.insert(session, row);
    }
}
