//! One hot loop for so many segments, and nothing else: for whoever counts instructions, as `bench/arm64/count` does.
//!
//! `loops LOOP SEGMENTS`, where SEGMENTS is a multiple of four and LOOP one of those that it lists when it is asked for
//! another. Started twice, with a few segments and with more, the difference is the loop's alone.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::{env, error::Error, hint::black_box};

use lucid_core::chunk::{NONCE_BYTES, SEALED_SEGMENT_BYTES, SEGMENT_BYTES, Suite};
use lucid_hal::sha256::{kernels, sha256_prefixed_many_with};
use lucid_pipeline::aead::{Aead, Implementation};
use sha2::{Digest, Sha256};

/// Segments that are worked on in turn: as many as the widest kernel for ARM takes at once.
const TURN: usize = 4;
/// Nobody's; the same each time, so that each count is of the same work.
const KEY: [u8; 32] = [7; 32];

#[cfg(feature = "aws-lc")]
const IMPLEMENTATION: Implementation = Implementation::AwsLc;
#[cfg(not(feature = "aws-lc"))]
const IMPLEMENTATION: Implementation = Implementation::RustCrypto;

/// What can be asked for; each does four segments.
fn loops() -> Vec<(String, Box<dyn Fn()>)> {
    let sealed = vec![0x5a; TURN * SEALED_SEGMENT_BYTES];
    let mut loops: Vec<(String, Box<dyn Fn()>)> = Vec::new();
    for kernel in kernels() {
        let sealed = sealed.clone();
        let hash = move || {
            let messages: Vec<&[u8]> = sealed.chunks_exact(SEALED_SEGMENT_BYTES).collect();
            let mut digests = [[0; 32]; TURN];
            sha256_prefixed_many_with(kernel, 0, black_box(&messages), &mut digests);
            black_box(digests);
        };
        loops.push((format!("sha-256 {kernel}"), Box::new(hash)));
    }
    let alone = move || {
        for message in sealed.chunks_exact(SEALED_SEGMENT_BYTES) {
            black_box(Sha256::new().chain_update([0]).chain_update(black_box(message)).finalize());
        }
    };
    loops.push(("sha-256 crate sha2".to_owned(), Box::new(alone)));
    for suite in [Suite::Aes256Gcm, Suite::ChaCha20Poly1305] {
        let plain = vec![0x5a; TURN * SEGMENT_BYTES];
        let seal = move || {
            let aead = Aead::new(suite, &KEY, IMPLEMENTATION);
            let mut sealed = vec![0; SEALED_SEGMENT_BYTES];
            for (counter, plain) in plain.chunks_exact(SEGMENT_BYTES).enumerate() {
                let nonce = [counter as u8; NONCE_BYTES];
                aead.seal(nonce, &[], black_box(plain), &mut sealed);
                black_box(&sealed);
            }
        };
        loops.push((format!("seal {}", suite.iana_name()), Box::new(seal)));
    }
    loops
}

fn main() -> Result<(), Box<dyn Error>> {
    let (name, segments) = (env::args().nth(1).unwrap_or_default(), env::args().nth(2));
    let loops = loops();
    let Some((_, work)) = loops.iter().find(|(known, _)| *known == name) else {
        for (name, _) in &loops {
            println!("{name}");
        }
        return Err("loops LOOP SEGMENTS, with one of these".into());
    };
    let segments: usize = segments.ok_or("so many segments")?.parse()?;
    if !segments.is_multiple_of(TURN) {
        return Err("a multiple of four segments".into());
    }
    for _ in 0..segments / TURN {
        work();
    }
    Ok(())
}
