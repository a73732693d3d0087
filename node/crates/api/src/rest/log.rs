//! The ledger log: C2SP tlog-tiles, proofs for those who have no client of it, and what witnesses do.

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{Extensions, Uri, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use lucid_core::{
    EntryIndex, Hash, access::Action, merkle::TilePath, note::ADD_CHECKPOINT_BYTES_MAX,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Api,
    accounts::page_limit,
    extract::{BODY_TIME, Params, Segment},
    guard::{self, Entries, LogHead},
    openapi::{LogReading, Witnessed},
};
use crate::{Code, Problem, ports};

/// What a tile says once, it says for ever.
const IMMUTABLE: &str = "max-age=31536000, immutable";

/// The log's signed checkpoint, with those cosignatures of it that there are (C2SP tlog-checkpoint).
#[utoipa::path(get, operation_id = "log_checkpoint", path = "/api/v1/log/checkpoint", tag = "log",
    responses((status = 200, description = "A signed note.", content_type = "text/plain"), LogReading))]
pub(super) async fn checkpoint(State(api): State<Api>, _: LogHead) -> Result<Response, Problem> {
    Ok(note(api.log.head().await?.checkpoint))
}

/// The latest checkpoint that witnesses have cosigned, with their cosignatures: a checkpoint of this log,
/// the current one or an earlier.
#[utoipa::path(get, operation_id = "log_cosigned", path = "/api/v1/log/cosigned", tag = "log",
    responses((status = 200, description = "A signed note.", content_type = "text/plain"), LogReading))]
pub(super) async fn cosigned(State(api): State<Api>, _: LogHead) -> Result<Response, Problem> {
    let none = || Problem::new(Code::NotFound, "no witness has cosigned a checkpoint of this log");
    api.log.head().await?.cosigned.map(note).ok_or_else(none)
}

fn note(text: String) -> Response {
    let kind = (header::CONTENT_TYPE, "text/plain; charset=utf-8");
    ([kind, (header::CACHE_CONTROL, "no-cache")], text).into_response()
}

/// A tile `<L>/<N>[.p/<W>]` or a bundle of entries `entries/<N>[.p/<W>]` (C2SP tlog-tiles).
#[utoipa::path(get, operation_id = "log_tile", path = "/api/v1/log/tile/{*path}", tag = "log",
    params(("path" = String, Path, description = "As in the file system's layout of C2SP tlog-tiles")),
    responses((status = 200, description = "Hashes of 32 bytes, or entries with their lengths.",
        content_type = "application/octet-stream"), LogReading))]
pub(super) async fn tile(
    State(api): State<Api>,
    uri: Uri,
    extensions: Extensions,
) -> Result<Response, Problem> {
    let wrong = || Problem::new(Code::NotFound, "there is no tile of that name");
    // As it was sent: a tile has one spelling, and no escapes in it.
    let path = uri.path().strip_prefix("/api/v1/log/").unwrap_or_default();
    let parsed = path.parse::<TilePath>();
    // Hashes say nothing about anybody; entries name owners.
    let action = match parsed {
        Ok(TilePath::Entries(_)) => Action::SeeEntries,
        _ => Action::SeeLogHead,
    };
    guard::reads(&api, &extensions, action)?;
    let bytes = api.log.resource(parsed.map_err(|_| wrong())?).await?;
    let who = if api.public_log { "public" } else { "private" };
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CACHE_CONTROL, format!("{who}, {IMMUTABLE}")),
    ];
    Ok((headers, bytes).into_response())
}

/// Which entries.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EntriesParams {
    /// Those after this place; from the first one where it is left out.
    after: Option<u64>,
    /// At most so many, 1 to 200; 50 where it is left out.
    limit: Option<u32>,
}

/// An entry.
#[derive(Serialize, ToSchema)]
pub(super) struct EntryView {
    /// Its place.
    index: u64,
    /// Exactly its bytes: RFC 8785 JSON.
    entry: String,
}

/// Entries, in order.
#[derive(Serialize, ToSchema)]
pub(super) struct EntryPage {
    entries: Vec<EntryView>,
    /// What to ask for as `after` next, where there is more.
    next: Option<u64>,
    /// Entries in the log.
    size: u64,
}

/// Entries of the log, in order.
#[utoipa::path(get, operation_id = "log_entries", path = "/api/v1/log/entries", tag = "log", params(EntriesParams),
    responses((status = 200, description = "Entries.", body = EntryPage), LogReading))]
pub(super) async fn entries(
    State(api): State<Api>,
    _: Entries,
    Params(EntriesParams { after, limit }): Params<EntriesParams>,
) -> Result<Json<EntryPage>, Problem> {
    let limit = page_limit(limit)?;
    let from = after.map_or(0, |after| after.saturating_add(1));
    let size = api.log.head().await?.size;
    let page = api.log.entries(EntryIndex(from), limit).await?;
    let last = page.last().map(|entry| entry.index);
    let next = last.filter(|last| last + 1 < size);
    let view = |ports::LogEntry { index, entry }| EntryView { index, entry };
    Ok(Json(EntryPage { entries: page.into_iter().map(view).collect(), next, size }))
}

/// Of which entry, in which tree.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct InclusionParams {
    /// The entry's place.
    index: u64,
    /// Entries of the tree; the current size where it is left out.
    size: Option<u64>,
}

/// That an entry is in the log.
#[derive(Serialize, ToSchema)]
pub(super) struct InclusionView {
    index: u64,
    size: u64,
    /// The entry's leaf hash, hex.
    leaf: String,
    /// The root of the tree of `size` entries, hex.
    root: String,
    /// The audit path from the leaf's sibling up (RFC 6962 §2.1.1), hex.
    path: Vec<String>,
}

/// That an entry is in the tree of the log's first entries.
#[utoipa::path(get, operation_id = "log_inclusion", path = "/api/v1/log/proof/inclusion", tag = "log",
    params(InclusionParams),
    responses((status = 200, description = "The proof.", body = InclusionView), LogReading))]
pub(super) async fn inclusion(
    State(api): State<Api>,
    _: LogHead,
    Params(InclusionParams { index, size }): Params<InclusionParams>,
) -> Result<Json<InclusionView>, Problem> {
    let size = known_size(&api, size).await?;
    if index >= size {
        let detail = format!("entry {index} is not among the first {size}");
        return Err(Problem::new(Code::NotFound, detail));
    }
    let ports::InclusionProof { leaf, root, path } =
        api.log.inclusion(EntryIndex(index), size).await?;
    let (leaf, root) = (leaf.to_string(), root.to_string());
    Ok(Json(InclusionView { index, size, leaf, root, path: texts(&path) }))
}

/// Which trees.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ConsistencyParams {
    /// Entries of the smaller tree, 1 at least: nothing can be proved of the empty one.
    #[param(minimum = 1)]
    from: u64,
    /// Entries of the larger one; the current size where it is left out.
    to: Option<u64>,
}

/// That a tree is the beginning of another.
#[derive(Serialize, ToSchema)]
pub(super) struct ConsistencyView {
    from: u64,
    to: u64,
    /// The root of the smaller tree, hex.
    from_root: String,
    /// The root of the larger tree, hex.
    to_root: String,
    /// The proof (RFC 6962 §2.1.2), hex.
    path: Vec<String>,
}

/// That the log has only grown from one size to another.
#[utoipa::path(get, operation_id = "log_consistency", path = "/api/v1/log/proof/consistency", tag = "log",
    params(ConsistencyParams),
    responses((status = 200, description = "The proof.", body = ConsistencyView), LogReading))]
pub(super) async fn consistency(
    State(api): State<Api>,
    _: LogHead,
    Params(ConsistencyParams { from, to }): Params<ConsistencyParams>,
) -> Result<Json<ConsistencyView>, Problem> {
    let to = known_size(&api, to).await?;
    if from == 0 || from > to {
        let detail = "from is 1 at least, and not more than to";
        return Err(Problem::new(Code::InvalidRequest, detail));
    }
    let ports::ConsistencyProof { from_root, to_root, path } =
        api.log.consistency(from, to).await?;
    let (from_root, to_root) = (from_root.to_string(), to_root.to_string());
    Ok(Json(ConsistencyView { from, to, from_root, to_root, path: texts(&path) }))
}

fn texts(path: &[Hash]) -> Vec<String> {
    path.iter().map(ToString::to_string).collect()
}

/// A size that the log has reached.
async fn known_size(api: &Api, asked: Option<u64>) -> Result<u64, Problem> {
    let size = api.log.head().await?.size;
    match asked {
        Some(asked) if asked > size => {
            Err(Problem::new(Code::NotFound, format!("the log has {size} entries, not {asked}")))
        }
        asked => Ok(asked.unwrap_or(size)),
    }
}

/// One witness of this log.
#[derive(Serialize, ToSchema)]
pub(super) struct WitnessView {
    name: String,
    /// Entries of the checkpoint that it cosigned last.
    size: Option<u64>,
    /// Why it did not cosign when it was asked last.
    error: Option<String>,
}

/// A log that this node witnesses.
#[derive(Serialize, ToSchema)]
pub(super) struct WitnessedLogView {
    origin: String,
    /// Entries of the checkpoint that was cosigned last.
    size: Option<u64>,
}

/// How far the log is witnessed, and whose witness this node is.
#[derive(Serialize, ToSchema)]
pub(super) struct WitnessingView {
    /// Witnesses that make a checkpoint count; 0 where none is asked for.
    quorum: u32,
    /// Entries of the latest checkpoint that so many have cosigned.
    witnessed_size: Option<u64>,
    witnesses: Vec<WitnessView>,
    /// The key under which this node is a witness (C2SP tlog-cosignature).
    witness_key: String,
    witnessed_logs: Vec<WitnessedLogView>,
}

/// How far the log is witnessed, and whose witness this node is.
#[utoipa::path(get, operation_id = "log_witnesses", path = "/api/v1/log/witnesses", tag = "log",
    responses((status = 200, description = "The state.", body = WitnessingView), LogReading))]
pub(super) async fn witnesses(
    State(api): State<Api>,
    _: LogHead,
) -> Result<Json<WitnessingView>, Problem> {
    let state = api.witness.witnessing().await?;
    let witness = |ports::WitnessState { name, size, error }| WitnessView { name, size, error };
    let log = |ports::WitnessedLog { origin, size }| WitnessedLogView { origin, size };
    Ok(Json(WitnessingView {
        quorum: state.quorum,
        witnessed_size: state.witnessed_size,
        witnesses: state.witnesses.into_iter().map(witness).collect(),
        witness_key: state.witness_key,
        witnessed_logs: state.witnessed_logs.into_iter().map(log).collect(),
    }))
}

/// Cosign a checkpoint of another node's log (C2SP tlog-witness). No token: the checkpoint's signature
/// says who asks.
#[utoipa::path(post, operation_id = "add_checkpoint", path = "/api/v1/witness/add-checkpoint", tag = "log",
    security(()),
    request_body(content = String, content_type = "text/plain", description = "old size, proof, checkpoint"),
    responses((status = 200, description = "Cosignature lines.", content_type = "text/plain"), Witnessed))]
pub(super) async fn add_checkpoint(
    State(api): State<Api>,
    request: Request,
) -> Result<Response, Problem> {
    let body = Limited::new(request.into_body(), ADD_CHECKPOINT_BYTES_MAX).collect();
    let body = tokio::time::timeout(BODY_TIME, body).await;
    let body = body.map_err(|_| Problem::new(Code::Timeout, "the body did not arrive in time"))?;
    let body = body.map_err(|error| match error.is::<LengthLimitError>() {
        true => {
            let detail = format!("a request has at most {ADD_CHECKPOINT_BYTES_MAX} bytes");
            Problem::new(Code::TooLarge, detail)
        }
        false => Problem::new(Code::InvalidRequest, "the body broke off"),
    })?;
    let ports::WitnessReply { status, body } = api.witness.add_checkpoint(body.to_bytes()).await?;
    let text = |kind: &'static str, status: http::StatusCode| {
        Ok((status, [(header::CONTENT_TYPE, kind)], body.clone()).into_response())
    };
    match status {
        200 => text("text/plain; charset=utf-8", http::StatusCode::OK),
        // The protocol's own form, which tells a log where to go on.
        409 => text("text/x.tlog.size", http::StatusCode::CONFLICT),
        403 => Err(Problem::new(Code::Forbidden, body)),
        404 => Err(Problem::new(Code::NotFound, body)),
        422 => Err(Problem::new(Code::Inconsistent, body)),
        _ => Err(Problem::new(Code::InvalidRequest, body)),
    }
}

/// The checkpoint of another node's log that this node cosigned last (C2SP tlog-witness).
#[utoipa::path(get, operation_id = "witnessed_checkpoint", path = "/api/v1/witness/{origin}/checkpoint", tag = "log",
    security(()),
    params(("origin" = String, Path, description = "SHA-256 of the log's origin, lower-case hex")),
    responses((status = 200, description = "A signed note.", content_type = "text/plain"), Witnessed))]
pub(super) async fn witnessed(
    State(api): State<Api>,
    Segment(origin): Segment,
) -> Result<Response, Problem> {
    let none = || Problem::new(Code::NotFound, "the hash of an origin is 64 lower-case hex digits");
    let origin = origin.parse().map_err(|_| none())?;
    Ok(note(api.witness.witnessed(origin).await?))
}
