//! The key schedule of a chunk's message (C2SP chunked-encryption, "Key derivation").

use core::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha512;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{ChunkHeader, Suite};
use crate::keys::ChunkKey;

/// Bytes of a message's salt.
pub const SALT_BYTES: usize = 24;

/// Bytes of a message's key commitment.
pub const COMMITMENT_BYTES: usize = 32;

/// Bytes of an AEAD nonce.
pub const NONCE_BYTES: usize = 12;

/// A message's salt: 24 random bytes that never repeat for one chunk key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt(pub [u8; SALT_BYTES]);

/// What a message says of its key, so that it cannot be opened to something else under another.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Commitment(pub [u8; COMMITMENT_BYTES]);

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// What seals and opens the segments of one message.
///
/// key (32) ‖ base nonce (12) ‖ commitment (32) = HKDF-Expand-SHA-512(input key, info =
/// `c2sp.org/chunked-encryption@v1+` ‖ AEAD name ‖ 0x00 ‖ salt ‖ context).
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct MessageKeys {
    key: [u8; 32],
    base_nonce: [u8; NONCE_BYTES],
    commitment: [u8; COMMITMENT_BYTES],
}

impl MessageKeys {
    /// The keys of the message of the chunk with this header: the context is the header's bytes.
    #[must_use]
    pub fn of_chunk(chunk_key: &ChunkKey, salt: &Salt, header: &ChunkHeader) -> Self {
        Self::derive(chunk_key.as_bytes(), header.suite, salt, &header.to_bytes())
    }

    /// The C2SP derivation itself, for any context.
    #[must_use]
    pub fn derive(input_key: &[u8; 32], suite: Suite, salt: &Salt, context: &[u8]) -> Self {
        const LABEL: &[u8] = b"c2sp.org/chunked-encryption@v1+";
        let info = [LABEL, suite.iana_name().as_bytes(), &[0], &salt.0, context];
        let mut expanded = [0; 32 + NONCE_BYTES + COMMITMENT_BYTES];
        hkdf_expand_sha512(input_key, &info, &mut expanded);
        let mut keys =
            Self { key: [0; 32], base_nonce: [0; NONCE_BYTES], commitment: [0; COMMITMENT_BYTES] };
        keys.key.copy_from_slice(&expanded[..32]);
        keys.base_nonce.copy_from_slice(&expanded[32..44]);
        keys.commitment.copy_from_slice(&expanded[44..]);
        expanded.zeroize();
        keys
    }

    /// The AEAD key.
    #[must_use]
    pub fn key(&self) -> &[u8; 32] {
        &self.key
    }

    /// The nonce of segment number `counter`: the base nonce XOR the counter as a big-endian
    /// integer as wide as the nonce.
    #[must_use]
    pub fn nonce(&self, counter: u32) -> [u8; NONCE_BYTES] {
        let mut nonce = self.base_nonce;
        for (byte, count) in nonce[NONCE_BYTES - 4..].iter_mut().zip(counter.to_be_bytes()) {
            *byte ^= count;
        }
        nonce
    }

    /// What goes into the file before the segments.
    #[must_use]
    pub fn commitment(&self) -> Commitment {
        Commitment(self.commitment)
    }

    /// Whether a message with this commitment was sealed under these keys. In constant time, and
    /// before anything is decrypted.
    #[must_use]
    pub fn commits_to(&self, commitment: &Commitment) -> bool {
        self.commitment.ct_eq(&commitment.0).into()
    }
}

/// HKDF-Expand with SHA-512 (RFC 5869 §2.3); `info` is the concatenation of the parts.
///
/// Written out here because the pseudo-random key is 32 bytes, as C2SP has it, and the `hkdf` crate
/// takes none shorter than the hash. Tests hold it against that crate where both apply.
pub(crate) fn hkdf_expand_sha512(key: &[u8], info: &[&[u8]], output: &mut [u8]) {
    assert!(output.len() <= 255 * 64, "RFC 5869 §2.3: L <= 255 * HashLen");
    let keyed = Hmac::<Sha512>::new_from_slice(key).expect("HMAC takes a key of any length");
    let mut previous = [0_u8; 64];
    for (counter, block) in (1..=u8::MAX).zip(output.chunks_mut(64)) {
        let mut mac = keyed.clone();
        if counter > 1 {
            mac.update(&previous);
        }
        for part in info {
            mac.update(part);
        }
        mac.update(&[counter]);
        previous.copy_from_slice(&mac.finalize().into_bytes());
        block.copy_from_slice(&previous[..block.len()]);
    }
    previous.zeroize();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expand_agrees_with_the_hkdf_crate() {
        for key_bytes in [64_u8, 65, 128, 200] {
            let key: Vec<u8> = (0..key_bytes).collect();
            let foreign = hkdf::Hkdf::<Sha512>::from_prk(&key).unwrap();
            for output_bytes in [1, 63, 64, 65, 76, 128, 255 * 64] {
                let (mut ours, mut theirs) = (vec![0; output_bytes], vec![0; output_bytes]);
                hkdf_expand_sha512(&key, &[b"in", b"", b"fo"], &mut ours);
                foreign.expand(b"info", &mut theirs).unwrap();
                assert_eq!(ours, theirs, "{key_bytes} {output_bytes}");
            }
        }
    }

    #[test]
    fn nonces_count_in_the_last_bytes() {
        let mut keys = MessageKeys::derive(&[1; 32], Suite::Aes256Gcm, &Salt([2; 24]), b"");
        keys.base_nonce = [0xff; 12];
        assert_eq!(keys.nonce(0), [0xff; 12]);
        assert_eq!(keys.nonce(1)[8..], [0xff, 0xff, 0xff, 0xfe]);
        assert_eq!(keys.nonce(0x0102_0304)[7..], [0xff, 0xfe, 0xfd, 0xfc, 0xfb]);
    }

    #[test]
    fn every_input_changes_the_commitment() {
        let base = MessageKeys::derive(&[1; 32], Suite::Aes256Gcm, &Salt([2; 24]), b"context");
        let commitment = base.commitment();
        assert!(base.commits_to(&commitment));
        for other in [
            MessageKeys::derive(&[3; 32], Suite::Aes256Gcm, &Salt([2; 24]), b"context"),
            MessageKeys::derive(&[1; 32], Suite::ChaCha20Poly1305, &Salt([2; 24]), b"context"),
            MessageKeys::derive(&[1; 32], Suite::Aes256Gcm, &Salt([4; 24]), b"context"),
            MessageKeys::derive(&[1; 32], Suite::Aes256Gcm, &Salt([2; 24]), b"contexT"),
        ] {
            assert!(!other.commits_to(&commitment));
        }
    }
}
