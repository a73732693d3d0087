//! Where a backup's files go as they are read: nowhere, or into a folder.

use std::{
    fs::{DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use lucid_store::{Disk, disk::Op};

use super::member::{FileName, Placed};
use crate::error::{ArchiveError, Doing};

/// Where files that were given beside the folder are put: no node reads them there.
pub(super) const CONFIG: &str = "config.restored";

/// Takes up files as they are read. What it has counts only once all of the backup was read.
pub(super) trait Sink {
    /// A file begins.
    fn begin(&mut self, name: &FileName) -> Result<(), ArchiveError>;
    /// Its next bytes.
    fn put(&mut self, bytes: &[u8]) -> Result<(), ArchiveError>;
}

/// Takes up nothing.
pub(super) struct Nowhere;

impl Sink for Nowhere {
    fn begin(&mut self, _: &FileName) -> Result<(), ArchiveError> {
        Ok(())
    }

    fn put(&mut self, _: &[u8]) -> Result<(), ArchiveError> {
        Ok(())
    }
}

/// Notes what the files are while another takes them up.
pub(super) struct Noted<S> {
    pub(super) inner: S,
    /// Names below `config/`.
    pub(super) config: Vec<String>,
    /// Lines of `secrets/witness.logs`.
    pub(super) witnessed: u64,
    is_witness_logs: bool,
}

impl<S> Noted<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner, config: Vec::new(), witnessed: 0, is_witness_logs: false }
    }
}

impl<S: Sink> Sink for Noted<S> {
    fn begin(&mut self, name: &FileName) -> Result<(), ArchiveError> {
        match name.placed() {
            Placed::Config(name) => self.config.push(name.to_owned()),
            Placed::Data(_) => (),
        }
        self.is_witness_logs = name.placed() == Placed::Data("secrets/witness.logs");
        self.inner.begin(name)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        if self.is_witness_logs {
            self.witnessed += bytes.split(|byte| *byte == b'\n').count() as u64 - 1;
        }
        self.inner.put(bytes)
    }
}

/// Makes the files below a folder: files with mode 0600, folders with 0700. None of it is synced here.
pub(super) struct Files<'a> {
    root: &'a Path,
    disk: &'a Disk,
    /// The folder of the file before, which is there.
    folder: PathBuf,
    open: Option<(File, PathBuf)>,
}

impl<'a> Files<'a> {
    pub(super) fn new(root: &'a Path, disk: &'a Disk) -> Self {
        Self { root, disk, folder: root.to_owned(), open: None }
    }

    /// Makes a folder where it is missing.
    pub(super) fn make_folder(&self, path: &Path) -> Result<(), ArchiveError> {
        self.disk.check(Op::MakeFolder, path).doing("create", path)?;
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            made => made.doing("create", path),
        }
    }

    /// Makes the folders from the root down to `folder`.
    fn enter(&mut self, folder: &Path) -> Result<(), ArchiveError> {
        if self.folder == folder {
            return Ok(());
        }
        let mut path = self.root.to_owned();
        for component in folder.strip_prefix(self.root).unwrap_or(Path::new("")) {
            path.push(component);
            self.make_folder(&path)?;
        }
        self.folder = path;
        Ok(())
    }
}

impl Sink for Files<'_> {
    fn begin(&mut self, name: &FileName) -> Result<(), ArchiveError> {
        self.open = None;
        let path = match name.placed() {
            Placed::Config(name) => self.root.join(CONFIG).join(name),
            // It is made last, of what the backup's kind is.
            Placed::Data("format") => return Ok(()),
            Placed::Data(path) => self.root.join(path),
        };
        let folder = path.parent().unwrap_or(self.root).to_owned();
        self.enter(&folder)?;
        let file = self.disk.create(&path).doing("create", &path)?;
        self.open = Some((file, path));
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        match &self.open {
            Some((file, path)) => self.disk.write(file, path, bytes).doing("write", path),
            None => Ok(()),
        }
    }
}
