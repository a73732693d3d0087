//! What handlers take in: strictly read, and refused as problems.

use std::time::Duration;

use axum::{
    RequestPartsExt,
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
};
use http::{header, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use lucid_core::{SessionId, access::Principal};
use serde::de::DeserializeOwned;

use crate::{Code, Problem};

/// Bytes of a body that is no upload.
const BODY_BYTES_MAX: usize = 1 << 20;
/// It arrives in this time.
const BODY_TIME: Duration = Duration::from_secs(30);

/// Who calls.
pub(super) struct Caller(pub(super) Principal);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let missing =
            || Problem::new(Code::TokenMissing, "sign in, and send: Authorization: Bearer TOKEN");
        parts.extensions.get().cloned().map(Self).ok_or_else(missing)
    }
}

/// A session in the path.
pub(super) struct Id(pub(super) SessionId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let path: Path<Vec<(String, String)>> = parts.extract().await.map_err(|_| malformed())?;
        let id = path.0.iter().find(|(name, _)| name == "id").map(|(_, id)| id);
        let id = id.and_then(|id| id.parse().ok());
        id.map(Self).ok_or_else(|| {
            Problem::new(
                Code::InvalidRequest,
                "a session's id is a UUID of version 4, in lower case",
            )
        })
    }
}

fn malformed() -> Problem {
    Problem::new(Code::InvalidRequest, "the path is malformed")
}

/// Query parameters. Unknown ones are refused.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        let Query(params) = query.map_err(|error| {
            Problem::new(Code::InvalidRequest, format!("the query: {}", error.body_text()))
        })?;
        Ok(Self(params))
    }
}

/// A JSON body. Unknown fields are refused; an empty body is an empty object.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE).cloned();
        let body = Limited::new(request.into_body(), BODY_BYTES_MAX).collect();
        let collected = tokio::time::timeout(BODY_TIME, body).await;
        let collected = collected
            .map_err(|_| Problem::new(Code::Timeout, "the body did not arrive in time"))?
            .map_err(|error| match error.is::<LengthLimitError>() {
                true => Problem::new(Code::TooLarge, "a body has at most 1 MiB"),
                false => Problem::new(Code::InvalidRequest, "the body broke off"),
            })?;
        let bytes = collected.to_bytes();
        if bytes.is_empty() {
            let read = serde_json::from_slice(b"{}");
            return read.map(Self).map_err(|error| refused(&error));
        }
        let kind = kind.as_ref().and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            return Err(Problem::new(
                Code::MediaType,
                "send JSON, with Content-Type: application/json",
            ));
        }
        serde_json::from_slice(&bytes).map(Self).map_err(|error| refused(&error))
    }
}

/// Where it is malformed, and how; not what it holds, which may be a signature or a token.
fn refused(error: &serde_json::Error) -> Problem {
    let (line, column) = (error.line(), error.column());
    let why = match error.classify() {
        serde_json::error::Category::Data => named(&error.to_string()),
        serde_json::error::Category::Eof => "it ends early".to_owned(),
        _ => "it is no JSON".to_owned(),
    };
    Problem::new(Code::InvalidRequest, format!("the body, line {line}, column {column}: {why}"))
}

/// serde's message where it names fields only; values it repeats are left out.
fn named(message: &str) -> String {
    let known = ["unknown field", "missing field", "duplicate field"];
    match known.iter().any(|known| message.starts_with(known)) {
        true => message.split(" at line").next().unwrap_or_default().to_owned(),
        false => "a field is not of the type it should be".to_owned(),
    }
}
