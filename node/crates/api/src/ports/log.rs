//! The ledger log, as it is read and witnessed.

use async_trait::async_trait;
use bytes::Bytes;
use lucid_core::{EntryIndex, Hash, merkle::TilePath};
use serde::{Deserialize, Serialize};

use super::Answer;

/// Entries in one answer.
pub const ENTRIES_MAX: u32 = 1000;

/// The log's head, and what witnesses have said.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogHead {
    /// The log's verifier key (C2SP signed-note).
    pub key: String,
    /// Entries in the log.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// The current checkpoint as the log signed it, with those cosignatures of it that there are.
    pub checkpoint: String,
    /// The latest checkpoint that witnesses have cosigned, with their cosignatures.
    pub cosigned: Option<String>,
}

/// One entry of the log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogEntry {
    /// Its place.
    pub index: u64,
    /// Exactly its bytes (JSON).
    pub entry: String,
}

/// That an entry is in the log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InclusionProof {
    /// The entry's leaf hash (RFC 6962 §2.1).
    pub leaf: Hash,
    /// The root over the first entries, as many as were asked for.
    pub root: Hash,
    /// The audit path, from the leaf's sibling up.
    pub path: Vec<Hash>,
}

/// That one tree is the beginning of another.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsistencyProof {
    /// The root of the smaller tree.
    pub from_root: Hash,
    /// The root of the larger tree.
    pub to_root: Hash,
    /// The proof (RFC 6962 §2.1.2).
    pub path: Vec<Hash>,
}

/// The log: session-orchestrator, which writes it, and blockchain-ledger, which serves it.
#[async_trait]
pub trait TransparencyLog: Send + Sync {
    /// The head.
    ///
    /// # Errors
    /// `unavailable`.
    async fn head(&self) -> Answer<LogHead>;

    /// A tile or bundle, full or partial (C2SP tlog-tiles).
    ///
    /// # Errors
    /// `not_found` where the log has not grown into it; `damaged`.
    async fn resource(&self, path: TilePath) -> Answer<Bytes>;

    /// At most `limit` entries from `from` on, and never more than [`ENTRIES_MAX`].
    ///
    /// # Errors
    /// `damaged`.
    async fn entries(&self, from: EntryIndex, limit: u32) -> Answer<Vec<LogEntry>>;

    /// That the entry at `index` is in the tree of the first `size` entries.
    ///
    /// # Errors
    /// `not_found` where there is no such entry or size; `damaged`.
    async fn inclusion(&self, index: EntryIndex, size: u64) -> Answer<InclusionProof>;

    /// That the tree of `from` entries is the beginning of the tree of `to`. `from` is at least 1.
    ///
    /// # Errors
    /// `not_found` where there are no such sizes; `damaged`.
    async fn consistency(&self, from: u64, to: u64) -> Answer<ConsistencyProof>;

    /// Keeps cosignatures of a signed checkpoint of this log, each a line of a note, durable when this
    /// returns; gives whether they are of use, which those of an earlier checkpoint than is kept are not.
    ///
    /// # Errors
    /// `conflict` where the checkpoint is none of this log's; `disk_full`.
    async fn keep_cosignatures(&self, checkpoint: String, lines: Vec<String>) -> Answer<bool>;
}

/// What a witness answers, in the protocol's own words (C2SP tlog-witness): a status and a body.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessReply {
    /// 200, 400, 403, 404, 409 or 422.
    pub status: u16,
    /// Cosignature lines, a size, or what is wrong.
    pub body: String,
}

/// How far one witness has come with this node's log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessState {
    /// Its name.
    pub name: String,
    /// Entries of the checkpoint that it cosigned last, as far as this process knows.
    pub size: Option<u64>,
    /// Why it did not cosign when it was asked last.
    pub error: Option<String>,
}

/// How far this node's log is witnessed, and whose witness this node is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witnessing {
    /// Witnesses that must have cosigned a checkpoint for it to count; 0 where none is asked for.
    pub quorum: u32,
    /// Entries of the latest checkpoint that so many have cosigned.
    pub witnessed_size: Option<u64>,
    /// The witnesses that are asked.
    pub witnesses: Vec<WitnessState>,
    /// The key under which this node is a witness (C2SP tlog-cosignature).
    pub witness_key: String,
    /// The logs that it witnesses: origins, and entries of the checkpoints cosigned last.
    pub witnessed_logs: Vec<WitnessedLog>,
}

/// A log of another node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessedLog {
    /// Its origin.
    pub origin: String,
    /// Entries of the checkpoint that was cosigned last.
    pub size: Option<u64>,
}

/// blockchain-ledger, as a witness and as what asks witnesses.
#[async_trait]
pub trait Witness: Send + Sync {
    /// `add-checkpoint`: what is cosigned is durable when this returns. Refusals are replies, not errors.
    ///
    /// # Errors
    /// `disk_full`, `unavailable`.
    async fn add_checkpoint(&self, body: Bytes) -> Answer<WitnessReply>;

    /// The checkpoint that was cosigned last of the log whose origin has this hash, a signed note.
    ///
    /// # Errors
    /// `not_found`.
    async fn witnessed(&self, origin: Hash) -> Answer<String>;

    /// How things stand.
    ///
    /// # Errors
    /// `unavailable`.
    async fn witnessing(&self) -> Answer<Witnessing>;
}
