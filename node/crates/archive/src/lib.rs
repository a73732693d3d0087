//! What of a node is kept elsewhere: a backup of everything but chunks, the chunks in an object store, and what is
//! sent to support.
//!
//! - [`backup`]: one encrypted file with keys, log, indexes and manifests, and how a folder is made of it again;
//! - [`chunks`]: chunk files to an object store and back, each compared with what its session committed to;
//! - [`support`]: logs, configuration and figures in one file that holds no secret of the node.
//!
//! The crate owns these three formats and the order in which they reach the disk. What the files mean is
//! `lucid-core`'s and `lucid-store`'s; clock, environment and the network's settings are arguments.

pub mod backup;
pub mod chunks;
pub mod error;
pub mod support;
#[cfg(test)]
mod testing;

pub use error::{ArchiveError, ErrorKind};
