//! What a node keeps on disk, and the order in which it gets there.
//!
//! This crate owns the data folder: chunk files, key files, session indexes, manifests, the ledger
//! log and the sled database, and every fsync that an acknowledgement depends on. It leaves to others
//! what the bytes mean (`lucid-core`) and how chunks are sealed (`lucid-pipeline`).
//!
//! The append-only files are the truth; sled is a projection of the log that can be thrown away.
//! [`Store`] is the way in. What sessions are encrypted with, and what is encrypted, is behind the
//! [`Vault`], which may be in another process.

pub mod accounts;
pub mod anchors;
pub mod catalogue;
pub mod chunks;
pub mod data;
pub mod db;
pub mod disk;
pub mod error;
pub mod given_file;
pub mod keys;
pub mod log;
pub mod projection;
pub mod remake;
pub mod secrets;
pub mod sessions;
mod sled_folder;
pub mod small_file;
pub mod store;
#[cfg(test)]
mod testing;
pub mod tunnel_files;
pub mod vault;
pub mod witness;

pub use accounts::Accounts;
pub use anchors::AnchorFolder;
pub use catalogue::{Catalogue, CatalogueFilter, CatalogueRow, HashKind, HashMatch};
pub use chunks::{ChunkFiles, ChunkPrefix, ChunkWriter};
pub use data::{DataFolder, FolderKind, RESTORED, RESTORING};
pub use db::{Due, Figures, Order, SealedFacts, SessionFilter, SessionRow, State};
pub use disk::Disk;
pub use error::{ErrorKind, StoreError};
pub use keys::KeyFiles;
pub use log::{Log, LogError, LogReader};
pub use projection::Projection;
pub use remake::{ManifestDraft, Remake};
pub use secrets::{KekSource, MasterKey, NodeKey, Secrets};
pub use sessions::{IndexReader, ManifestFile, SessionFolders};
pub use sled::Tree;
pub use sled_folder::Rebuilt;
pub use small_file::SmallFile;
pub use store::{
    Committed, CreateOptions, LedgerOptions, OpenOptions, ParameterChanges, Recovery, Repair,
    SealRequest, Sealed, Store, UserChanges,
};
pub use tunnel_files::TunnelFiles;
pub use vault::{
    Ciphers, CommittedChunk, FolderVault, Lease, NoCiphers, Presence, RemoteVault, Transport,
    Vault, VaultCall, VaultFailure, VaultOptions, VaultReply, Verdict, dispatch,
};
pub use witness::{Witness, WitnessError};
