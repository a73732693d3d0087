//! Checkpoints: a log's size and root over its signature (c2sp.org/tlog-checkpoint).

use super::{
    KeyName, NoteError, SignatureType, SignedNote, SigningKey, Verified, VerifierKey, line,
};
use crate::Hash;

/// A log's state: `size` leaves under `root`.
///
/// As a note's text: the origin, the size in decimal, the root in base64, each ended by a newline.
/// Extension lines are not accepted: no monitor could audit them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name, which is also the name of the key it signs with.
    pub origin: KeyName,
    /// Leaves in the tree.
    pub size: u64,
    /// The tree's root (RFC 6962 §2.1).
    pub root: Hash,
}

impl Checkpoint {
    /// The text that is signed.
    #[must_use]
    pub fn to_body(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, line::base64(self.root.as_bytes()))
    }

    /// Reads the text that was signed.
    ///
    /// # Errors
    ///
    /// [`NoteError::CheckpointShape`], [`NoteError::CheckpointOrigin`],
    /// [`NoteError::CheckpointSize`], [`NoteError::CheckpointRoot`], [`NoteError::ExtensionLine`].
    pub fn parse_body(body: &str) -> Result<Self, NoteError> {
        let mut rest = body;
        let mut next_line = || {
            let (line, after) = rest.split_once('\n').ok_or(NoteError::CheckpointShape)?;
            rest = after;
            Ok::<_, NoteError>(line)
        };
        let (origin, size, root) = (next_line()?, next_line()?, next_line()?);
        if !rest.is_empty() {
            return Err(NoteError::ExtensionLine);
        }
        Ok(Self {
            origin: KeyName::new(origin).map_err(|_| NoteError::CheckpointOrigin)?,
            size: line::decode_decimal(size).ok_or(NoteError::CheckpointSize)?,
            root: line::decode_hash(root).ok_or(NoteError::CheckpointRoot)?,
        })
    }

    /// The signed note of this checkpoint: what a log publishes at `checkpoint`.
    ///
    /// # Errors
    ///
    /// [`NoteError::OriginMismatch`] where `key` has another name than the origin,
    /// [`NoteError::NoteTooLong`] where the name alone fills a note.
    pub fn sign(&self, key: &SigningKey) -> Result<String, NoteError> {
        self.check_origin(key.name())?;
        Ok(SignedNote::sign(self.to_body(), key)?.to_string())
    }

    /// Reads the signed note `text` and checks that the log whose key is `log` signed it.
    ///
    /// Signatures by others are ignored. Whether the checkpoint extends an earlier one is not
    /// checked here.
    ///
    /// # Errors
    ///
    /// Those of [`SignedNote::parse`], [`SignedNote::verify`] and [`parse_body`](Self::parse_body);
    /// [`NoteError::OriginMismatch`] where `log` has another name than the origin;
    /// [`NoteError::WrongKeyType`] where `log` is no key of type 0x01.
    pub fn verify(text: &str, log: &VerifierKey) -> Result<Self, NoteError> {
        Self::verify_cosigned(text, log, &[]).map(|(checkpoint, _)| checkpoint)
    }

    /// As [`verify`](Self::verify), and gives the `witnesses` whose cosignatures verified, each once,
    /// with their times. How many are enough, and how old they may be, is the caller's policy.
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify), and [`NoteError::BadSignature`] where a line claims to be a known
    /// witness's and is not; [`NoteError::WrongKeyType`] where a witness has no key of type 0x04.
    pub fn verify_cosigned<'k>(
        text: &str,
        log: &'k VerifierKey,
        witnesses: &[&'k VerifierKey],
    ) -> Result<(Self, Vec<Verified<'k>>), NoteError> {
        check_kind(log, SignatureType::Ed25519)?;
        witnesses.iter().try_for_each(|key| check_kind(key, SignatureType::CosignatureV1))?;
        let note = SignedNote::parse(text)?;
        // The log is asked for alone first: witnesses cannot speak for it.
        note.verify(&[log])?;
        let checkpoint = Self::parse_body(note.text())?;
        checkpoint.check_origin(log.name())?;
        let cosigned = match note.verify(witnesses) {
            Err(NoteError::Untrusted) => Vec::new(),
            cosigned => cosigned?,
        };
        Ok((checkpoint, cosigned))
    }

    fn check_origin(&self, key: &KeyName) -> Result<(), NoteError> {
        if self.origin == *key {
            return Ok(());
        }
        Err(NoteError::OriginMismatch { origin: self.origin.clone(), key: key.clone() })
    }
}

fn check_kind(key: &VerifierKey, kind: SignatureType) -> Result<(), NoteError> {
    if key.kind() == kind {
        return Ok(());
    }
    Err(NoteError::WrongKeyType { key: key.label() })
}
