//! Throughput of every SHA-256 kernel this CPU can run, and of the `sha2` crate, on messages of the
//! size that the pipeline hashes. A benchmark to read, not a test:
//! `cargo run --release -p lucid-hal --example lanes`.

use std::hint::black_box;
use std::io::{self, Write};
use std::time::Instant;

use lucid_hal::cpu;
use lucid_hal::sha256::{kernels, sha256_prefixed_many_with};
use sha2::{Digest, Sha256};

/// A sealed segment: 16,384 bytes and the AEAD's tag.
const MESSAGE_BYTES: usize = 16_400;

/// A multiple of every lane count, and small enough to stay in the second-level cache (260 KB), as
/// segments are when the pipeline has just sealed them.
const MESSAGES: usize = 16;

/// Batches a run; a run takes 5 to 100 ms.
const BATCHES: usize = 100;

/// Runs whose median and best are printed.
const RUNS: usize = 25;

const GIGABYTES_A_RUN: f64 = (BATCHES * MESSAGES * MESSAGE_BYTES) as f64 / 1e9;

fn main() -> io::Result<()> {
    let data: Vec<Vec<u8>> = (0..MESSAGES).map(|fill| vec![fill as u8; MESSAGE_BYTES]).collect();
    let messages: Vec<&[u8]> = data.iter().map(Vec::as_slice).collect();
    let mut out = io::stdout();

    writeln!(out, "features: {}", cpu::features().names().join(" "))?;
    writeln!(out, "default:  {}", cpu::best_sha256())?;
    let mut rows: Vec<Row<'_>> = Vec::new();
    for kernel in kernels() {
        let (messages, mut digests) = (&messages, vec![[0; 32]; MESSAGES]);
        let hash_all = move || {
            sha256_prefixed_many_with(kernel, 0x00, black_box(messages), &mut digests);
            black_box(&digests);
        };
        rows.push(Row::new(kernel.to_string(), hash_all));
    }
    rows.push(Row::new("sha2 crate".to_owned(), || {
        for message in black_box(&messages) {
            black_box(Sha256::new().chain_update([0x00]).chain_update(message).finalize());
        }
    }));

    // Rows take turns, so that a neighbour's load on the machine falls on all of them alike.
    for _ in 0..RUNS {
        rows.iter_mut().for_each(Row::run);
    }
    for row in &mut rows {
        row.seconds.sort_by(f64::total_cmp);
        let [median, best] = [RUNS / 2, 0].map(|rank| GIGABYTES_A_RUN / row.seconds[rank]);
        writeln!(out, "{:<14} median {median:.2}  best {best:.2} GB/s", row.name)?;
    }
    Ok(())
}

/// One line of the table and its measurements.
struct Row<'data> {
    name: String,
    hash_all: Box<dyn FnMut() + 'data>,
    seconds: Vec<f64>,
}

impl<'data> Row<'data> {
    fn new(name: String, hash_all: impl FnMut() + 'data) -> Self {
        Self { name, hash_all: Box::new(hash_all), seconds: Vec::with_capacity(RUNS) }
    }

    fn run(&mut self) {
        let start = Instant::now();
        for _ in 0..BATCHES {
            (self.hash_all)();
        }
        self.seconds.push(start.elapsed().as_secs_f64());
    }
}
