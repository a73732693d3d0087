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

use super::{CLIENT, Caller, caller::passed_on};
use crate::{
    Code, Problem,
    gateway::ClientAddress,
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
    let client = request.extensions_mut().remove::<ClientAddress>();
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
    if let Some(address) = client.and_then(|ClientAddress(at)| at.to_string().parse().ok()) {
        request.headers_mut().insert(CLIENT, address);
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::routing::get;
    use tokio::net::TcpListener;
    use tokio_util::sync::CancellationToken;
    use tower::ServiceExt;

    use super::*;
    use crate::{
        internal::{ServiceKey, guarded},
        server::{SERVICE_WRITE_TIME, ServerOptions, serve},
    };

    async fn who(request: Request) -> String {
        let address = request.extensions().get::<ClientAddress>();
        address.map_or_else(|| "nobody".to_owned(), |ClientAddress(address)| address.to_string())
    }

    #[tokio::test]
    async fn where_a_request_comes_from_goes_on_and_what_it_says_of_that_does_not() {
        let (key, stop) = (ServiceKey::new(b"secret"), CancellationToken::new());
        let router = Router::new().route("/api/v1/x", get(who));
        let service = guarded(router, key.clone(), "api-server");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let options = ServerOptions {
            tls: None,
            connections_max: 8,
            grace: Duration::from_secs(1),
            write_time: SERVICE_WRITE_TIME,
        };
        tokio::spawn(serve(listener, service, options, stop.clone()));
        let proxy = proxy(Caller::new("api-gateway", "api-server", &url, key));
        for (address, said, expected) in [
            (Some("192.0.2.1"), None, "192.0.2.1"),
            (Some("2001:db8::1"), Some("192.0.2.9"), "2001:db8::1"),
            (None, Some("192.0.2.9"), "nobody"),
        ] {
            let mut request = Request::builder().uri("/api/v1/x");
            if let Some(said) = said {
                request = request.header(CLIENT, said);
            }
            let mut request = request.body(Body::empty()).unwrap();
            if let Some(address) = address {
                request.extensions_mut().insert(ClientAddress(address.parse().unwrap()));
            }
            let response = proxy.clone().oneshot(request).await.unwrap();
            let text = axum::body::to_bytes(response.into_body(), 100).await.unwrap();
            assert_eq!(text, expected, "{address:?} {said:?}");
        }
        stop.cancel();
    }
}
