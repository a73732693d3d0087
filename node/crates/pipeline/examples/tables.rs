//! What each size of zstd's tables costs and saves at level 3, on files that are given: the measurement
//! that [`lucid_pipeline`]'s choice for large chunks stands on.
//!
//! ```sh
//! tar c /usr | head -c 128M > /tmp/files
//! cargo run --release -p lucid-pipeline --example tables -- /tmp/files
//! ```
//!
//! Each chunk of 8 MiB is compressed and decompressed with every choice, one after the other, so that what
//! else the machine does falls on all alike; five rounds, medians.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::{env, error::Error, fs, time::Instant};

use zstd_safe::{CCtx, CParameter, DCtx};

const CHUNK: usize = 8 << 20;
const ROUNDS: usize = 5;

/// Hash logs for long matches and for short ones; level 3's own come first.
const CHOICES: [(u32, u32); 10] = [
    (17, 16),
    (16, 16),
    (16, 15),
    (15, 15),
    (18, 14),
    (17, 14),
    (16, 14),
    (15, 14),
    (17, 13),
    (16, 13),
];

/// Seconds to compress and to decompress, and the frames' bytes.
#[derive(Clone, Copy, Default)]
struct Cost {
    compress: f64,
    decompress: f64,
    bytes: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    for path in env::args_os().skip(1) {
        let plain = fs::read(&path)?;
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            rounds.push(round(&plain)?);
        }
        let median = |choice: usize, of: fn(&Cost) -> f64| {
            let mut found: Vec<f64> = rounds.iter().map(|round| of(&round[choice])).collect();
            found.sort_by(f64::total_cmp);
            found[found.len() / 2]
        };
        println!("{}, {} MiB", path.display(), plain.len() >> 20);
        println!("long short   stored  times as fast: compress  decompress");
        for (choice, (long, short)) in CHOICES.iter().enumerate() {
            let by_own = |of: fn(&Cost) -> f64| median(0, of) / median(choice, of);
            let stored = 100.0 / by_own(|cost| cost.bytes as f64);
            let compress = by_own(|cost| cost.compress);
            let decompress = by_own(|cost| cost.decompress);
            println!("{long:4} {short:5} {stored:7.2}% {compress:24.3} {decompress:11.3}");
        }
    }
    Ok(())
}

fn round(plain: &[u8]) -> Result<Vec<Cost>, String> {
    let words = |code| zstd_safe::get_error_name(code).to_owned();
    let mut payload = vec![0; zstd_safe::compress_bound(CHUNK)];
    let mut back = vec![0; CHUNK];
    let mut contexts = Vec::new();
    for (long, short) in CHOICES {
        let mut context = CCtx::create();
        let level = CParameter::CompressionLevel(3);
        for parameter in [level, CParameter::HashLog(long), CParameter::ChainLog(short)] {
            context.set_parameter(parameter).map_err(words)?;
        }
        contexts.push(context);
    }
    let mut decompressor = DCtx::create();
    let mut costs = vec![Cost::default(); CHOICES.len()];
    for chunk in plain.chunks(CHUNK) {
        for (context, cost) in contexts.iter_mut().zip(&mut costs) {
            let start = Instant::now();
            let count = context.compress2(&mut payload[..], chunk).map_err(words)?;
            cost.compress += start.elapsed().as_secs_f64();
            let start = Instant::now();
            decompressor.decompress(&mut back[..], &payload[..count]).map_err(words)?;
            cost.decompress += start.elapsed().as_secs_f64();
            cost.bytes += count;
            if back[..chunk.len()] != *chunk {
                return Err("a chunk did not come back".to_owned());
            }
        }
    }
    Ok(costs)
}
