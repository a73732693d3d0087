//! Finding sessions: by hash, and how many there are.

use axum::{Json, extract::State};
use lucid_core::{HashPrefix, Owner};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Api,
    accounts::page_limit,
    extract::{Caller, Params},
    guard,
    openapi::Seeing,
};
use crate::{
    Code, Problem,
    ports::{Match, MatchKind, SealedOnDay, Search, Statistics},
};

/// What is searched for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SearchParams {
    /// The hash in lower-case hex, or at least its first 8 digits.
    #[param(pattern = "^[0-9a-f]{8,64}$")]
    hash: String,
    /// Begin after this match: what `next` of the page before is.
    after: Option<String>,
    /// At most so many; 50 where it is left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// What a hash is of.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = MatchKind)]
pub(super) enum KindView {
    MerkleRoot,
    ManifestHash,
    PolicyHash,
    ChunkRoot,
    Entry,
}

impl From<MatchKind> for KindView {
    fn from(kind: MatchKind) -> Self {
        match kind {
            MatchKind::MerkleRoot => Self::MerkleRoot,
            MatchKind::ManifestHash => Self::ManifestHash,
            MatchKind::PolicyHash => Self::PolicyHash,
            MatchKind::ChunkRoot => Self::ChunkRoot,
            MatchKind::Entry => Self::Entry,
        }
    }
}

/// Something that has the hash.
#[derive(Serialize, ToSchema)]
#[schema(as = Match)]
pub(super) struct MatchView {
    kind: KindView,
    /// The hash, whole, hex.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    hash: String,
    /// Of which session.
    #[schema(format = "uuid")]
    session_id: String,
    /// Of which of its chunks, where it is one's.
    #[serde(skip_serializing_if = "Option::is_none")]
    chunk: Option<u32>,
    /// Place of the log's entry that says so; of a chunk, of the entry that its session was sealed with.
    log_index: u64,
}

impl From<Match> for MatchView {
    fn from(found: Match) -> Self {
        let Match { hash, kind, session_id, chunk, log_index } = found;
        let (hash, session_id) = (hash.to_string(), session_id.to_string());
        Self { kind: kind.into(), hash, session_id, chunk, log_index }
    }
}

/// Everything that has the hash, in the order of hashes.
#[derive(Serialize, ToSchema)]
pub(super) struct SearchPage {
    matches: Vec<MatchView>,
    /// Where the next page begins, where there may be one.
    next: Option<String>,
    /// Whether all chunks of all sealed sessions were searched. Where it is false, chunks of some are still
    /// to be read, or cannot be.
    complete: bool,
}

/// Everything that has a hash, in sessions the caller may see.
#[utoipa::path(get, operation_id = "search", path = "/api/v1/search", tag = "sessions", params(SearchParams),
    responses((status = 200, description = "Matches.", body = SearchPage), Seeing))]
pub(super) async fn search(
    State(api): State<Api>,
    Caller(caller): Caller,
    Params(SearchParams { hash, after, limit }): Params<SearchParams>,
) -> Result<Json<SearchPage>, Problem> {
    let limit = page_limit(limit)?;
    let hash: HashPrefix = hash.parse().map_err(|error| invalid(&error))?;
    let after: Option<Match> = match after {
        None => None,
        Some(after) => Some(after.parse().map_err(|_| not_a_cursor())?),
    };
    if after.is_some_and(|after| !hash.takes(&after.hash)) {
        return Err(not_a_cursor());
    }
    let owner = guard::whose(&caller, None).owner(&caller)?;
    let found = api.sessions_data.search(Search { hash, owner, after, limit }).await?;
    let full = found.matches.len() == limit as usize;
    let next = found.matches.last().filter(|_| full).map(ToString::to_string);
    let matches = found.matches.into_iter().map(MatchView::from).collect();
    Ok(Json(SearchPage { matches, next, complete: found.complete }))
}

fn not_a_cursor() -> Problem {
    Problem::new(Code::InvalidRequest, "after is no match of this search: give it what next was")
}

fn invalid(error: &impl ToString) -> Problem {
    Problem::new(Code::InvalidRequest, error.to_string())
}

/// Whose sessions are counted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct StatisticsParams {
    /// Only this owner's; who may not see others' sessions may ask for its own only.
    owner: Option<String>,
}

/// Sums over sessions.
#[derive(Serialize, ToSchema)]
#[schema(as = Statistics)]
pub(super) struct StatisticsView {
    sessions: CountsView,
    /// Chunks of sealed sessions.
    chunks: u64,
    /// Plaintext bytes of sealed sessions.
    plain_bytes: u64,
    /// Bytes of the chunk files of sealed sessions.
    stored_bytes: u64,
    /// Whether all sealed sessions are in `stored_bytes`. Where it is false, chunks of some are still to be
    /// read, or cannot be.
    complete: bool,
    /// Sessions that were sealed on each of the last 30 days by UTC, the last one today; those that were
    /// erased since are counted too.
    sealed_by_day: Vec<DayView>,
}

/// How many sessions are in each state.
#[derive(Serialize, ToSchema)]
#[schema(as = SessionCounts)]
pub(super) struct CountsView {
    open: u64,
    sealed: u64,
    voided: u64,
    erased: u64,
}

/// Sessions that were sealed on a day.
#[derive(Serialize, ToSchema)]
#[schema(as = SealedOnDay)]
pub(super) struct DayView {
    #[schema(format = "date")]
    day: String,
    sealed: u64,
}

impl From<SealedOnDay> for DayView {
    fn from(SealedOnDay { day, sealed }: SealedOnDay) -> Self {
        // A time's text begins with its date, and has no other form.
        Self { day: day.to_string().chars().take("2026-01-31".len()).collect(), sealed }
    }
}

impl From<Statistics> for StatisticsView {
    fn from(of: Statistics) -> Self {
        let Statistics { open, sealed, voided, erased, chunks, plain_bytes, stored_bytes, .. } = of;
        Self {
            sessions: CountsView { open, sealed, voided, erased },
            chunks,
            plain_bytes,
            stored_bytes,
            complete: of.complete,
            sealed_by_day: of.sealed_by_day.into_iter().map(DayView::from).collect(),
        }
    }
}

/// Sums over the sessions the caller may see.
#[utoipa::path(get, operation_id = "statistics", path = "/api/v1/statistics", tag = "sessions",
    params(StatisticsParams),
    responses((status = 200, description = "Sums.", body = StatisticsView), Seeing))]
pub(super) async fn statistics(
    State(api): State<Api>,
    Caller(caller): Caller,
    Params(StatisticsParams { owner }): Params<StatisticsParams>,
) -> Result<Json<StatisticsView>, Problem> {
    let malformed = |_| Problem::new(Code::InvalidRequest, "owner is malformed");
    let asked = owner.map(|owner| owner.parse::<Owner>().map_err(malformed)).transpose()?;
    let owner = guard::whose(&caller, asked).owner(&caller)?;
    Ok(Json(api.sessions_data.statistics(owner).await?.into()))
}
