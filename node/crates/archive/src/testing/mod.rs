//! What this crate's tests share: scripted disks, and a data folder with sessions that were really sealed.

use std::{
    fs, io,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use lucid_core::{
    ChunkIndex, Policy, SessionId, Timestamp,
    chunk::{Salt, Suite},
    entry::SessionOpened,
    keys::{Dek, KeyFile},
};
use lucid_pipeline::{
    ingest::Control,
    ports::{ChunkFile, ChunkShelf},
    seal::{ChunkSealer, SealContext},
    verify::{VerifyContext, verify},
};
use lucid_store::{
    ChunkFiles, ChunkWriter, CreateOptions, Disk, KekSource, Lease, NoCiphers, OpenOptions,
    Recovery, SealRequest, Store,
    disk::{Faults, Op},
};

/// A disk's script: which operation fails, and all after it, as if the process had been killed there.
#[derive(Default)]
pub(crate) struct Script {
    dead_from: Mutex<Option<u64>>,
    count: AtomicU64,
}

impl Script {
    pub(crate) fn dead_from(nth: u64) -> Arc<Self> {
        Arc::new(Self { dead_from: Mutex::new(Some(nth)), ..Self::default() })
    }

    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }
}

impl Faults for Script {
    fn before(&self, op: Op, path: &Path) -> io::Result<()> {
        let count = self.count.fetch_add(1, Ordering::SeqCst);
        match *self.dead_from.lock().unwrap() {
            Some(nth) if count >= nth => {
                Err(io::Error::other(format!("scripted fault: {op:?} {}", path.display())))
            }
            _ => Ok(()),
        }
    }
}

/// In memory, where a sync costs nothing.
pub(crate) fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    folder.unwrap()
}

pub(crate) fn at(millis: u64) -> Timestamp {
    Timestamp::from_unix_millis(millis)
}

pub(crate) fn session(seed: u8) -> SessionId {
    SessionId::from_random([seed; 16])
}

fn dek(seed: u8) -> Dek {
    Dek::new([seed; 32])
}

fn policy() -> Policy {
    Policy::new(65_536, 3, Suite::Aes256Gcm).unwrap()
}

/// The plaintext of a chunk: its second half does not shrink.
fn plain(seed: u8, index: u32) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15 ^ (u64::from(seed) << 32 | u64::from(index));
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    let bytes = 60_000 + 1000 * index;
    (0..bytes).map(|place| if place < bytes / 2 { seed } else { random() }).collect()
}

struct File(ChunkWriter);

impl ChunkFile for File {
    fn write(&mut self, bytes: &[u8]) -> Result<(), lucid_pipeline::PortError> {
        Ok(self.0.write(bytes)?)
    }

    fn commit(self) -> Result<(), lucid_pipeline::PortError> {
        self.0.commit()?;
        Ok(())
    }
}

/// Makes a node's folder with a log and nothing else.
pub(crate) fn create(data: &Path) -> Store {
    let options = CreateOptions {
        kek: KekSource::Folder,
        at: at(1),
        reserve_bytes: Some(0),
        disk: Disk::default(),
        ciphers: Arc::new(NoCiphers),
    };
    Store::create(data, options).unwrap()
}

/// Opens a session and acknowledges so many chunks.
#[expect(clippy::default_trait_access, reason = "the types of these fields have no public names")]
pub(crate) fn fill(store: &Store, seed: u8, chunks: u32) {
    let (id, dek) = (session(seed), dek(seed));
    let opened = SessionOpened {
        at: at(2),
        kind: Default::default(),
        media_type: "video/mp4".parse().unwrap(),
        owner: "local".parse().unwrap(),
        policy: policy(),
        session_id: id,
        v: Default::default(),
    };
    let kek = store.local().unwrap().master_key().kek().unwrap().clone();
    let keys = KeyFile::new(vec![kek.wrap(&id, &dek, [seed; 12])]);
    store.open_session(opened, Some(&keys)).unwrap();
    store.hold(id, Lease(1)).unwrap();
    let context = SealContext { session: id, dek, policy: policy() };
    let mut sealer = ChunkSealer::new(&context.policy);
    let mut summaries = Vec::new();
    for index in 0..chunks {
        let mut file = File(store.chunk_writer(id, Lease(1), ChunkIndex(index)).unwrap());
        let salt = Salt([index as u8; 24]);
        let plain = plain(seed, index);
        let summary = sealer.seal(&context, ChunkIndex(index), &plain, salt, &mut file).unwrap();
        file.commit().unwrap();
        summaries.push(summary);
    }
    store.acknowledge(id, &summaries).unwrap();
}

pub(crate) fn seal(store: &Store, seed: u8) {
    let request = SealRequest { complete: true, at: at(3), software: "lucid-archive tests".into() };
    store.seal(session(seed), &request).unwrap();
}

/// A node with sealed sessions 1 to 3 of 1 to 3 chunks, an erased one, 4, and an open one with two chunks, 5.
pub(crate) fn node(data: &Path) -> Store {
    let store = create(data);
    for seed in 1..=4 {
        fill(&store, seed, u32::from(seed));
        seal(&store, seed);
    }
    store.erase(session(4), at(9)).unwrap();
    fill(&store, 5, 2);
    store
}

pub(crate) fn open(data: &Path) -> (Store, Recovery) {
    let options = OpenOptions {
        kek: None,
        at: at(50),
        reserve_bytes: Some(0),
        disk: Disk::default(),
        ciphers: Arc::new(NoCiphers),
    };
    Store::open(data, options).unwrap()
}

pub(crate) fn checkpoint(store: &Store) -> String {
    store.with_log(|log| Ok(log.checkpoint_text().to_owned())).unwrap()
}

struct Shelf(ChunkFiles, SessionId);

impl ChunkShelf for Shelf {
    type Reader = fs::File;

    fn open(&self, index: ChunkIndex) -> io::Result<(fs::File, u64)> {
        self.0.open(self.1, index).map_err(io::Error::other)
    }
}

/// Opens every chunk of a sealed session under its key, and compares the root with the log's.
pub(crate) fn verifies(store: &Store, seed: u8) -> bool {
    let id = session(seed);
    let (sealed, manifest) = (store.sealed(id).unwrap(), store.manifest(id).unwrap().manifest);
    let dek = dek(seed);
    let context =
        VerifyContext { session: id, suite: manifest.suite, dek: Some(&dek), decrypt: true };
    let shelf = Shelf(ChunkFiles::new(store.path().join("chunks"), Disk::default()), id);
    let cancel = AtomicBool::new(false);
    let workers = NonZeroUsize::MIN;
    let control = Control { workers, cancel: &cancel, progress: &|_| () };
    let verified = verify(&context, &shelf, &manifest.chunks, &control);
    verified.findings.is_empty() && verified.merkle_root == Some(sealed.merkle_root)
}

/// Paths of all files below `folder`, sorted; none where there is no folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(path) = folders.pop() {
        for entry in fs::read_dir(path).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}
