//! What the API answers, as its users see it.

use lucid_core::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ports::{Account, ListOrder, SealedSession, Session, SessionState, UploadState};

/// A session.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub(super) struct SessionView {
    /// Its id.
    #[schema(format = "uuid")]
    session_id: String,
    /// Whose it is.
    owner: String,
    state: StateView,
    /// What the stream is.
    media_type: String,
    /// When it was opened, by the node's clock.
    #[schema(format = "date-time")]
    created_at: String,
    /// Where it is uploaded to, with tus 1.0.
    upload_url: String,
    /// While it is open: its upload.
    #[serde(skip_serializing_if = "Option::is_none")]
    upload: Option<UploadView>,
    /// Once it was sealed: what for good.
    #[serde(skip_serializing_if = "Option::is_none")]
    sealed: Option<SealedView>,
    /// When it was voided or erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time")]
    ended_at: Option<String>,
}

/// Where a session is in its life.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = SessionState)]
pub(super) enum StateView {
    Open,
    Sealing,
    Sealed,
    Anchored,
    Voided,
    Erased,
}

impl From<SessionState> for StateView {
    fn from(state: SessionState) -> Self {
        match state {
            SessionState::Open => Self::Open,
            SessionState::Sealing => Self::Sealing,
            SessionState::Sealed => Self::Sealed,
            SessionState::Anchored => Self::Anchored,
            SessionState::Voided => Self::Voided,
            SessionState::Erased => Self::Erased,
        }
    }
}

impl From<StateView> for SessionState {
    fn from(state: StateView) -> Self {
        match state {
            StateView::Open => Self::Open,
            StateView::Sealing => Self::Sealing,
            StateView::Sealed => Self::Sealed,
            StateView::Anchored => Self::Anchored,
            StateView::Voided => Self::Voided,
            StateView::Erased => Self::Erased,
        }
    }
}

/// In which order sessions are listed.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Order)]
pub(super) enum OrderView {
    #[default]
    Newest,
    Oldest,
}

impl From<OrderView> for ListOrder {
    fn from(order: OrderView) -> Self {
        match order {
            OrderView::Newest => Self::Newest,
            OrderView::Oldest => Self::Oldest,
        }
    }
}

/// The upload of an open session.
#[derive(Serialize, ToSchema)]
#[schema(as = Upload)]
pub(super) struct UploadView {
    /// Bytes acknowledged: durable, and where the upload goes on.
    offset: u64,
    /// Chunks acknowledged.
    chunk_count: u32,
    /// Bytes the whole upload will have, once that is known.
    length: Option<u64>,
    /// When the session is closed unless more arrives.
    #[schema(format = "date-time")]
    expires_at: Option<String>,
}

/// What sealing fixed.
#[derive(Serialize, ToSchema)]
#[schema(as = Sealed)]
pub(super) struct SealedView {
    #[schema(format = "date-time")]
    at: String,
    /// Number of chunks.
    chunk_count: u32,
    /// Plaintext bytes.
    plain_bytes: u64,
    /// Root of the session tree, hex.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    merkle_root: String,
    /// Hash of the manifest's bytes, hex.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    manifest_hash: String,
    /// Place of the entry in the log.
    log_index: u64,
}

impl From<Session> for SessionView {
    fn from(session: Session) -> Self {
        Self {
            session_id: session.session_id.to_string(),
            owner: session.owner.to_string(),
            state: session.state.into(),
            media_type: session.media_type.to_string(),
            created_at: session.created_at.to_string(),
            upload_url: upload_url(session.session_id),
            upload: session.upload.map(UploadView::from),
            sealed: session.sealed.map(SealedView::from),
            ended_at: session.ended_at.map(time),
        }
    }
}

impl SessionView {
    /// Its id, where it is open.
    pub(super) fn open(&self) -> Option<lucid_core::SessionId> {
        matches!(self.state, StateView::Open).then(|| self.session_id.parse().ok()).flatten()
    }
}

/// Where a session is uploaded to.
pub(super) fn upload_url(session: lucid_core::SessionId) -> String {
    format!("/api/v1/sessions/{session}/upload")
}

impl From<UploadState> for UploadView {
    fn from(upload: UploadState) -> Self {
        let UploadState { offset, chunk_count, length, expires_at } = upload;
        Self { offset, chunk_count, length, expires_at: expires_at.map(time) }
    }
}

impl From<SealedSession> for SealedView {
    fn from(sealed: SealedSession) -> Self {
        Self {
            at: time(sealed.at),
            chunk_count: sealed.chunk_count,
            plain_bytes: sealed.plain_bytes,
            merkle_root: sealed.merkle_root.to_string(),
            manifest_hash: sealed.manifest_hash.to_string(),
            log_index: sealed.log_index,
        }
    }
}

fn time(at: Timestamp) -> String {
    at.to_string()
}

/// An account.
#[derive(Serialize, ToSchema)]
#[schema(as = Account)]
pub(super) struct AccountView {
    /// Its address.
    address: String,
    role: RoleView,
    /// Whether it may no longer sign in.
    revoked: bool,
    /// When it was first seen.
    #[schema(format = "date-time")]
    created_at: String,
}

/// What an account is allowed to be.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Role)]
pub(super) enum RoleView {
    Observer,
    User,
    Operator,
    Admin,
}

impl From<lucid_core::access::Role> for RoleView {
    fn from(role: lucid_core::access::Role) -> Self {
        use lucid_core::access::Role;
        match role {
            Role::Observer => Self::Observer,
            Role::User => Self::User,
            Role::Operator => Self::Operator,
            Role::Admin => Self::Admin,
        }
    }
}

impl From<RoleView> for lucid_core::access::Role {
    fn from(role: RoleView) -> Self {
        match role {
            RoleView::Observer => Self::Observer,
            RoleView::User => Self::User,
            RoleView::Operator => Self::Operator,
            RoleView::Admin => Self::Admin,
        }
    }
}

impl From<Account> for AccountView {
    fn from(account: Account) -> Self {
        Self {
            address: account.owner.to_string(),
            role: account.role.into(),
            revoked: account.revoked,
            created_at: time(account.created_at),
        }
    }
}
