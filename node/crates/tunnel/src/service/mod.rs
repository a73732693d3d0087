//! The list of onion services, and how it changes. Pure: time and keys are arguments.
//!
//! ```text
//! {"version":1,"services":[{"name":"gateway","ports":[{"port":80,"target":"127.0.0.1:8080"}],
//!   "clients":[{"name":"phone","key":"BASE32"}],
//!   "keys":[{"number":2,"address":"….onion","made_at":1790000000,"until":null},
//!           {"number":1,"address":"….onion","made_at":1780000000,"until":1790604800}]}]}
//! ```
//!
//! A service's keys are newest first. A rotation makes a key durable, then the list with both; the former one goes
//! when its time is over *and* the new one was published: first from tor, then from the list, then its file. So a
//! crash at any point leaves the former address, or both, and never none. A key file without a place in the list is
//! what a crash left; it is destroyed before another of its name is made, so that an address that was taken down stays down.

mod name;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use name::{NameError, ServiceName};

use crate::{
    control::Port,
    error::TunnelError,
    onion::{ClientName, ClientPublic, OnionAddress},
    ports::KeyName,
};

/// Longest list in bytes: the most services with the most clients.
pub const LIST_BYTES_MAX: u64 = 128 << 10;
/// Most services of a node.
const SERVICES_MAX: usize = 16;
/// Most ports of one.
const PORTS_MAX: usize = 8;
/// Most clients of one: each is a word of tor's command.
const CLIENTS_MAX: usize = 32;
/// Longest grace time: a year.
const GRACE_MAX: Duration = Duration::from_hours(366 * 24);

/// Who may reach a service.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// What it is called here.
    pub name: ClientName,
    /// Its public key.
    pub key: ClientPublic,
}

/// A key of a service.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyEntry {
    /// 1 for the first, one more at each rotation.
    pub number: u32,
    /// Its address.
    pub address: OnionAddress,
    /// When it was made, in seconds since 1970.
    pub made_at: u64,
    /// Of a former one: until when it is served at least.
    pub until: Option<u64>,
}

/// One service.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// What it is called.
    pub name: ServiceName,
    /// Its ports, at least one.
    pub ports: Vec<Port>,
    /// Who may reach it; everybody where this is empty.
    pub clients: Vec<Client>,
    /// Its keys: the current one, then the former one while that is served.
    pub keys: Vec<KeyEntry>,
}

impl Service {
    /// The address that is told to people.
    #[must_use]
    pub fn address(&self) -> Option<OnionAddress> {
        self.keys.first().map(|key| key.address)
    }

    /// The name of one of its keys.
    #[must_use]
    pub fn key_name(&self, entry: &KeyEntry) -> KeyName {
        KeyName { service: self.name.clone(), number: entry.number }
    }

    fn check(&self) -> Result<(), TunnelError> {
        let mut ports: Vec<u16> = self.ports.iter().map(|port| port.port).collect();
        ports.sort_unstable();
        ports.dedup();
        let mut names: Vec<&ClientName> = self.clients.iter().map(|client| &client.name).collect();
        names.sort_unstable();
        names.dedup();
        let (first, rest) = match self.keys.as_slice() {
            [first, rest @ ..] if rest.len() <= 1 => (first, rest),
            _ => {
                return Err(TunnelError::Service(
                    "an onion service has one key, or two while it is rotated",
                ));
            }
        };
        let rules = [
            ((1..=PORTS_MAX).contains(&self.ports.len()), "an onion service has 1 to 8 ports"),
            (ports.len() == self.ports.len(), "an onion service has each port once"),
            (
                self.ports.iter().all(|p| p.port != 0 && p.target.port() != 0),
                "ports are 1 to 65535",
            ),
            (self.clients.len() <= CLIENTS_MAX, "an onion service has at most 32 clients"),
            (names.len() == self.clients.len(), "each client of an onion service has its own name"),
            (
                first.until.is_none()
                    && rest.iter().all(|k| k.until.is_some() && k.number < first.number),
                "a former key is an earlier one, and has an end",
            ),
        ];
        match rules.into_iter().find(|(holds, _)| !holds) {
            Some((_, rule)) => Err(TunnelError::Service(rule)),
            None => Ok(()),
        }
    }
}

/// All services.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    version: u32,
    services: Vec<Service>,
}

impl Default for List {
    fn default() -> Self {
        Self { version: 1, services: Vec::new() }
    }
}

impl List {
    /// Reads a list.
    ///
    /// # Errors
    /// [`TunnelError::State`].
    pub fn parse(bytes: &[u8]) -> Result<Self, TunnelError> {
        let wrong = |why: String| TunnelError::State(why);
        if bytes.len() as u64 > LIST_BYTES_MAX {
            return Err(wrong("it is longer than it ever is".into()));
        }
        let list: Self = serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))?;
        if list.version != 1 {
            return Err(wrong(format!(
                "it has version {}; this node reads version 1",
                list.version
            )));
        }
        list.check().map_err(|error| wrong(error.to_string()))?;
        Ok(list)
    }

    /// The list as it is kept.
    ///
    /// # Errors
    /// [`TunnelError::State`]; none that a list can have.
    pub fn bytes(&self) -> Result<Vec<u8>, TunnelError> {
        self.check()?;
        let mut bytes =
            serde_json::to_vec(self).map_err(|error| TunnelError::State(error.to_string()))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    fn check(&self) -> Result<(), TunnelError> {
        if self.services.len() > SERVICES_MAX {
            return Err(TunnelError::Service("a node has at most 16 onion services"));
        }
        for (place, service) in self.services.iter().enumerate() {
            service.check()?;
            if self.services[..place].iter().any(|other| other.name == service.name) {
                return Err(TunnelError::Exists(service.name.to_string()));
            }
        }
        Ok(())
    }

    /// The services, in the order in which they were made.
    #[must_use]
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// One of them.
    ///
    /// # Errors
    /// [`TunnelError::NoService`].
    pub fn get(&self, name: &ServiceName) -> Result<&Service, TunnelError> {
        let mut services = self.services.iter();
        services
            .find(|service| service.name == *name)
            .ok_or_else(|| TunnelError::NoService(name.to_string()))
    }

    fn get_mut(&mut self, name: &ServiceName) -> Result<&mut Service, TunnelError> {
        let mut services = self.services.iter_mut();
        services
            .find(|service| service.name == *name)
            .ok_or_else(|| TunnelError::NoService(name.to_string()))
    }

    /// With one more service.
    ///
    /// # Errors
    /// [`TunnelError::Exists`], [`TunnelError::Service`].
    pub fn with(&self, service: Service) -> Result<Self, TunnelError> {
        let mut list = self.clone();
        list.services.push(service);
        list.check()?;
        Ok(list)
    }

    /// The number of the key that a rotation makes.
    ///
    /// # Errors
    /// [`TunnelError::NoService`], [`TunnelError::Rotating`].
    pub fn next_number(&self, name: &ServiceName) -> Result<u32, TunnelError> {
        match self.get(name)?.keys.as_slice() {
            [current] => Ok(current.number.saturating_add(1)),
            _ => Err(TunnelError::Rotating(name.to_string())),
        }
    }

    /// With a new key, and the former one served on for `grace`.
    ///
    /// # Errors
    /// [`TunnelError::NoService`], [`TunnelError::Rotating`], [`TunnelError::Service`].
    pub fn rotated(
        &self,
        name: &ServiceName,
        address: OnionAddress,
        now: u64,
        grace: Duration,
    ) -> Result<Self, TunnelError> {
        if grace > GRACE_MAX {
            return Err(TunnelError::Service("a grace time is at most 366 days"));
        }
        let number = self.next_number(name)?;
        let mut list = self.clone();
        let service = list.get_mut(name)?;
        for former in &mut service.keys {
            former.until = Some(now.saturating_add(grace.as_secs()));
        }
        service.keys.insert(0, KeyEntry { number, address, made_at: now, until: None });
        list.check()?;
        Ok(list)
    }

    /// With more clients. One whose name is there has another key from then on, where `replaces` says so.
    ///
    /// # Errors
    /// [`TunnelError::NoService`], [`TunnelError::ClientExists`], [`TunnelError::Service`].
    pub fn with_clients(
        &self,
        name: &ServiceName,
        added: &[Client],
        replaces: bool,
    ) -> Result<Self, TunnelError> {
        let mut list = self.clone();
        let clients = &mut list.get_mut(name)?.clients;
        let is_added = |client: &Client| added.iter().any(|one| one.name == client.name);
        if let (Some(known), false) = (clients.iter().find(|client| is_added(client)), replaces) {
            let (service, client) = (name.to_string(), known.name.to_string());
            return Err(TunnelError::ClientExists { service, client });
        }
        clients.retain(|client| !is_added(client));
        clients.extend_from_slice(added);
        list.check()?;
        Ok(list)
    }

    /// Without some clients. That none is left, and everybody gets in, is refused unless `opens_to_all`.
    ///
    /// # Errors
    /// [`TunnelError::NoService`], [`TunnelError::NoClient`], [`TunnelError::LastClient`].
    pub fn without_clients(
        &self,
        name: &ServiceName,
        removed: &[ClientName],
        opens_to_all: bool,
    ) -> Result<Self, TunnelError> {
        let mut list = self.clone();
        let clients = &mut list.get_mut(name)?.clients;
        let is_there = |name: &&ClientName| clients.iter().any(|client| client.name == **name);
        if let Some(unknown) = removed.iter().find(|name| !is_there(name)) {
            let (service, client) = (name.to_string(), unknown.to_string());
            return Err(TunnelError::NoClient { service, client });
        }
        clients.retain(|client| !removed.contains(&client.name));
        match clients.is_empty() && !opens_to_all {
            true => Err(TunnelError::LastClient(name.to_string())),
            false => Ok(list),
        }
    }

    /// With other ports.
    ///
    /// # Errors
    /// [`TunnelError::NoService`], [`TunnelError::Service`].
    pub fn with_ports(&self, name: &ServiceName, ports: Vec<Port>) -> Result<Self, TunnelError> {
        let mut list = self.clone();
        list.get_mut(name)?.ports = ports;
        list.check()?;
        Ok(list)
    }

    /// Former keys whose time is over and whose successor `is_published`.
    #[must_use]
    pub fn over(
        &self,
        now: u64,
        is_published: impl Fn(OnionAddress) -> bool,
    ) -> Vec<(KeyName, OnionAddress)> {
        let mut over = Vec::new();
        for service in &self.services {
            if let [current, former] = service.keys.as_slice()
                && former.until.is_some_and(|until| until <= now)
                && is_published(current.address)
            {
                over.push((service.key_name(former), former.address));
            }
        }
        over
    }

    /// Without one former key.
    ///
    /// # Errors
    /// [`TunnelError::NoService`].
    pub fn without_key(&self, key: &KeyName) -> Result<Self, TunnelError> {
        let mut list = self.clone();
        let service = list.get_mut(&key.service)?;
        service.keys.retain(|entry| entry.until.is_none() || entry.number != key.number);
        Ok(list)
    }

    /// Without a service.
    ///
    /// # Errors
    /// [`TunnelError::NoService`].
    pub fn without(&self, name: &ServiceName) -> Result<Self, TunnelError> {
        self.get(name)?;
        let mut list = self.clone();
        list.services.retain(|service| service.name != *name);
        Ok(list)
    }
}

#[cfg(test)]
mod tests;
