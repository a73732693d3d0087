//! Opening: what is on disk is believed only as far as the checkpoint's signature and root reach.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use lucid_core::{
    EntryIndex,
    merkle::{CompactRange, TILE_WIDTH},
    note::VerifierKey,
};

use super::{
    LogReader, cosigned,
    error::{LogError, TailFault},
    head::{self, Found},
    repair::Repair,
    tail::{Scan, Tail},
    tiles::{Edge, Tiles, full_bundle, full_tile, hashes_at},
};

pub(super) fn tail_path(dir: &Path) -> PathBuf {
    dir.join("tail")
}

/// Whether any tile or bundle was ever written to `dir`.
pub(super) fn has_tiles(dir: &Path) -> bool {
    dir.join("tile").exists()
}

/// What there is where there is no checkpoint: nothing, a creation that was cut short, or a log whose
/// checkpoint somebody took away.
pub(super) fn without_checkpoint(dir: &Path, scan: Option<&Scan>) -> LogError {
    let entries = scan.map_or(0, |scan| scan.tail.end());
    let torn = scan.is_some_and(|scan| scan.torn_bytes > 0);
    if entries > 0 || torn || has_tiles(dir) {
        LogError::CheckpointMissing { path: head::path(dir), entries }
    } else if scan.is_some() {
        LogError::NotCreated { dir: dir.to_owned() }
    } else {
        LogError::NoLog { dir: dir.to_owned() }
    }
}

/// Whether the checkpoint that is left is the newest one: nobody was told of entries beyond it.
///
/// # Errors
/// [`LogError::HeadLost`] where that cannot be known.
pub(super) fn judge_head(dir: &Path, head: &Found, scan: Option<&Scan>) -> Result<(), LogError> {
    let (size, end) = (head.checkpoint.size, scan.map_or(0, |scan| scan.tail.end()));
    match head.other_lost && end > size {
        true => Err(LogError::HeadLost { path: head::path(dir), size, count: end - size }),
        false => Ok(()),
    }
}

/// Whether the tail holds all that the checkpoint covers, and what has to be done about the rest.
///
/// # Errors
/// [`LogError::TailMissing`], [`LogError::CheckpointBehind`], [`LogError::TailDamaged`].
pub(super) fn judge_tail(
    dir: &Path,
    scan: Option<&Scan>,
    size: u64,
    repairs: &mut Vec<Repair>,
) -> Result<(), LogError> {
    let path = tail_path(dir);
    let last = EntryIndex(size.saturating_sub(1));
    let Some(&Scan { ref tail, fault, torn_bytes }) = scan else {
        if !size.is_multiple_of(TILE_WIDTH) {
            let from = EntryIndex(size - size % TILE_WIDTH);
            return Err(LogError::TailMissing { path, from, to: last });
        }
        repairs.push(Repair::TailRecreated { path });
        return Ok(());
    };
    let (settled, end, offset) = (tail.start(), tail.end(), tail.end_offset());
    if settled > size {
        let (path, tail) = (head::path(dir), path);
        return Err(LogError::CheckpointBehind { path, size, tail, settled });
    }
    if end < size {
        let from = EntryIndex(end);
        return Err(LogError::TailDamaged { path, offset, fault, from, to: last });
    }
    // Beyond the checkpoint nothing was acknowledged, and nothing says that this node put it there.
    // A crash may have kept the later pages of one write and lost the earlier, so all that follows
    // the first fault goes with it.
    if fault != TailFault::Ends {
        repairs.push(Repair::TornTail { path, offset, bytes: torn_bytes });
    }
    if end > size {
        let bytes = offset - tail.offset((size - settled) as usize);
        repairs.push(Repair::Unsigned { from: EntryIndex(size), count: end - size, bytes });
    }
    let bundles = (size - settled) / TILE_WIDTH;
    if bundles > 0 {
        repairs.push(Repair::Unsettled { from: settled / TILE_WIDTH, count: bundles });
    }
    Ok(())
}

/// Bundles are written after the checkpoint that covers their entries, so there is none that a log of
/// `size` entries does not fill.
///
/// # Errors
/// [`LogError::RolledBack`].
pub(super) fn check_not_rolled_back(dir: &Path, size: u64) -> Result<(), LogError> {
    let path = dir.join(full_bundle(size / TILE_WIDTH).path());
    if path.exists() {
        return Err(LogError::RolledBack { path, size });
    }
    Ok(())
}

/// Whether the last settled bundle is there. The others are missed when they are read.
fn check_last_bundle(dir: &Path, tail: &Tail) -> Result<(), LogError> {
    let Some(last) = (tail.start() / TILE_WIDTH).checked_sub(1) else {
        return Ok(());
    };
    let path = dir.join(full_bundle(last).path());
    fs::metadata(&path).map(drop).map_err(LogError::read(&path))
}

/// Temporary files where an interrupted write leaves them: beside the checkpoint, and in the last
/// folder of each kind of tile.
///
/// # Errors
/// [`LogError::Io`].
pub(super) fn find_leftovers(
    dir: &Path,
    settled: u64,
    repairs: &mut Vec<Repair>,
) -> Result<(), LogError> {
    let mut folders = vec![dir.to_owned()];
    let next = settled / TILE_WIDTH;
    folders.extend(dir.join(full_bundle(next).path()).parent().map(Path::to_owned));
    let levels = (0..u8::MAX).take_while(|&level| level == 0 || hashes_at(settled, level) > 0);
    folders.extend(levels.filter_map(|level| {
        let path = dir.join(full_tile(level, hashes_at(settled, level + 1)).path());
        path.parent().map(Path::to_owned)
    }));
    for folder in folders {
        let items = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            items => items.map_err(LogError::io("list", &folder))?,
        };
        for item in items {
            let path = item.map_err(LogError::io("list", &folder))?.path();
            if path.extension().is_some_and(|extension| extension == "tmp") {
                repairs.push(Repair::Leftover { path });
            }
        }
    }
    Ok(())
}

/// Opens the log in `dir` as its checkpoint says it is, and notes what a crash has left to repair.
///
/// # Errors
/// All that say what is wrong with the files; see [`LogReader::open`].
pub(super) fn load(dir: &Path, key: &VerifierKey) -> Result<LogReader, LogError> {
    // Before the checkpoint, which a node that runs meanwhile takes forward: a later one covers it.
    let cosigned = cosigned::read(dir, key)?;
    let scan = Tail::scan(&tail_path(dir));
    let Some(head) = head::read(dir, key)? else {
        return Err(without_checkpoint(dir, scan?.as_ref()));
    };
    let mut repairs: Vec<_> = head.repairs(dir).collect();
    let scan = scan?;
    judge_head(dir, &head, scan.as_ref())?;
    let Found { checkpoint, text: checkpoint_text, .. } = head;
    let size = checkpoint.size;
    judge_tail(dir, scan.as_ref(), size, &mut repairs)?;
    // A missing tail is accepted only where it held nothing, and then the whole log is settled.
    let mut tail = scan.map_or_else(|| Tail::absent(&tail_path(dir), size), |scan| scan.tail);
    tail.keep((size - tail.start()) as usize);
    check_not_rolled_back(dir, size)?;
    check_last_bundle(dir, &tail)?;
    find_leftovers(dir, tail.start(), &mut repairs)?;
    let edge = Edge::load(dir, tail.start())?;
    let mut reader = LogReader {
        dir: dir.to_owned(),
        key: key.clone(),
        tiles: Tiles::new(dir),
        tail,
        edge,
        range: CompactRange::new(),
        checkpoint,
        checkpoint_text,
        cosigned,
        repairs,
    };
    reader.range = CompactRange::load(&reader, reader.size())?;
    let (signed, computed) = (reader.checkpoint.root, reader.range.root());
    if signed != computed {
        let (path, size) = (head::path(dir), reader.size());
        return Err(LogError::RootMismatch { path, size, signed, computed });
    }
    reader.check_cosigned()?;
    Ok(reader)
}
