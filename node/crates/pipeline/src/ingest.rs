//! Ingest: several workers pull chunks from one source, seal them, and have them acknowledged in
//! order.
//!
//! A worker reads its chunk from the source itself, while it holds the source's lock: the bytes go
//! once from the kernel into the buffer they are sealed from, there is no reader thread to feed, and
//! a slow store holds the source back by itself. The lock also numbers the chunks. Of what lies in a
//! file a worker only takes its place under the lock, and reads it, a window at a time, while others
//! read theirs.

use std::{
    io,
    num::NonZeroUsize,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use lucid_core::{ChunkIndex, chunk::ChunkSummary, json::INTEGER_MAX};

use crate::{
    PortError,
    gate::Gate,
    pages::ChunkBuffer,
    ports::{ChunkFile, ChunkSink},
    seal::{self, ChunkSealer, SealContext, SealError},
    source::{Extent, Filled, Source},
};

/// How long work is done: by how many, who is told of progress, who may stop it.
pub struct Control<'a> {
    /// Worker threads.
    pub workers: NonZeroUsize,
    /// Told of every further piece of plaintext that is done, in bytes.
    pub progress: &'a (dyn Fn(u64) + Sync),
    /// Set by whoever wants the work to stop at the next chunk.
    pub cancel: &'a AtomicBool,
}

/// How an ingest ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The source ended, and all of it is acknowledged.
    Complete,
    /// It was cancelled; what was read until then is acknowledged.
    Cancelled,
}

/// Why an ingest ended early. What was acknowledged before stays.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The source failed.
    #[error("the source cannot be read")]
    Source(#[source] io::Error),
    /// The store failed.
    #[error(transparent)]
    Store(PortError),
    /// The operating system has no randomness.
    #[error("no random bytes can be had from the operating system: {0}")]
    Random(#[from] getrandom::Error),
    /// The format's limit.
    #[error("the session is at the format's limit of 2^32 - 1 chunks or 2^53 - 1 bytes")]
    TooLong,
}

/// What an ingest did, whichever way it ended.
#[derive(Debug)]
pub struct Report {
    /// Chunks acknowledged by this ingest.
    pub chunk_count: u32,
    /// Their plaintext bytes.
    pub plain_bytes: u64,
    /// How it ended.
    pub outcome: Result<End, IngestError>,
}

/// What the workers share.
struct Shared<'a, S> {
    context: &'a SealContext,
    sink: &'a S,
    control: &'a Control<'a>,
    intake: Mutex<Intake<'a>>,
    gate: Mutex<Gate>,
    result: Mutex<Report>,
    failed: AtomicBool,
}

/// A chunk's plaintext, as a worker took it from the source.
enum Taken {
    /// So many bytes are in the worker's buffer.
    Read(usize),
    /// A whole chunk, where it lies.
    Lying(Extent),
}

struct Intake<'a> {
    source: &'a mut dyn Source,
    next: u32,
    plain_bytes: u64,
    ended: bool,
}

/// Seals all of `source` as chunks from number `first` on, which follow `plain_bytes` bytes that the
/// session already has.
pub fn ingest<S: ChunkSink>(
    source: &mut dyn Source,
    context: &SealContext,
    sink: &S,
    first: ChunkIndex,
    plain_bytes: u64,
    control: &Control<'_>,
) -> Report {
    let shared = Shared {
        context,
        sink,
        control,
        intake: Mutex::new(Intake { source, next: first.0, plain_bytes, ended: false }),
        gate: Mutex::new(Gate::new(first.0)),
        result: Mutex::new(Report { chunk_count: 0, plain_bytes: 0, outcome: Ok(End::Complete) }),
        failed: AtomicBool::new(false),
    };
    std::thread::scope(|scope| {
        for _ in 1..control.workers.get() {
            scope.spawn(|| shared.work());
        }
        shared.work();
    });
    shared.result.into_inner().unwrap_or_else(PoisonError::into_inner)
}

impl<S: ChunkSink> Shared<'_, S> {
    fn work(&self) {
        let policy = &self.context.policy;
        let mut sealer = ChunkSealer::new(policy);
        let mut buffer = ChunkBuffer::zeroed(policy.chunk_bytes as usize);
        let done = loop {
            match self.one_chunk(&mut sealer, &mut buffer) {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        drop(buffer);
        if let Err(error) = done {
            self.failed.store(true, Ordering::Release);
            let mut result = lock(&self.result);
            // The first failure is the cause; others that follow from it would hide it.
            if result.outcome.is_ok() {
                result.outcome = Err(error);
            }
        }
    }

    /// Takes one chunk from the source through to its acknowledgement. False where there is none.
    fn one_chunk(
        &self,
        sealer: &mut ChunkSealer,
        buffer: &mut ChunkBuffer,
    ) -> Result<bool, IngestError> {
        let Some((index, taken)) = self.take_chunk(buffer)? else { return Ok(false) };
        let salt = seal::random_salt()?;
        let mut file = self.sink.create(index).map_err(IngestError::Store)?;
        let sealed = match taken {
            Taken::Read(count) => sealer
                .seal(self.context, index, buffer.plain(count), salt, &mut file)
                .map_err(SealError::Store),
            Taken::Lying(extent) => {
                sealer.seal_extent(self.context, index, &extent, buffer, salt, &mut file)
            }
        };
        let summary = sealed.map_err(|error| match error {
            SealError::Source(error) => IngestError::Source(error),
            SealError::Store(error) => IngestError::Store(error),
        })?;
        file.commit().map_err(IngestError::Store)?;
        self.acknowledge(summary)?;
        Ok(true)
    }

    fn take_chunk(
        &self,
        buffer: &mut ChunkBuffer,
    ) -> Result<Option<(ChunkIndex, Taken)>, IngestError> {
        let mut intake = lock(&self.intake);
        loop {
            if intake.ended || self.failed.load(Ordering::Acquire) {
                return Ok(None);
            }
            if self.control.cancel.load(Ordering::Acquire) {
                intake.ended = true;
                lock(&self.result).outcome = Ok(End::Cancelled);
                return Ok(None);
            }
            let (count, taken) = match intake.take(buffer).map_err(IngestError::Source)? {
                Some((0, _)) => continue,
                Some(taken) => taken,
                None => return Ok(None),
            };
            let plain_bytes = intake.plain_bytes + count as u64;
            if intake.next == u32::MAX || plain_bytes > INTEGER_MAX {
                intake.ended = true;
                return Err(IngestError::TooLong);
            }
            let index = ChunkIndex(intake.next);
            intake.next += 1;
            intake.plain_bytes = plain_bytes;
            return Ok(Some((index, taken)));
        }
    }

    fn acknowledge(&self, summary: ChunkSummary) -> Result<(), IngestError> {
        let mut group = lock(&self.gate).hand_in(summary);
        while let Some(chunks) = group {
            // After a failure the gate stays closed: what comes later must not be acknowledged.
            self.sink.acknowledge(&chunks).map_err(IngestError::Store)?;
            let plain_bytes = chunks.iter().map(|chunk| u64::from(chunk.header.plain_bytes)).sum();
            {
                let mut result = lock(&self.result);
                result.chunk_count += chunks.len() as u32;
                result.plain_bytes += plain_bytes;
            }
            (self.control.progress)(plain_bytes);
            group = lock(&self.gate).acknowledged();
        }
        Ok(())
    }
}

impl Intake<'_> {
    /// What the source gives next, with its length; nothing where it has ended.
    fn take(&mut self, buffer: &mut ChunkBuffer) -> io::Result<Option<(usize, Taken)>> {
        let taken = self.take_unless_failed(buffer);
        self.ended |= taken.is_err();
        taken
    }

    fn take_unless_failed(
        &mut self,
        buffer: &mut ChunkBuffer,
    ) -> io::Result<Option<(usize, Taken)>> {
        if let Some(extent) = self.source.extent(buffer.bytes() as u64)? {
            return Ok(Some((buffer.bytes(), Taken::Lying(extent))));
        }
        let filled = buffer.fill_from(self.source)?;
        let count = filled.count(buffer.bytes());
        self.ended = matches!(filled, Filled::End(_));
        Ok((count > 0 || !self.ended).then_some((count, Taken::Read(count))))
    }
}

/// Locks, also where a worker panicked: the panic ends the whole ingest when its scope is joined.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
