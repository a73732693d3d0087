//! The folders `sessions/<session>/`: what was acknowledged (`index`), what the session is
//! (`manifest.json`) and, while it is open, what its uploader said (`upload.json`).
//!
//! Index and manifest stay when a session is erased: they hold hashes and sizes, no content. A
//! voided session's folder is removed.

mod index;
mod manifest;
mod upload;

use std::path::PathBuf;

use lucid_core::SessionId;

pub use self::{
    index::{BATCH_RECORDS_MAX, IndexReader, SessionIndex},
    manifest::ManifestFile,
};
pub(crate) use self::{
    index::{Scan, scan},
    manifest::{read, write},
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
    pub(crate) fn new(folder: PathBuf, disk: Disk) -> Self {
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

    /// Removes a session's folder and all in it, durably.
    pub(crate) fn destroy(&self, session: SessionId) -> Result<(), StoreError> {
        remove_folder(&self.folder(session), &self.disk)
    }
}
