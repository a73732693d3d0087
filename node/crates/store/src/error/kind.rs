//! What a caller does about an error.

use std::io;

use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::log::LogError;

/// What a caller does about an error: its class, for exit codes and HTTP statuses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// What was asked for is not there.
    NotFound,
    /// What was asked for does not go with the session's state; asking again does not help.
    Conflict,
    /// A later hold on the session has begun: whoever has the earlier one stops.
    LeaseLost,
    /// Another process has the data folder.
    InUse,
    /// The process that has it cannot be reached: ask again.
    Unavailable,
    /// The operator must change something: a path, a key, a file's mode.
    Config,
    /// The disk or the operating system failed.
    Io,
    /// The disk is full, or so nearly that the ledger would be in danger.
    DiskFull,
    /// What is stored is not what was written.
    Damaged,
}

impl StoreError {
    /// The error's class.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { source, .. } | Self::Database { source: sled::Error::Io(source), .. } => {
                kind_of_io(source)
            }
            Self::NoFolder { .. } | Self::UnknownSession(_) => ErrorKind::NotFound,
            Self::SessionExists(_)
            | Self::PolicyChanged(_)
            | Self::AnchoredAlready { .. }
            | Self::AnchorOfAnother { .. }
            | Self::SessionFull { .. }
            | Self::State { .. }
            | Self::Chunk { .. }
            | Self::OtherLog(_)
            | Self::Anchor(_)
            | Self::Entry(_) => ErrorKind::Conflict,
            Self::InUse { .. } => ErrorKind::InUse,
            Self::LeaseLost { .. } => ErrorKind::LeaseLost,
            Self::Remote { kind, .. } => *kind,
            Self::Group(error) => error.kind(),
            Self::NotADataFolder { .. }
            | Self::Restoring { .. }
            | Self::OtherFolder { .. }
            | Self::NewKey { .. }
            | Self::VaultElsewhere { .. }
            | Self::Unfinished { .. }
            | Self::AlreadyThere { .. }
            | Self::PartLost { .. }
            | Self::LogLost { .. }
            | Self::NewerFormat { .. }
            | Self::SecretMode { .. }
            | Self::SecretText { .. }
            | Self::OtherKek { .. }
            | Self::KekMissing { .. }
            | Self::WriteOnly => ErrorKind::Config,
            Self::ChunkMissing { .. }
            | Self::KeyFileMissing { .. }
            | Self::KeyFile { .. }
            | Self::Unreadable { .. }
            | Self::NotWhole { .. }
            | Self::Damaged { .. }
            | Self::Database { .. } => ErrorKind::Damaged,
            Self::DiskFull { .. } => ErrorKind::DiskFull,
            Self::Poisoned { .. } => ErrorKind::Io,
            Self::Log(error) => kind_of_log(error),
        }
    }
}

fn kind_of_io(error: &io::Error) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::DiskFull,
        _ => ErrorKind::Io,
    }
}

fn kind_of_log(error: &LogError) -> ErrorKind {
    match error {
        LogError::Io { source, .. } => kind_of_io(source),
        LogError::Poisoned { .. } => ErrorKind::Io,
        LogError::NoLog { .. }
        | LogError::Exists { .. }
        | LogError::NotCreated { .. }
        | LogError::Occupied { .. }
        | LogError::ExportFolder { .. } => ErrorKind::Config,
        LogError::Beyond { .. } | LogError::Proof { .. } => ErrorKind::NotFound,
        LogError::Refused { .. } | LogError::NotOurs => ErrorKind::Conflict,
        _ => ErrorKind::Damaged,
    }
}
