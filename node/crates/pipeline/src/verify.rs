//! Verify: hashes a session's chunk files on all workers and says what is wrong and where. It needs
//! no key; with one, it also checks every commitment and tag, and names the segment.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use lucid_core::{ChunkIndex, Hash, SessionId, chunk::Suite, keys::Dek, manifest::ManifestChunk};

use crate::{
    ingest::Control,
    open::{ChunkError, ChunkOpener},
    ports::ChunkShelf,
};

/// What is checked, and against what.
pub struct VerifyContext<'a> {
    /// The session.
    pub session: SessionId,
    /// The AEAD of its segments.
    pub suite: Suite,
    /// Where there is one, used to name the segment of a chunk whose root does not match.
    pub dek: Option<&'a Dek>,
    /// Open every chunk, not only those whose root does not match. Needs `dek`.
    pub decrypt: bool,
}

/// Something wrong with one chunk.
#[derive(Debug, thiserror::Error)]
#[error("chunk {index}: {error}")]
pub struct Finding {
    /// Which chunk.
    pub index: ChunkIndex,
    /// What is wrong with it.
    pub error: ChunkError,
}

/// What a verification gave.
#[derive(Debug)]
pub struct Verified {
    /// Root of the session tree over the files as they are; absent where one cannot be read.
    pub merkle_root: Option<Hash>,
    /// What is wrong, in the order of the chunks.
    pub findings: Vec<Finding>,
    /// Whether it was cancelled before the end.
    pub cancelled: bool,
}

struct Shared<'a, S> {
    context: &'a VerifyContext<'a>,
    shelf: &'a S,
    chunks: &'a [ManifestChunk],
    control: &'a Control<'a>,
    taken: AtomicUsize,
    result: Mutex<(Vec<Option<Hash>>, Vec<Finding>)>,
}

/// Checks the files of `chunks`, a manifest's whole list.
pub fn verify<S: ChunkShelf>(
    context: &VerifyContext<'_>,
    shelf: &S,
    chunks: &[ManifestChunk],
    control: &Control<'_>,
) -> Verified {
    let result = Mutex::new((vec![None; chunks.len()], Vec::new()));
    let shared = Shared { context, shelf, chunks, control, taken: AtomicUsize::new(0), result };
    std::thread::scope(|scope| {
        for _ in 1..control.workers.get().min(chunks.len().max(1)) {
            scope.spawn(|| shared.work());
        }
        shared.work();
    });
    let (leaves, mut findings) = shared.result.into_inner().unwrap_or_else(PoisonError::into_inner);
    findings.sort_by_key(|finding| finding.index);
    let leaves: Option<Vec<Hash>> = leaves.into_iter().collect();
    let merkle_root = leaves.map(|leaves| lucid_core::merkle::root(&leaves));
    let cancelled = control.cancel.load(Ordering::Acquire);
    Verified { merkle_root, findings, cancelled }
}

impl<S: ChunkShelf> Shared<'_, S> {
    fn work(&self) {
        let mut opener = ChunkOpener::new();
        while !self.control.cancel.load(Ordering::Acquire) {
            let place = self.taken.fetch_add(1, Ordering::Relaxed);
            let Some(chunk) = self.chunks.get(place) else { return };
            let (leaf, error) = match self.one_chunk(&mut opener, chunk) {
                Ok(leaf) => (Some(leaf), None),
                Err((leaf, error)) => (leaf, Some(error)),
            };
            let mut result = self.result.lock().unwrap_or_else(PoisonError::into_inner);
            result.0[place] = leaf;
            result.1.extend(error.map(|error| Finding { index: chunk.index, error }));
            drop(result);
            (self.control.progress)(u64::from(chunk.plain_bytes));
        }
    }

    /// The session leaf, also beside an error where the file could be hashed.
    fn one_chunk(
        &self,
        opener: &mut ChunkOpener,
        chunk: &ManifestChunk,
    ) -> Result<Hash, (Option<Hash>, ChunkError)> {
        let header = chunk.header(self.context.session, self.context.suite);
        if let (Some(dek), true) = (self.context.dek, self.context.decrypt) {
            self.open(opener, chunk, dek).map_err(|error| (None, error))?;
        }
        let (mut reader, file_bytes) =
            self.shelf.open(chunk.index).map_err(|e| (None, e.into()))?;
        let scanned = opener.scan(&mut reader, file_bytes, Some(&header));
        let summary = scanned.map_err(|error| (None, error))?;
        let leaf = summary.session_leaf();
        let (expected, found) = (chunk.chunk_root, summary.chunk_root);
        if expected == found {
            return Ok(leaf);
        }
        // The root says that the chunk is wrong; with a key its tags say where.
        let located = self.context.dek.map(|dek| self.open(opener, chunk, dek));
        match located {
            Some(Err(error)) => Err((Some(leaf), error)),
            Some(Ok(())) | None => Err((Some(leaf), ChunkError::Root { expected, found })),
        }
    }

    fn open(
        &self,
        opener: &mut ChunkOpener,
        chunk: &ManifestChunk,
        dek: &Dek,
    ) -> Result<(), ChunkError> {
        let header = chunk.header(self.context.session, self.context.suite);
        let (mut reader, file_bytes) = self.shelf.open(chunk.index)?;
        let key = |_: &_| dek.chunk_key(&self.context.session, chunk.index);
        opener.open(&mut reader, file_bytes, Some(&header), key).map(|_| ())
    }
}
