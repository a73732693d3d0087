//! The steps of the hot path, each alone on one core, as often as its share of the time allows.

use std::{
    fs::{self, File},
    hint::black_box,
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use lucid_core::chunk::{Codec, NONCE_BYTES, SEALED_SEGMENT_BYTES, SEGMENT_BYTES, Suite};
use lucid_pipeline::{
    aead::{Aead, Implementation},
    codec::{Compressor, Decompressor},
    tree,
    window::WINDOW_SEGMENTS,
};
use serde::Serialize;

use super::generated;
use crate::failure::{Failure, Outcome};

/// Bytes that a step goes through at once: a chunk.
pub(super) const PIECE: usize = 8 << 20;

/// Bytes of sealed segments in a window.
const WINDOW: usize = WINDOW_SEGMENTS * SEALED_SEGMENT_BYTES;

/// What a small write that must reach the disk has: a page, as an acknowledgement.
const PAGE: usize = 4096;

/// Bytes that are written to learn the disk's rate, at most: cards wear.
const WRITTEN_MAX: usize = 256 << 20;

/// One figure.
#[derive(Serialize)]
pub(super) struct Figure {
    pub(super) what: &'static str,
    pub(super) unit: &'static str,
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) most: f64,
    pub(super) samples: usize,
}

impl Figure {
    /// Of some figures, at least one.
    pub(super) fn of(what: &'static str, unit: &'static str, mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let at = |place: usize| figures.get(place).copied().unwrap_or_default();
        let samples = figures.len();
        let (least, most) = (at(0), at(samples.saturating_sub(1)));
        Self { what, unit, median: at(samples / 2), least, most, samples }
    }
}

/// Measures a step: given the folder, and zstd's level.
type Measure = fn(&Path, u8) -> Outcome<Figure>;

/// All steps. Together they take some 15 seconds, and what each does last before its time is over.
pub(super) const STEPS: [Measure; 9] = [
    copy,
    |_, _| seal("seal, AES-256-GCM", Suite::Aes256Gcm),
    |_, _| seal("seal, ChaCha20-Poly1305", Suite::ChaCha20Poly1305),
    hash,
    hash_one_by_one,
    compress,
    decompress,
    write_page,
    write_pieces,
];

/// Does `work` until `milliseconds` are over, at most `times_max` times; gives the seconds of each.
fn repeat(
    milliseconds: u64,
    times_max: usize,
    mut work: impl FnMut() -> Outcome,
) -> Outcome<Vec<f64>> {
    let (begin, limit) = (Instant::now(), Duration::from_millis(milliseconds));
    let mut seconds = Vec::new();
    while seconds.is_empty() || (begin.elapsed() < limit && seconds.len() < times_max) {
        let start = Instant::now();
        work()?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    Ok(seconds)
}

/// The rate of going through `bytes` in each of these times, MB/s.
fn rates(what: &'static str, bytes: usize, seconds: &[f64]) -> Figure {
    let rate = |seconds: &f64| bytes as f64 / seconds.max(1e-9) / 1e6;
    Figure::of(what, "MB/s", seconds.iter().map(rate).collect())
}

fn copy(_: &Path, _: u8) -> Outcome<Figure> {
    let (from, mut to) = (generated::noise(PIECE), vec![0; PIECE]);
    let seconds = repeat(700, usize::MAX, || {
        to.copy_from_slice(black_box(&from));
        black_box(&to);
        Ok(())
    })?;
    Ok(rates("copy in memory", PIECE, &seconds))
}

fn seal(what: &'static str, suite: Suite) -> Outcome<Figure> {
    let aead = Aead::new(suite, &[7; 32], Implementation::BEST);
    let (plain, mut sealed) = (generated::noise(PIECE), vec![0; WINDOW]);
    let seconds = repeat(1200, usize::MAX, || {
        for (number, segment) in plain.chunks(SEGMENT_BYTES).enumerate() {
            let mut nonce = [0; NONCE_BYTES];
            nonce[..8].copy_from_slice(&(number as u64).to_le_bytes());
            let at = number % WINDOW_SEGMENTS * SEALED_SEGMENT_BYTES;
            aead.seal(nonce, &[], segment, &mut sealed[at..at + SEALED_SEGMENT_BYTES]);
        }
        black_box(&sealed);
        Ok(())
    })?;
    Ok(rates(what, PIECE, &seconds))
}

fn hash(_: &Path, _: u8) -> Outcome<Figure> {
    let (noise, mut leaves) = (generated::noise(WINDOW), Vec::new());
    let windows = PIECE / WINDOW;
    let seconds = repeat(1500, usize::MAX, || {
        leaves.clear();
        for _ in 0..windows {
            tree::hash_segments(black_box(&noise), &mut leaves);
        }
        black_box(tree::root_in_place(&mut leaves));
        Ok(())
    })?;
    Ok(rates("hash in lanes, SHA-256", windows * WINDOW, &seconds))
}

fn hash_one_by_one(_: &Path, _: u8) -> Outcome<Figure> {
    use sha2::{Digest, Sha256};
    let noise = generated::noise(PIECE);
    let seconds = repeat(1000, usize::MAX, || {
        for segment in noise.chunks(SEALED_SEGMENT_BYTES) {
            black_box(Sha256::digest(black_box(segment)));
        }
        Ok(())
    })?;
    Ok(rates("hash one by one, SHA-256", PIECE, &seconds))
}

fn compress(_: &Path, level: u8) -> Outcome<Figure> {
    let (plain, mut payload) = (generated::lines(PIECE), vec![0; PIECE]);
    let mut compressor = Compressor::new(level);
    let seconds = repeat(2000, usize::MAX, || {
        black_box(compressor.compress(black_box(&plain), &mut payload));
        Ok(())
    })?;
    Ok(rates("compress text, zstd", PIECE, &seconds))
}

fn decompress(_: &Path, level: u8) -> Outcome<Figure> {
    let (plain, mut payload) = (generated::lines(PIECE), vec![0; PIECE]);
    let (codec, count) = Compressor::new(level).compress(&plain, &mut payload);
    if codec != Codec::Zstd {
        return Err(Failure::check("zstd does not shorten the text that it is measured on"));
    }
    let (mut decompressor, mut back) = (Decompressor::default(), vec![0; PIECE]);
    let seconds = repeat(700, usize::MAX, || {
        let read = decompressor.decompress(black_box(&payload[..count]), &mut back);
        read.map_err(|error| Failure::check(error.to_string()))
    })?;
    Ok(rates("decompress text, zstd", PIECE, &seconds))
}

fn write_page(folder: &Path, _: u8) -> Outcome<Figure> {
    let path = folder.join("page");
    let mut file = File::create(&path)?;
    let page = generated::noise(PAGE);
    let seconds = repeat(1500, 1000, || {
        file.write_all(&page)?;
        Ok(file.sync_data()?)
    })?;
    fs::remove_file(&path)?;
    let millis = seconds.iter().map(|seconds| seconds * 1e3).collect();
    Ok(Figure::of("append 4 KiB and fdatasync", "ms", millis))
}

/// New files of a chunk's size, each durable before the next, the last one removed each time.
fn write_pieces(folder: &Path, _: u8) -> Outcome<Figure> {
    let (path, noise) = (folder.join("piece"), generated::noise(PIECE));
    let seconds = repeat(4000, WRITTEN_MAX / PIECE, || {
        let mut file = File::create(&path)?;
        for window in noise.chunks(WINDOW) {
            file.write_all(window)?;
        }
        Ok(file.sync_data()?)
    })?;
    fs::remove_file(&path)?;
    Ok(rates("write 8 MiB and fdatasync", PIECE, &seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_the_middle_and_the_bounds() {
        let Figure { median, least, most, samples, .. } =
            Figure::of("what", "MB/s", vec![3.0, 1.0, 2.0]);
        assert_eq!(format!("{median} {least} {most} {samples}"), "2 1 3 3");
    }

    #[test]
    fn it_is_done_once_even_without_time_and_never_too_often() {
        assert_eq!(repeat(0, 10, || Ok(())).unwrap().len(), 1);
        assert_eq!(repeat(60_000, 3, || Ok(())).unwrap().len(), 3);
        assert!(repeat(0, 1, || Err(Failure::io("no"))).is_err());
    }
}
