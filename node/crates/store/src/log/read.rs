//! Reading: entries, tiles and proofs, as of the current checkpoint.

use std::{
    ops::Range,
    path::{Path, PathBuf},
    vec,
};

use lucid_core::{
    EntryIndex, Hash,
    merkle::{
        self, CompactRange, EntryBundle, HashTile, SourceError, SubtreeSource, TILE_HEIGHT,
        TILE_WIDTH, TilePath, decode_bundle, encode_bundle, leaf_hash, root, root_from,
    },
    note::{Checkpoint, TlogProof, VerifierKey},
};

use super::{
    cosigned::Cosigned,
    error::LogError,
    head, open,
    repair::Repair,
    tail::Tail,
    tiles::{Edge, Tiles, full_bundle, full_tile, hashes_at, tile_bytes},
};
use crate::disk::{Disk, read_file};

/// The log as its checkpoint says it is. It changes nothing on disk.
///
/// In memory: 40 bytes for each entry of the tail (fewer than 256 of them unless a crash left more),
/// at most 255 hashes a level of tiles, and 32 tiles.
pub struct LogReader {
    pub(super) dir: PathBuf,
    pub(super) key: VerifierKey,
    pub(super) tiles: Tiles,
    pub(super) tail: Tail,
    pub(super) edge: Edge,
    pub(super) range: CompactRange,
    pub(super) checkpoint: Checkpoint,
    pub(super) checkpoint_text: String,
    pub(super) cosigned: Option<Cosigned>,
    pub(super) repairs: Vec<Repair>,
}

impl LogReader {
    /// Opens the log in `dir` to read it, with the public key alone. Reads the checkpoint, the tail and
    /// the tiles of the right edge, and checks that they give the signed root; what lies to the left
    /// of that is checked when it is read, or by [`check`](super::check()). What it shows is on the disk,
    /// also where the process that wrote it was killed.
    ///
    /// # Errors
    /// [`LogError`], where anything is there that no crash leaves behind.
    pub fn open(dir: &Path, key: &VerifierKey) -> Result<Self, LogError> {
        let reader = open::load(dir, key)?;
        head::keep(dir, &Disk::default())?;
        Ok(reader)
    }

    /// What a crash left behind and opening the log to append repairs (or has repaired).
    #[must_use]
    pub fn repairs(&self) -> &[Repair] {
        &self.repairs
    }

    /// The log's folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Entries in the log.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.checkpoint.size
    }

    /// The root over all entries.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.checkpoint.root
    }

    /// The current checkpoint.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The current checkpoint as it was signed, without what witnesses said of it.
    #[must_use]
    pub fn checkpoint_text(&self) -> &str {
        &self.checkpoint_text
    }

    fn check_within(&self, asked: u64, end: u64) -> Result<(), LogError> {
        let size = self.size();
        if end <= size { Ok(()) } else { Err(LogError::Beyond { asked, size }) }
    }

    /// The entry at `index`, checked against its leaf hash.
    ///
    /// # Errors
    /// [`LogError::Beyond`]; [`LogError::EntryDiffers`] and others where a file is damaged.
    pub fn entry(&self, index: EntryIndex) -> Result<Vec<u8>, LogError> {
        self.check_within(index.0, index.0.saturating_add(1))?;
        let mut entries = self.span(index.0, index.0 + 1)?;
        let beyond = LogError::Beyond { asked: index.0, size: self.size() };
        entries.pop().ok_or(beyond)
    }

    /// The leaf hash of the entry at `index`.
    ///
    /// # Errors
    /// As [`LogReader::entry`].
    pub fn leaf(&self, index: EntryIndex) -> Result<Hash, LogError> {
        self.check_within(index.0, index.0.saturating_add(1))?;
        self.subtree(0, index.0)
    }

    /// The entries of `range`, in order, read a bundle at a time. After an error nothing follows.
    ///
    /// # Errors
    /// [`LogError::Beyond`] where the range ends after the log; each item as [`LogReader::entry`].
    pub fn entries(&self, range: Range<EntryIndex>) -> Result<Entries<'_>, LogError> {
        let Range { start: EntryIndex(next), end: EntryIndex(end) } = range;
        self.check_within(end, end)?;
        Ok(Entries { log: self, next, end, ready: Vec::new().into_iter() })
    }

    /// The entries `[from, to)`, all of one bundle or all of the tail, each checked.
    fn span(&self, from: u64, to: u64) -> Result<Vec<Vec<u8>>, LogError> {
        let start = self.tail.start();
        if from >= start {
            return self.tail.entries((from - start) as usize..(to - start) as usize);
        }
        let index = from / TILE_WIDTH;
        let path = self.dir.join(full_bundle(index).path());
        let bytes = read_file(&path).map_err(LogError::read(&path))?;
        let entries = decode_bundle(&bytes, TILE_WIDTH as usize)
            .map_err(|source| LogError::Bundle { path: path.clone(), source })?;
        let leaves = self.tiles.full(0, index)?;
        (from..to)
            .map(|index| {
                let place = (index % TILE_WIDTH) as usize;
                if leaf_hash(entries[place]) == leaves[place] {
                    return Ok(entries[place].to_vec());
                }
                Err(LogError::EntryDiffers { path: path.clone(), index: EntryIndex(index) })
            })
            .collect()
    }

    /// The `count` hashes from `first` on at tile level `level`, all of one tile and all complete.
    fn hashes(&self, level: u8, first: u64, count: usize) -> Result<Vec<Hash>, LogError> {
        let start = self.tail.start();
        let (tile, place) = (first / TILE_WIDTH, (first % TILE_WIDTH) as usize);
        assert!(place + count <= TILE_WIDTH as usize, "one tile at a time");
        if tile < hashes_at(start, level + 1) {
            return Ok(self.tiles.full(level, tile)?[place..place + count].to_vec());
        }
        if level == 0 {
            let place = (first - start) as usize;
            let leaves = self.tail.leaves().get(place..place + count);
            let beyond = LogError::Beyond { asked: first, size: self.tail.end() };
            return leaves.map(<[Hash]>::to_vec).ok_or(beyond);
        }
        (place..place + count)
            .map(|place| {
                if let Some(hash) = self.edge.at(level).get(place) {
                    return Ok(*hash);
                }
                // Not settled yet: only after a crash, or a large append, has the tail whole tiles.
                let below = (tile * TILE_WIDTH + place as u64) * TILE_WIDTH;
                Ok(root(&self.hashes(level - 1, below, TILE_WIDTH as usize)?))
            })
            .collect()
    }

    /// The audit path of the entry at `index` in the tree of the first `size` entries.
    ///
    /// # Errors
    /// [`LogError::Beyond`]; [`LogError::Proof`]; where a tile is damaged.
    pub fn inclusion_proof(&self, index: EntryIndex, size: u64) -> Result<Vec<Hash>, LogError> {
        self.check_within(size, size)?;
        let path = self.proof(merkle::inclusion_path_from(self, size, index.0))?;
        let root = self.root_at(size)?;
        // A damaged tile must not become a proof that nobody can verify.
        let verified = merkle::verify_inclusion(root, size, index.0, self.leaf(index)?, &path);
        self.proof(verified.map_err(SourceError::Proof))?;
        Ok(path)
    }

    /// The proof that the log of `old` entries is a prefix of the log of `new`.
    ///
    /// # Errors
    /// [`LogError::Beyond`]; [`LogError::Proof`], also where `old` is 0 or larger than `new`; where a
    /// tile is damaged.
    pub fn consistency_proof(&self, old: u64, new: u64) -> Result<Vec<Hash>, LogError> {
        self.check_within(new, new)?;
        let path = self.proof(merkle::consistency_path_from(self, old, new))?;
        let (old_root, new_root) = (self.root_at(old)?, self.root_at(new)?);
        let verified = merkle::verify_consistency(old, old_root, new, new_root, &path);
        self.proof(verified.map_err(SourceError::Proof))?;
        Ok(path)
    }

    fn proof<T>(&self, made: Result<T, SourceError<LogError>>) -> Result<T, LogError> {
        made.map_err(|error| match error {
            SourceError::Proof(source) => LogError::Proof { dir: self.dir.clone(), source },
            SourceError::Source(error) => error,
        })
    }

    /// The root over the first `size` entries.
    ///
    /// # Errors
    /// [`LogError::Beyond`]; where a tile is damaged.
    pub fn root_at(&self, size: u64) -> Result<Hash, LogError> {
        self.check_within(size, size)?;
        if size == self.size() { Ok(self.root()) } else { root_from(self, size) }
    }

    /// What proves to a stranger that the entry at `index` is in the log: index, path and the current
    /// checkpoint.
    ///
    /// # Errors
    /// As [`LogReader::inclusion_proof`].
    pub fn tlog_proof(&self, index: EntryIndex) -> Result<TlogProof, LogError> {
        let path = self.inclusion_proof(index, self.size())?;
        Ok(TlogProof::new(index.0, path, &self.checkpoint_text)?)
    }

    /// The resource at a C2SP tlog-tiles path: any tile or bundle of the current or an earlier tree,
    /// full or partial. None where the log has grown into no such tile yet.
    ///
    /// # Errors
    /// Where a file is damaged.
    pub fn resource(&self, path: TilePath) -> Result<Option<Vec<u8>>, LogError> {
        match path {
            TilePath::Hashes(tile) => self.tile(tile),
            TilePath::Entries(bundle) => self.bundle(bundle),
        }
    }

    fn tile(&self, tile: HashTile) -> Result<Option<Vec<u8>>, LogError> {
        let at_level = HashTile::in_tree(self.size(), tile.level(), tile.index());
        if at_level.is_none_or(|current| current.width() < tile.width()) {
            return Ok(None);
        }
        let first = tile.index() * TILE_WIDTH;
        Ok(Some(tile_bytes(&self.hashes(tile.level(), first, tile.width().into())?)))
    }

    fn bundle(&self, bundle: EntryBundle) -> Result<Option<Vec<u8>>, LogError> {
        let current = EntryBundle::in_tree(self.size(), bundle.index());
        if current.is_none_or(|current| current.width() < bundle.width()) {
            return Ok(None);
        }
        let first = bundle.index() * TILE_WIDTH;
        let entries = self.span(first, first + u64::from(bundle.width()))?;
        let bytes = encode_bundle(&entries);
        Ok(Some(bytes.expect("entries that were in the log make a bundle of their width")))
    }

    /// Checks the full tile at `index` of `level` against the hash that covers it one level up.
    pub(super) fn check_tile(&self, level: u8, index: u64) -> Result<(), LogError> {
        let above = self.hashes(level + 1, index, 1)?;
        if above == [root(&self.hashes(level, index * TILE_WIDTH, TILE_WIDTH as usize)?)] {
            return Ok(());
        }
        let path = self.dir.join(full_tile(level, index).path());
        Err(LogError::TileDiffers { path, position: 0 })
    }
}

impl SubtreeSource for LogReader {
    type Error = LogError;

    fn subtree(&self, level: u32, index: u64) -> Result<Hash, LogError> {
        let above = level % TILE_HEIGHT;
        let hashes = self.hashes((level / TILE_HEIGHT) as u8, index << above, 1 << above)?;
        Ok(root(&hashes))
    }
}

/// The entries of a range, in order: see [`LogReader::entries`].
pub struct Entries<'a> {
    log: &'a LogReader,
    next: u64,
    end: u64,
    ready: vec::IntoIter<Vec<u8>>,
}

impl Iterator for Entries<'_> {
    type Item = Result<Vec<u8>, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(entry) = self.ready.next() {
            return Some(Ok(entry));
        }
        if self.next >= self.end {
            return None;
        }
        let bundle_end = (self.next / TILE_WIDTH + 1).saturating_mul(TILE_WIDTH);
        let to = bundle_end.min(self.end);
        match self.log.span(self.next, to) {
            Ok(entries) => {
                self.next = to;
                self.ready = entries.into_iter();
                self.ready.next().map(Ok)
            }
            Err(error) => {
                self.next = self.end;
                Some(Err(error))
            }
        }
    }
}
