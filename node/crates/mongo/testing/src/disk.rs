//! A disk of a known size, which can be filled and has room again.
//!
//! It is a tmpfs in a mount namespace of its own, so nobody else sees it and nothing of it is left: a process that does
//! nothing holds the namespace, and ends when its standard input does, which is when whoever started it ends. The way in
//! is that process's working folder in `/proc`. An ordinary user gets the namespace together with a user namespace.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::{
    fs::{FallocateFlags, fallocate, statvfs},
    io::Errno,
};
use tempfile::TempDir;

use crate::TestingError;

/// Mounts, says so, and holds.
const HOLD: &str =
    r#"mount -t tmpfs -o "size=$2k" small-disk "$1" && cd "$1" && echo mounted && exec cat"#;

/// How often others may be faster where the disk is filled.
const TRIES_MAX: u32 = 10_000;

/// What is missing where there is no such disk.
const WAY_OUT: &str = "a disk that becomes full needs a tmpfs of its own: run the tests as root, in a container with \
                       CAP_SYS_ADMIN, or where users may make namespaces (sysctl user.max_user_namespaces above 0, \
                       kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0); \
                       unshare(1) and mount(8) are needed too";

/// A disk of a test's own. What runs on it is to be ended before it is dropped.
pub struct SmallDisk {
    holder: Child,
    path: PathBuf,
    _place: TempDir,
}

impl SmallDisk {
    /// Makes one of so many KiB.
    ///
    /// # Errors
    /// [`TestingError`], with what is missing.
    pub fn new(kib: u64) -> Result<Self, TestingError> {
        let mut refused = String::new();
        for with in [&["--mount"][..], &["--map-root-user", "--mount"]] {
            let place = TempDir::new().map_err(|e| TestingError::of("a folder for a disk", e))?;
            match hold(with, place.path(), kib) {
                Ok(holder) => {
                    let path = PathBuf::from(format!("/proc/{}/cwd", holder.id()));
                    return Ok(Self { holder, path, _place: place });
                }
                Err(error) => refused.push_str(&format!("; unshare {}: {error}", with.join(" "))),
            }
        }
        Err(TestingError(format!("{WAY_OUT}{refused}")))
    }

    /// The folder that it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of room.
    ///
    /// # Errors
    /// [`TestingError`].
    pub fn room(&self) -> Result<u64, TestingError> {
        let stat = statvfs(&self.path).map_err(|e| TestingError::of("the disk's room", e))?;
        Ok(stat.f_bavail * stat.f_frsize)
    }

    /// Takes all room but so many bytes, from whoever writes at the same time too.
    ///
    /// # Errors
    /// [`TestingError`].
    pub fn fill_but(&self, bytes: u64) -> Result<(), TestingError> {
        let failed = |e: &dyn std::fmt::Display| TestingError::of("filling the disk", e);
        let mut how = fs::OpenOptions::new();
        let file = how.create(true).append(true).open(self.filler()).map_err(|e| failed(&e))?;
        for _ in 0..TRIES_MAX {
            let taken = self.room()?.saturating_sub(bytes);
            if taken == 0 {
                return Ok(());
            }
            let from = file.metadata().map_err(|e| failed(&e))?.len();
            match fallocate(&file, FallocateFlags::empty(), from, taken) {
                // Somebody took it first. What is left is less.
                Ok(()) | Err(Errno::NOSPC) => {}
                Err(error) => return Err(failed(&error)),
            }
        }
        Err(TestingError("the disk says that it has room, and gives none".to_owned()))
    }

    /// Gives back the room that was taken.
    ///
    /// # Errors
    /// [`TestingError`].
    pub fn make_room(&self) -> Result<(), TestingError> {
        fs::remove_file(self.filler()).map_err(|e| TestingError::of("making room", e))
    }

    fn filler(&self) -> PathBuf {
        self.path.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The namespace ends with its last process, and the disk with the namespace.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// Starts the process that holds the disk.
fn hold(with: &[&str], place: &Path, kib: u64) -> Result<Child, TestingError> {
    let mut command = Command::new("unshare");
    command.args(with).args(["--", "sh", "-c", HOLD, "sh"]).arg(place).arg(kib.to_string());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| TestingError::of("starting it", e))?;
    let mut said = String::new();
    if let Some(out) = child.stdout.take() {
        // One line; where there is none, the other channel says why.
        let _ = BufReader::new(out).read_line(&mut said);
    }
    if said.trim() == "mounted" {
        return Ok(child);
    }
    let _ = child.kill();
    let mut why = String::new();
    if let Some(mut out) = child.stderr.take() {
        let _ = out.read_to_string(&mut why);
    }
    let _ = child.wait();
    Err(TestingError(why.trim().to_owned()))
}
