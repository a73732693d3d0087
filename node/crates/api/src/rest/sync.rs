//! The sync to MongoDB.

use axum::{Json, extract::State};
use lucid_core::access::Action;

use super::{Api, extract::Caller, guard, openapi::NodeReading};
use crate::{Problem, ports::SyncState};

/// How the sync to MongoDB goes: how far each collection is, and what went wrong last.
#[utoipa::path(get, operation_id = "sync_state", path = "/api/v1/admin/sync", tag = "admin",
    responses((status = 200, description = "How it goes.", body = SyncState), NodeReading))]
pub(super) async fn show(
    Caller(caller): Caller,
    State(api): State<Api>,
) -> Result<Json<SyncState>, Problem> {
    guard::may(&caller, Action::SeeNode)?;
    Ok(Json(api.sessions_data.sync().await?))
}
