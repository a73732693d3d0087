//! Creating an upload: minting a session.

use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use lucid_core::access::Action;

use super::{
    Deferred, TusResumable, UPLOAD_EXPIRES, UPLOAD_OFFSET, answer, capabilities, check_version,
    headers, put, resource,
};
use crate::{
    Code, Problem,
    ports::NewSession,
    rest::{Api, extract::Caller, guard, openapi::TusCreating, views::upload_url},
};

/// What the server can do.
#[utoipa::path(options, operation_id = "upload_capabilities", path = "/api/v1/uploads", tag = "tus", security(()),
    responses((status = 204, description = "In headers.")))]
pub(in crate::rest) async fn options() -> Response {
    capabilities()
}

/// Create an upload: mints a session. A body of `application/offset+octet-stream` is its beginning.
#[utoipa::path(post, operation_id = "create_upload", path = "/api/v1/uploads", tag = "tus",
    params(
        ("tus-resumable" = inline(TusResumable), Header),
        ("upload-length" = Option<u64>, Header, maximum = 9_007_199_254_740_991_f64),
        ("upload-defer-length" = inline(Option<Deferred>), Header),
        ("upload-metadata" = Option<String>, Header, description = "filetype becomes the media type")),
    request_body(content_type = "application/offset+octet-stream"),
    responses((status = 201, description = "Created.", headers(
            ("location" = String, description = "The upload"),
            ("upload-offset" = Option<u64>, description = "With a body: how much of it was taken"),
            ("upload-expires" = Option<String>, description = "When it is closed unless more arrives"))),
        TusCreating))]
pub(in crate::rest) async fn create(
    State(api): State<Api>,
    Caller(caller): Caller,
    request: Request,
) -> Response {
    answer(run(api, caller, request).await)
}

async fn run(
    api: Api,
    caller: lucid_core::access::Principal,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    check_version(&parts.headers)?;
    guard::may(&caller, Action::MintSession)?;
    let length = headers::new_length(&parts.headers)?;
    let media_type = headers::media_type(&parts.headers)?;
    let checksum = headers::checksum(&parts.headers)?;
    // An upload of no bytes is whole as it is.
    let fills = resource::is_upload(&parts.headers) || length == Some(0);
    let bytes = headers::number(&parts.headers, &header::CONTENT_LENGTH)?;
    if let (true, Some(length), Some(bytes)) = (fills, length, bytes)
        && bytes > length
    {
        let detail = format!("the body has {bytes} bytes, and Upload-Length says {length}");
        return Err(Problem::new(Code::TooLarge, detail));
    }
    let new = NewSession { owner: caller.owner, media_type, length };
    let mut session = api.sessions.mint(new).await?;
    let id = session.session_id;
    let mut offset = None;
    if fills {
        let uploaded = resource::upload(&api, id, 0, checksum, bytes, body).await;
        match uploaded {
            Ok(uploaded) => (session, offset) = (uploaded.session, Some(uploaded.offset)),
            // It was created all the same, and is where it is.
            Err(problem) => {
                tracing::info!(session = %id, %problem, "an upload's beginning broke off");
                session = api.sessions.session(id).await?;
                offset = session.upload.as_ref().map(|upload| upload.offset);
            }
        }
    }
    let mut response = StatusCode::CREATED.into_response();
    put(&mut response, header::LOCATION, &upload_url(id));
    if let Some(expires) = session.upload.and_then(|upload| upload.expires_at) {
        put(&mut response, UPLOAD_EXPIRES, &headers::http_date(expires));
    }
    if let Some(offset) = offset {
        put(&mut response, UPLOAD_OFFSET, &offset);
    }
    Ok(response)
}
