//! The store as its callers see it: lives of sessions, and what a start makes of what it finds.

mod anchors;
mod faults;
mod forged;
mod group;
mod holds;
mod life;
mod parameters;
mod remake;
mod repair;
mod restored;
mod split;
mod upload;
mod users;

use std::{fs, path::Path};

use lucid_core::{
    ChunkIndex, Policy, Timestamp,
    chunk::{ChunkSummary, Suite},
    keys::{Kek, KeyFile},
};

use super::*;
use crate::{
    secrets::KekSource,
    testing::{TestCiphers, chunk_bytes, dek, session},
    vault::{Lease, Presence},
};

/// Plaintext bytes of a chunk in these tests: the smallest that a policy allows.
const PLAIN: u32 = 65_536;

/// The hold under which these tests fill sessions.
const LEASE: Lease = Lease(1);

fn local(store: &Store) -> &FolderVault {
    store.local().unwrap()
}

fn presence(store: &Store, seed: u8) -> Presence {
    store.vault().presence(session(seed)).unwrap()
}

fn kek() -> Kek {
    Kek::new([1; 32])
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_unix_millis(millis)
}

fn create(path: &Path, disk: Disk) -> Result<Store, StoreError> {
    let kek = KekSource::Given(kek());
    let ciphers = Arc::new(TestCiphers);
    Store::create(path, CreateOptions { kek, at: at(1), reserve_bytes: Some(0), disk, ciphers })
}

fn open_with(path: &Path, disk: Disk) -> Result<(Store, Recovery), StoreError> {
    let options = OpenOptions {
        kek: Some(kek()),
        at: at(50),
        reserve_bytes: Some(0),
        disk,
        ciphers: Arc::new(TestCiphers),
    };
    Store::open(path, options)
}

fn open(path: &Path) -> (Store, Recovery) {
    open_with(path, Disk::default()).unwrap()
}

/// A store that opens with nothing to repair.
fn open_clean(path: &Path) -> Store {
    let (store, recovery) = open(path);
    assert!(recovery.is_clean(), "{recovery:?}");
    store
}

#[expect(clippy::default_trait_access, reason = "the types of these fields have no public names")]
fn opened(seed: u8) -> SessionOpened {
    SessionOpened {
        at: at(2),
        kind: Default::default(),
        media_type: "video/mp4".parse().unwrap(),
        owner: "local".parse().unwrap(),
        policy: Policy::new(PLAIN, 3, Suite::Aes256Gcm).unwrap(),
        session_id: session(seed),
        v: Default::default(),
    }
}

fn key_file(seed: u8) -> KeyFile {
    KeyFile::new(vec![kek().wrap(&session(seed), &dek(seed), [seed; 12])])
}

fn request() -> SealRequest {
    SealRequest { complete: true, at: at(3), software: "lucid-store tests".into() }
}

/// Writes a chunk's file, as the pipeline would, under a hold that is begun where none was.
fn put(store: &Store, seed: u8, index: u32, plain: u32) -> Result<ChunkSummary, StoreError> {
    store.hold(session(seed), LEASE)?;
    let (summary, bytes) = chunk_bytes(session(seed), index, plain);
    let mut writer = store.chunk_writer(session(seed), LEASE, summary.header.index)?;
    for part in bytes.chunks(40_000) {
        writer.write(part)?;
    }
    writer.commit()?;
    Ok(summary)
}

/// Opens a session and acknowledges `chunks` chunks.
fn begin(store: &Store, seed: u8, chunks: u32) -> Vec<ChunkSummary> {
    store.open_session(opened(seed), Some(&key_file(seed))).unwrap();
    let chunks: Vec<_> = (0..chunks).map(|i| put(store, seed, i, PLAIN).unwrap()).collect();
    store.acknowledge(session(seed), &chunks).unwrap();
    chunks
}

fn index_of(store: &Store, seed: u8) -> Vec<ChunkSummary> {
    store.index(session(seed)).unwrap().map(Result::unwrap).collect()
}

/// Texts of the log's node events of this kind.
fn events(store: &Store, event: &str) -> Vec<String> {
    let read = |log: &LogReader| {
        (0..log.size()).map(|i| Ok(log.entry(lucid_core::EntryIndex(i))?)).collect()
    };
    let entries: Vec<Vec<u8>> = store.with_log(read).unwrap();
    let texts = entries.iter().filter_map(|bytes| match Entry::parse(bytes).unwrap() {
        Entry::NodeEvent(entry) if entry.event == event => Some(entry.detail),
        _ => None,
    });
    texts.collect()
}

fn session_file(folder: &Path, seed: u8, name: &str) -> std::path::PathBuf {
    folder.join("sessions").join(session(seed).to_string()).join(name)
}

fn chunk_file(folder: &Path, seed: u8, index: u32) -> std::path::PathBuf {
    folder.join("chunks").join(session(seed).to_string()).join(format!("{index:08}.lck"))
}

/// Paths of all files below `folder`, but for the database and the log.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(path) = folders.pop() {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "db" && name != "log" {
                folders.push(path);
            } else if path.is_file() {
                found.push(name);
            }
        }
    }
    found.sort();
    found
}
