//! tus 1.0 (<https://tus.io/protocols/resumable-upload>): core, creation, creation-with-upload,
//! creation-defer-length, checksum, expiration, termination.
//!
//! A session's upload resource is `/api/v1/sessions/{id}/upload`; `POST /api/v1/uploads` mints the
//! session and gives that as `Location`. The offset that HEAD answers is durable. An upload whose length
//! is reached is sealed by itself, and HEAD still answers its offset, so that a client that lost the last
//! answer learns that it is done; one that was closed before it was whole is gone. Termination gives the
//! session up.

pub(super) mod create;
mod headers;
pub(super) mod resource;

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use utoipa::ToSchema;

use crate::{Code, Problem};

pub(super) const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
pub(super) const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
pub(super) const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
pub(super) const UPLOAD_DEFER_LENGTH: HeaderName = HeaderName::from_static("upload-defer-length");
pub(super) const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
pub(super) const UPLOAD_CHECKSUM: HeaderName = HeaderName::from_static("upload-checksum");
pub(super) const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");

/// The protocol's version, in the API's description.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
enum TusResumable {
    #[schema(rename = "1.0.0")]
    V1,
}

/// That the length is not known yet, in the API's description.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
enum Deferred {
    #[schema(rename = "1")]
    Yes,
}

/// The method that a POST stands for, in the API's description.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
enum Override {
    #[schema(rename = "PATCH")]
    Patch,
    #[schema(rename = "DELETE")]
    Delete,
}

const VERSION: &str = "1.0.0";
const EXTENSIONS: &str =
    "creation,creation-with-upload,creation-defer-length,checksum,expiration,termination";
const ALGORITHMS: &str = "sha1,sha256,crc32c";
/// The most a session's length can say (RFC 8785 integers).
const SIZE_MAX: &str = "9007199254740991";

/// What OPTIONS answers; it needs no version.
fn capabilities() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        ("tus-version", VERSION),
        ("tus-extension", EXTENSIONS),
        ("tus-checksum-algorithm", ALGORITHMS),
        ("tus-max-size", SIZE_MAX),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    resumable(&mut response);
    response
}

/// Refuses another version of the protocol.
fn check_version(headers: &HeaderMap) -> Result<(), Problem> {
    let mut versions = headers.get_all(TUS_RESUMABLE).iter().peekable();
    match versions.peek().is_some() && versions.all(|version| version == VERSION) {
        true => Ok(()),
        false => Err(Problem::new(Code::TusVersion, "send Tus-Resumable: 1.0.0")),
    }
}

/// Whether a path is a resource of the protocol.
pub(crate) fn is_upload(path: &str) -> bool {
    let of_session = |path: &str| path.ends_with("/upload");
    path == "/api/v1/uploads" || path.strip_prefix("/api/v1/sessions/").is_some_and(of_session)
}

/// Makes an answer one of the protocol; that of the gateway, too.
pub(crate) fn resumable(response: &mut Response) {
    response.headers_mut().insert(TUS_RESUMABLE, HeaderValue::from_static(VERSION));
    if response.status() == StatusCode::PRECONDITION_FAILED {
        let name = HeaderName::from_static("tus-version");
        response.headers_mut().insert(name, HeaderValue::from_static(VERSION));
    }
}

/// Puts a header in.
fn put(response: &mut Response, name: HeaderName, value: &impl ToString) {
    if let Ok(value) = HeaderValue::from_str(&value.to_string()) {
        response.headers_mut().insert(name, value);
    }
}

/// Problems of the protocol carry its version too.
fn answer(result: Result<Response, Problem>) -> Response {
    let mut response = result.into_response();
    resumable(&mut response);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
