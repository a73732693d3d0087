//! Export: the whole C2SP tlog-tiles layout as files, for any static web server.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use lucid_core::{
    merkle::{TILE_HEIGHT, TilePath, bundles_of, tiles_of},
    note::Checkpoint,
};

use super::{LogReader, error::LogError};
use crate::disk::{parent, temporary_name};

/// What [`LogReader::export`] has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportReport {
    /// Files written.
    pub written: u64,
    /// Files of an older export that were right and are kept.
    pub kept: u64,
}

impl LogReader {
    /// Writes the log into the folder `dir`, made where it is missing: bundles and tiles, partial ones
    /// included, and last, after all else is on the disk, the checkpoint. A client that reads the
    /// checkpoint finds all that it speaks of, also while the next export runs. Files are made with the
    /// permissions of the caller's umask, not secret: there is nothing secret in a log.
    ///
    /// In a folder that holds an export of an earlier state of this log, full tiles and bundles that
    /// its checkpoint covers and that have the right length are kept; partial ones of the earlier state
    /// stay, as clients may still ask for them. What is written is checked up to the signed root.
    ///
    /// `progress` is told, after each file, the files done and the total.
    ///
    /// # Errors
    /// [`LogError::ExportFolder`], [`LogError::ExportDiverges`]; where the log itself is damaged;
    /// [`LogError::Io`]. The folder then holds the older export still, and new files it does not
    /// speak of; the first export into a folder must begin again in an empty one.
    pub fn export(
        &self,
        dir: &Path,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<ExportReport, LogError> {
        let size = self.size();
        let older = self.older_export(dir)?;
        let total = (bundles_of(size).count() + tiles_of(size).count() + 1) as u64;
        let mut report = ExportReport { written: 0, kept: 0 };
        let bundles = bundles_of(size).map(TilePath::Entries);
        for path in bundles.chain(tiles_of(size).map(TilePath::Hashes)) {
            if self.is_exported(dir, path, older) {
                report.kept += 1;
            } else {
                self.export_file(dir, path)?;
                report.written += 1;
            }
            progress(report.kept + report.written, total);
        }
        let folder = File::open(dir).map_err(LogError::io("open", dir))?;
        rustix::fs::syncfs(&folder).map_err(io::Error::from).map_err(LogError::io("sync", dir))?;
        write(&dir.join("checkpoint"), self.published().as_bytes())?;
        rustix::fs::syncfs(&folder).map_err(io::Error::from).map_err(LogError::io("sync", dir))?;
        report.written += 1;
        progress(total, total);
        Ok(report)
    }

    /// The size of the export that `dir` holds, 0 where it is empty; makes it where it is missing.
    fn older_export(&self, dir: &Path) -> Result<u64, LogError> {
        fs::create_dir_all(dir).map_err(LogError::io("create", dir))?;
        let refused = || LogError::ExportFolder { dir: dir.to_owned() };
        let place = |dir: &Path| dir.canonicalize().map_err(LogError::io("open", dir));
        if place(dir)? == place(&self.dir)? {
            return Err(refused());
        }
        if fs::read_dir(dir).map_err(LogError::io("list", dir))?.next().is_none() {
            return Ok(0);
        }
        let text = fs::read_to_string(dir.join("checkpoint")).map_err(|_| refused())?;
        let older = Checkpoint::verify(&text, &self.key).map_err(|_| refused())?;
        if older.size > self.size() || self.root_at(older.size)? != older.root {
            return Err(LogError::ExportDiverges { dir: dir.to_owned() });
        }
        Ok(older.size)
    }

    /// Whether the full tile or bundle at `path` is in the export of `older` entries.
    fn is_exported(&self, dir: &Path, path: TilePath, older: u64) -> bool {
        let (level, index, partial) = match path {
            TilePath::Entries(bundle) => (0, bundle.index(), bundle.is_partial()),
            TilePath::Hashes(tile) => (tile.level(), tile.index(), tile.is_partial()),
        };
        let height = TILE_HEIGHT * (u32::from(level) + 1);
        if partial || index >= older.checked_shr(height).unwrap_or(0) {
            return false;
        }
        let bytes = |dir: &Path| fs::metadata(dir.join(path.path())).ok().map(|file| file.len());
        bytes(dir).is_some_and(|exported| bytes(&self.dir) == Some(exported))
    }

    fn export_file(&self, dir: &Path, path: TilePath) -> Result<(), LogError> {
        if let TilePath::Hashes(tile) = path
            && !tile.is_partial()
        {
            self.check_tile(tile.level(), tile.index())?;
        }
        let bytes = self.resource(path)?.expect("the paths are those of a log of this size");
        write(&dir.join(path.path()), &bytes)
    }
}

/// Writes a file that is whole whenever it has its name.
fn write(path: &Path, bytes: &[u8]) -> Result<(), LogError> {
    let temporary = temporary_name(path);
    fs::create_dir_all(parent(path))
        .and_then(|()| fs::write(&temporary, bytes))
        .and_then(|()| fs::rename(&temporary, path))
        .map_err(LogError::io("write", path))
}
