//! The evidence file, `<name>.lucid-proof`: one text that proves, offline and without trusting the
//! node's word, that pieces of a session were in the node's log when a checkpoint was signed.
//!
//! ```text
//! lucid-evidence/v1
//! key <the node's log key, a C2SP vkey>
//! entry <the session.sealed entry, RFC 8785 JSON>
//! manifest <the manifest, RFC 8785 JSON>        optional: places the chunks in the plaintext
//! chunk <index>                                 none, one or more, indices ascending
//! header <48 bytes in hex>
//! salt <24 bytes in hex>
//! commitment <32 bytes in hex>
//! root <chunk root, hex>
//! path <count>                                  session tree, leaf to root; then one hash a line
//! disclose <chunk key, hex>                     optional: whoever has this can read the chunk
//! segment <index> <leaf, hex>                   none, one or more, indices ascending
//! path <count>                                  chunk tree, leaf to root; then one hash a line
//! sealed <bytes>                                optional: the sealed segments, then base64 lines
//! tlog-proof                                    then a C2SP tlog-proof, verbatim
//! c2sp.org/tlog-proof@v1
//! ...
//! anchor tron/v1                                optional: where the checkpoint stands in TRON's blocks
//! ...
//! end
//! ```
//!
//! Lines end in one newline. The order is the order of checking: what a line claims is proved by the
//! lines after it, down to the log's signature. The tlog-proof ends where a line is `end` or begins with
//! `anchor `, which no line of a checkpoint can: its last lines begin with a dash. The TRON part is in
//! `evidence/anchor.rs`; the checkpoint is then the anchored one.
//!
//! There is exactly one encoding of a piece of evidence, and what it says is checked to the last byte:
//! hashes and paths against the checkpoint, the checkpoint against the key, the key's name against
//! the key, the key against the one the verifier was given, the anchor against the checkpoint. The tlog-proof has no `extra` line, which
//! nothing would hold. Only cosignatures of witnesses that the verifier does not know stay unchecked,
//! as signed notes have it.

mod anchor;
mod parse;
mod verify;
mod write;

#[cfg(test)]
mod tests;

pub use parse::EvidenceError;
pub use verify::{ChunkClaim, Claims, EvidenceFinding, SegmentClaim};

use crate::{
    Hash, SegmentIndex,
    chunk::ChunkSummary,
    keys::ChunkKey,
    note::{TlogProof, VerifierKey},
    tron::anchor::AnchorProof,
};

/// Largest evidence file that is read, in bytes.
pub const EVIDENCE_BYTES_MAX: u64 = 1 << 30;

/// What an evidence file holds. Reading it checks its form; [`Evidence::verify`] checks its claims.
#[derive(Debug)]
pub struct Evidence {
    /// The node's log key, as the file claims it. Whether it is the right one, the verifier knows.
    pub key: VerifierKey,
    /// The bytes of the `session.sealed` entry.
    pub entry: Vec<u8>,
    /// The bytes of the manifest, where the file has it.
    pub manifest: Option<Vec<u8>>,
    /// The chunks it speaks of.
    pub chunks: Vec<ChunkEvidence>,
    /// Where the entry is in the log, and the checkpoint.
    pub proof: TlogProof,
    /// Where that checkpoint is in TRON's blocks, where the file says so.
    pub anchor: Option<AnchorProof>,
}

/// What an evidence file says of one chunk.
#[derive(Debug)]
pub struct ChunkEvidence {
    /// The chunk, as its session leaf commits to it.
    pub summary: ChunkSummary,
    /// Its path in the session tree, from the leaf's sibling up.
    pub path: Vec<Hash>,
    /// Its key, where the owner discloses it.
    pub disclosed: Option<ChunkKey>,
    /// Single segments of it.
    pub segments: Vec<SegmentEvidence>,
    /// Its sealed segments themselves, where they are attached.
    pub sealed: Option<Vec<u8>>,
}

/// What an evidence file says of one segment.
#[derive(Debug, PartialEq, Eq)]
pub struct SegmentEvidence {
    /// Its place in the chunk.
    pub index: SegmentIndex,
    /// H(0x00 ‖ sealed segment).
    pub leaf: Hash,
    /// Its path in the chunk's tree, from the leaf's sibling up.
    pub path: Vec<Hash>,
}
