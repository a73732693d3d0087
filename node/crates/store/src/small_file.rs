//! One small file that is replaced as a whole: what a service remembers from one start to the next.
//!
//! A crash leaves what was there before, or what was put there; nothing in between.

use std::{
    fmt::Display,
    io::{self, Read},
    path::{Path, PathBuf},
};

use crate::{
    disk::{Disk, open_file, parent},
    error::{Doing, StoreError, damaged},
};

/// The file.
#[derive(Clone)]
pub struct SmallFile {
    path: PathBuf,
    bytes_max: u64,
    disk: Disk,
}

impl SmallFile {
    /// The file at `path`, which never has more than `bytes_max` bytes. Its folder is made when something is put
    /// into it.
    #[must_use]
    pub fn at(path: PathBuf, bytes_max: u64, disk: &Disk) -> Self {
        Self { path, bytes_max, disk: disk.clone() }
    }

    /// What was put there last; nothing where nothing was.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where it is longer than it ever is; the operating system's.
    pub fn load(&self) -> Result<Option<Vec<u8>>, StoreError> {
        match read(&self.path, self.bytes_max + 1)? {
            Some(bytes) if bytes.len() as u64 > self.bytes_max => {
                Err(self.damaged("it is longer than it ever is"))
            }
            bytes => Ok(bytes),
        }
    }

    /// Puts this in the place of what was there; durable when this returns.
    ///
    /// # Errors
    /// The disk's.
    pub fn save(&self, bytes: &[u8]) -> Result<(), StoreError> {
        let folder = parent(&self.path);
        self.disk.make_folder(folder).doing("create", folder)?;
        self.disk.write_file(&self.path, bytes).doing("write", &self.path)
    }

    /// What is there is not what was put there: an error that names the file.
    #[must_use]
    pub fn damaged(&self, reason: impl Display) -> StoreError {
        damaged(&self.path, reason)
    }
}

/// At most `limit` bytes of a file; nothing where there is none.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
    let file = match open_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.doing("open", path)?,
    };
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).doing("read", path)?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_there_last_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = SmallFile::at(folder.path().join("a").join("b"), 4, &Disk::default());
        assert_eq!(file.load().unwrap(), None);
        for text in ["one", "", "four"] {
            file.save(text.as_bytes()).unwrap();
            assert_eq!(file.load().unwrap().as_deref(), Some(text.as_bytes()));
        }
        file.save(b"eight by").unwrap();
        let error = file.load().unwrap_err().to_string();
        assert!(error.contains("/a/b") && error.contains("longer"), "{error}");
    }
}
