//! Log proofs: everything a stranger needs to believe that a leaf is in a log, in one text
//! (c2sp.org/tlog-proof).

use core::fmt;

use super::{Checkpoint, NoteError, SignedNote, VerifierKey, line, signed::NOTE_BYTES_MAX};
use crate::{Hash, merkle::verify_inclusion};

/// Bytes a proof may have: a whole note, a whole path, and as much again as a note for extra data.
pub const PROOF_BYTES_MAX: usize = 2 * NOTE_BYTES_MAX + 4096;
/// Hashes in a proof's path: a log of 2^63 entries has no more.
pub const PROOF_PATH_MAX: usize = 63;

/// The first line.
const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// A proof in the format c2sp.org/tlog-proof@v1, in lines:
///
/// 1. `c2sp.org/tlog-proof@v1`
/// 2. `extra <base64>`, where there is extra data
/// 3. `index <decimal>`
/// 4. the audit path from the leaf's sibling up, a hash in base64 on each line
/// 5. an empty line, and the log's signed checkpoint verbatim.
///
/// Its bytes are [`to_text`](Self::to_text); parsing them gives the same proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    index: u64,
    path: Vec<Hash>,
    checkpoint: SignedNote,
    extra: Option<Vec<u8>>,
}

impl TlogProof {
    /// The proof that a leaf is at `index` of the tree whose signed checkpoint is `checkpoint_text`.
    /// Nothing is verified here.
    ///
    /// # Errors
    ///
    /// [`NoteError::ProofPath`] beyond 63 hashes; those of [`SignedNote::parse`] and
    /// [`Checkpoint::parse_body`] where the text is no signed checkpoint.
    pub fn new(index: u64, path: Vec<Hash>, checkpoint_text: &str) -> Result<Self, NoteError> {
        if path.len() > PROOF_PATH_MAX {
            return Err(NoteError::ProofPath);
        }
        let checkpoint = SignedNote::parse(checkpoint_text)?;
        Checkpoint::parse_body(checkpoint.text())?;
        Ok(Self { index, path, checkpoint, extra: None })
    }

    /// The proof with `extra` data, which nothing authenticates.
    ///
    /// # Errors
    ///
    /// [`NoteError::ProofExtra`] where it is empty, since an empty line says nothing;
    /// [`NoteError::ProofTooLong`].
    pub fn with_extra(self, extra: Vec<u8>) -> Result<Self, NoteError> {
        if extra.is_empty() {
            return Err(NoteError::ProofExtra);
        }
        let proof = Self { extra: Some(extra), ..self };
        check_length(proof.to_text().len())?;
        Ok(proof)
    }

    /// Reads a proof.
    ///
    /// # Errors
    ///
    /// [`NoteError::ProofTooLong`], [`NoteError::ProofHeader`], [`NoteError::ProofExtra`],
    /// [`NoteError::ProofIndex`], [`NoteError::ProofHash`], and as [`new`](Self::new).
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        check_length(text.len())?;
        let (header, mut rest) = text.split_once('\n').ok_or(NoteError::ProofHeader)?;
        if header != HEADER {
            return Err(NoteError::ProofHeader);
        }
        let mut extra = None;
        if let Some(after) = rest.strip_prefix("extra ") {
            let (base64, after) = after.split_once('\n').ok_or(NoteError::ProofExtra)?;
            extra = Some(line::decode_base64(base64).ok_or(NoteError::ProofExtra)?);
            rest = after;
        }
        let (index, mut rest) = rest
            .strip_prefix("index ")
            .and_then(|after| after.split_once('\n'))
            .ok_or(NoteError::ProofIndex)?;
        let index = line::decode_decimal(index).ok_or(NoteError::ProofIndex)?;
        let mut path = Vec::new();
        let checkpoint = loop {
            let line = path.len() + 1;
            let (hash, after) = rest.split_once('\n').ok_or(NoteError::ProofHash { line })?;
            if hash.is_empty() {
                break after;
            }
            path.push(line::decode_hash(hash).ok_or(NoteError::ProofHash { line })?);
            rest = after;
        };
        let proof = Self::new(index, path, checkpoint)?;
        match extra {
            Some(extra) => proof.with_extra(extra),
            None => Ok(proof),
        }
    }

    /// The proof's text.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.to_string()
    }

    /// The leaf's place in the log.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The audit path, from the leaf's sibling up.
    #[must_use]
    pub fn path(&self) -> &[Hash] {
        &self.path
    }

    /// The signed checkpoint, with all its signatures.
    #[must_use]
    pub fn checkpoint(&self) -> &SignedNote {
        &self.checkpoint
    }

    /// The signed checkpoint's text, verbatim, for [`Checkpoint::verify_cosigned`].
    #[must_use]
    pub fn checkpoint_text(&self) -> String {
        self.checkpoint.to_string()
    }

    /// The extra data. Nothing authenticates it.
    #[must_use]
    pub fn extra(&self) -> Option<&[u8]> {
        self.extra.as_deref()
    }

    /// Checks that `log` signed the checkpoint and that the leaf whose leaf hash is `leaf` is at this
    /// index under its root. Gives the checkpoint. Cosignatures are not looked at: see
    /// [`Checkpoint::verify_cosigned`].
    ///
    /// # Errors
    ///
    /// Those of [`Checkpoint::verify`]; [`NoteError::Inclusion`].
    pub fn verify(&self, leaf: Hash, log: &VerifierKey) -> Result<Checkpoint, NoteError> {
        let checkpoint = Checkpoint::verify(&self.checkpoint_text(), log)?;
        verify_inclusion(checkpoint.root, checkpoint.size, self.index, leaf, &self.path)?;
        Ok(checkpoint)
    }
}

/// The proof's text.
impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", line::base64(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.path.iter().try_for_each(|hash| writeln!(f, "{}", line::base64(hash.as_bytes())))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

fn check_length(bytes: usize) -> Result<(), NoteError> {
    if bytes > PROOF_BYTES_MAX { Err(NoteError::ProofTooLong { bytes }) } else { Ok(()) }
}
