//! The disk under the data folder: room, kind, and how long it takes to bring a write to it.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
    time::{Duration, Instant},
};

use rustix::fs::{statfs, statvfs};

use super::Line;
use crate::output::{human_bytes, human_rate};

/// The least that is kept back for the ledger, see `lucid_store::DataFolder`.
const RESERVE_BYTES_MIN: u64 = 64 << 20;
/// Writes of which the median is taken, so that one that waits for another program does not count.
const PROBES: usize = 5;
/// A page: what an acknowledgement writes at least.
const PROBE_BYTES: usize = 4096;
/// An SD card takes 5 to 30 ms. Above this, each acknowledgement is felt.
const SYNC_SLOW: Duration = Duration::from_millis(100);

/// Bytes written to learn the disk's rate.
const RATE_BYTES: u64 = 32 << 20;
const BLOCK_BYTES: usize = 1 << 20;
/// Bytes a second. The slowest class of SD cards that is of use writes 10 MB/s.
const RATE_SLOW: f64 = 10e6;

/// File systems that do not keep what they are given, or not as the node needs it, by the numbers
/// of statfs(2).
const UNFIT: [(u32, &str, &str); 6] = [
    (0x0102_1994, "tmpfs", "it is memory: all is lost when the machine stops"),
    (0x8584_58f6, "ramfs", "it is memory: all is lost when the machine stops"),
    (0x794c_7630, "overlay", "a container's own layer: all is lost with the container"),
    (0x0000_6969, "nfs", "locks and syncs are only as good as the server's"),
    (0xff53_4d42, "cifs", "locks and syncs are only as good as the server's"),
    (0x0000_4d44, "vfat", "it has no permissions to protect the keys with"),
];

/// The folder itself, or where it would be made.
fn nearest_existing(path: &Path) -> &Path {
    let found = path.ancestors().find(|path| path.exists());
    found.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

pub(super) fn room(path: &Path, reserve_bytes: Option<u64>) -> Line {
    let (place, check) = (nearest_existing(path), "disk space");
    let stat = match statvfs(place) {
        Ok(stat) => stat,
        Err(error) => {
            let found = format!("not known at {}: {}", place.display(), io::Error::from(error));
            return Line::warn(check, found, "see to the disk");
        }
    };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let reserve = reserve_bytes.unwrap_or(RESERVE_BYTES_MIN);
    let found = format!(
        "{} free, {} of it kept back for the ledger",
        human_bytes(free),
        human_bytes(reserve)
    );
    if free < reserve {
        return Line::fail(check, found, "no session is recorded until there is more room");
    }
    if free < reserve.saturating_mul(2) {
        return Line::warn(check, found, "make room: soon no session is recorded any more");
    }
    Line::ok(check, found)
}

pub(super) fn file_system(path: &Path) -> Line {
    let (place, check) = (nearest_existing(path), "file system");
    let number = statfs(place).ok().and_then(|stat| u32::try_from(stat.f_type).ok());
    let Some(number) = number else {
        return Line::warn(check, "its kind is not known", "see to the disk");
    };
    match UNFIT.iter().find(|(unfit, ..)| *unfit == number) {
        None => Line::ok(check, format!("fit for a data folder (type {number:#x})")),
        Some((_, name, why)) => {
            let remedy = "put the data folder on a disk of this machine, or a volume of it";
            Line::warn(check, format!("{name}: {why}"), remedy)
        }
    }
}

/// Writes and syncs a small file in the data folder, and removes it. What a crash leaves of it, the
/// next start removes: it has the name of a file that was never finished.
pub(super) fn latency(folder: &Path) -> Line {
    let check = "disk latency";
    let path = folder.join("doctor.tmp");
    let probed = probe(&path);
    let removed = fs::remove_file(&path);
    match probed.and_then(|times| removed.map(|()| times)) {
        Err(error) => {
            let found = format!("{} cannot be written: {error}", path.display());
            Line::fail(check, found, "see to the disk, and to who owns the folder")
        }
        Ok(mut times) => {
            times.sort();
            let median = times[PROBES / 2];
            let millis = median.as_secs_f64() * 1000.0;
            let found = format!("a write reaches the disk in {millis:.1} ms (median of {PROBES})");
            if median > SYNC_SLOW {
                Line::warn(check, found, "recording keeps waiting for it: use a faster disk")
            } else {
                Line::ok(check, found)
            }
        }
    }
}

/// Writes some more than caches of cards hold, syncs it, and removes it.
pub(super) fn rate(folder: &Path) -> Line {
    let check = "disk rate";
    let path = folder.join("doctor.tmp");
    let written = write_through(&path);
    let removed = fs::remove_file(&path);
    match written.and_then(|time| removed.map(|()| time)) {
        Err(error) => {
            let found = format!("{} cannot be written: {error}", path.display());
            Line::fail(check, found, "see to the disk, and to who owns the folder")
        }
        Ok(time) => {
            let rate = human_rate(RATE_BYTES, time.as_secs_f64());
            let found = format!("{rate} ({} written and synced)", human_bytes(RATE_BYTES));
            if RATE_BYTES as f64 / time.as_secs_f64() < RATE_SLOW {
                let remedy = "one recorded screen may outrun it: use a faster disk or card";
                return Line::warn(check, found, remedy);
            }
            Line::ok(check, found)
        }
    }
}

fn write_through(path: &Path) -> io::Result<Duration> {
    // What compresses, or is all the same, some disks write faster than they are.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    while block.len() < BLOCK_BYTES {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        block.extend_from_slice(&state.to_le_bytes());
    }
    let mut file = File::create(path)?;
    let started = Instant::now();
    for _ in 0..RATE_BYTES / BLOCK_BYTES as u64 {
        file.write_all(&block)?;
    }
    file.sync_data()?;
    Ok(started.elapsed())
}

fn probe(path: &Path) -> io::Result<[Duration; PROBES]> {
    let mut file = File::create(path)?;
    let mut times = [Duration::ZERO; PROBES];
    for time in &mut times {
        let started = Instant::now();
        file.write_all(&[0; PROBE_BYTES])?;
        file.sync_data()?;
        *time = started.elapsed();
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_is_looked_at_where_it_would_be() {
        let base = tempfile::tempdir().unwrap();
        let missing = base.path().join("a").join("b");
        assert_eq!(nearest_existing(&missing), base.path());
        assert_eq!(nearest_existing(Path::new("no-such-folder")), Path::new("."));
    }
}
