//! Where settings are given: command line, environment, configuration file. Gathers their texts,
//! each with its place, and decides which goes before which.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use lucid_store::given_file;
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

use super::{ConfigError, Origin, Overrides, values::nearest};

/// The variables of a process.
pub(super) type Environment = Vec<(OsString, OsString)>;

/// Every setting's name: the key in the file and, in upper case after [`PREFIX`], the variable. A
/// secret can also be given by the name of a file ([`SECRETS`]).
const NAMES: [&str; 87] = [
    "data",
    "owner",
    "chunk_bytes",
    "zstd_level",
    "suite",
    "workers",
    "age_recipients",
    "write_only",
    "master_key",
    "master_key_file",
    "reserve_bytes",
    "flush_after",
    "log_level",
    "log_format",
    "listen",
    "tls_certificate",
    "tls_key",
    "public_name",
    "admins",
    "trusted_proxies",
    "cors_origins",
    "jwt_secret",
    "jwt_secret_file",
    "service_secret",
    "service_secret_file",
    "requests_per_minute",
    "sign_ins_per_minute",
    "connections_max",
    "connections_per_address_max",
    "open_sessions_max",
    "upload_expires_after",
    "shutdown_grace_ms",
    "public_log",
    "chain",
    "chain_id",
    "block_ms",
    "governance_nodes",
    "governance_voting_delay",
    "governance_voting_period",
    "governance_vote_extension",
    "governance_quorum",
    "governance_delay",
    "witnesses",
    "witness_quorum",
    "witness_interval_ms",
    "witnessed_logs",
    "proxy",
    "proxy_file",
    "proxy_only",
    "tor_control",
    "tor_cookie_file",
    "tor_password",
    "tor_password_file",
    "onion",
    "onion_target",
    "onion_only",
    "onion_check_interval_ms",
    "anchoring",
    "tron_network",
    "tron_rpc_url",
    "tron_api_key",
    "tron_api_key_file",
    "tron_private_key",
    "tron_private_key_file",
    "tron_contract",
    "anchor_fee_per_day_max",
    "mongo_url",
    "mongo_url_file",
    "mongo_database",
    "board_light",
    "board_button_pin",
    "board_fan_pin",
    "board_fan_on_at",
    "board_watchdog",
    "board_poweroff_file",
    "api_server_url",
    "authentication_url",
    "session_chunker_url",
    "session_encryptor_url",
    "merkle_builder_url",
    "session_orchestrator_url",
    "blockchain_ledger_url",
    "blockchain_vm_url",
    "blockchain_api_url",
    "blockchain_sessions_data_url",
    "blockchain_governance_url",
    "tor_proxy_url",
];
/// Secrets: each with the setting that names a file it is in. A proxy is one where it has a password.
pub(super) const SECRETS: [(&str, &str); 8] = [
    ("master_key", "master_key_file"),
    ("jwt_secret", "jwt_secret_file"),
    ("service_secret", "service_secret_file"),
    ("tron_api_key", "tron_api_key_file"),
    ("tron_private_key", "tron_private_key_file"),
    ("mongo_url", "mongo_url_file"),
    ("proxy", "proxy_file"),
    ("tor_password", "tor_password_file"),
];
/// Settings that are lists of texts.
const LISTS: [&str; 7] = [
    "age_recipients",
    "admins",
    "trusted_proxies",
    "cors_origins",
    "governance_nodes",
    "witnesses",
    "witnessed_logs",
];
/// Settings that are true or false.
const FLAGS: [&str; 7] =
    ["write_only", "public_log", "chain", "proxy_only", "onion", "onion_only", "anchoring"];

const PREFIX: &str = "LUCID_";
/// The variable that names the configuration file. Not a setting: a file cannot name itself.
const CONFIG_VARIABLE: &str = "LUCID_CONFIG";
/// Variables with these prefixes are the tests'.
const FOREIGN_PREFIXES: [&str; 2] = ["LUCID_TEST_", "LUCID_ETHEREUM_TESTS"];
/// Names that operators of the stack before this node have in their environment. Of two for one setting the
/// later in the alphabet counts.
const OLDER_NAMES: [(&str, &str); 13] = [
    ("BLOCKCHAIN_NETWORK", "tron_network"),
    ("BLOCKCHAIN_RPC_URL", "tron_rpc_url"),
    ("ENABLE_BLOCKCHAIN_ANCHORING", "anchoring"),
    ("MONGO_URL", "mongo_url"),
    ("MONGO_URL_FILE", "mongo_url_file"),
    ("TRON_NETWORK", "tron_network"),
    ("TRON_RPC_URL", "tron_rpc_url"),
    ("TRON_PRIVATE_KEY", "tron_private_key"),
    ("TRON_PRIVATE_KEY_FILE", "tron_private_key_file"),
    ("MASTER_ENCRYPTION_KEY", "master_key"),
    ("MASTER_ENCRYPTION_KEY_FILE", "master_key_file"),
    ("JWT_SECRET_KEY", "jwt_secret"),
    ("JWT_SECRET_KEY_FILE", "jwt_secret_file"),
];
/// No configuration is longer; a device or a recording named by mistake is.
const FILE_BYTES_MAX: usize = 1 << 20;

/// A setting's text and where it came from.
pub(super) struct Given {
    pub(super) text: Zeroizing<String>,
    pub(super) origin: Origin,
    /// The flag, variable, or line of a file.
    pub(super) source: String,
}

type Layer = BTreeMap<&'static str, Given>;

/// All that was given.
pub(super) struct Sources {
    /// The configuration file in use and who named it.
    pub(super) file: Option<Given>,
    /// For each setting that was given, the text in force.
    pub(super) given: Layer,
    pub(super) errors: Vec<ConfigError>,
}

impl Sources {
    /// Gathers everything. `system_file` is read where no file is named and it is there.
    pub(super) fn read(
        overrides: &Overrides,
        mut environment: Environment,
        system_file: &Path,
    ) -> Self {
        environment.sort();
        let mut sources = Self { file: None, given: Layer::new(), errors: Vec::new() };
        let mut named = overrides.config.clone().map(|path| flag("--config", path));
        sources.add(command_line(overrides));
        let (ours, older, config) = sources.environment(environment);
        sources.add(ours);
        sources.add(older);
        named = named.or(config);
        let unnamed = || {
            let (text, source) = (system_file.display().to_string(), "the default".to_owned());
            Given { text: Zeroizing::new(text), origin: Origin::Default, source }
        };
        sources.file = named.or_else(|| system_file.exists().then(unnamed));
        if let Some(file) = &sources.file {
            let path = PathBuf::from(file.text.as_str());
            match read_file(&path, &file.source, &mut sources.errors) {
                Ok(layer) => sources.add(layer),
                Err(error) => sources.errors.push(error),
            }
        }
        sources
    }

    /// Puts a layer below those that are there: a setting, or the other name of a secret, that is
    /// there already hides the layer's.
    fn add(&mut self, layer: Layer) {
        for (secret, in_file) in SECRETS {
            if let (Some(text), Some(file)) = (layer.get(secret), layer.get(in_file)) {
                let (first, second) = (text.source.clone(), file.source.clone());
                self.errors.push(ConfigError::Both { first, second });
            }
        }
        let there = |name: &str| self.given.contains_key(name);
        let hidden: Vec<&str> = SECRETS
            .into_iter()
            .filter(|(secret, in_file)| there(secret) || there(in_file))
            .flat_map(|(secret, in_file)| [secret, in_file])
            .collect();
        for (name, given) in layer {
            if !hidden.contains(&name) {
                self.given.entry(name).or_insert(given);
            }
        }
    }

    /// Our variables, those of the stack before, and the one that names the file.
    fn environment(&mut self, environment: Environment) -> (Layer, Layer, Option<Given>) {
        let (mut ours, mut older, mut config) = (Layer::new(), Layer::new(), None);
        for (name, value) in environment {
            let name = name.to_string_lossy().into_owned();
            let foreign = FOREIGN_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
            let known_older = OLDER_NAMES.iter().find(|(variable, _)| *variable == name);
            let ours_here = name.starts_with(PREFIX) && !foreign;
            if !ours_here && known_older.is_none() {
                continue;
            }
            let setting = NAMES.into_iter().find(|setting| variable(setting) == name);
            if ours_here && setting.is_none() && name != CONFIG_VARIABLE {
                let known = NAMES.into_iter().map(variable).chain([CONFIG_VARIABLE.to_owned()]);
                let nearest = nearest(&name, known);
                self.errors.push(ConfigError::UnknownVariable { name, nearest });
                continue;
            }
            let Ok(text) = value.into_string() else {
                self.errors.push(ConfigError::NotText { name });
                continue;
            };
            let text = Zeroizing::new(text);
            let given = Given { text, origin: Origin::Environment, source: name };
            match (known_older, setting) {
                (Some((_, setting)), _) => drop(older.insert(setting, given)),
                (None, Some(setting)) => drop(ours.insert(setting, given)),
                (None, None) => config = Some(given),
            }
        }
        (ours, older, config)
    }
}

fn variable(setting: &'static str) -> String {
    format!("{PREFIX}{}", setting.to_ascii_uppercase())
}

fn flag(name: &str, text: String) -> Given {
    let text = Zeroizing::new(text);
    Given { text, origin: Origin::CommandLine, source: name.to_owned() }
}

fn command_line(overrides: &Overrides) -> Layer {
    let recipients = &overrides.age_recipients;
    let recipients = (!recipients.is_empty()).then(|| recipients.join(","));
    let write_only = overrides.write_only.map(|on| on.to_string());
    let texts = [
        ("data", &overrides.data),
        ("owner", &overrides.owner),
        ("chunk_bytes", &overrides.chunk_bytes),
        ("zstd_level", &overrides.zstd_level),
        ("suite", &overrides.suite),
        ("workers", &overrides.workers),
        ("age_recipients", &recipients),
        ("write_only", &write_only),
        ("master_key_file", &overrides.master_key_file),
        ("reserve_bytes", &overrides.reserve_bytes),
        ("flush_after", &overrides.flush_after),
        ("log_level", &overrides.log_level),
        ("listen", &overrides.listen),
    ];
    let given = texts.into_iter().filter_map(|(name, text)| {
        let option = match name {
            "age_recipients" => "--age-recipient".to_owned(),
            name => format!("--{}", name.replace('_', "-")),
        };
        Some((name, flag(&option, text.clone()?)))
    });
    given.collect()
}

/// Reads the configuration file. What is wrong with single keys goes to `errors`.
fn read_file(path: &Path, from: &str, errors: &mut Vec<ConfigError>) -> Result<Layer, ConfigError> {
    let (text, mode) = read_text(path).map_err(|error| {
        let from = from.to_owned();
        ConfigError::Unreadable { path: path.to_owned(), from, error }
    })?;
    let line_at = |offset: usize| text[..offset].matches('\n').count() + 1;
    let table = DeTable::parse(&text).map_err(|error| {
        // The error's own text repeats the line, which may hold the key.
        let line = line_at(error.span().map_or(0, |span| span.start.min(text.len())));
        ConfigError::Syntax { path: path.to_owned(), line, why: error.message().to_owned() }
    })?;
    let mut layer = Layer::new();
    for (key, value) in table.get_ref() {
        let line = line_at(key.span().start);
        let Some(name) = NAMES.into_iter().find(|name| *name == key.get_ref().as_ref()) else {
            let nearest = nearest(key.get_ref(), NAMES.into_iter());
            let (path, key) = (path.to_owned(), key.get_ref().to_string());
            errors.push(ConfigError::UnknownKey { path, line, key, nearest });
            continue;
        };
        let is_open = name == "proxy" && !value.get_ref().as_str().is_some_and(has_password);
        if is_secret(name) && !is_open && mode & 0o004 != 0 {
            errors.push(ConfigError::Exposed { path: path.to_owned(), key: name, mode });
        }
        let source = format!("{}, line {line}", path.display());
        match text_of(name, value.get_ref()) {
            Ok(text) => drop(layer.insert(name, Given { text, origin: Origin::File, source })),
            Err(why) => errors.push(ConfigError::Value { setting: name, place: source, why }),
        }
    }
    Ok(layer)
}

fn read_text(path: &Path) -> io::Result<(Zeroizing<String>, u32)> {
    let (text, metadata) = given_file::read_text(path, FILE_BYTES_MAX + 1)?;
    if text.len() > FILE_BYTES_MAX {
        return Err(io::Error::other("it is longer than 1 MiB"));
    }
    Ok((text, metadata.permissions().mode() & 0o777))
}

/// A TOML value as the text it would be on the command line. Errors do not repeat it: it may be a
/// secret without its quotes.
fn text_of(name: &str, value: &DeValue<'_>) -> Result<Zeroizing<String>, String> {
    let list = LISTS.contains(&name);
    let text = match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) if !is_secret(name) && number.radix() == 10 => {
            number.as_str().to_owned()
        }
        DeValue::Boolean(on) if FLAGS.contains(&name) => on.to_string(),
        DeValue::Array(items) if list => {
            let items = items.iter().map(|item| item.get_ref().as_str());
            let items: Option<Vec<_>> = items.collect();
            items.ok_or_else(|| list_form(name))?.join(",")
        }
        _ if list => return Err(list_form(name)),
        _ if FLAGS.contains(&name) => return Err("is true or false".to_owned()),
        _ => return Err("is a whole number, or a text in quotes".to_owned()),
    };
    Ok(Zeroizing::new(text))
}

/// Whether an address has more in it than where.
pub(super) fn has_password(address: &str) -> bool {
    address.contains('@')
}

fn is_secret(name: &str) -> bool {
    SECRETS.iter().any(|(secret, _)| *secret == name)
}

fn list_form(name: &str) -> String {
    let example = match name {
        "age_recipients" => "age1…",
        "admins" => "T…",
        "trusted_proxies" => "127.0.0.1/32",
        "governance_nodes" => "0x… 0123…cdef",
        "witnesses" => "witness.example/w1+…+… https://witness.example",
        "witnessed_logs" => "lucid/0123456789abcdef+…+…",
        _ => "https://console.example",
    };
    format!("is a list of texts: [\"{example}\"]")
}
