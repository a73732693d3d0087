//! How tor and the services are.

use std::time::Duration;

use crate::{
    control::{Circuits, ClockSkew, Port},
    onion::OnionAddress,
    service::{Client, ServiceName},
};

/// How it is with tor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Link {
    /// Nothing was tried yet.
    Connecting,
    /// It cannot be controlled; with the way out.
    Down {
        /// Why.
        why: String,
    },
    /// It has no network yet.
    Bootstrapping {
        /// 0 to 99.
        percent: u8,
        /// What it is at, and what stands in its way.
        summary: String,
    },
    /// It can be used.
    Ready,
}

/// What became of an address's descriptors, since tor has it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Uploads {
    /// To how many relays one was sent.
    pub sent: u32,
    /// How many took it.
    pub taken: u32,
    /// How many did not.
    pub refused: u32,
    /// Why the last one did not, in tor's word. `UPLOAD_REJECTED`: it has a newer one, which somebody else may be
    /// publishing.
    pub reason: Option<String>,
}

impl Uploads {
    /// Whether one is there and no answer is missing.
    pub(super) fn are_done(&self) -> bool {
        self.taken > 0 && self.taken.saturating_add(self.refused) >= self.sent
    }
}

/// How it is with one address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stage {
    /// Tor does not have it: it is not connected.
    Waiting,
    /// Tor has it, and sends its descriptor to relays.
    Publishing(Uploads),
    /// It can be reached: a relay has its descriptor, and all that were sent it have answered. A service has two
    /// descriptors, of two periods; the other one follows within seconds.
    Published(Uploads),
    /// It cannot be served; with the way out.
    Failed {
        /// Why.
        why: String,
    },
}

/// One address of a service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddressHealth {
    /// The address.
    pub address: OnionAddress,
    /// Of a former one: until when it is served at least, in seconds since 1970.
    pub until: Option<u64>,
    /// How it is.
    pub stage: Stage,
}

/// One service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServiceHealth {
    /// What it is called.
    pub name: ServiceName,
    /// Whether it is gone with this process.
    pub ephemeral: bool,
    /// Its ports.
    pub ports: Vec<Port>,
    /// Who may reach it; everybody where this is empty.
    pub clients: Vec<Client>,
    /// Its addresses, the current one first.
    pub addresses: Vec<AddressHealth>,
}

/// Everything.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Health {
    /// How it is with tor.
    pub link: Link,
    /// A clock that tor does not believe.
    pub clock: Option<ClockSkew>,
    /// Tor's version, once it was asked.
    pub version: Option<String>,
    /// How long tor has been running.
    pub uptime: Option<Duration>,
    /// Its circuits.
    pub circuits: Circuits,
    /// Whether it reaches its network.
    pub is_network_up: bool,
    /// How often the connection to tor was lost.
    pub losses: u32,
    /// The services.
    pub services: Vec<ServiceHealth>,
}

impl Health {
    pub(super) fn new() -> Self {
        Self {
            link: Link::Connecting,
            clock: None,
            version: None,
            uptime: None,
            circuits: Circuits::default(),
            is_network_up: false,
            losses: 0,
            services: Vec::new(),
        }
    }

    /// What keeps the services from being reached, in words with the way out; nothing where nothing does.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        if let Link::Down { why } = &self.link {
            return Some(why.clone());
        }
        if let (Some(skew), false) = (&self.clock, self.link == Link::Ready) {
            let (seconds, source_of_time) = (skew.seconds, skew.source.clone());
            let wrong = crate::TunnelError::ClockWrong { seconds, source_of_time };
            return Some(wrong.to_string());
        }
        match &self.link {
            Link::Connecting => return Some("tor was not connected to yet".to_owned()),
            Link::Bootstrapping { percent, summary } => {
                let summary = summary.clone();
                return Some(
                    crate::TunnelError::NotBootstrapped { percent: *percent, summary }.to_string(),
                );
            }
            _ => (),
        }
        if !self.is_network_up {
            return Some(
                "tor does not reach its network: see to this machine's connection".to_owned(),
            );
        }
        let current = |service: &ServiceHealth| {
            let one = service.addresses.first()?;
            let name = &service.name;
            match &one.stage {
                Stage::Published(_) => None,
                Stage::Failed { why } => Some(format!("{name} is not served: {why}")),
                Stage::Publishing(Uploads { reason: Some(why), .. }) => {
                    Some(format!("{name} is not published: relays say {why}"))
                }
                _ => Some(format!("{name} is not published yet")),
            }
        };
        self.services.iter().find_map(current)
    }

    /// How one address is.
    #[must_use]
    pub fn stage(&self, address: OnionAddress) -> Option<&Stage> {
        let mut all = self.services.iter().flat_map(|service| &service.addresses);
        all.find(|one| one.address == address).map(|one| &one.stage)
    }

    /// Whether an address was published.
    #[must_use]
    pub fn is_published(&self, address: OnionAddress) -> bool {
        matches!(self.stage(address), Some(Stage::Published(_)))
    }
}
