//! A descriptor that becomes readable when another thread or a signal handler wants attention.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

/// The waiting end.
#[derive(Debug)]
pub(super) struct WakeUp {
    reader: UnixStream,
    writer: Arc<UnixStream>,
}

impl WakeUp {
    pub(super) fn new() -> io::Result<Self> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        Ok(Self { reader, writer: Arc::new(writer) })
    }

    pub(super) fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.writer))
    }

    /// Forgets the wake-ups so far; whatever they were about is looked at afterwards.
    pub(super) fn clear(&self) {
        let mut seen = [0; 256];
        while matches!((&self.reader).read(&mut seen), Ok(1..)) {}
    }
}

impl AsFd for WakeUp {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

/// The waking end.
#[derive(Debug, Clone)]
pub(super) struct Waker(Arc<UnixStream>);

impl Waker {
    /// A full socket is fine: then a wake-up is under way already.
    pub(super) fn wake(&self) {
        let _ = (&*self.0).write(&[0]);
    }

    /// For a signal handler, which keeps its own descriptor.
    pub(super) fn try_clone_stream(&self) -> io::Result<UnixStream> {
        self.0.try_clone()
    }
}
