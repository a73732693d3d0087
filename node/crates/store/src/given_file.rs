//! Small files that settings name, most of them with a secret: read whole, once, and not waited for without end. None of
//! them is in the data folder.
//!
//! Such a file may be a pipe: `<(pass show key)` of a shell, `/dev/stdin`, a named one that a program writes to. A pipe
//! that nobody has the other end of is refused, where opening it as a file would wait for ever and say nothing.

use std::{
    fs::{File, Metadata, OpenOptions},
    io::{self, Read},
    os::{
        fd::AsFd,
        unix::fs::{FileTypeExt, OpenOptionsExt},
    },
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::OFlags,
};
use zeroize::Zeroizing;

/// Whoever writes into a pipe has this long: somebody may be asked for a passphrase meanwhile.
const PATIENCE: Duration = Duration::from_mins(2);
/// Whoever is to write into a pipe opens it in this time: it may be starting, too.
const WRITER_TIME: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Bytes read at once.
const PIECE_BYTES: usize = 4096;

/// What is in a file, of which at most `bytes_max` bytes are read.
///
/// # Errors
/// The operating system's; where nobody writes into a pipe, or not for so long.
pub fn read(path: &Path, bytes_max: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    Ok(read_within(path, bytes_max, PATIENCE)?.0)
}

/// The text in a file, of which at most `bytes_max` bytes are read, and what the file is.
///
/// # Errors
/// Those of [`read`]; where it is no text.
pub fn read_text(path: &Path, bytes_max: usize) -> io::Result<(Zeroizing<String>, Metadata)> {
    let (bytes, metadata) = read_within(path, bytes_max, PATIENCE)?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no text"))?;
    Ok((Zeroizing::new(text.to_owned()), metadata))
}

fn read_within(
    path: &Path,
    bytes_max: usize,
    patience: Duration,
) -> io::Result<(Zeroizing<Vec<u8>>, Metadata)> {
    let nonblock = OFlags::NONBLOCK.bits().cast_signed();
    let mut file = OpenOptions::new().read(true).custom_flags(nonblock).open(path)?;
    let metadata = file.metadata()?;
    // Room for all of it, so that no copy of a secret stays behind in memory that was outgrown.
    let expected = usize::try_from(metadata.len()).map_or(bytes_max, |bytes| bytes.min(bytes_max));
    let room = if metadata.is_file() { expected } else { bytes_max };
    let mut bytes = Zeroizing::new(Vec::with_capacity(room.saturating_add(1)));
    let mut piece = Zeroizing::new([0; PIECE_BYTES]);
    let begun = Instant::now();
    let until = begun + patience;
    while bytes.len() < bytes_max {
        let most = PIECE_BYTES.min(bytes_max - bytes.len());
        match file.read(&mut piece[..most]) {
            Ok(0) if bytes.is_empty() && metadata.file_type().is_fifo() => {
                if begun.elapsed() < WRITER_TIME {
                    thread::sleep(LOOK_EVERY);
                    continue;
                }
                let why = "it is a pipe that nobody writes to: name a file, or start first what writes into it";
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                wait(&file, until, patience)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok((bytes, metadata))
}

/// Waits until there is something to read, or the end.
fn wait(file: &File, until: Instant, patience: Duration) -> io::Result<()> {
    let left = until.saturating_duration_since(Instant::now());
    let wait = Timespec::try_from(left).map_err(io::Error::other)?;
    let descriptor = file.as_fd();
    match poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], Some(&wait)) {
        Ok(0) => {
            let seconds = patience.as_secs();
            let why =
                format!("nothing came through it within {seconds} s: look at what writes into it");
            Err(io::Error::new(io::ErrorKind::TimedOut, why))
        }
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::fd::AsRawFd, path::PathBuf};

    use super::*;

    const SOON: Duration = Duration::from_millis(50);

    fn fifo(folder: &Path) -> PathBuf {
        let path = folder.join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::from_raw_mode(0o600))
            .unwrap();
        path
    }

    #[test]
    fn a_file_is_read_whole_and_no_further_than_asked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let long = "x".repeat(3 * PIECE_BYTES);
        for (text, expected) in [("", ""), ("a\nb", "a\nb"), (&*long, &long[..9000])] {
            fs::write(&path, text).unwrap();
            assert_eq!(*read_text(&path, 9000).unwrap().0, expected);
        }
        fs::write(&path, [0xff]).unwrap();
        assert!(read_text(&path, 9000).is_err());
        assert_eq!(*read(&path, 9000).unwrap(), [0xff]);
        assert!(read(folder.path(), 9000).is_err(), "a folder");
    }

    #[test]
    fn a_pipe_that_nobody_writes_to_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = read(&fifo(folder.path()), 100).unwrap_err();
        assert!(error.to_string().contains("nobody writes"), "{error}");
    }

    #[test]
    fn a_pipe_is_read_as_its_writer_has_time() {
        // As `<(…)` of a shell: a path to an end of a pipe that somebody writes to.
        let (reader, mut writer) = io::pipe().unwrap();
        let path = PathBuf::from(format!("/dev/fd/{}", reader.as_raw_fd()));
        let slow = thread::spawn(move || {
            use io::Write;
            for piece in ["one ", "two"] {
                thread::sleep(SOON);
                writer.write_all(piece.as_bytes()).unwrap();
            }
        });
        assert_eq!(*read(&path, 100).unwrap(), b"one two");
        slow.join().unwrap();

        // One with a name, whose writer waits for a reader.
        let folder = tempfile::tempdir().unwrap();
        let path = fifo(folder.path());
        let named = path.clone();
        let waiting = thread::spawn(move || fs::write(named, "three").unwrap());
        let text = (0..60).find_map(|_| read(&path, 100).ok()).unwrap();
        assert_eq!(*text, b"three");
        waiting.join().unwrap();
    }

    #[test]
    fn a_writer_that_says_nothing_is_not_waited_for_without_end() {
        let (reader, _writer) = io::pipe().unwrap();
        let path = PathBuf::from(format!("/dev/fd/{}", reader.as_raw_fd()));
        let error = read_within(&path, 100, SOON).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
    }
}
