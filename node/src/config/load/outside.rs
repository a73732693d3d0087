//! The settings of what is outside the node: names, defaults and bounds.

use std::sync::Arc;

use lucid_core::tron::{Address, Sun};
use lucid_mongo::{MongoUrl, Options, Socks5};
use lucid_tron::{ApiKey, Endpoint, Key, Network};
use lucid_tunnel::{
    Egress, Purpose,
    socks::{Proxy, Target},
};

use super::{ConfigError, Loader, some, values};
use crate::config::{OutsideConfig, TronConfig};

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
/// A replica set's members and options.
const MONGO_URL_BYTES_MAX: usize = 4096;

impl Loader {
    /// What is outside the node.
    pub(super) fn outside(&mut self) -> OutsideConfig {
        let (proxy, egress) = self.egress();
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
        OutsideConfig { anchoring, tron, anchor_fee_per_day_max, mongo, proxy, egress }
    }

    /// The way out, and the proxy that it is.
    fn egress(&mut self) -> (Option<Proxy>, Egress) {
        let shown = |proxy: &Option<Proxy>| proxy.as_ref().map(ToString::to_string);
        let proxy = self.take("proxy", None, proxy, shown);
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
        let egress = Egress::new(proxy.clone(), only, u64::from_be_bytes(salt));
        (proxy, egress)
    }

    /// The database; one that is not reached as the proxy has it is refused.
    fn mongo(&mut self, url: MongoUrl, database: &str, egress: &Egress) -> Option<Options> {
        let (is_srv, has_onion) = (url.is_srv(), url.has_onion());
        let mut options = Options::new(url, database).ok()?;
        let target = Target::new("mongodb.invalid", 27_017).ok()?;
        let parts = egress.parts(Purpose::Mongo, &target).ok().flatten();
        let why = match (&parts, is_srv, has_onion) {
            (Some(_), true, _) => Some(
                "begins with mongodb+srv://, a question to a name server, and with a proxy no name is looked up \
                 here: name the servers, mongodb://…",
            ),
            (None, _, true) => {
                Some("names an onion service, which is reached through a proxy: set proxy")
            }
            _ => None,
        };
        if let Some(why) = why {
            let (setting, place) = ("mongo_url", "together with proxy".to_owned());
            self.errors.push(ConfigError::Value { setting, place, why: why.to_owned() });
            return None;
        }
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
fn proxy(text: &str) -> Result<Option<Proxy>, String> {
    text.parse().map(Some).map_err(|error| format!("cannot be used: {error}"))
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
