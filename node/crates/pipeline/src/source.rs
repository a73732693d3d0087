//! Where plaintext comes from.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt,
    sync::Arc,
};

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

impl Filled {
    /// The bytes that are there now, in a buffer of `room` bytes.
    #[must_use]
    pub fn count(self, room: usize) -> usize {
        match self {
            Self::Full => room,
            Self::Paused(count) | Self::End(count) => count,
        }
    }
}

/// A stream of plaintext, pulled one chunk at a time.
pub trait Source: Send {
    /// Fills `buffer` as far as the stream goes. Called by one thread at a time.
    ///
    /// # Errors
    /// The stream's; ingest then ends, and what was acknowledged stays.
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<Filled>;

    /// The next `count` bytes of the stream where they lie, if there are so many and they can be read
    /// there; the stream then goes on after them. What lies somewhere need not pass through memory
    /// as a whole, nor one chunk after the other. By default nothing does.
    ///
    /// # Errors
    /// The stream's.
    fn extent(&mut self, count: u64) -> io::Result<Option<Extent>> {
        let _ = count;
        Ok(None)
    }
}

/// Bytes that lie somewhere and can be read in any order, by several at once.
pub trait ReadAt: Send + Sync {
    /// Fills `buffer` with the bytes from `offset` on.
    ///
    /// # Errors
    /// The system's, and where there are fewer.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

impl ReadAt for File {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, buffer, offset).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => shorter(),
            _ => error,
        })?;
        reaches(self, offset + buffer.len() as u64).map(drop)
    }
}

/// The length of a file of which something was just read; an error where that is before `end`, up to which it went. Of one that is cut in the middle of a read,
/// the read has zeros where the system cleared pages after it had looked at the length, which it sets before.
fn reaches(file: &File, end: u64) -> io::Result<u64> {
    let bytes = file.metadata()?.len();
    if bytes < end { Err(shorter()) } else { Ok(bytes) }
}

fn shorter() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "it became shorter while it was read; leave it alone until it is recorded",
    )
}

/// A part of a stream, where it lies.
pub struct Extent {
    lying: Arc<dyn ReadAt>,
    start: u64,
}

impl Extent {
    /// Fills `buffer` with the extent's bytes from `offset` on.
    ///
    /// # Errors
    /// The system's, and where there are fewer.
    pub fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.lying.read_exact_at(buffer, self.start + offset)
    }
}

/// A file with a length, from its first byte on. Whole chunks of it are read where they lie; its end,
/// and what is appended to it meanwhile, as a stream.
pub struct FileSource {
    file: Arc<File>,
    at: u64,
    /// As long as it ever was seen to be.
    longest: u64,
}

impl FileSource {
    /// All of `file`, wherever its cursor stands.
    ///
    /// # Errors
    /// The system's.
    pub fn new(file: File) -> io::Result<Self> {
        let longest = file.metadata()?.len();
        Ok(Self { file: Arc::new(file), at: 0, longest })
    }

    /// The file's length now, in bytes.
    ///
    /// # Errors
    /// The system's.
    pub fn bytes(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }
}

impl Source for FileSource {
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<Filled> {
        let mut count = 0;
        while count < buffer.len() {
            match self.file.read_at(&mut buffer[count..], self.at) {
                Ok(0) if self.at < self.longest => return Err(shorter()),
                Ok(0) => return Ok(Filled::End(count)),
                Ok(more) => {
                    (count, self.at) = (count + more, self.at + more as u64);
                    // What grows has its new length, and what has none, as under /proc, has none to lose.
                    self.longest = reaches(&self.file, self.longest)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Filled::Full)
    }

    fn extent(&mut self, count: u64) -> io::Result<Option<Extent>> {
        self.longest = self.longest.max(self.bytes()?);
        if self.longest - self.at.min(self.longest) < count {
            return Ok(None);
        }
        let start = self.at;
        self.at += count;
        let lying: Arc<dyn ReadAt> = Arc::<File>::clone(&self.file);
        Ok(Some(Extent { lying, start }))
    }
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
