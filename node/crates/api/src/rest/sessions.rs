//! Sessions: minting, listing, ending.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use lucid_core::{
    MediaType, Owner, SessionId, Timestamp,
    access::{Action, SessionAction},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Api,
    accounts::page_limit,
    extract::{Body, Caller, Id, Params},
    guard::{self, Whose},
    openapi::{Ending, Minting, Seeing},
    views::{OrderView, SessionView, StateView},
};
use crate::{
    Code, Problem,
    ports::{ListIndexed, ListSessions, NewSession, Session, SessionState},
};

/// Bytes of a void's reason.
const REASON_BYTES_MAX: usize = 1024;

/// What a session will be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MintRequest {
    /// The stream's media type; `application/octet-stream` where none is given.
    media_type: Option<String>,
    /// Bytes the whole upload will have, where that is known. Reaching it seals the session.
    #[schema(maximum = 9_007_199_254_740_991_f64)]
    length: Option<u64>,
}

/// Which sessions.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListParams {
    /// Only this owner's; a user sees its own only.
    owner: Option<String>,
    /// Only those in this state.
    #[param(inline)]
    state: Option<StateView>,
    /// Only those that were opened then or later: a time in RFC 3339.
    #[param(format = "date-time")]
    from: Option<String>,
    /// Only those that were opened before that.
    #[param(format = "date-time")]
    until: Option<String>,
    /// `newest`, the last one opened first, unless it is said.
    #[param(inline)]
    order: Option<OrderView>,
    /// Begin after this session.
    after: Option<String>,
    /// At most so many.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// Sessions, the last one opened first, or as was asked for.
#[derive(Serialize, ToSchema)]
pub(super) struct SessionPage {
    sessions: Vec<SessionView>,
    /// Where the next page begins, where there may be one.
    next: Option<String>,
}

/// How a session is sealed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SealRequest {
    /// Whether the recording is whole, as its owner says, who alone can say so. Where nothing is said: as it is, for the owner,
    /// where the upload has no length or has reached it.
    complete: Option<bool>,
}

/// Why a session is given up.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VoidRequest {
    /// In the ledger for good; at most 1,024 bytes.
    #[serde(default)]
    #[schema(max_length = 1024)]
    reason: String,
}

/// Mint a session. Its id is in the ledger before it is answered.
#[utoipa::path(post, operation_id = "mint_session", path = "/api/v1/sessions", tag = "sessions", request_body = MintRequest,
    responses((status = 201, description = "Minted.", body = SessionView,
        headers(("location" = String, description = "The session"))), Minting))]
pub(super) async fn mint(
    State(api): State<Api>,
    Caller(caller): Caller,
    Body(MintRequest { media_type, length }): Body<MintRequest>,
) -> Result<Response, Problem> {
    guard::may(&caller, Action::MintSession)?;
    let media_type = match media_type {
        None => MediaType::octets(),
        Some(text) => media_type_of(&text)?,
    };
    let new = NewSession { owner: caller.owner, media_type, length };
    let session = api.sessions.mint(new).await?;
    let location = format!("/api/v1/sessions/{}", session.session_id);
    let body = Json(SessionView::from(session));
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], body).into_response())
}

pub(super) fn media_type_of(text: &str) -> Result<MediaType, Problem> {
    text.parse().map_err(|_| {
        Problem::new(
            Code::InvalidRequest,
            "a media type is of the form type/subtype, in lower case",
        )
    })
}

/// Sessions, the last one opened first, or as `order` says.
#[utoipa::path(get, operation_id = "list_sessions", path = "/api/v1/sessions", tag = "sessions", params(ListParams),
    responses((status = 200, description = "Sessions.", body = SessionPage), Seeing))]
pub(super) async fn list(
    State(api): State<Api>,
    Caller(caller): Caller,
    Params(params): Params<ListParams>,
) -> Result<Json<SessionPage>, Problem> {
    let ListParams { owner, state, from, until, order, after, limit } = params;
    let limit = page_limit(limit)?;
    let invalid = |what| Problem::new(Code::InvalidRequest, format!("{what} is malformed"));
    let after = after.map(|after| after.parse::<SessionId>().map_err(|_| invalid("after")));
    let owner = owner.map(|owner| owner.parse::<Owner>().map_err(|_| invalid("owner")));
    let (from, until) = (time(from, "from")?, time(until, "until")?);
    if let (Some(from), Some(until)) = (from, until)
        && from >= until
    {
        return Err(Problem::new(Code::InvalidRequest, "from is before until"));
    }
    let (owner, after) = (owner.transpose()?, after.transpose()?);
    let owner = match guard::whose(&caller, owner) {
        Whose::Everybody => None,
        Whose::Of(owner) => Some(owner),
        Whose::Nobody => return Ok(Json(SessionPage { sessions: Vec::new(), next: None })),
    };
    let (state, order) = (state.map(Into::into), order.unwrap_or_default().into());
    if let Some(after) = after {
        // A cursor is a session one may see.
        guard::session(&api, &caller, after, SessionAction::See).await?;
    }
    if from.is_none() && until.is_none() {
        let list = ListSessions { owner, state, after, order, limit };
        return Ok(Json(SessionPage::of(api.sessions.list(list).await?, limit)));
    }
    let list = ListIndexed { owner, state, from, until, order, after, limit };
    let mut page = SessionPage::of(api.sessions_data.list(list).await?, limit);
    page.look_at_open_ones(&api, state).await?;
    Ok(Json(page))
}

/// A time that is asked for.
fn time(text: Option<String>, name: &str) -> Result<Option<Timestamp>, Problem> {
    let read = text.map(|text| Timestamp::from_rfc3339(&text)).transpose();
    read.map_err(|error| Problem::new(Code::InvalidRequest, format!("{name}: {error}")))
}

impl SessionPage {
    /// A page of sessions, of which at most `limit` were asked for.
    fn of(sessions: Vec<Session>, limit: u32) -> Self {
        let full = sessions.len() == limit as usize;
        let next = sessions.last().filter(|_| full).map(|session| session.session_id.to_string());
        Self { sessions: sessions.into_iter().map(SessionView::from).collect(), next }
    }

    /// Says of sessions that are open where their uploads are, which the log does not know. One that has just
    /// left the state that is asked for is left out.
    async fn look_at_open_ones(
        &mut self,
        api: &Api,
        state: Option<SessionState>,
    ) -> Result<(), Problem> {
        let mut seen = Vec::with_capacity(self.sessions.len());
        for view in std::mem::take(&mut self.sessions) {
            let Some(id) = view.open() else {
                seen.push(view);
                continue;
            };
            let session = api.sessions.session(id).await?;
            if state.is_none_or(|state| state == session.state) {
                seen.push(session.into());
            }
        }
        self.sessions = seen;
        Ok(())
    }
}

/// A session.
#[utoipa::path(get, operation_id = "show_session", path = "/api/v1/sessions/{id}", tag = "sessions",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, description = "The session.", body = SessionView), Seeing))]
pub(super) async fn show(
    State(api): State<Api>,
    Caller(caller): Caller,
    Id(id): Id,
) -> Result<Json<SessionView>, Problem> {
    Ok(Json(guard::session(&api, &caller, id, SessionAction::See).await?.into()))
}

/// Seal a session over what is acknowledged.
#[utoipa::path(post, operation_id = "seal_session", path = "/api/v1/sessions/{id}/seal", tag = "sessions",
    params(("id" = String, Path, format = "uuid")), request_body = SealRequest,
    responses((status = 200, description = "The session as it is now.", body = SessionView), Ending))]
pub(super) async fn seal(
    State(api): State<Api>,
    Caller(caller): Caller,
    Id(id): Id,
    Body(SealRequest { complete }): Body<SealRequest>,
) -> Result<Json<SessionView>, Problem> {
    let session = guard::session(&api, &caller, id, SessionAction::End).await?;
    let is_owner = caller.owner == session.owner;
    if complete == Some(true) && !is_owner {
        let detail =
            "only its owner says that a recording is whole: seal it with {\"complete\": false}";
        return Err(Problem::new(Code::Forbidden, detail));
    }
    let reached = session
        .upload
        .as_ref()
        .is_none_or(|upload| upload.length.is_none_or(|length| length == upload.offset));
    let complete = complete.unwrap_or(is_owner && reached);
    Ok(Json(api.sessions.seal(id, complete).await?.into()))
}

/// Give an open session up: its keys and chunks are destroyed.
#[utoipa::path(post, operation_id = "void_session", path = "/api/v1/sessions/{id}/void", tag = "sessions",
    params(("id" = String, Path, format = "uuid")), request_body = VoidRequest,
    responses((status = 200, description = "The session as it is now.", body = SessionView), Ending))]
pub(super) async fn void(
    State(api): State<Api>,
    Caller(caller): Caller,
    Id(id): Id,
    Body(VoidRequest { reason }): Body<VoidRequest>,
) -> Result<Json<SessionView>, Problem> {
    guard::session(&api, &caller, id, SessionAction::End).await?;
    if reason.len() > REASON_BYTES_MAX {
        return Err(Problem::new(Code::InvalidRequest, "a reason has at most 1,024 bytes"));
    }
    Ok(Json(api.sessions.void(id, reason).await?.into()))
}

/// Erase a sealed session: its keys and chunks are destroyed; that it was there stays provable.
#[utoipa::path(post, operation_id = "erase_session", path = "/api/v1/sessions/{id}/erase", tag = "sessions",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, description = "The session as it is now.", body = SessionView), Ending))]
pub(super) async fn erase(
    State(api): State<Api>,
    Caller(caller): Caller,
    Id(id): Id,
) -> Result<Json<SessionView>, Problem> {
    guard::session(&api, &caller, id, SessionAction::Erase).await?;
    Ok(Json(api.sessions.erase(id).await?.into()))
}
