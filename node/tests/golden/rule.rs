//! The rule that makes the golden vectors' plaintexts, ids and keys. `README.md` beside this says it
//! in words.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use lucid_core::chunk::Suite;

use crate::support::copy_folder;

/// Where the vectors are.
pub(crate) const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");

/// The log's key: that of RFC 8032 §7.1, test 1.
pub(crate) const LOG_KEY: &str =
    "lucid/21fe31dfa154a261+837b8484+AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea";

/// The chunks that `piece.lucid-proof` discloses and attaches, by session and index.
pub(crate) const PIECE: (usize, usize) = (0, 3);

/// How a session ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Sealed { complete: bool },
    Erased,
    Voided,
}

/// One session.
pub(crate) struct Golden {
    pub(crate) id: &'static str,
    pub(crate) suite: Suite,
    pub(crate) end: End,
    pub(crate) chunks: Vec<Vec<u8>>,
}

impl Golden {
    pub(crate) fn plaintext(&self) -> Vec<u8> {
        self.chunks.concat()
    }

    /// Whether its plaintext can still be had.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self.end, End::Sealed { .. })
    }
}

/// The sessions in the order of their numbers.
pub(crate) fn sessions() -> Vec<Golden> {
    let complete = End::Sealed { complete: true };
    let (aes, chacha) = (Suite::Aes256Gcm, Suite::ChaCha20Poly1305);
    vec![
        Golden {
            id: "00000000-0000-4000-8000-000000000000",
            suite: aes,
            end: complete,
            chunks: vec![noise(65_536, 0), lines(65_536, 1), noise(16_384, 2), lines(1000, 3)],
        },
        Golden {
            id: "00000000-0000-4000-8000-000000000001",
            suite: chacha,
            end: complete,
            chunks: vec![lines(65_536, 4), noise(20_000, 5), noise(1, 6)],
        },
        Golden {
            id: "00000000-0000-4000-8000-000000000002",
            suite: aes,
            end: End::Sealed { complete: false },
            chunks: Vec::new(),
        },
        Golden {
            id: "00000000-0000-4000-8000-000000000003",
            suite: chacha,
            end: End::Erased,
            chunks: vec![lines(3000, 7), lines(2000, 8)],
        },
        Golden {
            id: "00000000-0000-4000-8000-000000000004",
            suite: aes,
            end: End::Voided,
            chunks: vec![lines(100, 9)],
        },
    ]
}

/// Bytes that do not shrink: the high bytes of Knuth's 64-bit linear congruential generator.
fn noise(count: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005);
        state = state.wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..count).map(|_| next()).collect()
}

/// Bytes that shrink to about a half: noise in hex, 32 bytes of it a line.
fn lines(count: usize, seed: u64) -> Vec<u8> {
    let noise = noise(count / 2 + 1, seed);
    let lines = noise.chunks(32).map(|line| hex::encode(line) + "\n");
    let mut bytes = lines.collect::<String>().into_bytes();
    bytes.truncate(count);
    bytes
}

/// Copies the data folder to `to` and makes it what the node takes: git keeps neither empty folders
/// nor modes.
pub(crate) fn lay_out(to: &Path) {
    copy_folder(&Path::new(GOLDEN).join("data"), to);
    fs::create_dir(to.join("opening")).unwrap();
    for name in ["master.key", "node.key"] {
        let path = to.join("secrets").join(name);
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}
