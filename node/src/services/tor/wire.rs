//! What is said over the socket of the onion services: one line of JSON each way.
//!
//! ```text
//! {"do":"rotate","name":"gateway","grace_seconds":604800}
//! {"done":{"address":"….onion"}}                          or {"failed":{"as":"usage","why":"…"}}
//! ```

use std::net::SocketAddr;

use lucid_core::Timestamp;
use lucid_tunnel::{
    AddressHealth, Health, Link, Publication, ServiceHealth, Stage, TunnelError,
    control::Port,
    onion::{ClientName, OnionAddress},
    service::{Client, ServiceName},
};
use serde::{Deserialize, Serialize};

use crate::failure::{Class, Failure};

/// What is asked.
#[derive(Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// How everything is: [`TorState`].
    State {},
    /// To make a service: [`Address`].
    Create {
        /// What it is called.
        name: ServiceName,
        /// The port that clients ask for; `None` for the usual one of what is behind it.
        port: Option<u16>,
        /// Where its connections go; `None` for the node's gateway.
        to: Option<SocketAddr>,
        /// Who may reach it; everybody where this is empty.
        clients: Vec<Client>,
        /// Whether it is gone with the node's process.
        ephemeral: bool,
    },
    /// To hand it to tor anew: [`Nothing`].
    Refresh {
        /// Which.
        name: ServiceName,
    },
    /// To give it a new address: [`Address`].
    Rotate {
        /// Which.
        name: ServiceName,
        /// How long the former address is served at least.
        grace_seconds: u64,
    },
    /// To let more clients reach it: [`Nothing`].
    AddClients {
        /// Which.
        name: ServiceName,
        /// Who, with their public keys.
        clients: Vec<Client>,
        /// Whether a client that is there has another key from then on.
        replaces: bool,
    },
    /// To let clients reach it no more: [`Nothing`].
    RemoveClients {
        /// Which.
        name: ServiceName,
        /// Who.
        clients: Vec<ClientName>,
        /// Whether everybody may reach it once none is left.
        opens_to_all: bool,
    },
    /// To end it and destroy its keys: [`Nothing`].
    Teardown {
        /// Which.
        name: ServiceName,
    },
    /// Whose descriptor of it the network has: [`Published`].
    Publication {
        /// Which.
        name: ServiceName,
    },
}

/// What came of it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Reply<T> {
    /// It was done.
    Done(T),
    /// It was not.
    Failed {
        /// What it means for whoever asked.
        #[serde(rename = "as")]
        kind: Kind,
        /// Why, with the way out.
        why: String,
    },
}

/// Whose turn it is where something was not done: the exit codes of [`Class`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// What was looked for is not there.
    Check,
    /// Whoever asks must ask for something else.
    Usage,
    /// Tor's, the disk's.
    Io,
}

impl Kind {
    /// What kind of error it is.
    #[must_use]
    pub fn of(error: &TunnelError) -> Self {
        use TunnelError::{
            Address, Answer, ClientExists, ClockWrong, Exists, LastClient, NoClient, NoService,
            NotBootstrapped, NotPublished, Rotating, Service, Socks,
        };
        match error {
            NoService(_)
            | NoClient { .. }
            | Answer { .. }
            | Socks(_)
            | NotPublished { .. }
            | NotBootstrapped { .. }
            | ClockWrong { .. } => Self::Check,
            Exists(_)
            | ClientExists { .. }
            | LastClient(_)
            | Rotating(_)
            | Service(_)
            | Address(_) => Self::Usage,
            _ => Self::Io,
        }
    }

    /// How a command ends that this is the end of.
    #[must_use]
    pub fn failure(self, why: String) -> Failure {
        let class = match self {
            Self::Check => Class::Check,
            Self::Usage => Class::Usage,
            Self::Io => Class::Io,
        };
        Failure { class, error: anyhow::Error::msg(why) }
    }
}

/// That it was done.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// A service's current address.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// The address.
    pub address: OnionAddress,
}

/// Whose descriptor of a service the network has.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Whose.
    pub descriptor: Descriptor,
}

/// [`Publication`] in a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Descriptor {
    /// This node's.
    Ours,
    /// Another node's with the same key.
    Anothers,
    /// One of the period that tor does not tell of; most likely this node's.
    OtherPeriod,
    /// None on the relays that were asked.
    Missing,
}

impl From<Publication> for Descriptor {
    fn from(publication: Publication) -> Self {
        match publication {
            Publication::Ours => Self::Ours,
            Publication::Anothers => Self::Anothers,
            Publication::OtherPeriod => Self::OtherPeriod,
            Publication::Missing => Self::Missing,
        }
    }
}

/// How it is with tor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkState {
    /// Nothing was tried yet.
    Connecting,
    /// It cannot be controlled.
    Down,
    /// It is not connected to its network yet.
    Bootstrapping,
    /// It can be used.
    Ready,
}

/// A service as it is to whoever looks at it from outside.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Front {
    /// What it is called.
    pub name: ServiceName,
    /// Its address, or its former one.
    pub address: OnionAddress,
    /// Its first port.
    pub port: u16,
    /// Whether everybody may reach it.
    pub is_open: bool,
}

impl Front {
    /// Those of a service: its address, then the former one while that is served; none of one without a port.
    #[must_use]
    pub fn of(service: &ServiceHealth) -> Vec<Self> {
        let Some(port) = service.ports.first() else { return Vec::new() };
        let front = |health: &AddressHealth| Self {
            name: service.name.clone(),
            address: health.address,
            port: port.port,
            is_open: service.clients.is_empty(),
        };
        service.addresses.iter().map(front).collect()
    }
}

/// Tor and the services.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TorState {
    /// Tor's control port.
    pub control: String,
    /// How it is with tor.
    pub tor: LinkState,
    /// How far tor has come, 0 to 100.
    pub bootstrap_percent: u8,
    /// What keeps services from being reached, with the way out.
    pub problem: Option<String>,
    /// Tor's version.
    pub version: Option<String>,
    /// How long tor runs.
    pub uptime_seconds: Option<u64>,
    /// Whether tor reaches its network.
    pub network_up: bool,
    /// Circuits that are built.
    pub circuits: u32,
    /// Seconds that this machine's clock is ahead, where tor says so.
    pub clock_skew_seconds: Option<i64>,
    /// How often the connection to tor was lost since the node's start.
    pub losses: u32,
    /// The services.
    pub services: Vec<OnionState>,
}

/// One service.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnionState {
    /// What it is called.
    pub name: ServiceName,
    /// Its ports, and what is behind them.
    pub ports: Vec<Port>,
    /// The names of those who may reach it; everybody where there are none.
    pub clients: Vec<String>,
    /// Whether it is gone with the node's process.
    pub ephemeral: bool,
    /// Its addresses, the current one first.
    pub addresses: Vec<AddressState>,
}

/// One address.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddressState {
    /// The address.
    pub address: OnionAddress,
    /// Of a former one: until when it is served at least.
    pub until: Option<Timestamp>,
    /// How it is.
    pub stage: StageState,
    /// Relays that its descriptor was sent to, since tor has it.
    pub relays_sent: u32,
    /// Those that took it.
    pub relays_taken: u32,
    /// Those that did not.
    pub relays_refused: u32,
    /// Why it is not reached, as far as that is known.
    pub why: Option<String>,
}

/// How an address is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StageState {
    /// Tor does not have it: it is not connected.
    Waiting,
    /// On its way to relays.
    Publishing,
    /// It can be reached.
    Published,
    /// It cannot be served.
    Failed,
}

impl TorState {
    /// What is told of `health`, with tor's control port at `control`.
    #[must_use]
    pub fn of(control: String, health: &Health) -> Self {
        let (tor, bootstrap_percent) = match &health.link {
            Link::Connecting => (LinkState::Connecting, 0),
            Link::Down { .. } => (LinkState::Down, 0),
            Link::Bootstrapping { percent, .. } => (LinkState::Bootstrapping, *percent),
            Link::Ready => (LinkState::Ready, 100),
        };
        Self {
            control,
            tor,
            bootstrap_percent,
            problem: health.problem(),
            version: health.version.clone(),
            uptime_seconds: health.uptime.map(|time| time.as_secs()),
            network_up: health.is_network_up,
            circuits: health.circuits.built,
            clock_skew_seconds: health.clock.as_ref().map(|skew| skew.seconds),
            losses: health.losses,
            services: health.services.iter().map(OnionState::of).collect(),
        }
    }
}

impl OnionState {
    fn of(service: &ServiceHealth) -> Self {
        let ServiceHealth { name, ephemeral, ports, clients, addresses } = service;
        Self {
            name: name.clone(),
            ports: ports.clone(),
            clients: clients.iter().map(|client| client.name.to_string()).collect(),
            ephemeral: *ephemeral,
            addresses: addresses.iter().map(AddressState::of).collect(),
        }
    }
}

impl AddressState {
    fn of(AddressHealth { address, until, stage }: &AddressHealth) -> Self {
        let (stage, uploads, failed) = match stage {
            Stage::Waiting => (StageState::Waiting, None, None),
            Stage::Publishing(uploads) => (StageState::Publishing, Some(uploads), None),
            Stage::Published(uploads) => (StageState::Published, Some(uploads), None),
            Stage::Failed { why } => (StageState::Failed, None, Some(why.clone())),
        };
        let until = until.map(|at| Timestamp::from_unix_millis(at.saturating_mul(1000)));
        Self {
            address: *address,
            until,
            stage,
            relays_sent: uploads.map_or(0, |uploads| uploads.sent),
            relays_taken: uploads.map_or(0, |uploads| uploads.taken),
            relays_refused: uploads.map_or(0, |uploads| uploads.refused),
            why: failed.or_else(|| uploads.and_then(|uploads| uploads.reason.clone())),
        }
    }
}
