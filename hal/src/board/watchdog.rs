//! The hardware watchdog: a device that resets the board where nobody writes to it in time
//! (the kernel's `Documentation/watchdog/watchdog-api.rst`).
//!
//! Opening it arms it. Any byte feeds it; `V` before it is closed lets it sleep, unless the kernel was built
//! with `CONFIG_WATCHDOG_NOWAYOUT`. A node that crashes closes it without that, and is reset.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{BoardError, Watchdog, sysfs::Sysfs};

/// What is assumed where the kernel does not say: less than the 15 s of a Raspberry Pi's, which are its most.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
/// A shorter one could not be fed between two looks.
const TIMEOUT_MIN: Duration = Duration::from_secs(1);

/// An armed watchdog.
#[derive(Debug)]
pub struct Device {
    file: File,
    path: PathBuf,
    timeout: Duration,
}

impl Device {
    /// Arms the watchdog at `path`.
    ///
    /// # Errors
    /// Where it is no watchdog (its name is `watchdog` or `watchdog` and a number, and it is a character device:
    /// feeding a disk would destroy it), where something else feeds it, or it is another group's.
    pub fn open(path: &Path, sysfs: &Sysfs) -> Result<Self, BoardError> {
        let none = || BoardError::NoWatchdog { path: path.to_owned() };
        let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(none)?;
        let digits = name.strip_prefix("watchdog").ok_or_else(none)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(none());
        }
        let metadata = std::fs::metadata(path).map_err(|error| failed(path, error))?;
        if !metadata.file_type().is_char_device() {
            return Err(none());
        }
        let file =
            OpenOptions::new().write(true).open(path).map_err(|error| failed(path, error))?;
        // `watchdog` is the first one's older name.
        let name = if digits.is_empty() { "watchdog0" } else { name };
        Ok(Self::with(file, path, sysfs.watchdog_seconds(name)))
    }

    fn with(file: File, path: &Path, seconds: Option<u64>) -> Self {
        let timeout = seconds.filter(|seconds| *seconds > 0).map(Duration::from_secs);
        let timeout = timeout.unwrap_or(TIMEOUT_DEFAULT).max(TIMEOUT_MIN);
        Self { file, path: path.to_owned(), timeout }
    }

    fn write(&mut self, byte: u8) -> Result<(), BoardError> {
        let written = self.file.write_all(&[byte]);
        written.map_err(|error| BoardError::Io { path: self.path.clone(), error })
    }
}

fn failed(path: &Path, error: io::Error) -> BoardError {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::NotFound => BoardError::NoWatchdog { path },
        io::ErrorKind::ResourceBusy => BoardError::WatchdogBusy { path },
        io::ErrorKind::PermissionDenied => {
            BoardError::Permission { part: "watchdog", device: path.display().to_string() }
        }
        _ => BoardError::Io { path, error },
    }
}

impl Watchdog for Device {
    fn feed(&mut self) -> Result<(), BoardError> {
        self.write(b'1')
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn disarm(&mut self) -> Result<(), BoardError> {
        self.write(b'V')
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::ErrorKind};

    use super::*;

    #[test]
    fn what_is_no_watchdog_is_not_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let sysfs = Sysfs::at(folder.path());
        // A file, as a disk's image would be; a device that is none; a name that is none.
        let file = folder.path().join("watchdog0");
        fs::write(&file, "precious").unwrap();
        for path in [&file, Path::new("/dev/null"), Path::new("/dev/watchdog0/.."), Path::new("/")]
        {
            let error = Device::open(path, &sysfs).unwrap_err();
            assert!(matches!(error, BoardError::NoWatchdog { .. }), "{path:?}: {error}");
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
        let error = Device::open(&folder.path().join("watchdog7"), &sysfs).unwrap_err();
        assert!(error.to_string().contains("dtparam=watchdog=on"), "{error}");
    }

    #[test]
    fn what_the_kernel_refuses() {
        let path = Path::new("/dev/watchdog0");
        let check = |kind: ErrorKind, words: &str| {
            let error = failed(path, kind.into()).to_string();
            assert!(error.contains(words) && error.contains("/dev/watchdog0"), "{error}");
        };
        check(ErrorKind::ResourceBusy, "RuntimeWatchdogSec");
        check(ErrorKind::PermissionDenied, "add the node's user to the group");
        check(ErrorKind::NotFound, "remove board_watchdog");
        check(ErrorKind::BrokenPipe, "broken pipe");
    }

    #[test]
    fn fed_and_let_sleep() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watchdog0");
        let mut device = Device::with(File::create(&path).unwrap(), &path, Some(15));
        assert_eq!(device.timeout(), Duration::from_secs(15));
        device.feed().unwrap();
        device.feed().unwrap();
        // Until it is told to sleep, what was written must not end in the byte that says so.
        assert_eq!(fs::read(&path).unwrap(), b"11");
        device.disarm().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"11V");
        for (said, expected) in [(None, 10), (Some(0), 10), (Some(1), 1), (Some(60), 60)] {
            let device = Device::with(File::create(&path).unwrap(), &path, said);
            assert_eq!(device.timeout(), Duration::from_secs(expected));
        }
    }

    /// A full disk stands for a device that fails.
    #[test]
    fn a_device_that_fails() {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut device = Device::with(full, Path::new("/dev/watchdog0"), None);
        let error = device.feed().unwrap_err().to_string();
        assert!(error.starts_with("/dev/watchdog0: "), "{error}");
    }
}
