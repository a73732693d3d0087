//! TRON's networks, and where they are asked.

use std::{fmt, str::FromStr, sync::Arc};

use lucid_core::tron::{Address, BlockId, anchor::Genesis};
use reqwest::Url;

/// A network: where it is asked, and what tells it from the others.
#[derive(Clone)]
pub struct Network {
    /// `mainnet`, `shasta`, `nile` or `custom`.
    pub name: &'static str,
    /// Where it is asked.
    pub endpoint: Endpoint,
    /// The id of its first block; of a custom network, if it is told.
    pub genesis: Option<BlockId>,
    /// The USDT contract, where there is one that everybody uses.
    pub usdt: Option<Address>,
}

/// The address of a server. Only its origin is ever shown: providers put keys into the path.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint(Arc<Url>);

/// A text that is no address of a server. It is not repeated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "it is no address of a TRON node: http:// or https:// with a host, without a user, a question mark or a #, \
     such as https://api.trongrid.io"
)]
pub struct EndpointError;

/// A server is of another network than the one that is configured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "the TRON node is of another network: its first block is {found}, that of {name} is {wanted}; \
     compare tron_network and tron_rpc_url"
)]
pub struct WrongNetwork {
    /// The configured network.
    pub name: &'static str,
    /// Its first block.
    pub wanted: BlockId,
    /// The server's.
    pub found: BlockId,
}

/// First block, TronGrid's address, USDT. Shasta has several contracts called USDT.
type Known = (Genesis, &'static str, Option<&'static str>);
const KNOWN: [Known; 3] = [
    (Genesis::MAINNET, "https://api.trongrid.io", Some("TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t")),
    (Genesis::SHASTA, "https://api.shasta.trongrid.io", None),
    (Genesis::NILE, "https://nile.trongrid.io", Some("TXYZopYRdj2D9XRtbG411XZZ3kM5VkAeBf")),
];

impl Network {
    /// The names of the networks that are known.
    #[must_use]
    pub fn names() -> [&'static str; 3] {
        KNOWN.map(|(genesis, ..)| genesis.name())
    }

    /// A known network, asked at TronGrid; nothing for another name.
    ///
    /// # Panics
    /// Never: what is known here is tested to be well-formed.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let known = KNOWN.into_iter().find(|(genesis, ..)| genesis.name() == name);
        let (genesis, url, usdt) = known?;
        Some(Self {
            name: genesis.name(),
            endpoint: url.parse().expect("a constant that a test parses"),
            genesis: Some(genesis.0),
            usdt: usdt.map(|usdt| usdt.parse().expect("a constant that a test parses")),
        })
    }

    /// A network of one's own, such as a private chain.
    #[must_use]
    pub fn custom(endpoint: Endpoint) -> Self {
        Self { name: "custom", endpoint, genesis: None, usdt: None }
    }

    /// The same network asked at another server.
    #[must_use]
    pub fn at(self, endpoint: Endpoint) -> Self {
        Self { endpoint, ..self }
    }

    /// Holds a server's first block against the network's, where that is known.
    ///
    /// # Errors
    /// [`WrongNetwork`].
    pub fn check(&self, found: BlockId) -> Result<(), WrongNetwork> {
        match self.genesis {
            Some(wanted) if wanted != found => Err(WrongNetwork { name: self.name, wanted, found }),
            _ => Ok(()),
        }
    }
}

impl Endpoint {
    /// Its host, and its port.
    #[must_use]
    pub fn host_port(&self) -> (&str, u16) {
        (self.0.host_str().unwrap_or_default(), self.0.port_or_known_default().unwrap_or_default())
    }

    /// The address of a call, such as `wallet/getnowblock`.
    pub(crate) fn call(&self, path: &str) -> Url {
        let mut url = Url::clone(&self.0);
        url.set_path(&format!("{}/{path}", self.0.path().trim_end_matches('/')));
        url
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let url = Url::parse(text).map_err(|_| EndpointError)?;
        let is_plain = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if is_plain { Ok(Self(Arc::new(url))) } else { Err(EndpointError) }
    }
}

/// The origin: scheme, host and port.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.origin().ascii_serialization())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_networks_are_well_formed_and_differ() {
        for name in Network::names() {
            let network = Network::named(name).unwrap();
            let genesis = network.genesis.unwrap();
            assert_eq!((network.name, genesis.number().0), (name, 0));
            assert_eq!(network.check(genesis), Ok(()));
            let other = Network::named(if name == "nile" { "shasta" } else { "nile" }).unwrap();
            assert!(
                other.check(genesis).unwrap_err().to_string().contains(name)
                    == (name == other.name)
            );
            let custom = Network::custom("http://127.0.0.1:8090".parse().unwrap());
            assert_eq!(custom.check(genesis), Ok(()));
        }
        assert!(Network::named("Mainnet").is_none());
        assert!(Network::named("").is_none());
        // TRON's documentation shows Nile's Tether by its hex form (docs/api/http/smart-contract/getcontract.md).
        let usdt = Network::named("nile").unwrap().usdt.unwrap();
        assert_eq!(usdt.to_hex(), "41eca9bc828a3005b9a3b909f2cc5c2a54794de05f");
        // The last four bytes are the chain ids of its documentation (docs/api/json-rpc/node/eth_chainId.md).
        for (name, chain) in [("mainnet", "2b6653dc"), ("shasta", "94a9059e"), ("nile", "cd8690dc")]
        {
            let genesis = Network::named(name).unwrap().genesis.unwrap();
            assert!(genesis.to_string().ends_with(chain));
        }
    }

    #[test]
    fn of_an_address_only_the_origin_is_shown() {
        let endpoint: Endpoint = "https://node.example:8443/TOKEN-OF-MINE/".parse().unwrap();
        assert_eq!(
            format!("{endpoint} {endpoint:?}"),
            "https://node.example:8443 https://node.example:8443"
        );
        let url = endpoint.call("wallet/getnowblock");
        assert_eq!(url.as_str(), "https://node.example:8443/TOKEN-OF-MINE/wallet/getnowblock");
        let plain: Endpoint = "http://127.0.0.1:8090".parse().unwrap();
        assert_eq!(plain.call("wallet/x").as_str(), "http://127.0.0.1:8090/wallet/x");
        for bad in [
            "",
            "api.trongrid.io",
            "ftp://x",
            "http://",
            "https://u:p@x",
            "https://u@x",
            "https://x/?key=1",
            "https://x/#y",
            "file:///etc/passwd",
            "grpc://x:50051",
        ] {
            assert_eq!(bad.parse::<Endpoint>(), Err(EndpointError), "{bad}");
        }
    }
}
