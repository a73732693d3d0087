//! `anchors/`: what proves that checkpoints of a log stand in TRON's blocks, and what is remembered of the
//! anchor that is on its way.
//!
//! One file for each anchored size of the log, `anchors/<size, 20 digits>.json`, whose bytes are
//! [`AnchorRecord`]'s. It is written once its block is solid, and never changed: of two anchors of one size
//! the first is kept. The log does not need it and has nothing of it but where to look (`anchor.tron`); what
//! is lost here can be asked of TRON's nodes again.
//!
//! `anchors/state` is replaced as a whole. It is durable before a transaction leaves the node: without it, a
//! second one might be made for the same checkpoint.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use lucid_core::{EntryIndex, tron::anchor::AnchorRecord};

use crate::{
    disk::Disk,
    error::{Doing, StoreError, damaged},
    small_file::{SmallFile, read},
};

/// Digits of a size in a file's name: as many as the largest u64 has, so that names sort as sizes do.
const NAME_DIGITS: usize = 20;
/// Bytes of what is remembered: a transaction or two, in hex, and a day's costs.
const STATE_BYTES_MAX: u64 = 1 << 20;

/// The folder.
#[derive(Clone)]
pub struct AnchorFolder {
    path: PathBuf,
    disk: Disk,
}

impl AnchorFolder {
    /// The folder `anchors` of a data folder. It is made when something is put into it.
    #[must_use]
    pub fn of(data: &Path, disk: &Disk) -> Self {
        Self { path: data.join("anchors"), disk: disk.clone() }
    }

    fn file(&self, log_size: u64) -> PathBuf {
        self.path.join(format!("{log_size:0NAME_DIGITS$}.json"))
    }

    /// Keeps an anchor, durable when this returns. One of a size that has an anchor already is not of use,
    /// and what is there stays: gives whether it was kept. That it holds is for who keeps it to know.
    ///
    /// # Errors
    /// The disk's.
    pub fn keep(&self, record: &AnchorRecord) -> Result<bool, StoreError> {
        let path = self.file(record.checkpoint().size);
        self.disk.make_folder(&self.path).doing("create", &self.path)?;
        if path.try_exists().doing("look for", &path)? {
            // Its name may not be durable yet, where that failed the first time.
            self.disk.sync_folder(&self.path).doing("sync", &self.path)?;
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
    pub fn sizes(&self) -> Result<Vec<u64>, StoreError> {
        let entries = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.doing("read", &self.path)?,
        };
        let mut sizes = Vec::new();
        for entry in entries {
            let name = entry.doing("read", &self.path)?.file_name();
            sizes.extend(name.to_str().and_then(size_of_name));
        }
        sizes.sort_unstable();
        Ok(sizes)
    }

    /// The anchor of the log's first `log_size` entries; nothing where it has none.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where the file is not what was written; the operating system's.
    pub fn record(&self, log_size: u64) -> Result<Option<AnchorRecord>, StoreError> {
        let path = self.file(log_size);
        // A byte more than there can be: what is longer does not parse.
        let Some(bytes) = read(&path, AnchorRecord::BYTES_MAX as u64 + 1)? else {
            return Ok(None);
        };
        let record = AnchorRecord::parse(&bytes).map_err(|error| damaged(&path, error))?;
        match record.checkpoint().size == log_size {
            true => Ok(Some(record)),
            false => Err(damaged(&path, "it is of another size of the log than its name says")),
        }
    }

    /// The earliest anchor that covers the entry at `index`; nothing where none does yet.
    ///
    /// # Errors
    /// As [`AnchorFolder::record`].
    pub fn covering(&self, index: EntryIndex) -> Result<Option<AnchorRecord>, StoreError> {
        match self.sizes()?.into_iter().find(|size| *size > index.0) {
            Some(size) => self.record(size),
            None => Ok(None),
        }
    }

    /// What is remembered of the anchor on its way.
    #[must_use]
    pub fn state(&self) -> SmallFile {
        SmallFile::at(self.path.join("state"), STATE_BYTES_MAX, &self.disk)
    }
}

/// The size that a file's name says; nothing for other names.
fn size_of_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".json")?;
    let plain = digits.len() == NAME_DIGITS && digits.bytes().all(|digit| digit.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}
