//! Sources that may pause for long: what they gave becomes a chunk after a while, so that a power cut
//! does not take it, and a request to stop is heard while they are silent.

use std::{
    fs::File,
    io::{self, Read},
    os::fd::{AsFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use lucid_pipeline::source::{Filled, Source};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How often a silent source is left to see whether it should stop.
const LOOK_UP: Duration = Duration::from_millis(200);

/// When a chunk that is being filled is due although the source is silent.
struct Patience {
    flush_after: Duration,
    since: Option<Instant>,
}

impl Patience {
    /// How long to wait for more, with `count` bytes there already; `None` when that is enough.
    fn wait(&mut self, count: usize) -> Option<Duration> {
        if count == 0 {
            return Some(LOOK_UP);
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        let rest = self.flush_after.checked_sub(since.elapsed()).filter(|rest| !rest.is_zero())?;
        Some(rest.min(LOOK_UP))
    }
}

/// A pipe, terminal or socket, read as it comes.
pub struct PollSource {
    file: File,
    flush_after: Duration,
    cancel: Arc<AtomicBool>,
}

impl PollSource {
    /// Reads `descriptor`; what it gave becomes a chunk after `flush_after`.
    #[must_use]
    pub fn new(descriptor: OwnedFd, flush_after: Duration, cancel: Arc<AtomicBool>) -> Self {
        Self { file: File::from(descriptor), flush_after, cancel }
    }

    fn is_ready(&self, wait: Duration) -> io::Result<bool> {
        let descriptor = self.file.as_fd();
        let mut polled = [PollFd::new(&descriptor, PollFlags::IN)];
        let wait = Timespec::try_from(wait).map_err(io::Error::other)?;
        match poll(&mut polled, Some(&wait)) {
            Ok(count) => Ok(count > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl Source for PollSource {
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<Filled> {
        let mut patience = Patience { flush_after: self.flush_after, since: None };
        let mut count = 0;
        while count < buffer.len() {
            if self.cancel.load(Ordering::Acquire) {
                return Ok(Filled::Paused(count));
            }
            let Some(wait) = patience.wait(count) else { return Ok(Filled::Paused(count)) };
            if !self.is_ready(wait)? {
                if count == 0 {
                    // Whoever asked may have a reason to stop, such as a store that failed.
                    return Ok(Filled::Paused(0));
                }
                continue;
            }
            match self.file.read(&mut buffer[count..]) {
                Ok(0) => return Ok(Filled::End(count)),
                Ok(more) => count += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Filled::Full)
    }
}

/// A reader that can only block, read by a thread of its own. The channel between is bounded, so the
/// reader is held back when sealing is slower. Whoever drops this while it blocks leaves the thread to the
/// process's end.
pub struct ChannelSource<R> {
    blocks: Receiver<io::Result<Vec<u8>>>,
    block: Vec<u8>,
    used: usize,
    flush_after: Duration,
    cancel: Arc<AtomicBool>,
    reader: JoinHandle<R>,
}

/// Bytes of a block.
const BLOCK_BYTES: usize = 32 << 10;

/// Blocks in the channel: 512 KiB at most.
const BLOCKS: usize = 16;

impl<R: Read + Send + 'static> ChannelSource<R> {
    /// Reads `reader`; what it gave becomes a chunk after `flush_after`, or as soon as `cancel` is set.
    ///
    /// # Errors
    /// Where no thread can be had.
    pub fn spawn(reader: R, flush_after: Duration, cancel: Arc<AtomicBool>) -> io::Result<Self> {
        let (sender, blocks) = sync_channel(BLOCKS);
        let thread = std::thread::Builder::new().name("source".into());
        let reader = thread.spawn(move || read_blocks(reader, &sender))?;
        Ok(Self { blocks, block: Vec::new(), used: 0, flush_after, cancel, reader })
    }

    /// The reader, when it has ended or nobody wants more from it.
    ///
    /// # Errors
    /// Where the reading thread panicked.
    pub fn into_reader(self) -> io::Result<R> {
        drop(self.blocks);
        self.reader.join().map_err(|_| io::Error::other("the thread that read the source panicked"))
    }
}

fn read_blocks<R: Read>(mut reader: R, sender: &SyncSender<io::Result<Vec<u8>>>) -> R {
    loop {
        let mut block = vec![0; BLOCK_BYTES];
        let read = match reader.read(&mut block) {
            Ok(0) => return reader,
            Ok(count) => {
                block.truncate(count);
                Ok(block)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let failed = read.is_err();
        if sender.send(read).is_err() || failed {
            return reader;
        }
    }
}

impl<R: Read + Send + 'static> Source for ChannelSource<R> {
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<Filled> {
        let mut patience = Patience { flush_after: self.flush_after, since: None };
        let mut count = 0;
        while count < buffer.len() {
            if self.used == self.block.len() {
                if self.cancel.load(Ordering::Acquire) {
                    return Ok(Filled::Paused(count));
                }
                let Some(wait) = patience.wait(count) else { return Ok(Filled::Paused(count)) };
                match self.blocks.recv_timeout(wait) {
                    Ok(block) => (self.block, self.used) = (block?, 0),
                    Err(RecvTimeoutError::Timeout) if count == 0 => return Ok(Filled::Paused(0)),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return Ok(Filled::End(count)),
                }
            }
            let more = (self.block.len() - self.used).min(buffer.len() - count);
            buffer[count..count + more].copy_from_slice(&self.block[self.used..self.used + more]);
            (count, self.used) = (count + more, self.used + more);
        }
        Ok(Filled::Full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn poll_source(flush_after: Duration) -> (PollSource, io::PipeWriter, Arc<AtomicBool>) {
        let (reader, writer) = io::pipe().unwrap();
        let cancel = Arc::new(AtomicBool::new(false));
        (PollSource::new(reader.into(), flush_after, Arc::clone(&cancel)), writer, cancel)
    }

    #[test]
    fn a_silent_pipe_gives_what_it_has() {
        let (mut source, mut writer, _) = poll_source(Duration::from_millis(20));
        let mut buffer = [0; 8];
        assert_eq!(source.fill(&mut buffer).unwrap(), Filled::Paused(0));
        writer.write_all(b"abc").unwrap();
        assert_eq!(source.fill(&mut buffer).unwrap(), Filled::Paused(3));
        writer.write_all(b"defghijk").unwrap();
        assert_eq!(source.fill(&mut buffer).unwrap(), Filled::Full);
        assert_eq!(&buffer, b"defghijk");
        writer.write_all(b"l").unwrap();
        drop(writer);
        assert_eq!(source.fill(&mut buffer).unwrap(), Filled::End(1));
        assert_eq!(source.fill(&mut buffer).unwrap(), Filled::End(0));
    }

    #[test]
    fn a_silent_pipe_hears_that_it_should_stop() {
        let (mut source, _writer, cancel) = poll_source(Duration::from_hours(1));
        cancel.store(true, Ordering::Release);
        assert_eq!(source.fill(&mut [0; 8]).unwrap(), Filled::Paused(0));
    }

    #[test]
    fn a_reader_that_blocks_does_not_keep_from_stopping() {
        let (reader, mut writer) = io::pipe().unwrap();
        let cancel = Arc::new(AtomicBool::new(false));
        let never = Duration::from_hours(1);
        let mut source = ChannelSource::spawn(reader, never, Arc::clone(&cancel)).unwrap();
        writer.write_all(b"abc").unwrap();
        let stop = std::thread::spawn(move || {
            std::thread::sleep(LOOK_UP * 2);
            cancel.store(true, Ordering::Release);
        });
        let mut buffer = [0; 8];
        assert_eq!(source.fill(&mut buffer).unwrap(), Filled::Paused(3));
        assert_eq!(source.fill(&mut buffer).unwrap(), Filled::Paused(0));
        stop.join().unwrap();
    }

    #[test]
    fn a_blocking_reader_gives_what_it_has_and_comes_back() {
        let (reader, mut writer) = io::pipe().unwrap();
        let cancel = Arc::default();
        let mut source = ChannelSource::spawn(reader, Duration::from_millis(20), cancel).unwrap();
        writer.write_all(b"abc").unwrap();
        let mut buffer = [0; 8];
        let mut filled = source.fill(&mut buffer).unwrap();
        while filled == Filled::Paused(0) {
            filled = source.fill(&mut buffer).unwrap();
        }
        assert_eq!(filled, Filled::Paused(3));
        drop(writer);
        assert_eq!(source.fill(&mut buffer).unwrap(), Filled::End(0));
        source.into_reader().unwrap();
    }
}
