//! The gateway: the only way in from outside.
//!
//! Owns who is calling (the token), from where (the address, also behind trusted proxies), how often
//! (rates), how much of its answers may be unread (`held`), and from which pages (CORS). It decides nothing about what a caller may do.
//!
//! Invariants: a request reaches the API only through here; what a client says in headers about who it
//! is counts for nothing but its token; only resources of the API are reached, at one fixed place.

mod cors;
mod held;
mod limits;
mod token;

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use http::HeaderMap;
use ipnet::IpNet;

pub use self::limits::RateLimits;
use self::{held::Held, limits::Limiter, token::Tokens};
use crate::{Code, Problem, metrics::Metrics, ports::Authentication, request::Peer};

/// An answer that goes on is allowed to go on this often.
const ASKED_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// How the gateway is set up.
pub struct GatewayOptions {
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Origins whose pages may call.
    pub cors_origins: Vec<String>,
    /// How often anybody may call.
    pub limits: RateLimits,
}

/// What the layers work with.
struct Gateway {
    options: GatewayOptions,
    tokens: Tokens,
    limiter: Limiter,
    held: Arc<Held>,
    metrics: Metrics,
}

/// Where a request comes from: the client's address as far as it can be believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientAddress(pub IpAddr);

/// Puts the gateway before the API.
pub fn router(
    api: Router,
    authentication: Arc<dyn Authentication>,
    options: GatewayOptions,
    metrics: Metrics,
) -> Router {
    let gateway = Arc::new(Gateway {
        tokens: Tokens::new(authentication),
        limiter: Limiter::new(options.limits),
        held: Arc::default(),
        options,
        metrics,
    });
    // What is not there is asked for through the gateway, too.
    api.fallback(nothing).layer(middleware::from_fn_with_state(gateway, layer))
}

async fn nothing() -> Problem {
    Problem::new(Code::NotFound, "there is no such resource")
}

fn is_event_stream(response: &Response) -> bool {
    let kind = response.headers().get(http::header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// Ends an answer that goes on for ever when its token does: expired, revoked, or of another role now.
fn ends_with(response: Response, gateway: Arc<Gateway>, token: String) -> Response {
    let over = async move {
        let Ok(first) = gateway.tokens.principal(&token).await else { return };
        loop {
            tokio::time::sleep(ASKED_AGAIN_AFTER).await;
            match gateway.tokens.principal(&token).await {
                Ok(principal) if principal == first => {}
                // Not known is not revoked.
                Err(problem) if problem.code.status().is_server_error() => {}
                _ => return,
            }
        }
    };
    response.map(|body| Body::from_stream(body.into_data_stream().take_until(Box::pin(over))))
}

async fn layer(State(gateway): State<Arc<Gateway>>, mut request: Request, next: Next) -> Response {
    let client = client_address(&request, &gateway.options.trusted_proxies);
    let is_upload = crate::rest::is_upload(request.uri().path());
    let is_streamed = crate::rest::is_streamed(request.uri().path());
    let token = bearer(request.headers()).ok().flatten().map(str::to_owned);
    request.extensions_mut().insert(client);
    if let Some(answer) = cors::preflight(&request, &gateway.options.cors_origins) {
        return answer;
    }
    let origin = cors::allowed_origin(request.headers(), &gateway.options.cors_origins);
    let (mut response, rate) = match gateway.admit(&mut request, client).await {
        Ok(rate) => {
            let response = match gateway.held.room(client.0) {
                Ok(()) => next.run(request).await,
                Err(problem) => problem.into_response(),
            };
            // The answer's own body: what the layers around this one make of a problem is small.
            let response =
                if is_streamed { response } else { gateway.held.hold(client.0, response) };
            (response, Some(rate))
        }
        Err((problem, rate)) => (problem.into_response(), rate),
    };
    if let Some(rate) = rate {
        rate.write(response.headers_mut());
    }
    if is_upload {
        crate::rest::resumable(&mut response);
    }
    if let Some(token) = token.filter(|_| is_event_stream(&response)) {
        response = ends_with(response, Arc::clone(&gateway), token);
    }
    cors::write(response.headers_mut(), origin, &gateway.options.cors_origins);
    response
}

impl Gateway {
    /// Lets a request in: not too often, and with a token that is good where it has one. Whether it needs
    /// one, the API says.
    async fn admit(
        &self,
        request: &mut Request,
        ClientAddress(address): ClientAddress,
    ) -> Result<limits::Rate, (Problem, Option<limits::Rate>)> {
        let is_sign_in = request.uri().path().starts_with("/api/v1/auth/");
        let rate = self.limiter.address(address, is_sign_in).map_err(|(problem, rate)| {
            self.metrics.rate_limited();
            (problem, Some(rate))
        })?;
        // Where nobody needs a token, a stale one does no harm: a client that sends its token with
        // everything must be able to exchange it.
        if crate::rest::is_public(request.uri().path()) {
            return Ok(rate);
        }
        let Some(token) = bearer(request.headers()).map_err(|problem| (problem, Some(rate)))?
        else {
            return Ok(rate);
        };
        let principal = self.tokens.principal(token).await.map_err(|problem| {
            self.metrics.auth_failure(problem.code);
            (problem, Some(rate))
        })?;
        let rate = self.limiter.account(&principal.owner).map_err(|(problem, rate)| {
            self.metrics.rate_limited();
            (problem, Some(rate))
        })?;
        request.extensions_mut().insert(principal);
        Ok(rate)
    }
}

/// The token of an `Authorization` header (RFC 6750 §2.1).
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut all = headers.get_all(http::header::AUTHORIZATION).iter();
    let Some(first) = all.next() else { return Ok(None) };
    let invalid = || {
        let detail = "the Authorization header is not of the form: Bearer TOKEN";
        Problem::new(Code::TokenInvalid, detail)
    };
    if all.next().is_some() {
        return Err(invalid());
    }
    let text = first.to_str().map_err(|_| invalid())?;
    let (scheme, token) = text.split_once(' ').ok_or_else(invalid)?;
    match scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() {
        true => Ok(Some(token)),
        false => Err(invalid()),
    }
}

/// The address a request comes from: that of the connection, or, where it is a trusted proxy's, the
/// last address in `X-Forwarded-For` that is not. What stands further left anybody can have written.
fn client_address(request: &Request, trusted: &[IpNet]) -> ClientAddress {
    let peer = request.extensions().get::<Peer>();
    let peer = peer.map_or(IpAddr::from([0, 0, 0, 0]), |Peer(address)| address.ip().to_canonical());
    let is_trusted = |address: IpAddr| trusted.iter().any(|net| net.contains(&address));
    if !is_trusted(peer) {
        return ClientAddress(peer);
    }
    let lines = request.headers().get_all("x-forwarded-for").iter();
    let hops: Vec<&str> =
        lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(',')).collect();
    let mut client = peer;
    for hop in hops.into_iter().rev() {
        let Ok(address) = hop.trim().parse::<IpAddr>() else { break };
        client = address.to_canonical();
        if !is_trusted(client) {
            break;
        }
    }
    ClientAddress(client)
}

#[cfg(test)]
mod tests;
