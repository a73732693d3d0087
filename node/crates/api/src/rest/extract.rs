//! What handlers take in: strictly read, and refused as problems.

use std::{convert::Infallible, error::Error as _, net::Ipv4Addr, time::Duration};

use axum::{
    RequestPartsExt,
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
};
use http::{header, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use lucid_core::{Owner, SessionId, access::Principal};
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::{Code, Problem, gateway::ClientAddress, ports::Asker};

/// Bytes of a body that is no upload.
const BODY_BYTES_MAX: usize = 1 << 20;
/// It arrives in this time.
pub(super) const BODY_TIME: Duration = Duration::from_secs(30);

/// Who calls.
pub(super) struct Caller(pub(super) Principal);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get().cloned().map(Self).ok_or_else(missing_token)
    }
}

/// Whose turn a question takes: who signed in, or else the address that it comes from.
pub(super) struct Asking(pub(super) Asker);

impl<S: Sync> FromRequestParts<S> for Asking {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let principal = parts.extensions.get::<Principal>();
        let address = || parts.extensions.get::<ClientAddress>().map(|ClientAddress(at)| *at);
        Ok(Self(match principal {
            Some(principal) => Asker::account(&principal.owner),
            // Nobody comes past the gateway, which says where everybody comes from.
            None => Asker::at(address().unwrap_or(Ipv4Addr::UNSPECIFIED.into())),
        }))
    }
}

/// That the caller has not said who it is.
pub(super) fn missing_token() -> Problem {
    Problem::new(Code::TokenMissing, "sign in, and send: Authorization: Bearer TOKEN")
}

/// A session in the path.
pub(super) struct Id(pub(super) SessionId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        in_path(parts, "id").await?.parse().map(Self).map_err(|_| {
            let detail = "a session's id is a UUID of version 4, in lower case";
            Problem::new(Code::InvalidRequest, detail)
        })
    }
}

/// A chunk's number in the path.
pub(super) struct Number(pub(super) u32);

impl<S: Send + Sync> FromRequestParts<S> for Number {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let text = in_path(parts, "n").await?;
        let number = text.bytes().all(|c| c.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        number.map(Self).ok_or_else(|| {
            Problem::new(Code::InvalidRequest, "a chunk's number is a number from 0 on")
        })
    }
}

/// An account's address in the path.
pub(super) struct Address(pub(super) Owner);

impl<S: Send + Sync> FromRequestParts<S> for Address {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let text = in_path(parts, "address").await?;
        text.parse().map(Self).map_err(|_| not_an_address())
    }
}

/// That something is no address.
pub(super) fn not_an_address() -> Problem {
    Problem::new(Code::InvalidAddress, "it is no TRON address")
}

/// The path's only parameter, which whoever takes it reads.
pub(super) struct Segment(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let path: Result<Path<String>, _> = parts.extract().await;
        let malformed = |_| Problem::new(Code::InvalidRequest, "the path is malformed");
        path.map(|Path(text)| Self(text)).map_err(malformed)
    }
}

/// A parameter of the path.
pub(super) async fn in_path(parts: &mut Parts, name: &str) -> Result<String, Problem> {
    let malformed = || Problem::new(Code::InvalidRequest, "the path is malformed");
    let path: Path<Vec<(String, String)>> = parts.extract().await.map_err(|_| malformed())?;
    path.0.into_iter().find_map(|(key, value)| (key == name).then_some(value)).ok_or_else(malformed)
}

/// Query parameters. Unknown ones are refused.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        let Query(params) = query.map_err(|error| {
            // axum's own words, then the parameter's name, then what is wrong with it.
            let text = error.source().map(ToString::to_string).unwrap_or_default();
            let (name, message) = text.split_once(": ").unwrap_or(("", &text));
            let why = explained(name, message);
            Problem::new(Code::InvalidRequest, format!("the query: {why}"))
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
            return read(b"{}").map(Self);
        }
        let kind = kind.as_ref().and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            return Err(Problem::new(
                Code::MediaType,
                "send JSON, with Content-Type: application/json",
            ));
        }
        read(&bytes).map(Self)
    }
}

/// Reads all of a JSON text. An error says where it is malformed, and how; not what it holds, which may
/// be a signature or a token.
fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // serde would take an array for an object, too.
    if bytes.trim_ascii_start().first().is_some_and(|first| b"[\"0123456789-tfn".contains(first)) {
        return Err(Problem::new(Code::InvalidRequest, "the body is a JSON object"));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut json);
    let read = read.map_err(|error| (error.path().to_string(), error.into_inner()));
    let read = read.and_then(|value| json.end().map(|()| value).map_err(|e| (String::new(), e)));
    read.map_err(|(path, error)| {
        let (line, column) = (error.line(), error.column());
        let why = match error.classify() {
            serde_json::error::Category::Data => explained(&path, &error.to_string()),
            serde_json::error::Category::Eof => "it ends early".to_owned(),
            // An enum's value of another type is an error of syntax to serde_json.
            _ if serde_json::from_slice::<IgnoredAny>(bytes).is_ok() => explained(&path, ""),
            _ => "it is no JSON".to_owned(),
        };
        Problem::new(Code::InvalidRequest, format!("the body, line {line}, column {column}: {why}"))
    })
}

/// serde's message about a field, without the values that it repeats.
fn explained(field: &str, message: &str) -> String {
    let message = message.split(" at line ").next().unwrap_or_default();
    let about_names = ["unknown field", "missing field", "duplicate field"];
    if about_names.iter().any(|known| message.starts_with(known)) {
        return message.to_owned();
    }
    let field = if matches!(field, "" | "." | "?") { "it" } else { field };
    // What is expected comes last, and is the type's; what was found stands before it.
    if let Some((_, expected)) = message.rsplit_once(", expected ") {
        return format!("{field} is {expected}");
    }
    let number = ["digit", "number", "integer"].iter().any(|word| message.contains(word));
    match message {
        _ if number => format!("{field} is a number within its bounds"),
        message if message.contains("`true`") => format!("{field} is true or false"),
        _ => format!("{field} is not what it should be"),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize, Debug)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        One,
        Two,
        Three,
    }

    #[derive(Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Whole {
        kind: Kind,
        count: Option<u32>,
        flag: Option<bool>,
    }

    #[test]
    fn bodies_are_refused_by_name_and_without_their_values() {
        for (text, expected) in [
            (r#"{"kind":"secret, expected x"}"#, "kind is one of `one`, `two`, `three`"),
            (r#"{"kind":7}"#, "kind is not what it should be"),
            (r#"{"kind":"one","count":"secret"}"#, "count is u32"),
            (r#"{"kind":"one","count":-1}"#, "count is u32"),
            (r#"{"kind":"one","flag":"secret"}"#, "flag is a boolean"),
            ("{}", "missing field `kind`"),
            (r#"{"kind":"one","other":1}"#, "unknown field `other`, expected one of"),
            (r#"{"kind":"one"} x"#, "it is no JSON"),
            (r#"{"kind":"one"#, "it ends early"),
            (r#" ["one",1,true]"#, "the body is a JSON object"),
            ("null", "the body is a JSON object"),
        ] {
            let problem = read::<Whole>(text.as_bytes()).unwrap_err();
            assert!(problem.detail.contains(expected), "{text}: {problem}");
            assert!(!problem.detail.contains("secret"), "{problem}");
        }
        read::<Whole>(br#"{"kind":"two","count":1,"flag":true}"#).unwrap();
    }

    #[tokio::test]
    async fn queries_are_refused_by_name_and_without_their_values() {
        for (query, expected) in [
            ("kind=secret", "the query: kind is one of `one`, `two`, `three`"),
            ("kind=one&count=secret", "the query: count is a number within its bounds"),
            ("kind=one&count=99999999999", "the query: count is a number within its bounds"),
            ("kind=one&flag=secret", "the query: flag is true or false"),
            ("kind=one&other=secret", "the query: unknown field `other`, expected one of"),
        ] {
            let request = http::Request::get(format!("/?{query}")).body(()).unwrap();
            let (mut parts, ()) = request.into_parts();
            let refused = Params::<Whole>::from_request_parts(&mut parts, &()).await;
            let problem = refused.map(|Params(whole)| whole).unwrap_err();
            assert!(problem.detail.starts_with(expected), "{query}: {problem}");
            assert!(!problem.detail.contains("secret"), "{problem}");
        }
    }
}
