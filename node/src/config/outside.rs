//! The part of the configuration that is about what is outside the node: TRON and MongoDB.

use std::sync::Arc;

use lucid_core::tron::{Address, Sun};
use lucid_tron::{ApiKey, ClientOptions, Key, Network};
use lucid_tunnel::Egress;
use zeroize::Zeroizing;

/// What the node does with networks that are not its own.
#[derive(Clone)]
pub struct OutsideConfig {
    /// Whether checkpoints are anchored, where a network is named.
    pub anchoring: bool,
    /// Where TRON is; `None` where no network is named.
    pub tron: Option<TronConfig>,
    /// What anchors may cost in 24 hours.
    pub anchor_fee_per_day_max: Sun,
    /// The database in MongoDB; `None` where nothing is synced.
    pub mongo: Option<lucid_mongo::Options>,
    /// The way out: through a proxy, or directly.
    pub egress: Egress,
}

/// A TRON network and how the node acts on it.
#[derive(Clone)]
pub struct TronConfig {
    /// The network, and where it is asked.
    pub network: Network,
    /// What the server knows the node by.
    pub api_key: Option<ApiKey>,
    /// The key that pays and signs; `None` where nothing can be sent.
    pub key: Option<Arc<Key>>,
    /// The `LucidAnchors` that anchors call; `None` where they are memos.
    pub contract: Option<Address>,
    /// The proxy that the network is asked through, with its password.
    pub proxy: Option<Zeroizing<String>>,
}

impl TronConfig {
    /// How the network's server is asked.
    #[must_use]
    pub fn client_options(&self) -> ClientOptions {
        let proxy = self.proxy.as_ref().map(|proxy| proxy.to_string());
        ClientOptions { api_key: self.api_key.clone(), proxy, ..ClientOptions::default() }
    }
}
