//! Anchors: a checkpoint of a log, written into a block of TRON, and what proves that.
//!
//! This module owns what an anchor's transaction says ([`AnchorPayload`]), the proof that it is in a block
//! ([`AnchorProof`]) and the file in which a node keeps that ([`AnchorRecord`]). It leaves to others to send
//! the transaction, to wait for its block, and to ask a node of TRON.
//!
//! There are two forms:
//! - **contract**: a call of `anchor(bytes32,uint64)` with the log's root and size, by a contract (LucidAnchors)
//!   that keeps or logs them;
//! - **memo**: a transfer of 1 sun whose memo is, to the byte, the three lines of the checkpoint that a log
//!   signs (C2SP tlog-checkpoint), so that anybody reads it in a block explorer.
//!
//! Without a node of TRON a proof shows that the transaction commits to that very checkpoint, who signed it,
//! that it is in the block with that id and succeeded there, and who signed that block's header. It does
//! **not** show that the block is in TRON's chain: whoever has a key can sign a header.
//! [`AnchorClaims::needs_a_node`] says so in words.
//!
//! Invariant: every byte of a proof is bound. The transaction's by the block's tree, the header's by its
//! signature, that (its s in the lower half, its v 0 or 1) by the signer that the proof names, and the
//! network's name by the id of its block 0; an id that is known by no name holds only where the
//! verifier gives it.

mod claims;
mod genesis;
mod payload;
mod proof;
mod record;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use claims::{AnchorClaims, AnchorPins};
pub use genesis::{Genesis, GenesisError};
pub use payload::{AnchorForm, AnchorPayload, AnchorTarget, SELECTOR};
pub use proof::{
    AnchorFinding, AnchorProof, HEADER_BYTES_MAX, PATH_STEPS_MAX, Step, TRANSACTION_BYTES_MAX,
};
pub use record::{AnchorRecord, RecordError};
