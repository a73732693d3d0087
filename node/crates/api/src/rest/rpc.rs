//! Ethereum JSON-RPC, as it comes: what is in a text is the chain's to say.

use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::{
    extract::{Asking, BODY_TIME},
    guard::OpenChain,
    openapi::RpcCalling,
};
use crate::{Code, Problem, ports::RPC_BYTES_MAX};

/// Ethereum JSON-RPC 2.0: a call or a batch of at most 100. What is wrong with a call is said in the
/// answer, with the codes that clients know.
#[utoipa::path(post, operation_id = "rpc", path = "/api/v1/rpc", tag = "chain",
    request_body(content = serde_json::Value, description = "JSON-RPC 2.0"),
    responses((status = 200, description = "JSON-RPC 2.0.", body = serde_json::Value),
        (status = 204, description = "There were only notifications."), RpcCalling))]
pub(super) async fn rpc(
    OpenChain(chain): OpenChain,
    Asking(asker): Asking,
    request: Request,
) -> Result<Response, Problem> {
    let media = request.headers().get(header::CONTENT_TYPE);
    let media = media.and_then(|media| media.to_str().ok()).unwrap_or_default();
    if media.split(';').next().is_none_or(|kind| kind.trim() != "application/json") {
        return Err(Problem::new(Code::MediaType, "JSON-RPC is sent as application/json"));
    }
    let body = Limited::new(request.into_body(), RPC_BYTES_MAX).collect();
    let body = tokio::time::timeout(BODY_TIME, body).await;
    let body =
        body.map_err(|_| Problem::new(Code::Timeout, "the request did not arrive in time"))?;
    let body = body.map_err(|error| match error.is::<LengthLimitError>() {
        true => Problem::new(Code::TooLarge, format!("a text has at most {RPC_BYTES_MAX} bytes")),
        false => Problem::new(Code::InvalidRequest, "the body broke off"),
    })?;
    Ok(match chain.rpc(asker, body.to_bytes()).await? {
        Some(answer) => ([(header::CONTENT_TYPE, "application/json")], answer).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}
