//! What of a data folder goes into a backup, in the archive's order.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    member::{FILE_BYTES_MAX, FILES_MAX, FileName, KEPT, is_unfinished, room},
    sink::CONFIG,
};
use crate::error::{ArchiveError, Doing};

/// Folders within folders: `log/tile/entries/x001/x234/067` has five above the file.
const DEPTH_MAX: usize = 12;
/// Names, or beginnings of names, at the folder's top that are left out knowingly.
const LEFT_OUT: [&str; 12] = [
    "auth",
    "checking",
    "chunks",
    "db",
    "evm",
    "lock",
    "lost+found",
    "restored",
    "sessions-data",
    "sync",
    "tunnel",
    "witness",
];

/// A file that goes in.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) name: FileName,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
}

/// What was found.
#[derive(Default, Debug)]
pub(super) struct Walk {
    /// Ascending.
    pub(super) files: Vec<Found>,
    /// Names at the top that nobody here knows.
    pub(super) unknown: Vec<String>,
    /// Bytes that the archive will have at most, without its encryption.
    pub(super) room: u64,
}

/// Lists the files of the data folder `data`.
///
/// # Errors
/// [`ArchiveError::Unfit`] for what is no file and no folder, or has a name or a length that no backup holds; the
/// operating system's.
pub(super) fn walk(data: &Path) -> Result<Walk, ArchiveError> {
    let mut walk = Walk::default();
    for name in names(data)? {
        if KEPT.contains(&name.as_str()) {
            walk.take(&data.join(&name), format!("data/{name}"), 0)?;
        } else if !is_left_out(&name) {
            walk.unknown.push(name);
        }
    }
    Ok(walk)
}

/// A set aside `db.damaged-1` is what a `db` is.
fn is_left_out(name: &str) -> bool {
    let stem = name.split_once('.').map_or(name, |(stem, _)| stem);
    name == CONFIG || LEFT_OUT.contains(&stem) || is_unfinished(name)
}

impl Walk {
    fn take(&mut self, path: &Path, name: String, depth: usize) -> Result<(), ArchiveError> {
        let unfit = |reason| ArchiveError::Unfit { path: path.to_owned(), reason };
        // Only what stands at the top may be a link: another disk has it.
        let metadata = if depth == 0 { fs::metadata(path) } else { fs::symlink_metadata(path) };
        let metadata = metadata.doing("look at", path)?;
        if metadata.is_dir() {
            if depth == DEPTH_MAX {
                return Err(unfit("it is too deep in the folder"));
            }
            for inner in names(path)? {
                if !is_unfinished(&inner) {
                    self.take(&path.join(&inner), format!("{name}/{inner}"), depth + 1)?;
                }
            }
            return Ok(());
        }
        if !metadata.is_file() {
            return Err(unfit("it is neither a file nor a folder"));
        }
        let bytes = metadata.len();
        if bytes > FILE_BYTES_MAX {
            return Err(unfit("it is larger than 8 GiB, which the archive's format does not hold"));
        }
        if self.files.len() as u64 == FILES_MAX {
            return Err(unfit("there are more files than a backup holds, 16,000,000"));
        }
        let name =
            FileName::new(name).ok_or_else(|| unfit("nothing of such a name is a node's"))?;
        self.room += room(bytes);
        self.files.push(Found { name, path: path.to_owned(), bytes });
        Ok(())
    }
}

/// The names in a folder, sorted by their bytes.
fn names(folder: &Path) -> Result<Vec<String>, ArchiveError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).doing("read", folder)? {
        let name = entry.doing("read", folder)?.file_name();
        let name = name.into_string().map_err(|name| ArchiveError::Unfit {
            path: folder.join(name),
            reason: "nothing of such a name is a node's",
        })?;
        names.push(name);
    }
    names.sort_unstable();
    Ok(names)
}
