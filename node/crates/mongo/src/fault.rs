//! What goes wrong, by kind: whether it passes by itself, and what to do where it does not.

use std::fmt;

use mongodb::error::{Error, ErrorKind, WriteFailure};

use crate::PortError;

/// Longest text kept of what a server said, in bytes.
const TEXT_BYTES_MAX: usize = 512;

/// The system's words for a disk or a quota that is full. mongod passes errors of its storage on with these words under
/// one code for all of them (8, UnknownError).
const NO_ROOM: [&str; 2] = ["No space left on device", "Disk quota exceeded"];

/// Whether it is worth trying again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Retry {
    /// It passes by itself: soon again, then seldom.
    Temporary,
    /// Somebody has to do something: again, but seldom.
    Permanent,
    /// It is not known: as if it were temporary.
    Unknown,
}

/// What kind of thing went wrong.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum FaultKind {
    /// No server answers.
    Unreachable,
    /// The primary moved, a time ran out, a majority was missing: nothing is lost by it.
    Interrupted,
    /// User name or password are wrong.
    Password,
    /// The user may not do this.
    Unauthorised,
    /// The collection's validator refused a document.
    Refused,
    /// A document is larger than the database takes.
    TooLarge,
    /// Disk or quota of the database are full.
    Full,
    /// Another node's document, or something that is none of ours, is under one of our ids.
    Foreign,
    /// The database knows a later or another state of this very log, signed by this node's key.
    Forked,
    /// The node's own side failed: log, manifests, cursors.
    Node,
    /// What the log has is not what it should be.
    Damaged,
    /// The address or its options are no good.
    Address,
    /// Anything else the server said.
    Server,
}

impl FaultKind {
    /// All kinds, in the order in which they are counted.
    pub const ALL: [Self; 13] = [
        Self::Unreachable,
        Self::Interrupted,
        Self::Password,
        Self::Unauthorised,
        Self::Refused,
        Self::TooLarge,
        Self::Full,
        Self::Foreign,
        Self::Forked,
        Self::Node,
        Self::Damaged,
        Self::Address,
        Self::Server,
    ];

    /// Its name, for a metric's label.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Interrupted => "interrupted",
            Self::Password => "password",
            Self::Unauthorised => "unauthorised",
            Self::Refused => "refused",
            Self::TooLarge => "too_large",
            Self::Full => "full",
            Self::Foreign => "foreign",
            Self::Forked => "forked",
            Self::Node => "node",
            Self::Damaged => "damaged",
            Self::Address => "address",
            Self::Server => "server",
        }
    }

    /// Whether it is worth trying again.
    #[must_use]
    pub fn retry(self) -> Retry {
        match self {
            Self::Unreachable | Self::Interrupted | Self::Node => Retry::Temporary,
            Self::Server => Retry::Unknown,
            Self::Password
            | Self::Unauthorised
            | Self::Refused
            | Self::TooLarge
            | Self::Full
            | Self::Foreign
            | Self::Forked
            | Self::Damaged
            | Self::Address => Retry::Permanent,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn way_out(self) -> &'static str {
        match self {
            // A mongod that finds its disk full ends, and tells nobody but its own log.
            Self::Unreachable => {
                "see that mongod runs, that its disk has room, and that it can be reached from here"
            }
            Self::Interrupted => "if it stays so, look at the replica set's health",
            Self::Password => {
                "set the right user and password in the file that mongo_url_file names"
            }
            Self::Unauthorised => "grant the user the role readWrite on the database",
            Self::Refused => "look at the collection's validator: another version may have set it",
            Self::TooLarge => {
                "look at what limits documents there; the node's own are below 128 KiB"
            }
            Self::Full => "make room in the database, or raise its quota",
            Self::Foreign => "find out who wrote it; it is not touched from here",
            Self::Forked => {
                "stop the node before it signs more: docs/backup.md, \"What was lost since\"; the database has the later log \
                 (lucid-node sync read-back)"
            }
            Self::Node => "see the node's own log",
            Self::Damaged => "check the log with: lucid-node ledger check",
            Self::Address => "correct the address in the file that mongo_url_file names",
            Self::Server => "see mongod's log",
        }
    }

    /// The kind of an error that a server answered with this code.
    fn of_code(code: i32) -> Self {
        match code {
            // HostUnreachable, HostNotFound.
            6 | 7 => Self::Unreachable,
            // UserNotFound, AuthenticationFailed.
            11 | 18 => Self::Password,
            13 => Self::Unauthorised,
            121 => Self::Refused,
            // BSONObjectTooLarge; 17419 and 17420 are its older numbers in updates.
            10334 | 17419 | 17420 => Self::TooLarge,
            // OutOfDiskSpace; AtlasError, which a full quota is answered with.
            14031 | 8000 => Self::Full,
            11000 | 11001 | 12582 => Self::Foreign,
            // NetworkTimeout, MaxTimeMSExpired, WriteConflict, LockTimeout, WriteConcernFailed,
            // UnsatisfiableWriteConcern, PrimarySteppedDown, ExceededTimeLimit, ConnectionPoolExpired, socket errors,
            // not primary, shutting down and interrupted by a change of state, stale shard versions.
            24 | 50 | 64 | 89 | 91 | 100 | 112 | 189 | 202 | 262 | 317 | 9001 | 10058 | 10107
            | 11600 | 11602 | 13388 | 13435 | 13436 | 133 | 150 | 63 => Self::Interrupted,
            _ => Self::Server,
        }
    }
}

/// Something went wrong. Its text has no credentials.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct Fault {
    /// What kind of thing.
    pub kind: FaultKind,
    /// What happened, in words.
    pub text: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.text, self.kind.way_out())
    }
}

impl Fault {
    pub(crate) fn new(kind: FaultKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// The same without what `scrub` takes away, and then no longer than a text may be. In this order: a password that is
    /// cut in its middle is not found any more.
    pub(crate) fn scrubbed(self, scrub: impl Fn(&str) -> String) -> Self {
        Self { text: shortened(scrub(&self.text)), ..self }
    }

    /// An error that a server told by code and text, in answer to `what`; to be [`scrubbed`](Self::scrubbed).
    pub(crate) fn told(code: i32, message: &str, what: &str) -> Self {
        let kind = match FaultKind::of_code(code) {
            FaultKind::Server if NO_ROOM.iter().any(|words| message.contains(words)) => {
                FaultKind::Full
            }
            kind => kind,
        };
        Self::new(kind, format!("{what}: MongoDB says {code}: {message}"))
    }

    /// What the driver says happened at `what`; to be [`scrubbed`](Self::scrubbed).
    pub(crate) fn of_driver(error: &Error, what: &str) -> Self {
        let text = |error: &dyn fmt::Display| format!("{what}: {error}");
        match &*error.kind {
            ErrorKind::Command(e) => Self::told(e.code, &e.message, what),
            ErrorKind::Write(WriteFailure::WriteError(e)) => Self::told(e.code, &e.message, what),
            ErrorKind::Write(WriteFailure::WriteConcernError(e)) => {
                Self::told(e.code, &e.message, what)
            }
            ErrorKind::Authentication { message, .. } => {
                Self::new(FaultKind::Password, text(message))
            }
            ErrorKind::Io(e) => Self::new(FaultKind::Unreachable, text(e)),
            ErrorKind::ServerSelection { message, .. } | ErrorKind::DnsResolve { message, .. } => {
                Self::new(FaultKind::Unreachable, text(message))
            }
            ErrorKind::ConnectionPoolCleared { message, .. } => {
                Self::new(FaultKind::Interrupted, text(message))
            }
            ErrorKind::InvalidArgument { message, .. }
            | ErrorKind::InvalidTlsConfig { message, .. } => {
                Self::new(FaultKind::Address, text(message))
            }
            other => Self::new(FaultKind::Server, text(other)),
        }
    }
}

impl From<PortError> for Fault {
    fn from(error: PortError) -> Self {
        Self::new(FaultKind::Node, error.0)
    }
}

/// The text, or its beginning.
fn shortened(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        let end = (0..=TEXT_BYTES_MAX).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or(0));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_kinds() {
        for (code, kind, retry) in [
            (18, FaultKind::Password, Retry::Permanent),
            (13, FaultKind::Unauthorised, Retry::Permanent),
            (121, FaultKind::Refused, Retry::Permanent),
            (14031, FaultKind::Full, Retry::Permanent),
            (11000, FaultKind::Foreign, Retry::Permanent),
            (10334, FaultKind::TooLarge, Retry::Permanent),
            (189, FaultKind::Interrupted, Retry::Temporary),
            (91, FaultKind::Interrupted, Retry::Temporary),
            (64, FaultKind::Interrupted, Retry::Temporary),
            (59, FaultKind::Server, Retry::Unknown),
        ] {
            let fault = Fault::told(code, "words", "a write");
            assert_eq!((fault.kind, fault.kind.retry()), (kind, retry), "{code}");
            assert!(fault.to_string().contains(kind.way_out()), "{fault}");
        }
        for (place, kind) in FaultKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place, "{}", kind.name());
        }
    }

    #[test]
    fn no_room_is_known_by_the_systems_words() {
        for (code, message, kind) in [
            (8, "28: No space left on device", FaultKind::Full),
            (8, "Index build failed :: caused by :: 28: No space left on device", FaultKind::Full),
            (8, "122: Disk quota exceeded", FaultKind::Full),
            (8, "5: Input/output error", FaultKind::Server),
            // Where the code says more than the words, it counts.
            (11000, "dup key: { _id: \"No space left on device\" }", FaultKind::Foreign),
        ] {
            assert_eq!(Fault::told(code, message, "a write").kind, kind, "{message}");
        }
    }

    #[test]
    fn texts_are_short_and_whole() {
        let said = |text: &str| {
            let fault = Fault::new(FaultKind::Server, text);
            fault.scrubbed(|text| text.replace("hush", "***")).text
        };
        assert_eq!(said(&"ä".repeat(400)).len(), 512 + '…'.len_utf8());
        assert_eq!(said("x hush"), "x ***");
        // One that lies across the end is none that is left in half.
        assert!(!said(&format!("{}hush and more", "x".repeat(510))).contains('h'));
    }
}
