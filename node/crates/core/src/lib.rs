//! Formats and rules of a Lucid node, as pure functions and types.
//!
//! This crate owns what the bytes mean: identifiers, the chunk file header and its key schedule,
//! RFC 6962 trees and proofs, the manifest, ledger entries, checkpoints (C2SP signed notes) and the
//! evidence file. It leaves to others every file, clock, random number, thread and socket; time,
//! randomness and keys are arguments. Its manifest names no such crate and its `clippy.toml` bans
//! them from the standard library.
//!
//! Invariants:
//! - every parser accepts exactly one encoding of a value: what parses serialises to the same bytes;
//! - no parser allocates more than a constant factor of its input;
//! - no type that holds a key implements `Debug` with its content, and each is zeroized when dropped.

pub mod access;
pub mod block;
pub mod chunk;
mod counted;
pub mod entry;
pub mod evidence;
pub mod hash;
pub mod id;
pub mod json;
pub mod keys;
pub mod manifest;
pub mod media;
pub mod merkle;
pub mod note;
pub mod parameters;
pub mod policy;
pub mod time;
pub mod tron;
pub mod upload;

pub use self::time::Timestamp;
pub use counted::counted;
pub use hash::{Hash, HashPrefix};
pub use id::{ChunkIndex, EntryIndex, NodeId, Owner, SegmentIndex, SessionId};
pub use media::MediaType;
pub use parameters::Parameters;
pub use policy::Policy;
pub use upload::Upload;
