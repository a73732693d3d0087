//! The merkle-builder: trees and proofs.
//!
//! Owns nothing on disk: it asks the orchestrator for what a session is and the encryptor for sealed
//! chunks, hashes, and checks every proof as its reader will before it gives it.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use lucid_api::{
    Code, Problem,
    ports::{
        Anchors, Answer, Encryptor, LedgerProof, MerkleBuilder, Proof, ProofRequest, Sessions,
        Subject, Summary, TransparencyLog,
    },
};
use lucid_core::{
    ChunkIndex, EntryIndex, SegmentIndex, SessionId,
    chunk::{ChunkSummary, PREFIX_BYTES},
    evidence::{ChunkEvidence, Evidence, SegmentEvidence},
    keys::ChunkKey,
    manifest::Manifest,
    merkle::{self, SessionTree},
    note::{TlogProof, VerifierKey},
    tron::anchor::{AnchorPins, AnchorProof},
};
use lucid_pipeline::{open::ChunkOpener, restore};
use tokio::sync::Semaphore;

use super::{
    cpu::Pool,
    orchestrator::PAGE_MAX,
    problem::{self, of_chunk},
};

/// Sealed bytes that one evidence file of this service holds: more is better fetched chunk by chunk.
const ATTACHED_BYTES_MAX: u64 = 64 << 20;
/// Chunks that one evidence file of this service speaks of.
const CHUNKS_MAX: usize = 1024;
/// Proofs that hold chunks in memory at once.
const WITH_CONTENT_MAX: usize = 2;

/// The merkle-builder.
pub struct LocalMerkleBuilder {
    sessions: Arc<dyn Sessions>,
    encryptor: Arc<dyn Encryptor>,
    log: Arc<dyn TransparencyLog>,
    anchors: Arc<dyn Anchors>,
    pool: Pool,
    with_content: Semaphore,
}

/// What a session's proofs begin from.
struct Facts {
    manifest_bytes: Bytes,
    manifest: Manifest,
    summaries: Vec<ChunkSummary>,
    ledger: LedgerProof,
    proof: TlogProof,
    anchor: Option<AnchorProof>,
}

/// A chunk that a proof speaks of, with what was fetched for it.
struct Spoken {
    index: ChunkIndex,
    key: Option<ChunkKey>,
    segments: Vec<SegmentIndex>,
    /// The whole chunk file, where segments or the attachment need it.
    file: Option<Vec<u8>>,
    attach: bool,
}

impl LocalMerkleBuilder {
    /// A merkle-builder.
    #[must_use]
    pub fn new(
        sessions: Arc<dyn Sessions>,
        encryptor: Arc<dyn Encryptor>,
        log: Arc<dyn TransparencyLog>,
        anchors: Arc<dyn Anchors>,
        pool: Pool,
    ) -> Self {
        let with_content = Semaphore::new(WITH_CONTENT_MAX);
        Self { sessions, encryptor, log, anchors, pool, with_content }
    }

    /// The proof that an entry is in the log, at the first checkpoint that is anchored and has it; at the one
    /// that `ledger` has where none is, or that is not asked for.
    async fn in_log(
        &self,
        ledger: &LedgerProof,
        anchored: bool,
    ) -> Answer<(TlogProof, Option<AnchorProof>)> {
        let proof =
            TlogProof::parse(&ledger.tlog_proof).map_err(|error| problem::internal(&error))?;
        let index = EntryIndex(proof.index());
        if !anchored {
            return Ok((proof, None));
        }
        let record = match self.anchors.covering(index).await {
            Ok(kept) => kept.read().map_err(|error| problem::internal(&error))?,
            Err(problem) if problem.code == Code::NotFound => return Ok((proof, None)),
            Err(problem) => return Err(problem),
        };
        let path = self.log.inclusion(index, record.checkpoint().size).await?.path;
        let anchored = TlogProof::new(index.0, path, &record.note().to_string());
        Ok((anchored.map_err(|error| problem::internal(&error))?, Some(record.proof().clone())))
    }

    async fn facts(&self, request: &ProofRequest) -> Answer<Facts> {
        let (session, anchored) = (request.session_id, request.anchored);
        let all = request.subject != Subject::Session;
        let ledger = self.sessions.ledger_proof(session).await?;
        let (proof, anchor) = self.in_log(&ledger, anchored).await?;
        let manifest_bytes = self.sessions.manifest(session).await?;
        let bytes = manifest_bytes.clone();
        let parse = move || Manifest::parse(&bytes).map_err(|error| problem::internal(&error));
        let manifest = self.pool.run(parse).await?;
        let mut summaries = Vec::new();
        while all && summaries.len() < manifest.chunks.len() {
            let from = u32::try_from(summaries.len()).map_err(|error| problem::internal(&error))?;
            let page = self.sessions.chunks(session, ChunkIndex(from), PAGE_MAX).await?;
            if page.is_empty() {
                return Err(damaged(session, "its index is shorter than its manifest"));
            }
            summaries.extend(page.into_iter().map(|Summary(summary)| summary));
        }
        Ok(Facts { manifest_bytes, manifest, summaries, ledger, proof, anchor })
    }

    async fn spoken(&self, request: &ProofRequest, facts: &Facts) -> Answer<Vec<Spoken>> {
        let manifest = &facts.manifest;
        let (places, segments) = places(&request.subject, manifest)?;
        if places.len() > CHUNKS_MAX {
            let detail =
                format!("a proof speaks of at most {CHUNKS_MAX} chunks: ask for a smaller range");
            return Err(Problem::new(Code::TooLarge, detail));
        }
        let bytes = |index: &ChunkIndex| {
            let chunk = &manifest.chunks[index.0 as usize];
            chunk.header(manifest.session_id, manifest.suite).layout().file_bytes()
        };
        if request.attach && places.iter().map(bytes).sum::<u64>() > ATTACHED_BYTES_MAX {
            let detail = format!(
                "a proof holds at most {ATTACHED_BYTES_MAX} sealed bytes: fetch the chunks instead"
            );
            return Err(Problem::new(Code::TooLarge, detail));
        }
        let disclose = request.disclose || matches!(request.subject, Subject::Range { .. });
        let session = manifest.session_id;
        let mut keys = match disclose && !places.is_empty() {
            true => self.encryptor.chunk_keys(session, places.clone()).await?,
            false => Vec::new(),
        }
        .into_iter();
        let mut spoken = Vec::with_capacity(places.len());
        for index in places {
            let wanted = request.attach || !segments.is_empty();
            let file = match wanted {
                true => {
                    let summary = facts.summaries.get(index.0 as usize).copied();
                    let missing = || damaged(session, "its index is shorter than its manifest");
                    let summary = summary.ok_or_else(missing)?;
                    Some(self.file(session, summary, bytes(&index)).await?)
                }
                false => None,
            };
            let (key, attach) = (keys.next(), request.attach);
            spoken.push(Spoken { index, key, segments: segments.clone(), file, attach });
        }
        Ok(spoken)
    }

    /// A chunk file, whole, of the length its header calls for.
    async fn file(&self, session: SessionId, summary: ChunkSummary, bytes: u64) -> Answer<Vec<u8>> {
        let index = summary.header.index;
        let mut sealed = self.encryptor.sealed(session, Summary(summary)).await?;
        let wrong = || damaged(session, &format!("the file of chunk {index} has another length"));
        if sealed.bytes != bytes {
            return Err(wrong());
        }
        let mut file = Vec::with_capacity(usize::try_from(bytes).unwrap_or_default());
        while let Some(piece) = sealed.content.next().await {
            file.extend_from_slice(&piece?);
            if file.len() as u64 > bytes {
                return Err(wrong());
            }
        }
        if file.len() as u64 == bytes { Ok(file) } else { Err(wrong()) }
    }
}

#[async_trait]
impl MerkleBuilder for LocalMerkleBuilder {
    async fn prove(&self, request: ProofRequest) -> Answer<Proof> {
        let with_content = request.attach || matches!(request.subject, Subject::Segment { .. });
        let _turn = match with_content {
            true => Some(self.with_content.acquire().await.map_err(|e| problem::internal(&e))?),
            false => None,
        };
        let facts = self.facts(&request).await?;
        let spoken = self.spoken(&request, &facts).await?;
        self.pool.run(move || evidence(facts, spoken)).await
    }
}

/// The chunks that a subject is about, and the segments of the one chunk.
fn places(subject: &Subject, manifest: &Manifest) -> Answer<(Vec<ChunkIndex>, Vec<SegmentIndex>)> {
    let there = |index: ChunkIndex| match index.0 < manifest.chunk_count {
        true => Ok(index),
        false => {
            let detail =
                format!("there is no chunk {index}: the session has {}", manifest.chunk_count);
            Err(Problem::new(Code::NotFound, detail))
        }
    };
    match *subject {
        Subject::Session => Ok((Vec::new(), Vec::new())),
        Subject::Chunk { chunk } => Ok((vec![there(chunk)?], Vec::new())),
        Subject::Segment { chunk, segment } => {
            let header = manifest.chunks[there(chunk)?.0 as usize]
                .header(manifest.session_id, manifest.suite);
            let count = header.layout().segment_count();
            if segment.0 >= count {
                let detail = format!("chunk {chunk} has no segment {segment}: it has {count}");
                return Err(Problem::new(Code::NotFound, detail));
            }
            Ok((vec![chunk], vec![segment]))
        }
        Subject::Range { first, last } if first <= last && last < manifest.plain_bytes => {
            let pieces = restore::pieces(manifest.placed(), &(first..last + 1));
            Ok((pieces.iter().map(|piece| piece.chunk.index).collect(), Vec::new()))
        }
        Subject::Range { .. } => {
            let detail = format!("the content has {} bytes", manifest.plain_bytes);
            Err(Problem::new(Code::RangeNotSatisfiable, detail))
        }
    }
}

/// Puts the evidence together and checks it.
fn evidence(facts: Facts, spoken: Vec<Spoken>) -> Answer<Proof> {
    let Facts { manifest_bytes, manifest, summaries, ledger, proof, anchor } = facts;
    let session = manifest.session_id;
    let key: VerifierKey = ledger.key.parse().map_err(|error| problem::internal(&error))?;
    let chunks = match spoken.is_empty() {
        true => Vec::new(),
        false => {
            let leaves = summaries.iter().map(ChunkSummary::session_leaf).collect();
            let tree = SessionTree::from_leaves(leaves);
            if tree.root() != manifest.merkle_root {
                return Err(damaged(session, "its index does not hash to its root"));
            }
            let chunk = |spoken| chunk(spoken, &summaries, &tree);
            spoken.into_iter().map(chunk).collect::<Answer<Vec<_>>>()?
        }
    };
    let manifest = Some(manifest_bytes.to_vec());
    let entry = ledger.entry.into_bytes();
    let evidence = Evidence { key: key.clone(), entry, manifest, chunks, proof, anchor };
    let pins = evidence.anchor.as_ref().map_or_else(AnchorPins::default, AnchorPins::of);
    evidence.verify_anchored(Some(&key), &pins).map_err(|error| {
        tracing::error!(%session, %error, "evidence does not hold");
        damaged(session, "its evidence does not hold")
    })?;
    Ok(Proof(evidence.to_text().into()))
}

fn chunk(spoken: Spoken, summaries: &[ChunkSummary], tree: &SessionTree) -> Answer<ChunkEvidence> {
    let Spoken { index, key, segments, file, attach } = spoken;
    let summary = summaries[index.0 as usize];
    let path = tree.path(u64::from(index.0)).map_err(|error| problem::internal(&error))?;
    let mut proved = Vec::new();
    if let (false, Some(file)) = (segments.is_empty(), &file) {
        let mut reader = file.as_slice();
        let (_, leaves) = ChunkOpener::new()
            .leaves(&mut reader, file.len() as u64, Some(&summary.header))
            .map_err(|error| of_chunk(&error))?;
        for segment in segments {
            let path = merkle::inclusion_proof(&leaves, u64::from(segment.0));
            let path = path.map_err(|error| problem::internal(&error))?;
            proved.push(SegmentEvidence { index: segment, leaf: leaves[segment.0 as usize], path });
        }
    }
    let sealed = file.filter(|_| attach).map(|mut file| file.split_off(PREFIX_BYTES));
    Ok(ChunkEvidence { summary, path, disclosed: key, segments: proved, sealed })
}

fn damaged(session: SessionId, reason: &str) -> Problem {
    tracing::error!(%session, reason, "a session is damaged");
    Problem::new(Code::Damaged, format!("session {session} cannot be proved: {reason}"))
}
