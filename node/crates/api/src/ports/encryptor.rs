//! Keys, sealing and opening of chunks.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use lucid_core::{ChunkIndex, Policy, SessionId, chunk::Codec, keys::ChunkKey};
use serde::{Deserialize, Serialize};

use super::{Answer, LeaseId, Summary};
use crate::Problem;

/// A chunk to seal, without its payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealJob {
    /// Under which hold on the session.
    pub lease: LeaseId,
    /// The session.
    pub session_id: SessionId,
    /// Number of the chunk.
    pub index: ChunkIndex,
    /// How the payload was made.
    pub codec: Codec,
    /// Plaintext bytes.
    pub plain_bytes: u32,
    /// The session's.
    pub policy: Policy,
}

/// A chunk's payload: plaintext or its zstd frame. It has no `Debug` that shows it.
#[derive(Clone)]
pub struct Payload(pub Bytes);

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.0.len())
    }
}

/// A chunk file, whole.
pub struct SealedChunk {
    /// Its length in bytes.
    pub bytes: u64,
    /// Its content, read as it is asked for.
    pub content: BoxStream<'static, Result<Bytes, Problem>>,
}

/// The session-encryptor, as the upload and the download need it. What the orchestrator asks of it
/// (making and destroying keys and folders, beginning a hold) goes through `lucid_store::Vault`.
#[async_trait]
pub trait Encryptor: Send + Sync {
    /// Seals a chunk: its file is durable when this returns, under a name that is not yet.
    ///
    /// # Errors
    /// `upload_in_use` where a later hold has begun, `gone`, `disk_full`, the store's.
    async fn seal(&self, job: SealJob, payload: Payload) -> Answer<Summary>;

    /// A chunk's plaintext. Every segment is authenticated before any of it is given.
    ///
    /// # Errors
    /// `not_found`, `gone`, `damaged`; `forbidden` on a write-only node.
    async fn open(&self, session: SessionId, summary: Summary) -> Answer<Payload>;

    /// A chunk file as it is stored, whose root is looked at before any of it is given.
    ///
    /// # Errors
    /// `not_found`, `gone`, `damaged`.
    async fn sealed(&self, session: SessionId, summary: Summary) -> Answer<SealedChunk>;

    /// The key to these chunks and no others, for their owner to disclose.
    ///
    /// # Errors
    /// `gone`; `forbidden` on a write-only node.
    async fn chunk_keys(
        &self,
        session: SessionId,
        chunks: Vec<ChunkIndex>,
    ) -> Answer<Vec<ChunkKey>>;
}
