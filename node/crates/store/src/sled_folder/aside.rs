//! Databases that were moved aside: `db.damaged-<n>` by a start, `db.aside-<n>` by `ledger rebuild`.
//!
//! They are kept for whoever wants to know what happened, and nothing is ever read from them. A disk
//! that damages one after another must not be filled by them: of each kind the last [`KEPT`] stay.
//! Numbers only grow, so the lowest is the oldest.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    disk::{Disk, Op, parent},
    error::{Doing, StoreError},
};

/// What follows `db.`, before the number.
const KINDS: [&str; 2] = ["damaged", "aside"];
/// How many of a kind stay.
const KEPT: usize = 2;

/// The name that the database in `folder` gets when it is moved aside: `kind` is `damaged` or `aside`.
///
/// # Errors
/// The operating system's.
pub(super) fn next_name(folder: &Path, kind: &str) -> Result<PathBuf, StoreError> {
    let next = numbers(folder, kind)?.last().map_or(1, |last| last + 1);
    Ok(name(folder, kind, next))
}

/// Removes all but the last of each kind beside the database in `folder`; a clause for each says so, or
/// why that could not be done, which stops nobody.
pub(super) fn remove_old(folder: &Path, disk: &Disk) -> Result<Vec<String>, StoreError> {
    let mut told = Vec::new();
    for kind in KINDS {
        let numbers = numbers(folder, kind)?;
        for &n in numbers.iter().rev().skip(KEPT).rev() {
            let path = name(folder, kind, n);
            let removed = remove(&path, disk).and_then(|()| disk.sync_folder(parent(folder)));
            told.push(match removed {
                Ok(()) => format!("the older {} is removed", path.display()),
                Err(error) => format!("the older {} cannot be removed: {error}", path.display()),
            });
        }
    }
    Ok(told)
}

/// Removes a folder and all in it, or whatever else stood in the database's place.
fn remove(path: &Path, disk: &Disk) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        disk.check(Op::RemoveFolder, path)?;
        fs::remove_dir_all(path)
    } else {
        disk.remove(path)
    }
}

fn name(folder: &Path, kind: &str, n: u32) -> PathBuf {
    folder.with_extension(format!("{kind}-{n}"))
}

/// The numbers of a kind that are there, ascending: in the spelling that is written, and below 10^9.
fn numbers(folder: &Path, kind: &str) -> Result<Vec<u32>, StoreError> {
    let parent = parent(folder);
    let mut found = Vec::new();
    for entry in fs::read_dir(parent).doing("read", parent)? {
        let path = entry.doing("read", parent)?.path();
        let number = path.extension().and_then(|it| it.to_str()).and_then(|extension| {
            let digits = extension.strip_prefix(kind)?.strip_prefix('-')?;
            digits.parse().ok().filter(|n: &u32| *n < 1_000_000_000 && digits == n.to_string())
        });
        if let Some(n) = number
            && path == name(folder, kind, n)
        {
            found.push(n);
        }
    }
    found.sort_unstable();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(there: &[&str], next: &str, left: &[&str], told: &[&str]) {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("db");
        for name in there {
            fs::create_dir_all(base.path().join(name).join("blobs")).unwrap();
            fs::write(base.path().join(name).join("conf"), "x").unwrap();
        }
        assert_eq!(next_name(&folder, "damaged").unwrap(), base.path().join(next), "{there:?}");
        let said = remove_old(&folder, &Disk::default()).unwrap();
        let paths = told.iter().map(|name| base.path().join(name).display().to_string());
        let want: Vec<_> = paths.map(|path| format!("the older {path} is removed")).collect();
        assert_eq!(said, want, "{there:?}");
        let names = fs::read_dir(base.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(names, left, "{there:?}");
    }

    #[test]
    fn the_last_two_of_each_kind_stay() {
        check(&[], "db.damaged-1", &[], &[]);
        let two = ["db.damaged-1", "db.damaged-7"];
        check(&two, "db.damaged-8", &two, &[]);
        check(
            &["db.aside-1", "db.aside-2", "db.damaged-10", "db.damaged-8", "db.damaged-9"],
            "db.damaged-11",
            &["db.aside-1", "db.aside-2", "db.damaged-10", "db.damaged-9"],
            &["db.damaged-8"],
        );
        check(
            &["db.aside-1", "db.aside-2", "db.aside-3", "db.aside-4", "db.damaged-1"],
            "db.damaged-2",
            &["db.aside-3", "db.aside-4", "db.damaged-1"],
            &["db.aside-1", "db.aside-2"],
        );
    }

    #[test]
    fn what_only_looks_like_one_is_left_alone() {
        let others = [
            "db",
            "db.aside-x",
            "db.damaged-",
            "db.damaged-+1",
            "db.damaged-01",
            "db.damaged-1000000000",
            "other.damaged-1",
            "other.damaged-2",
            "other.damaged-3",
        ];
        check(&others, "db.damaged-1", &others, &[]);
    }

    struct NothingGoes;

    impl crate::disk::Faults for NothingGoes {
        fn before(&self, op: Op, _: &Path) -> io::Result<()> {
            assert!(matches!(op, Op::Remove | Op::RemoveFolder), "{op:?}");
            Err(io::Error::from(io::ErrorKind::ReadOnlyFilesystem))
        }
    }

    #[test]
    fn one_that_cannot_be_removed_stops_nobody() {
        let base = tempfile::tempdir().unwrap();
        let name = |n: u32| base.path().join(format!("db.aside-{n}"));
        // A file that stood in the database's place, and a folder.
        fs::write(name(1), "").unwrap();
        (2..=4).for_each(|n| fs::create_dir(name(n)).unwrap());
        let broken = Disk::with_faults(std::sync::Arc::new(NothingGoes));
        let said = remove_old(&base.path().join("db"), &broken).unwrap();
        assert_eq!(said.len(), 2, "{said:?}");
        for (said, n) in said.iter().zip(1..) {
            let begins = format!("the older {} cannot be removed: ", name(n).display());
            assert!(said.starts_with(&begins), "{said}");
        }
        assert_eq!(remove_old(&base.path().join("db"), &Disk::default()).unwrap().len(), 2);
        assert!(!name(1).exists() && !name(2).exists() && name(3).exists());
    }
}
