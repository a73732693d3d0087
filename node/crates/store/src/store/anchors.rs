//! What the log says of its anchors, and what proves them.
//!
//! Invariant: what is kept by [`Store::keep_anchor`], and what is in the log, was checked against this log.

use lucid_core::{
    EntryIndex,
    entry::{AnchorTron, Entry},
    note::TlogProof,
    tron::anchor::{AnchorPins, AnchorRecord},
};

use super::{Committed, Store};
use crate::{anchors::AnchorFolder, error::StoreError, log::LogError};

impl Store {
    fn anchor_folder(&self) -> AnchorFolder {
        AnchorFolder::of(self.path(), &self.disk)
    }

    /// Keeps an anchor, as [`AnchorFolder::keep`] does.
    ///
    /// # Errors
    /// [`StoreError::Anchor`] where its checkpoint is not signed by this log or it does not prove what it says;
    /// [`StoreError::OtherLog`] where this log has no such tree; the disk's.
    pub fn keep_anchor(&self, record: &AnchorRecord) -> Result<bool, StoreError> {
        let pins = AnchorPins::of(record.proof());
        let (checkpoint, _) = record.verify(self.log_key().verifier_key(), &pins)?;
        let size = checkpoint.size;
        let other = || StoreError::OtherLog(format!("an anchor of a tree of {size} entries"));
        self.with_log(|log| match log.root_at(size) {
            Ok(root) if root == checkpoint.root => Ok(()),
            Ok(_) | Err(LogError::Beyond { .. }) => Err(other()),
            Err(error) => Err(error.into()),
        })?;
        self.anchor_folder().keep(record)
    }

    /// As [`AnchorFolder::sizes`].
    ///
    /// # Errors
    /// The operating system's.
    pub fn anchored_sizes(&self) -> Result<Vec<u64>, StoreError> {
        self.anchor_folder().sizes()
    }

    /// As [`AnchorFolder::record`].
    ///
    /// # Errors
    /// As there.
    pub fn anchor(&self, log_size: u64) -> Result<Option<AnchorRecord>, StoreError> {
        self.anchor_folder().record(log_size)
    }

    /// As [`AnchorFolder::covering`].
    ///
    /// # Errors
    /// As there.
    pub fn anchor_covering(&self, index: EntryIndex) -> Result<Option<AnchorRecord>, StoreError> {
        self.anchor_folder().covering(index)
    }

    /// What proves that the entry at `index` is in the log, under the checkpoint that `record` anchors.
    ///
    /// # Errors
    /// [`LogError::Beyond`] where the anchor does not cover the entry; as [`LogReader::inclusion_proof`].
    ///
    /// [`LogReader::inclusion_proof`]: crate::LogReader::inclusion_proof
    pub fn anchored_proof(
        &self,
        index: EntryIndex,
        record: &AnchorRecord,
    ) -> Result<TlogProof, StoreError> {
        let path =
            self.with_log(|log| Ok(log.inclusion_proof(index, record.checkpoint().size)?))?;
        let proof = TlogProof::new(index.0, path, &record.note().to_string());
        Ok(proof.map_err(LogError::from)?)
    }

    /// The newest anchor in the log.
    #[must_use]
    pub fn anchored(&self) -> Option<AnchorTron> {
        self.db.anchored()
    }

    /// Entries under the newest anchor; 0 where there is none. A session whose `session.sealed` entry is
    /// among them is anchored.
    #[must_use]
    pub fn anchored_size(&self) -> u64 {
        self.db.anchored_size()
    }

    /// At most `limit` anchors whose entries stand before `before`, the newest first, with their places.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where database and log disagree; the database's, the log's.
    pub fn anchors(
        &self,
        before: EntryIndex,
        limit: usize,
    ) -> Result<Vec<(EntryIndex, AnchorTron)>, StoreError> {
        let read = |index: EntryIndex| {
            let bytes = self.with_log(|log| Ok(log.entry(index)?))?;
            match Entry::parse(&bytes) {
                Ok(Entry::AnchorTron(anchor)) => Ok((index, anchor)),
                _ => Err(self.db.names_no_anchor(index)),
            }
        };
        self.db.anchors(before, limit)?.into_iter().map(read).collect()
    }

    /// Puts an anchor into the log, where it names a root that the log had, and more of the log than the
    /// anchor before.
    ///
    /// # Errors
    /// [`StoreError::AnchorOfAnother`], [`StoreError::AnchoredAlready`]; those of [`Store::append`].
    pub fn append_anchor(&self, anchor: AnchorTron) -> Result<Committed, StoreError> {
        let (log_size, log_root) = (anchor.log_size, anchor.log_root);
        let is_of_this_log =
            self.with_log(|log| Ok(log_size <= log.size() && log.root_at(log_size)? == log_root))?;
        match is_of_this_log {
            true => self.append(&[Entry::AnchorTron(anchor)]),
            false => Err(StoreError::AnchorOfAnother { log_size }),
        }
    }
}
