//! What a log asks of a witness, and what a witness decides (c2sp.org/tlog-witness, `add-checkpoint`).

use core::fmt;

use super::{Checkpoint, NoteError, SignedNote, VerifierKey, line, signed::NOTE_BYTES_MAX};
use crate::{
    Hash,
    merkle::{EMPTY_ROOT, verify_consistency},
};

/// Hashes of a consistency proof: the protocol's bound.
pub const WITNESS_PROOF_MAX: usize = 63;
/// Bytes of a request: a whole note, a whole proof of base64 lines, and the line with the old size.
pub const ADD_CHECKPOINT_BYTES_MAX: usize = NOTE_BYTES_MAX + WITNESS_PROOF_MAX * 45 + 32;

/// The body of `POST <prefix>/add-checkpoint`, in lines:
///
/// 1. `old <decimal>`: the size of the checkpoint that the witness cosigned last, 0 for none
/// 2. the consistency proof from that size on, a hash in base64 on each line
/// 3. an empty line, and the signed checkpoint verbatim.
///
/// Its bytes are [`to_string`](ToString::to_string); parsing them gives the same request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// Size of the tree that the proof begins with.
    pub old_size: u64,
    /// The consistency proof (RFC 6962 §2.1.2); none where `old_size` is 0.
    pub proof: Vec<Hash>,
    /// The checkpoint, with whatever signatures it has.
    pub checkpoint: SignedNote,
}

impl AddCheckpoint {
    /// Reads a request.
    ///
    /// # Errors
    /// [`NoteError::WitnessOldSize`], [`NoteError::ProofHash`], [`NoteError::ProofPath`]; those of
    /// [`SignedNote::parse`].
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let (old, mut rest) = text
            .strip_prefix("old ")
            .and_then(|after| after.split_once('\n'))
            .ok_or(NoteError::WitnessOldSize)?;
        let old_size = line::decode_decimal(old).ok_or(NoteError::WitnessOldSize)?;
        let mut proof = Vec::new();
        loop {
            let line = proof.len() + 1;
            let (hash, after) = rest.split_once('\n').ok_or(NoteError::ProofHash { line })?;
            rest = after;
            if hash.is_empty() {
                break;
            }
            if proof.len() == WITNESS_PROOF_MAX {
                return Err(NoteError::ProofPath);
            }
            proof.push(line::decode_hash(hash).ok_or(NoteError::ProofHash { line })?);
        }
        Ok(Self { old_size, proof, checkpoint: SignedNote::parse(rest)? })
    }

    /// What the checkpoint says, before anybody has verified it: a witness finds by its origin whose key
    /// it must have.
    ///
    /// # Errors
    /// Those of [`Checkpoint::parse_body`].
    pub fn claimed(&self) -> Result<Checkpoint, NoteError> {
        Checkpoint::parse_body(self.checkpoint.text())
    }

    /// What a witness decides that trusts `log` and cosigned `latest` of it last (nothing where it never
    /// did): the checkpoint to cosign, which is `latest` or follows from it.
    ///
    /// The caller holds the log's lock from reading `latest` until the checkpoint is durable in its place.
    ///
    /// # Errors
    /// [`WitnessRefusal`], in the order that the protocol gives.
    pub fn judge(
        &self,
        log: &VerifierKey,
        latest: Option<&Checkpoint>,
    ) -> Result<Checkpoint, WitnessRefusal> {
        let checkpoint =
            Checkpoint::verify(&self.checkpoint.to_string(), log).map_err(|error| match error {
                NoteError::Untrusted | NoteError::BadSignature { .. } => {
                    WitnessRefusal::Untrusted(error)
                }
                error => WitnessRefusal::Malformed(error),
            })?;
        let (old, size, root) = (self.old_size, checkpoint.size, checkpoint.root);
        if old > size {
            return Err(WitnessRefusal::Backwards { old, size });
        }
        let (known, known_root) = latest.map_or((0, EMPTY_ROOT), |it| (it.size, it.root));
        if old != known {
            return Err(WitnessRefusal::Conflict { size: known });
        }
        let consistent = match old {
            // The empty tree is a prefix of every tree, and there is nothing to prove.
            0 => self.proof.is_empty() && (size > 0 || root == EMPTY_ROOT),
            _ => verify_consistency(old, known_root, size, root, &self.proof).is_ok(),
        };
        if consistent { Ok(checkpoint) } else { Err(WitnessRefusal::Inconsistent { old, size }) }
    }
}

/// The request's bytes.
impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old_size)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{}", line::base64(hash.as_bytes())))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

/// Why a witness does not cosign. Each is a status of the protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WitnessRefusal {
    /// 400: the checkpoint is none, or has what is not accepted.
    #[error("the checkpoint is refused")]
    Malformed(#[source] NoteError),
    /// 403: the log did not sign it.
    #[error("the log did not sign the checkpoint")]
    Untrusted(#[source] NoteError),
    /// 404: the witness knows no log of this origin.
    #[error("this witness knows no such log")]
    UnknownLog,
    /// 400: the proof would begin after the checkpoint.
    #[error("the checkpoint of {size} entries cannot follow one of {old}")]
    Backwards {
        /// The old size that was claimed.
        old: u64,
        /// The checkpoint's.
        size: u64,
    },
    /// 409: the witness cosigned another size last.
    #[error("the checkpoint that was cosigned last has {size} entries")]
    Conflict {
        /// Which.
        size: u64,
    },
    /// 422: the checkpoint does not follow from what was cosigned: a fork, or a wrong proof.
    #[error(
        "nothing proves that the tree of {size} entries begins with the one of {old} cosigned here"
    )]
    Inconsistent {
        /// The size cosigned last.
        old: u64,
        /// The checkpoint's.
        size: u64,
    },
}

impl WitnessRefusal {
    /// The size that a 409 tells.
    #[must_use]
    pub fn conflict(&self) -> Option<u64> {
        match self {
            Self::Conflict { size } => Some(*size),
            _ => None,
        }
    }

    /// The HTTP status that the protocol gives it.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) | Self::Backwards { .. } => 400,
            Self::Untrusted(_) => 403,
            Self::UnknownLog => 404,
            Self::Conflict { .. } => 409,
            Self::Inconsistent { .. } => 422,
        }
    }
}
