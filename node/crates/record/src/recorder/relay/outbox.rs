//! Bytes on their way to a descriptor that may not take them at once.

use std::collections::VecDeque;
use std::os::fd::AsFd;

use rustix::io::Errno;

/// From here on nothing more is read that would have to go into this box.
const BYTES_MAX: usize = 64 << 10;

/// One write. A pipe that is ready takes this much without blocking (PIPE_BUF), and the user's
/// standard output may be one whose other holders do not expect it to be non-blocking.
const WRITE_BYTES: usize = 4096;

/// Bytes that wait to be written, in order.
#[derive(Debug, Default)]
pub(super) struct Outbox(VecDeque<u8>);

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn has_room(&self) -> bool {
        self.0.len() < BYTES_MAX
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Writes once, what it can; a descriptor that is not ready is no error.
    pub(super) fn write_to(&mut self, end: impl AsFd) -> Result<(), Errno> {
        let (front, _) = self.0.as_slices();
        match rustix::io::write(end, &front[..front.len().min(WRITE_BYTES)]) {
            Ok(written) => {
                self.0.drain(..written);
                Ok(())
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
