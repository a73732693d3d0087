//! What a card has after a power cut.
//!
//! A QEMU that is killed loses nothing that its guest wrote: the writes are in the host's memory, and reach the file.
//! A card that loses its power forgets what it was told after the last flush that it finished, or keeps some of it, in
//! any order. So QEMU logs every write and flush of the card (its driver `blklogwrites`), and the card after the cut is
//! made from the card before and that log: every write up to the last flush, and of those after it each with the
//! chance of one half.
//!
//! The log is that of Linux' dm-log-writes (drivers/md/dm-log-writes.c), little-endian: in the first sector magic,
//! version, number of entries and bytes of a sector; then entries, each a sector that begins with first sector, number
//! of sectors, flags and length of a mark, and after it the sectors that were written. The number of entries is written
//! now and then only; the end is where no entry is.

use std::{fs::File, io::Read, os::unix::fs::FileExt as _};

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;

const MAGIC: u64 = 0x006a_7366_7773_6872;
const VERSION: u64 = 1;
/// As QEMU is told, and as the card's own.
const SECTOR: u64 = 512;

const FLUSH: u64 = 1;
/// A write that is on the card when it is answered.
const FUA: u64 = 2;
const DISCARD: u64 = 4;
const KNOWN: u64 = FLUSH | FUA | DISCARD;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Entry {
    sector: u64,
    sectors: u64,
    flags: u64,
    /// Where its data are in the log.
    at: u64,
}

impl Entry {
    fn is_flush(self) -> bool {
        self.flags & FLUSH != 0
    }

    fn has_data(self) -> bool {
        self.flags & DISCARD == 0 && self.sectors > 0
    }

    fn data_bytes(self) -> u64 {
        if self.has_data() { self.sectors * SECTOR } else { 0 }
    }
}

/// What was cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Cut {
    pub(super) writes: usize,
    pub(super) bytes_written: u64,
    pub(super) flushes: usize,
    /// Writes after the last flush.
    pub(super) unflushed: usize,
    /// Those of them that are not on the card.
    pub(super) lost: usize,
}

/// Brings `card`, as it was before the log began, to what it may be after the cut. The seed decides what is lost.
///
/// # Errors
/// Those of the files; a log that is none, or names sectors beyond the card.
pub(super) fn replay(log: &File, card: &File, seed: u64) -> Result<Cut> {
    let entries = entries(log)?;
    let sectors = card.metadata().context("looking at the card")?.len() / SECTOR;
    let last_flush = entries.iter().rposition(|entry| entry.is_flush());
    let written = || entries.iter().filter(|entry| entry.has_data());
    let mut cut = Cut {
        writes: written().count(),
        bytes_written: written().map(|entry| entry.data_bytes()).sum(),
        flushes: entries.iter().filter(|entry| entry.is_flush()).count(),
        unflushed: 0,
        lost: 0,
    };
    let mut chance = Chance(seed);
    for (place, entry) in entries.iter().enumerate().filter(|(_, entry)| entry.has_data()) {
        let end = entry.sector.checked_add(entry.sectors);
        ensure!(
            end.is_some_and(|end| end <= sectors),
            "the log has a write of {} sectors at {}, and the card has {sectors}",
            entry.sectors,
            entry.sector
        );
        if last_flush.is_none_or(|last| place > last) && entry.flags & FUA == 0 {
            cut.unflushed += 1;
            if chance.is_heads() {
                cut.lost += 1;
                continue;
            }
        }
        copy(log, card, *entry)?;
    }
    card.sync_data().context("writing the card")?;
    Ok(cut)
}

fn copy(log: &File, card: &File, entry: Entry) -> Result<()> {
    let mut buffer = vec![0; 1 << 20];
    let mut done = 0;
    while done < entry.data_bytes() {
        let left = usize::try_from(entry.data_bytes() - done).unwrap_or(usize::MAX);
        let part = &mut buffer[..left.min(1 << 20)];
        log.read_exact_at(part, entry.at + done).context("reading the log of writes")?;
        card.write_all_at(part, entry.sector * SECTOR + done).context("writing the card")?;
        done += part.len() as u64;
    }
    Ok(())
}

/// The entries of a log that are whole.
fn entries(mut log: &File) -> Result<Vec<Entry>> {
    let bytes = log.metadata().context("looking at the log of writes")?.len();
    let mut sector = [0; SECTOR as usize];
    log.read_exact(&mut sector).context("reading the log of writes")?;
    ensure!(
        word(&sector, 0) == MAGIC
            && word(&sector, 1) == VERSION
            && word(&sector, 3) & 0xffff_ffff == SECTOR,
        "this is no log of writes with sectors of {SECTOR} bytes"
    );
    let (mut entries, mut at) = (Vec::new(), SECTOR);
    while at + SECTOR <= bytes {
        log.read_exact_at(&mut sector, at).context("reading the log of writes")?;
        let entry = Entry {
            sector: word(&sector, 0),
            sectors: word(&sector, 1),
            flags: word(&sector, 2),
            at: at + SECTOR,
        };
        if entry.sectors == 0 && entry.flags == 0 {
            break;
        }
        ensure!(
            entry.flags & !KNOWN == 0,
            "the log of writes has flags {:#x} that are not known",
            entry.flags
        );
        ensure!(
            entry.sectors <= 1 << 32,
            "the log of writes has an entry of {} sectors",
            entry.sectors
        );
        at = entry.at + entry.data_bytes();
        if at > bytes {
            break; // the one that was being written when QEMU was killed
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn word(sector: &[u8; SECTOR as usize], place: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&sector[8 * place..][..8]);
    u64::from_le_bytes(bytes)
}

/// Chance that can be had again (SplitMix64, as in `SplittableRandom` of Java 8).
struct Chance(u64);

impl Chance {
    fn is_heads(&mut self) -> bool {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log of (sector, flags, content of each sector).
    fn log(entries: &[(u64, u64, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut sector = |words: &[u64]| {
            let from = bytes.len();
            bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
            bytes.resize(from + 512, 0);
        };
        sector(&[MAGIC, VERSION, 0, SECTOR]);
        let mut all = bytes;
        for (at, flags, data) in entries {
            let from = all.len();
            for word in [*at, data.len() as u64, *flags, 0] {
                all.extend(word.to_le_bytes());
            }
            all.resize(from + 512, 0);
            for byte in data.iter().filter(|_| flags & DISCARD == 0) {
                all.resize(all.len() + 512, *byte);
            }
        }
        all
    }

    fn cut(log: &[u8], seed: u64) -> Result<(Cut, Vec<u8>)> {
        let folder = tempfile::tempdir().unwrap();
        let (path, card) = (folder.path().join("log"), folder.path().join("card"));
        std::fs::write(&path, log).unwrap();
        std::fs::write(&card, vec![0; 16 * 512]).unwrap();
        let file = File::options().read(true).write(true).open(&card).unwrap();
        let cut = replay(&File::open(path).unwrap(), &file, seed)?;
        let bytes = std::fs::read(card).unwrap();
        Ok((cut, bytes.iter().step_by(512).copied().collect()))
    }

    #[test]
    fn what_was_flushed_is_there_and_what_was_not_may_be() {
        let log = log(&[
            (1, 0, &[7, 8]),
            (0, FLUSH, &[]),
            (2, 0, &[9]),
            (3, DISCARD, &[0]),
            (4, FUA, &[5]),
            (5, 0, &[6]),
            (6, 0, &[6]),
            (7, 0, &[6]),
        ]);
        let mut seen = [false; 2];
        for seed in 0..64 {
            let (cut, card) = cut(&log, seed).unwrap();
            assert_eq!(
                (cut.writes, cut.flushes, cut.unflushed, cut.bytes_written),
                (6, 1, 4, 7 * 512)
            );
            assert_eq!(card[1], 7, "flushed");
            assert!(card[2] == 8 || card[2] == 9, "the flushed or the later one: {card:?}");
            assert_eq!(card[4], 5, "on the card when it was answered");
            let lost = [card[2] == 8, card[5] == 0, card[6] == 0, card[7] == 0];
            let missing = lost.into_iter().filter(|lost| *lost).count();
            assert_eq!(missing, cut.lost);
            seen[usize::from(card[2] == 9)] = true;
            assert_eq!(cut, self::cut(&log, seed).unwrap().0, "the same seed, the same card");
        }
        assert_eq!(seen, [true, true], "both were seen");
    }

    #[test]
    fn the_entry_that_was_being_written_does_not_count() {
        let whole = log(&[(1, 0, &[7]), (0, FLUSH, &[]), (2, 0, &[9, 9])]);
        let (cut_off, card) = cut(&whole[..whole.len() - 1], 1).unwrap();
        assert_eq!((cut_off.writes, cut_off.unflushed), (1, 0));
        assert_eq!(&card[1..3], [7, 0]);
        let mut longer = whole.clone();
        longer.resize(whole.len() + 4096, 0);
        assert_eq!(cut(&longer, 1).unwrap().0.writes, 2, "zeros at the end are the end");
    }

    #[test]
    fn what_is_no_such_log_is_refused() {
        let good = log(&[(1, 0, &[7])]);
        assert!(cut(&good[..100], 1).is_err());
        let mut other = good.clone();
        other[0] ^= 1;
        assert!(cut(&other, 1).is_err(), "magic");
        let mut other = good.clone();
        other[512 + 16] = 0x40;
        assert!(cut(&other, 1).is_err(), "flags");
        assert!(cut(&log(&[(15, 0, &[1, 2])]), 1).is_err(), "beyond the card");
        assert!(cut(&log(&[(u64::MAX, 0, &[1])]), 1).is_err(), "far beyond the card");
    }
}
