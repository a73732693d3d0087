//! Buffers that begin with a page of memory.
//!
//! Large copies by the kernel, into a buffer that is read to and out of one that is written from, are
//! done with `rep movsb` where the processor says it is fast. On AMD's Zen 3 and 4 it is several times
//! slower into memory that begins a few bytes after a page does, as every large allocation of the C
//! library does: behind its 16 bytes of administration.

use std::{
    io, mem,
    ops::{Deref, DerefMut},
};

use zeroize::Zeroize;

use crate::source::{Filled, Source};

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

/// A chunk's worth of plaintext. Zeroed in the end as far as it was used: what never was, the kernel
/// has not even given.
pub struct ChunkBuffer {
    pages: PageBuffer,
    used: usize,
}

impl ChunkBuffer {
    /// A buffer of `count` bytes.
    #[must_use]
    pub fn zeroed(count: usize) -> Self {
        Self { pages: PageBuffer::zeroed(count), used: 0 }
    }

    /// How many bytes it has room for.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.pages.len()
    }

    /// The first `count` bytes.
    #[must_use]
    pub fn plain(&self, count: usize) -> &[u8] {
        &self.pages[..count]
    }

    /// All of it, to be written to.
    pub fn whole(&mut self) -> &mut [u8] {
        self.used = self.bytes();
        &mut self.pages
    }

    /// Fills it from `source`.
    ///
    /// # Errors
    /// The source's.
    pub fn fill_from(&mut self, source: &mut dyn Source) -> io::Result<Filled> {
        // How far a source came that then fails is not known: all of it counts as used.
        let before = mem::replace(&mut self.used, self.pages.len());
        let filled = source.fill(&mut self.pages)?;
        self.used = before.max(filled.count(self.pages.len()));
        Ok(filled)
    }
}

impl Drop for ChunkBuffer {
    fn drop(&mut self) {
        self.pages[..self.used].zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::ReadSource;

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

    #[test]
    fn what_was_used_is_known() {
        let mut buffer = ChunkBuffer::zeroed(10);
        let mut source = ReadSource(&b"abcdefghijklmno"[..]);
        assert_eq!((buffer.bytes(), buffer.used), (10, 0));
        assert_eq!(buffer.fill_from(&mut ReadSource(&b"xyz"[..])).unwrap(), Filled::End(3));
        assert_eq!((buffer.plain(3), buffer.used), (&b"xyz"[..], 3));
        assert_eq!(buffer.fill_from(&mut source).unwrap(), Filled::Full);
        assert_eq!(buffer.fill_from(&mut source).unwrap(), Filled::End(5));
        assert_eq!((buffer.plain(5), buffer.used), (&b"klmno"[..], 10));
        let mut buffer = ChunkBuffer::zeroed(10);
        buffer.whole()[9] = 1;
        assert_eq!(buffer.used, 10);
        let mut buffer = ChunkBuffer::zeroed(10);
        assert!(buffer.fill_from(&mut ReadSource(Failing)).is_err());
        assert_eq!(buffer.used, 10);
    }

    struct Failing;

    impl io::Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }
}
