//! Compressors and the memory of what they give, reused from chunk to chunk and from upload to upload.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use lucid_core::chunk::Codec;
use lucid_pipeline::codec::Compressor;

use crate::services::buffers::{Budget, Buffer, SMALL_BYTES};

/// The compressors.
pub(super) struct Compressors {
    idle: Mutex<Vec<(u8, Compressor)>>,
    output: Budget,
    most: usize,
}

impl Compressors {
    /// Compressors for so many workers, and memory for as many payloads of `chunk_bytes`.
    pub(super) fn new(workers: usize, chunk_bytes: usize) -> Self {
        Self { idle: Mutex::default(), output: Budget::new(workers * chunk_bytes), most: workers }
    }

    /// Makes room for as many payloads of larger chunks.
    pub(super) fn fit(&self, workers: usize, chunk_bytes: usize) {
        self.output.fit(workers * chunk_bytes);
    }

    /// Memory for the payload of a chunk of so many bytes. It is asked for before a turn to compute
    /// is: whoever has both needs nothing else to come to an end.
    pub(super) async fn output(&self, plain_bytes: usize, chunk_bytes: usize) -> Buffer {
        match plain_bytes <= SMALL_BYTES {
            true => self.output.small(),
            false => self.output.wait(chunk_bytes).await,
        }
    }

    /// Compresses a chunk where that pays.
    pub(super) fn compress(&self, level: u8, plain: Buffer, mut output: Buffer) -> (Codec, Bytes) {
        let mut compressor = self.take(level);
        let codec = output.fill_with(|memory| {
            let (codec, count) = compressor.compress(plain.as_ref(), memory);
            (codec, if codec == Codec::Zstd { count } else { 0 })
        });
        self.put(level, compressor);
        match codec {
            Codec::Stored => (codec, Bytes::from_owner(plain)),
            Codec::Zstd => (codec, Bytes::from_owner(output)),
        }
    }

    fn take(&self, level: u8) -> Compressor {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let found = idle.iter().position(|(of, _)| *of == level);
        let found = found.map(|place| idle.swap_remove(place).1);
        drop(idle);
        found.unwrap_or_else(|| Compressor::new(level))
    }

    fn put(&self, level: u8, compressor: Compressor) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.most {
            idle.push((level, compressor));
        }
    }

    /// Gives memory back to the system.
    pub(super) fn trim(&self) {
        self.output.trim();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
