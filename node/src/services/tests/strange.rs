//! Ports that say something else than what they are of, once they are told to.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use lucid_api::ports::{
    Answer, ConsistencyProof, Event, InclusionProof, Lease, LeaseId, LedgerProof, ListSessions,
    LogEntry, LogHead, NewSession, Session, Sessions, Summary, TransparencyLog, UploadState,
};
use lucid_core::{ChunkIndex, EntryIndex, Hash, SessionId, merkle::TilePath};

/// The sessions of a node, of which one's chunks are not what they were.
pub(super) struct Altered {
    pub(super) sessions: Arc<dyn Sessions>,
    pub(super) of: SessionId,
    pub(super) changed: AtomicBool,
}

#[async_trait]
impl Sessions for Altered {
    async fn chunks(
        &self,
        session: SessionId,
        from: ChunkIndex,
        limit: u32,
    ) -> Answer<Vec<Summary>> {
        // In small pages, so that they are compared first and taken up later.
        let mut page = self.sessions.chunks(session, from, limit.min(2)).await?;
        if session == self.of && self.changed.load(Ordering::Relaxed) {
            for Summary(chunk) in &mut page {
                chunk.chunk_root = Hash([6; 32]);
            }
        }
        Ok(page)
    }

    async fn mint(&self, new: NewSession) -> Answer<Session> {
        self.sessions.mint(new).await
    }
    async fn session(&self, session: SessionId) -> Answer<Session> {
        self.sessions.session(session).await
    }
    async fn list(&self, list: ListSessions) -> Answer<Vec<Session>> {
        self.sessions.list(list).await
    }
    async fn set_length(&self, session: SessionId, length: u64) -> Answer<UploadState> {
        self.sessions.set_length(session, length).await
    }
    async fn begin_upload(&self, session: SessionId, offset: u64) -> Answer<Lease> {
        self.sessions.begin_upload(session, offset).await
    }
    async fn acknowledge(
        &self,
        lease: LeaseId,
        session: SessionId,
        chunks: Vec<Summary>,
    ) -> Answer<u64> {
        self.sessions.acknowledge(lease, session, chunks).await
    }
    async fn end_upload(&self, lease: LeaseId, session: SessionId) -> Answer<Session> {
        self.sessions.end_upload(lease, session).await
    }
    async fn seal(&self, session: SessionId, complete: bool) -> Answer<Session> {
        self.sessions.seal(session, complete).await
    }
    async fn void(&self, session: SessionId, reason: String) -> Answer<Session> {
        self.sessions.void(session, reason).await
    }
    async fn erase(&self, session: SessionId) -> Answer<Session> {
        self.sessions.erase(session).await
    }
    async fn manifest(&self, session: SessionId) -> Answer<Bytes> {
        self.sessions.manifest(session).await
    }
    async fn ledger_proof(&self, session: SessionId) -> Answer<LedgerProof> {
        self.sessions.ledger_proof(session).await
    }
    async fn events(&self) -> Answer<BoxStream<'static, Event>> {
        self.sessions.events().await
    }
}

/// A log that is another one's, once it is told to.
pub(super) struct Switched {
    pub(super) logs: [Arc<dyn TransparencyLog>; 2],
    pub(super) is_other: AtomicBool,
}

impl Switched {
    fn log(&self) -> &dyn TransparencyLog {
        &*self.logs[usize::from(self.is_other.load(Ordering::Relaxed))]
    }
}

#[async_trait]
impl TransparencyLog for Switched {
    async fn head(&self) -> Answer<LogHead> {
        self.log().head().await
    }
    async fn resource(&self, path: TilePath) -> Answer<Bytes> {
        self.log().resource(path).await
    }
    async fn entries(&self, from: EntryIndex, limit: u32) -> Answer<Vec<LogEntry>> {
        self.log().entries(from, limit).await
    }
    async fn inclusion(&self, index: EntryIndex, size: u64) -> Answer<InclusionProof> {
        self.log().inclusion(index, size).await
    }
    async fn consistency(&self, from: u64, to: u64) -> Answer<ConsistencyProof> {
        self.log().consistency(from, to).await
    }
    async fn keep_cosignatures(&self, checkpoint: String, lines: Vec<String>) -> Answer<bool> {
        self.log().keep_cosignatures(checkpoint, lines).await
    }
}
