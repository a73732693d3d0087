//! The called end.

use std::future::Future;

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderMap, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::Bytes;
use lucid_core::access::Principal;
use serde::{Serialize, de::DeserializeOwned};

use super::{CALL, CLIENT, PING, REFUSED, ServiceKey};
use crate::{Code, Problem, gateway::ClientAddress};

/// The service that calls, as its token says.
#[derive(Clone, Debug)]
pub struct CallingService(pub String);

/// A service's router: only other services of the node are let in, and each may ask whether it would be.
pub fn guarded(router: Router, key: ServiceKey, service: &'static str) -> Router {
    router
        .route(&format!("/internal/v1/{PING}"), post(|| async { Json(()) }))
        .layer(middleware::from_fn_with_state((key, service), guard))
}

/// Lets in who has a token for this service, and says who it is and for whom it speaks. What another put
/// into the request about that is taken out.
async fn guard(
    State((key, service)): State<(ServiceKey, &'static str)>,
    mut request: Request,
    next: Next,
) -> Response {
    request.extensions_mut().remove::<Principal>();
    request.extensions_mut().remove::<CallingService>();
    request.extensions_mut().remove::<ClientAddress>();
    let token = request.headers().get(header::AUTHORIZATION);
    let token =
        token.and_then(|token| token.to_str().ok()).and_then(|token| token.strip_prefix("Bearer "));
    let refuse = |problem: Problem| ([(REFUSED, "1")], problem).into_response();
    let Some(token) = token else {
        let detail = "only services of this node are answered here";
        return refuse(Problem::new(Code::TokenMissing, detail));
    };
    match key.read_whole(token, service) {
        Ok((caller, principal)) => {
            request.extensions_mut().insert(CallingService(caller));
            if let Some(principal) = principal {
                request.extensions_mut().insert(principal);
            }
            let client = request.headers().get(CLIENT).and_then(|client| client.to_str().ok());
            if let Some(client) = client.and_then(|client| client.parse().ok()) {
                request.extensions_mut().insert(ClientAddress(client));
            }
            next.run(request).await
        }
        Err(problem) => refuse(problem),
    }
}

/// Reads a call's JSON arguments, makes it, and answers JSON.
pub async fn method<A, R, F>(body: Bytes, call: impl FnOnce(A) -> F) -> Response
where
    A: DeserializeOwned,
    R: Serialize,
    F: Future<Output = Result<R, Problem>>,
{
    match serde_json::from_slice(&body) {
        Ok(arguments) => answer(call(arguments).await.map(Json)),
        Err(_) => malformed().into_response(),
    }
}

/// An answer or a problem.
pub fn answer<R: IntoResponse>(result: Result<R, Problem>) -> Response {
    result.into_response()
}

/// The arguments in a call's header.
pub(super) fn arguments<A: DeserializeOwned>(headers: &HeaderMap) -> Result<A, Problem> {
    let text = headers.get(CALL).ok_or_else(malformed)?;
    serde_json::from_slice(text.as_bytes()).map_err(|_| malformed())
}

/// JSON arguments, where what is answered is not JSON.
pub(super) fn parsed<A: DeserializeOwned>(body: &Bytes) -> Result<A, Problem> {
    serde_json::from_slice(body).map_err(|_| malformed())
}

fn malformed() -> Problem {
    Problem::new(
        Code::InvalidRequest,
        "the call's arguments are malformed: are services of one version?",
    )
}
