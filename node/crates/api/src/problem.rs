//! The one error of HTTP: RFC 9457 problem details with a stable code.
//!
//! ```text
//! HTTP/1.1 409 Conflict
//! Content-Type: application/problem+json
//!
//! {"type":"about:blank","title":"Conflict","status":409,"code":"upload_offset",
//!  "detail":"the upload is at 8388608, not at 0","request_id":"…"}
//! ```
//!
//! The code is for programs and never changes its meaning; the detail is for people. The cause of an
//! internal error stays in the log under the request's id.

use std::fmt;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};

/// Which problem: the stable codes, with their status and meaning.
macro_rules! codes {
    ($($(#[$attribute:meta])* $name:ident = $text:literal, $status:literal, $meaning:literal;)*) => {
        /// A problem's stable code.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
        pub enum Code {
            $(
                #[doc = $meaning]
                #[serde(rename = $text)]
                $name,
            )*
        }

        impl Code {
            /// All codes, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The code's text.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// The HTTP status it is answered with.
            #[must_use]
            pub fn status(self) -> StatusCode {
                let number: u16 = match self { $(Self::$name => $status),* };
                StatusCode::from_u16(number).expect("the table has statuses only")
            }

            /// What it means, in a sentence.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning),* }
            }
        }
    };
}

codes! {
    InvalidRequest = "invalid_request", 400, "The request is malformed: its JSON, a field, a header or a parameter.";
    InvalidAddress = "invalid_address", 400, "The address is no TRON address of the network this node serves.";
    TokenMissing = "token_missing", 401, "The request has no access token.";
    TokenInvalid = "token_invalid", 401, "The token is not one of this node's, was altered, or was revoked.";
    TokenExpired = "token_expired", 401, "The token has expired.";
    SignatureInvalid = "signature_invalid", 401, "The signature is not the address's over the challenge.";
    NonceUnknown = "nonce_unknown", 401, "The nonce was never given out, or not to this address.";
    NonceExpired = "nonce_expired", 401, "The nonce has expired: ask for a new challenge.";
    NonceUsed = "nonce_used", 401, "The nonce was used before: ask for a new challenge.";
    RefreshReused = "refresh_reused", 401, "The refresh token was used before; all tokens of its sign-in are revoked.";
    AccountRevoked = "account_revoked", 403, "The account was revoked.";
    Forbidden = "forbidden", 403, "The account's role does not allow this.";
    NotFound = "not_found", 404, "There is no such thing, or it is not for this account to know of.";
    MethodNotAllowed = "method_not_allowed", 405, "The resource has no such method.";
    Timeout = "timeout", 408, "The request did not arrive in time.";
    SessionState = "session_state", 409, "The session's state does not allow this.";
    UploadOffset = "upload_offset", 409, "The upload is not at the offset given: ask with HEAD where it is.";
    Conflict = "conflict", 409, "What was asked for contradicts what is there.";
    Gone = "gone", 410, "The session was erased, voided, or its upload has expired.";
    PreconditionFailed = "precondition_failed", 412, "The content is not the one that If-Match names.";
    TusVersion = "tus_version", 412, "The version of the tus protocol is missing or not 1.0.0.";
    TooLarge = "too_large", 413, "The body or the upload is larger than allowed.";
    MediaType = "media_type", 415, "The body is not of the media type this resource takes.";
    RangeNotSatisfiable = "range_not_satisfiable", 416, "The range is not within the content.";
    Inconsistent = "inconsistent", 422, "The checkpoint does not follow from the one that was cosigned last.";
    UploadInUse = "upload_in_use", 423, "Another request is uploading to this session.";
    RateLimited = "rate_limited", 429, "Too many requests: wait as Retry-After says.";
    TooManySessions = "too_many_sessions", 429, "The account has as many open sessions as it may.";
    HeadersTooLarge = "headers_too_large", 431, "The request's head is larger than allowed.";
    ChecksumMismatch = "checksum_mismatch", 460, "The body does not have the checksum it was sent with; none of it was kept.";
    Internal = "internal", 500, "The node failed; its log has the cause under the request's id.";
    Damaged = "damaged", 500, "What is stored is not what was written; verify the session.";
    BadGateway = "bad_gateway", 502, "A service behind the gateway answered what it should not.";
    Unavailable = "unavailable", 503, "A service is not reachable, or the node is stopping: try again.";
    ServiceTimeout = "service_timeout", 504, "A service did not answer in time.";
    DiskFull = "disk_full", 507, "The node's disk is nearly full: it takes no more chunks.";
}

impl Code {
    /// Seconds after which trying again may help, where the answer does not know better.
    #[must_use]
    pub fn retry_after(self) -> Option<u32> {
        match self {
            Self::RateLimited => Some(60),
            // A holder that is gone is believed alive this long.
            Self::UploadInUse => Some(5),
            Self::Unavailable => Some(2),
            _ => None,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A problem: its code, and what to tell the caller. It never holds a cause.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {detail}")]
#[serde(deny_unknown_fields)]
pub struct Problem {
    /// Which.
    pub code: Code,
    /// What happened and what to do, for people.
    pub detail: String,
}

impl Problem {
    /// A problem.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }

    /// An internal one. The cause is for the caller to have logged.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(Code::Internal, "the node failed; its log has the cause under the request's id")
    }

    /// That a session does not exist, or is not for the caller to know of: the two look alike.
    #[must_use]
    pub fn no_session() -> Self {
        Self::new(Code::NotFound, "there is no such session")
    }
}

/// What is sent in place of a problem's cause: RFC 9457 §3.
#[derive(Serialize)]
struct Details<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    code: Code,
    detail: &'a str,
    request_id: &'a str,
}

impl Problem {
    /// The answer's body.
    ///
    /// # Panics
    /// Never: texts and a number are always JSON.
    #[must_use]
    pub fn to_json(&self, request_id: &str) -> Vec<u8> {
        let status = self.code.status();
        let title = match status.as_u16() {
            460 => "Checksum Mismatch",
            _ => status.canonical_reason().unwrap_or("Problem"),
        };
        let details = Details {
            r#type: "about:blank",
            title,
            status: status.as_u16(),
            code: self.code,
            detail: &self.detail,
            request_id,
        };
        serde_json::to_vec(&details).expect("texts and a number")
    }
}

impl IntoResponse for Problem {
    /// The status alone; [`crate::request`] puts the body in, which has the request's id.
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_stable_and_distinct() {
        let mut texts: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        for code in Code::ALL {
            assert_eq!(serde_json::to_string(code).unwrap(), format!("\"{code}\""));
            assert!(code.status().is_client_error() || code.status().is_server_error(), "{code}");
            assert!(code.meaning().ends_with('.'), "{code}");
        }
        let page = include_str!("../../../docs/http.md");
        for code in Code::ALL {
            let row = format!("| `{code}` | {} | {} |", code.status().as_u16(), code.meaning());
            assert!(page.contains(&row), "docs/http.md lacks: {row}");
        }
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), Code::ALL.len());
    }
}
