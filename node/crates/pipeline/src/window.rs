//! The window: as many sealed segments as stay in a core's cache between sealing, hashing and the
//! write that hands them to the kernel.

use lucid_core::chunk::{PREFIX_BYTES, SEALED_SEGMENT_BYTES};

use crate::pages::PageBuffer;

/// Segments in a window, a multiple of the lanes that are hashed together: four on ARM, where 128 KiB
/// are a quarter of a core's second-level cache (512 KiB on a Pi 5), and up to sixteen on x86-64, where
/// servers have 1 MiB and more.
pub const WINDOW_SEGMENTS: usize = if cfg!(target_arch = "x86_64") { 16 } else { 8 };

/// Segments that are read at once where they are hashed and no more, a multiple of the window's: the kernel
/// copies long runs of a file faster than short ones, and what was hashed need not stay in the cache. On one
/// Zen 4 core `verify` read 2.22 and 2.28 GB/s from the page caches of ext4 and tmpfs with 16 segments, and 2.63 and
/// 2.40 with 64 (2 GiB, medians of five by turns).
pub const SCAN_SEGMENTS: usize = if cfg!(target_arch = "x86_64") { 64 } else { WINDOW_SEGMENTS };

/// Bytes of a window: the chunk file's prefix goes out with its first segments, in one write.
pub const WINDOW_BYTES: usize = PREFIX_BYTES + WINDOW_SEGMENTS * SEALED_SEGMENT_BYTES;

/// A window's worth of zeroes.
#[must_use]
pub fn new_window() -> PageBuffer {
    PageBuffer::zeroed(WINDOW_BYTES)
}
