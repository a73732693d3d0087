//! What the pipeline asks of a store. The node wires these to `lucid-store`, tests to memory.

use lucid_core::{ChunkIndex, chunk::ChunkSummary};

use crate::PortError;

/// Takes a session's chunks. Shared by all workers.
pub trait ChunkSink: Sync {
    /// A chunk file in the making. Dropped without `commit`, it leaves nothing.
    type File: ChunkFile;

    /// Begins a chunk file.
    ///
    /// # Errors
    /// The store's.
    fn create(&self, index: ChunkIndex) -> Result<Self::File, PortError>;

    /// Makes these chunks acknowledged, durably: they follow those acknowledged before, in order.
    /// Every one of them was committed. Called by one thread at a time.
    ///
    /// # Errors
    /// The store's; none of the chunks then counts as acknowledged.
    fn acknowledge(&self, chunks: &[ChunkSummary]) -> Result<(), PortError>;
}

/// One chunk file in the making.
pub trait ChunkFile {
    /// Appends bytes.
    ///
    /// # Errors
    /// The store's.
    fn write(&mut self, bytes: &[u8]) -> Result<(), PortError>;

    /// Makes the content durable under the chunk's name.
    ///
    /// # Errors
    /// The store's.
    fn commit(self) -> Result<(), PortError>;
}

/// Gives back a session's chunk files. Shared by all workers.
pub trait ChunkShelf: Sync {
    /// A chunk file opened for reading.
    type Reader: std::io::Read;

    /// Opens a chunk file and tells its length in bytes.
    ///
    /// # Errors
    /// The operating system's: `NotFound` where the file is missing.
    fn open(&self, index: ChunkIndex) -> std::io::Result<(Self::Reader, u64)>;
}
