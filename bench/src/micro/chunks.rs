//! A chunk as a whole: sealed into memory, hashed again, opened.

use std::hint::black_box;

use anyhow::{Result, anyhow};
use lucid_core::{
    ChunkIndex, Policy, SessionId,
    chunk::{ChunkSummary, SALT_BYTES, Salt},
    keys::Dek,
};
use lucid_pipeline::{
    PortError, aead,
    open::ChunkOpener,
    ports::ChunkFile,
    seal::{ChunkSealer, SealContext},
};

use super::{CHUNK_BYTES, Material};
use crate::{
    inputs::Kind,
    samples::{Row, Work},
};

const GROUP: &str = "One chunk, 8 MiB, from and to memory";

/// A chunk file in memory that is already there.
struct Memory<'a>(&'a mut Vec<u8>);

impl ChunkFile for Memory<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), PortError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn commit(self) -> Result<(), PortError> {
        Ok(())
    }
}

/// Chunk files of both kinds, for reading.
pub(super) struct Sealed {
    noise: Vec<u8>,
    text: Vec<u8>,
}

impl Sealed {
    /// Seals both.
    pub(super) fn make(material: &Material) -> Result<Self> {
        let one = |plain: &[u8]| {
            let mut file = Vec::new();
            seal_into(&mut file, &mut ChunkSealer::new(&context().policy), plain)?;
            Ok::<_, anyhow::Error>(file)
        };
        Ok(Self { noise: one(&material.noise)?, text: one(&material.text)? })
    }
}

fn context() -> SealContext {
    let policy = Policy::with_suite(aead::best_suite());
    SealContext { session: SessionId::from_random([5; 16]), dek: Dek::new([6; 32]), policy }
}

/// One salt for all: what is sealed here is thrown away.
fn seal_into(file: &mut Vec<u8>, sealer: &mut ChunkSealer, plain: &[u8]) -> Result<ChunkSummary> {
    file.clear();
    let salt = Salt([8; SALT_BYTES]);
    let sealed = sealer.seal(&context(), ChunkIndex(0), plain, salt, &mut Memory(file));
    sealed.map_err(|error| anyhow!(error))
}

/// Sealing, scanning and opening of both kinds.
pub(super) fn rows<'a>(material: &'a Material, sealed: &'a Sealed) -> Vec<Row<'a>> {
    let kinds = [
        (Kind::Incompressible, &material.noise, &sealed.noise),
        (Kind::Compressible, &material.text, &sealed.text),
    ];
    let work = Work::Bytes(CHUNK_BYTES);
    let mut rows = Vec::new();
    for (kind, plain, file) in kinds {
        let name = |doing: &str| format!("{doing}, {}", kind.name());
        let mut sealer = ChunkSealer::new(&context().policy);
        let mut target = Vec::with_capacity(CHUNK_BYTES + (1 << 20));
        rows.push(Row::new(GROUP, name("seal"), work, move || {
            black_box(seal_into(&mut target, &mut sealer, black_box(plain))?);
            Ok(())
        }));
        let mut opener = ChunkOpener::new();
        rows.push(Row::new(GROUP, name("scan (verify)"), work, move || {
            let mut reader = file.as_slice();
            black_box(opener.scan(&mut reader, file.len() as u64, None)?);
            Ok(())
        }));
        let mut opener = ChunkOpener::new();
        rows.push(Row::new(GROUP, name("open"), work, move || {
            let mut reader = file.as_slice();
            let SealContext { dek, session, .. } = context();
            let key = |_: &_| dek.chunk_key(&session, ChunkIndex(0));
            black_box(opener.open(&mut reader, file.len() as u64, None, key)?);
            Ok(())
        }));
    }
    rows
}
