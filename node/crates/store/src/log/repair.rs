//! What a crash leaves behind in the log, and what opening it does about that.

use std::path::PathBuf;

use lucid_core::{EntryIndex, counted};

/// What a crash left behind, and what opening the log does about it. None of it was acknowledged
/// and lost.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Repair {
    /// An append was cut short: the tail ends in bytes that are no whole record.
    #[error(
        "cut off: {} of an unfinished append at byte {offset} of {path}",
        counted(*bytes, "byte")
    )]
    TornTail {
        /// The tail's path.
        path: PathBuf,
        /// Where the cut is.
        offset: u64,
        /// Bytes cut off.
        bytes: u64,
    },
    /// Whole records lie beyond the checkpoint: they were never acknowledged, and need not be this
    /// node's. They are dropped.
    #[error(
        "dropped: {} of {} from entry {from} on, which no checkpoint covers",
        counted(*count, "record"),
        counted(*bytes, "byte")
    )]
    Unsigned {
        /// The entry that the first of them would have been.
        from: EntryIndex,
        /// How many.
        count: u64,
        /// Their bytes in the tail.
        bytes: u64,
    },
    /// The tail still holds full bundles: they are written out.
    #[error("moved out of the tail: {} from {from} on", counted(*count, "full bundle"))]
    Unsettled {
        /// The first bundle.
        from: u64,
        /// How many.
        count: u64,
    },
    /// The tail is gone, but held nothing: a new one is made.
    #[error("{path} is missing and held no entry; it is made anew")]
    TailRecreated {
        /// The tail's path.
        path: PathBuf,
    },
    /// One of the checkpoint's copies is damaged, and another is whole: it is written again.
    #[error("a copy of the checkpoint at byte {offset} of {path} is damaged; it is written again")]
    HeadCopy {
        /// The head's path.
        path: PathBuf,
        /// Where the copy begins.
        offset: u64,
    },
    /// A file that was never finished is removed.
    #[error("{path}, which was never finished, is removed")]
    Leftover {
        /// The file.
        path: PathBuf,
    },
}
