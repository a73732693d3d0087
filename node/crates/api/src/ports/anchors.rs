//! Anchors on TRON, as they are told and asked for.

use async_trait::async_trait;
use lucid_core::{
    EntryIndex, Timestamp,
    entry::AnchorTron,
    tron::{
        Address, TransactionId,
        anchor::{AnchorRecord, RecordError},
    },
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Answer;

/// Anchors in one answer.
pub const ANCHORS_MAX: u32 = 200;

/// An anchor in the log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoggedAnchor {
    /// Place of its entry.
    pub index: u64,
    /// The entry.
    pub entry: AnchorTron,
}

/// Where an anchor is on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnchorStage {
    /// No transaction could be in a block.
    Due,
    /// There is one, and nobody was sent it.
    Built,
    /// It was sent; whether anybody has it is not known, or it is on its way.
    Sent,
    /// A block has it that is not solid yet.
    Seen,
    /// A solid block has it.
    Solid,
}

/// An anchor on its way.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnchorUnderWay {
    /// Entries under the checkpoint that it writes.
    pub log_size: u64,
    /// Since when it is due.
    #[schema(value_type = String, format = "date-time")]
    pub due_at: Timestamp,
    /// Where it is.
    pub stage: AnchorStage,
    /// The transaction, once there is one.
    #[schema(value_type = Option<String>, pattern = "^[0-9a-f]{64}$")]
    pub tx_id: Option<TransactionId>,
    /// The block that has it.
    pub block_number: Option<u64>,
    /// When it can be in no block any more, by TRON's clock.
    #[schema(value_type = Option<String>, format = "date-time")]
    pub expires_at: Option<Timestamp>,
    /// How often it was sent.
    pub sends: u32,
    /// Transactions before it that came to nothing, and why, the latest last.
    pub ended: Vec<String>,
}

/// What proves an anchor, as it is kept: the file's text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeptAnchor(pub String);

impl KeptAnchor {
    /// A record's.
    ///
    /// # Panics
    /// Never: a record's bytes are JSON.
    #[must_use]
    pub fn of(record: &AnchorRecord) -> Self {
        Self(String::from_utf8(record.to_bytes()).expect("a record's bytes are JSON"))
    }

    /// The record.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn read(&self) -> Result<AnchorRecord, RecordError> {
        AnchorRecord::parse(self.0.as_bytes())
    }
}

/// How anchoring goes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Anchoring {
    /// The network; absent where none is configured, and nothing is anchored.
    pub network: Option<String>,
    /// Who pays and signs; absent where the node has no key.
    #[schema(value_type = Option<String>)]
    pub account: Option<Address>,
    /// The contract that is called; absent where anchors are memos.
    #[schema(value_type = Option<String>)]
    pub contract: Option<Address>,
    /// Sealed and destroyed sessions since the last anchor.
    pub waiting_sessions: u64,
    /// When the first of them was.
    #[schema(value_type = Option<String>, format = "date-time")]
    pub waiting_since: Option<Timestamp>,
    /// When the next anchor is due.
    #[schema(value_type = Option<String>, format = "date-time")]
    pub due_at: Option<Timestamp>,
    /// The one on its way.
    pub under_way: Option<AnchorUnderWay>,
    /// Entries under the last checkpoint that was anchored; 0 where none was.
    pub anchored_size: u64,
    /// What keeps it from going on, and the way out.
    pub error: Option<String>,
    /// When it is tried again.
    #[schema(value_type = Option<String>, format = "date-time")]
    pub retry_at: Option<Timestamp>,
    /// What the last 24 hours' transactions cost, in sun (a millionth of a TRX).
    pub spent_sun: u64,
    /// What they may cost together.
    pub spent_sun_max: u64,
}

/// blockchain-ledger, as it anchors the log.
#[async_trait]
pub trait Anchors: Send + Sync {
    /// At most `limit` anchors in the log, and never more than [`ANCHORS_MAX`], the newest first: those whose
    /// entries stand before `before`, where that is said.
    ///
    /// # Errors
    /// `damaged`, `unavailable`.
    async fn logged(&self, before: Option<u64>, limit: u32) -> Answer<Vec<LoggedAnchor>>;

    /// How it goes.
    ///
    /// # Errors
    /// `unavailable` where the log cannot be asked.
    async fn anchoring(&self) -> Answer<Anchoring>;

    /// Makes an anchor due now, where the log has anything that is not anchored.
    ///
    /// # Errors
    /// `conflict` where nothing is configured to anchor with, or there is nothing to anchor.
    async fn anchor_now(&self) -> Answer<Anchoring>;

    /// What proves the first anchor whose checkpoint has the entry at `index`.
    ///
    /// # Errors
    /// `not_found` where none has it, or what proves it is not kept; `damaged`.
    async fn covering(&self, index: EntryIndex) -> Answer<KeptAnchor>;
}
