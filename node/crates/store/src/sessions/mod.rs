//! The folders `sessions/<session>/`: what was acknowledged (`index`), what the session is
//! (`manifest.json`) and, while it is open, what its uploader said (`upload.json`).
//!
//! Index and manifest stay when a session is erased: they hold hashes and sizes, no content. A
//! voided session's folder is removed.

mod index;
mod manifest;
mod upload;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use lucid_core::SessionId;

pub use self::{
    index::{BATCH_RECORDS_MAX, IndexReader, SessionIndex},
    manifest::ManifestFile,
};
pub(crate) use self::{
    index::{Scan, scan},
    manifest::{read, read_bytes, write},
};
use crate::{
    chunks::remove_folder,
    disk::Disk,
    error::{Doing, StoreError},
};

/// The folder `sessions/`.
pub struct SessionFolders {
    folder: PathBuf,
    disk: Disk,
}

impl SessionFolders {
    /// The sessions' folders below `folder`.
    #[must_use]
    pub fn new(folder: PathBuf, disk: Disk) -> Self {
        Self { folder, disk }
    }

    /// A session's folder.
    #[must_use]
    pub fn folder(&self, session: SessionId) -> PathBuf {
        self.folder.join(session.to_string())
    }

    /// The name of a session's index.
    #[must_use]
    pub fn index_path(&self, session: SessionId) -> PathBuf {
        self.folder(session).join("index")
    }

    /// The name of a session's manifest.
    #[must_use]
    pub fn manifest_path(&self, session: SessionId) -> PathBuf {
        self.folder(session).join("manifest.json")
    }

    /// Makes a session's folder with an empty index, durable when this returns.
    pub(crate) fn make(&self, session: SessionId) -> Result<(), StoreError> {
        let folder = self.folder(session);
        self.disk.make_folder(&folder).doing("create", &folder)?;
        SessionIndex::create(&self.index_path(session), session, &self.disk)
    }

    /// The sessions that have a folder, in no order. Other names are not this node's.
    pub(crate) fn list(&self) -> Result<Vec<SessionId>, StoreError> {
        let mut sessions = Vec::new();
        for entry in fs::read_dir(&self.folder).doing("read", &self.folder)? {
            let name = entry.doing("read", &self.folder)?.file_name();
            sessions.extend(name.to_str().and_then(|name| name.parse::<SessionId>().ok()));
        }
        Ok(sessions)
    }

    /// Whether a session was ever more than opened: it has a manifest, or something in its index.
    pub(crate) fn holds_something(&self, session: SessionId) -> Result<bool, StoreError> {
        let (manifest, index) = (self.manifest_path(session), self.index_path(session));
        let bytes = |path: &Path| match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok::<_, StoreError>(0),
            metadata => Ok(metadata.doing("look at", path)?.len()),
        };
        Ok(bytes(&manifest)? > 0 || bytes(&index)? > index::HEADER_BYTES as u64)
    }

    /// Removes a session's folder and all in it, durably.
    pub(crate) fn destroy(&self, session: SessionId) -> Result<(), StoreError> {
        remove_folder(&self.folder(session), &self.disk)
    }
}
