//! The AEAD behind a segment: aws-lc-rs where it is built in, the RustCrypto crates otherwise. The
//! second is always compiled, and tests hold one against the other and both against Wycheproof.

use aes_gcm::{
    AeadInOut, KeyInit,
    aead::{consts::U12, inout::InOutBuf},
};
use lucid_core::chunk::{MessageKeys, NONCE_BYTES, Suite, TAG_BYTES};

/// A message whose tag does not match: altered, of another place, or sealed under another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it does not authenticate")]
pub struct Unauthentic;

/// Whose code seals and opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Implementation {
    /// aws-lc-rs: C and assembly.
    #[cfg(feature = "aws-lc")]
    AwsLc,
    /// `aes-gcm` and `chacha20poly1305`: Rust.
    RustCrypto,
}

impl Implementation {
    /// The fastest that was built in.
    #[cfg(feature = "aws-lc")]
    pub const BEST: Self = Self::AwsLc;
    /// The fastest that was built in.
    #[cfg(not(feature = "aws-lc"))]
    pub const BEST: Self = Self::RustCrypto;

    /// Its name, for reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "aws-lc")]
            Self::AwsLc => "aws-lc",
            Self::RustCrypto => "rustcrypto",
        }
    }
}

/// The suite for this machine: AES-256-GCM where the CPU has AES instructions, ChaCha20-Poly1305
/// where it has not.
#[must_use]
pub fn best_suite() -> Suite {
    if lucid_hal::cpu::features().has_aes() { Suite::Aes256Gcm } else { Suite::ChaCha20Poly1305 }
}

/// An AEAD under one key (RFC 5116), 12-byte nonces and 16-byte tags.
pub struct Aead(Cipher);

enum Cipher {
    #[cfg(feature = "aws-lc")]
    AwsLc(aws_lc_rs::aead::LessSafeKey),
    AesGcm(Box<aes_gcm::Aes256Gcm>),
    ChaCha(Box<chacha20poly1305::ChaCha20Poly1305>),
}

impl Aead {
    /// The suite's AEAD under `key`.
    ///
    /// # Panics
    /// Never: both suites take keys of 32 bytes.
    #[must_use]
    pub fn new(suite: Suite, key: &[u8; 32], implementation: Implementation) -> Self {
        let cipher = match (implementation, suite) {
            #[cfg(feature = "aws-lc")]
            (Implementation::AwsLc, suite) => {
                use aws_lc_rs::aead::{AES_256_GCM, CHACHA20_POLY1305, LessSafeKey, UnboundKey};
                let algorithm = match suite {
                    Suite::Aes256Gcm => &AES_256_GCM,
                    Suite::ChaCha20Poly1305 => &CHACHA20_POLY1305,
                };
                let key = UnboundKey::new(algorithm, key).expect("both take 32-byte keys");
                Cipher::AwsLc(LessSafeKey::new(key))
            }
            (Implementation::RustCrypto, Suite::Aes256Gcm) => {
                Cipher::AesGcm(Box::new(aes_gcm::Aes256Gcm::new(&(*key).into())))
            }
            (Implementation::RustCrypto, Suite::ChaCha20Poly1305) => {
                let key = (*key).into();
                Cipher::ChaCha(Box::new(chacha20poly1305::ChaCha20Poly1305::new(&key)))
            }
        };
        Self(cipher)
    }

    /// Seals `plain` into `sealed`: ciphertext, then tag. `nonce` is never used twice with one key.
    ///
    /// # Panics
    /// Where `sealed` is not 16 bytes longer than `plain`.
    pub fn seal(&self, nonce: [u8; NONCE_BYTES], aad: &[u8], plain: &[u8], sealed: &mut [u8]) {
        assert_eq!(sealed.len(), plain.len() + TAG_BYTES, "a message grows by its tag");
        let (text, tag) = sealed.split_at_mut(plain.len());
        match &self.0 {
            #[cfg(feature = "aws-lc")]
            Cipher::AwsLc(key) => {
                use aws_lc_rs::aead::{Aad, Nonce};
                let nonce = Nonce::assume_unique_for_key(nonce);
                key.seal_out_of_place_scatter(nonce, Aad::from(aad), plain, text, &[], tag)
                    .expect("lengths match and are far below the cipher's limit");
            }
            Cipher::AesGcm(cipher) => seal_rust(&**cipher, nonce, aad, plain, text, tag),
            Cipher::ChaCha(cipher) => seal_rust(&**cipher, nonce, aad, plain, text, tag),
        }
    }

    /// Opens `sealed` into `plain`.
    ///
    /// # Errors
    /// [`Unauthentic`]; `plain` is then zeroes.
    ///
    /// # Panics
    /// Where `sealed` is not 16 bytes longer than `plain`.
    pub fn open(
        &self,
        nonce: [u8; NONCE_BYTES],
        aad: &[u8],
        sealed: &[u8],
        plain: &mut [u8],
    ) -> Result<(), Unauthentic> {
        assert_eq!(sealed.len(), plain.len() + TAG_BYTES, "a message shrinks by its tag");
        let (text, tag) = sealed.split_at(plain.len());
        let opened = match &self.0 {
            #[cfg(feature = "aws-lc")]
            Cipher::AwsLc(key) => {
                use aws_lc_rs::aead::{Aad, Nonce};
                let nonce = Nonce::assume_unique_for_key(nonce);
                key.open_separate_gather(nonce, Aad::from(aad), text, tag, plain)
                    .map_err(|_| Unauthentic)
            }
            Cipher::AesGcm(cipher) => open_rust(&**cipher, nonce, aad, text, tag, plain),
            Cipher::ChaCha(cipher) => open_rust(&**cipher, nonce, aad, text, tag, plain),
        };
        if opened.is_err() {
            plain.fill(0);
        }
        opened
    }
}

/// Seals and opens the segments of one message, each under the nonce of its counter and without
/// additional data (C2SP chunked-encryption, "AEAD usage").
pub struct SegmentCipher<'a> {
    keys: &'a MessageKeys,
    aead: Aead,
}

impl<'a> SegmentCipher<'a> {
    /// A cipher of this suite, by the fastest implementation that was built in.
    #[must_use]
    pub fn new(suite: Suite, keys: &'a MessageKeys) -> Self {
        Self { keys, aead: Aead::new(suite, keys.key(), Implementation::BEST) }
    }

    /// Seals segment number `counter`, see [`Aead::seal`].
    pub fn seal(&self, counter: u32, plain: &[u8], sealed: &mut [u8]) {
        self.aead.seal(self.keys.nonce(counter), &[], plain, sealed);
    }

    /// Opens segment number `counter`, see [`Aead::open`].
    ///
    /// # Errors
    /// [`Unauthentic`]; `plain` is then zeroes.
    pub fn open(&self, counter: u32, sealed: &[u8], plain: &mut [u8]) -> Result<(), Unauthentic> {
        self.aead.open(self.keys.nonce(counter), &[], sealed, plain)
    }
}

fn seal_rust<C: AeadInOut<NonceSize = U12>>(
    cipher: &C,
    nonce: [u8; NONCE_BYTES],
    aad: &[u8],
    plain: &[u8],
    text: &mut [u8],
    tag: &mut [u8],
) {
    let buffers = InOutBuf::new(plain, text).expect("of equal length, the caller split them so");
    let made = cipher.encrypt_inout_detached(&nonce.into(), aad, buffers);
    tag.copy_from_slice(&made.expect("far below the cipher's limit"));
}

fn open_rust<C: AeadInOut<NonceSize = U12>>(
    cipher: &C,
    nonce: [u8; NONCE_BYTES],
    aad: &[u8],
    text: &[u8],
    tag: &[u8],
    plain: &mut [u8],
) -> Result<(), Unauthentic> {
    let buffers = InOutBuf::new(text, plain).expect("of equal length, the caller split them so");
    let tag = tag.try_into().map_err(|_| Unauthentic)?;
    cipher.decrypt_inout_detached(&nonce.into(), aad, buffers, tag).map_err(|_| Unauthentic)
}
