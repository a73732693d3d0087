//! Keys, a tree and its signed checkpoint, as the tests of each format use them.

mod checkpoint;
mod key;
mod proof;
mod signed;
mod witness;

use super::*;
use crate::{Hash, merkle};

/// The log's name in these tests.
const ORIGIN: &str = "example.com/log";

fn name(text: &str) -> KeyName {
    text.parse().unwrap()
}

/// The key of the log, one of many by `seed`.
fn log_key(seed: u8) -> SigningKey {
    SigningKey::from_seed(name(ORIGIN), &[seed; 32])
}

fn witness_key(seed: u8) -> CosigningKey {
    CosigningKey::from_seed(name(&format!("witness.example/w{seed}")), &[seed; 32])
}

/// Leaf hashes of a log of `count` entries.
fn leaves(count: u8) -> Vec<Hash> {
    (0..count).map(|entry| merkle::leaf_hash(&[entry])).collect()
}

/// The checkpoint over [`leaves`].
fn checkpoint(count: u8) -> Checkpoint {
    Checkpoint { origin: name(ORIGIN), size: count.into(), root: merkle::root(&leaves(count)) }
}

/// Every text that differs from `text` in one bit of one byte and is still UTF-8, with the place.
fn bit_flips(text: &str) -> impl Iterator<Item = (usize, String)> {
    (0..8 * text.len()).filter_map(move |bit| {
        let mut bytes = text.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        Some((bit / 8, String::from_utf8(bytes).ok()?))
    })
}

/// Every text that lacks an end of `text`, or has one character more.
fn torn(text: &str) -> impl Iterator<Item = String> {
    let ends = text.char_indices().map(|(end, _)| text[..end].to_owned());
    ends.chain(["\n", " ", "\0", "\u{2014}"].map(|more| format!("{text}{more}")))
}
