//! The one error of this crate.

use std::io;
use std::path::PathBuf;

use crate::recorder::ExitStatus;

/// Why a recording could not be made or read; each message says what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The command line was empty.
    #[error("no command to record: give one after `--`, or set SHELL")]
    NoCommand,
    /// No program of that name.
    #[error("command not found: `{command}`; check its spelling and PATH, or give its full path")]
    CommandNotFound {
        /// The name as it was given.
        command: String,
    },
    /// There is a file, and it cannot be run.
    #[error("`{}` cannot be run: {reason}", path.display())]
    NotExecutable {
        /// The file that was found.
        path: PathBuf,
        /// What is wrong with it, and what helps.
        reason: String,
    },
    /// The system gave no pseudo-terminal.
    #[error("cannot set up a pseudo-terminal: {source}; check that /dev/ptmx and /dev/pts exist")]
    Pty {
        /// The cause.
        source: io::Error,
    },
    /// The command could not be started.
    #[error("cannot start `{command}`: {source}")]
    Spawn {
        /// The name as it was given.
        command: String,
        /// The cause.
        source: io::Error,
    },
    /// The user's terminal would not be read, or not take raw mode.
    #[error("cannot {action} the terminal: {source}; without a terminal, redirect stdin")]
    Terminal {
        /// What was tried, as a verb.
        action: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// Signal handlers or the thread could not be set up.
    #[error("cannot prepare the recording: {source}")]
    Setup {
        /// The cause.
        source: io::Error,
    },
    /// The pseudo-terminal or the command's status could not be read.
    #[error("lost the command's terminal: {source}; what was recorded until then is complete")]
    Relay {
        /// The cause.
        source: io::Error,
    },
    /// Whoever takes the recording failed; the command was hung up.
    #[error(
        "the recording could not be written: {source}; the command was hung up ({status}), and the \
         recording ends where the writing failed"
    )]
    Sink {
        /// What the sink answered.
        source: io::Error,
        /// How the command ended after it was hung up.
        status: ExitStatus,
    },
    /// A stream that is not asciicast v3.
    #[error("line {line} is not asciicast v3: {problem}")]
    Cast {
        /// Line number, from 1.
        line: u64,
        /// What is wrong there.
        problem: String,
    },
    /// A stream that could not be read.
    #[error("cannot read line {line} of the recording: {source}")]
    CastRead {
        /// Line number, from 1.
        line: u64,
        /// The cause.
        source: io::Error,
    },
}
