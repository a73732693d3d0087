//! C2SP tlog-tiles coordinates: which 256 hashes lie in which resource, and under which path.
//!
//! A tile at level `l` holds up to 256 consecutive hashes of the tree's level `8 l`; an entry bundle
//! holds the entries whose leaf hashes are the level 0 tile of the same index. Paths have one
//! spelling, and the parser takes no other.

use core::{fmt, str::FromStr};

use super::{Subtree, root};
use crate::Hash;

/// Tree levels a tile covers: 256 hashes are a perfect subtree of height 8.
pub const TILE_HEIGHT: u32 = 8;
/// Hashes in a full tile, and entries in a full bundle.
pub const TILE_WIDTH: u64 = 1 << TILE_HEIGHT;

/// The same, as a width.
const FULL: u16 = 1 << TILE_HEIGHT;
/// The last level that a path may name. Only 0 to 7 can hold a hash of a tree whose size is a u64.
const LEVEL_MAX: u8 = 63;
/// The last index whose 256 hashes still have u64 positions.
const INDEX_MAX: u64 = u64::MAX >> TILE_HEIGHT;
/// The longest path is `tile/entries/x072/x057/x594/x037/x927/935.p/255`.
const PATH_BYTES_MAX: usize = 50;

/// Why there is no such tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// Levels are 0 to 63.
    #[error("a tile's level is at most {LEVEL_MAX}, not {0}")]
    Level(u8),
    /// Positions of hashes are u64.
    #[error("a tile's index is at most {INDEX_MAX}, not {0}")]
    Index(u64),
    /// Widths are 1 to 256.
    #[error("a tile's width is 1 to {FULL}, not {0}")]
    Width(u16),
    /// The text is not the canonical path of any tile or entry bundle.
    #[error("not a tlog-tiles path")]
    Path,
    /// A tile's bytes are its hashes and nothing else.
    #[error("a tile of width {width} has {} bytes, not {got}", usize::from(*width) * Hash::BYTES)]
    Bytes {
        /// The tile's width.
        width: u16,
        /// Bytes given.
        got: usize,
    },
}

/// Index and width, which tiles and entry bundles have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Span {
    index: u64,
    width: u16,
}

impl Span {
    fn new(index: u64, width: u16) -> Result<Self, TileError> {
        if index > INDEX_MAX {
            return Err(TileError::Index(index));
        }
        if !(1..=FULL).contains(&width) {
            return Err(TileError::Width(width));
        }
        Ok(Self { index, width })
    }

    /// The spans that cover `count` positions: the full ones, then the partial one.
    fn covering(count: u64) -> impl Iterator<Item = Self> {
        let full = (0..count / TILE_WIDTH).map(|index| Self { index, width: FULL });
        full.chain(Self::at(count / TILE_WIDTH, count))
    }

    /// The span at `index` where there are `count` positions, or none where it would be empty.
    fn at(index: u64, count: u64) -> Option<Self> {
        let width = count.saturating_sub(index.checked_mul(TILE_WIDTH)?).min(TILE_WIDTH);
        (width > 0).then_some(Self { index, width: width as u16 })
    }
}

/// `x001/x234/067`, and `.p/<width>` where the span is partial.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut divisor = 1;
        while self.index / divisor >= 1000 {
            divisor *= 1000;
        }
        while divisor > 1 {
            write!(f, "x{:03}/", self.index / divisor % 1000)?;
            divisor /= 1000;
        }
        write!(f, "{:03}", self.index % 1000)?;
        if self.width < FULL { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

impl Span {
    /// Reads every canonical spelling and some others, which the caller finds out by writing it.
    fn read(text: &str) -> Option<Self> {
        let (digits, width) = match text.split_once(".p/") {
            Some((digits, width)) => (digits, width.parse().ok()?),
            None => (text, FULL),
        };
        let index = digits.split('/').try_fold(0_u64, |index, group| {
            let group: u16 = group.trim_start_matches('x').parse().ok()?;
            index.checked_mul(1000)?.checked_add(group.into())
        })?;
        Self::new(index, width).ok()
    }
}

/// A tile of hashes: `width` consecutive hashes of the tree's level `8 * level`, from position
/// `256 * index` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashTile {
    level: u8,
    span: Span,
}

impl HashTile {
    /// The tile of these coordinates.
    ///
    /// # Errors
    ///
    /// [`TileError::Level`] above 63, [`TileError::Index`] above 2^56 - 1, [`TileError::Width`]
    /// unless 1 to 256.
    pub fn new(level: u8, index: u64, width: u16) -> Result<Self, TileError> {
        if level > LEVEL_MAX {
            return Err(TileError::Level(level));
        }
        Ok(Self { level, span: Span::new(index, width)? })
    }

    /// The tile at `index` of `level` as it is in the tree of `size` leaves, or none where that
    /// tree has no hash there.
    #[must_use]
    pub fn in_tree(size: u64, level: u8, index: u64) -> Option<Self> {
        Some(Self { level, span: Span::at(index, hashes_at(size, level))? })
    }

    /// The tile's level: 0 holds leaf hashes.
    #[must_use]
    pub fn level(&self) -> u8 {
        self.level
    }

    /// Which tile of its level, from the left.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.span.index
    }

    /// Hashes in the tile, 1 to 256.
    #[must_use]
    pub fn width(&self) -> u16 {
        self.span.width
    }

    /// Whether the tile will still grow.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.span.width < FULL
    }

    /// Bytes of the tile's resource.
    #[must_use]
    pub fn bytes(&self) -> usize {
        usize::from(self.span.width) * Hash::BYTES
    }

    /// `tile/<L>/<N>[.p/<W>]`.
    #[must_use]
    pub fn path(&self) -> String {
        self.to_string()
    }

    /// The hashes in `bytes`, the tile's resource.
    ///
    /// # Errors
    ///
    /// [`TileError::Bytes`] unless there are exactly [`bytes`](Self::bytes) of them.
    pub fn hashes(&self, bytes: &[u8]) -> Result<Vec<Hash>, TileError> {
        let (hashes, rest) = bytes.as_chunks::<{ Hash::BYTES }>();
        if !rest.is_empty() || hashes.len() != usize::from(self.width()) {
            return Err(TileError::Bytes { width: self.width(), got: bytes.len() });
        }
        Ok(hashes.iter().copied().map(Hash).collect())
    }
}

impl fmt::Display for HashTile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tile/{}/{}", self.level, self.span)
    }
}

/// A bundle of entries: `width` consecutive entries from entry `256 * index` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryBundle(Span);

impl EntryBundle {
    /// The bundle of these coordinates.
    ///
    /// # Errors
    ///
    /// [`TileError::Index`] above 2^56 - 1, [`TileError::Width`] unless 1 to 256.
    pub fn new(index: u64, width: u16) -> Result<Self, TileError> {
        Span::new(index, width).map(Self)
    }

    /// The bundle at `index` as it is in the log of `size` entries, or none where it is empty.
    #[must_use]
    pub fn in_tree(size: u64, index: u64) -> Option<Self> {
        Span::at(index, size).map(Self)
    }

    /// Which bundle, from the left.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.0.index
    }

    /// Entries in the bundle, 1 to 256.
    #[must_use]
    pub fn width(&self) -> u16 {
        self.0.width
    }

    /// Whether the bundle will still grow.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.0.width < FULL
    }

    /// `tile/entries/<N>[.p/<W>]`.
    #[must_use]
    pub fn path(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for EntryBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tile/entries/{}", self.0)
    }
}

/// What a tlog-tiles path below the log's prefix names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TilePath {
    /// `tile/<L>/<N>[.p/<W>]`.
    Hashes(HashTile),
    /// `tile/entries/<N>[.p/<W>]`.
    Entries(EntryBundle),
}

impl TilePath {
    /// The path's text.
    #[must_use]
    pub fn path(&self) -> String {
        self.to_string()
    }

    fn read(text: &str) -> Option<Self> {
        let (kind, span) = text.strip_prefix("tile/")?.split_once('/')?;
        let span = Span::read(span)?;
        if kind == "entries" {
            return Some(Self::Entries(EntryBundle(span)));
        }
        let level = kind.parse().ok().filter(|&level| level <= LEVEL_MAX)?;
        Some(Self::Hashes(HashTile { level, span }))
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hashes(tile) => tile.fmt(f),
            Self::Entries(bundle) => bundle.fmt(f),
        }
    }
}

impl FromStr for TilePath {
    type Err = TileError;

    /// # Errors
    ///
    /// [`TileError::Path`] for every text but what [`TilePath::path`] writes.
    fn from_str(text: &str) -> Result<Self, TileError> {
        if text.len() > PATH_BYTES_MAX {
            return Err(TileError::Path);
        }
        Self::read(text).filter(|path| path.path() == text).ok_or(TileError::Path)
    }
}

/// Where a perfect subtree's hash is found: over `len` hashes of a tile, a power of two below 256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TileSlice {
    /// The tile, as wide as it is in the tree that was asked about.
    pub tile: HashTile,
    /// The first of the hashes, by its position in the tile.
    pub offset: u16,
    /// How many hashes.
    pub len: u16,
}

impl TileSlice {
    /// Where the tree of `size` leaves keeps `subtree`, or none where it is not wholly inside.
    #[must_use]
    pub fn locate(size: u64, subtree: Subtree) -> Option<Self> {
        let Subtree { level, index } = subtree;
        // The subtree is complete where the level has a hash at its index.
        if index >= size.checked_shr(level)? {
            return None;
        }
        let (tile_level, above) = (level / TILE_HEIGHT, level % TILE_HEIGHT);
        let first = index << above;
        let tile = HashTile::in_tree(size, tile_level as u8, first / TILE_WIDTH)?;
        Some(Self { tile, offset: (first % TILE_WIDTH) as u16, len: 1 << above })
    }

    /// The subtree's hash, from the `bytes` of the tile's resource.
    ///
    /// # Errors
    ///
    /// [`TileError::Bytes`] where the resource has another length.
    pub fn hash(&self, bytes: &[u8]) -> Result<Hash, TileError> {
        let hashes = self.tile.hashes(bytes)?;
        // A complete subtree's hashes are all there: `locate` gave a tile that is wide enough.
        Ok(root(&hashes[self.offset.into()..][..self.len.into()]))
    }
}

/// Hashes a tree of `size` leaves has at tile level `level`, which only full tiles below give.
fn hashes_at(size: u64, level: u8) -> u64 {
    size.checked_shr(TILE_HEIGHT * u32::from(level)).unwrap_or(0)
}

/// Hashes in the partial tile at `level` of a tree of `size` leaves, 0 to 255; 0 is no such tile
/// (C2SP tlog-tiles, "Partial Tiles").
#[must_use]
pub fn partial_width(size: u64, level: u8) -> u16 {
    (hashes_at(size, level) % TILE_WIDTH) as u16
}

/// All hash tiles of the tree of `size` leaves, full and partial, by level and index.
pub fn tiles_of(size: u64) -> impl Iterator<Item = HashTile> {
    (0..u64::BITS / TILE_HEIGHT).flat_map(move |level| {
        let level = level as u8;
        Span::covering(hashes_at(size, level)).map(move |span| HashTile { level, span })
    })
}

/// All entry bundles of the log of `size` entries, in order, the partial one last.
pub fn bundles_of(size: u64) -> impl Iterator<Item = EntryBundle> {
    Span::covering(size).map(EntryBundle)
}

#[cfg(test)]
mod tests;
