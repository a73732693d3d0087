//! Building, signing and encoding transactions: each another call of `LucidAnchors.anchor`.

use std::hint::black_box;

use anyhow::Result;
use lucid_core::{
    Hash, Timestamp,
    tron::{BlockId, Sun},
};
use lucid_tron::{Key, Terms};

use crate::quiet;

/// Seconds of processor time that so many of them take, one after the other: the clock's where the core is its own.
pub(super) fn seconds(key: &str, count: u32) -> Result<f64> {
    let key = Key::parse(key)?;
    let anchors = "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t".parse()?;
    let reference: BlockId =
        "0000000003fe262d52bfa4b2814f816fd2e57af5b98a33d60d8630a03a908e0e".parse()?;
    let start = quiet::own_s();
    for size in 0..u64::from(count) {
        let at = Timestamp::from_unix_millis(1_777_445_121_017 + size);
        let terms = Terms {
            owner: key.address(),
            reference,
            at,
            expires: at.after_seconds(60),
            fee_limit: Sun::new(1_000_000),
        };
        let body = terms.anchor(anchors, Hash::of(&size.to_be_bytes()), size);
        black_box(key.sign(&body)?.encode());
    }
    Ok(quiet::own_s() - start)
}
