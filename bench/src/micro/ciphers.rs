//! The AEADs, a segment at a time, as the pipeline calls them; and the copy that bounds them all.

use std::hint::black_box;

use lucid_core::chunk::{NONCE_BYTES, SEALED_SEGMENT_BYTES, SEGMENT_BYTES, Suite};
use lucid_pipeline::aead::{Aead, Implementation};

use super::{CHUNK_BYTES, Material};
use crate::samples::{Row, Work};

const GROUP: &str = "AEAD, 8 MiB in segments of 16 KiB";

#[cfg(feature = "aws-lc")]
const IMPLEMENTATIONS: [Implementation; 2] = [Implementation::AwsLc, Implementation::RustCrypto];
#[cfg(not(feature = "aws-lc"))]
const IMPLEMENTATIONS: [Implementation; 1] = [Implementation::RustCrypto];

/// Sealing and opening by each implementation and suite.
pub(super) fn rows(material: &Material) -> Vec<Row<'_>> {
    let mut rows = vec![copy(material)];
    for suite in [Suite::Aes256Gcm, Suite::ChaCha20Poly1305] {
        for implementation in IMPLEMENTATIONS {
            rows.push(seal(material, suite, implementation));
            rows.push(open(material, suite, implementation));
        }
    }
    rows
}

fn copy(material: &Material) -> Row<'_> {
    let mut target = vec![0; CHUNK_BYTES];
    Row::new("Copy", "memcpy, 8 MiB to 8 MiB", Work::Bytes(CHUNK_BYTES), move || {
        target.copy_from_slice(black_box(&material.noise));
        black_box(&mut target);
        Ok(())
    })
}

fn name(doing: &str, suite: Suite, implementation: Implementation) -> String {
    format!("{doing}, {}, {}", suite.iana_name(), implementation.name())
}

fn nonce(counter: usize) -> [u8; NONCE_BYTES] {
    let mut nonce = [0; NONCE_BYTES];
    nonce[NONCE_BYTES - 8..].copy_from_slice(&(counter as u64).to_be_bytes());
    nonce
}

/// Each segment into the same buffer: the pipeline's window is in cache too.
fn seal(material: &Material, suite: Suite, implementation: Implementation) -> Row<'_> {
    let aead = Aead::new(suite, &[7; 32], implementation);
    let mut sealed = vec![0; SEALED_SEGMENT_BYTES];
    Row::new(GROUP, name("seal", suite, implementation), Work::Bytes(CHUNK_BYTES), move || {
        for (counter, plain) in material.noise.chunks(SEGMENT_BYTES).enumerate() {
            aead.seal(nonce(counter), &[], black_box(plain), &mut sealed);
            black_box(&sealed);
        }
        Ok(())
    })
}

fn open(material: &Material, suite: Suite, implementation: Implementation) -> Row<'_> {
    let aead = Aead::new(suite, &[7; 32], implementation);
    let count = CHUNK_BYTES / SEGMENT_BYTES;
    let mut all = vec![0; count * SEALED_SEGMENT_BYTES];
    let segments = material.noise.chunks(SEGMENT_BYTES).zip(all.chunks_mut(SEALED_SEGMENT_BYTES));
    for (counter, (plain, sealed)) in segments.enumerate() {
        aead.seal(nonce(counter), &[], plain, sealed);
    }
    let mut plain = vec![0; CHUNK_BYTES];
    Row::new(GROUP, name("open", suite, implementation), Work::Bytes(CHUNK_BYTES), move || {
        let segments = all.chunks(SEALED_SEGMENT_BYTES).zip(plain.chunks_mut(SEGMENT_BYTES));
        for (counter, (sealed, plain)) in segments.enumerate() {
            aead.open(nonce(counter), &[], black_box(sealed), plain)?;
        }
        black_box(&mut plain);
        Ok(())
    })
}
