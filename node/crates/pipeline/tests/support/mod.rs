//! A store in memory, strict about the order in which it is used.
#![allow(unreachable_pub, reason = "shared by the test files beside it")]
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::BTreeMap,
    io::{self, Cursor},
    num::NonZeroUsize,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use lucid_core::{
    ChunkIndex, Policy, SessionId,
    chunk::{ChunkSummary, Suite},
    keys::Dek,
    manifest::ManifestChunk,
};
use lucid_pipeline::{
    PortError,
    ingest::{self, Control, Report},
    ports::{ChunkFile, ChunkShelf, ChunkSink},
    seal::SealContext,
    source::Source,
};

#[derive(Default)]
pub struct MemoryStore {
    pub files: Mutex<BTreeMap<u32, Vec<u8>>>,
    pub acknowledged: Mutex<Vec<ChunkSummary>>,
    /// Operations until one fails; none fails at 0.
    pub fails_after: AtomicUsize,
}

impl MemoryStore {
    fn step(&self) -> Result<(), PortError> {
        match self.fails_after.load(Ordering::SeqCst) {
            0 => Ok(()),
            1 => Err("the disk is full".into()),
            _ => {
                self.fails_after.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            }
        }
    }

    pub fn manifest_chunks(&self) -> Vec<ManifestChunk> {
        self.acknowledged.lock().unwrap().iter().map(ManifestChunk::from).collect()
    }
}

pub struct MemoryFile<'a> {
    store: &'a MemoryStore,
    index: u32,
    bytes: Vec<u8>,
}

impl ChunkFile for MemoryFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), PortError> {
        self.store.step()?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn commit(self) -> Result<(), PortError> {
        self.store.step()?;
        self.store.files.lock().unwrap().insert(self.index, self.bytes);
        Ok(())
    }
}

/// The sink borrows the store, so that its files can.
pub struct Sink<'a>(pub &'a MemoryStore);

impl<'a> ChunkSink for Sink<'a> {
    type File = MemoryFile<'a>;

    fn create(&self, index: ChunkIndex) -> Result<MemoryFile<'a>, PortError> {
        self.0.step()?;
        Ok(MemoryFile { store: self.0, index: index.0, bytes: Vec::new() })
    }

    fn acknowledge(&self, chunks: &[ChunkSummary]) -> Result<(), PortError> {
        self.0.step()?;
        let files = self.0.files.lock().unwrap();
        let mut acknowledged = self.0.acknowledged.lock().unwrap();
        for chunk in chunks {
            assert_eq!(chunk.header.index.0 as usize, acknowledged.len(), "in order");
            assert!(files.contains_key(&chunk.header.index.0), "committed before");
            acknowledged.push(*chunk);
        }
        Ok(())
    }
}

impl ChunkShelf for MemoryStore {
    type Reader = Cursor<Vec<u8>>;

    fn open(&self, index: ChunkIndex) -> io::Result<(Cursor<Vec<u8>>, u64)> {
        let files = self.files.lock().unwrap();
        let bytes = files.get(&index.0).ok_or(io::ErrorKind::NotFound)?.clone();
        let count = bytes.len() as u64;
        Ok((Cursor::new(bytes), count))
    }
}

pub const CHUNK: usize = 64 << 10;

pub fn context(suite: Suite) -> SealContext {
    let policy = Policy::new(CHUNK as u32, 3, suite).unwrap();
    SealContext { session: SessionId::from_random([5; 16]), dek: Dek::new([6; 32]), policy }
}

pub fn with_control<T>(workers: usize, work: impl FnOnce(&Control<'_>) -> T) -> T {
    let cancel = AtomicBool::new(false);
    let workers = NonZeroUsize::new(workers).unwrap();
    work(&Control { workers, progress: &|_| {}, cancel: &cancel })
}

pub fn ingest_into(
    store: &MemoryStore,
    suite: Suite,
    source: &mut dyn Source,
    workers: usize,
) -> Report {
    let first = ChunkIndex(store.acknowledged.lock().unwrap().len() as u32);
    with_control(workers, |control| {
        ingest::ingest(source, &context(suite), &Sink(store), first, 0, control)
    })
}

/// Bytes that no compressor shrinks.
pub fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..bytes).map(step).collect()
}

/// Bytes that shrink well.
pub fn text(bytes: usize) -> Vec<u8> {
    let line = |i: usize| format!("{i:08} session started, nothing to report\n").into_bytes();
    (0..).flat_map(line).take(bytes).collect()
}
