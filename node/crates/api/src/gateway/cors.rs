//! Calls from pages of other origins: none, unless their origin is configured.

use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
/// What a page may send beside the simple headers: tokens, JSON, tus.
const HEADERS: &str = "authorization, content-type, range, if-range, if-match, if-none-match, tus-resumable, \
    upload-length, upload-defer-length, upload-offset, upload-metadata, upload-checksum, \
    x-http-method-override";
/// What a page may see of an answer.
const EXPOSED: &str = "location, tus-resumable, tus-version, tus-extension, tus-max-size, \
    tus-checksum-algorithm, content-disposition, upload-offset, upload-length, upload-expires, upload-metadata, upload-defer-length, \
    content-range, accept-ranges, etag, retry-after, ratelimit, ratelimit-policy, x-request-id";

/// The origin of a request, where its pages may call.
pub(super) fn allowed_origin(headers: &HeaderMap, origins: &[String]) -> Option<HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()).then(|| origin.clone())
}

/// The answer to a preflight of a page that may call. Others go on, and are answered as if there were no
/// pages.
pub(super) fn preflight(request: &Request, origins: &[String]) -> Option<Response> {
    let headers = request.headers();
    let asks = *request.method() == Method::OPTIONS
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let origin = allowed_origin(headers, origins).filter(|_| asks)?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    let answer = response.headers_mut();
    answer.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
    answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(HEADERS));
    answer.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    write(answer, Some(origin), origins);
    Some(response)
}

/// Tells a browser that the page may see the answer, and a cache that another page may not.
pub(super) fn write(headers: &mut HeaderMap, origin: Option<HeaderValue>, origins: &[String]) {
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
    if !origins.is_empty() {
        headers.append(header::VARY, HeaderValue::from_static("origin"));
    }
}
