//! The settings of what is outside the node: names, defaults and bounds.

use std::sync::Arc;

use lucid_core::tron::{Address, Sun};
use lucid_mongo::{MongoUrl, Options, Socks5};
use lucid_tron::{ApiKey, Endpoint, Key, Network};
use lucid_tunnel::{
    Egress, Purpose,
    socks::{Proxy, Target},
};

use super::{ConfigError, Loader, some, sources, values};
use crate::config::{OutsideConfig, SecretText, TronConfig};

/// About a day of anchors each hour: 24 memos of 1.3 TRX, or many more calls of 0.21.
const FEE_PER_DAY: u64 = 50 * Sun::PER_TRX;
/// A million TRX: what nobody means to spend.
const FEE_PER_DAY_MAX: u64 = 1_000_000 * Sun::PER_TRX;
const DATABASE: &str = "lucid";
/// The name of a network that is none of the known ones.
const CUSTOM: &str = "custom";
/// More than 64 digits, what may stand before them, and white space around them.
const TRON_KEY_BYTES_MAX: usize = 128;
const API_KEY_BYTES_MAX: usize = 256;
/// User name and password, each byte as %XX, and an address.
const PROXY_BYTES_MAX: usize = 2048;
/// A replica set's members and options.
const MONGO_URL_BYTES_MAX: usize = 4096;

impl Loader {
    /// What is outside the node.
    pub(super) fn outside(&mut self) -> OutsideConfig {
        let egress = self.egress();
        let anchoring = self.take("anchoring", true, values::flag, some);
        let tron = self.tron(&egress);
        let per_day = |text: &str| values::number(text, 0..=FEE_PER_DAY_MAX);
        let per_day = self.take("anchor_fee_per_day_max", FEE_PER_DAY, per_day, some);
        let mongo_url = self.secret(["mongo_url", "mongo_url_file"], mongo_url, |path| {
            values::text_file(path, MONGO_URL_BYTES_MAX, mongo_url)
        });
        let mongo_database =
            self.take("mongo_database", DATABASE.to_owned(), database, |name| Some(name.clone()));
        let anchor_fee_per_day_max = Sun::new(per_day);
        let mongo = mongo_url.and_then(|url| self.mongo(url, &mongo_database, &egress));
        OutsideConfig { anchoring, tron, anchor_fee_per_day_max, mongo, egress }
    }

    /// The way out.
    fn egress(&mut self) -> Egress {
        let shown = |proxy: &Option<Proxy>| proxy.as_ref().map(ToString::to_string);
        // What has a password in it is a secret, and what has none is no text that should be nowhere.
        let given = self.given.get("proxy").filter(|given| sources::has_password(&given.text));
        let given = given.map(|given| SecretText::new(&given.text));
        self.secrets.extend(given.map(|text| ("proxy", text)));
        let given = self.take("proxy", None, |text| proxy(text).map(Some), shown);
        let from_file =
            self.file("proxy_file", |path| values::text_file(path, PROXY_BYTES_MAX, proxy));
        let proxy = given.or(from_file);
        let place = self.given.get("proxy_only").map(|given| given.source.clone());
        let only = self.take("proxy_only", false, values::flag, some);
        if let (true, None, Some(place)) = (only, &proxy, place) {
            let why =
                "is true, and there is no proxy: without one nothing could be reached".to_owned();
            self.errors.push(ConfigError::Value { setting: "proxy_only", place, why });
        }
        // Circuits are of one start: nobody sees that two were this node's.
        let mut salt = [0; 8];
        if let (Some(_), Err(error)) = (&proxy, getrandom::fill(&mut salt)) {
            let (setting, place) = ("proxy", "the operating system".to_owned());
            let why = format!("cannot be used without random numbers: {error}");
            self.errors.push(ConfigError::Value { setting, place, why });
        }
        Egress::new(proxy, only, u64::from_be_bytes(salt))
    }

    /// The database; one that is not reached as the proxy has it is refused.
    fn mongo(&mut self, url: MongoUrl, database: &str, egress: &Egress) -> Option<Options> {
        let mut refuse = |why: String| {
            let (setting, place) = ("mongo_url", "together with proxy".to_owned());
            self.errors.push(ConfigError::Value { setting, place, why });
        };
        if url.is_srv() && !egress.may_resolve() {
            refuse(
                "begins with mongodb+srv://, a question to a name server, and with a proxy no name is looked up \
                 here: name the servers, mongodb://…"
                    .to_owned(),
            );
            return None;
        }
        // What is no host, a socket file, is on this machine.
        let targets = url.servers().filter_map(|(host, port)| Target::new(host, port).ok());
        let ways: Result<Vec<_>, _> =
            targets.map(|target| egress.parts(Purpose::Mongo, &target)).collect();
        let parts = match ways {
            Ok(ways) => ways.into_iter().flatten().next(),
            Err(error) => {
                refuse(error.to_string());
                return None;
            }
        };
        let mut options = Options::new(url, database).ok()?;
        options.proxy = parts.map(|parts| Socks5 {
            host: parts.host,
            port: parts.port,
            credentials: (parts.user, parts.password),
        });
        Some(options)
    }

    /// The network; a custom one has to have an address.
    fn tron(&mut self, egress: &Egress) -> Option<TronConfig> {
        let place = self.given.get("tron_network").map(|given| given.source.clone());
        let name = self.take("tron_network", None, network, Clone::clone);
        let endpoint = self.take("tron_rpc_url", None, endpoint, |endpoint: &Option<Endpoint>| {
            // The origin alone: providers put keys into paths.
            endpoint.as_ref().map(ToString::to_string)
        });
        let api_key = self.secret(["tron_api_key", "tron_api_key_file"], api_key, |path| {
            values::text_file(path, API_KEY_BYTES_MAX, api_key)
        });
        let key = self.secret(["tron_private_key", "tron_private_key_file"], key, |path| {
            values::text_file(path, TRON_KEY_BYTES_MAX, key)
        });
        let contract = self.take("tron_contract", None, contract, |contract| {
            contract.map(|contract: Address| contract.to_string())
        });
        let network = match (name.as_deref().and_then(Network::named), endpoint) {
            (Some(network), None) => network,
            (Some(network), Some(endpoint)) => network.at(endpoint),
            (None, Some(endpoint)) => Network::custom(endpoint),
            (None, None) => {
                if let (Some(_), Some(place)) = (name, place) {
                    let why = "is custom: tron_rpc_url says where that is".to_owned();
                    self.errors.push(ConfigError::Value { setting: "tron_network", place, why });
                }
                return None;
            }
        };
        let (host, port) = network.endpoint.host_port();
        let proxy = Target::new(host, port).and_then(|target| egress.url(Purpose::Tron, &target));
        let proxy = match proxy {
            Ok(proxy) => proxy,
            Err(error) => {
                let (setting, place) = ("tron_rpc_url", "together with proxy".to_owned());
                self.errors.push(ConfigError::Value { setting, place, why: error.to_string() });
                return None;
            }
        };
        Some(TronConfig { network, api_key, key: key.map(Arc::new), contract, proxy })
    }
}

fn network(text: &str) -> Result<Option<String>, String> {
    if text == CUSTOM || Network::named(text).is_some() {
        return Ok(Some(text.to_owned()));
    }
    Err(format!("is {text:?}: it is {} or {CUSTOM}", Network::names().join(", ")))
}

/// Errors do not repeat it: it may have a password in it.
fn proxy(text: &str) -> Result<Proxy, String> {
    text.trim().parse().map_err(|error| format!("cannot be used: {error}"))
}

/// Errors do not repeat it.
fn endpoint(text: &str) -> Result<Option<Endpoint>, String> {
    text.parse().map(Some).map_err(|error| format!("cannot be used: {error}"))
}

fn api_key(text: &str) -> Result<ApiKey, String> {
    ApiKey::parse(text).map_err(|error| format!("cannot be used: {error}"))
}

fn key(text: &str) -> Result<Key, String> {
    Key::parse(text).map_err(|error| format!("cannot be used: {error}"))
}

fn contract(text: &str) -> Result<Option<Address>, String> {
    text.parse().map(Some).map_err(|error| format!("is {text:?}: {error}"))
}

/// Errors do not repeat it: it may have a password in it.
fn mongo_url(text: &str) -> Result<MongoUrl, String> {
    MongoUrl::parse(text.trim()).map_err(|error| format!("cannot be used: {error}"))
}

fn database(text: &str) -> Result<String, String> {
    let url = MongoUrl::parse("mongodb://localhost").map_err(|error| error.to_string())?;
    let sound = Options::new(url, text).map_err(|error| format!("is {text:?}: {error}"));
    sound.map(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, path::Path};

    use super::super::examine;
    use crate::config::{Config, Overrides};

    const ONION: &str = "duckduckgogg42xjoc72x3sjasowoarfbgcmvfimaftt6twagswzczad.onion";

    /// What environment and configuration file make, with what is wrong.
    fn given(environment: &[(&str, &str)], file: &Path) -> (Config, Vec<String>) {
        let environment = environment.iter().map(|(name, value)| (name.into(), value.into()));
        let (config, errors) = examine(&Overrides::default(), environment.collect(), file);
        (config, errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn what_the_proxy_cannot_do_is_refused_at_the_start() {
        let none = Path::new("/no/such/file");
        let (proxy, onion) = ("socks5h://127.0.0.1:9050", format!("http://{ONION}"));
        let (srv, to_onion) = ("mongodb+srv://db.example", format!("mongodb://{ONION}"));
        let check = |environment: &[(&str, &str)], expected: &str| {
            let (_, errors) = given(environment, none);
            match expected {
                "" => assert!(errors.is_empty(), "{environment:?}: {errors:?}"),
                says => assert!(errors[0].contains(says), "{environment:?}: {errors:?}"),
            }
        };
        let tron = [("LUCID_TRON_NETWORK", "custom"), ("LUCID_TRON_RPC_URL", onion.as_str())];
        check(&[("LUCID_PROXY_ONLY", "true")], "there is no proxy");
        check(&[("LUCID_PROXY_ONLY", "true"), ("LUCID_PROXY", proxy)], "");
        check(&[("LUCID_PROXY", "socks5://127.0.0.1:9050")], "socks5h://");
        check(&[("LUCID_PROXY", "socks5h://localhost:9050")], "IP");
        check(&[("LUCID_MONGO_URL", srv)], "");
        check(&[("LUCID_MONGO_URL", srv), ("LUCID_PROXY", proxy)], "mongodb+srv://");
        check(&[("LUCID_MONGO_URL", &to_onion)], "onion");
        check(&[("LUCID_MONGO_URL", &to_onion), ("LUCID_PROXY", proxy)], "");
        check(&tron, "onion");
        check(&[tron[0], tron[1], ("LUCID_PROXY", proxy)], "");
        let (config, _) = given(&[("LUCID_MONGO_URL", &to_onion), ("LUCID_PROXY", proxy)], none);
        let way = config.outside.mongo.unwrap().proxy.unwrap();
        assert_eq!((way.host.as_str(), way.port), ("127.0.0.1", 9050));
    }

    #[test]
    fn the_key_of_trons_provider_comes_from_a_file_or_not_and_is_shown_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tron_api_key");
        fs::write(&file, " 0f-secret-1e \n").unwrap();
        let path = file.to_str().unwrap();
        let (in_file, text) =
            (("LUCID_TRON_API_KEY_FILE", path), ("LUCID_TRON_API_KEY", "0f-secret-1e"));
        let with = |one: &[(&str, &str)]| {
            let environment = [&[("LUCID_TRON_NETWORK", "nile")], one].concat();
            given(&environment, Path::new("/no/such/file"))
        };
        for one in [in_file, text] {
            let (config, errors) = with(&[one]);
            assert_eq!(errors, [""; 0], "{one:?}");
            assert!(config.outside.tron.unwrap().api_key.is_some(), "{one:?}");
            assert!(!format!("{:?}", config.settings).contains("secret-1e"), "{one:?}");
        }
        let (_, errors) = with(&[in_file, text]);
        assert!(errors[0].contains("LUCID_TRON_API_KEY and LUCID_TRON_API_KEY_FILE"), "{errors:?}");
        fs::write(&file, "0f-secret-1e".repeat(30)).unwrap();
        let (_, errors) = with(&[in_file]);
        assert!(errors.len() == 1 && errors[0].contains("LUCID_TRON_API_KEY_FILE"), "{errors:?}");
        assert!(errors[0].contains(path) && !errors[0].contains("secret-1e"), "{errors:?}");
    }

    #[test]
    fn a_proxys_password_is_a_secret_and_a_proxy_without_one_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let (file, secret) = (folder.path().join("lucid.toml"), folder.path().join("proxy"));
        let open = |text: &str| {
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
            given(&[], &file)
        };
        let (config, errors) = open("proxy = \"socks5h://127.0.0.1:9050\"\n");
        assert!(errors.is_empty() && config.secrets.is_empty(), "{errors:?}");
        let (config, errors) = open("proxy = \"socks5h://me:pass%20word@127.0.0.1:9050\"\n");
        assert!(errors.len() == 1 && errors[0].contains("lucid.toml"), "{errors:?}");
        assert_eq!(config.secrets.len(), 1);
        fs::write(&secret, "socks5h://me:pass@127.0.0.1:9050\n").unwrap();
        let (config, errors) = open(&format!("proxy_file = \"{}\"\n", secret.display()));
        assert_eq!(errors, [""; 0]);
        assert!(!config.outside.egress.may_resolve());
        for setting in &config.settings {
            assert!(!setting.value.as_deref().unwrap_or("").contains("pass"), "{}", setting.name);
        }
        let (_, errors) = open(&format!(
            "proxy_file = \"{}\"\nproxy = \"socks5h://127.0.0.1:1\"\n",
            secret.display()
        ));
        assert_eq!(errors.len(), 1, "{errors:?}");
    }
}
