//! The gateway's way to the api-server: one fixed place, nothing else.
//!
//! The path goes on as it is; headers that are about the connection, about who calls, or a proxy's own
//! stay here (RFC 9110 §7.6.1). Who calls is said by the service's token.

use axum::{
    Router,
    body::{Body, HttpBody},
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, Version, header};
use lucid_core::access::Principal;

use super::{Caller, caller::passed_on};
use crate::{
    Code, Problem,
    request::{REQUEST_ID, RequestId},
};

/// Headers of one connection.
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

/// What stays here: who calls is said by the token, and each connection has its own host.
const NOT_PASSED_ON: [HeaderName; 5] =
    [header::AUTHORIZATION, header::HOST, header::COOKIE, header::FORWARDED, header::EXPECT];

/// Everything that goes to the api-server.
pub fn proxy(upstream: Caller) -> Router {
    Router::new()
        .route("/api/v1/{*rest}", axum::routing::any(forward))
        .route("/openapi.json", axum::routing::get(forward))
        .route("/docs", axum::routing::get(forward))
        .route("/rpc", axum::routing::post(forward))
        .with_state(upstream)
}

async fn forward(State(upstream): State<Caller>, request: Request) -> Response {
    match run(&upstream, request).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn run(upstream: &Caller, mut request: Request) -> Result<Response, Problem> {
    let path = request.uri().path_and_query().map(|path| path.as_str().to_owned());
    let path = path.filter(|path| path.starts_with('/'));
    let path = path.ok_or_else(|| Problem::new(Code::InvalidRequest, "the path is malformed"))?;
    let principal = request.extensions_mut().remove::<Principal>();
    let id = request.extensions_mut().remove::<RequestId>();
    strip(request.headers_mut());
    for name in NOT_PASSED_ON {
        request.headers_mut().remove(name);
    }
    let foreign: Vec<HeaderName> = request
        .headers()
        .keys()
        .filter(|name| {
            name.as_str().starts_with("x-forwarded") || name.as_str().starts_with("lucid-")
        })
        .cloned()
        .collect();
    for name in foreign {
        request.headers_mut().remove(name);
    }
    if let Some(id) = id.and_then(|RequestId(id)| id.parse().ok()) {
        request.headers_mut().insert(REQUEST_ID, id);
    }
    *request.extensions_mut() = http::Extensions::new();
    *request.version_mut() = Version::HTTP_11;
    let request = request.map(|body| match body.size_hint().exact() {
        Some(0) => body,
        // Its length, where it is known, is in the headers.
        _ => passed_on(body.into_data_stream()),
    });
    let token = upstream.token(principal.as_ref());
    let mut response = upstream.forward(request, &path, token).await?.map(Body::new);
    strip(response.headers_mut());
    Ok(response)
}

/// Takes out what is about one connection, named or listed in `Connection`.
fn strip(headers: &mut HeaderMap) {
    let listed: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in HOP_BY_HOP.iter().chain(&listed) {
        headers.remove(name);
    }
}
