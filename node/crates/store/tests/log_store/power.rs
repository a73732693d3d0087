//! Disks that fail on cue: an error, a full disk, a power cut, and what a power cut leaves of what was
//! not synced.

use std::{
    any::Any,
    collections::HashMap,
    fs, io,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use lucid_store::disk::{Disk, Faults, Op, parent};

/// What happens before operation `n`, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// It alone fails.
    Error(i32),
    /// It and all after it fail: a disk that stays full.
    ErrorsFrom(i32),
    /// The power goes, and what was written is as if it had been synced.
    PowerCut,
    /// The power goes, and nothing that was not synced is there.
    LoseUnsynced,
    /// As the power cut, and of the write just before only the first part is there.
    Torn(Tear),
    /// The write just before is torn as by a full disk: an error, not a power cut.
    TornError(Tear),
}

/// What is left of a write.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Tear {
    /// This many eighths of the bytes.
    Eighths(usize),
    /// All but the last byte.
    LastByte,
    /// The length, but zeros in the first half: later pages reached the disk before earlier ones.
    ZeroStart,
}

pub(crate) const ENOSPC: i32 = 28;
pub(crate) const EIO: i32 = 5;

/// The panic that stands for a power cut: nothing of the process runs on.
struct PowerIsOff;

#[derive(Default)]
struct State {
    operations: u64,
    history: Vec<Op>,
    /// Files with bytes that were not synced, and what they were when they were.
    unsynced: HashMap<PathBuf, Vec<u8>>,
    /// Names that are not durable, and what they held before; latest last.
    renamed: Vec<(PathBuf, Option<Vec<u8>>)>,
    /// The file of the write just before, and what it was before it.
    written: Option<(PathBuf, Vec<u8>)>,
}

pub(crate) struct Script {
    at: AtomicU64,
    fault: Option<Fault>,
    state: Mutex<State>,
}

/// A disk on which `fault` strikes at operation `at`, and its script.
pub(crate) fn faulty(at: u64, fault: Option<Fault>) -> (Disk, Arc<Script>) {
    let script = Arc::new(Script { at: at.into(), fault, state: Mutex::default() });
    (Disk::with_faults(Arc::<Script>::clone(&script)), script)
}

/// Runs `work` until it ends or the power goes; none in the latter case.
pub(crate) fn until_power_cut<T>(work: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => Some(done),
        Err(panic) if (&*panic as &dyn Any).is::<PowerIsOff>() => None,
        Err(panic) => resume_unwind(panic),
    }
}

fn contents(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_default()
}

/// The bytes that a write changed: those it appended, or the sectors of a file it was made in.
fn changed(before: &[u8], after: &[u8]) -> Range<usize> {
    const SECTOR: usize = 512;
    if after.len() > before.len() {
        return before.len()..after.len();
    }
    let differs = |place: &usize| before[*place] != after[*place];
    let first = (0..after.len()).find(differs).unwrap_or(0);
    let last = (0..after.len()).rfind(differs).map_or(0, |last| last + 1);
    first / SECTOR * SECTOR..last.next_multiple_of(SECTOR)
}

impl State {
    /// Takes back what no sync has made durable.
    fn lose_unsynced(&mut self) {
        for (path, bytes) in self.unsynced.drain() {
            fs::write(path, bytes).unwrap();
        }
        while let Some((path, held)) = self.renamed.pop() {
            match held {
                Some(bytes) => fs::write(path, bytes).unwrap(),
                None => fs::remove_file(path).unwrap(),
            }
        }
    }

    fn tear(&self, tear: Tear) {
        let Some((path, before)) = &self.written else {
            return;
        };
        let mut bytes = contents(path);
        let changed = changed(before, &bytes);
        let whole = match tear {
            Tear::Eighths(eighths) => changed.start + changed.len() * eighths / 8,
            Tear::LastByte => changed.end - changed.len().min(1),
            Tear::ZeroStart => {
                let half = changed.start + changed.len() / 2;
                bytes[changed.start..half].fill(0);
                changed.end
            }
        };
        // What follows is as it was, or is not there where it was not.
        bytes.truncate(whole.max(before.len()));
        let kept = whole.min(before.len());
        bytes[kept..before.len()].copy_from_slice(&before[kept..]);
        fs::write(path, bytes).unwrap();
    }

    /// Notes what `op` is about to do; the operation before it has been done.
    fn note(&mut self, op: Op, path: &Path) {
        self.written = None;
        self.history.push(op);
        match op {
            Op::Write => {
                let before = contents(path);
                self.unsynced.entry(path.to_owned()).or_insert_with(|| before.clone());
                self.written = Some((path.to_owned(), before));
            }
            Op::SyncFile | Op::Truncate | Op::Remove => {
                self.unsynced.remove(path);
            }
            Op::Rename => {
                // What comes back where the new name is lost is as much of the old file as was synced.
                let synced = self.unsynced.remove(path);
                let held = synced.or_else(|| fs::read(path).ok());
                self.renamed.push((path.to_owned(), held));
            }
            Op::SyncFolder => self.renamed.retain(|(renamed, _)| parent(renamed) != path),
            Op::Open | Op::MakeFolder | Op::RemoveFolder => {}
        }
    }
}

impl Fault {
    /// Whether it needs a write just before to differ from a plain error or power cut.
    pub(crate) fn tears(self) -> bool {
        matches!(self, Self::Torn(_) | Self::TornError(_))
    }
}

impl Script {
    /// Operations so far.
    pub(crate) fn operations(&self) -> u64 {
        self.state.lock().unwrap().operations
    }

    /// The operations so far.
    pub(crate) fn history(&self) -> Vec<Op> {
        self.state.lock().unwrap().history.clone()
    }

    /// A disk that goes on where this one is, after its process was killed: what was not synced still
    /// is not, though the next process sees it.
    pub(crate) fn next_process(&self) -> (Disk, Arc<Self>) {
        let state = std::mem::take(&mut *self.state.lock().unwrap());
        let next = Self { at: u64::MAX.into(), fault: None, state: state.into() };
        let script = Arc::new(next);
        (Disk::with_faults(Arc::<Self>::clone(&script)), script)
    }

    /// Cuts the power now: nothing that was not synced is there.
    pub(crate) fn lose_unsynced(&self) {
        self.state.lock().unwrap().lose_unsynced();
    }

    /// Lets the fault strike `count` operations from now.
    pub(crate) fn arm(&self, count: u64) {
        self.at.store(self.operations() + count, Ordering::Relaxed);
    }
}

impl Faults for Script {
    fn before(&self, op: Op, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        let now = state.operations;
        state.operations += 1;
        let at = self.at.load(Ordering::Relaxed);
        let strikes = now == at;
        match self.fault {
            Some(Fault::Error(code)) if strikes => return Err(io::Error::from_raw_os_error(code)),
            Some(Fault::ErrorsFrom(code)) if now >= at => {
                return Err(io::Error::from_raw_os_error(code));
            }
            Some(Fault::TornError(tear)) if strikes => {
                state.tear(tear);
                return Err(io::Error::from_raw_os_error(ENOSPC));
            }
            Some(Fault::Torn(tear)) if strikes => state.tear(tear),
            Some(Fault::LoseUnsynced) if strikes => state.lose_unsynced(),
            _ => {}
        }
        if strikes && self.fault.is_some() {
            drop(state);
            resume_unwind(Box::new(PowerIsOff));
        }
        state.note(op, path);
        Ok(())
    }
}
