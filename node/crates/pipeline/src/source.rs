//! Where plaintext comes from.

use std::io::{self, Read};

/// How a buffer was filled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Filled {
    /// To its end; there may be more.
    Full,
    /// With this many bytes, because the source paused; there may be more.
    Paused(usize),
    /// With this many bytes, the last of the stream.
    End(usize),
}

/// A stream of plaintext, pulled one chunk at a time.
pub trait Source: Send {
    /// Fills `buffer` as far as the stream goes. Called by one thread at a time.
    ///
    /// # Errors
    /// The stream's; ingest then ends, and what was acknowledged stays.
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<Filled>;
}

/// Any reader as a source that never pauses.
pub struct ReadSource<R>(pub R);

impl<R: Read + Send> Source for ReadSource<R> {
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<Filled> {
        let mut count = 0;
        while count < buffer.len() {
            match self.0.read(&mut buffer[count..]) {
                Ok(0) => return Ok(Filled::End(count)),
                Ok(more) => count += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Filled::Full)
    }
}
