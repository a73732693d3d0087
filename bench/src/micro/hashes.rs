//! SHA-256 by each kernel beside the `sha2` crate, and the tree of a chunk.

use std::hint::black_box;

use lucid_core::chunk::SEALED_SEGMENT_BYTES;
use lucid_hal::{
    cpu,
    sha256::{kernels, sha256_prefixed_many_with},
};
use lucid_pipeline::{
    tree,
    window::{WINDOW_BYTES, WINDOW_SEGMENTS},
};
use sha2::{Digest, Sha256};

use super::{CHUNK_BYTES, Material};
use crate::samples::{Row, Work};

const GROUP: &str = "SHA-256, messages of 16,400 bytes in cache";

/// A multiple of every lane count, and in the second-level cache as the pipeline's window is.
const MESSAGES: usize = 16;

/// Segments of a full chunk: 512 and the empty one that ends it.
const LEAVES: usize = CHUNK_BYTES / (16 << 10) + 1;

/// Each kernel, the `sha2` crate, the window as the pipeline hashes it, and the tree above.
pub(super) fn rows(material: &Material) -> Vec<Row<'_>> {
    let messages: Vec<&[u8]> =
        material.noise.chunks_exact(SEALED_SEGMENT_BYTES).take(MESSAGES).collect();
    let work = Work::Bytes(MESSAGES * SEALED_SEGMENT_BYTES);
    let mut rows = Vec::new();
    for kernel in kernels() {
        let chosen = if kernel == cpu::best_sha256() { " (the default)" } else { "" };
        let messages = messages.clone();
        let mut digests = [[0; 32]; MESSAGES];
        rows.push(Row::new(GROUP, format!("{kernel}{chosen}"), work, move || {
            sha256_prefixed_many_with(kernel, 0x00, black_box(&messages), &mut digests);
            black_box(&digests);
            Ok(())
        }));
    }
    rows.push(Row::new(GROUP, "sha2 crate", work, move || {
        for message in black_box(&messages) {
            black_box(Sha256::new().chain_update([0x00]).chain_update(message).finalize());
        }
        Ok(())
    }));
    rows.push(window(material));
    rows.push(tree());
    rows
}

/// Leaf hashes over a chunk's worth of sealed bytes, a window at a time, read from memory.
fn window(material: &Material) -> Row<'_> {
    let mut leaves = Vec::with_capacity(LEAVES);
    let name = "chunk tree: leaf hashes, 8 MiB from memory";
    Row::new(GROUP, name, Work::Bytes(CHUNK_BYTES), move || {
        leaves.clear();
        for window in material.noise.chunks(WINDOW_SEGMENTS * SEALED_SEGMENT_BYTES) {
            debug_assert!(window.len() <= WINDOW_BYTES);
            tree::hash_segments(black_box(window), &mut leaves);
        }
        black_box(&leaves);
        Ok(())
    })
}

/// The root over a chunk's leaves.
fn tree() -> Row<'static> {
    let mut leaves = vec![[0; 32]; LEAVES];
    Row::new(GROUP, "chunk tree: root over 513 leaves", Work::Operation, move || {
        // The leaves are overwritten; any other ones cost the same.
        black_box(tree::root_in_place(black_box(&mut leaves)));
        Ok(())
    })
}
