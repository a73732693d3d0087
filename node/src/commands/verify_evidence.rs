//! Checks an evidence file, with nothing but the file: no data folder, no network, no trust in the
//! node beyond its key.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use lucid_core::{
    ChunkIndex,
    chunk::PREFIX_BYTES,
    evidence::{ChunkEvidence, Claims, EVIDENCE_BYTES_MAX, Evidence},
    merkle,
    note::{TlogProof, VerifierKey},
    tron::anchor::AnchorPins,
};
use lucid_pipeline::open::{ChunkError, ChunkOpener};

pub use super::evidence_report::Report;
use super::{
    evidence_report::{ChunkReport, is_known},
    online::Online,
    target::Target,
    verify_anchor::AnchorReport,
    verify_witness::WitnessReport,
};
use crate::{
    cli::OutputArg,
    failure::{Failure, Outcome},
};

/// What is checked.
pub struct Request {
    /// The evidence file.
    pub path: PathBuf,
    /// The node's key, as the verifier knows it.
    pub key: Option<VerifierKey>,
    /// Witnesses that the verifier knows.
    pub witnesses: Vec<VerifierKey>,
    /// How many of them are enough; all where it is not said.
    pub witness_quorum: Option<usize>,
    /// Chunk files that it speaks of.
    pub chunk_files: Vec<PathBuf>,
    /// Where the plaintext of disclosed chunks goes.
    pub extract: Option<PathBuf>,
    /// What the verifier knows of the anchor.
    pub anchor: AnchorPins,
    /// Who is asked whether TRON has the anchor.
    pub online: Option<Online>,
}

/// Checks the file.
///
/// # Errors
/// Class check: what does not hold. Class I/O: what cannot be read.
pub fn verify(request: &Request) -> Outcome<Report> {
    let text = read(&request.path)?;
    if text.starts_with("c2sp.org/tlog-proof@") {
        return verify_tlog_proof(&text, request);
    }
    let evidence = Evidence::parse(&text).map_err(|e| named(&request.path, e.into()))?;
    let claims = evidence.verify_anchored(request.key.as_ref(), &request.anchor);
    let claims = claims.map_err(|e| named(&request.path, e.into()))?;
    let witnesses = witness_report(&evidence.proof, &evidence.key, request)?;
    let anchor = anchor_report(&claims, request)?;
    let files = check_chunk_files(&evidence, &request.chunk_files)?;
    let extracted_bytes = match &request.extract {
        Some(path) => Some(extract(&evidence, &files, path)?),
        None => None,
    };
    let report = report(&evidence, &claims, &files, request.key.is_some(), witnesses)?;
    Ok(Report { anchor, extracted_bytes, ..report })
}

fn witness_report(
    proof: &TlogProof,
    key: &VerifierKey,
    request: &Request,
) -> Outcome<WitnessReport> {
    let quorum = request.witness_quorum;
    WitnessReport::of(proof.checkpoint(), key, &request.witnesses, quorum)
        .map_err(|failure| named(&request.path, failure))
}

/// What is said of the anchor, after a node of TRON was asked where one is to be.
fn anchor_report(claims: &Claims, request: &Request) -> Outcome<Option<AnchorReport>> {
    let report = claims.anchor.as_ref().map(AnchorReport::of);
    let Some(online) = &request.online else { return Ok(report) };
    let (Some(anchor), Some(report)) = (&claims.anchor, report) else {
        let none = "the evidence has no TRON part that a TRON node could be asked about";
        return Err(named(&request.path, Failure::check(none)));
    };
    online.check(anchor).map_err(|failure| named(&request.path, failure))?;
    Ok(Some(report.borne_out()))
}

fn named(path: &Path, failure: Failure) -> Failure {
    failure.context(path.display().to_string())
}

/// Opens a file, and nothing that could keep its reader waiting, such as a pipe.
fn open_file(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file")),
    }
}

fn read(path: &Path) -> Outcome<String> {
    let unreadable =
        |error: io::Error| Failure::io(format!("{} cannot be read: {error}", path.display()));
    let mut bytes = Vec::new();
    let file = open_file(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            Failure::check(format!("{} is neither a session's id nor a file", path.display()))
        }
        _ => unreadable(error),
    })?;
    file.take(EVIDENCE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > EVIDENCE_BYTES_MAX {
        return Err(Failure::check(format!("{} is too large for evidence", path.display())));
    }
    String::from_utf8(bytes)
        .map_err(|_| Failure::check(format!("{}: not an evidence file: no text", path.display())))
}

fn verify_tlog_proof(text: &str, request: &Request) -> Outcome<Report> {
    let proof = TlogProof::parse(text).map_err(|e| named(&request.path, e.into()))?;
    let Some(key) = &request.key else {
        return Err(Failure::usage("a .tlog-proof names no key: give the node's with --key VKEY"));
    };
    if request.extract.is_some() || !request.chunk_files.is_empty() {
        return Err(Failure::usage("a .tlog-proof speaks of no chunks: use a .lucid-proof"));
    }
    if request.anchor != AnchorPins::default() || request.online.is_some() {
        return Err(Failure::usage(
            "a .tlog-proof has no anchor: --anchor-address, --anchor-contract, --network and --online \
             need a .lucid-proof",
        ));
    }
    let entry = proof.extra().ok_or_else(|| {
        Failure::check("the .tlog-proof has no extra line with its entry; nothing can be checked")
    })?;
    let checkpoint = proof.verify(merkle::leaf_hash(entry), key);
    let checkpoint = checkpoint.map_err(|e| named(&request.path, e.into()))?;
    let known = is_known(entry);
    let entry = serde_json::from_slice(entry)
        .map_err(|error| Failure::check(format!("the proved entry is no JSON: {error}")))?;
    Ok(Report {
        verified: true,
        key: key.to_string(),
        key_pinned: true,
        log_index: proof.index(),
        log_size: checkpoint.size,
        log_root: checkpoint.root,
        entry,
        known,
        complete: None,
        chunks: Vec::new(),
        witnesses: witness_report(&proof, key, request)?,
        anchor: None,
        extracted_bytes: None,
    })
}

/// The chunk files given beside the evidence, each of which it must speak of.
fn check_chunk_files(
    evidence: &Evidence,
    paths: &[PathBuf],
) -> Outcome<Vec<(ChunkIndex, PathBuf)>> {
    let mut opener = ChunkOpener::new();
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        let wrong =
            |error: &dyn std::fmt::Display| Failure::check(format!("{}: {error}", path.display()));
        let opened = open_file(path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (file_bytes, mut file) = opened.map_err(|e| wrong(&ChunkError::from(e)))?;
        let summary = opener.scan(&mut file, file_bytes, None).map_err(|e| wrong(&e))?;
        let index = summary.header.index;
        let chunk = evidence.chunks.iter().find(|chunk| chunk.summary.header.index == index);
        match chunk {
            Some(chunk) if chunk.summary == summary => files.push((index, path.clone())),
            Some(_) => return Err(wrong(&format!("it is not chunk {index} of the evidence"))),
            None => return Err(wrong(&format!("the evidence does not speak of chunk {index}"))),
        }
    }
    Ok(files)
}

/// Writes the plaintext of every disclosed chunk, in order.
fn extract(evidence: &Evidence, files: &[(ChunkIndex, PathBuf)], path: &Path) -> Outcome<u64> {
    let disclosed: Vec<_> =
        evidence.chunks.iter().filter(|chunk| chunk.disclosed.is_some()).collect();
    if disclosed.is_empty() {
        return Err(Failure::usage("the evidence discloses no key: there is nothing to extract"));
    }
    if path.symlink_metadata().is_ok() {
        let path = path.display();
        return Err(Failure::usage(format!("{path} is there already: give another name")));
    }
    let mut target =
        Target::open(&OutputArg { output: Some(path.to_owned()), force: false }, None)?;
    let mut opener = ChunkOpener::new();
    let mut bytes = 0;
    for chunk in disclosed {
        let index = chunk.summary.header.index;
        let plain = open_chunk(&mut opener, chunk, files)?;
        let plain = plain.map_err(|error| Failure::check(format!("chunk {index}: {error}")))?;
        target.writer().write_all(plain)?;
        bytes += plain.len() as u64;
    }
    target.finish()?;
    Ok(bytes)
}

fn open_chunk<'a>(
    opener: &'a mut ChunkOpener,
    chunk: &ChunkEvidence,
    files: &[(ChunkIndex, PathBuf)],
) -> Outcome<Result<&'a [u8], ChunkError>> {
    let header = &chunk.summary.header;
    let index = header.index;
    let key = chunk.disclosed.clone();
    let key = |_: &_| key.expect("only disclosed chunks are opened");
    let attached = chunk.sealed.as_ref().map(|sealed| {
        let (salt, commitment) = (&chunk.summary.salt.0, &chunk.summary.commitment.0);
        let mut prefix = Vec::with_capacity(PREFIX_BYTES);
        prefix.extend_from_slice(&header.to_bytes());
        prefix.extend_from_slice(salt);
        prefix.extend_from_slice(commitment);
        io::Cursor::new(prefix).chain(&sealed[..])
    });
    let file_bytes = header.layout().file_bytes();
    let opened = match attached {
        Some(mut reader) => opener.open(&mut reader, file_bytes, Some(header), key),
        None => {
            let file = files.iter().find(|(place, _)| *place == index).ok_or_else(|| {
                Failure::usage(format!(
                    "the sealed bytes of chunk {index} are not in the evidence: give its file with \
                     --chunk-file {index:08}.lck",
                    index = index.0
                ))
            })?;
            opener.open(&mut open_file(&file.1)?, file_bytes, Some(header), key)
        }
    };
    // The file may have been exchanged since it was checked: what is written is what was proved.
    Ok(opened.and_then(|(summary, plain)| match summary == chunk.summary {
        true => Ok(plain),
        false => Err(ChunkError::HeaderDiffers),
    }))
}

fn report(
    evidence: &Evidence,
    claims: &Claims,
    files: &[(ChunkIndex, PathBuf)],
    key_pinned: bool,
    witnesses: WitnessReport,
) -> Outcome<Report> {
    let entry = serde_json::from_slice(&evidence.entry)
        .map_err(|error| Failure::check(format!("the entry is no JSON: {error}")))?;
    let known = is_known(&evidence.entry);
    let chunks = claims.chunks.iter().map(|claim| ChunkReport {
        index: claim.index,
        plain_bytes: claim.plain_bytes,
        plain_range: claim.plain_range.clone().map(|range| (range.start, range.end - 1)),
        disclosed: claim.disclosed,
        content_checked: claim.attached || files.iter().any(|(index, _)| *index == claim.index),
        segments: claim.segments.iter().map(|segment| segment.index.0).collect(),
    });
    Ok(Report {
        verified: true,
        key: evidence.key.to_string(),
        key_pinned,
        log_index: claims.log_index,
        log_size: claims.checkpoint.size,
        log_root: claims.checkpoint.root,
        entry,
        known,
        complete: claims.complete,
        chunks: chunks.collect(),
        witnesses,
        anchor: None,
        extracted_bytes: None,
    })
}
