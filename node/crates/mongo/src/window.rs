//! Folding a log by session or by account, without ever having all of them in memory.
//!
//! One pass over the log keeps the smallest keys above a bound; the next pass goes on above the largest of them.
//! Each pass reads the whole log, and gives documents in the order of their `_id`s, as the database does.

use std::collections::{BTreeMap, VecDeque};

use lucid_core::{EntryIndex, NodeId, SessionId};

use crate::{
    anchor::Anchor,
    build::{anchor_at, may_be, parsed, user_at},
    document::{self, Record},
    fault::Fault,
    session::Session,
};

/// Sessions or accounts kept at once: some tens of MiB.
pub(crate) const KEPT_MAX: usize = 16_384;

/// The smallest keys above a bound.
struct Smallest<K, V> {
    above: Option<K>,
    kept: BTreeMap<K, V>,
    most: usize,
    left_out: bool,
}

impl<K: Ord + Clone, V> Smallest<K, V> {
    fn new(above: Option<K>, most: usize) -> Self {
        Self { above, kept: BTreeMap::new(), most, left_out: false }
    }

    /// The place of a key that belongs here, made where it is not there yet.
    fn place(&mut self, key: &K, make: impl FnOnce() -> V) -> Option<&mut V> {
        if self.above.as_ref().is_some_and(|above| key <= above) {
            return None;
        }
        if !self.kept.contains_key(key) {
            let largest = self.kept.last_key_value().map(|(largest, _)| largest);
            if self.kept.len() >= self.most {
                self.left_out = true;
                if largest.is_some_and(|largest| key > largest) {
                    return None;
                }
                self.kept.pop_last();
            }
            self.kept.insert(key.clone(), make());
        }
        self.kept.get_mut(key)
    }
}

/// Sessions of one pass.
pub(crate) struct Sessions {
    smallest: Smallest<SessionId, Session>,
    /// Sealed and not anchored, in the order of the log.
    waiting: VecDeque<(u64, SessionId)>,
}

impl Sessions {
    pub(crate) fn new(above: Option<SessionId>, most: usize) -> Self {
        Self { smallest: Smallest::new(above, most), waiting: VecDeque::new() }
    }

    /// Takes up the next entry.
    pub(crate) fn take(&mut self, index: u64, bytes: &[u8]) -> Result<(), Fault> {
        if let Some(anchor) = anchor_at(bytes, index)? {
            self.take_anchor(index, &anchor);
            return Ok(());
        }
        if !may_be(bytes, "session.") {
            return Ok(());
        }
        let entry = parsed(bytes, index)?;
        let Some(id) = entry.session() else { return Ok(()) };
        if let Some(session) = self.smallest.place(&id, || Session::new(id)) {
            let was_sealed = session.sealed.is_some();
            session.take(EntryIndex(index), &entry);
            if session.sealed.is_some() && !was_sealed {
                self.waiting.push_back((index, id));
            }
        }
        Ok(())
    }

    fn take_anchor(&mut self, index: u64, anchor: &Anchor) {
        while let Some((sealed, id)) = self.waiting.front().copied() {
            if sealed >= anchor.log_size {
                break;
            }
            self.waiting.pop_front();
            // One that made room for a smaller one is of the next pass.
            if let Some(session) = self.smallest.kept.get_mut(&id) {
                session.take_anchor(EntryIndex(index), anchor);
            }
        }
    }

    /// What was kept, in order, and whether there are more above.
    pub(crate) fn end(self) -> (Vec<Session>, bool) {
        (self.smallest.kept.into_values().collect(), self.smallest.left_out)
    }
}

/// Accounts of one pass, each as its last entry left it.
pub(crate) struct Users {
    node: NodeId,
    smallest: Smallest<String, Record>,
}

impl Users {
    pub(crate) fn new(node: NodeId, above: Option<String>, most: usize) -> Self {
        Self { node, smallest: Smallest::new(above, most) }
    }

    /// Takes up the next entry.
    pub(crate) fn take(&mut self, index: u64, bytes: &[u8]) -> Result<(), Fault> {
        let Some(user) = user_at(bytes, EntryIndex(index))? else { return Ok(()) };
        let record = document::user(self.node, EntryIndex(index), &user);
        if let Some(place) = self.smallest.place(&record.id.clone(), || record.clone()) {
            *place = record;
        }
        Ok(())
    }

    /// What was kept, in order, and whether there are more above.
    pub(crate) fn end(self) -> (Vec<Record>, bool) {
        (self.smallest.kept.into_values().collect(), self.smallest.left_out)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn passes_together_are_one_fold(
            keys in proptest::collection::vec(0_u8..40, 0..200),
            most in 1_usize..12,
        ) {
            let mut whole: BTreeMap<u8, Vec<usize>> = BTreeMap::new();
            for (place, key) in keys.iter().enumerate() {
                whole.entry(*key).or_default().push(place);
            }
            let (mut passes, mut above) = (Vec::new(), None);
            loop {
                let mut pass = Smallest::new(above, most);
                for (place, key) in keys.iter().enumerate() {
                    if let Some(kept) = pass.place(key, Vec::new) {
                        kept.push(place);
                    }
                }
                prop_assert!(pass.kept.len() <= most);
                above = pass.kept.last_key_value().map(|(key, _)| *key);
                let more = pass.left_out;
                passes.extend(pass.kept);
                if !more {
                    break;
                }
            }
            prop_assert_eq!(passes, whole.into_iter().collect::<Vec<_>>());
        }
    }
}
