//! Key files `keys/<session>.json`: the ways to a session's data key, and their destruction.
//!
//! Invariants: a key file under its name is whole; after [`KeyFiles::destroy`] neither it nor what a
//! crash left of its writing is in the folder. Overwriting is best effort: flash keeps old blocks
//! for a while, and a backup keeps them for good.

use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use lucid_core::{SessionId, keys::KeyFile};

use crate::{
    disk::{Disk, NONBLOCK, Op, read_file, temporary_name},
    error::{Doing, StoreError},
};

/// The folder `keys/`.
pub struct KeyFiles {
    folder: PathBuf,
    disk: Disk,
}

impl KeyFiles {
    pub(crate) fn new(folder: PathBuf, disk: Disk) -> Self {
        Self { folder, disk }
    }

    /// The name of a session's key file.
    #[must_use]
    pub fn path(&self, session: SessionId) -> PathBuf {
        self.folder.join(format!("{session}.json"))
    }

    /// Writes a session's key file, durable when this returns; replaces one that is there.
    ///
    /// # Errors
    /// The operating system's; an older file is then as it was.
    pub fn put(&self, session: SessionId, file: &KeyFile) -> Result<(), StoreError> {
        let path = self.path(session);
        self.disk.write_file(&path, &file.to_bytes()).doing("write", &path)
    }

    /// Reads a session's key file.
    ///
    /// # Errors
    /// [`StoreError::KeyFileMissing`], [`StoreError::KeyFile`], the operating system's.
    pub fn get(&self, session: SessionId) -> Result<KeyFile, StoreError> {
        let path = self.path(session);
        let bytes = match read_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::KeyFileMissing { session });
            }
            bytes => bytes.doing("read", &path)?,
        };
        KeyFile::parse(&bytes).map_err(|source| StoreError::KeyFile { path, source })
    }

    /// Whether the session has a key file.
    #[must_use]
    pub fn exists(&self, session: SessionId) -> bool {
        self.path(session).exists()
    }

    /// Destroys every wrap of a session's key: empties the file, brings that to the disk, removes
    /// it. Does nothing where that was done before.
    ///
    /// # Errors
    /// The operating system's; it can be called again.
    pub fn destroy(&self, session: SessionId) -> Result<(), StoreError> {
        let path = self.path(session);
        for path in [temporary_name(&path), path] {
            self.destroy_file(&path)?;
        }
        self.disk.sync_folder(&self.folder).doing("sync", &self.folder)
    }

    fn destroy_file(&self, path: &Path) -> Result<(), StoreError> {
        self.disk.check(Op::Open, path).doing("destroy", path)?;
        let file = match OpenOptions::new().write(true).custom_flags(NONBLOCK).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            file => file.doing("destroy", path)?,
        };
        self.disk.truncate(&file, path, 0).doing("empty", path)?;
        self.disk.remove(path).doing("remove", path)
    }

    /// The sessions that have a key file, in no order.
    ///
    /// # Errors
    /// The operating system's.
    pub fn list(&self) -> Result<impl Iterator<Item = Result<SessionId, StoreError>>, StoreError> {
        let folder = self.folder.clone();
        let entries = fs::read_dir(&folder).doing("read", &folder)?;
        Ok(entries.filter_map(move |entry| match entry.doing("read", &folder) {
            Ok(entry) => entry.file_name().to_str()?.strip_suffix(".json")?.parse().ok().map(Ok),
            Err(error) => Some(Err(error)),
        }))
    }
}

#[cfg(test)]
mod tests {
    use lucid_core::keys::{Dek, Kek};

    use super::*;

    fn files() -> (tempfile::TempDir, KeyFiles) {
        let folder = tempfile::tempdir().unwrap();
        let files = KeyFiles::new(folder.path().to_owned(), Disk::default());
        (folder, files)
    }

    fn session(seed: u8) -> SessionId {
        SessionId::from_random([seed; 16])
    }

    fn key_file(seed: u8) -> KeyFile {
        let wrap = Kek::new([1; 32]).wrap(&session(seed), &Dek::new([seed; 32]), [3; 12]);
        KeyFile::new(vec![wrap])
    }

    #[test]
    fn put_get_list_destroy() {
        let (folder, files) = files();
        files.put(session(1), &key_file(1)).unwrap();
        files.put(session(2), &key_file(2)).unwrap();
        files.put(session(2), &key_file(2)).unwrap();
        assert_eq!(files.get(session(1)).unwrap(), key_file(1));
        fs::write(folder.path().join("note.txt"), "not ours").unwrap();
        // What an interrupted rewrite leaves holds wraps too.
        fs::write(temporary_name(&files.path(session(1))), "wraps").unwrap();
        let mut listed: Vec<_> = files.list().unwrap().map(Result::unwrap).collect();
        listed.sort();
        assert_eq!(listed, [session(1), session(2)]);
        for _ in 0..2 {
            files.destroy(session(1)).unwrap();
            assert!(!files.exists(session(1)));
            assert!(!temporary_name(&files.path(session(1))).exists());
        }
        let missing = files.get(session(1)).unwrap_err();
        assert!(matches!(missing, StoreError::KeyFileMissing { session: s } if s == session(1)));
    }

    #[test]
    fn damage_is_named() {
        let (_folder, files) = files();
        files.put(session(1), &key_file(1)).unwrap();
        let path = files.path(session(1));
        let whole = fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        flipped[2] ^= 1;
        for bytes in [b"".as_slice(), &whole[..whole.len() - 1], &flipped] {
            fs::write(&path, bytes).unwrap();
            let message = files.get(session(1)).unwrap_err().to_string();
            assert!(message.contains(&session(1).to_string()), "{message}");
        }
    }
}
