//! What the log says of accounts, for whoever keeps accounts that follow from it.

use lucid_core::{
    EntryIndex,
    entry::{Entry, UserChanged},
    merkle::TreeHead,
};

use super::Store;
use crate::error::StoreError;

/// Changes of accounts, in the order of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserChanges {
    /// The changes and their places.
    pub changes: Vec<(EntryIndex, UserChanged)>,
    /// Whoever takes these up has come so far.
    pub until: TreeHead,
    /// Whether there are more after that.
    pub more: bool,
}

impl Store {
    /// At most `limit` changes of accounts after what `after` stands for. Found without reading the
    /// entries between them.
    ///
    /// # Errors
    /// [`StoreError::OtherLog`] where `after` is none of this log's trees; the database's, the log's.
    pub fn user_changes(&self, after: TreeHead, limit: usize) -> Result<UserChanges, StoreError> {
        let (mut places, head) = {
            let log = self.lock_log()?;
            let TreeHead { size, root } = after;
            if size > log.size() {
                let reason =
                    format!("it stands for {size} entries, and the log has {}", log.size());
                return Err(StoreError::OtherLog(reason));
            }
            if log.root_at(size)? != root {
                let reason =
                    format!("the first {size} entries of the log are not those it stands for");
                return Err(StoreError::OtherLog(reason));
            }
            self.db.catch_up(&**log)?;
            let places = self.db.user_changes(EntryIndex(size), limit.saturating_add(1))?;
            (places, TreeHead { size: log.size(), root: log.root() })
        };
        let more = places.len() > limit;
        places.truncate(limit);
        let changes = places.into_iter().map(|index| Ok((index, self.user_change(index)?)));
        let changes = changes.collect::<Result<Vec<_>, StoreError>>()?;
        let until = match changes.last() {
            Some((last, _)) if more => {
                let size = last.0 + 1;
                TreeHead { size, root: self.with_log(|log| Ok(log.root_at(size)?))? }
            }
            _ => head,
        };
        Ok(UserChanges { changes, until, more })
    }

    fn user_change(&self, index: EntryIndex) -> Result<UserChanged, StoreError> {
        // The lock is held for one entry at a time, so that nobody waits for a page.
        let bytes = self.with_log(|log| Ok(log.entry(index)?))?;
        match Entry::parse(&bytes) {
            Ok(Entry::UserChanged(change)) => Ok(change),
            _ => Err(self.db.names_no_change(index)),
        }
    }
}
