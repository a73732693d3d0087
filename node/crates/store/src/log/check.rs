//! The full check: every entry, every tile, the root and the signature, and every finding.

use std::{fs, path::Path};

use lucid_core::{
    EntryIndex, Hash,
    entry::Entry,
    merkle::{CompactRange, TILE_HEIGHT, TILE_WIDTH, TilePath, decode_bundle, leaf_hash, root},
    note::{Checkpoint, VerifierKey},
};

use super::{
    cosigned,
    error::LogError,
    finding::{CheckReport, Finding},
    head, open,
    repair::Repair,
    tail::{Scan, Tail},
    tiles::{Edge, full_bundle, full_tile, read_tile},
};
use crate::disk::read_file;

/// A tile and a bundle that disagree, with no tile above to say which is right.
struct Undecided {
    bundle: u64,
    position: usize,
}

/// What was found so far, and the tree as it grows.
struct Checker<'a> {
    dir: &'a Path,
    entries: u64,
    damage: Vec<LogError>,
    /// Findings about tiles, which are damage too unless the entries give the signed root.
    tiles: Vec<LogError>,
    undecided: Vec<Undecided>,
    /// The level 1 tile last read, by its index.
    above: Option<(u64, Option<Vec<Hash>>)>,
    edge: Edge,
    /// The tree over the entries, and whether all of them could be read.
    by_entries: CompactRange,
    entries_whole: bool,
    /// The tree over the stored leaf hashes.
    by_tiles: CompactRange,
}

/// Checks everything in the log's folder `dir`, changing nothing: each bundle and entry parses, each
/// entry gives the leaf hash in its tile, each tile's hashes are the roots of what they cover, and the
/// root is the signed one. Does not stop at what it finds, and needs no log that opens.
///
/// `progress` is told, after each bundle, the entries done and the total. Memory: a few tiles and a
/// bundle, and the findings.
#[must_use = "the findings are what was asked for"]
pub fn check(dir: &Path, key: &VerifierKey, progress: &mut dyn FnMut(u64, u64)) -> CheckReport {
    let mut checker = Checker {
        dir,
        entries: 0,
        damage: Vec::new(),
        tiles: Vec::new(),
        undecided: Vec::new(),
        above: None,
        edge: Edge::default(),
        by_entries: CompactRange::new(),
        entries_whole: true,
        by_tiles: CompactRange::new(),
    };
    let mut repairs = Vec::new();
    let checkpoint = checker.checkpoint(key, &mut repairs);
    let scan = checker.tail(checkpoint.as_ref(), &mut repairs);
    let size = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size);
    let settled = scan.as_ref().map_or(size - size % TILE_WIDTH, |scan| scan.tail.start());
    let end = end_of(checkpoint.as_ref(), scan.as_ref());
    let total = end.max(settled);
    for index in 0..settled / TILE_WIDTH {
        // Beyond the checkpoint, a tail's damaged header may claim any number of bundles.
        if (index + 1) * TILE_WIDTH > size && !dir.join(full_bundle(index).path()).exists() {
            break;
        }
        checker.bundle(index);
        progress((index + 1) * TILE_WIDTH, total);
    }
    let signed = checkpoint.as_ref().filter(|_| settled <= size);
    checker.cosigned(key, signed);
    let rebuildable = checker.root(signed, scan.as_ref());
    progress(total, total);
    // What only a log that opens can say: whether it had the root that witnesses cosigned.
    if checkpoint.is_some() && checker.damage.is_empty() && checker.tiles.is_empty() {
        checker.damage.extend(open::load(dir, key).err());
    }
    let (damaged, mended) =
        if rebuildable { (Vec::new(), checker.tiles) } else { (checker.tiles, Vec::new()) };
    let mut findings: Vec<Finding> = checker.damage.into_iter().map(Finding::Damage).collect();
    findings.extend(damaged.into_iter().map(Finding::Damage));
    findings.extend(mended.into_iter().map(Finding::Tile));
    let leftovers = open::find_leftovers(dir, settled, &mut repairs).err();
    findings.extend(leftovers.map(Finding::Damage));
    findings.extend(strays(dir, end, &repairs));
    findings.extend(repairs.into_iter().map(Finding::Unfinished));
    CheckReport { checkpoint, entries: checker.entries, findings }
}

impl Checker<'_> {
    fn checkpoint(&mut self, key: &VerifierKey, repairs: &mut Vec<Repair>) -> Option<Checkpoint> {
        match head::read(self.dir, key) {
            Ok(Some(head)) => {
                repairs.extend(head.repairs(self.dir));
                let scan = Tail::scan(&open::tail_path(self.dir)).ok().flatten();
                self.damage.extend(open::judge_head(self.dir, &head, scan.as_ref()).err());
                Some(head.checkpoint)
            }
            Ok(None) => None,
            Err(error) => {
                self.damage.push(error);
                None
            }
        }
    }

    /// Reads the cosigned checkpoint and holds its size against the current one's.
    fn cosigned(&mut self, key: &VerifierKey, checkpoint: Option<&Checkpoint>) {
        let cosigned = match cosigned::read(self.dir, key) {
            Ok(cosigned) => cosigned.map(|cosigned| cosigned.checkpoint().size),
            Err(error) => {
                self.damage.push(error);
                None
            }
        };
        if let (Some(cosigned), Some(&Checkpoint { size, .. })) = (cosigned, checkpoint)
            && cosigned > size
        {
            let path = cosigned::cosigned_path(self.dir);
            self.damage.push(LogError::CosignedAhead { path, cosigned, size });
        }
    }

    /// Reads the tail, each of its entries, and holds it against the checkpoint.
    fn tail(&mut self, checkpoint: Option<&Checkpoint>, repairs: &mut Vec<Repair>) -> Option<Scan> {
        let path = open::tail_path(self.dir);
        let (mut entries, mut malformed) = (0, Vec::new());
        let covered = checkpoint.map_or(u64::MAX, |checkpoint| checkpoint.size);
        let scan = Tail::scan_with(&path, |index, entry| match Entry::parse(entry) {
            // No part of the log: opening drops it, whatever it is.
            _ if index.0 >= covered => {}
            Ok(_) => entries += 1,
            Err(source) => {
                malformed.push(LogError::EntryMalformed { path: path.clone(), index, source });
            }
        });
        self.entries += entries;
        self.damage.append(&mut malformed);
        let scan = match scan {
            Ok(scan) => scan,
            Err(error) => {
                self.damage.push(error);
                return None;
            }
        };
        let judged = match checkpoint {
            Some(checkpoint) => open::judge_tail(self.dir, scan.as_ref(), checkpoint.size, repairs),
            // A checkpoint that is there and refused was already found.
            None if head::path(self.dir).exists() => Ok(()),
            None => Err(open::without_checkpoint(self.dir, scan.as_ref())),
        };
        self.damage.extend(judged.err());
        let end = end_of(checkpoint, scan.as_ref());
        let forward = scan.as_ref().map(|_| open::check_not_rolled_back(self.dir, end));
        self.damage.extend(forward.and_then(Result::err));
        scan
    }

    /// Checks the bundle at `index` and the tiles that it fills.
    fn bundle(&mut self, index: u64) {
        let by_entries = self.read_bundle(index);
        let by_tile = match read_tile(self.dir, full_tile(0, index)) {
            Ok(leaves) => Some(leaves),
            Err(error) => {
                self.tiles.push(error);
                None
            }
        };
        let above = self.hash_above(index);
        let roots = (by_entries.as_deref().map(root), by_tile.as_deref().map(root));
        if let (Some(entries), Some(tile)) = (&by_entries, &by_tile)
            && let Some(position) = entries.iter().zip(tile).position(|(a, b)| a != b)
        {
            let found = Undecided { bundle: index, position };
            match above {
                Some(hash) if Some(hash) == roots.0 => self.tiles.push(self.tile_differs(&found)),
                Some(hash) if Some(hash) == roots.1 => {
                    let wrong = entries.iter().zip(tile).enumerate().filter(|(_, (a, b))| a != b);
                    let places: Vec<usize> = wrong.map(|(position, _)| position).collect();
                    for position in places {
                        let damaged = self.entry_differs(&Undecided { bundle: index, position });
                        self.damage.push(damaged);
                    }
                }
                _ => self.undecided.push(found),
            }
        }
        self.entries_whole &= by_entries.is_some();
        let right = match (roots, above) {
            ((Some(_), Some(by_tile)), Some(above)) if above == by_tile => by_tile,
            ((Some(by_entries), _), _) => by_entries,
            ((None, Some(by_tile)), _) => by_tile,
            ((None, None), above) => above.unwrap_or_default(),
        };
        grow(&mut self.by_entries, roots.0.unwrap_or(right));
        grow(&mut self.by_tiles, roots.1.unwrap_or(right));
        self.tiles_above(index, right);
    }

    /// The leaf hashes of a bundle's entries, where the bundle is whole.
    fn read_bundle(&mut self, index: u64) -> Option<Vec<Hash>> {
        let path = self.dir.join(full_bundle(index).path());
        let bytes = match read_file(&path) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.damage.push(LogError::read(&path)(error));
                return None;
            }
        };
        let entries = match decode_bundle(&bytes, TILE_WIDTH as usize) {
            Ok(entries) => entries,
            Err(source) => {
                self.damage.push(LogError::Bundle { path, source });
                return None;
            }
        };
        for (position, entry) in (0..).zip(&entries) {
            match Entry::parse(entry) {
                Ok(_) => self.entries += 1,
                Err(source) => {
                    let index = EntryIndex(index * TILE_WIDTH + position);
                    let path = path.clone();
                    self.damage.push(LogError::EntryMalformed { path, index, source });
                }
            }
        }
        Some(entries.into_iter().map(leaf_hash).collect())
    }

    /// The hash that the stored level 1 tile has for the level 0 tile at `index`, where there is one.
    fn hash_above(&mut self, index: u64) -> Option<Hash> {
        let above = index / TILE_WIDTH;
        if self.above.as_ref().is_none_or(|(cached, _)| *cached != above) {
            // Where it should be there and is not, `tiles_above` reports it.
            self.above = Some((above, read_tile(self.dir, full_tile(1, above)).ok()));
        }
        let (_, hashes) = self.above.as_ref()?;
        hashes.as_ref().map(|hashes| hashes[(index % TILE_WIDTH) as usize])
    }

    /// Compares the stored tiles that the level 0 tile at `index` completes with what they cover.
    fn tiles_above(&mut self, index: u64, hash: Hash) {
        let (dir, tiles) = (self.dir, &mut self.tiles);
        let pushed = self.edge.push(index, hash, |tile, hashes| {
            match read_tile(dir, tile) {
                Err(error) => tiles.push(error),
                Ok(stored) => {
                    let position = stored.iter().zip(hashes).position(|(a, b)| a != b);
                    let path = dir.join(tile.path());
                    tiles.extend(position.map(|position| LogError::TileDiffers { path, position }));
                }
            }
            Ok::<_, std::convert::Infallible>(())
        });
        let Ok(()) = pushed;
    }

    /// Compares the root with the signed one, decides what was undecided, and says whether the entries
    /// give the signed root: then whatever is wrong with tiles can be rebuilt.
    fn root(&mut self, signed: Option<&Checkpoint>, scan: Option<&Scan>) -> bool {
        let tail = scan.map_or(&[][..], |scan| scan.tail.leaves());
        let settled = self.by_entries.len();
        let covered = signed.and_then(|it| tail.get(..(it.size.checked_sub(settled)?) as usize));
        let roots = signed.zip(covered).map(|(checkpoint, tail)| {
            let of = |settled: &CompactRange| {
                let mut range = settled.clone();
                range.extend(tail.iter().copied());
                range.root()
            };
            (checkpoint, of(&self.by_entries), of(&self.by_tiles))
        });
        let rebuildable =
            self.entries_whole && roots.is_some_and(|(signed, entries, _)| entries == signed.root);
        for found in std::mem::take(&mut self.undecided) {
            match roots {
                _ if rebuildable => self.tiles.push(self.tile_differs(&found)),
                Some((signed, _, by_tiles)) if by_tiles == signed.root => {
                    self.damage.push(self.entry_differs(&found));
                }
                _ => self.damage.push(LogError::Disagree {
                    bundle: self.dir.join(full_bundle(found.bundle).path()),
                    tile: self.dir.join(full_tile(0, found.bundle).path()),
                    index: found.index(),
                }),
            }
        }
        if let Some((checkpoint, computed, by_tiles)) = roots
            && computed != checkpoint.root
            && by_tiles != checkpoint.root
        {
            let path = head::path(self.dir);
            let (size, signed) = (checkpoint.size, checkpoint.root);
            self.damage.push(LogError::RootMismatch { path, size, signed, computed });
        }
        rebuildable
    }

    fn tile_differs(&self, found: &Undecided) -> LogError {
        let path = self.dir.join(full_tile(0, found.bundle).path());
        LogError::TileDiffers { path, position: found.position }
    }

    fn entry_differs(&self, found: &Undecided) -> LogError {
        let path = self.dir.join(full_bundle(found.bundle).path());
        LogError::EntryDiffers { path, index: found.index() }
    }
}

impl Undecided {
    fn index(&self) -> EntryIndex {
        EntryIndex(self.bundle * TILE_WIDTH + self.position as u64)
    }
}

/// Entries of the log: those under the checkpoint, or, where there is none or it says less than what
/// was settled, those that the tail has.
fn end_of(checkpoint: Option<&Checkpoint>, scan: Option<&Scan>) -> u64 {
    let size = checkpoint.map(|checkpoint| checkpoint.size);
    match (size, scan.map(|scan| &scan.tail)) {
        (Some(size), Some(tail)) if size >= tail.start() => size,
        (_, Some(tail)) => tail.end(),
        (size, None) => size.unwrap_or(0),
    }
}

/// Appends a level 0 tile's root to a range of whole tiles.
pub(super) fn grow(range: &mut CompactRange, tile_root: Hash) {
    range
        .append_subtree(TILE_HEIGHT, tile_root)
        .expect("the range has whole tiles only, and fewer than 2^56 of them");
}

/// Files below `dir` that belong to no log of `end` entries and that opening does not remove.
fn strays(dir: &Path, end: u64, repairs: &[Repair]) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        // What cannot be listed was found when something in it could not be read.
        let Ok(items) = fs::read_dir(&folder) else {
            continue;
        };
        for path in items.flatten().map(|item| item.path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(dir).ok().and_then(Path::to_str).unwrap_or_default();
            let ours = matches!(name, "head" | "cosigned" | "tail") || is_settled(name, end);
            let leftover = Repair::Leftover { path: path.clone() };
            if !ours && !repairs.contains(&leftover) {
                found.push(Finding::Stray(path));
            }
        }
    }
    found
}

/// Whether `name` is a full tile or bundle of a log of `end` entries.
fn is_settled(name: &str, end: u64) -> bool {
    let (index, width, level) = match name.parse() {
        Ok(TilePath::Entries(bundle)) => (bundle.index(), bundle.width(), 0),
        Ok(TilePath::Hashes(tile)) => (tile.index(), tile.width(), tile.level()),
        Err(_) => return false,
    };
    u64::from(width) == TILE_WIDTH && index < super::tiles::hashes_at(end, level) / TILE_WIDTH
}
