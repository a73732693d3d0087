//! What is stored of a session and is no secret: its manifest, its sealed chunks.

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};
use lucid_core::{ChunkIndex, access::SessionAction};

use super::{
    Api,
    content::{CACHED, is_known},
    extract::{Caller, Id, Number},
    guard,
    openapi::Reading,
};
use crate::{Code, Problem};

/// A sealed session's manifest, exactly the bytes that the ledger's entry has the hash of.
#[utoipa::path(get, operation_id = "read_manifest", path = "/api/v1/sessions/{id}/manifest", tag = "proofs",
    params(("id" = String, Path, format = "uuid")),
    responses((status = 200, description = "RFC 8785 JSON.", content_type = "application/json",
            headers(("etag" = String, description = "Its hash"))),
        (status = 304, description = "The caller has it."), Reading))]
pub(super) async fn manifest(
    State(api): State<Api>,
    Caller(caller): Caller,
    Id(id): Id,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let session = guard::session(&api, &caller, id, SessionAction::See).await?;
    let etag = session.sealed.map(|sealed| format!("\"{}\"", sealed.manifest_hash));
    let etag = etag.unwrap_or_default();
    let cached = [(header::CACHE_CONTROL, CACHED.to_owned()), (header::ETAG, etag.clone())];
    if is_known(&headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, cached).into_response());
    }
    let manifest = api.sessions.manifest(id).await?;
    Ok((cached, [(header::CONTENT_TYPE, "application/json")], manifest).into_response())
}

/// A chunk file as it is stored: sealed.
#[utoipa::path(get, operation_id = "read_chunk", path = "/api/v1/sessions/{id}/chunks/{n}", tag = "proofs",
    params(("id" = String, Path, format = "uuid"), ("n" = u32, Path)),
    responses((status = 200, description = "The file.", content_type = "application/octet-stream"), Reading))]
pub(super) async fn chunk(
    State(api): State<Api>,
    Caller(caller): Caller,
    Id(id): Id,
    Number(number): Number,
) -> Result<Response, Problem> {
    let index = ChunkIndex(number);
    let session = guard::session(&api, &caller, id, SessionAction::See).await?;
    guard::is_kept(&session)?;
    // Only what was acknowledged: a file beyond that is nothing yet.
    let known = api.sessions.chunks(id, index, 1).await?.into_iter().next();
    let missing = || Problem::new(Code::NotFound, format!("the session has no chunk {index}"));
    let sealed = api.encryptor.sealed(id, known.ok_or_else(missing)?).await;
    let sealed = guard::lost_or_destroyed(&api, id, sealed).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, sealed.bytes.to_string()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{:08}.lck\"", index.0)),
    ];
    Ok((headers, Body::from_stream(sealed.content)).into_response())
}
