//! A disk that loses power: what was not synced is gone afterwards.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Mutex,
};

use crate::disk::{Faults, Op, parent, temporary_name};

/// Lets operations through until its `nth`, then none; [`PowerCut::cut`] afterwards takes back all
/// that a disk may have lost: data that no fdatasync followed, and names that no folder's fsync
/// followed. It sees what goes through the seam, so a sync that is missing there loses something.
pub(crate) struct PowerCut {
    nth: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    count: u64,
    /// Files with unsynced data, and what of them is synced.
    dirty: HashMap<PathBuf, Vec<u8>>,
    /// Changes of names, in order.
    names: Vec<Change>,
}

/// A name that changed, and what undoing that takes.
struct Change {
    path: PathBuf,
    before: Before,
}

enum Before {
    Nothing,
    File(Vec<u8>),
    Folder,
}

impl PowerCut {
    pub(crate) fn at(nth: u64) -> Self {
        Self { nth, state: Mutex::default() }
    }

    /// Operations so far.
    pub(crate) fn count(&self) -> u64 {
        self.state.lock().unwrap().count
    }

    /// Takes back what was not synced.
    pub(crate) fn cut(&self) {
        let mut state = self.state.lock().unwrap();
        for (path, synced) in state.dirty.drain() {
            if path.exists() {
                fs::write(path, synced).unwrap();
            }
        }
        for Change { path, before } in state.names.drain(..).rev() {
            match before {
                Before::Nothing if path.is_dir() => fs::remove_dir_all(path).unwrap(),
                Before::Nothing if path.exists() => fs::remove_file(path).unwrap(),
                Before::Folder if !path.exists() => fs::create_dir(path).unwrap(),
                Before::File(bytes) if parent(&path).exists() => fs::write(path, bytes).unwrap(),
                _ => (),
            }
        }
    }
}

impl State {
    fn note(&mut self, op: Op, path: &Path) {
        let change = |before| Change { path: path.to_owned(), before };
        match op {
            Op::Open | Op::MakeFolder if !path.exists() => {
                self.names.push(change(Before::Nothing));
            }
            Op::Write => {
                let synced = || fs::read(path).unwrap_or_default();
                self.dirty.entry(path.to_owned()).or_insert_with(synced);
            }
            Op::SyncFile | Op::Truncate => {
                self.dirty.remove(path);
            }
            Op::Rename => {
                let before = fs::read(path).map_or(Before::Nothing, Before::File);
                self.names.push(change(before));
                if let Some(synced) = self.dirty.remove(&temporary_name(path)) {
                    self.dirty.insert(path.to_owned(), synced);
                }
            }
            Op::Remove => {
                if let Ok(bytes) = fs::read(path) {
                    self.names.push(change(Before::File(bytes)));
                }
            }
            Op::RemoveFolder if path.exists() => self.names.push(change(Before::Folder)),
            Op::SyncFolder => {
                let kept = |change: &Change| parent(&change.path) == path && !change.path.exists();
                let gone: Vec<_> =
                    self.names.iter().filter(|c| kept(c)).map(|c| c.path.clone()).collect();
                self.names.retain(|change| {
                    parent(&change.path) != path
                        && !gone.iter().any(|folder| change.path.starts_with(folder))
                });
            }
            _ => (),
        }
    }
}

impl Faults for PowerCut {
    fn before(&self, op: Op, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        state.count += 1;
        if state.count > self.nth {
            return Err(io::Error::other("no power"));
        }
        state.note(op, path);
        Ok(())
    }
}
