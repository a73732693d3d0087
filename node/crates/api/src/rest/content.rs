//! A session's plaintext, whole or a range of it.

use std::ops::Range;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use lucid_core::{
    ChunkIndex, SessionId,
    access::SessionAction,
    manifest::{Manifest, ManifestChunk},
};

use super::{
    Api,
    extract::{Caller, Id},
    guard,
    openapi::ReadingContent,
};
use crate::{Code, Problem, internal::passed_on, ports::SessionState};

/// Chunks that are opened before they are asked for.
const READ_AHEAD: usize = 2;
/// Kept by the caller alone, and asked about each time.
pub(super) const CACHED: &str = "private, no-cache";

/// A chunk, and which part of it is wanted.
struct Piece {
    chunk: ManifestChunk,
    wanted: Range<usize>,
}

/// The content of a sealed session, decrypted. Honours one byte range (RFC 9110 §14).
#[utoipa::path(get, operation_id = "read_content", path = "/api/v1/sessions/{id}/content", tag = "sessions",
    params(("id" = String, Path, format = "uuid"),
        ("range" = Option<String>, Header, description = "such as bytes=0-99"),
        ("if-match" = Option<String>, Header, description = "the etag that is asked for")),
    responses(
        (status = 200, description = "All of it, as its media type.", content_type = "*/*",
            headers(("etag" = String, description = "Names the content"))),
        (status = 206, description = "The range.", content_type = "*/*",
            headers(("content-range" = String, description = "Which bytes, of how many"))),
        (status = 304, description = "The caller has it."),
        ReadingContent))]
pub(super) async fn content(
    State(api): State<Api>,
    Caller(caller): Caller,
    Id(id): Id,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let session = guard::session(&api, &caller, id, SessionAction::Read).await?;
    guard::is_kept(&session)?;
    let (SessionState::Sealed | SessionState::Anchored, Some(sealed)) =
        (session.state, &session.sealed)
    else {
        let detail = "the session is not sealed: its content can be read once it is";
        return Err(Problem::new(Code::SessionState, detail));
    };
    let etag = format!("\"{}\"", sealed.merkle_root);
    // RFC 9110 §13.2.2: this one comes first.
    if !is_expected(&headers, &etag) {
        let detail = format!("the content is {etag}, which If-Match does not name");
        return Err(Problem::new(Code::PreconditionFailed, detail));
    }
    if is_known(&headers, &etag) {
        let cached = [(header::CACHE_CONTROL, CACHED.to_owned()), (header::ETAG, etag)];
        return Ok((StatusCode::NOT_MODIFIED, cached).into_response());
    }
    let total = sealed.plain_bytes;
    let same =
        headers.get(header::IF_RANGE).is_none_or(|known| known.as_bytes() == etag.as_bytes());
    // RFC 9110 §14.2: a range is of GET alone.
    let ranged = same && method == Method::GET;
    let range = match headers.get(header::RANGE).filter(|_| ranged) {
        Some(range) => match parse_range(range.to_str().unwrap_or_default(), total) {
            Ok(range) => range,
            // RFC 9110 §15.5.17: how much there is goes with it.
            Err(problem) => {
                let there = [(header::CONTENT_RANGE, format!("bytes */{total}"))];
                return Ok((there, problem).into_response());
            }
        },
        None => None,
    };
    let (status, wanted) = match &range {
        Some(range) => (StatusCode::PARTIAL_CONTENT, range.clone()),
        None => (StatusCode::OK, 0..total),
    };
    let bytes = wanted.end - wanted.start;
    let (pieces, opening) = (pieces(&api, id, wanted.clone()).await?, api.clone());
    // The first one is opened before anything is answered: what cannot be read at all is a problem, and
    // not an answer that breaks off.
    let mut plain = stream::iter(pieces)
        .map(move |piece| open(opening.clone(), id, piece))
        .buffered(READ_AHEAD);
    let first = guard::lost_or_destroyed(&api, id, plain.next().await.transpose()).await?;
    // Where a later one cannot be read the answer breaks off, after what came before it.
    let body = passed_on(stream::iter(first.map(Ok::<_, Problem>)).chain(plain));
    let mut response = (status, body).into_response();
    let answer = response.headers_mut();
    let mut put = |name, value: String| {
        if let Ok(value) = value.parse() {
            answer.insert(name, value);
        }
    };
    put(header::CONTENT_TYPE, session.media_type.to_string());
    put(header::CONTENT_LENGTH, bytes.to_string());
    put(header::ACCEPT_RANGES, "bytes".to_owned());
    put(header::ETAG, etag);
    put(header::CACHE_CONTROL, CACHED.to_owned());
    // Whatever it is, it is not shown as a page of this origin.
    put(header::CONTENT_DISPOSITION, format!("attachment; filename=\"{id}\""));
    if range.is_some() {
        let (first, last) = (wanted.start, wanted.end - 1);
        put(header::CONTENT_RANGE, format!("bytes {first}-{last}/{total}"));
    }
    Ok(response)
}

/// Whether the caller says that it has what the tag names (RFC 9110 §13.1.2, compared weakly).
pub(super) fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let lines = headers.get_all(header::IF_NONE_MATCH).iter();
    let tags = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    tags.map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// Whether the caller asks for what the tag names, or does not say what for (RFC 9110 §13.1.1, compared
/// strongly).
fn is_expected(headers: &HeaderMap, etag: &str) -> bool {
    let mut lines = headers.get_all(header::IF_MATCH).iter().peekable();
    let named = |line: &HeaderValue| {
        let tags = line.to_str().unwrap_or_default();
        tags.split(',').map(str::trim).any(|tag| tag == "*" || tag == etag)
    };
    lines.peek().is_none() || lines.any(named)
}

/// The bytes a `Range` header asks for. Nothing where it is to be ignored: another unit, or several
/// ranges (RFC 9110 §14.2 allows that).
fn parse_range(text: &str, total: u64) -> Result<Option<Range<u64>>, Problem> {
    let Some(spec) = text.strip_prefix("bytes=") else { return Ok(None) };
    if spec.contains(',') {
        return Ok(None);
    }
    let Some((first, last)) = spec.trim().split_once('-') else { return Ok(None) };
    let number = |text: &str| match text.bytes().all(|c| c.is_ascii_digit()) {
        // More digits than there are bytes in the world.
        true => Some(text.parse().unwrap_or(u64::MAX)),
        false => None,
    };
    let beyond = || {
        let detail = format!("the content has {total} bytes");
        Problem::new(Code::RangeNotSatisfiable, detail)
    };
    let range = match (first, last) {
        ("", "") => return Ok(None),
        ("", suffix) => {
            let Some(count) = number(suffix) else { return Ok(None) };
            total.saturating_sub(count)..total
        }
        (first, last) => {
            let Some(first) = number(first) else { return Ok(None) };
            let end = match last {
                "" => Some(total),
                last => number(last).map(|last| last.saturating_add(1).min(total)),
            };
            let Some(end) = end else { return Ok(None) };
            // Backwards is no range; whether it is within comes after.
            if !last.is_empty() && number(last).is_some_and(|last| last < first) {
                return Ok(None);
            }
            first..end
        }
    };
    if range.is_empty() { Err(beyond()) } else { Ok(Some(range)) }
}

/// The parts of chunks that cover a range of the plaintext, by the manifest.
async fn pieces(api: &Api, id: SessionId, range: Range<u64>) -> Result<Vec<Piece>, Problem> {
    if range.is_empty() {
        return Ok(Vec::new());
    }
    let manifest = api.sessions.manifest(id).await?;
    let cut = tokio::task::spawn_blocking(move || {
        let manifest = Manifest::parse(&manifest).map_err(|_| damaged())?;
        let wanted = manifest
            .placed()
            .filter(|(_, place)| place.start < range.end && range.start < place.end);
        let pieces = wanted.map(|(chunk, place)| {
            // Both are within a chunk, which is at most 16 MiB.
            let from = (range.start.max(place.start) - place.start) as usize;
            let to = (range.end.min(place.end) - place.start) as usize;
            Piece { chunk: *chunk, wanted: from..to }
        });
        Ok(pieces.collect())
    });
    cut.await.map_err(|_| Problem::internal())?
}

async fn open(api: Api, id: SessionId, piece: Piece) -> Result<bytes::Bytes, Problem> {
    let Piece { chunk, wanted } = piece;
    let index: ChunkIndex = chunk.index;
    let summary =
        api.sessions.chunks(id, index, 1).await?.into_iter().next().ok_or_else(damaged)?;
    // What comes out is what the ledger commits to, not only what somebody with the key once sealed.
    if summary.0.header.index != index || summary.0.chunk_root != chunk.chunk_root {
        tracing::error!(session = %id, %index, "the index is not what the manifest says");
        return Err(damaged());
    }
    let plain = api.encryptor.open(id, summary).await?.0;
    if plain.len() < wanted.end {
        return Err(damaged());
    }
    Ok(plain.slice(wanted))
}

fn damaged() -> Problem {
    Problem::new(Code::Damaged, "what is stored is not what was written; verify the session")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_as_rfc_9110_has_them() {
        // Of so many bytes; `None` where the range cannot be had, `Some(None)` where it is ignored.
        type Row = (&'static str, u64, Option<Option<Range<u64>>>);
        let rows: [Row; 20] = [
            ("bytes=0-0", 10, Some(Some(0..1))),
            ("bytes=0-9", 10, Some(Some(0..10))),
            ("bytes=0-99", 10, Some(Some(0..10))),
            ("bytes=9-", 10, Some(Some(9..10))),
            ("bytes=10-", 10, None),
            ("bytes=10-11", 10, None),
            ("bytes=-1", 10, Some(Some(9..10))),
            ("bytes=-99", 10, Some(Some(0..10))),
            ("bytes=-0", 10, None),
            ("bytes=0-", 0, None),
            ("bytes=-5", 0, None),
            ("bytes=5-4", 10, Some(None)),
            ("bytes=0-1,3-4", 10, Some(None)),
            ("bytes=", 10, Some(None)),
            ("bytes=-", 10, Some(None)),
            ("bytes=a-b", 10, Some(None)),
            ("bytes=+1-2", 10, Some(None)),
            ("items=0-1", 10, Some(None)),
            ("bytes=0-99999999999999999999999", 10, Some(Some(0..10))),
            ("bytes=99999999999999999999999-", 10, None),
        ];
        for (text, total, expected) in rows {
            assert_eq!(parse_range(text, total).ok(), expected, "{text} of {total}");
        }
    }
}
