//! What a node remembers of its onion services.
//!
//! ```text
//! tunnels/list          which there are, and which of their keys are served; what is in it is lucid-tunnel's to say
//! secrets/NAME.key      one key of one service, in the form of every other: 64 hex digits and a newline, mode 0600
//! ```
//!
//! A key is durable before the list that names it, and is destroyed after the list that does not.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use crate::{
    disk::Disk,
    error::{Doing, StoreError},
    secrets::{load_or_make, read_key},
    small_file::SmallFile,
};

/// Longest name of a key in bytes.
const NAME_BYTES_MAX: usize = 64;

/// The files.
#[derive(Clone)]
pub struct TunnelFiles {
    secrets: PathBuf,
    list: SmallFile,
    disk: Disk,
}

impl TunnelFiles {
    /// Those of the data folder `data`, which has `secrets/`. The list has at most `list_bytes_max` bytes.
    #[must_use]
    pub fn at(data: &Path, list_bytes_max: u64, disk: &Disk) -> Self {
        let list = SmallFile::at(data.join("tunnels").join("list"), list_bytes_max, disk);
        Self { secrets: data.join("secrets"), list, disk: disk.clone() }
    }

    /// The list.
    #[must_use]
    pub fn list(&self) -> &SmallFile {
        &self.list
    }

    /// The key of this name.
    ///
    /// # Errors
    /// Those of [`read_key`].
    pub fn key(&self, name: &str) -> Result<Zeroizing<[u8; 32]>, StoreError> {
        read_key(&self.path(name)?)
    }

    /// The key of this name; where there is none, a new one, durable.
    ///
    /// # Errors
    /// Those of [`load_or_make`].
    pub fn make_key(&self, name: &str) -> Result<Zeroizing<[u8; 32]>, StoreError> {
        load_or_make(&self.path(name)?, &self.disk)
    }

    /// Destroys a key, durably. One that is not there is destroyed already.
    ///
    /// # Errors
    /// The disk's.
    pub fn remove_key(&self, name: &str) -> Result<(), StoreError> {
        let path = self.path(name)?;
        self.disk.remove(&path).doing("remove", &path)?;
        self.disk.sync_folder(&self.secrets).doing("sync", &self.secrets)
    }

    /// The names of the keys that are there; none where there is no folder of secrets.
    ///
    /// # Errors
    /// The disk's.
    pub fn key_names(&self) -> Result<Vec<String>, StoreError> {
        let mut names = Vec::new();
        let entries = match fs::read_dir(&self.secrets) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(names),
            entries => entries.doing("list", &self.secrets)?,
        };
        for entry in entries {
            let name = entry.doing("list", &self.secrets)?.file_name();
            let name = name.to_str().and_then(|name| name.strip_suffix(".key"));
            names.extend(name.filter(|name| self.path(name).is_ok()).map(str::to_owned));
        }
        Ok(names)
    }

    /// Only such names as `onion-…`, so that no other secret is read, made or destroyed here.
    fn path(&self, name: &str) -> Result<PathBuf, StoreError> {
        let path = self.secrets.join(format!("{name}.key"));
        let is_one = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        match name.starts_with("onion-") && name.len() <= NAME_BYTES_MAX && name.bytes().all(is_one)
        {
            true => Ok(path),
            false => Err(io::Error::from(io::ErrorKind::InvalidInput)).doing("name", &path),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, sync::Arc};

    use super::*;
    use crate::disk::{Faults, Op};

    fn files(disk: &Disk) -> (tempfile::TempDir, TunnelFiles) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("secrets")).unwrap();
        let files = TunnelFiles::at(folder.path(), 1000, disk);
        (folder, files)
    }

    #[test]
    fn a_key_is_made_once_and_destroyed() {
        let (folder, files) = files(&Disk::default());
        assert!(files.key("onion-ssh-1").is_err());
        let made = files.make_key("onion-ssh-1").unwrap();
        assert_eq!(files.make_key("onion-ssh-1").unwrap(), made);
        assert_eq!(files.key("onion-ssh-1").unwrap(), made);
        fs::write(folder.path().join("secrets/master.key"), "another's").unwrap();
        fs::write(folder.path().join("secrets/onion-ssh-2.key.part"), "not whole").unwrap();
        assert_eq!(files.key_names().unwrap(), ["onion-ssh-1"]);
        let path = folder.path().join("secrets/onion-ssh-1.key");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = files.key("onion-ssh-1").unwrap_err().to_string();
        assert!(error.contains("chmod 600") && error.contains("onion-ssh-1.key"), "{error}");
        files.remove_key("onion-ssh-1").unwrap();
        files.remove_key("onion-ssh-1").unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn other_secrets_are_out_of_reach() {
        let (folder, files) = files(&Disk::default());
        let other = folder.path().join("secrets/node.key");
        fs::write(&other, "00".repeat(32)).unwrap();
        for name in ["node", "onion-../node", "onion-a.b", "", "onion-A", &"onion-".repeat(20)] {
            assert!(files.key(name).is_err() && files.make_key(name).is_err(), "{name}");
            assert!(files.remove_key(name).is_err(), "{name}");
        }
        assert!(other.exists());
    }

    /// Fails what it is told to fail.
    struct Failing(Op);

    impl Faults for Failing {
        fn before(&self, op: Op, _: &Path) -> io::Result<()> {
            if op == self.0 { Err(io::Error::other("scripted")) } else { Ok(()) }
        }
    }

    #[test]
    fn a_key_that_is_not_durable_is_not_given() {
        for op in [Op::Open, Op::Write, Op::SyncFile, Op::Rename, Op::SyncFolder] {
            let (_folder, files) = files(&Disk::with_faults(Arc::new(Failing(op))));
            assert!(files.make_key("onion-ssh-1").is_err(), "{op:?}");
            assert!(files.list().save(b"x").is_err(), "{op:?}");
        }
    }
}
