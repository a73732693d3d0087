//! Loading the configuration: what was given where, which of it is in force, and what is wrong.
//!
//! This module owns the settings' names, defaults and bounds. Where they are read from is in
//! [`sources`], what their texts mean in [`values`]. All of it happens before anything is opened
//! or written.
//!
//! Invariants: every setting goes through [`Loader::take`], so that `config show` misses none; no
//! error repeats the text of a secret, nor that of a TOML line, which may hold one.

mod board;
mod error;
mod governance;
mod outside;
mod services;
mod sources;
#[cfg(test)]
mod tests;
mod tor;
mod values;

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use clap::{Args, ValueHint};
use lucid_core::{
    Policy,
    chunk::{CHUNK_BYTES_DEFAULT, CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, Suite},
};
use serde::Serialize;

pub use self::error::ConfigError;
use self::sources::{Given, Sources};
use super::{Config, SecretText};

/// The configuration file of an installed node, read where none is named.
const SYSTEM_FILE: &str = "/etc/lucid/lucid.toml";
/// The data folder of an installed node.
const SYSTEM_DATA: &str = "/var/lib/lucid";
/// The data folder of a node that is tried out.
const LOCAL_DATA: &str = "lucid-data";
/// What is shown in a secret's place.
const MASK: &str = "********";
/// More threads than this wait for the disk and for each other on every machine we know of, and
/// each holds two chunks.
const WORKERS_MAX: usize = 64;
/// Shorter pauses would make a chunk file of every few keystrokes.
const FLUSH_AFTER_MIN: Duration = Duration::from_millis(10);
/// What a source gave is not kept from the disk for longer.
const FLUSH_AFTER_MAX: Duration = Duration::from_hours(1);
const FLUSH_AFTER_DEFAULT: Duration = Duration::from_secs(10);

const HEADING: &str = "Configuration";

/// What the command line says about the configuration. No secret is among it: every process of the
/// machine can read another's arguments.
#[derive(Args, Clone, Debug, Default)]
pub struct Overrides {
    /// The data folder [default: ./lucid-data]
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    #[arg(help_heading = HEADING)]
    pub data: Option<String>,
    /// The configuration file [default: /etc/lucid/lucid.toml where it is there]
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    #[arg(help_heading = HEADING)]
    pub config: Option<String>,
    /// Whose new sessions are; with `list`, whose sessions are listed [default: local]
    #[arg(long, global = true, value_name = "NAME", help_heading = HEADING)]
    pub owner: Option<String>,
    /// Plaintext bytes of a chunk, such as 64KiB to 16MiB [default: 8MiB]
    #[arg(long, global = true, value_name = "SIZE", help_heading = HEADING)]
    pub chunk_bytes: Option<String>,
    /// Compression level, 1 to 9 [default: 3]
    #[arg(long, global = true, value_name = "N", help_heading = HEADING)]
    pub zstd_level: Option<String>,
    /// Cipher of new sessions [default: auto, the best of this machine]
    #[arg(long, global = true, value_name = "NAME", help_heading = HEADING)]
    #[arg(value_parser = values::SUITES)]
    pub suite: Option<String>,
    /// Worker threads, 1 to 64 [default: the processors there are]
    #[arg(long, global = true, value_name = "N", help_heading = HEADING)]
    pub workers: Option<String>,
    /// Let this age recipient read new sessions; can be repeated
    #[arg(long = "age-recipient", global = true, value_name = "age1…", help_heading = HEADING)]
    pub age_recipients: Vec<String>,
    /// Make a data folder without a master key: its sessions are for age recipients only
    #[arg(long, global = true, value_name = "true|false", help_heading = HEADING)]
    #[arg(num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    #[arg(hide_possible_values = true)]
    pub write_only: Option<bool>,
    /// Take the master key, 64 hex digits, from this file instead of the data folder
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    #[arg(help_heading = HEADING)]
    pub master_key_file: Option<String>,
    /// Disk space kept back for the ledger [default: a hundredth of the disk, 64MiB to 1GiB]
    #[arg(long, global = true, value_name = "SIZE", help_heading = HEADING)]
    pub reserve_bytes: Option<String>,
    /// How long a source may pause before what it gave becomes a chunk, such as 500ms [default: 10s]
    #[arg(long, global = true, value_name = "DURATION", help_heading = HEADING)]
    pub flush_after: Option<String>,
    /// What is logged, such as info or warn,session-chunker=debug [default: warn; info for `run`, `serve`]
    #[arg(long, global = true, value_name = "FILTER", help_heading = HEADING)]
    pub log_level: Option<String>,
    /// Where the node listens, for `run` and `serve` [default: 127.0.0.1:8080]
    #[arg(long, global = true, value_name = "ADDRESS:PORT", help_heading = HEADING)]
    pub listen: Option<String>,
}

/// Where a setting's value came from; later ones go before earlier ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Nobody gave one.
    Default,
    /// The configuration file.
    File,
    /// An environment variable.
    Environment,
    /// The command line.
    CommandLine,
}

/// A setting, as `config show` prints it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Setting {
    /// Its name, as in the configuration file.
    pub name: &'static str,
    /// Its value in the form it can be given in, `********` for a secret; absent where there is
    /// none, or where what was given is refused.
    pub value: Option<String>,
    /// Where the value came from.
    pub origin: Origin,
    /// The flag, variable, or line of a file that gave it.
    pub source: Option<String>,
}

impl Config {
    /// Loads the configuration: command line over environment over file over defaults.
    ///
    /// # Errors
    /// [`ConfigError`], the first where there are several.
    pub fn load(overrides: &Overrides) -> Result<Self, ConfigError> {
        let (config, errors) = Self::examine(overrides);
        match errors.into_iter().next() {
            None => Ok(config),
            Some(error) => Err(error),
        }
    }

    /// Loads the configuration with the default in the place of whatever is refused, and gives all
    /// that is wrong with it. It is for showing, not for working with.
    #[must_use]
    pub fn examine(overrides: &Overrides) -> (Self, Vec<ConfigError>) {
        let environment = std::env::vars_os().collect();
        examine(overrides, environment, Path::new(SYSTEM_FILE))
    }

    /// The name of a suite as it is configured; `None` is `auto`.
    #[must_use]
    pub fn suite_name(suite: Option<Suite>) -> &'static str {
        values::suite_name(suite)
    }

    /// Where the value of the setting `name` came from.
    #[must_use]
    pub fn origin(&self, name: &str) -> Origin {
        let found = self.settings.iter().find(|setting| setting.name == name);
        found.map_or(Origin::Default, |setting| setting.origin)
    }
}

fn examine(
    overrides: &Overrides,
    environment: sources::Environment,
    system_file: &Path,
) -> (Config, Vec<ConfigError>) {
    let Sources { file, given, errors } = Sources::read(overrides, environment, system_file);
    let default_data = match &file {
        Some(file) if Path::new(&*file.text) == system_file => SYSTEM_DATA,
        _ => LOCAL_DATA,
    };
    let mut loader = Loader { given, settings: Vec::new(), secrets: Vec::new(), errors };
    loader.list_file(file);
    let config = loader.config(default_data);
    (config, loader.errors)
}

/// The settings on their way from texts to values.
struct Loader {
    given: std::collections::BTreeMap<&'static str, Given>,
    settings: Vec<Setting>,
    secrets: Vec<(&'static str, SecretText)>,
    errors: Vec<ConfigError>,
}

impl Loader {
    fn config(&mut self, default_data: &str) -> Config {
        let processors = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let workers_max = NonZeroUsize::new(WORKERS_MAX).unwrap_or(NonZeroUsize::MIN);
        let chunk_sizes = u64::from(CHUNK_BYTES_MIN)..=u64::from(CHUNK_BYTES_MAX);
        let data = self.take("data", PathBuf::from(default_data), values::path, show_path);
        let owner = "local".parse().expect("it is five letters");
        let owner = self.take("owner", owner, values::owner, some);
        let chunk_bytes = self.take(
            "chunk_bytes",
            u64::from(CHUNK_BYTES_DEFAULT),
            |text| values::size(text, chunk_sizes.clone()),
            some,
        );
        let levels = |text: &str| values::number(text, 1..=u64::from(Policy::ZSTD_LEVEL_MAX));
        let zstd_level =
            self.take("zstd_level", u64::from(Policy::ZSTD_LEVEL_DEFAULT), levels, some);
        let suite = self.take("suite", None, values::suite, |suite| {
            Some(values::suite_name(*suite).to_owned())
        });
        let workers = self.take("workers", processors.min(workers_max), values::workers, some);
        let age_recipients = self.take("age_recipients", Vec::new(), values::recipients, |list| {
            let list: Vec<_> = list.iter().map(ToString::to_string).collect();
            (!list.is_empty()).then(|| list.join(","))
        });
        let write_only = self.take("write_only", false, values::flag, some);
        let master_key = self.master_key(write_only);
        let reserve_bytes = self.take(
            "reserve_bytes",
            None,
            |text| values::size(text, 0..=u64::MAX).map(Some),
            |bytes| bytes.map(|bytes| bytes.to_string()),
        );
        let flush_after = self.take(
            "flush_after",
            FLUSH_AFTER_DEFAULT,
            |text| values::duration(text, FLUSH_AFTER_MIN..=FLUSH_AFTER_MAX),
            |time| Some(values::duration_text(*time)),
        );
        let log_level = self.take("log_level", "warn".to_owned(), values::log_level, some);
        let services = self.services();
        let outside = self.outside();
        let tor = self.tor();
        let board = self.board();
        Config {
            data,
            owner,
            chunk_bytes: u32::try_from(chunk_bytes).unwrap_or(CHUNK_BYTES_DEFAULT),
            zstd_level: u8::try_from(zstd_level).unwrap_or(Policy::ZSTD_LEVEL_DEFAULT),
            suite,
            workers,
            age_recipients,
            write_only,
            master_key,
            reserve_bytes,
            flush_after,
            log_level,
            services,
            outside,
            tor,
            board,
            secrets: std::mem::take(&mut self.secrets),
            settings: std::mem::take(&mut self.settings),
        }
    }

    /// The value of a setting, or `default` where it was not given or is refused, and its line in
    /// `config show`.
    fn take<T>(
        &mut self,
        name: &'static str,
        default: T,
        parse: impl FnOnce(&str) -> Result<T, String>,
        show: impl FnOnce(&T) -> Option<String>,
    ) -> T {
        let Some(given) = self.given.remove(name) else {
            self.settings.push(Setting {
                name,
                value: show(&default),
                origin: Origin::Default,
                source: None,
            });
            return default;
        };
        let Given { text, origin, source } = given;
        let (value, shown) = match parse(&text) {
            Ok(value) => {
                let shown = show(&value);
                (value, shown)
            }
            Err(why) => {
                let place = source.clone();
                self.errors.push(ConfigError::Value { setting: name, place, why });
                (default, None)
            }
        };
        self.settings.push(Setting { name, value: shown, origin, source: Some(source) });
        value
    }

    /// The master key, given as such or by the name of its file.
    fn master_key(&mut self, write_only: bool) -> Option<lucid_core::keys::Kek> {
        let sources = ["master_key", "master_key_file"].map(|name| self.given.get(name));
        let place = sources.into_iter().flatten().next().map(|given| given.source.clone());
        if let (true, Some(place)) = (write_only, place) {
            self.errors.push(ConfigError::WriteOnlyWithKey { place });
        }
        self.secret(["master_key", "master_key_file"], values::key, values::key_file)
    }

    /// A secret, given as such or by the name of its file.
    fn secret<T>(
        &mut self,
        [name, file_name]: [&'static str; 2],
        parse: impl FnOnce(&str) -> Result<T, String>,
        read: impl FnOnce(&Path) -> Result<T, String>,
    ) -> Option<T> {
        let masked = |key: &Option<_>| key.as_ref().map(|_| MASK.to_owned());
        let given = self.given.get(name).map(|given| SecretText::new(&given.text));
        self.secrets.extend(given.map(|text| (name, text)));
        let key = self.take(name, None, |text| parse(text).map(Some), masked);
        let from_file = self.file(file_name, read);
        key.or(from_file)
    }

    /// What is in the file that a setting names.
    fn file<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Path) -> Result<T, String>,
    ) -> Option<T> {
        let mut found = None;
        self.take(
            name,
            None,
            |text| {
                let path = values::path(text)?;
                found = Some(read(&path)?);
                Ok(Some(path))
            },
            |path| path.as_ref().and_then(show_path),
        );
        found
    }

    /// The line of the configuration file itself.
    fn list_file(&mut self, file: Option<Given>) {
        let (value, origin, source) = match file {
            None => (None, Origin::Default, None),
            Some(Given { text, origin, source }) => {
                let source = (origin != Origin::Default).then_some(source);
                (Some(text.to_string()), origin, source)
            }
        };
        self.settings.push(Setting { name: "config", value, origin, source });
    }
}

/// A time in whole seconds on the command line, as the settings have it: up to a year and a day.
///
/// # Errors
/// What it has to be.
pub fn whole_seconds(text: &str) -> Result<Duration, String> {
    values::seconds(text, Duration::ZERO..=Duration::from_hours(366 * 24))
}

#[expect(clippy::unnecessary_wraps, reason = "the form that `take` calls for")]
fn some<T: ToString>(value: &T) -> Option<String> {
    Some(value.to_string())
}

#[expect(clippy::unnecessary_wraps, clippy::ptr_arg, reason = "the form that `take` calls for")]
fn show_path(path: &PathBuf) -> Option<String> {
    Some(path.display().to_string())
}
