//! Logs to test with, and what a sound log is.

use std::path::{Path, PathBuf};

use lucid_core::{
    EntryIndex, Hash,
    merkle::{self, EMPTY_ROOT},
    note::{Checkpoint, SigningKey, VerifierKey},
};
use lucid_store::{
    disk::Disk,
    log::{CheckReport, Log, LogReader, check},
};
use tempfile::TempDir;

pub(crate) const ORIGIN: &str = "lucid/00112233445566ff";

pub(crate) fn key() -> SigningKey {
    SigningKey::from_seed(ORIGIN.parse().unwrap(), &[7; 32])
}

pub(crate) fn public() -> VerifierKey {
    key().verifier_key().clone()
}

/// Entries of several lengths, each of which parses.
pub(crate) fn entry(index: u64) -> Vec<u8> {
    let detail = format!("{index}{}", "x".repeat((index % 7) as usize * 5));
    let at = "1970-01-01T00:00:00.001Z";
    format!(r#"{{"at":"{at}","detail":"{detail}","event":"test","kind":"node.event","v":1}}"#)
        .into_bytes()
}

/// An entry of version `v`, with what this version knows nothing of.
pub(crate) fn newer_entry(v: u64) -> Vec<u8> {
    let at = "1970-01-01T00:00:00.001Z";
    format!(r#"{{"at":"{at}","kind":"session.erased","parts":[0.5,{{"é":null}}],"v":{v}}}"#)
        .into_bytes()
}

pub(crate) fn entries(from: u64, to: u64) -> Vec<Vec<u8>> {
    (from..to).map(entry).collect()
}

pub(crate) fn leaves(entries: &[Vec<u8>]) -> Vec<Hash> {
    entries.iter().map(|entry| merkle::leaf_hash(entry)).collect()
}

/// A folder in memory where there is one, since these tests sync thousands of times.
pub(crate) fn temporary() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory).unwrap()
    } else {
        tempfile::tempdir().unwrap()
    }
}

/// A new log, and the folder it is in.
pub(crate) fn new_log() -> (TempDir, PathBuf, Log) {
    let folder = temporary();
    let dir = folder.path().join("log");
    let log = Log::create(&dir, key(), Disk::default()).unwrap();
    (folder, dir, log)
}

/// A log of [`entries`], and the folder it is in.
pub(crate) fn log_of(size: u64) -> (TempDir, PathBuf) {
    let (folder, dir, mut log) = new_log();
    log.append(&entries(0, size)).unwrap();
    (folder, dir)
}

pub(crate) fn open(dir: &Path) -> Log {
    Log::open(dir, key(), Disk::default()).unwrap()
}

pub(crate) fn check_all(dir: &Path) -> CheckReport {
    let (mut last, mut of) = (0, 0);
    let report = check(dir, &public(), &mut |done, total| {
        assert!(done >= last && done <= total);
        (last, of) = (done, total);
    });
    assert_eq!(last, of, "progress reaches the end");
    report
}

/// Everything that can be read of the log is that of `want`.
pub(crate) fn assert_holds(log: &LogReader, want: &[Vec<u8>]) {
    let size = want.len() as u64;
    assert_eq!(log.size(), size);
    let all = log.entries(EntryIndex(0)..EntryIndex(size)).unwrap();
    assert!(all.map(Result::unwrap).eq(want.iter().cloned()), "entries of {size}");
    let leaves = leaves(want);
    assert_eq!(log.root(), if size == 0 { EMPTY_ROOT } else { merkle::root(&leaves) });
    let checkpoint = Checkpoint::verify(log.checkpoint_text(), &public()).unwrap();
    assert_eq!((checkpoint.size, checkpoint.root), (size, log.root()));
    for index in [0, 1, 255, 256, 257, size / 2, size.saturating_sub(2), size.saturating_sub(1)] {
        let entry = log.entry(EntryIndex(index));
        let proof = log.tlog_proof(EntryIndex(index));
        if index < size {
            let leaf = leaves[usize::try_from(index).unwrap()];
            assert_eq!(entry.unwrap(), want[usize::try_from(index).unwrap()]);
            assert_eq!(proof.unwrap().verify(leaf, &public()).unwrap().size, size);
        } else {
            assert!(entry.is_err() && proof.is_err(), "{index} of {size}");
        }
    }
}

/// The log in `dir` opens both ways, holds `want`, and a full check finds nothing at all.
pub(crate) fn assert_sound(dir: &Path, want: &[Vec<u8>]) {
    assert_holds(&open(dir), want);
    let reader = LogReader::open(dir, &public()).unwrap();
    assert!(reader.repairs().is_empty(), "{:?}", reader.repairs());
    assert_holds(&reader, want);
    let report = check_all(dir);
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert_eq!(report.entries, want.len() as u64);
}

/// The log's earlier checkpoints are consistent with what it says now.
pub(crate) fn assert_consistent(log: &LogReader, earlier: &[String]) {
    for text in earlier {
        let old = Checkpoint::verify(text, &public()).unwrap();
        if old.size == 0 {
            continue;
        }
        let path = log.consistency_proof(old.size, log.size()).unwrap();
        merkle::verify_consistency(old.size, old.root, log.size(), log.root(), &path).unwrap();
    }
}

pub(crate) fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for item in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(item.file_name());
        if item.path().is_dir() {
            copy_folder(&item.path(), &target);
        } else {
            std::fs::copy(item.path(), target).unwrap();
        }
    }
}

/// The file `head` of a log whose checkpoint is `text`, by the format.
pub(crate) fn head(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap().to_be_bytes();
    let crc = crc32c::crc32c_append(crc32c::crc32c(&length), text.as_bytes()).to_be_bytes();
    let mut copy = [b"LUCH\x01\x00".as_slice(), &length, &crc, text.as_bytes()].concat();
    copy.resize(2048, 0);
    copy.repeat(4)
}
