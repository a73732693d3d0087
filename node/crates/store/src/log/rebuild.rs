//! Tiles from entries: what is derived can be made again.

use std::{collections::HashSet, path::Path};

use lucid_core::{
    Hash,
    merkle::{CompactRange, HashTile, TILE_WIDTH, decode_bundle, leaf_hash, root},
    note::VerifierKey,
};

use super::{
    append::Writer,
    check::grow,
    error::LogError,
    head, open,
    tail::Tail,
    tiles::{Edge, full_bundle, full_tile, read_tile, tile_bytes},
};
use crate::disk::{Disk, read_file};

/// What [`rebuild_tiles`] has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RebuildReport {
    /// Full tiles that the log has.
    pub tiles: u64,
    /// Those of them that were missing or wrong and are written anew.
    pub rewritten: u64,
}

/// Makes every tile of the log in `dir` again from its entries, and writes those that are missing or
/// wrong. Nothing is written unless the entries give the root that the checkpoint signs. No [`Log`] may
/// be open on the folder.
///
/// `progress` is told, after each bundle, the entries done and the total; the entries are read twice.
///
/// [`Log`]: super::Log
///
/// # Errors
/// [`LogError::RootMismatch`] and others where the entries are not those that were signed for;
/// [`LogError::Io`]: then it can be done again.
pub fn rebuild_tiles(
    dir: &Path,
    key: &VerifierKey,
    disk: &Disk,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<RebuildReport, LogError> {
    let scan = Tail::scan(&open::tail_path(dir))?;
    let head = head::read(dir, key)?;
    let head = head.ok_or_else(|| open::without_checkpoint(dir, scan.as_ref()))?;
    let checkpoint = head.checkpoint;
    let size = checkpoint.size;
    open::judge_tail(dir, scan.as_ref(), size, &mut Vec::new())?;
    let settled = scan.as_ref().map_or(size, |scan| scan.tail.start());
    let mut done = 0;
    let mut next = || {
        done += TILE_WIDTH;
        progress(done, 2 * settled);
    };

    let mut range = CompactRange::new();
    for index in 0..settled / TILE_WIDTH {
        grow(&mut range, root(&leaves_of_bundle(dir, index)?));
        next();
    }
    let tail = scan.as_ref().map_or(&[][..], |scan| scan.tail.leaves());
    range.extend(tail[..(size - settled) as usize].iter().copied());
    let (signed, computed) = (checkpoint.root, range.root());
    if computed != signed {
        let path = head::path(dir);
        return Err(LogError::RootMismatch { path, size, signed, computed });
    }

    let mut durable = HashSet::new();
    let mut writer = Writer::new(disk, dir, &mut durable);
    let mut report = RebuildReport { tiles: 0, rewritten: 0 };
    let mut put = |tile: HashTile, hashes: &[Hash]| {
        report.tiles += 1;
        match read_tile(dir, tile) {
            Ok(stored) if stored == hashes => return Ok(()),
            Ok(_) | Err(LogError::Missing { .. } | LogError::Tile { .. }) => {}
            Err(error) => return Err(error),
        }
        report.rewritten += 1;
        writer.replace(&dir.join(tile.path()), &tile_bytes(hashes))
    };
    let mut edge = Edge::default();
    for index in 0..settled / TILE_WIDTH {
        let leaves = leaves_of_bundle(dir, index)?;
        put(full_tile(0, index), &leaves)?;
        edge.push(index, root(&leaves), &mut put)?;
        next();
    }
    writer.finish()?;
    Ok(report)
}

fn leaves_of_bundle(dir: &Path, index: u64) -> Result<Vec<Hash>, LogError> {
    let path = dir.join(full_bundle(index).path());
    let bytes = read_file(&path).map_err(LogError::read(&path))?;
    let entries = decode_bundle(&bytes, TILE_WIDTH as usize)
        .map_err(|source| LogError::Bundle { path, source })?;
    Ok(entries.into_iter().map(leaf_hash).collect())
}
