//! The session-orchestrator: minting, holds on uploads, acknowledgement, ends, the completer, retention,
//! events.
//!
//! Owns the store and who may fill a session at the moment. Leaves keys and chunk files to the vault
//! behind the store.
//!
//! Invariants: what is answered is durable; an upload's offset is what the session's index says;
//! whoever held an upload before the present holder can neither acknowledge nor commit.
//!
//! A crash loses holds and events, nothing else: an uploader asks where it is and goes on.

mod blocks;
mod completer;
mod dates;
mod ending;
mod holds;
mod ledger;
mod log;
mod read;
mod retention;
mod view;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream, stream::BoxStream};
use lucid_api::{
    Code, Problem,
    metrics::Metrics,
    ports::{
        Answer, Event, EventKind, Lease, LeaseId, LedgerProof, ListOrder, ListSessions, NewSession,
        Session, Sessions, Summary, UploadState,
    },
};
use lucid_core::{
    ChunkIndex, Hash, Policy, SessionId, Upload, chunk::ChunkSummary, entry::SessionOpened,
};
use lucid_store::{Lease as StoreLease, Order, SessionFilter, Store};
use tokio::sync::broadcast;
use tracing::Instrument;

use self::holds::Holds;
pub(super) use self::view::{api_state, split, store_state};
pub use self::{
    completer::{LeftAlone, complete_abandoned},
    dates::tell_of_the_clock,
};
use super::{cpu::Pool, problem, problem::of_store};
use crate::{commands::session::new_id, context::now, policy};

/// Events that a listener may be behind before it loses the oldest.
const EVENTS_BEHIND_MAX: usize = 1024;
/// Most sessions in one page, and most summaries in one answer.
pub const PAGE_MAX: u32 = 1000;

/// How often minting begins anew because parameters were changed in the meantime.
const MINT_TRIES: u32 = 3;

/// How sessions are minted and closed.
#[derive(Clone, Copy, Debug)]
pub struct OrchestratorOptions {
    /// The policy of new sessions, where no parameters are decided on.
    pub policy: Policy,
    /// Open sessions an owner may have, likewise.
    pub open_sessions_max: u32,
    /// How long an upload may rest before the completer closes its session.
    pub upload_expires_after: Duration,
}

/// The session-orchestrator.
pub struct Orchestrator {
    parts: Arc<Parts>,
    /// For what reads and writes the store. Apart from the pool that seals, so that answers do not
    /// wait behind gigabytes.
    pool: Pool,
}

/// What its work on the store's threads needs.
struct Parts {
    store: Arc<Store>,
    options: OrchestratorOptions,
    holds: Holds,
    last_block: blocks::LastBlock,
    /// Where the erasing of what is due goes on.
    due: retention::Cursor,
    events: broadcast::Sender<Event>,
    metrics: Metrics,
}

impl Orchestrator {
    /// An orchestrator over an open store.
    #[must_use]
    pub fn new(
        store: Arc<Store>,
        pool: Pool,
        options: OrchestratorOptions,
        metrics: Metrics,
    ) -> Self {
        let (events, _) = broadcast::channel(EVENTS_BEHIND_MAX);
        let parts = Parts {
            store,
            options,
            holds: Holds::default(),
            last_block: Default::default(),
            due: Default::default(),
            events,
            metrics,
        };
        Self { parts: Arc::new(parts), pool }
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Parts) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let parts = Arc::clone(&self.parts);
        self.pool.run(move || work(&parts)).in_current_span().await
    }
}

impl Parts {
    fn mint(&self, new: &NewSession) -> Answer<Session> {
        let decided = self.store.parameters().map(|changed| changed.parameters);
        let most = decided.map_or(self.options.open_sessions_max, |it| it.open_sessions_max);
        let open = SessionFilter {
            owner: Some(new.owner.clone()),
            state: Some(lucid_store::State::Open),
            anchored: None,
            order: Order::NewestFirst,
        };
        let open = self.store.sessions(&open, None, most as usize).map_err(of_store)?.len();
        if open >= most as usize {
            let detail = format!("the account has {open} open sessions: seal or void some first");
            return Err(Problem::new(Code::TooManySessions, detail));
        }
        let expires_after = self.options.upload_expires_after.as_secs();
        let upload = Upload::new(expires_after, new.length).map_err(|_| too_long())?;
        let mut tries = 0;
        loop {
            let session = new_id().map_err(|error| problem::internal(&error))?;
            let policy = policy::of_new_session(self.options.policy, &self.store);
            let policy = policy.map_err(|error| problem::internal(&error))?;
            check_length(&policy, new.length)?;
            let opened = SessionOpened {
                at: now(),
                kind: Default::default(),
                media_type: new.media_type.clone(),
                owner: new.owner.clone(),
                policy,
                session_id: session,
                v: Default::default(),
            };
            tries += 1;
            match self.store.open_upload(opened, upload) {
                Err(lucid_store::StoreError::PolicyChanged(_)) if tries < MINT_TRIES => {}
                opened => {
                    opened.map_err(of_store)?;
                    return self.changed(session);
                }
            }
        }
    }

    /// A session, after telling listeners its state.
    fn changed(&self, session: SessionId) -> Answer<Session> {
        let session = self.view(session)?;
        self.metrics.state_change(view::name(session.state));
        self.tell(&session, EventKind::State { state: session.state });
        Ok(session)
    }

    fn tell(&self, session: &Session, kind: EventKind) {
        let event =
            Event { session_id: session.session_id, owner: session.owner.clone(), at: now(), kind };
        // Nobody listening is no failure.
        let _ = self.events.send(event);
    }

    fn set_length(&self, session: SessionId, length: u64) -> Answer<UploadState> {
        let state = self.upload_state(session)?;
        match state.length {
            Some(known) if known == length => return Ok(state),
            Some(known) => {
                let detail = format!("the upload is {known} bytes long: that cannot be changed");
                return Err(Problem::new(Code::Conflict, detail));
            }
            None if length < state.offset => {
                let detail = format!("{} bytes are there already", state.offset);
                return Err(Problem::new(Code::Conflict, detail));
            }
            None => {}
        }
        check_length(&self.store.opened(session).map_err(of_store)?.policy, Some(length))?;
        let known = self.store.upload(session).map_err(of_store)?;
        let expires_after = known.map_or(self.options.upload_expires_after.as_secs(), |known| {
            known.expires_after_seconds
        });
        let upload = Upload::new(expires_after, Some(length)).map_err(|_| too_long())?;
        self.store.set_upload(session, upload).map_err(of_store)?;
        self.upload_state(session)
    }

    fn begin_upload(&self, session: SessionId, offset: u64) -> Answer<Lease> {
        let state = self.upload_state(session)?;
        if state.offset != offset {
            let detail = format!("the upload is at {}, not at {offset}", state.offset);
            return Err(Problem::new(Code::UploadOffset, detail));
        }
        let lease = self.holds.take(session)?;
        let begun = self.begin_hold(session, lease);
        if begun.is_err() {
            self.holds.release(session, lease);
        }
        let (next, offset) = begun?;
        let policy = self.store.opened(session).map_err(of_store)?.policy;
        Ok(Lease { lease, session_id: session, next, offset, length: state.length, policy })
    }

    /// Makes a hold the last one for the vault too; gives where the upload is.
    fn begin_hold(&self, session: SessionId, lease: LeaseId) -> Answer<(ChunkIndex, u64)> {
        let totals = self.store.hold(session, StoreLease(lease.0)).map_err(of_store)?;
        Ok((ChunkIndex(totals.chunk_count), totals.plain_bytes))
    }

    fn acknowledge(&self, lease: LeaseId, session: SessionId, chunks: &[Summary]) -> Answer<u64> {
        self.holds.renew(session, lease)?;
        if chunks.is_empty() {
            return Ok(self.store.totals(session).map_err(of_store)?.plain_bytes);
        }
        let chunks: Vec<ChunkSummary> = chunks.iter().map(|summary| summary.0).collect();
        let totals = self.store.acknowledge_under(session, StoreLease(lease.0), &chunks);
        let totals = totals.map_err(of_store)?;
        let sum =
            |bytes: fn(&ChunkSummary) -> u32| chunks.iter().map(|c| u64::from(bytes(c))).sum();
        let (plain, payload) = (sum(|c| c.header.plain_bytes), sum(|c| c.header.payload_bytes));
        self.metrics.acknowledged(chunks.len() as u64, plain, payload);
        let view = self.view(session)?;
        let length = view.upload.and_then(|upload| upload.length);
        self.tell(&view, EventKind::Progress { offset: totals.plain_bytes, length });
        Ok(totals.plain_bytes)
    }

    fn list(&self, list: ListSessions) -> Answer<Vec<Session>> {
        let (state, anchored) = view::split(list.state.map(view::store_state).transpose()?);
        let order = match list.order {
            ListOrder::Newest => Order::NewestFirst,
            ListOrder::Oldest => Order::OldestFirst,
        };
        let filter = SessionFilter { owner: list.owner, state, anchored, order };
        let limit = usize::try_from(list.limit.min(PAGE_MAX)).unwrap_or_default();
        let rows = self.store.sessions(&filter, list.after, limit).map_err(of_store)?;
        rows.into_iter().map(|row| self.view_of(row)).collect()
    }
}

/// Refuses a length that the session's policy does not allow.
fn check_length(policy: &Policy, length: Option<u64>) -> Answer<()> {
    match (policy.session_bytes_max(), length) {
        (Some(max), Some(length)) if length > max => {
            let detail = format!(
                "a session has at most {max} bytes on this node (session_bytes_max), and this one would \
                 have {length}: divide it"
            );
            Err(Problem::new(Code::TooLarge, detail))
        }
        _ => Ok(()),
    }
}

fn too_long() -> Problem {
    Problem::new(Code::TooLarge, "an upload has at most 2^53 - 1 bytes")
}

#[async_trait]
impl Sessions for Orchestrator {
    async fn mint(&self, new: NewSession) -> Answer<Session> {
        self.run(move |parts| parts.mint(&new)).await
    }

    async fn session(&self, session: SessionId) -> Answer<Session> {
        self.run(move |parts| parts.view(session)).await
    }

    async fn list(&self, list: ListSessions) -> Answer<Vec<Session>> {
        self.run(|parts| parts.list(list)).await
    }

    async fn set_length(&self, session: SessionId, length: u64) -> Answer<UploadState> {
        self.run(move |parts| parts.set_length(session, length)).await
    }

    async fn begin_upload(&self, session: SessionId, offset: u64) -> Answer<Lease> {
        self.run(move |parts| parts.begin_upload(session, offset)).await
    }

    async fn acknowledge(
        &self,
        lease: LeaseId,
        session: SessionId,
        chunks: Vec<Summary>,
    ) -> Answer<u64> {
        self.run(move |parts| parts.acknowledge(lease, session, &chunks)).await
    }

    async fn end_upload(&self, lease: LeaseId, session: SessionId) -> Answer<Session> {
        self.run(move |parts| parts.end_upload(lease, session)).await
    }

    async fn seal(&self, session: SessionId, complete: bool) -> Answer<Session> {
        self.run(move |parts| parts.seal(session, complete)).await
    }

    async fn void(&self, session: SessionId, reason: String) -> Answer<Session> {
        self.run(move |parts| parts.void(session, &reason)).await
    }

    async fn erase(&self, session: SessionId) -> Answer<Session> {
        self.run(move |parts| parts.erase(session)).await
    }

    async fn manifest(&self, session: SessionId) -> Answer<Bytes> {
        self.run(move |parts| parts.manifest(session)).await
    }

    async fn manifests(&self, sessions: &[(SessionId, Hash)]) -> Answer<Vec<Answer<Bytes>>> {
        let sessions = sessions.to_vec();
        self.run(move |parts| Ok(parts.manifests(&sessions))).await
    }

    async fn chunks(
        &self,
        session: SessionId,
        from: ChunkIndex,
        limit: u32,
    ) -> Answer<Vec<Summary>> {
        self.run(move |parts| parts.chunks(session, from, limit)).await
    }

    async fn ledger_proof(&self, session: SessionId) -> Answer<LedgerProof> {
        self.run(move |parts| parts.ledger_proof(session)).await
    }

    async fn events(&self) -> Answer<BoxStream<'static, Event>> {
        let listener = self.parts.events.subscribe();
        let events = stream::unfold(listener, |mut listener| async {
            // Behind, or no more to come: either ends the stream.
            let event = listener.recv().await.ok()?;
            Some((event, listener))
        });
        Ok(events.boxed())
    }
}
