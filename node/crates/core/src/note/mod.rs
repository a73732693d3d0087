//! Signed notes, checkpoints and log proofs, as C2SP writes them down.
//!
//! This module owns the text formats: key names and verifier keys, signed notes
//! (c2sp.org/signed-note), checkpoints (c2sp.org/tlog-checkpoint), Ed25519 cosignatures
//! (c2sp.org/tlog-cosignature), proofs (c2sp.org/tlog-proof), and what a log asks of a witness and a
//! witness decides (c2sp.org/tlog-witness). It leaves to others where keys come
//! from, what time it is, and which witnesses are enough.
//!
//! Invariants:
//! - what parses serialises to the same bytes, so a note is kept as parsed and printed verbatim;
//! - a text is believed only through [`SignedNote::verify`], [`Checkpoint::verify`] or
//!   [`TlogProof::verify`]; parsing says nothing about who wrote it;
//! - Ed25519 signatures are checked by the strict rules (no small-order key, no second encoding).

mod checkpoint;
mod cosignature;
mod error;
mod key;
mod line;
mod proof;
mod signed;
mod witness;

pub use self::{
    checkpoint::Checkpoint,
    cosignature::CosigningKey,
    error::NoteError,
    key::{KeyId, KeyName, SignatureType, SigningKey, VerifierKey},
    proof::{PROOF_BYTES_MAX, PROOF_PATH_MAX, TlogProof},
    signed::{NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX, NoteSignature, SignedNote, Verified},
    witness::{ADD_CHECKPOINT_BYTES_MAX, AddCheckpoint, WITNESS_PROOF_MAX, WitnessRefusal},
};

#[cfg(test)]
mod tests;
