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
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Result, anyhow};
use lucid_core::chunk::{
    CHUNK_BYTES_DEFAULT, Codec, NONCE_BYTES, SEALED_SEGMENT_BYTES, SEGMENT_BYTES,
};
use lucid_pipeline::{
    aead::{self, Aead, Implementation},
    codec::{Compressor, Decompressor},
    pages::PageBuffer,
    tree,
    window::WINDOW_SEGMENTS,
};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{
    inputs::{Generator, Kind, Plain},
    machine,
    node::clear,
};

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
pub(crate) struct Components {
    folder: PathBuf,
    input: PathBuf,
    noise: PageBuffer,
    samples: Vec<(&'static str, Vec<u8>)>,
    processors: Vec<usize>,
}

/// One round's figures, GB/s of what the step goes through.
#[derive(Serialize)]
pub(crate) struct Turn {
    /// From the page cache into a chunk's buffer.
    pub(crate) read: f64,
    /// From the page cache into a window's buffer.
    pub(crate) read_window: f64,
    /// The AEAD, from a chunk's buffer into a window.
    pub(crate) seal: f64,
    /// The AEAD, from one window into another.
    pub(crate) seal_window: f64,
    /// The AEAD, from a window into a chunk's buffer.
    pub(crate) open: f64,
    /// Leaf hashes over a window.
    pub(crate) hash: f64,
    /// The same leaves by the `sha2` crate, one message at a time.
    pub(crate) hash_sha2: f64,
    /// From one chunk's buffer to another.
    pub(crate) copy: f64,
    /// New files of a chunk's size in the folder.
    pub(crate) write: f64,
    /// What the codec does with each input.
    pub(crate) codecs: Vec<CodecTurn>,
    /// How much two processors do at once, by what one does alone.
    pub(crate) pair: Option<Pair>,
}

/// How much two processors do at once, by what one of them does alone: 2 where they share nothing.
#[derive(Serialize)]
pub(crate) struct Pair {
    /// Sealing, in cache.
    pub(crate) seal: f64,
    /// Hashing, in cache.
    pub(crate) hash: f64,
    /// Writing new files.
    pub(crate) write: f64,
}

/// What the codec does with an input.
#[derive(Serialize)]
pub(crate) struct CodecTurn {
    /// The input.
    pub(crate) input: &'static str,
    /// GB/s of plaintext, the probe included.
    pub(crate) rate: f64,
    /// Payload by plaintext.
    pub(crate) ratio: f64,
    /// Seconds for 1 GB of plaintext on the way back; nothing where it was left as it is.
    pub(crate) back_s: f64,
}

impl Components {
    /// Takes samples of the inputs.
    pub(crate) fn new(folder: &Path, plains: &[Plain], processors: &[usize]) -> Result<Self> {
        let sample = |plain: &Plain| Ok((plain.name, sample(plain)?));
        let samples: Vec<_> = plains.iter().map(sample).collect::<Result<_>>()?;
        let mut noise = PageBuffer::zeroed(CHUNK_BYTES);
        noise.copy_from_slice(&Generator::bytes(Kind::Incompressible, CHUNK_BYTES));
        let (folder, input) = (folder.join("roofline"), plains[0].path.clone());
        Ok(Self { folder, input, noise, samples, processors: processors.to_vec() })
    }

    /// Measures every step once.
    pub(crate) fn turn(&self) -> Result<Turn> {
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
            open: self.open()?,
            hash,
            hash_sha2: self.hash_sha2(),
            copy: self.copy(),
            write,
            codecs: self
                .samples
                .iter()
                .map(|(input, sample)| codec(input, sample))
                .collect::<Result<_>>()?,
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

    fn open(&self) -> Result<f64> {
        let aead = Aead::new(aead::best_suite(), &[7; 32], Implementation::BEST);
        let mut window = vec![0; WINDOW_BYTES];
        let segments = window.chunks_mut(SEALED_SEGMENT_BYTES);
        for (sealed, plain) in segments.zip(self.noise.chunks(SEGMENT_BYTES)) {
            aead.seal([0; NONCE_BYTES], &[], plain, sealed);
        }
        let mut chunk = vec![0; CHUNK_BYTES];
        let start = Instant::now();
        for _ in 0..CHUNKS {
            let sealed = window.chunks(SEALED_SEGMENT_BYTES).cycle();
            for (plain, sealed) in chunk.chunks_mut(SEGMENT_BYTES).zip(sealed) {
                aead.open([0; NONCE_BYTES], &[], sealed, plain)?;
            }
            black_box(&chunk);
        }
        Ok(rate(CHUNKS * CHUNK_BYTES, start))
    }

    fn hash_sha2(&self) -> f64 {
        let window = &self.noise[..WINDOW_BYTES];
        let windows = CHUNK_BYTES / WINDOW_BYTES;
        let start = Instant::now();
        for _ in 0..CHUNKS * windows {
            for segment in black_box(window).chunks(SEALED_SEGMENT_BYTES) {
                black_box(Sha256::new().chain_update([0]).chain_update(segment).finalize());
            }
        }
        rate(CHUNKS * windows * WINDOW_BYTES, start)
    }

    fn copy(&self) -> f64 {
        let mut target = vec![0; CHUNK_BYTES];
        let start = Instant::now();
        for _ in 0..CHUNKS {
            target.copy_from_slice(black_box(&self.noise));
            black_box(&target);
        }
        rate(CHUNKS * CHUNK_BYTES, start)
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

/// Whole chunks from all over an input: the beginning of a tar is not like the rest of it.
fn sample(plain: &Plain) -> Result<Vec<u8>> {
    let (mut sample, mut file) = (Vec::new(), File::open(&plain.path)?);
    let chunks = plain.bytes.div_ceil(CHUNK_BYTES as u64);
    let taken = chunks.min(CODEC_CHUNKS as u64);
    for number in 0..taken {
        file.seek(SeekFrom::Start(number * chunks / taken * CHUNK_BYTES as u64))?;
        (&file).take(CHUNK_BYTES as u64).read_to_end(&mut sample)?;
    }
    Ok(sample)
}

fn codec(input: &'static str, sample: &[u8]) -> Result<CodecTurn> {
    let mut compressor = Compressor::new(lucid_core::Policy::ZSTD_LEVEL_DEFAULT);
    let (mut payload, mut payload_bytes) = (vec![0; CHUNK_BYTES], 0);
    let start = Instant::now();
    for plain in sample.chunks(CHUNK_BYTES) {
        let (_, count) = compressor.compress(black_box(plain), &mut payload);
        payload_bytes += count;
        black_box(&payload);
    }
    let rate = rate(sample.len(), start);
    let (mut decompressor, mut back) = (Decompressor::default(), vec![0; CHUNK_BYTES]);
    let mut back_s = 0.0;
    for plain in sample.chunks(CHUNK_BYTES) {
        let (codec, count) = compressor.compress(plain, &mut payload);
        let start = Instant::now();
        if codec == Codec::Zstd {
            decompressor.decompress(black_box(&payload[..count]), &mut back[..plain.len()])?;
            black_box(&back);
        }
        back_s += start.elapsed().as_secs_f64();
    }
    let (bytes, back_s) = (sample.len() as f64, back_s / sample.len() as f64 * 1e9);
    Ok(CodecTurn { input, rate, ratio: payload_bytes as f64 / bytes, back_s })
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
    fn codec(&self, input: &'static str) -> &CodecTurn {
        let mut codecs = self.codecs.iter();
        codecs.find(|codec| codec.input == input).expect("every input was measured")
    }

    /// One core's bound for ingest, GB/s of plaintext.
    pub(crate) fn ingest(&self, input: &'static str) -> f64 {
        let CodecTurn { rate, ratio, .. } = self.codec(input);
        // Where nothing of it shrinks, nothing of it leaves the cache.
        let (read, seal) = match *ratio < 1.0 {
            false => (self.read_window, self.seal_window),
            true => (self.read, self.seal),
        };
        let left = 1.0 / seal + 1.0 / self.hash + 1.0 / self.write;
        1.0 / (1.0 / read + 1.0 / rate + ratio * left)
    }

    /// One core's bound for verify, GB/s of plaintext.
    pub(crate) fn verify(&self, input: &'static str) -> f64 {
        let ratio = self.codec(input).ratio;
        1.0 / (ratio * (1.0 / self.read_window + 1.0 / self.hash))
    }

    /// One core's bound for restore, GB/s of plaintext: every byte is hashed, opened and written.
    pub(crate) fn restore(&self, input: &'static str) -> f64 {
        let CodecTurn { ratio, back_s, .. } = self.codec(input);
        let sealed = 1.0 / self.read_window + 1.0 / self.hash + 1.0 / self.open;
        1.0 / (ratio * sealed + back_s + 1.0 / self.write)
    }
}
