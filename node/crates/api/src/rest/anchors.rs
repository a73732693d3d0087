//! Anchoring on TRON: how it goes, what proves an anchor, and making one now.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::header;
use lucid_core::{EntryIndex, access::Action};

use super::{
    Api,
    extract::{Caller, Segment},
    guard::{self, LogHead},
    openapi::{Anchored, ChainReading, Commanding},
};
use crate::{Code, Problem, ports::Anchoring};

/// How anchoring goes: what waits, the anchor on its way, what it costs.
#[utoipa::path(get, operation_id = "anchoring", path = "/api/v1/anchors/tron", tag = "chain",
    responses((status = 200, description = "How it goes.", body = Anchoring), ChainReading))]
pub(super) async fn show(_: LogHead, State(api): State<Api>) -> Result<Json<Anchoring>, Problem> {
    Ok(Json(api.anchors.anchoring().await?))
}

/// Makes an anchor due now, instead of waiting for its time.
#[utoipa::path(post, operation_id = "anchor_now", path = "/api/v1/anchors/tron", tag = "chain",
    responses((status = 200, description = "It is due.", body = Anchoring), Commanding))]
pub(super) async fn make(
    Caller(caller): Caller,
    State(api): State<Api>,
) -> Result<Json<Anchoring>, Problem> {
    guard::may(&caller, Action::Anchor)?;
    Ok(Json(api.anchors.anchor_now().await?))
}

/// What proves the first anchor that covers an entry of the log: the checkpoint, the transaction, and its way to
/// a block's header, as JSON (RFC 8785).
#[utoipa::path(get, operation_id = "anchor_covering", path = "/api/v1/anchors/tron/{index}", tag = "chain",
    params(("index" = u64, Path, description = "The entry's place in the log")),
    responses((status = 200, description = "The proof.", content_type = "application/json"), Anchored))]
pub(super) async fn covering(
    _: LogHead,
    State(api): State<Api>,
    Segment(index): Segment,
) -> Result<Response, Problem> {
    let digits = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
    let index = digits.then(|| index.parse().ok()).flatten().map(EntryIndex);
    let malformed = "an entry's place is a number from 0 on";
    let index = index.ok_or_else(|| Problem::new(Code::InvalidRequest, malformed))?;
    let kept = api.anchors.covering(index).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], kept.0).into_response())
}
