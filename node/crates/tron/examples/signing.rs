//! How fast transactions are built and signed:
//!
//! ```text
//! cargo run --release -p lucid-tron --example signing [COUNT]
//! ```
//!
//! Each is another call of `LucidAnchors.anchor`, built, encoded, signed and encoded whole, on one thread.
#![allow(clippy::print_stdout, reason = "what it measures is its result")]

use std::{error::Error, time::Instant};

use lucid_core::{
    Hash, Timestamp,
    tron::{BlockId, Sun},
};
use lucid_tron::{Key, Terms};

fn main() -> Result<(), Box<dyn Error>> {
    let count: u64 = std::env::args().nth(1).map_or(Ok(10_000), |text| text.parse())?;
    // A key that everybody knows.
    let key = Key::parse("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")?;
    let anchors = "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t".parse()?;
    let reference: BlockId =
        "0000000003fe262d52bfa4b2814f816fd2e57af5b98a33d60d8630a03a908e0e".parse()?;
    let start = Instant::now();
    let mut bytes = 0;
    for size in 0..count {
        let at = Timestamp::from_unix_millis(1_777_445_121_017 + size);
        let terms = Terms {
            owner: key.address(),
            reference,
            at,
            expires: at.after_seconds(60),
            fee_limit: Sun::new(1_000_000),
        };
        let body = terms.anchor(anchors, Hash::of(&size.to_be_bytes()), size);
        bytes += key.sign(&body)?.encode().len();
    }
    let seconds = start.elapsed().as_secs_f64();
    let each = seconds / count as f64 * 1e6;
    println!("{count} transactions, {bytes} bytes: {seconds:.3} s, {each:.1} µs each");
    Ok(())
}
