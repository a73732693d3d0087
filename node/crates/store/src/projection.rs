//! A service's own database: a sled folder that is made from the ledger log and can be thrown away.
//!
//! What its trees mean is the service's. This module owns when it can be trusted: it has the layout that
//! the service reads, and sled opens it. Anything else is moved aside, and the service begins again from
//! the log's first entry. The service itself keeps in a tree how far it has come, in the same atomic batch
//! as what came of it: sled keeps the order of writes, so after a crash the trees stand for some earlier
//! moment, whole.
//!
//! A crash loses what was not flushed, and the log brings it back.

use std::{cell::Cell, path::Path};

use crate::{
    disk::Disk,
    error::StoreError,
    sled_folder::{self, Rebuilt, Refusal, SledFolder, open_or_anew},
};

/// The tree and the key under which the layout stands.
const META: &str = "meta";
const LAYOUT: &[u8] = b"layout";

/// An open database of a service.
pub struct Projection {
    files: SledFolder,
}

impl Projection {
    /// Opens the database in `folder`, or makes it, with pages of `cache_bytes` kept in memory. One of
    /// another `layout` (the service's name for what its trees hold, with a version), or one that sled does
    /// not open, is moved aside; the second part of the answer says so, and is there for a new one too.
    ///
    /// # Errors
    /// The disk's.
    pub fn open(
        folder: &Path,
        layout: &str,
        cache_bytes: u64,
        disk: &Disk,
    ) -> Result<(Self, Option<Rebuilt>), StoreError> {
        open_or_anew(folder, disk, || try_open(folder, layout.as_bytes(), cache_bytes, disk))
    }

    /// Moves the database in `folder` aside, which nobody may have open, and makes another one, because of
    /// `reason`.
    ///
    /// # Errors
    /// The disk's.
    pub fn begin_anew(
        folder: &Path,
        layout: &str,
        cache_bytes: u64,
        disk: &Disk,
        reason: &str,
    ) -> Result<(Self, Option<Rebuilt>), StoreError> {
        let refused = Cell::new(false);
        open_or_anew(folder, disk, || match refused.replace(true) {
            false => Err(Refusal::Anew(reason.to_owned())),
            true => try_open(folder, layout.as_bytes(), cache_bytes, disk),
        })
    }

    /// One of its trees, made where it is not there. `meta` has the layout in it and may have more.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn tree(&self, name: &str) -> Result<sled::Tree, StoreError> {
        self.files.tree(name)
    }

    /// Brings everything written so far to the disk.
    ///
    /// # Errors
    /// [`StoreError::Database`], the disk's.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.files.flush()
    }

    /// Marks it for being made anew at the next start, because what is in it is not what was put there.
    pub fn condemn(&self) {
        sled_folder::condemn(self.files.path());
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.files.path()
    }

    /// Gives sled's errors their place. What is no failure of the disk is damage: it is made anew at the next
    /// start.
    pub(crate) fn sled<T>(&self, result: sled::Result<T>) -> Result<T, StoreError> {
        self.files.sled(result.inspect_err(|error| {
            if !matches!(error, sled::Error::Io(_)) {
                self.condemn();
            }
        }))
    }

    /// What sled gave is what nobody put there: it is made anew at the next start.
    pub(crate) fn unsound(&self, reason: &str) -> StoreError {
        self.condemn();
        let source = sled::Error::Unsupported(reason.to_owned());
        StoreError::Database { path: self.path().to_owned(), source }
    }
}

fn try_open(
    folder: &Path,
    layout: &[u8],
    cache_bytes: u64,
    disk: &Disk,
) -> Result<Projection, Refusal> {
    let fresh = !folder.join("db").exists();
    let files = SledFolder::open(folder, cache_bytes, disk)?;
    let meta = files.tree(META)?;
    if fresh {
        files.sled(meta.insert(LAYOUT, layout))?;
        files.flush()?;
    }
    match files.sled(meta.get(LAYOUT))? {
        Some(found) if found == layout => Ok(Projection { files }),
        found => {
            let found = found.map(|found| String::from_utf8_lossy(&found).into_owned());
            let found = found.unwrap_or_else(|| "none".to_owned());
            Err(Refusal::Anew(format!("its layout is another version's ({found})")))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const CACHE_BYTES: u64 = 1 << 20;

    fn open(folder: &Path, layout: &str) -> (Projection, Option<Rebuilt>) {
        Projection::open(folder, layout, CACHE_BYTES, &Disk::default()).unwrap()
    }

    /// Puts something into a new database, does `harm`, opens it again; gives why it was made anew, and
    /// whether what was put there still is.
    fn check(layout: &str, harm: impl FnOnce(&Path), why: Option<&str>) {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("evm");
        let (projection, made) = open(&folder, "evm 1");
        assert_eq!(made.unwrap().reason, "it was missing");
        projection.tree("a").unwrap().insert(b"key", b"value").unwrap();
        projection.flush().unwrap();
        drop(projection);
        harm(&folder);
        let (projection, anew) = open(&folder, layout);
        let kept = projection.tree("a").unwrap().get(b"key").unwrap().is_some();
        assert_eq!(kept, why.is_none(), "{why:?}");
        let aside = anew.as_ref().and_then(|anew| anew.aside.clone());
        match (why, anew) {
            (None, None) => {}
            (Some(why), Some(anew)) => assert!(anew.reason.contains(why), "{anew}"),
            (why, anew) => panic!("{why:?} and {anew:?}"),
        }
        if let Some(aside) = aside {
            assert_eq!(aside, place.path().join("evm.damaged-1"));
            assert!(aside.exists(), "what was moved aside is kept");
        }
        drop(projection);
        assert!(open(&folder, layout).1.is_none(), "the new one is whole");
    }

    #[test]
    fn what_cannot_be_trusted_is_made_anew() {
        check("evm 1", |_| {}, None);
        check("evm 2", |_| {}, Some("another version's (evm 1)"));
        check("evm 1", |folder| fs::remove_dir_all(folder).unwrap(), Some("missing"));
        check("evm 1", sled_folder::condemn, Some("damaged while it was in use"));
        // sled takes pages that it cannot read for never written, or refuses them.
        let garbage = |folder: &Path| {
            let bytes = fs::read(folder.join("db")).unwrap().len();
            fs::write(folder.join("db"), vec![0xff; bytes]).unwrap();
        };
        check("evm 1", garbage, Some(""));
        check(
            "evm 1",
            |folder| {
                fs::remove_dir_all(folder).unwrap();
                fs::write(folder, "a file in its place").unwrap();
            },
            Some("no folder"),
        );
    }
}
