//! Requests as RFC 9110 and RFC 9112 want them, and no others: what two programs could understand
//! differently is refused before anybody acts on it.
//!
//! hyper refuses what has no end of its own (several lengths, an unknown transfer coding at the end). Here
//! is the rest: who is spoken to, and how the body is coded.

use std::{
    net::Ipv6Addr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Version, header};
use hyper::body::{Frame, SizeHint};

use crate::{Code, Problem};

/// Refuses a request whose head is not as it should be.
///
/// # Errors
/// `invalid_request`, `media_type`.
pub(crate) fn check<B>(request: &Request<B>) -> Result<(), Problem> {
    host(request)?;
    let headers = request.headers();
    match only(headers, &header::TRANSFER_ENCODING)? {
        None => {}
        Some(_) if headers.contains_key(header::CONTENT_LENGTH) => {
            return Err(invalid("Content-Length and Transfer-Encoding exclude each other"));
        }
        Some(coding) if coding.eq_ignore_ascii_case("chunked") => {}
        Some(_) => return Err(invalid("the only transfer coding is chunked")),
    }
    let plain = |coding: &str| coding.is_empty() || coding.eq_ignore_ascii_case("identity");
    match only(headers, &header::CONTENT_ENCODING)? {
        Some(coding) if !plain(coding) => {
            Err(Problem::new(Code::MediaType, "send the body as it is, without Content-Encoding"))
        }
        _ => Ok(()),
    }
}

/// RFC 9112 §3.2: exactly one `Host`, and a sound one. RFC 9113 §8.3.1: where HTTP/2 says it twice, it
/// says the same.
fn host<B>(request: &Request<B>) -> Result<(), Problem> {
    let host = only(request.headers(), &header::HOST)?;
    if host.is_some_and(|host| !is_host(host)) {
        return Err(invalid("Host is a name or an address, and a port where it has one"));
    }
    match request.version() {
        Version::HTTP_09 | Version::HTTP_10 => Ok(()),
        Version::HTTP_11 => host.map(drop).ok_or_else(|| invalid("send Host")),
        _ => match (host, request.uri().authority()) {
            (None, None) => Err(invalid("send :authority")),
            (Some(host), Some(authority)) if host != authority.as_str() => {
                Err(invalid("Host and :authority exclude each other"))
            }
            _ => Ok(()),
        },
    }
}

/// `uri-host [ ":" port ]` (RFC 9110 §7.2), where the host is not empty (§4.2.1).
fn is_host(text: &str) -> bool {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) if address.parse::<Ipv6Addr>().is_ok() => ("[]", port),
            _ => return false,
        },
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let of_name = |c: u8| c.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(&c);
    let number = |text: &str| text.bytes().all(|c| c.is_ascii_digit());
    let is_port = |text: &str| number(text) && (text.is_empty() || text.parse::<u16>().is_ok());
    !name.is_empty()
        && (name == "[]" || name.bytes().all(of_name))
        && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

/// One header's text; nothing where it is not there.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
    let mut all = headers.get_all(name).iter();
    let Some(value) = all.next() else { return Ok(None) };
    if all.next().is_some() {
        return Err(invalid(format!("{name} is there twice")));
    }
    let text = value.to_str().map_err(|_| invalid(format!("{name} is no text")))?;
    Ok(Some(text.trim()))
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(Code::InvalidRequest, detail)
}

/// Whether a body turned out to be no sound message, once somebody has read it.
#[derive(Clone, Default)]
pub(crate) struct Framing(Arc<AtomicBool>);

impl Framing {
    /// `body`, whose end this then knows.
    pub(crate) fn watch(&self, body: Body) -> Body {
        match body.is_end_stream() {
            true => body,
            false => Body::new(Watched { body, framing: self.clone() }),
        }
    }

    /// What is to be answered where the chunks were none: whoever read them could only say that the body
    /// broke off.
    pub(crate) fn problem(&self) -> Option<Problem> {
        let broken = self.0.load(Ordering::Relaxed);
        broken.then(|| invalid("the body's chunks are malformed (RFC 9112 section 7.1)"))
    }
}

struct Watched {
    body: Body,
    framing: Framing,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Err(error)) = &frame
            && is_malformed(error)
        {
            self.framing.0.store(true, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Whether hyper could not read the chunks: one that breaks off is another error.
fn is_malformed(error: &axum::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        if matches!(kind, Some(std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData))
        {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is answered to a head: a code, or nothing.
    fn check_head(version: Version, uri: &str, lines: &[(&str, &str)], expected: Option<Code>) {
        let mut request = Request::builder().version(version).uri(uri);
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        let found = check(&request.body(()).unwrap()).err().map(|problem| problem.code);
        assert_eq!(found, expected, "{version:?} {uri} {lines:?}");
    }

    #[test]
    fn heads_as_the_rfcs_have_them() {
        let (one, two) = (Version::HTTP_11, Version::HTTP_2);
        let bad = Some(Code::InvalidRequest);
        let host = ("host", "node.example:8443");
        for good in ["a", "127.0.0.1:80", "[::1]", "[::1]:8080", "x_y.example", "a:", "%41"] {
            check_head(one, "/", &[("host", good)], None);
        }
        for host in [
            "", " ", "a b", "a/b", "user@a", "a:b", "a:70000", "a:1:2", "[::1", "[x]", "[::1]a",
            ":80",
        ] {
            check_head(one, "/", &[("host", host)], bad);
        }
        check_head(one, "/", &[], bad);
        check_head(one, "/", &[host, host], bad);
        check_head(Version::HTTP_10, "/", &[], None);
        check_head(Version::HTTP_10, "/", &[host, host], bad);
        check_head(two, "https://a/", &[], None);
        check_head(two, "/", &[host], None);
        check_head(two, "/", &[], bad);
        check_head(two, "https://a/", &[("host", "a")], None);
        check_head(two, "https://a/", &[("host", "b")], bad);

        check_head(one, "/", &[host, ("transfer-encoding", "Chunked")], None);
        for coding in
            ["gzip, chunked", "chunked, chunked", "xchunked", "identity", "", "chunked;a=b"]
        {
            check_head(one, "/", &[host, ("transfer-encoding", coding)], bad);
        }
        let chunked = ("transfer-encoding", "chunked");
        check_head(one, "/", &[host, chunked, chunked], bad);
        check_head(one, "/", &[host, chunked, ("content-length", "5")], bad);

        check_head(one, "/", &[host, ("content-encoding", "identity")], None);
        for coding in ["gzip", "br", "identity, gzip"] {
            check_head(one, "/", &[host, ("content-encoding", coding)], Some(Code::MediaType));
        }
    }
}
