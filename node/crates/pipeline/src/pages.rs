//! Buffers that begin with a page of memory.
//!
//! Large copies by the kernel, into a buffer that is read to and out of one that is written from, are
//! done with `rep movsb` where the processor says it is fast. On AMD's Zen 3 and 4 it is several times
//! slower into memory that begins a few bytes after a page does, as every large allocation of the C
//! library does: behind its 16 bytes of administration.

use std::ops::{Deref, DerefMut};

use zeroize::Zeroize;

/// Bytes of the smallest page of the processors this runs on.
const PAGE_BYTES: usize = 4096;

/// So many bytes, the first of which is the first of a page.
pub struct PageBuffer {
    memory: Vec<u8>,
    start: usize,
    count: usize,
}

impl PageBuffer {
    /// `count` zeroes.
    #[must_use]
    pub fn zeroed(count: usize) -> Self {
        let memory = vec![0; count + PAGE_BYTES];
        // The memory stays where it is: nothing is ever pushed to it. Where an alignment cannot be
        // told (it can, outside of constant evaluation), the copies are slower and that is all.
        let start = memory.as_ptr().align_offset(PAGE_BYTES);
        let start = if start < PAGE_BYTES { start } else { 0 };
        Self { memory, start, count }
    }
}

impl Deref for PageBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.count]
    }
}

impl DerefMut for PageBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.count]
    }
}

impl Zeroize for PageBuffer {
    fn zeroize(&mut self) {
        // A vector would be empty afterwards.
        self.memory.as_mut_slice().zeroize();
        self.count = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begins_with_a_page_and_has_its_bytes() {
        for count in [0, 1, PAGE_BYTES, 131_312, 8 << 20] {
            let mut buffer = PageBuffer::zeroed(count);
            assert_eq!(buffer.len(), count);
            assert_eq!(buffer.as_ptr().align_offset(PAGE_BYTES), 0);
            assert!(buffer.iter().all(|&byte| byte == 0));
            buffer.fill(7);
            assert!(buffer.iter().all(|&byte| byte == 7));
            buffer.zeroize();
            assert!(buffer.is_empty() && buffer.memory.iter().all(|&byte| byte == 0));
        }
    }
}
