//! Joins the pipeline's ports to the store, for one session.

use std::{fs::File, io, path::Path};

use lucid_core::{
    ChunkIndex, SessionId,
    chunk::ChunkSummary,
    keys::{ChunkKey, Kek, KeyFile},
};
use lucid_pipeline::{
    PortError,
    open::ChunkOpener,
    ports::{ChunkFile, ChunkShelf, ChunkSink},
    wraps::{Keepers, Recipient},
};
use lucid_store::{
    ChunkWriter, Ciphers, ErrorKind, Lease, Store, StoreError, Verdict, disk::open_file,
};

/// A session of a store.
#[derive(Clone, Copy)]
pub struct SessionPort<'a> {
    /// The store.
    pub store: &'a Store,
    /// The session.
    pub session: SessionId,
}

/// The hold under which a command fills a session: it has the data folder to itself, so the number need
/// not tell one hold from another.
pub const COMMAND_LEASE: Lease = Lease(1);

/// A chunk file in the making.
pub struct StoredFile(pub ChunkWriter);

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
        Ok(StoredFile(self.store.chunk_writer(self.session, COMMAND_LEASE, index)?))
    }

    fn acknowledge(&self, chunks: &[ChunkSummary]) -> Result<(), PortError> {
        self.store.acknowledge(self.session, chunks)?;
        Ok(())
    }
}

impl ChunkShelf for SessionPort<'_> {
    type Reader = File;

    fn open(&self, index: ChunkIndex) -> io::Result<(File, u64)> {
        let opened = self.store.local().and_then(|vault| vault.chunks().open(self.session, index));
        opened.map_err(|error| match error {
            StoreError::Io { source, .. } => source,
            error if error.kind() == ErrorKind::NotFound => io::ErrorKind::NotFound.into(),
            StoreError::ChunkMissing { .. } => io::ErrorKind::NotFound.into(),
            error => io::Error::other(error),
        })
    }
}

/// What the pipeline does for a vault.
pub struct PipelineCiphers {
    /// Who can read new sessions beside the node itself.
    pub recipients: Vec<Recipient>,
}

impl Ciphers for PipelineCiphers {
    fn authenticate(&self, path: &Path, key: &ChunkKey) -> Verdict {
        let opened = open_file(path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (file_bytes, mut file) = opened.map_err(|error| error.to_string())?;
        let mut opener = ChunkOpener::new();
        let opened = opener.open(&mut file, file_bytes, None, |_| key.clone());
        opened.map(|(summary, _)| summary).map_err(|error| error.to_string())
    }

    fn new_key(&self, session: SessionId, kek: Option<&Kek>) -> Result<KeyFile, String> {
        let keepers = Keepers { kek: kek.cloned(), recipients: self.recipients.clone() };
        keepers.new_key(&session).map(|(_, file)| file).map_err(|error| error.to_string())
    }
}
