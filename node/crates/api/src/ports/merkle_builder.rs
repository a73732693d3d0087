//! Proofs.

use async_trait::async_trait;
use bytes::Bytes;
use lucid_core::{ChunkIndex, SegmentIndex, SessionId};
use serde::{Deserialize, Serialize};

use super::Answer;

/// What evidence speaks of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Subject {
    /// The session as a whole.
    Session,
    /// One of its chunks.
    Chunk {
        /// Which.
        chunk: ChunkIndex,
    },
    /// One segment of a chunk.
    Segment {
        /// Of which chunk.
        chunk: ChunkIndex,
        /// Which.
        segment: SegmentIndex,
    },
    /// The chunks that cover these plaintext bytes, whose keys are disclosed.
    Range {
        /// The first byte.
        first: u64,
        /// The last byte.
        last: u64,
    },
}

/// A proof that is asked for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofRequest {
    /// The session.
    pub session_id: SessionId,
    /// What it speaks of.
    pub subject: Subject,
    /// Disclose the keys of the chunks it speaks of.
    pub disclose: bool,
    /// Put their sealed bytes in.
    pub attach: bool,
    /// Put in where the log is anchored on TRON, if it is; else it is the newest witnessed checkpoint's proof.
    pub anchored: bool,
}

/// An evidence file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proof(pub Bytes);

/// The merkle-builder.
#[async_trait]
pub trait MerkleBuilder: Send + Sync {
    /// Evidence, checked as its reader will check it.
    ///
    /// # Errors
    /// `not_found`, `session_state` before it is sealed, `gone` for chunks after it was erased,
    /// `range_not_satisfiable`, `too_large` where attached chunks are more than one file should hold,
    /// `damaged`.
    async fn prove(&self, request: ProofRequest) -> Answer<Proof>;
}
