//! Restore: several workers open chunks, and their plaintext comes out in order.

use std::{
    io::{self, Write},
    ops::Range,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use lucid_core::{
    ChunkIndex, SessionId,
    chunk::Suite,
    keys::{ChunkKey, Dek},
    manifest::ManifestChunk,
};

use crate::{
    ingest::Control,
    open::{ChunkError, ChunkOpener},
    ports::ChunkShelf,
};

/// Why a restore ended early. What was written before is right.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A chunk cannot be had.
    #[error("chunk {index}: {error}")]
    Chunk {
        /// Which.
        index: ChunkIndex,
        /// What is wrong with it.
        error: ChunkError,
    },
    /// The output failed.
    #[error("the output cannot be written")]
    Output(#[source] io::Error),
    /// It was cancelled.
    #[error("cancelled")]
    Cancelled,
}

/// One piece of a restore: a chunk and the part of its plaintext that is wanted.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The chunk as the manifest lists it.
    pub chunk: ManifestChunk,
    /// The wanted bytes of its plaintext.
    pub wanted: Range<usize>,
}

/// The chunks that cover the plaintext bytes `range` of a session, and the part of each. Bytes past
/// the session's end are not there to be wanted.
pub fn pieces<'a>(
    placed: impl Iterator<Item = (&'a ManifestChunk, Range<u64>)>,
    range: &Range<u64>,
) -> Vec<Piece> {
    placed
        .filter(|(_, place)| place.start < range.end && range.start < place.end)
        .map(|(chunk, place)| {
            let from = range.start.max(place.start) - place.start;
            let to = range.end.min(place.end) - place.start;
            // Both are within a chunk, which is at most 16 MiB.
            Piece { chunk: *chunk, wanted: from as usize..to as usize }
        })
        .collect()
}

/// Which session, and its key.
pub struct RestoreContext<'a> {
    /// The session.
    pub session: SessionId,
    /// The AEAD of its segments.
    pub suite: Suite,
    /// Its data key.
    pub dek: &'a Dek,
}

impl RestoreContext<'_> {
    fn chunk_key(&self, index: ChunkIndex) -> ChunkKey {
        self.dek.chunk_key(&self.session, index)
    }
}

struct Shared<'a, S> {
    context: &'a RestoreContext<'a>,
    shelf: &'a S,
    pieces: &'a [Piece],
    control: &'a Control<'a>,
    taken: AtomicUsize,
    failed: AtomicBool,
    output: Mutex<Output<'a>>,
    turn: Condvar,
}

/// The output, and whose turn it is.
struct Output<'a> {
    writer: &'a mut (dyn Write + Send),
    next: usize,
    failure: Option<RestoreError>,
}

/// Writes the plaintext of `pieces` to `writer`, in order. Each chunk's root is checked too: what
/// comes out is what the manifest lists, not only what somebody with the key once sealed.
///
/// # Errors
/// [`RestoreError`], naming the first chunk that fails.
pub fn restore<S: ChunkShelf>(
    context: &RestoreContext<'_>,
    shelf: &S,
    pieces: &[Piece],
    writer: &mut (dyn Write + Send),
    control: &Control<'_>,
) -> Result<(), RestoreError> {
    let shared = Shared {
        context,
        shelf,
        pieces,
        control,
        taken: AtomicUsize::new(0),
        failed: AtomicBool::new(false),
        output: Mutex::new(Output { writer, next: 0, failure: None }),
        turn: Condvar::new(),
    };
    std::thread::scope(|scope| {
        for _ in 1..control.workers.get().min(pieces.len().max(1)) {
            scope.spawn(|| shared.work());
        }
        shared.work();
    });
    let output = shared.output.into_inner().unwrap_or_else(PoisonError::into_inner);
    output.failure.map_or(Ok(()), Err)
}

impl<'a, S: ChunkShelf> Shared<'a, S> {
    fn work(&self) {
        let mut opener = ChunkOpener::new();
        while !self.failed.load(Ordering::Acquire) {
            let place = self.taken.fetch_add(1, Ordering::Relaxed);
            let Some(piece) = self.pieces.get(place) else { return };
            if let Err(error) = self.one_piece(&mut opener, place, piece) {
                self.fail(place, error);
                return;
            }
        }
    }

    fn one_piece(
        &self,
        opener: &mut ChunkOpener,
        place: usize,
        piece: &Piece,
    ) -> Result<(), RestoreError> {
        if self.control.cancel.load(Ordering::Acquire) {
            return Err(RestoreError::Cancelled);
        }
        let index = piece.chunk.index;
        let plain = self.open(opener, piece);
        let plain = plain.map_err(|error| RestoreError::Chunk { index, error })?;
        let wanted = &plain[piece.wanted.clone()];
        let mut output = self.wait_for(place);
        if output.failure.is_some() {
            return Ok(());
        }
        output.writer.write_all(wanted).map_err(RestoreError::Output)?;
        output.next = place + 1;
        self.turn.notify_all();
        drop(output);
        (self.control.progress)(wanted.len() as u64);
        Ok(())
    }

    fn open<'b>(&self, opener: &'b mut ChunkOpener, piece: &Piece) -> Result<&'b [u8], ChunkError> {
        let chunk = &piece.chunk;
        let header = chunk.header(self.context.session, self.context.suite);
        let (mut reader, file_bytes) = self.shelf.open(chunk.index)?;
        let key = |_: &_| self.context.chunk_key(chunk.index);
        let (summary, plain) = opener.open(&mut reader, file_bytes, Some(&header), key)?;
        let (expected, found) = (chunk.chunk_root, summary.chunk_root);
        if expected == found { Ok(plain) } else { Err(ChunkError::Root { expected, found }) }
    }

    fn wait_for(&self, place: usize) -> MutexGuard<'_, Output<'a>> {
        let output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = |output: &mut Output<'_>| output.next != place && output.failure.is_none();
        self.turn.wait_while(output, waiting).unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports a failure in its turn, so that all before it is written and the first is the one told.
    fn fail(&self, place: usize, error: RestoreError) {
        self.failed.store(true, Ordering::Release);
        let mut output = if matches!(error, RestoreError::Output(_)) {
            self.output.lock().unwrap_or_else(PoisonError::into_inner)
        } else {
            self.wait_for(place)
        };
        if output.failure.is_none() {
            output.failure = Some(error);
        }
        self.turn.notify_all();
    }
}
