//! Looking up what was decided: the changes of parameters, and the sessions that they have erased.

use std::{collections::BTreeSet, ops::Bound};

use lucid_core::{
    EntryIndex, Parameters, SessionId, Timestamp,
    entry::{Entry, ParametersChanged, SessionOpened},
};

use super::{Database, Source};
use crate::error::{StoreError, damaged};

/// A sealed session, and from when on it is to be erased.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Due {
    /// From when on.
    pub at: Timestamp,
    /// The session.
    pub session: SessionId,
}

impl Due {
    /// Its key: the time in milliseconds, 8 bytes big-endian ‖ session id, 16 bytes.
    pub(super) fn key(&self) -> [u8; 24] {
        let mut key = [0; 24];
        let (at, session) = key.split_at_mut(8);
        at.copy_from_slice(&self.at.unix_millis().to_be_bytes());
        session.copy_from_slice(self.session.as_bytes());
        key
    }

    fn parse(key: &[u8]) -> Option<Self> {
        let (at, session) = key.split_first_chunk()?;
        let session = SessionId::from_bytes(session.try_into().ok()?).ok()?;
        Some(Self { at: Timestamp::from_unix_millis(u64::from_be_bytes(*at)), session })
    }
}

impl Database {
    /// What the last place in `tree` is of, read from the log; `pick` gives nothing of an entry of another
    /// kind. The error says what is wrong with the tree, which is of `what` by name.
    pub(super) fn newest<T>(
        &self,
        log: &dyn Source,
        (tree, name, what): (&sled::Tree, &str, &str),
        pick: impl FnOnce(Entry) -> Option<T>,
    ) -> Result<Result<Option<T>, String>, StoreError> {
        let Some((key, _)) = self.sled(tree.last())? else { return Ok(Ok(None)) };
        let index = self.place(&key, name)?;
        let none = format!("it has entry {index} as {what}, which it is not");
        if index.0 >= log.size() {
            return Ok(Err(none));
        }
        let bytes = log.entry(index)?;
        let entry = Entry::parse(&bytes)
            .map_err(|error| damaged(log.path(), format!("entry {index}: {error}")))?;
        Ok(pick(entry).map(Some).ok_or(none))
    }

    /// The newest change of parameters, as [`newest`](Self::newest) has it.
    pub(super) fn newest_parameters(
        &self,
        log: &dyn Source,
    ) -> Result<Result<Option<ParametersChanged>, String>, StoreError> {
        let tree = (&self.parameters, "parameters", "a change of parameters");
        self.newest(log, tree, |entry| match entry {
            Entry::ParametersChanged(changed) => Some(changed),
            _ => None,
        })
    }

    /// The newest change of parameters.
    pub(crate) fn parameters(&self) -> Option<ParametersChanged> {
        self.recent().in_force.clone()
    }

    /// Places of at most `limit` `parameters.changed` entries of the log, from `from` on, in order.
    pub(crate) fn parameter_changes(
        &self,
        from: EntryIndex,
        limit: usize,
    ) -> Result<Vec<EntryIndex>, StoreError> {
        // Held over both, so that none is missed while what is recent becomes what is written.
        let recent = self.recent();
        let written = self.parameters.range(from.0.to_be_bytes()..).keys();
        let written = written.map(|key| self.place(&self.sled(key)?, "parameters"));
        let recent = recent.parameters.range(from..).copied().map(Ok);
        written.chain(recent).take(limit).collect()
    }

    /// At most `limit` sessions that are to be erased at `until`, in the order of their times, after
    /// `after`.
    pub(crate) fn due(
        &self,
        until: Timestamp,
        after: Option<Due>,
        limit: usize,
    ) -> Result<Vec<Due>, StoreError> {
        if limit == 0 || after.is_some_and(|after| after.at > until) {
            return Ok(Vec::new());
        }
        let recent = self.recent();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let key = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.key().to_vec()));
        let end = until.unix_millis().saturating_add(1).to_be_bytes().to_vec();
        let mut found = BTreeSet::new();
        for key in self.due.range((key, Bound::Excluded(end))).keys() {
            if found.len() == limit {
                break;
            }
            let due = Due::parse(&self.sled(key)?)
                .ok_or_else(|| self.unsound("a key of due is no session's".to_owned()))?;
            if recent.due.get(&due) != Some(&false) {
                found.insert(due);
            }
        }
        let unwritten = recent.due.range((from, Bound::Unbounded));
        let unwritten = unwritten.take_while(|(due, _)| due.at <= until);
        found.extend(unwritten.filter(|(_, is)| **is).map(|(due, _)| *due).take(limit));
        Ok(found.into_iter().take(limit).collect())
    }

    /// Holds it that a session is opened under the parameters in force, so that the log shows for each
    /// session that it was.
    pub(crate) fn check_policy(&self, opened: &SessionOpened) -> Result<(), StoreError> {
        let in_force = self.recent().in_force.as_ref().map(|changed| changed.parameters);
        let theirs: Option<Parameters> = opened.policy.parameters();
        match theirs == in_force {
            true => Ok(()),
            false => Err(StoreError::PolicyChanged(opened.session_id)),
        }
    }

    pub(super) fn place(&self, key: &[u8], tree: &str) -> Result<EntryIndex, StoreError> {
        let place = key.try_into().map(u64::from_be_bytes).map(EntryIndex);
        place.map_err(|_| self.unsound(format!("a key of {tree} is no place in the log")))
    }
}
