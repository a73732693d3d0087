//! What several tests need.

use lucid_core::{
    Timestamp,
    tron::{BlockId, Sun},
};

use crate::{Key, Terms};

/// The account of the key that is 32 times 0x11.
pub(crate) const ADDRESS: &str = "TCLBgkbfVkJroVBJVqBEsxtPNQEQMTQCLQ";
/// The account of the key 1.
pub(crate) const OTHER: &str = "TMVQGm1qAQYVdetCeGRRkTWYYrLXuHK2HC";
/// A block of Nile, as TRON's documentation shows it.
pub(crate) const BLOCK: &str = "0000000003fe262d52bfa4b2814f816fd2e57af5b98a33d60d8630a03a908e0e";

/// The key of [`ADDRESS`].
pub(crate) fn key() -> Key {
    Key::parse(&"11".repeat(32)).unwrap()
}

/// What its transactions say.
pub(crate) fn terms() -> Terms {
    Terms {
        owner: ADDRESS.parse().unwrap(),
        reference: BLOCK.parse::<BlockId>().unwrap(),
        at: Timestamp::from_unix_millis(1_777_445_121_017),
        expires: Timestamp::from_unix_millis(1_777_445_181_000),
        fee_limit: Sun::new(30_000_000),
    }
}
