//! What anchoring needs beside TRON: the log, and a place to remember.

use async_trait::async_trait;
use lucid_core::{
    EntryIndex, Hash, Timestamp,
    entry::{AnchorTron, Entry},
    tron::anchor::AnchorRecord,
};

use super::{due::Rhythm, state::State};

/// Why a port did not do it. It is tried again.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// The log's head.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Head {
    /// The checkpoint, as the log signed it.
    pub checkpoint: String,
    /// Entries under it.
    pub size: u64,
    /// Their root.
    pub root: Hash,
}

/// The log that is anchored.
#[async_trait]
pub trait Log: Send + Sync {
    /// Its head.
    async fn head(&self) -> Result<Head, Unavailable>;

    /// Some of its entries from `from` on, at least one where there is one.
    async fn entries(&self, from: EntryIndex) -> Result<Vec<(EntryIndex, Entry)>, Unavailable>;

    /// Entries under the newest anchor that is in it; 0 where none is.
    async fn anchored_size(&self) -> Result<u64, Unavailable>;

    /// How often it is to be anchored.
    async fn rhythm(&self) -> Result<Rhythm, Unavailable>;

    /// Puts an anchor into it; durable when this returns. One of no more of the log than the one before
    /// changes nothing, and is no error: it was put there before a crash.
    async fn enter(&self, anchor: AnchorTron) -> Result<(), Unavailable>;
}

/// Where anchoring remembers: each is durable when it returns.
#[async_trait]
pub trait Memory: Send + Sync {
    /// What was remembered last; nothing yet at the beginning.
    async fn load(&self) -> Result<State, Unavailable>;

    /// Remembers, in the place of what was remembered before.
    async fn save(&self, state: State) -> Result<(), Unavailable>;

    /// Keeps what proves an anchor, for good.
    async fn keep(&self, record: AnchorRecord) -> Result<(), Unavailable>;
}

/// What gives the time.
pub type Clock = std::sync::Arc<dyn Fn() -> Timestamp + Send + Sync>;
