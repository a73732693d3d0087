//! What is wrong with a configuration.

use std::{io, path::PathBuf};

/// Why a configuration is refused. Each names the setting, where it was given, and what is allowed;
/// none repeats a secret.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A value that the setting cannot take.
    #[error("the setting {setting} ({place}) {why}")]
    Value {
        /// The setting.
        setting: &'static str,
        /// The flag, variable, or line of a file.
        place: String,
        /// What is wrong with it and what is allowed, as the rest of a sentence.
        why: String,
    },
    /// A key that no setting has.
    #[error("{path}, line {line}: there is no setting {key:?}; the nearest is {nearest}")]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// Its line.
        line: usize,
        /// The key.
        key: String,
        /// The known key that is nearest to it.
        nearest: &'static str,
    },
    /// A variable that no setting has.
    #[error(
        "the environment variable {name} is none of lucid-node's, whose names begin with LUCID_; \
         the nearest is {nearest}"
    )]
    UnknownVariable {
        /// The variable.
        name: String,
        /// The known variable that is nearest to it.
        nearest: String,
    },
    /// A variable whose value is no text.
    #[error("the environment variable {name} is not UTF-8 text")]
    NotText {
        /// The variable.
        name: String,
    },
    /// One value, given in two ways.
    #[error("{first} and {second} give the same setting: leave one of them out")]
    Both {
        /// One way.
        first: String,
        /// The other.
        second: String,
    },
    /// A master key for a node that is to have none.
    #[error("write_only asks for a node without a master key, and {place} gives one: choose")]
    WriteOnlyWithKey {
        /// Where the key was given.
        place: String,
    },
    /// The file cannot be read.
    #[error("the configuration file {path} ({from}) cannot be read: {error}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Who named it.
        from: String,
        /// The operating system's reason.
        error: io::Error,
    },
    /// The file is no TOML.
    #[error("{path}, line {line}: this is no TOML: {why}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Its line.
        line: usize,
        /// What the parser says.
        why: String,
    },
    /// The file holds a secret, and others can read it.
    #[error(
        "{path} holds {key} and can be read by everybody (mode {mode:03o}); make it private with: \
         chmod o-rwx {path}"
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// The secret's key.
        key: &'static str,
        /// The file's permission bits.
        mode: u32,
    },
}
