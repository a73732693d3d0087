//! The parameters in force, what they were, and the sessions that they have erased.

use lucid_core::{
    EntryIndex, SessionId, Timestamp,
    entry::{Entry, ParametersChanged},
};

use super::Store;
use crate::{
    db::{Due, State},
    error::StoreError,
};

/// Changes of parameters, in the order of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParameterChanges {
    /// The changes and their places.
    pub changes: Vec<(EntryIndex, ParametersChanged)>,
    /// Whether there are more after that.
    pub more: bool,
}

impl Store {
    /// The newest change of parameters: what is in force. `None` where nobody has decided on any.
    #[must_use]
    pub fn parameters(&self) -> Option<ParametersChanged> {
        self.db.parameters()
    }

    /// At most `limit` changes of parameters from `from` on. Found without reading the entries between
    /// them.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where database and log disagree; the database's, the log's.
    pub fn parameter_changes(
        &self,
        from: EntryIndex,
        limit: usize,
    ) -> Result<ParameterChanges, StoreError> {
        let mut places = self.db.parameter_changes(from, limit.saturating_add(1))?;
        let more = places.len() > limit;
        places.truncate(limit);
        let changes = places.into_iter().map(|index| {
            // The lock is held for one entry at a time, so that nobody waits for a page.
            let bytes = self.with_log(|log| Ok(log.entry(index)?))?;
            match Entry::parse(&bytes) {
                Ok(Entry::ParametersChanged(changed)) => Ok((index, changed)),
                _ => Err(self.db.names_no_parameters(index)),
            }
        });
        Ok(ParameterChanges { changes: changes.collect::<Result<_, StoreError>>()?, more })
    }

    /// At most `limit` sealed sessions whose retention is over at `now`, those first that have been due
    /// longest, after `after`. A guide: whoever erases one asks [`Store::retention_over`].
    ///
    /// # Errors
    /// The database's.
    pub fn due(
        &self,
        now: Timestamp,
        after: Option<Due>,
        limit: usize,
    ) -> Result<Vec<Due>, StoreError> {
        self.db.due(now, after, limit)
    }

    /// Whether a sealed session's retention is over at `now`, by its entries in the log.
    ///
    /// # Errors
    /// Those of [`Store::opened`] and [`Store::sealed`].
    pub fn retention_over(&self, session: SessionId, now: Timestamp) -> Result<bool, StoreError> {
        let (opened, sealed) = (self.opened(session)?, self.sealed(session)?);
        let sealed_still = self.session(session)?.state() == State::Sealed;
        let over = opened.policy.erased_from(sealed.at).is_some_and(|at| at <= now);
        Ok(over && sealed_still)
    }
}
