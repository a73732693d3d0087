//! The settings of what is outside the node: names, defaults and bounds.

use std::sync::Arc;

use lucid_core::tron::{Address, Sun};
use lucid_mongo::{MongoUrl, Options};
use lucid_tron::{ApiKey, Endpoint, Key, Network};

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
        let anchoring = self.take("anchoring", true, values::flag, some);
        let tron = self.tron();
        let per_day = |text: &str| values::number(text, 0..=FEE_PER_DAY_MAX);
        let per_day = self.take("anchor_fee_per_day_max", FEE_PER_DAY, per_day, some);
        let mongo_url = self.secret(["mongo_url", "mongo_url_file"], mongo_url, |path| {
            values::text_file(path, MONGO_URL_BYTES_MAX, mongo_url)
        });
        let mongo_database =
            self.take("mongo_database", DATABASE.to_owned(), database, |name| Some(name.clone()));
        let anchor_fee_per_day_max = Sun::new(per_day);
        let mongo = mongo_url.and_then(|url| Options::new(url, &mongo_database).ok());
        OutsideConfig { anchoring, tron, anchor_fee_per_day_max, mongo }
    }

    /// The network; a custom one has to have an address.
    fn tron(&mut self) -> Option<TronConfig> {
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
        Some(TronConfig { network, api_key, key: key.map(Arc::new), contract })
    }
}

fn network(text: &str) -> Result<Option<String>, String> {
    if text == CUSTOM || Network::named(text).is_some() {
        return Ok(Some(text.to_owned()));
    }
    Err(format!("is {text:?}: it is {} or {CUSTOM}", Network::names().join(", ")))
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
