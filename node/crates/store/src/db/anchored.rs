//! Looking up what was anchored.

use lucid_core::{
    EntryIndex,
    entry::{AnchorTron, Entry},
};

use super::{Database, Source};
use crate::error::StoreError;

impl Database {
    /// The newest anchor, as [`newest`](Self::newest) has it.
    pub(super) fn newest_anchor(
        &self,
        log: &dyn Source,
    ) -> Result<Result<Option<AnchorTron>, String>, StoreError> {
        self.newest(log, (&self.anchors, "anchors", "an anchor"), |entry| match entry {
            Entry::AnchorTron(anchor) => Some(anchor),
            _ => None,
        })
    }

    /// The newest anchor.
    pub(crate) fn anchored(&self) -> Option<AnchorTron> {
        self.recent().anchored.clone()
    }

    /// Entries under the newest anchor; 0 where there is none.
    pub(crate) fn anchored_size(&self) -> u64 {
        self.recent().anchored.as_ref().map_or(0, |anchor| anchor.log_size)
    }

    /// Places of at most `limit` `anchor.tron` entries of the log before `before`, the newest first.
    pub(crate) fn anchors(
        &self,
        before: EntryIndex,
        limit: usize,
    ) -> Result<Vec<EntryIndex>, StoreError> {
        // Held over both, so that none is missed while what is recent becomes what is written.
        let recent = self.recent();
        let written = self.anchors.range(..before.0.to_be_bytes()).keys().rev();
        let written = written.map(|key| self.place(&self.sled(key)?, "anchors"));
        let recent = recent.anchors.range(..before).rev().copied().map(Ok);
        recent.chain(written).take(limit).collect()
    }

    /// Holds it that each anchor is of more of the log than the one before. That its root is the log's is
    /// for whoever has the log to check.
    pub(super) fn check_anchor(&self, anchor: &AnchorTron) -> Result<(), StoreError> {
        let anchored_size = self.anchored_size();
        match anchor.log_size > anchored_size {
            true => Ok(()),
            false => Err(StoreError::AnchoredAlready { log_size: anchor.log_size, anchored_size }),
        }
    }
}
