//! What the store knows of an upload beside its chunks.

use std::{fs, time::UNIX_EPOCH};

use lucid_core::{SessionId, Timestamp, Upload};

use super::Store;
use crate::error::{Doing, StoreError};

impl Store {
    /// Writes down what an open session's uploader said, durable when this returns; replaces what it said
    /// before. It is gone when the session ends.
    ///
    /// # Errors
    /// [`StoreError::UnknownSession`], [`StoreError::State`] unless the session is open and its end has
    /// not begun, the disk's: what was there before is then still there.
    pub fn set_upload(&self, session: SessionId, upload: Upload) -> Result<(), StoreError> {
        self.with_open(session, |live| {
            if live.closing {
                return Err(super::write::closing(session));
            }
            self.sessions.put_upload(session, upload)
        })
    }

    /// What an open session's uploader said; `None` where it said nothing, or the session has ended.
    ///
    /// # Errors
    /// [`StoreError::UnknownSession`], [`StoreError::Damaged`], the disk's.
    pub fn upload(&self, session: SessionId) -> Result<Option<Upload>, StoreError> {
        self.session(session)?;
        self.sessions.upload(session)
    }

    /// When a session last acknowledged a chunk, or was opened: the time of its index by the file
    /// system's clock. A repair of the index counts as well.
    ///
    /// # Errors
    /// [`StoreError::UnknownSession`]; the operating system's, for a session that has no index any more.
    pub fn last_activity(&self, session: SessionId) -> Result<Timestamp, StoreError> {
        self.session(session)?;
        let path = self.sessions.index_path(session);
        let modified = fs::metadata(&path).and_then(|metadata| metadata.modified());
        let since = modified.doing("ask for the time of", &path)?.duration_since(UNIX_EPOCH);
        // A time before 1970 counts as 1970.
        let millis = since.unwrap_or_default().as_millis();
        Ok(Timestamp::from_unix_millis(u64::try_from(millis).unwrap_or(u64::MAX)))
    }
}
