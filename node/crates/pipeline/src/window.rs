//! The window: as many sealed segments as stay in a core's cache between sealing, hashing and the
//! write that hands them to the kernel.

use lucid_core::chunk::{PREFIX_BYTES, SEALED_SEGMENT_BYTES};

use crate::pages::PageBuffer;

/// Segments in a window: 128 KiB, a quarter of the smallest second-level cache this runs on (512 KiB
/// on a Pi 5's core), and a multiple of the four lanes that are hashed together.
pub const WINDOW_SEGMENTS: usize = 8;

/// Bytes of a window: the chunk file's prefix goes out with its first segments, in one write.
pub const WINDOW_BYTES: usize = PREFIX_BYTES + WINDOW_SEGMENTS * SEALED_SEGMENT_BYTES;

/// A window's worth of zeroes.
#[must_use]
pub fn new_window() -> PageBuffer {
    PageBuffer::zeroed(WINDOW_BYTES)
}
