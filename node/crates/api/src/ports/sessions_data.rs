//! The index of sessions: lists by time, search by hash, sums.

use std::{fmt, str::FromStr};

use async_trait::async_trait;
use lucid_core::{Hash, HashPrefix, Owner, SessionId, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Answer, Session, SessionState};

/// Sessions or matches in one answer.
pub const INDEXED_MAX: u32 = 1000;
/// Days that are counted one by one, today's the last of them.
pub const DAYS: u32 = 30;

/// In which order sessions are listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListOrder {
    /// The last one opened comes first.
    #[default]
    Newest,
    /// The first one opened comes first.
    Oldest,
}

/// Which sessions are listed from the index.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListIndexed {
    /// Only this owner's.
    pub owner: Option<Owner>,
    /// Only those in this state.
    pub state: Option<SessionState>,
    /// Only those that were opened then or later.
    pub from: Option<Timestamp>,
    /// Only those that were opened before that.
    pub until: Option<Timestamp>,
    /// In this order of their opening times.
    pub order: ListOrder,
    /// Beginning after this one.
    pub after: Option<SessionId>,
    /// At most so many, and never more than [`INDEXED_MAX`].
    pub limit: u32,
}

/// What a hash is of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchKind {
    /// The root of a session's tree.
    MerkleRoot,
    /// The hash of a session's manifest.
    ManifestHash,
    /// The hash of the policy that a session was recorded under.
    PolicyHash,
    /// The root of a chunk's tree.
    ChunkRoot,
    /// The leaf hash of an entry about a session (RFC 6962 §2.1).
    Entry,
}

impl MatchKind {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::MerkleRoot, Self::ManifestHash, Self::PolicyHash, Self::ChunkRoot, Self::Entry];

    /// Its name in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MerkleRoot => "merkle_root",
            Self::ManifestHash => "manifest_hash",
            Self::PolicyHash => "policy_hash",
            Self::ChunkRoot => "chunk_root",
            Self::Entry => "entry",
        }
    }
}

/// Something that has a hash.
///
/// As a text, for cursors: `<hash>.<kind>.<session>.<log index>`, and `.<chunk>` where it is of a chunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// The hash, whole.
    pub hash: Hash,
    /// What it is of.
    pub kind: MatchKind,
    /// Of which session.
    pub session_id: SessionId,
    /// Of which of its chunks, where it is one's.
    pub chunk: Option<u32>,
    /// Place of the log's entry that says so; of a chunk, the one that its session was sealed with.
    pub log_index: u64,
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hash, kind, session_id, chunk, log_index } = self;
        write!(f, "{hash}.{}.{session_id}.{log_index}", kind.as_str())?;
        chunk.map_or(Ok(()), |chunk| write!(f, ".{chunk}"))
    }
}

/// A text that is no match's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("it is no match of a search")]
pub struct MatchError;

impl FromStr for Match {
    type Err = MatchError;

    fn from_str(text: &str) -> Result<Self, MatchError> {
        let mut parts = text.split('.');
        let mut part = || parts.next().ok_or(MatchError);
        let hash = part()?.parse().map_err(|_| MatchError)?;
        let kind = part()?;
        let kind = MatchKind::ALL.into_iter().find(|known| known.as_str() == kind);
        let kind = kind.ok_or(MatchError)?;
        let session_id = part()?.parse().map_err(|_| MatchError)?;
        let log_index = part()?.parse().map_err(|_| MatchError)?;
        let chunk = match kind {
            MatchKind::ChunkRoot => Some(part()?.parse().map_err(|_| MatchError)?),
            _ => None,
        };
        let read = Self { hash, kind, session_id, chunk, log_index };
        // One spelling, and nothing after it.
        if read.to_string() == text { Ok(read) } else { Err(MatchError) }
    }
}

/// What is searched for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// The hash, or how it begins.
    pub hash: HashPrefix,
    /// Only in this owner's sessions: others' are as if they did not exist.
    pub owner: Option<Owner>,
    /// Beginning after this match.
    pub after: Option<Match>,
    /// At most so many, and never more than [`INDEXED_MAX`].
    pub limit: u32,
}

/// What a search found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Found {
    /// The matches, in the order of their hashes.
    pub matches: Vec<Match>,
    /// Whether all chunks of all sealed sessions were searched. Some may still be to be read, or cannot be.
    pub complete: bool,
}

/// Sums over sessions.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statistics {
    /// Sessions that are open.
    pub open: u64,
    /// Sessions that are sealed and not erased.
    pub sealed: u64,
    /// Sessions that were voided.
    pub voided: u64,
    /// Sessions that were erased.
    pub erased: u64,
    /// Chunks of those that are sealed.
    pub chunks: u64,
    /// Plaintext bytes of those that are sealed.
    pub plain_bytes: u64,
    /// Bytes of the chunk files of those that are sealed.
    pub stored_bytes: u64,
    /// Whether all sealed sessions are in `stored_bytes`, as in [`Found::complete`].
    pub complete: bool,
    /// Sessions that were sealed on each of the last [`DAYS`] days by UTC, the last one today; erased ones are
    /// counted too.
    pub sealed_by_day: Vec<SealedOnDay>,
}

/// Sessions that were sealed on a day.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedOnDay {
    /// When the day begins.
    pub day: Timestamp,
    /// How many.
    pub sealed: u64,
}

/// How the sync to MongoDB goes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SyncState {
    /// Whether a database is configured.
    pub enabled: bool,
    /// Whether the last thing that was asked of it went well; absent before the first.
    pub is_well: Option<bool>,
    /// The log's size.
    pub log_size: u64,
    /// Entries that some collection does not have yet.
    pub lag_entries: u64,
    /// How long ago the oldest of them that is being sent was made, seconds.
    pub lag_seconds: u64,
    /// Each collection.
    pub collections: Vec<SyncedCollection>,
    /// Times that something went wrong since the start.
    pub faults: u64,
    /// What went wrong last, and the way out; it stays when things go well again.
    pub last_fault: Option<String>,
    /// When that was.
    #[schema(value_type = Option<String>, format = "date-time")]
    pub last_fault_at: Option<Timestamp>,
    /// What could not be set up in the database, each with the way out.
    pub not_set_up: Vec<String>,
    /// Sealed sessions that were passed over because their manifests could not be read.
    pub manifests_unreadable: u64,
}

/// A collection of the database.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SyncedCollection {
    /// Its name.
    pub collection: String,
    /// Everything of the entries before this one is there, by majority.
    pub entries: u64,
    /// Documents that were sent since the start.
    pub documents: u64,
    /// Bytes of them, about.
    pub bytes: u64,
    /// Batches.
    pub batches: u64,
}

/// blockchain-sessions-data. Every answer takes in what is in the log when it is asked for: whoever has just
/// minted or sealed a session finds it.
#[async_trait]
pub trait SessionsData: Send + Sync {
    /// Sessions in the order of their opening times, without what the log does not know: where the upload of
    /// one that is open is.
    ///
    /// # Errors
    /// `not_found` for `after`, `invalid_request` for a state that no session is found in, `unavailable` while
    /// the index is made.
    async fn list(&self, list: ListIndexed) -> Answer<Vec<Session>>;

    /// Everything that has a hash.
    ///
    /// # Errors
    /// `not_found` for `after`, `unavailable`.
    async fn search(&self, search: Search) -> Answer<Found>;

    /// Sums over an owner's sessions, or everybody's.
    ///
    /// # Errors
    /// `unavailable`.
    async fn statistics(&self, owner: Option<Owner>) -> Answer<Statistics>;

    /// How the sync to MongoDB goes. Does not wait for the index.
    ///
    /// # Errors
    /// `unavailable`.
    async fn sync(&self) -> Answer<SyncState>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_match_has_one_text() {
        let session_id = SessionId::from_random([7; 16]);
        for kind in MatchKind::ALL {
            let chunk = (kind == MatchKind::ChunkRoot).then_some(u32::MAX);
            let of = Match { hash: Hash([0xab; 32]), kind, session_id, chunk, log_index: 9 };
            let text = of.to_string();
            assert_eq!(text.parse(), Ok(of));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            let (long, plus) = (format!("{text}.1"), text.replace(".9", ".+9"));
            for bad in [&text[1..], &long, &plus, &text.to_uppercase(), &text.replace(".9", ".09")]
            {
                assert_eq!(bad.parse::<Match>(), Err(MatchError), "{bad}");
            }
        }
        for bad in ["", ".", "....", "a.b.c.d"] {
            assert_eq!(bad.parse::<Match>(), Err(MatchError), "{bad}");
        }
    }
}
