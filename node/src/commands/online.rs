//! Asking the configured TRON node, from the command line.

use std::sync::Arc;

use lucid_core::tron::anchor::AnchorClaims;
use lucid_tron::{
    Client, Tron,
    online::{self, OnlineFinding},
};
use tokio::runtime::Runtime;

use super::remote;
use crate::{
    config::TronConfig,
    context::Context,
    failure::{Failure, Outcome},
};

/// A TRON node that is asked one thing after another.
pub struct Online {
    runtime: Runtime,
    tron: Arc<dyn Tron>,
    config: TronConfig,
    anchors_code: Vec<u8>,
}

impl Online {
    /// The node that is configured, once it has said that it is of the network that is.
    ///
    /// # Errors
    /// Where none is; where no client of it can be made, it cannot be asked, or is of another network.
    pub fn new(context: &Context) -> Outcome<Self> {
        let config = context.config.outside.tron.clone().ok_or_else(|| {
            Failure::usage(
                "no TRON network is configured: give LUCID_TRON_NETWORK (mainnet, shasta, nile) or \
                 LUCID_TRON_RPC_URL",
            )
        })?;
        let client = Client::new(config.network.endpoint.clone(), config.client_options());
        let client = client.map_err(|error| Failure::usage(error.to_string()))?;
        let anchors = lucid_chain::contracts::anchors_artefact();
        let anchors_code = anchors.map_err(|error| Failure::check(error.to_string()))?.init_code;
        let (runtime, tron) = (remote::runtime()?, Arc::new(client));
        let genesis = runtime.block_on(tron.genesis());
        let genesis = genesis.map_err(|error| Failure::io(error.to_string()))?;
        let checked = config.network.check(genesis);
        checked.map_err(|error| Failure::usage(error.to_string()))?;
        Ok(Self { runtime, tron, config, anchors_code })
    }

    /// The network, and how the node acts on it.
    #[must_use]
    pub fn config(&self) -> &TronConfig {
        &self.config
    }

    /// Asks.
    pub fn ask<T>(&self, asking: impl AsyncFnOnce(&dyn Tron) -> T) -> T {
        self.runtime.block_on(asking(&*self.tron))
    }

    /// Whether TRON has an anchor.
    ///
    /// # Errors
    /// Class check: what it says otherwise. Class I/O: where it cannot be asked.
    pub fn check(&self, claims: &AnchorClaims) -> Outcome {
        let checked = self.runtime.block_on(online::check(&*self.tron, claims, &self.anchors_code));
        checked.map_err(|finding| match finding {
            OnlineFinding::Client(error) => Failure::io(error.to_string()),
            finding => Failure::check(finding.to_string()),
        })
    }
}
