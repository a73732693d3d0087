//! Before an ingest goes on where it was interrupted: is the input still the one it began with?

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
};

use lucid_core::{chunk::ChunkSummary, keys::Dek};
use lucid_pipeline::{
    open::{ChunkError, ChunkOpener},
    ports::ChunkShelf,
    source::{Filled, Source},
};

/// Why an ingest cannot go on with this input.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// The input cannot be read.
    #[error("the input cannot be read: {0}")]
    Source(#[from] io::Error),
    /// The input ended before what is acknowledged did.
    #[error(
        "the input ends at byte {at}, but {acknowledged} bytes of the session are acknowledged"
    )]
    Short {
        /// Where it ends.
        at: u64,
        /// Bytes acknowledged.
        acknowledged: u64,
    },
    /// The input has other bytes than those acknowledged.
    #[error("the input is not what was ingested before: it differs from it at byte {at}")]
    Differs {
        /// The first byte that differs.
        at: u64,
    },
    /// Whoever waits asked to stop.
    #[error("interrupted")]
    Cancelled,
    /// A chunk cannot be read back.
    #[error("chunk {0}: {1}")]
    Chunk(lucid_core::ChunkIndex, ChunkError),
}

/// Reads from `source` as many bytes as `chunks` hold and compares them. The source then stands where
/// the ingest goes on. It stops at the next chunk or pause when `cancel` is set.
///
/// # Errors
/// [`CompareError`], naming the place.
pub fn compare_prefix<S: ChunkShelf>(
    source: &mut dyn Source,
    shelf: &S,
    chunks: impl Iterator<Item = ChunkSummary>,
    dek: &Dek,
    acknowledged: u64,
    cancel: &AtomicBool,
) -> Result<(), CompareError> {
    let mut opener = ChunkOpener::new();
    let mut buffer = Vec::new();
    let mut offset = 0;
    for chunk in chunks {
        let index = chunk.header.index;
        buffer.resize(chunk.header.plain_bytes as usize, 0);
        let count = read_full(source, &mut buffer, cancel)?;
        if count < buffer.len() {
            return Err(CompareError::Short { at: offset + count as u64, acknowledged });
        }
        let opened = shelf.open(index).map_err(ChunkError::from).and_then(|(mut reader, bytes)| {
            let key = |_: &_| dek.chunk_key(&chunk.header.session, index);
            let (_, plain) = opener.open(&mut reader, bytes, Some(&chunk.header), key)?;
            Ok(plain.iter().zip(&buffer).position(|(stored, given)| stored != given))
        });
        match opened {
            Ok(None) => offset += buffer.len() as u64,
            Ok(Some(place)) => return Err(CompareError::Differs { at: offset + place as u64 }),
            Err(error) => return Err(CompareError::Chunk(index, error)),
        }
    }
    Ok(())
}

fn read_full(
    source: &mut dyn Source,
    buffer: &mut [u8],
    cancel: &AtomicBool,
) -> Result<usize, CompareError> {
    let mut count = 0;
    while count < buffer.len() {
        if cancel.load(Ordering::Acquire) {
            return Err(CompareError::Cancelled);
        }
        match source.fill(&mut buffer[count..])? {
            Filled::Full => return Ok(buffer.len()),
            Filled::Paused(more) => count += more,
            Filled::End(more) => return Ok(count + more),
        }
    }
    Ok(count)
}
