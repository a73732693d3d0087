//! Joins the pipeline's ports to the store, for one session.

use std::{fs::File, io};

use lucid_core::{ChunkIndex, SessionId, chunk::ChunkSummary};
use lucid_pipeline::{
    PortError,
    open::ChunkOpener,
    ports::{ChunkFile, ChunkShelf, ChunkSink},
};
use lucid_store::{ChunkWriter, ErrorKind, Store, StoreError};

/// A session of a store.
#[derive(Clone, Copy)]
pub struct SessionPort<'a> {
    /// The store.
    pub store: &'a Store,
    /// The session.
    pub session: SessionId,
}

/// A chunk file in the making.
pub struct StoredFile(ChunkWriter);

impl ChunkFile for StoredFile {
    fn write(&mut self, bytes: &[u8]) -> Result<(), PortError> {
        Ok(self.0.write(bytes)?)
    }

    fn commit(self) -> Result<(), PortError> {
        self.0.commit()?;
        Ok(())
    }
}

impl ChunkSink for SessionPort<'_> {
    type File = StoredFile;

    fn create(&self, index: ChunkIndex) -> Result<StoredFile, PortError> {
        Ok(StoredFile(self.store.chunk_writer(self.session, index)?))
    }

    fn acknowledge(&self, chunks: &[ChunkSummary]) -> Result<(), PortError> {
        self.store.acknowledge(self.session, chunks)?;
        Ok(())
    }
}

impl ChunkShelf for SessionPort<'_> {
    type Reader = File;

    fn open(&self, index: ChunkIndex) -> io::Result<(File, u64)> {
        self.store.chunks().open(self.session, index).map_err(|error| match error {
            StoreError::Io { source, .. } => source,
            error if error.kind() == ErrorKind::NotFound => io::ErrorKind::NotFound.into(),
            StoreError::ChunkMissing { .. } => io::ErrorKind::NotFound.into(),
            error => io::Error::other(error),
        })
    }
}

/// The summary of a chunk file that was written but not acknowledged before a crash.
///
/// # Errors
/// Why it is no whole chunk file.
pub fn summarise(path: &std::path::Path) -> Result<ChunkSummary, String> {
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
    let (file_bytes, mut file) = opened.map_err(|error| error.to_string())?;
    ChunkOpener::new().scan(&mut file, file_bytes, None).map_err(|error| error.to_string())
}
