//! What one batch will write, seen over what is written.

use std::{collections::BTreeMap, ops::Bound::Included};

use super::{Files, keys::HashRecord};
use crate::error::StoreError;

/// A key and its value.
type Pair = (Vec<u8>, Vec<u8>);

/// A batch in the making. What it set and removed goes before the tree.
pub(super) struct Stage<'a> {
    pub(super) files: &'a Files,
    changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// Hashes that become a run.
    pub(super) hashes: Vec<[u8; HashRecord::BYTES]>,
}

impl<'a> Stage<'a> {
    pub(super) fn new(files: &'a Files) -> Self {
        Self { files, changes: BTreeMap::new(), hashes: Vec::new() }
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.changes.get(key) {
            Some(change) => Ok(change.clone()),
            None => Ok(self.files.get(key)?.map(|value| value.to_vec())),
        }
    }

    pub(super) fn set(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.changes.insert(key, Some(value));
    }

    pub(super) fn remove(&mut self, key: Vec<u8>) {
        self.changes.insert(key, None);
    }

    /// The last key that is not above `key` and begins with `prefix`, which `key` does too.
    pub(super) fn floor(&self, prefix: &[u8], key: &[u8]) -> Result<Option<Pair>, StoreError> {
        let mut staged = self.changes.range::<[u8], _>((Included(prefix), Included(key))).rev();
        let staged = staged.find_map(|(key, value)| Some((key, value.as_ref()?)));
        // Most of the time it is there already, and nothing in the tree can be nearer.
        if let Some((found, value)) = staged
            && found == key
        {
            return Ok(Some((found.clone(), value.clone())));
        }
        for written in self.files.tree.range(prefix..=key).rev() {
            let (found, value) = self.files.sled(written)?;
            if staged.is_some_and(|(staged, _)| staged.as_slice() >= &found[..]) {
                break;
            }
            // Were it set among the changes, it would have been found above; there, it is removed.
            if !self.changes.contains_key(&found[..]) {
                return Ok(Some((found.to_vec(), value.to_vec())));
            }
        }
        Ok(staged.map(|(found, value)| (found.clone(), value.clone())))
    }

    /// Writes all of it, or nothing.
    pub(super) fn write(self) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for (key, change) in self.changes {
            match change {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        self.files.sled(self.files.tree.apply_batch(batch))
    }
}
