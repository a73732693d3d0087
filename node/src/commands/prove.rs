//! `prove`: writes an evidence file about a session.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use lucid_core::{
    ChunkIndex, EntryIndex, SegmentIndex, SessionId,
    chunk::{ChunkSummary, PREFIX_BYTES},
    counted,
    evidence::{ChunkEvidence, Evidence, SegmentEvidence},
    keys::Dek,
    manifest::Manifest,
    merkle::{self, SessionTree},
    note::TlogProof,
    tron::anchor::{AnchorPins, AnchorRecord},
};
use lucid_pipeline::{open::ChunkOpener, ports::ChunkShelf, restore};
use lucid_store::{LogReader, State, Store, StoreError};
use serde::Serialize;

use super::{restore::ByteRange, target::Target, verify_anchor::AnchorReport, verify_evidence};
use crate::{
    cli::{OutputArg, SessionArg},
    context::Context,
    failure::{Failure, Outcome},
    ports::SessionPort,
};

/// Arguments of `prove`. Without a chunk or range, the evidence is about the session as a whole.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command")]
pub struct Prove {
    #[command(flatten)]
    session: SessionArg,
    #[command(flatten)]
    output: OutputArg,
    /// Speak of this chunk; repeatable
    #[arg(long, value_name = "N", conflicts_with = "range")]
    chunk: Vec<u32>,
    /// Prove this segment of the chunk on its own; repeatable, with exactly one --chunk
    #[arg(long, value_name = "N", requires = "chunk")]
    segment: Vec<u32>,
    /// Speak of the chunks that cover the plaintext bytes A to B, and disclose their keys
    #[arg(long, value_name = "A-B")]
    range: Option<ByteRange>,
    /// Disclose the keys of the chunks named with --chunk
    #[arg(long, requires = "chunk")]
    disclose: bool,
    /// Put the sealed bytes of the chunks into the file too, so that it stands on its own
    #[arg(long)]
    attach: bool,
    /// Write a plain C2SP .tlog-proof of the session's entry, for other verifiers
    #[arg(long, conflicts_with_all = ["chunk", "range", "attach"])]
    tlog_proof: bool,
    /// Leave out where the log is anchored on TRON, and use the newest witnessed checkpoint
    #[arg(long)]
    no_anchor: bool,
    /// An age identity file, for sessions whose key is wrapped to an age recipient
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
}

/// Writes evidence about a session as a whole to `path`, and checks the file.
///
/// # Errors
/// Where the session is not sealed, the file is there already or cannot be written.
pub fn prove_session(store: &Store, session: SessionId, path: &Path) -> Outcome {
    let Some(sealed) = store.session(session)?.sealed else {
        return Err(Failure::usage(format!("session {session} is not sealed")));
    };
    let key = store.log_key().verifier_key().clone();
    let read = |log: &LogReader| Ok((log.entry(sealed.entry)?, log.witnessed_proof(sealed.entry)?));
    let (entry, proof) = store.with_log(read)?;
    let manifest = Some(store.manifest(session)?.bytes);
    // It was sealed a moment ago: no block of TRON can have it yet.
    let (chunks, anchor) = (Vec::new(), None);
    let evidence = Evidence { key: key.clone(), entry, manifest, chunks, proof, anchor };
    let argument = OutputArg { output: Some(path.to_owned()), force: false };
    let mut target = Target::open(&argument, Some(store.path()))?;
    target.writer().write_all(evidence.to_text().as_bytes())?;
    target.finish()?;
    let (path, chunk_files) = (path.to_owned(), Vec::new());
    let (key, extract, anchor) = (Some(key), None, AnchorPins::default());
    let online = None;
    let (witnesses, witness_quorum) = (Vec::new(), None);
    let request = verify_evidence::Request {
        path,
        key,
        witnesses,
        witness_quorum,
        chunk_files,
        extract,
        anchor,
        online,
    };
    verify_evidence::verify(&request).map(|_| ())
}

#[derive(Serialize)]
struct Proved {
    session_id: SessionId,
    output: String,
    bytes: usize,
    log_index: u64,
    log_size: u64,
    chunks: Vec<ChunkIndex>,
    disclosed: bool,
    key: String,
    /// What the TRON part says; null where there is none.
    anchor: Option<AnchorReport>,
}

impl Prove {
    /// Writes the evidence, after checking it as its reader will.
    ///
    /// # Errors
    /// Where the session is not sealed, or what it should prove does not hold.
    pub fn run(self, context: &Context) -> Outcome<ExitCode> {
        let store = context.look_at_store()?;
        let session = self.session.session;
        let row = store.session(session)?;
        let Some(sealed) = row.sealed else {
            let state = row.state().as_str();
            return Err(Failure::usage(format!(
                "session {session} is {state}: only what was sealed can be proved"
            )));
        };
        let log_index = sealed.entry;
        let key = store.log_key().verifier_key().clone();
        let anchor = match self.no_anchor || self.tlog_proof {
            true => None,
            false => store.anchor_covering(log_index).map_err(without_anchor)?,
        };
        let (entry, proof) = log_proof(&store, log_index, anchor.as_ref())?;
        let checkpoint = proof.verify(merkle::leaf_hash(&entry), &key)?;
        let mut claims = None;
        let (text, chunks, disclosed) = if self.tlog_proof {
            (proof.with_extra(entry)?.to_text(), Vec::new(), false)
        } else {
            if row.state() == State::Erased && (!self.chunk.is_empty() || self.range.is_some()) {
                return Err(Failure::usage(format!(
                    "session {session} is erased: its chunks and keys are gone; only the session \
                     as a whole can be proved"
                )));
            }
            let manifest = store.manifest(session)?;
            let dek = match self.range.is_some() || self.disclose {
                true => Some(context.session_key(&store, session, self.identity.as_deref())?),
                false => None,
            };
            let places = self.places(&manifest.manifest)?;
            let port = SessionPort { store: &store, session };
            let chunks = self.chunks(&port, &manifest.manifest, &places, dek.as_ref())?;
            // The list of all chunks places those named in the plaintext.
            let manifest = (!chunks.is_empty()).then_some(manifest.bytes);
            let anchor = anchor.map(|record| record.proof().clone());
            let pins = anchor.as_ref().map(AnchorPins::of).unwrap_or_default();
            let evidence = Evidence { key: key.clone(), entry, manifest, chunks, proof, anchor };
            claims = evidence.verify_anchored(Some(&key), &pins)?.anchor;
            (evidence.to_text(), places, dek.is_some())
        };
        let mut target = Target::open(&self.output, Some(store.path()))?;
        target.writer().write_all(text.as_bytes())?;
        if let Some(path) = target.finish()? {
            let proved = Proved {
                session_id: session,
                output: path.display().to_string(),
                bytes: text.len(),
                log_index: log_index.0,
                log_size: checkpoint.size,
                chunks,
                disclosed,
                key: key.to_string(),
                anchor: claims.as_ref().map(AnchorReport::of),
            };
            context.output.print(&proved, Proved::text)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The chunks to speak of.
    fn places(&self, manifest: &Manifest) -> Outcome<Vec<ChunkIndex>> {
        if let Some(range) = self.range {
            let range = range.within(manifest.plain_bytes)?;
            let pieces = restore::pieces(manifest.placed(), &range);
            return Ok(pieces.iter().map(|piece| piece.chunk.index).collect());
        }
        if !self.segment.is_empty() && self.chunk.len() != 1 {
            return Err(Failure::usage("--segment goes with exactly one --chunk"));
        }
        let mut places: Vec<_> = self.chunk.iter().copied().map(ChunkIndex).collect();
        places.sort_unstable();
        places.dedup();
        match places.last() {
            Some(last) if last.0 >= manifest.chunk_count => Err(Failure::usage(format!(
                "there is no chunk {last}: the session has {}, counted from 0",
                manifest.chunk_count
            ))),
            _ => Ok(places),
        }
    }

    fn chunks(
        &self,
        port: &SessionPort<'_>,
        manifest: &Manifest,
        places: &[ChunkIndex],
        dek: Option<&Dek>,
    ) -> Outcome<Vec<ChunkEvidence>> {
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let summaries = summaries(port.store, manifest)?;
        let tree =
            SessionTree::from_leaves(summaries.iter().map(ChunkSummary::session_leaf).collect());
        if tree.root() != manifest.merkle_root {
            let id = manifest.session_id;
            return Err(Failure::check(format!(
                "the index of session {id} does not hash to its root: see lucid-node verify {id}"
            )));
        }
        let evidence = |index: &ChunkIndex| {
            let summary = summaries[index.0 as usize];
            let (segments, sealed) = self.content(port, &summary)?;
            Ok(ChunkEvidence {
                summary,
                path: tree.path(u64::from(index.0))?,
                disclosed: dek.map(|dek| dek.chunk_key(&manifest.session_id, *index)),
                segments,
                sealed,
            })
        };
        places.iter().map(evidence).collect()
    }

    /// Segments and sealed bytes of a chunk, as far as they were asked for.
    fn content(
        &self,
        port: &SessionPort<'_>,
        summary: &ChunkSummary,
    ) -> Outcome<(Vec<SegmentEvidence>, Option<Vec<u8>>)> {
        let index = summary.header.index;
        let wrong = |error| Failure::check(format!("chunk {index}: {error}"));
        let open = || -> Result<(File, u64), Failure> {
            port.open(index).map_err(|error| wrong(lucid_pipeline::open::ChunkError::from(error)))
        };
        let mut segments = Vec::new();
        if !self.segment.is_empty() {
            let (mut file, bytes) = open()?;
            let (_, leaves) = ChunkOpener::new()
                .leaves(&mut file, bytes, Some(&summary.header))
                .map_err(wrong)?;
            let mut wanted = self.segment.clone();
            wanted.sort_unstable();
            wanted.dedup();
            for segment in wanted {
                let Some(leaf) = leaves.get(segment as usize) else {
                    return Err(Failure::usage(format!(
                        "chunk {index} has no segment {segment}: it has {}",
                        leaves.len()
                    )));
                };
                let path = merkle::inclusion_proof(&leaves, u64::from(segment))?;
                segments.push(SegmentEvidence { index: SegmentIndex(segment), leaf: *leaf, path });
            }
        }
        let mut sealed = None;
        if self.attach {
            let (mut file, _) = open()?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            if bytes.len() as u64 != summary.layout().file_bytes() {
                return Err(Failure::check(format!(
                    "chunk {index}: the file has another length than recorded"
                )));
            }
            sealed = Some(bytes.split_off(PREFIX_BYTES));
        }
        Ok((segments, sealed))
    }
}

/// A kept anchor that cannot be used, and the way round it.
fn without_anchor(error: StoreError) -> Failure {
    Failure::from(error).context("the log's anchor cannot be used; --no-anchor leaves it out")
}

/// The entry, and its proof under the anchored checkpoint, where there is one.
fn log_proof(
    store: &Store,
    index: EntryIndex,
    anchor: Option<&AnchorRecord>,
) -> Outcome<(Vec<u8>, TlogProof)> {
    let entry = store.with_log(|log| Ok(log.entry(index)?))?;
    let proof = match anchor {
        Some(record) => store.anchored_proof(index, record)?,
        None => store.with_log(|log| Ok(log.witnessed_proof(index)?))?,
    };
    Ok((entry, proof))
}

fn summaries(store: &Store, manifest: &Manifest) -> Outcome<Vec<ChunkSummary>> {
    let index = store.index(manifest.session_id)?;
    let summaries = index.take(manifest.chunks.len()).collect::<Result<Vec<_>, _>>()?;
    if summaries.len() == manifest.chunks.len() {
        return Ok(summaries);
    }
    let id = manifest.session_id;
    Err(Failure::check(format!(
        "the index of session {id} is too short: see lucid-node verify {id}"
    )))
}

impl Proved {
    fn text(&self) -> String {
        let about = match self.chunks.len() {
            0 => "the session as a whole".to_owned(),
            1 => format!("chunk {}", self.chunks[0]),
            count => format!("{count} chunks"),
        };
        let keys = match (self.disclosed, self.chunks.len()) {
            (false, _) => "",
            (true, 1) => "; it discloses the chunk's key",
            (true, _) => "; it discloses their keys",
        };
        let anchor = self.anchor.as_ref().map(|it| format!("; it is anchored {}", it.in_short()));
        let network = self.anchor.as_ref().map(AnchorReport::arguments);
        format!(
            "{}: {} of evidence about {about}{keys}{}\ncheck it anywhere with:\n  lucid-node \
             verify {} --key {}{}",
            self.output,
            counted(self.bytes, "byte"),
            anchor.unwrap_or_default(),
            self.output,
            self.key,
            network.unwrap_or_default()
        )
    }
}
