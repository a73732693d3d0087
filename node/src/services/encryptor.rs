//! The session-encryptor: keys, sealing and opening of chunks.
//!
//! Owns the vault: the master key, key files and chunk files. It knows nothing of the ledger.
//!
//! Invariants: a data key never leaves this service, a chunk's key only where its owner discloses it; a
//! chunk file is whole and durable before its summary is answered.
//!
//! A crash loses chunk files that were not yet acknowledged, or leaves them for the next start to
//! adopt or to set aside.

use std::{
    fs::File,
    io::{self, Read, Seek},
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use lucid_api::{
    Code, Problem,
    ports::{Answer, Encryptor, Payload, SealJob, SealedChunk, Summary},
};
use lucid_core::{
    ChunkIndex, SessionId,
    chunk::{ChunkHeader, ChunkSummary},
    keys::{ChunkKey, Dek},
};
use lucid_pipeline::{
    open::ChunkOpener,
    seal::{PayloadSealer, random_salt},
};
use lucid_store::{FolderVault, Lease, StoreError};

use super::{
    cpu::Pool,
    problem::{self, of_chunk, of_port, of_store},
};
use crate::ports::StoredFile;

/// A chunk file is given in pieces of this many bytes.
const PIECE_BYTES: usize = 256 << 10;
/// Keys that are disclosed with one request.
const KEYS_MAX: usize = 4096;

/// The session-encryptor.
pub struct LocalEncryptor {
    parts: Arc<Parts>,
    pool: Pool,
}

struct Parts {
    vault: Arc<FolderVault>,
    sealers: Mutex<Vec<PayloadSealer>>,
    openers: Mutex<Vec<ChunkOpener>>,
    /// Sealers and openers that are kept for reuse.
    kept_max: usize,
}

impl LocalEncryptor {
    /// An encryptor over an open vault.
    #[must_use]
    pub fn new(vault: Arc<FolderVault>, pool: Pool, workers: NonZeroUsize) -> Self {
        let (sealers, openers) = Default::default();
        let parts = Parts { vault, sealers, openers, kept_max: workers.get() };
        Self { parts: Arc::new(parts), pool }
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Parts) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let parts = Arc::clone(&self.parts);
        self.pool.run(move || work(&parts)).await
    }
}

impl Parts {
    fn key(&self, session: SessionId) -> Answer<Dek> {
        let unwrapped = || {
            let kek = self.vault.master_key().kek()?;
            let file = self.vault.keys().get(session)?;
            Ok(file.unwrap_with(kek, &session))
        };
        unwrapped().map_err(of_store)?.map_err(|error| problem::damaged(&error))
    }

    fn seal(&self, job: &SealJob, payload: &Payload) -> Answer<Summary> {
        let header = ChunkHeader {
            suite: job.policy.suite,
            codec: job.codec,
            session: job.session_id,
            index: job.index,
            plain_bytes: job.plain_bytes,
            payload_bytes: u32::try_from(payload.0.len()).unwrap_or(u32::MAX),
        };
        // As strict as a reader of the file will be.
        if job.plain_bytes > job.policy.chunk_bytes
            || ChunkHeader::parse(&header.to_bytes()).is_err()
        {
            return Err(Problem::new(Code::InvalidRequest, "no chunk has such a header"));
        }
        let dek = self.key(job.session_id)?;
        let salt = random_salt().map_err(|error| problem::internal(&error))?;
        let writer = self.vault.chunk_writer(job.session_id, Lease(job.lease.0), job.index);
        let mut file = StoredFile(writer.map_err(of_store)?);
        let mut sealer = take(&self.sealers);
        let key = dek.chunk_key(&job.session_id, job.index);
        let sealed = sealer.seal(&header, &key, &payload.0, salt, &mut file);
        put(&self.sealers, sealer, self.kept_max);
        let summary = sealed.map_err(of_port)?;
        file.0.commit().map_err(of_store)?;
        Ok(Summary(summary))
    }

    /// A chunk file and its length.
    fn file(&self, session: SessionId, index: ChunkIndex) -> Answer<(File, u64)> {
        let missing = match self.vault.chunks().open(session, index) {
            Err(error @ StoreError::ChunkMissing { .. }) => error,
            opened => return opened.map_err(of_store),
        };
        // Chunks go where their keys go: without a key this is no damage.
        match self.vault.keys().get(session) {
            Err(StoreError::KeyFileMissing { .. }) => {
                Err(Problem::new(Code::Gone, "the session's keys and chunks were destroyed"))
            }
            _ => Err(of_store(missing)),
        }
    }

    /// A chunk file that is the one that was acknowledged, and its length.
    fn sealed(&self, session: SessionId, summary: &ChunkSummary) -> Answer<(File, u64)> {
        let index = summary.header.index;
        let (mut file, bytes) = self.file(session, index)?;
        let mut opener = take(&self.openers);
        let scanned = opener.scan(&mut file, bytes, Some(&summary.header));
        put(&self.openers, opener, self.kept_max);
        match scanned {
            Ok(found) if found == *summary => {}
            Ok(_) => return Err(not_sealed(session, index)),
            Err(error) => return Err(of_chunk(&error)),
        }
        file.rewind().map_err(|error| problem::internal(&error))?;
        Ok((file, bytes))
    }

    fn open(&self, session: SessionId, summary: &ChunkSummary) -> Answer<Payload> {
        let index = summary.header.index;
        if summary.header.session != session {
            return Err(Problem::new(Code::InvalidRequest, "the chunk is another session's"));
        }
        let dek = self.key(session)?;
        let (mut file, bytes) = self.vault.chunks().open(session, index).map_err(of_store)?;
        let mut opener = take(&self.openers);
        let opened = opener
            .open(&mut file, bytes, Some(&summary.header), |_| dek.chunk_key(&session, index));
        let plain = match opened {
            Ok((found, plain)) if found == *summary => Ok(Payload(Bytes::copy_from_slice(plain))),
            Ok(_) => Err(not_sealed(session, index)),
            Err(error) => Err(of_chunk(&error)),
        };
        put(&self.openers, opener, self.kept_max);
        plain
    }
}

fn not_sealed(session: SessionId, index: ChunkIndex) -> Problem {
    tracing::error!(%session, %index, "a chunk file is not the one that was acknowledged");
    Problem::new(Code::Damaged, format!("chunk {index} is not the one that was sealed"))
}

fn take<T: Default>(kept: &Mutex<Vec<T>>) -> T {
    kept.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
}

fn put<T>(kept: &Mutex<Vec<T>>, item: T, most: usize) {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() < most {
        kept.push(item);
    }
}

#[async_trait]
impl Encryptor for LocalEncryptor {
    async fn seal(&self, job: SealJob, payload: Payload) -> Answer<Summary> {
        self.run(move |parts| parts.seal(&job, &payload)).await
    }

    async fn open(&self, session: SessionId, summary: Summary) -> Answer<Payload> {
        self.run(move |parts| parts.open(session, &summary.0)).await
    }

    async fn sealed(&self, session: SessionId, summary: Summary) -> Answer<SealedChunk> {
        let (file, bytes) = self.run(move |parts| parts.sealed(session, &summary.0)).await?;
        let pool = self.pool.clone();
        let content = stream::try_unfold(file, move |mut file| {
            let pool = pool.clone();
            async move {
                pool.run(move || {
                    let piece = read_piece(&mut file).map_err(|error| problem::internal(&error))?;
                    Ok((!piece.is_empty()).then_some((piece, file)))
                })
                .await
            }
        });
        Ok(SealedChunk { bytes, content: content.boxed() })
    }

    async fn chunk_keys(
        &self,
        session: SessionId,
        chunks: Vec<ChunkIndex>,
    ) -> Answer<Vec<ChunkKey>> {
        if chunks.len() > KEYS_MAX {
            let detail = format!("at most {KEYS_MAX} chunks are disclosed at once");
            return Err(Problem::new(Code::TooLarge, detail));
        }
        self.run(move |parts| {
            let dek = parts.key(session)?;
            Ok(chunks.iter().map(|&index| dek.chunk_key(&session, index)).collect())
        })
        .await
    }
}

fn read_piece(file: &mut impl Read) -> io::Result<Bytes> {
    let mut piece = Vec::with_capacity(PIECE_BYTES);
    file.take(PIECE_BYTES as u64).read_to_end(&mut piece)?;
    Ok(piece.into())
}
