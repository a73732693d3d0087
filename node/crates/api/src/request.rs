//! What every service does to every request: an id, a span, problems in full form, panics caught.

use std::{
    net::SocketAddr,
    pin::Pin,
    task::{self, Poll},
    time::{Duration, Instant},
};

use axum::{
    body::{Body, HttpBody},
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderName, HeaderValue, Method, StatusCode, Version, header};
use hyper::body::{Frame, SizeHint};
use tracing::Instrument;

use crate::{
    Code, Problem,
    metrics::{InFlight, Metrics},
    strict::{self, Framing},
};

/// The header with a request's id.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Bytes of a request's target and headers. The connection itself reads no more than 256 KiB of a head.
const HEAD_BYTES_MAX: usize = 32 << 10;
/// Most characters of an id that is taken over.
const ID_BYTES_MAX: usize = 64;

/// A request's id: in its log lines, its answer, and the problem it ends in.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

/// The connection's other end.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// What the layer needs.
#[derive(Clone)]
pub struct RequestLayer {
    /// The service's name, for logs and metrics.
    pub service: &'static str,
    /// Whether the id that comes with a request is taken over: behind the gateway.
    pub trusts_ids: bool,
    /// Where requests are counted.
    pub metrics: Metrics,
}

/// The layer.
pub async fn layer(State(of): State<RequestLayer>, mut request: Request, next: Next) -> Response {
    let start = Instant::now();
    let given = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let id = match given.filter(|id| of.trusts_ids && is_sane(id)) {
        Some(id) => id.to_owned(),
        None => new_id(),
    };
    request.extensions_mut().insert(RequestId(id.clone()));
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let route = route.unwrap_or_else(|| "unmatched".to_owned());
    // Never the query, a header or a body: there are tokens and ranges of private things in them.
    let span = tracing::info_span!("request", id, %method, route);
    let in_flight = of.metrics.begin_request(of.service);
    let closable = request.version() < Version::HTTP_2;
    let framing = Framing::default();
    let answer = async {
        let sound = match head_bytes(&request) {
            0..=HEAD_BYTES_MAX => strict::check(&request),
            bytes => {
                let detail =
                    format!("the head has {bytes} bytes; at most {HEAD_BYTES_MAX} are read");
                Err(Problem::new(Code::HeadersTooLarge, detail))
            }
        };
        match sound {
            Ok(()) => next.run(request.map(|body| framing.watch(body))).await,
            Err(problem) => {
                let mut response = problem.into_response();
                // What follows on the connection may be anybody's.
                if closable {
                    response
                        .headers_mut()
                        .insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                response
            }
        }
    };
    let answer = std::panic::AssertUnwindSafe(answer).catch_unwind();
    let mut response = answer.instrument(span.clone()).await.unwrap_or_else(|_| {
        span.in_scope(|| tracing::error!("a request panicked"));
        Problem::internal().into_response()
    });
    if let Some(problem) = framing.problem().filter(|_| !response.status().is_success()) {
        *response.status_mut() = problem.code.status();
        response.extensions_mut().insert(problem);
    }
    complete(&mut response, &id, &method);
    let (status, elapsed) = (response.status(), start.elapsed());
    of.metrics.request(of.service, &route, &method, status, elapsed);
    span.in_scope(|| log(status, elapsed, response.extensions().get::<Problem>()));
    // A download or an event stream is under way until its body is at its end.
    response.map(|body| {
        if body.is_end_stream() { body } else { Body::new(Counted { body, _in_flight: in_flight }) }
    })
}

/// A body whose request counts as under way while it lasts.
struct Counted {
    body: Body,
    _in_flight: InFlight,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Bytes of a request's target and headers.
fn head_bytes<B>(request: &http::Request<B>) -> usize {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let headers = request.headers().iter();
    target + headers.map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>()
}

fn log(status: StatusCode, elapsed: Duration, problem: Option<&Problem>) {
    let (status, ms) = (status.as_u16(), elapsed.as_secs_f64() * 1e3);
    match problem {
        Some(problem) if status >= 500 => {
            tracing::error!(status, ms, code = %problem.code, "failed");
        }
        Some(problem) => tracing::info!(status, ms, code = %problem.code, "refused"),
        None => tracing::debug!(status, ms, "answered"),
    }
}

/// Gives a problem its body, and every answer its id and the headers that keep browsers careful.
fn complete(response: &mut Response, id: &str, method: &Method) {
    if response.extensions().get::<Problem>().is_none() {
        // What the router says by itself has no code yet.
        let problem = match response.status() {
            StatusCode::NOT_FOUND if is_empty(response) => {
                Some(Problem::new(Code::NotFound, "there is no such resource"))
            }
            StatusCode::METHOD_NOT_ALLOWED => {
                Some(Problem::new(Code::MethodNotAllowed, "the resource has no such method"))
            }
            _ => None,
        };
        response.extensions_mut().extend(
            problem
                .map(|problem| {
                    let mut extensions = http::Extensions::new();
                    extensions.insert(problem);
                    extensions
                })
                .unwrap_or_default(),
        );
    }
    if let Some(problem) = response.extensions().get::<Problem>().cloned() {
        let body = problem.to_json(id);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        if matches!(problem.code, Code::TokenMissing | Code::TokenInvalid | Code::TokenExpired) {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = problem.code.retry_after() {
            headers.entry(header::RETRY_AFTER).or_insert(HeaderValue::from(seconds));
        }
        if *method != Method::HEAD {
            *response.body_mut() = Body::from(body);
        }
    }
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let nothing = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(nothing);
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

fn is_empty(response: &Response) -> bool {
    response.body().size_hint().exact() == Some(0)
}

fn is_sane(id: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || b"-_.".contains(&c);
    !id.is_empty() && id.len() <= ID_BYTES_MAX && id.bytes().all(allowed)
}

/// A random id. Without randomness a number that is at least this process's own.
fn new_id() -> String {
    static LAST: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let mut bytes = [0; 12];
    match getrandom::fill(&mut bytes) {
        Ok(()) => hex::encode(bytes),
        Err(_) => LAST.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_string(),
    }
}
