//! What a node keeps on disk, and the order in which it gets there.
//!
//! This crate owns the data folder: chunk files, key files, session indexes, manifests, the ledger
//! log and the sled database, and every fsync that an acknowledgement depends on. It leaves to others
//! what the bytes mean (`lucid-core`) and how chunks are sealed (`lucid-pipeline`).
//!
//! The append-only files are the truth; sled is a projection of the log that can be thrown away.
//! [`Store`] is the way in.

pub mod chunks;
pub mod data;
pub mod db;
pub mod disk;
pub mod error;
pub mod keys;
pub mod log;
pub mod secrets;
pub mod sessions;
pub mod store;
#[cfg(test)]
mod testing;

pub use chunks::{ChunkFiles, ChunkPrefix, ChunkWriter};
pub use data::DataFolder;
pub use db::{Order, SealedFacts, SessionFilter, SessionRow, State};
pub use disk::Disk;
pub use error::{ErrorKind, StoreError};
pub use keys::KeyFiles;
pub use log::{Log, LogError, LogReader};
pub use secrets::{KekSource, Secrets};
pub use sessions::{IndexReader, ManifestFile, SessionFolders};
pub use store::{
    Committed, CreateOptions, OpenOptions, Recovery, Repair, SealRequest, Sealed, Store, Summarise,
};
