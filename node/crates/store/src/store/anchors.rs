//! `anchors/`: what proves that checkpoints of this log stand in TRON's blocks.
//!
//! One file for each anchored size of the log, `anchors/<size, 20 digits>.json`, whose bytes are
//! [`AnchorRecord`]'s. It is written once its block is solid, and never changed: of two anchors of one size
//! the first is kept. The log does not need it and has nothing of it but where to look (`anchor.tron`); what
//! is lost here can be asked of TRON's nodes again.
//!
//! Invariant: what is kept was checked, against itself and against this log.

use std::{
    fs,
    io::{self, Read},
    path::PathBuf,
};

use lucid_core::{
    EntryIndex,
    note::TlogProof,
    tron::anchor::{AnchorPins, AnchorRecord},
};

use super::Store;
use crate::{
    disk::open_file,
    error::{Doing, StoreError, damaged},
    log::LogError,
};

/// Digits of a size in a file's name: as many as the largest u64 has, so that names sort as sizes do.
const NAME_DIGITS: usize = 20;

impl Store {
    fn anchor_path(&self, log_size: u64) -> PathBuf {
        self.folder.join("anchors").join(format!("{log_size:0NAME_DIGITS$}.json"))
    }

    /// Keeps an anchor, durable when this returns. One of a size that has an anchor already is not of use,
    /// and what is there stays: gives whether it was kept.
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
        let path = self.anchor_path(size);
        let folder = self.folder.join("anchors");
        self.disk.make_folder(&folder).doing("create", &folder)?;
        if path.try_exists().doing("look for", &path)? {
            // Its name may not be durable yet, where that failed the first time.
            self.disk.sync_folder(&folder).doing("sync", &folder)?;
            return Ok(false);
        }
        self.disk.write_file(&path, &record.to_bytes()).doing("write", &path)?;
        Ok(true)
    }

    /// The sizes of the log that have an anchor, ascending, by the names of the files. What has another kind
    /// of name is none of this node's and left alone.
    ///
    /// # Errors
    /// The operating system's.
    pub fn anchored_sizes(&self) -> Result<Vec<u64>, StoreError> {
        let folder = self.folder.join("anchors");
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.doing("read", &folder)?,
        };
        let mut sizes = Vec::new();
        for entry in entries {
            let name = entry.doing("read", &folder)?.file_name();
            sizes.extend(name.to_str().and_then(size_of_name));
        }
        sizes.sort_unstable();
        Ok(sizes)
    }

    /// The anchor of the log's first `log_size` entries; nothing where it has none.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where the file is not what was written; the operating system's.
    pub fn anchor(&self, log_size: u64) -> Result<Option<AnchorRecord>, StoreError> {
        let path = self.anchor_path(log_size);
        let file = match open_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.doing("open", &path)?,
        };
        // A byte more than there can be: what is longer does not parse.
        let mut bytes = Vec::new();
        let limit = AnchorRecord::BYTES_MAX as u64 + 1;
        file.take(limit).read_to_end(&mut bytes).doing("read", &path)?;
        let record = AnchorRecord::parse(&bytes).map_err(|error| damaged(&path, error))?;
        match record.checkpoint().size == log_size {
            true => Ok(Some(record)),
            false => Err(damaged(&path, "it is of another size of the log than its name says")),
        }
    }

    /// The earliest anchor that covers the entry at `index`; nothing where none does yet.
    ///
    /// # Errors
    /// As [`Store::anchor`].
    pub fn anchor_covering(&self, index: EntryIndex) -> Result<Option<AnchorRecord>, StoreError> {
        let sizes = self.anchored_sizes()?;
        match sizes.into_iter().find(|size| *size > index.0) {
            Some(size) => self.anchor(size),
            None => Ok(None),
        }
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
}

/// The size that a file's name says; nothing for other names.
fn size_of_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".json")?;
    let plain = digits.len() == NAME_DIGITS && digits.bytes().all(|digit| digit.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}
