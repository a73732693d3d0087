//! How a command ends: the exit codes, and which error leads to which.
//!
//! | code | meaning |
//! | --- | --- |
//! | 0 | done |
//! | 1 | the check failed: not verified, not found |
//! | 64 | usage or configuration (`EX_USAGE` of sysexits.h) |
//! | 70 | internal: a bug (`EX_SOFTWARE`) |
//! | 74 | input or output failed: disk full, folder in use, cannot read, interrupted (`EX_IOERR`) |
//!
//! What records, restores or verifies sessions, or executes blocks again, ends with 74 after SIGINT or SIGTERM, once what it had
//! begun is in order. `record` passes them on and seals what there is. Every other command dies of them
//! at once, as if it knew nothing of signals: there is nothing that the next start does not repair.

use std::process::ExitCode;

use lucid_archive::ArchiveError;
use lucid_auth::ledger::LedgerError;
use lucid_pipeline::{PortError, ingest::IngestError, restore::RestoreError};
use lucid_store::{ErrorKind, StoreError};

/// The class of a failure: its exit code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// 1: not verified, not found.
    Check,
    /// 64: the caller must change something.
    Usage,
    /// 70: a bug.
    Internal,
    /// 74: the disk or the operating system failed.
    Io,
}

impl Class {
    /// The exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Check => 1,
            Self::Usage => 64,
            Self::Internal => 70,
            Self::Io => 74,
        }
    }
}

impl From<Class> for ExitCode {
    fn from(class: Class) -> Self {
        Self::from(class.code())
    }
}

/// A command's failure: its class and what to tell the user.
#[derive(Debug)]
pub struct Failure {
    /// Its class.
    pub class: Class,
    /// What happened, with its causes.
    pub error: anyhow::Error,
}

/// What commands give.
pub type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// A check that failed.
    pub fn check(message: impl Into<String>) -> Self {
        Self { class: Class::Check, error: anyhow::Error::msg(message.into()) }
    }

    /// Something the caller must change.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { class: Class::Usage, error: anyhow::Error::msg(message.into()) }
    }

    /// A failure of the disk or the operating system.
    pub fn io(message: impl Into<String>) -> Self {
        Self { class: Class::Io, error: anyhow::Error::msg(message.into()) }
    }

    /// Puts what was being done before the message.
    #[must_use]
    pub fn context(self, doing: impl Into<String>) -> Self {
        let Self { class, error } = self;
        Self { class, error: error.context(doing.into()) }
    }
}

fn class_of(kind: ErrorKind) -> Class {
    match kind {
        ErrorKind::NotFound | ErrorKind::Damaged => Class::Check,
        ErrorKind::Conflict | ErrorKind::Config => Class::Usage,
        ErrorKind::LeaseLost
        | ErrorKind::Unavailable
        | ErrorKind::InUse
        | ErrorKind::Io
        | ErrorKind::DiskFull => Class::Io,
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self { class: class_of(error.kind()), error: error.into() }
    }
}

/// The class of what came through a port, which only the node knows to be a store's error.
fn class_of_port(error: &PortError) -> Class {
    error.downcast_ref::<StoreError>().map_or(Class::Internal, |error| class_of(error.kind()))
}

impl From<IngestError> for Failure {
    fn from(error: IngestError) -> Self {
        let class = match &error {
            IngestError::Source(_) | IngestError::Random(_) => Class::Io,
            IngestError::TooLong => Class::Usage,
            IngestError::Store(error) => class_of_port(error),
        };
        let error = match error {
            // Transparent, so that the store's own causes are shown.
            IngestError::Store(error) => anyhow::Error::from_boxed(error),
            error => error.into(),
        };
        Self { class, error }
    }
}

impl From<RestoreError> for Failure {
    fn from(error: RestoreError) -> Self {
        let class = match &error {
            RestoreError::Chunk { .. } => Class::Check,
            RestoreError::Output(_) | RestoreError::Cancelled => Class::Io,
        };
        Self { class, error: error.into() }
    }
}

impl From<ArchiveError> for Failure {
    fn from(error: ArchiveError) -> Self {
        let class = match error.kind() {
            lucid_archive::ErrorKind::Check => Class::Check,
            lucid_archive::ErrorKind::Usage => Class::Usage,
            lucid_archive::ErrorKind::Io => Class::Io,
            lucid_archive::ErrorKind::Store(kind) => class_of(kind),
        };
        Self { class, error: error.into() }
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        let class = match &error {
            LedgerError::Refused
            | LedgerError::WrongAddress { .. }
            | LedgerError::WrongSignature { .. } => Class::Check,
            LedgerError::NoDevice
            | LedgerError::SeveralDevices(_)
            | LedgerError::NoPermission { .. }
            | LedgerError::Locked
            | LedgerError::AppNotOpen(_)
            | LedgerError::SettingMissing
            | LedgerError::WrongData(_)
            | LedgerError::MessageTooLong(_) => Class::Usage,
            LedgerError::Unreachable(_)
            | LedgerError::TimedOut(_)
            | LedgerError::Garbled(_)
            | LedgerError::Status(_) => Class::Io,
        };
        Self { class, error: error.into() }
    }
}

macro_rules! classed {
    ($($error:ty => $class:ident),* $(,)?) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self { class: Class::$class, error: error.into() }
            }
        }
    )*};
}

classed!(
    crate::config::ConfigError => Usage,
    getrandom::Error => Io,
    lucid_core::evidence::EvidenceError => Check,
    lucid_core::evidence::EvidenceFinding => Check,
    lucid_core::keys::KeyError => Check,
    lucid_core::merkle::ProofError => Internal,
    lucid_core::note::NoteError => Check,
    lucid_core::policy::PolicyError => Usage,
    lucid_pipeline::wraps::WrapError => Usage,
    std::io::Error => Io,
);

impl From<lucid_store::LogError> for Failure {
    fn from(error: lucid_store::LogError) -> Self {
        StoreError::from(error).into()
    }
}
