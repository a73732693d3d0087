//! How tor and the services are.

use std::time::Duration;

use crate::{
    control::{Circuits, ClockSkew, DescriptorStep, Port, Step},
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

/// Tor's word for a descriptor that relays do not take: they have a newer one.
const REJECTED: &str = "UPLOAD_REJECTED";

/// Whether tor's word is why a descriptor was not had, and not why it was not taken (control-spec §4.1.25).
fn is_of_fetch(reason: &str) -> bool {
    reason.starts_with("QUERY_") || matches!(reason, "NOT_FOUND" | "BAD_DESC")
}

impl Uploads {
    /// Counts what tor says; whether it is that a relay has a newer descriptor.
    pub(super) fn count(&mut self, step: &DescriptorStep) -> bool {
        let reason = step.reason.as_deref();
        let count = match step.step {
            Step::Upload => &mut self.sent,
            Step::Uploaded => &mut self.taken,
            // What failed may have been asked for, by whoever reaches for a service through the tor that has it.
            Step::Failed if reason.is_some_and(is_of_fetch) => return false,
            Step::Failed if self.taken.saturating_add(self.refused) < self.sent => {
                self.reason.clone_from(&step.reason);
                &mut self.refused
            }
            _ => return false,
        };
        *count = count.saturating_add(1);
        matches!(step.step, Step::Failed) && reason == Some(REJECTED)
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_for_is_told_from_what_was_sent() {
        let address =
            "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion".parse().unwrap();
        let mut uploads = Uploads::default();
        let mut count = |step, reason: Option<&str>| {
            let reason = reason.map(str::to_owned);
            uploads.count(&DescriptorStep { address, step, relay: String::new(), reason })
        };
        for _ in 0..4 {
            assert!(!count(Step::Upload, None));
        }
        for reason in ["NOT_FOUND", "BAD_DESC", "QUERY_NO_HSDIR", "QUERY_REJECTED"] {
            assert!(!count(Step::Failed, Some(reason)));
        }
        assert!(!count(Step::Uploaded, None) && !count(Step::Failed, Some("UNEXPECTED")));
        assert!(count(Step::Failed, Some(REJECTED)));
        let expected = Uploads { sent: 4, taken: 1, refused: 2, reason: Some(REJECTED.to_owned()) };
        assert_eq!(uploads, expected);
    }
}
