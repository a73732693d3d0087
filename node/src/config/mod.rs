//! Configuration: command line over `LUCID_*` environment over TOML over defaults.

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use lucid_core::{Owner, Parameters, chunk::Suite, keys::Kek};
use lucid_pipeline::wraps::Recipient;

mod board;
mod load;
mod outside;
mod services;
mod tor;

pub use board::BoardConfig;
pub use load::{ConfigError, Origin, Overrides, Setting, whole_seconds};
pub use outside::{OutsideConfig, TronConfig};
pub use services::{LogFormat, SecretText, ServiceConfig, ServiceName, WitnessAddress};
pub use tor::TorConfig;

/// The configuration in force, validated.
#[derive(Clone)]
pub struct Config {
    /// The data folder.
    pub data: PathBuf,
    /// Whose new sessions are.
    pub owner: Owner,
    /// Plaintext bytes of a chunk.
    pub chunk_bytes: u32,
    /// zstd's level.
    pub zstd_level: u8,
    /// The AEAD; `None` for the best of this machine.
    pub suite: Option<Suite>,
    /// Worker threads.
    pub workers: NonZeroUsize,
    /// age recipients of new sessions' keys.
    pub age_recipients: Vec<Recipient>,
    /// Whether a new data folder gets no master key at all.
    pub write_only: bool,
    /// The master key, where it comes from outside the data folder.
    pub master_key: Option<Kek>,
    /// Bytes kept back for the ledger; `None` for the store's default.
    pub reserve_bytes: Option<u64>,
    /// How long a source may pause before what it gave becomes a chunk.
    pub flush_after: Duration,
    /// What is logged, such as `info` or `warn,lucid_store=debug`.
    pub log_level: String,
    /// What concerns the services.
    pub services: ServiceConfig,
    /// What concerns TRON and MongoDB.
    pub outside: OutsideConfig,
    /// What concerns Tor.
    pub tor: TorConfig,
    /// What concerns the board.
    pub board: BoardConfig,
    /// The secrets that are given in settings themselves, to look for where none may be; those in files are there.
    pub secrets: Vec<(&'static str, SecretText)>,
    /// Every setting with its value (secrets masked) and where it came from.
    pub settings: Vec<Setting>,
}

impl Config {
    /// The parameters as they are configured, which count where none are decided on: the chain begins with
    /// them. Those that no setting says are the defaults.
    #[must_use]
    pub fn parameters(&self) -> Parameters {
        Parameters {
            chunk_bytes: self.chunk_bytes,
            open_sessions_max: self.services.open_sessions_max,
            zstd_level: self.zstd_level,
            ..Parameters::default()
        }
    }
}
