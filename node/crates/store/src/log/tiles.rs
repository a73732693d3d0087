//! Full tiles and bundles on disk, and the right edge that is not.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use lucid_core::{
    Hash,
    merkle::{EntryBundle, HashTile, TILE_HEIGHT, TILE_WIDTH, root},
};

use super::error::LogError;
use crate::disk::read_file;

/// Tiles kept in memory: proofs of neighbours ask for the same ones. 32 of 8 KiB are 256 KiB.
const CACHE_TILES: usize = 32;
/// Levels that a tree whose size is a u64 has tiles on.
const LEVELS: u8 = (u64::BITS / TILE_HEIGHT) as u8;

/// The full tile at `index` of `level`.
pub(super) fn full_tile(level: u8, index: u64) -> HashTile {
    HashTile::new(level, index, TILE_WIDTH as u16)
        .expect("levels are below 8, and a tree of u64 leaves has fewer than 2^56 tiles")
}

/// The full bundle at `index`.
pub(super) fn full_bundle(index: u64) -> EntryBundle {
    EntryBundle::new(index, TILE_WIDTH as u16)
        .expect("a log of u64 entries has fewer than 2^56 bundles")
}

/// How many of the first `count` leaves' hashes at tile level `level` are complete.
pub(super) fn hashes_at(count: u64, level: u8) -> u64 {
    count.checked_shr(TILE_HEIGHT * u32::from(level)).unwrap_or(0)
}

/// The bytes of a tile of `hashes`.
pub(super) fn tile_bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(Hash::as_bytes).copied().collect()
}

/// Reads the full `tile` below `dir`.
///
/// # Errors
/// [`LogError::Missing`], [`LogError::Tile`], [`LogError::Io`].
pub(super) fn read_tile(dir: &Path, tile: HashTile) -> Result<Vec<Hash>, LogError> {
    let path = dir.join(tile.path());
    let bytes = read_file(&path).map_err(LogError::read(&path))?;
    tile.hashes(&bytes).map_err(|source| LogError::Tile { path, source })
}

/// The full tiles of a log's folder, the last few of them in memory. They are immutable, so what is
/// in memory stays right.
pub(super) struct Tiles {
    dir: PathBuf,
    /// The last used is the last.
    cache: Mutex<Vec<(HashTile, Arc<[Hash]>)>>,
}

impl Tiles {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), cache: Mutex::default() }
    }

    /// The hashes of the full tile at `index` of `level`.
    pub(super) fn full(&self, level: u8, index: u64) -> Result<Arc<[Hash]>, LogError> {
        let tile = full_tile(level, index);
        // A thread that panicked left the list whole: nothing between its changes can panic.
        let lock = || self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let mut cache = lock();
        if let Some(place) = cache.iter().position(|(cached, _)| *cached == tile) {
            let found = cache.remove(place);
            let hashes = Arc::clone(&found.1);
            cache.push(found);
            return Ok(hashes);
        }
        drop(cache);
        let hashes: Arc<[Hash]> = read_tile(&self.dir, tile)?.into();
        let mut cache = lock();
        if cache.len() == CACHE_TILES {
            cache.remove(0);
        }
        cache.push((tile, Arc::clone(&hashes)));
        Ok(hashes)
    }
}

/// The hashes of the partial tiles above level 0, which are on disk only as the roots of the full
/// tiles one level below: at most 255 a level.
#[derive(Clone, Default)]
pub(super) struct Edge {
    /// Level 1 first.
    levels: Vec<Vec<Hash>>,
}

impl Edge {
    /// The edge of the first `settled` entries, a multiple of 256, from their tiles.
    pub(super) fn load(dir: &Path, settled: u64) -> Result<Self, LogError> {
        let level_hashes = |level: u8| -> Result<Vec<Hash>, LogError> {
            let count = hashes_at(settled, level);
            let first = count - count % TILE_WIDTH;
            let tile_root = |index| Ok(root(&read_tile(dir, full_tile(level - 1, index))?));
            (first..count).map(tile_root).collect()
        };
        let levels = (1..LEVELS).take_while(|&level| hashes_at(settled, level) > 0);
        Ok(Self { levels: levels.map(level_hashes).collect::<Result<_, _>>()? })
    }

    /// The hashes of the partial tile at `level`, 1 or more.
    pub(super) fn at(&self, level: u8) -> &[Hash] {
        let place = usize::from(level).checked_sub(1).expect("level 0 has no edge but the tail");
        self.levels.get(place).map_or(&[], Vec::as_slice)
    }

    /// Takes the root of the level 0 tile at `index`, which follows the last one, and gives the tiles
    /// that it fills to `emit`, lowest first.
    pub(super) fn push<E>(
        &mut self,
        mut index: u64,
        mut hash: Hash,
        mut emit: impl FnMut(HashTile, &[Hash]) -> Result<(), E>,
    ) -> Result<(), E> {
        for level in 1.. {
            let place = usize::from(level) - 1;
            if self.levels.len() == place {
                self.levels.push(Vec::new());
            }
            let hashes = &mut self.levels[place];
            assert_eq!(hashes.len() as u64, index % TILE_WIDTH, "tiles come in order");
            hashes.push(hash);
            if (hashes.len() as u64) < TILE_WIDTH {
                break;
            }
            index /= TILE_WIDTH;
            emit(full_tile(level, index), hashes)?;
            hash = root(hashes);
            hashes.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use lucid_core::merkle::leaf_hash;
    use std::fs;

    use super::*;

    #[test]
    fn the_edge_is_what_its_tiles_say() {
        let dir = tempfile::tempdir().unwrap();
        let write = |tile: HashTile, hashes: &[Hash]| {
            let path = dir.path().join(tile.path());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, tile_bytes(hashes))
        };
        let mut edge = Edge::default();
        for index in 0..260 {
            let leaves: Vec<_> =
                (0..256_u64).map(|n| leaf_hash(&(index * 256 + n).to_be_bytes())).collect();
            write(full_tile(0, index), &leaves).unwrap();
            edge.push(index, root(&leaves), write).unwrap();
            if index % 50 == 3 || index > 250 {
                let loaded = Edge::load(dir.path(), (index + 1) * 256).unwrap();
                assert_eq!(loaded.at(1), edge.at(1), "{index}");
                assert_eq!(loaded.at(2), edge.at(2), "{index}");
            }
        }
        assert_eq!((edge.at(1).len(), edge.at(2).len(), edge.at(3).len()), (4, 1, 0));
        let tiles = Tiles::new(dir.path());
        for index in (0..260).chain([259, 0]) {
            assert_eq!(
                &*tiles.full(0, index).unwrap(),
                read_tile(dir.path(), full_tile(0, index)).unwrap()
            );
        }
        assert!(matches!(tiles.full(1, 1), Err(LogError::Missing { .. })));
    }
}
