//! Evidence.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::header;
use lucid_core::{ChunkIndex, SegmentIndex, access::SessionAction};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    Api,
    extract::{Caller, Id, Params},
    guard,
    openapi::Reading,
};
use crate::{
    Code, Problem,
    ports::{ProofRequest, Subject},
};

/// What the evidence speaks of. Without chunk and range: the session as a whole.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ProofParams {
    /// This chunk.
    chunk: Option<u32>,
    /// This segment of the chunk.
    segment: Option<u32>,
    /// The chunks that cover these plaintext bytes, A-B, and disclose their keys.
    range: Option<String>,
    /// Disclose the keys of the chunks it speaks of.
    disclose: Option<bool>,
    /// Put their sealed bytes in, so that the file stands on its own.
    attach: Option<bool>,
    /// False leaves out where the log is anchored on TRON, and uses the newest witnessed checkpoint.
    anchor: Option<bool>,
}

/// An evidence file about a sealed session. Check it with: lucid-node verify FILE
#[utoipa::path(get, operation_id = "prove", path = "/api/v1/sessions/{id}/proof", tag = "proofs",
    params(("id" = String, Path, format = "uuid"), ProofParams),
    responses((status = 200, description = "The file.", content_type = "text/plain"), Reading))]
pub(super) async fn proof(
    State(api): State<Api>,
    Caller(caller): Caller,
    Id(id): Id,
    Params(params): Params<ProofParams>,
) -> Result<Response, Problem> {
    let ProofParams { chunk, segment, range, disclose, attach, anchor } = params;
    let invalid = |detail| Err(Problem::new(Code::InvalidRequest, detail));
    if range.is_some() && disclose == Some(false) {
        return invalid(
            "a range discloses the keys of its chunks: ask for a chunk, which need not",
        );
    }
    let (disclose, attach) = (disclose.unwrap_or(false), attach.unwrap_or(false));
    let (chunk, segment) = (chunk.map(ChunkIndex), segment.map(SegmentIndex));
    let subject = match (chunk, segment, range) {
        (None, None, None) => Subject::Session,
        (Some(chunk), None, None) => Subject::Chunk { chunk },
        (Some(chunk), Some(segment), None) => Subject::Segment { chunk, segment },
        (None, None, Some(range)) => parse_range(&range)?,
        (None, Some(_), _) => return invalid("a segment goes with its chunk"),
        (Some(_), _, Some(_)) => return invalid("chunk and range exclude each other"),
    };
    if subject == Subject::Session && (disclose || attach) {
        return invalid("disclose and attach go with chunk or range");
    }
    let reads = disclose || matches!(subject, Subject::Range { .. });
    let action = if reads { SessionAction::Read } else { SessionAction::See };
    let session = guard::session(&api, &caller, id, action).await?;
    if reads || attach || segment.is_some() {
        guard::is_kept(&session)?;
    }
    let anchored = anchor.unwrap_or(true);
    let request = ProofRequest { session_id: id, subject, disclose, attach, anchored };
    let proof = api.merkle_builder.prove(request).await;
    let proof = guard::lost_or_destroyed(&api, id, proof).await.inspect_err(|problem| {
        if problem.code == Code::Damaged {
            api.metrics.proof_failure();
        }
    })?;
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{id}.lucid-proof\"")),
    ];
    Ok((headers, proof.0).into_response())
}

fn parse_range(text: &str) -> Result<Subject, Problem> {
    let digits = |text: &str| {
        let all = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
        all.then(|| text.parse().ok()).flatten()
    };
    let parsed =
        text.split_once('-').and_then(|(first, last)| Some((digits(first)?, digits(last)?)));
    let malformed =
        || Problem::new(Code::InvalidRequest, "a range is A-B, the first and the last byte");
    parsed.map(|(first, last)| Subject::Range { first, last }).ok_or_else(malformed)
}
