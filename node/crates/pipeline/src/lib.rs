//! The hot path: from a stream of plaintext to sealed, hashed chunk files, and back.
//!
//! This crate owns the cut into chunks, compression, sealing, hashing, and the threads that do it.
//! It leaves to others what the bytes mean (`lucid-core`), how a hash is computed fastest
//! (`lucid-hal`) and where the chunks go: it knows a store only as the [`ports`] below, and never
//! opens a file itself.
//!
//! Invariants:
//! - memory is 2 buffers of one chunk, 2 windows of [`window::WINDOW_SEGMENTS`] segments and zstd's
//!   tables a worker, whatever the session's length; of a file that does not shrink the buffers stay
//!   unused;
//! - chunks are acknowledged in order, without gaps, and only after the store said that each is
//!   durable;
//! - no key seals two plaintexts: every sealing attempt draws a fresh salt;
//! - nothing of a segment's plaintext is given out before its tag was checked, and nothing of a
//!   chunk's before its commitment was.
//!
//! A crash loses what was read from the source but not yet acknowledged, and nothing else.

pub mod aead;
pub mod codec;
mod gate;
pub mod ingest;
pub mod open;
pub mod pages;
pub mod ports;
pub mod restore;
pub mod seal;
pub mod source;
pub mod tree;
pub mod verify;
pub mod window;
pub mod wraps;

#[cfg(not(any(feature = "aws-lc", feature = "pure-rust")))]
compile_error!("choose an AEAD: feature `aws-lc` (default) or `pure-rust`");

/// An error of whatever stands behind a port.
pub type PortError = Box<dyn std::error::Error + Send + Sync>;
