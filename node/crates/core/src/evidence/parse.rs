//! Reads evidence files: exactly what [`Evidence::to_text`] writes, and nothing else.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{ChunkEvidence, Evidence, SegmentEvidence, anchor, write::SEALED_LINE_BYTES};
use crate::{
    Hash, SegmentIndex,
    chunk::{ChunkHeader, ChunkSummary, Commitment, HeaderError, Salt},
    hash::parse_lower_hex,
    keys::ChunkKey,
    note::{NoteError, TlogProof},
    tron::anchor::AnchorProof,
};

/// Longest path in a tree of at most 2^32 leaves.
const PATH_MAX: u32 = 32;

/// Why a text is no evidence file. Each names the line, from 1.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// Not an evidence file at all.
    #[error("not an evidence file: it does not begin with lucid-evidence/v1")]
    Magic,
    /// A later version.
    #[error("evidence format {0:?} is not known here (lucid-evidence/v1 is)")]
    Version(String),
    /// A line that cannot stand there.
    #[error("line {line}: {wanted} is expected here")]
    Line {
        /// Which line.
        line: usize,
        /// What should stand there.
        wanted: &'static str,
    },
    /// A malformed chunk header.
    #[error("line {line}: {error}")]
    Header {
        /// Which line.
        line: usize,
        /// What is wrong with it.
        error: HeaderError,
    },
    /// A malformed tlog-proof.
    #[error("the tlog-proof that begins at line {line}: {error}")]
    Proof {
        /// Which line.
        line: usize,
        /// What is wrong with it.
        error: NoteError,
    },
    /// An anchor of a form that a later version may know.
    #[error("an anchor of form {0:?} is not known here (tron/v1 is)")]
    AnchorForm(String),
    /// Something other than one newline after `end`, or another encoding of the same content.
    #[error("the file is not in the one form of this evidence")]
    Form,
}

pub(super) struct Lines<'a> {
    rest: &'a str,
    number: usize,
}

impl<'a> Lines<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.rest.split_once('\n').map(|(line, _)| line)
    }

    pub(super) fn next(&mut self, wanted: &'static str) -> Result<&'a str, EvidenceError> {
        self.number += 1;
        let (line, rest) = self.rest.split_once('\n').ok_or_else(|| self.error(wanted))?;
        self.rest = rest;
        Ok(line)
    }

    /// The value of the line `<name> <value>`.
    pub(super) fn field(&mut self, name: &'static str) -> Result<&'a str, EvidenceError> {
        let line = self.next(name)?;
        let value = line.strip_prefix(name).and_then(|rest| rest.strip_prefix(' '));
        value.ok_or_else(|| self.error(name))
    }

    /// Whether the next line is `<name> ...`.
    fn at(&self, name: &str) -> bool {
        let value = self.peek().and_then(|line| line.strip_prefix(name));
        value.is_some_and(|rest| rest.starts_with(' '))
    }

    pub(super) fn error(&self, wanted: &'static str) -> EvidenceError {
        EvidenceError::Line { line: self.number, wanted }
    }

    fn bytes<const N: usize>(&mut self, name: &'static str) -> Result<[u8; N], EvidenceError> {
        parse_lower_hex(self.field(name)?).ok_or_else(|| self.error(name))
    }

    /// The number in the line `path <count>`.
    pub(super) fn count(&mut self, most: u32) -> Result<u32, EvidenceError> {
        let count = number(self.field("path")?).filter(|count| *count <= most);
        count.ok_or_else(|| self.error("path and a count of at most 32"))
    }

    fn path(&mut self) -> Result<Vec<Hash>, EvidenceError> {
        let count = self.count(PATH_MAX)?;
        let hash = |_| {
            let line = self.next("a hash of the path")?;
            line.parse().map_err(|_| self.error("a hash of the path"))
        };
        (0..count).map(hash).collect()
    }
}

/// A decimal number without sign or leading zero.
fn number(text: &str) -> Option<u32> {
    let value: u32 = text.parse().ok()?;
    (value.to_string() == text).then_some(value)
}

impl Evidence {
    /// Reads an evidence file. Only its form is checked here.
    ///
    /// # Errors
    /// [`EvidenceError`], naming the line.
    pub fn parse(text: &str) -> Result<Self, EvidenceError> {
        let mut lines = Lines { rest: text, number: 0 };
        match lines.next("lucid-evidence/v1") {
            Ok("lucid-evidence/v1") => {}
            Ok(other) if other.starts_with("lucid-evidence/") && other.len() < 32 => {
                return Err(EvidenceError::Version(other.to_owned()));
            }
            _ => return Err(EvidenceError::Magic),
        }
        let key = lines.field("key")?;
        let key = key.parse().map_err(|_| lines.error("key and a C2SP verifier key"))?;
        let entry = lines.field("entry")?.as_bytes().to_vec();
        let manifest = match lines.at("manifest") {
            true => Some(lines.field("manifest")?.as_bytes().to_vec()),
            false => None,
        };
        let mut chunks: Vec<ChunkEvidence> = Vec::new();
        while lines.at("chunk") {
            let chunk = parse_chunk(&mut lines)?;
            let last = chunks.last().map(|last| last.summary.header.index);
            if last.is_some_and(|last| last >= chunk.summary.header.index) {
                return Err(lines.error("chunks in ascending order"));
            }
            chunks.push(chunk);
        }
        if lines.next("tlog-proof")? != "tlog-proof" {
            return Err(lines.error("chunk or tlog-proof"));
        }
        let (proof, anchor) = parse_proof(&mut lines)?;
        let evidence = Self { key, entry, manifest, chunks, proof, anchor };
        // Also what the parsers of other formats take: one form, to the byte.
        if evidence.to_text() == text { Ok(evidence) } else { Err(EvidenceError::Form) }
    }
}

/// The tlog-proof and what follows it: the TRON part, where there is one, and `end`.
fn parse_proof(lines: &mut Lines<'_>) -> Result<(TlogProof, Option<AnchorProof>), EvidenceError> {
    let line = lines.number + 1;
    let without_end = lines.rest.strip_suffix("end\n").ok_or(EvidenceError::Form)?;
    let (proof, part) = anchor::split(without_end);
    let error = |error| EvidenceError::Proof { line, error };
    let parsed = TlogProof::parse(proof).map_err(error)?;
    if parsed.extra().is_some() {
        return Err(EvidenceError::Form);
    }
    let Some(part) = part else { return Ok((parsed, None)) };
    *lines = Lines { rest: part, number: lines.number + proof.matches('\n').count() };
    let anchor = anchor::parse(lines)?;
    if lines.rest.is_empty() { Ok((parsed, Some(anchor))) } else { Err(EvidenceError::Form) }
}

fn parse_chunk(lines: &mut Lines<'_>) -> Result<ChunkEvidence, EvidenceError> {
    let index = lines.field("chunk")?;
    let index = number(index).ok_or_else(|| lines.error("chunk and an index"))?;
    let header = ChunkHeader::parse(&lines.bytes("header")?);
    let header = header.map_err(|error| EvidenceError::Header { line: lines.number, error })?;
    if header.index.0 != index {
        return Err(lines.error("the header of the chunk named before"));
    }
    let salt = Salt(lines.bytes("salt")?);
    let commitment = Commitment(lines.bytes("commitment")?);
    let chunk_root = Hash(lines.bytes("root")?);
    let path = lines.path()?;
    let disclosed = match lines.at("disclose") {
        true => Some(ChunkKey::new(lines.bytes("disclose")?)),
        false => None,
    };
    let mut segments: Vec<SegmentEvidence> = Vec::new();
    while lines.at("segment") {
        let segment = parse_segment(lines)?;
        if segments.last().is_some_and(|last| last.index >= segment.index) {
            return Err(lines.error("segments in ascending order"));
        }
        segments.push(segment);
    }
    let sealed = match lines.at("sealed") {
        true => Some(parse_sealed(lines, header.layout().sealed_bytes())?),
        false => None,
    };
    let summary = ChunkSummary { header, salt, commitment, chunk_root };
    Ok(ChunkEvidence { summary, path, disclosed, segments, sealed })
}

fn parse_segment(lines: &mut Lines<'_>) -> Result<SegmentEvidence, EvidenceError> {
    let wanted = "segment, its index and its leaf";
    let parts = lines.field("segment")?.split_once(' ');
    let parts = parts.and_then(|(index, leaf)| Some((number(index)?, leaf.parse().ok()?)));
    let (index, leaf) = parts.ok_or_else(|| lines.error(wanted))?;
    Ok(SegmentEvidence { index: SegmentIndex(index), leaf, path: lines.path()? })
}

fn parse_sealed(lines: &mut Lines<'_>, bytes: u64) -> Result<Vec<u8>, EvidenceError> {
    let wanted = "sealed and the number of bytes that the header calls for";
    let count = number(lines.field("sealed")?).filter(|count| u64::from(*count) == bytes);
    // At most 16 MiB and its tags, as the header was checked; no more is taken than is there.
    let mut rest = count.ok_or_else(|| lines.error(wanted))? as usize;
    let mut sealed = Vec::with_capacity(rest.min(lines.rest.len()));
    while rest > 0 {
        let wanted = "a line of base64, 64 characters but for the last";
        let line = STANDARD.decode(lines.next(wanted)?).map_err(|_| lines.error(wanted))?;
        if line.len() != rest.min(SEALED_LINE_BYTES) {
            return Err(lines.error(wanted));
        }
        rest -= line.len();
        sealed.extend_from_slice(&line);
    }
    Ok(sealed)
}
