//! Sessions: their states, uploads and ends.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use lucid_core::{ChunkIndex, Hash, MediaType, Owner, Policy, SessionId, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Answer, ListOrder, Summary};
use crate::{Code, Problem};

/// What a session is asked to be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewSession {
    /// Whose.
    pub owner: Owner,
    /// What the stream will be.
    pub media_type: MediaType,
    /// Bytes the whole upload will have, where that is known. Reaching it is the owner's end mark: the
    /// session is then sealed by itself.
    pub length: Option<u64>,
}

/// Where a session is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionState {
    /// It takes chunks.
    Open,
    /// Its end has begun.
    Sealing,
    /// It is in the ledger for good.
    Sealed,
    /// A solid anchor on TRON covers its entry.
    Anchored,
    /// It was given up before it was sealed.
    Voided,
    /// Keys and chunks are destroyed; its history stays.
    Erased,
}

/// A session as the ledger has it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// Its id.
    pub session_id: SessionId,
    /// Whose it is.
    pub owner: Owner,
    /// Where it is in its life.
    pub state: SessionState,
    /// What the stream is.
    pub media_type: MediaType,
    /// When it was opened.
    pub created_at: Timestamp,
    /// While it is open: its upload.
    pub upload: Option<UploadState>,
    /// Once it was sealed: what for good.
    pub sealed: Option<SealedSession>,
    /// When it was voided or erased.
    pub ended_at: Option<Timestamp>,
}

/// The upload of an open session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UploadState {
    /// Bytes acknowledged: durable, and where the upload goes on.
    pub offset: u64,
    /// Chunks acknowledged.
    pub chunk_count: u32,
    /// Bytes the whole upload will have, once that is known.
    pub length: Option<u64>,
    /// When the completer closes the session unless more arrives; never for one that was not minted
    /// over HTTP.
    pub expires_at: Option<Timestamp>,
}

/// What sealing fixed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedSession {
    /// When.
    pub at: Timestamp,
    /// Number of chunks.
    pub chunk_count: u32,
    /// Plaintext bytes.
    pub plain_bytes: u64,
    /// Root of the session tree.
    pub merkle_root: Hash,
    /// Hash of the manifest's bytes.
    pub manifest_hash: Hash,
    /// Place of the `session.sealed` entry in the log.
    pub log_index: u64,
}

/// Which sessions are listed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListSessions {
    /// Only this owner's.
    pub owner: Option<Owner>,
    /// Only those in this state.
    pub state: Option<SessionState>,
    /// Beginning after this one.
    pub after: Option<SessionId>,
    /// In this order of their places in the log.
    pub order: ListOrder,
    /// At most so many.
    pub limit: u32,
}

/// Names one uploader's hold on a session; a later one is larger. What an earlier one still has under
/// way is refused once a later one has begun (a fencing token).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeaseId(pub u64);

/// One uploader's hold on a session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    /// Its name.
    pub lease: LeaseId,
    /// The session.
    pub session_id: SessionId,
    /// Number of the next chunk.
    pub next: ChunkIndex,
    /// Bytes acknowledged.
    pub offset: u64,
    /// Bytes the whole upload will have, once that is known.
    pub length: Option<u64>,
    /// How chunks are made.
    pub policy: Policy,
}

/// That a session's entry is in the ledger.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerProof {
    /// The `session.sealed` entry, exactly its bytes (JSON).
    pub entry: String,
    /// The C2SP tlog-proof of it, with the checkpoint.
    pub tlog_proof: String,
    /// The node's verifier key, as in C2SP signed-note.
    pub key: String,
}

/// Something that happened to a session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Which.
    pub session_id: SessionId,
    /// Whose it is.
    pub owner: Owner,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase", deny_unknown_fields)]
pub enum EventKind {
    /// The session is now in this state.
    State {
        /// Which.
        state: SessionState,
    },
    /// More of the upload is acknowledged.
    Progress {
        /// Bytes acknowledged.
        offset: u64,
        /// Bytes the whole upload will have, once that is known.
        length: Option<u64>,
    },
}

/// The session-orchestrator.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Mints a session: when this returns its key's wraps and its `session.opened` entry are durable.
    ///
    /// # Errors
    /// `too_many_sessions`, `disk_full`, `unavailable`.
    async fn mint(&self, new: NewSession) -> Answer<Session>;

    /// A session.
    ///
    /// # Errors
    /// `not_found`.
    async fn session(&self, session: SessionId) -> Answer<Session>;

    /// Sessions in the order in which they were opened, or the other way round.
    ///
    /// # Errors
    /// `not_found` for `after`.
    async fn list(&self, list: ListSessions) -> Answer<Vec<Session>>;

    /// Says how long an upload whose length was deferred will be; durable when this returns.
    ///
    /// # Errors
    /// `not_found`, `session_state`, `conflict` where another length is known or more is there.
    async fn set_length(&self, session: SessionId, length: u64) -> Answer<UploadState>;

    /// Takes hold of an upload that is at `offset`. A holder that has shown no sign of life for some
    /// seconds loses its hold.
    ///
    /// # Errors
    /// `not_found`, `session_state`, `upload_offset`, `upload_in_use`, `gone`.
    async fn begin_upload(&self, session: SessionId, offset: u64) -> Answer<Lease>;

    /// Acknowledges the next chunks, in order; gives the new offset. Durable when this returns. With no
    /// chunks it only renews the hold, as a holder does every two seconds while bytes arrive.
    ///
    /// # Errors
    /// `upload_in_use` where another holds the upload now, `session_state`, the store's.
    async fn acknowledge(
        &self,
        lease: LeaseId,
        session: SessionId,
        chunks: Vec<Summary>,
    ) -> Answer<u64>;

    /// Lets go of an upload. Where its length is reached, seals the session.
    ///
    /// # Errors
    /// The store's; the hold is gone all the same.
    async fn end_upload(&self, lease: LeaseId, session: SessionId) -> Answer<Session>;

    /// Seals a session over what is acknowledged. `complete` is the owner's end mark.
    ///
    /// # Errors
    /// `not_found`, `session_state`, `upload_in_use` while somebody uploads.
    async fn seal(&self, session: SessionId, complete: bool) -> Answer<Session>;

    /// Gives an open session up.
    ///
    /// # Errors
    /// `not_found`, `session_state`.
    async fn void(&self, session: SessionId, reason: String) -> Answer<Session>;

    /// Erases a sealed session.
    ///
    /// # Errors
    /// `not_found`, `session_state`.
    async fn erase(&self, session: SessionId) -> Answer<Session>;

    /// A sealed session's manifest, exactly the hashed bytes.
    ///
    /// # Errors
    /// `not_found`, `session_state`, `damaged`.
    async fn manifest(&self, session: SessionId) -> Answer<Bytes>;

    /// The manifests of several sealed sessions, each told by its hash, in their order: of the first, and of as
    /// many more as fit into some megabyte. Whoever needs the others asks again.
    ///
    /// # Errors
    /// Where none can be read at all; of each, `damaged` where it is missing or has another hash.
    async fn manifests(&self, sessions: &[(SessionId, Hash)]) -> Answer<Vec<Answer<Bytes>>> {
        let Some((first, hash)) = sessions.first() else { return Ok(Vec::new()) };
        let manifest = self.manifest(*first).await.and_then(|bytes| match Hash::of(&bytes) {
            found if found == *hash => Ok(bytes),
            _ => Err(Problem::new(Code::Damaged, "the manifest has another hash")),
        });
        Ok(vec![manifest])
    }

    /// The summaries of at most `limit` acknowledged chunks from `from` on.
    ///
    /// # Errors
    /// `not_found`, `gone`, `damaged`.
    async fn chunks(
        &self,
        session: SessionId,
        from: ChunkIndex,
        limit: u32,
    ) -> Answer<Vec<Summary>>;

    /// That a sealed session's entry is in the ledger.
    ///
    /// # Errors
    /// `not_found`, `session_state`.
    async fn ledger_proof(&self, session: SessionId) -> Answer<LedgerProof>;

    /// What happens from now on, to all sessions. A listener that does not keep up loses the oldest
    /// events and is told so by the stream's end.
    ///
    /// # Errors
    /// `unavailable`.
    async fn events(&self) -> Answer<BoxStream<'static, Event>>;
}
