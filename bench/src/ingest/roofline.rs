//! The roofline: what one core could do if the steps cost nothing but themselves.
//!
//! Every step is measured alone, on the same input and folder and in the same round as the whole.
//! One core takes the steps in turn, so their times add up: for a byte of plaintext, reading it,
//! compressing it or finding that this would not pay, and for every byte that is left of it, sealing,
//! hashing and writing. What does not shrink is read and sealed a window at a time, in cache; what
//! does goes through a buffer of a chunk's size. All buffers begin with a page, as the node's do.

use std::{
    fs::{self, File},
    hint::black_box,
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Result, anyhow};
use lucid_core::chunk::{CHUNK_BYTES_DEFAULT, NONCE_BYTES, SEALED_SEGMENT_BYTES, SEGMENT_BYTES};
use lucid_pipeline::{
    aead::{self, Aead, Implementation},
    codec::Compressor,
    pages::PageBuffer,
    tree,
    window::WINDOW_SEGMENTS,
};
use serde::Serialize;

use super::{Plain, clear};
use crate::{inputs::Kind, machine};

const CHUNK_BYTES: usize = CHUNK_BYTES_DEFAULT as usize;

/// Bytes of plaintext in a window.
const PLAIN_BYTES: usize = WINDOW_SEGMENTS * SEGMENT_BYTES;

/// Bytes of sealed segments in a window.
const WINDOW_BYTES: usize = WINDOW_SEGMENTS * SEALED_SEGMENT_BYTES;

/// Chunks that a step goes through in one measurement: 256 MiB.
const CHUNKS: usize = 32;

/// zstd is ten times slower than the other steps: 64 MiB.
const CODEC_CHUNKS: usize = 8;

/// What the steps are measured on.
pub(super) struct Components {
    folder: PathBuf,
    input: PathBuf,
    noise: PageBuffer,
    samples: Vec<(Kind, Vec<u8>)>,
    processors: Vec<usize>,
}

/// One round's figures, GB/s of what the step goes through.
#[derive(Serialize)]
pub(super) struct Turn {
    /// From the page cache into a chunk's buffer.
    pub(super) read: f64,
    /// From the page cache into a window's buffer.
    pub(super) read_window: f64,
    /// The AEAD, from a chunk's buffer into a window.
    pub(super) seal: f64,
    /// The AEAD, from one window into another.
    pub(super) seal_window: f64,
    /// Leaf hashes over a window.
    pub(super) hash: f64,
    /// New files of a chunk's size in the folder.
    pub(super) write: f64,
    /// What the codec does with each input.
    pub(super) codecs: Vec<CodecTurn>,
    /// How much two processors do at once, by what one does alone.
    pub(super) pair: Option<Pair>,
}

/// How much two processors do at once, by what one of them does alone: 2 where they share nothing.
#[derive(Serialize)]
pub(super) struct Pair {
    /// Sealing, in cache.
    pub(super) seal: f64,
    /// Hashing, in cache.
    pub(super) hash: f64,
    /// Writing new files.
    pub(super) write: f64,
}

/// What the codec does with an input.
#[derive(Serialize)]
pub(super) struct CodecTurn {
    /// The input.
    pub(super) input: Kind,
    /// GB/s of plaintext, the probe included.
    pub(super) rate: f64,
    /// Payload by plaintext.
    pub(super) ratio: f64,
}

impl Components {
    /// Takes samples of the inputs.
    pub(super) fn new(folder: &Path, plains: &[Plain], processors: &[usize]) -> Result<Self> {
        let sample = |plain: &Plain| {
            let mut sample = Vec::new();
            let file = File::open(&plain.path)?;
            file.take((CODEC_CHUNKS * CHUNK_BYTES) as u64).read_to_end(&mut sample)?;
            Ok((plain.kind, sample))
        };
        let samples: Vec<_> = plains.iter().map(sample).collect::<Result<_>>()?;
        let mut noise = PageBuffer::zeroed(CHUNK_BYTES);
        noise.copy_from_slice(&crate::inputs::Generator::bytes(Kind::Incompressible, CHUNK_BYTES));
        let (folder, input) = (folder.join("roofline"), plains[0].path.clone());
        Ok(Self { folder, input, noise, samples, processors: processors.to_vec() })
    }

    /// Measures every step once.
    pub(super) fn turn(&self) -> Result<Turn> {
        let seal = self.seal(CHUNK_BYTES);
        let (hash, write) = (self.hash(), self.write("one")?);
        let pair = match self.processors[..] {
            [first, second, ..] => {
                let both = |work: &(dyn Fn(&'static str) -> Result<f64> + Sync)| {
                    at_once([(first, "first"), (second, "second")], work)
                };
                Some(Pair {
                    seal: both(&|_| Ok(self.seal(CHUNK_BYTES)))? / seal,
                    hash: both(&|_| Ok(self.hash()))? / hash,
                    write: both(&|name| self.write(name))? / write,
                })
            }
            _ => None,
        };
        Ok(Turn {
            read: self.read(CHUNK_BYTES)?,
            read_window: self.read(PLAIN_BYTES)?,
            seal,
            seal_window: self.seal(PLAIN_BYTES),
            hash,
            write,
            codecs: self.samples.iter().map(|(kind, sample)| codec(*kind, sample)).collect(),
            pair,
        })
    }

    fn read(&self, buffer_bytes: usize) -> Result<f64> {
        let mut file = File::open(&self.input)?;
        let mut buffer = PageBuffer::zeroed(buffer_bytes);
        // The buffer's pages are there, as a worker's are after its first chunk.
        file.read_exact(&mut buffer)?;
        file.rewind()?;
        let (start, mut bytes) = (Instant::now(), 0);
        while bytes < CHUNKS * CHUNK_BYTES {
            match file.read(&mut buffer)? {
                0 => file.rewind()?,
                count => bytes += count,
            }
        }
        Ok(rate(bytes, start))
    }

    /// Seals `from` bytes again and again.
    fn seal(&self, from: usize) -> f64 {
        let aead = Aead::new(aead::best_suite(), &[7; 32], Implementation::BEST);
        let mut window = PageBuffer::zeroed(WINDOW_BYTES);
        let rounds = CHUNKS * CHUNK_BYTES / from;
        let start = Instant::now();
        for chunk in 0..rounds {
            for (segment, plain) in self.noise[..from].chunks(SEGMENT_BYTES).enumerate() {
                let mut nonce = [0; NONCE_BYTES];
                nonce[..8].copy_from_slice(&((chunk << 32 | segment) as u64).to_le_bytes());
                let at = segment % WINDOW_SEGMENTS * SEALED_SEGMENT_BYTES;
                aead.seal(nonce, &[], plain, &mut window[at..at + SEALED_SEGMENT_BYTES]);
            }
        }
        black_box(&window[..]);
        rate(rounds * from, start)
    }

    fn hash(&self) -> f64 {
        let window = &self.noise[..WINDOW_BYTES];
        let windows = CHUNK_BYTES / WINDOW_BYTES;
        let mut leaves = Vec::new();
        let start = Instant::now();
        for _ in 0..CHUNKS {
            leaves.clear();
            for _ in 0..windows {
                tree::hash_segments(black_box(window), &mut leaves);
            }
            black_box(tree::root_in_place(&mut leaves));
        }
        rate(CHUNKS * windows * WINDOW_BYTES, start)
    }

    fn write(&self, name: &str) -> Result<f64> {
        let folder = self.folder.join(name);
        clear(&folder)?;
        fs::create_dir_all(&folder)?;
        let start = Instant::now();
        for chunk in 0..CHUNKS {
            let path = folder.join(format!("{chunk}.tmp"));
            let mut file = File::create(&path)?;
            for window in self.noise.chunks(WINDOW_BYTES) {
                file.write_all(window)?;
            }
            file.sync_data()?;
            fs::rename(&path, path.with_extension("lck"))?;
        }
        let rate = rate(CHUNKS * CHUNK_BYTES, start);
        clear(&folder)?;
        Ok(rate)
    }
}

fn codec(input: Kind, sample: &[u8]) -> CodecTurn {
    let mut compressor = Compressor::new(lucid_core::Policy::ZSTD_LEVEL_DEFAULT);
    let (mut payload, mut payload_bytes) = (vec![0; CHUNK_BYTES], 0);
    let start = Instant::now();
    for plain in sample.chunks(CHUNK_BYTES) {
        let (_, count) = compressor.compress(black_box(plain), &mut payload);
        payload_bytes += count;
        black_box(&payload);
    }
    let rate = rate(sample.len(), start);
    CodecTurn { input, rate, ratio: payload_bytes as f64 / sample.len() as f64 }
}

/// What two processors do at once, together.
fn at_once(
    both: [(usize, &'static str); 2],
    work: &(dyn Fn(&'static str) -> Result<f64> + Sync),
) -> Result<f64> {
    std::thread::scope(|scope| {
        let threads = both.map(|(processor, name)| {
            scope.spawn(move || {
                machine::pin(&[processor])?;
                work(name)
            })
        });
        let mut sum = 0.0;
        for thread in threads {
            sum += thread.join().map_err(|_| anyhow!("a thread panicked"))??;
        }
        Ok(sum)
    })
}

fn rate(bytes: usize, start: Instant) -> f64 {
    bytes as f64 / start.elapsed().as_secs_f64() / 1e9
}

impl Turn {
    fn codec(&self, input: Kind) -> &CodecTurn {
        let mut codecs = self.codecs.iter();
        codecs.find(|codec| codec.input == input).expect("every input was measured")
    }

    /// One core's bound for ingest, GB/s of plaintext.
    pub(super) fn ingest(&self, input: Kind) -> f64 {
        let CodecTurn { rate, ratio, .. } = self.codec(input);
        let (read, seal) = match input {
            Kind::Incompressible => (self.read_window, self.seal_window),
            Kind::Compressible => (self.read, self.seal),
        };
        let left = 1.0 / seal + 1.0 / self.hash + 1.0 / self.write;
        1.0 / (1.0 / read + 1.0 / rate + ratio * left)
    }

    /// One core's bound for verify, GB/s of plaintext.
    pub(super) fn verify(&self, input: Kind) -> f64 {
        let ratio = self.codec(input).ratio;
        1.0 / (ratio * (1.0 / self.read_window + 1.0 / self.hash))
    }
}
