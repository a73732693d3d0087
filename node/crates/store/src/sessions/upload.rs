//! `upload.json`, whose bytes are [`lucid_core::upload`]'s.

use std::{
    io::{self, Read},
    path::PathBuf,
};

use lucid_core::{SessionId, Upload};

use super::SessionFolders;
use crate::{
    disk::open_file,
    error::{Doing, StoreError, damaged},
};

impl SessionFolders {
    /// The name of a session's upload facts.
    #[must_use]
    pub fn upload_path(&self, session: SessionId) -> PathBuf {
        self.folder(session).join("upload.json")
    }

    /// Writes the facts of a session's upload, durable when this returns; replaces those that are there.
    pub(crate) fn put_upload(&self, session: SessionId, upload: Upload) -> Result<(), StoreError> {
        let path = self.upload_path(session);
        self.disk.write_file(&path, &upload.to_bytes()).doing("write", &path)
    }

    /// Reads them; `None` where there are none.
    pub(crate) fn upload(&self, session: SessionId) -> Result<Option<Upload>, StoreError> {
        let path = self.upload_path(session);
        let file = match open_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.doing("open", &path)?,
        };
        // A byte more than there can be: what is longer does not parse.
        let mut bytes = Vec::with_capacity(Upload::BYTES_MAX);
        let limit = Upload::BYTES_MAX as u64 + 1;
        file.take(limit).read_to_end(&mut bytes).doing("read", &path)?;
        Upload::parse(&bytes).map(Some).map_err(|error| damaged(&path, error))
    }

    /// Removes them, durably; does nothing where there are none.
    pub(crate) fn remove_upload(&self, session: SessionId) -> Result<(), StoreError> {
        let path = self.upload_path(session);
        if !path.try_exists().doing("look for", &path)? {
            return Ok(());
        }
        self.disk.remove(&path).doing("remove", &path)?;
        let folder = self.folder(session);
        self.disk.sync_folder(&folder).doing("sync", &folder)
    }
}
