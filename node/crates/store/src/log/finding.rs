//! What a full check reports.

use std::{fmt, path::PathBuf};

use lucid_core::note::Checkpoint;

use super::{
    error::{LogError, chain},
    repair::Repair,
};

/// Something that a full check came upon.
#[derive(Debug)]
pub enum Finding {
    /// Something is lost or was changed, and the log itself cannot give it back.
    Damage(LogError),
    /// A tile is damaged, and the entries it was made from are whole.
    Tile(LogError),
    /// What a crash leaves: nothing that was acknowledged is missing.
    Unfinished(Repair),
    /// A file that is no part of the log. It does no harm.
    Stray(PathBuf),
}

/// What there is to do about a [`Finding`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Put the named file back from a backup or an export, and keep the damaged one as evidence.
    Restore,
    /// [`rebuild_tiles`](super::rebuild_tiles).
    RebuildTiles,
    /// [`Log::open`](super::Log::open), as every start of the node does.
    Open,
    /// Nothing.
    None,
}

impl Finding {
    /// What there is to do about it.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Damage(_) => Remedy::Restore,
            Self::Tile(_) => Remedy::RebuildTiles,
            Self::Unfinished(_) => Remedy::Open,
            Self::Stray(_) => Remedy::None,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damage(error) | Self::Tile(error) => f.write_str(&chain(error)),
            Self::Unfinished(repair) => write!(f, "at the next start: {repair}"),
            Self::Stray(path) => write!(f, "{} is no part of the log", path.display()),
        }
    }
}

/// The result of a full check.
#[derive(Debug)]
pub struct CheckReport {
    /// The checkpoint, where it could be read and its signature verified.
    pub checkpoint: Option<Checkpoint>,
    /// Entries that were read and found right in themselves.
    pub entries: u64,
    /// All findings, in the order of the log: tail, bundles and tiles, root, stray files.
    pub findings: Vec<Finding>,
}

impl CheckReport {
    /// Whether all that the checkpoint covers is there and right, tiles included.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        !self.findings.iter().any(|it| matches!(it, Finding::Damage(_) | Finding::Tile(_)))
    }
}
