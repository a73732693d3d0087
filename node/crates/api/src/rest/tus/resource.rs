//! A session's upload resource.

use std::time::Duration;

use axum::{
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Method, StatusCode, header};
use lucid_core::{
    SessionId,
    access::{Principal, SessionAction},
    manifest::Manifest,
};

use super::{
    Override, TusResumable, UPLOAD_DEFER_LENGTH, UPLOAD_EXPIRES, UPLOAD_LENGTH, UPLOAD_OFFSET,
    answer, capabilities, check_version, headers, put,
};
use crate::{
    Code, Problem,
    ports::{BodyStream, Checksum, Session, SessionState, UploadJob, Uploaded},
    rest::{
        Api,
        extract::{Caller, Id},
        guard,
        openapi::{TusFilling, TusLooking, TusOverriding},
    },
};

/// A body that gives nothing for so long is over.
const BODY_IDLE: Duration = Duration::from_mins(1);
const MEDIA_TYPE: &str = "application/offset+octet-stream";

/// What the server can do.
#[utoipa::path(options, operation_id = "session_upload_capabilities", path = "/api/v1/sessions/{id}/upload", tag = "tus", security(()),
    params(("id" = String, Path)),
    responses((status = 204, description = "In headers.")))]
pub(in crate::rest) async fn options() -> Response {
    capabilities()
}

/// Where an upload is: Upload-Offset, durable.
#[utoipa::path(head, operation_id = "look_at_upload", path = "/api/v1/sessions/{id}/upload", tag = "tus",
    params(("id" = String, Path, format = "uuid"),
        ("tus-resumable" = inline(TusResumable), Header)),
    responses((status = 200, description = "Where it is.", headers(
            ("upload-offset" = u64, description = "Bytes that are durable"),
            ("upload-length" = Option<u64>, description = "Bytes of the whole, where that is known"),
            ("upload-defer-length" = Option<String>, description = "1 where it is not"),
            ("upload-expires" = Option<String>, description = "When it is closed unless more arrives"))),
        TusLooking))]
pub(in crate::rest) async fn head(
    State(api): State<Api>,
    Caller(caller): Caller,
    Id(id): Id,
    headers: HeaderMap,
) -> Response {
    answer(look(&api, &caller, id, &headers).await)
}

async fn look(
    api: &Api,
    caller: &Principal,
    id: SessionId,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    check_version(headers)?;
    let session = guard::session(api, caller, id, SessionAction::Fill).await?;
    let (offset, length, expires) = match (session.state, &session.upload, &session.sealed) {
        (SessionState::Open, Some(upload), _) => (upload.offset, upload.length, upload.expires_at),
        (SessionState::Sealed | SessionState::Anchored, _, Some(sealed)) => {
            whole(api, id).await?;
            (sealed.plain_bytes, Some(sealed.plain_bytes), None)
        }
        (SessionState::Open, None, _) => {
            let detail = "where the upload is cannot be read: its index is damaged";
            return Err(Problem::new(Code::Damaged, detail));
        }
        _ => return Err(gone()),
    };
    let mut response = StatusCode::OK.into_response();
    put(&mut response, UPLOAD_OFFSET, &offset);
    match length {
        Some(length) => put(&mut response, UPLOAD_LENGTH, &length),
        None => put(&mut response, UPLOAD_DEFER_LENGTH, &1),
    }
    if let Some(expires) = expires {
        put(&mut response, UPLOAD_EXPIRES, &headers::http_date(expires));
    }
    Ok(response)
}

/// Refuses an upload that was closed before it was whole: to a client that goes on with it, its end
/// would look like its own.
async fn whole(api: &Api, id: SessionId) -> Result<(), Problem> {
    let manifest = api.sessions.manifest(id).await?;
    let parsed = tokio::task::spawn_blocking(move || Manifest::parse(&manifest)).await;
    match parsed.map_err(|_| Problem::internal())? {
        Ok(manifest) if manifest.complete => Ok(()),
        Ok(_) => {
            let detail = "the upload expired, or was sealed as incomplete, before it was whole";
            Err(Problem::new(Code::Gone, detail))
        }
        Err(error) => {
            tracing::error!(session = %id, %error, "a manifest is damaged");
            let detail = "what is stored is not what was written; verify the session";
            Err(Problem::new(Code::Damaged, detail))
        }
    }
}

/// More of an upload. All of the body is durable when this is answered.
#[utoipa::path(patch, operation_id = "fill_upload", path = "/api/v1/sessions/{id}/upload", tag = "tus",
    params(("id" = String, Path, format = "uuid"),
        ("tus-resumable" = inline(TusResumable), Header),
        ("upload-offset" = u64, Header, description = "Where the body belongs"),
        ("upload-length" = Option<u64>, Header, maximum = 9_007_199_254_740_991_f64, description = "Where it was deferred"),
        ("upload-checksum" = Option<String>, Header, description = "sha1, sha256 or crc32c, and the digest in base64")),
    request_body(content_type = "application/offset+octet-stream"),
    responses((status = 204, description = "All of it is durable.", headers(
            ("upload-offset" = u64, description = "Where it is now"),
            ("upload-expires" = Option<String>, description = "When it is closed unless more arrives"))),
        TusFilling))]
pub(in crate::rest) async fn patch(
    State(api): State<Api>,
    Caller(caller): Caller,
    Id(id): Id,
    request: Request,
) -> Response {
    answer(fill(&api, &caller, id, request).await)
}

async fn fill(
    api: &Api,
    caller: &Principal,
    id: SessionId,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    check_version(&parts.headers)?;
    if !is_upload(&parts.headers) {
        let detail = format!("send Content-Type: {MEDIA_TYPE}");
        return Err(Problem::new(Code::MediaType, detail));
    }
    let offset = headers::number(&parts.headers, &UPLOAD_OFFSET)?;
    let offset = offset.ok_or_else(|| Problem::new(Code::InvalidRequest, "send Upload-Offset"))?;
    let checksum = headers::checksum(&parts.headers)?;
    let bytes = headers::number(&parts.headers, &header::CONTENT_LENGTH)?;
    let session = guard::session(api, caller, id, SessionAction::Fill).await?;
    let length = headers::number(&parts.headers, &UPLOAD_LENGTH)?;
    let uploaded = match finished(&session, offset, bytes) {
        // The last request once more, from a client that lost the answer.
        Some(offset) => {
            whole(api, id).await?;
            if length.is_some_and(|length| length != offset) {
                let detail = format!("the upload is {offset} bytes long: that cannot be changed");
                return Err(Problem::new(Code::Conflict, detail));
            }
            Uploaded { offset, session }
        }
        None => {
            if matches!(session.state, SessionState::Sealed | SessionState::Anchored) {
                whole(api, id).await?;
            }
            if let Some(length) = length {
                api.sessions.set_length(id, length).await?;
            }
            upload(api, id, offset, checksum, bytes, body).await?
        }
    };
    let mut response = StatusCode::NO_CONTENT.into_response();
    put(&mut response, UPLOAD_OFFSET, &uploaded.offset);
    if let Some(expires) = uploaded.session.upload.and_then(|upload| upload.expires_at) {
        put(&mut response, UPLOAD_EXPIRES, &headers::http_date(expires));
    }
    Ok(response)
}

/// The end of a sealed session, where an empty body is sent to it.
fn finished(session: &Session, offset: u64, body_bytes: Option<u64>) -> Option<u64> {
    let sealed = session.sealed.as_ref()?;
    let at_end = session.state != SessionState::Erased && sealed.plain_bytes == offset;
    (at_end && body_bytes == Some(0)).then_some(offset)
}

/// Hands a body to the chunker.
pub(super) async fn upload(
    api: &Api,
    session_id: SessionId,
    offset: u64,
    checksum: Option<Checksum>,
    body_bytes: Option<u64>,
    body: Body,
) -> Result<Uploaded, Problem> {
    let job = UploadJob { session_id, offset, body_bytes, checksum };
    guard::lost_or_destroyed(api, session_id, api.chunker.upload(job, pieces(body)).await).await
}

/// A body as it comes. It ends with an error where the client goes away or falls silent.
fn pieces(body: Body) -> BodyStream {
    let pieces = stream::unfold(Some(body.into_data_stream()), |body| async {
        let mut body = body?;
        match tokio::time::timeout(BODY_IDLE, body.next()).await {
            Ok(Some(Ok(piece))) => Some((Ok(piece), Some(body))),
            Ok(None) => None,
            Ok(Some(Err(error))) => {
                tracing::debug!(%error, "a body broke off");
                let detail =
                    "the body broke off; what arrived is kept: ask with HEAD where to go on";
                Some((Err(Problem::new(Code::Timeout, detail)), None))
            }
            Err(_) => {
                let detail = "nothing arrived for a while; what did is kept: go on where HEAD says";
                Some((Err(Problem::new(Code::Timeout, detail)), None))
            }
        }
    });
    pieces.boxed()
}

/// Whether the body is a part of an upload.
pub(super) fn is_upload(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == MEDIA_TYPE)
}

/// Give an upload up: voids the session.
#[utoipa::path(delete, operation_id = "terminate_upload", path = "/api/v1/sessions/{id}/upload", tag = "tus",
    params(("id" = String, Path, format = "uuid"),
        ("tus-resumable" = inline(TusResumable), Header)),
    responses((status = 204, description = "It is gone."), TusFilling))]
pub(in crate::rest) async fn terminate(
    State(api): State<Api>,
    Caller(caller): Caller,
    Id(id): Id,
    headers: HeaderMap,
) -> Response {
    answer(end(&api, &caller, id, &headers).await)
}

async fn end(
    api: &Api,
    caller: &Principal,
    id: SessionId,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    check_version(headers)?;
    guard::session(api, caller, id, SessionAction::End).await?;
    api.sessions.void(id, "terminated by its uploader".to_owned()).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// PATCH or DELETE for clients that can only POST: X-HTTP-Method-Override.
#[utoipa::path(post, operation_id = "override_upload_method", path = "/api/v1/sessions/{id}/upload", tag = "tus",
    params(("id" = String, Path, format = "uuid"),
        ("x-http-method-override" = inline(Override), Header),
        ("tus-resumable" = inline(TusResumable), Header),
        ("upload-offset" = Option<u64>, Header, description = "As PATCH"),
        ("upload-length" = Option<u64>, Header, maximum = 9_007_199_254_740_991_f64, description = "As PATCH"),
        ("upload-checksum" = Option<String>, Header, description = "As PATCH")),
    request_body(content_type = "application/offset+octet-stream"),
    responses((status = 204, description = "As the other method.", headers(
            ("upload-offset" = Option<u64>, description = "Where it is now"))), TusOverriding))]
pub(in crate::rest) async fn override_method(
    State(api): State<Api>,
    Caller(caller): Caller,
    Id(id): Id,
    request: Request,
) -> Response {
    let method = request.headers().get("x-http-method-override");
    let method = method.and_then(|method| Method::from_bytes(method.as_bytes()).ok());
    answer(match method {
        Some(Method::PATCH) => fill(&api, &caller, id, request).await,
        Some(Method::DELETE) => end(&api, &caller, id, request.headers()).await,
        Some(Method::HEAD) => look(&api, &caller, id, request.headers()).await,
        _ => {
            let detail = "POST goes with X-HTTP-Method-Override: PATCH or DELETE";
            Err(Problem::new(Code::MethodNotAllowed, detail))
        }
    })
}

fn gone() -> Problem {
    Problem::new(Code::Gone, "the session was voided or erased")
}
