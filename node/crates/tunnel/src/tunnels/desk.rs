//! Deciding: what is served, and how it is.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use tokio::sync::watch;

use super::{
    TunnelOptions,
    health::{AddressHealth, Health, Link, ServiceHealth, Stage, Uploads},
    orders::Keys,
    run::Line,
};
use crate::{
    control::{Bootstrap, Circuits, Controller, DescriptorStep, Event, Onion},
    error::TunnelError,
    onion::{OnionAddress, OnionKey},
    ports::{Keep, KeepError, KeyName},
    service::{List, Service, ServiceName},
};

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// Everything the task knows.
pub(super) struct Desk {
    options: TunnelOptions,
    /// What is on disk.
    kept: List,
    /// What is in memory alone.
    ephemeral: List,
    pub(super) keys: Keys,
    /// Keys that were there without a list: a backup of secrets alone was put back, or the list is lost. Their services take
    /// them up when they are made.
    pub(super) found: Vec<KeyName>,
    pub(super) stages: HashMap<OnionAddress, Stage>,
    health: Health,
    told: watch::Sender<Health>,
}

impl Desk {
    pub(super) async fn open(
        options: TunnelOptions,
        told: watch::Sender<Health>,
    ) -> Result<Self, TunnelError> {
        let (kept, ephemeral, keys) = (List::default(), List::default(), HashMap::new());
        let (stages, health) = (HashMap::new(), Health::new());
        let found = Vec::new();
        let mut desk = Self { options, kept, ephemeral, keys, found, stages, health, told };
        match desk.blocking(Keep::load).await? {
            Some(bytes) => desk.kept = List::parse(&bytes)?,
            None => desk.found = desk.blocking(Keep::key_names).await?,
        }
        if !desk.found.is_empty() {
            let mut names: Vec<_> = desk.found.iter().map(ToString::to_string).collect();
            names.sort_unstable();
            tracing::warn!(
                keys = names.join(" "),
                "there are keys of onion services and no list of them: a service that is made has its newest key, and so its \
                 address, again; make all of them before the next start"
            );
        }
        for service in desk.kept.services().to_vec() {
            for entry in &service.keys {
                desk.read_key(service.key_name(entry), entry.address).await;
            }
        }
        Ok(desk)
    }

    /// Reads a key, or why it cannot be had.
    async fn read_key(&mut self, name: KeyName, address: OnionAddress) {
        let wanted = name.clone();
        let seed = self.blocking(move |keep| keep.key(&wanted)).await;
        let key = seed.map(OnionKey::from_seed).map_err(|error| error.to_string());
        let key = key.and_then(|key| match key.address() == address {
            true => Ok(key),
            false => Err(format!("the key {name} is not that of {address}")),
        });
        self.keys.insert(name, key);
    }

    /// Tor's control port, in words.
    pub(super) fn control(&self) -> String {
        self.options.control.to_string()
    }

    /// Does what blocks where that is allowed.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Keep) -> Result<T, KeepError> + Send + 'static,
    ) -> Result<T, TunnelError> {
        let keep = Arc::clone(&self.options.keep);
        let done = tokio::task::spawn_blocking(move || work(&*keep)).await;
        Ok(done.map_err(|_| TunnelError::Stopped)??)
    }

    pub(super) fn list(&self, kept: bool) -> &List {
        if kept { &self.kept } else { &self.ephemeral }
    }

    pub(super) fn has(&self, name: &ServiceName) -> bool {
        self.is_kept(name).is_ok()
    }

    /// Whether a service is on disk.
    pub(super) fn is_kept(&self, name: &ServiceName) -> Result<bool, TunnelError> {
        match self.ephemeral.get(name) {
            Ok(_) => Ok(false),
            Err(_) => self.kept.get(name).map(|_| true),
        }
    }

    /// Makes a list the one that counts, once it is durable.
    pub(super) async fn put(&mut self, list: List, kept: bool) -> Result<(), TunnelError> {
        if !kept {
            self.ephemeral = list;
            return Ok(());
        }
        let bytes = list.bytes()?;
        self.blocking(move |keep| keep.save(&bytes)).await?;
        self.kept = list;
        Ok(())
    }

    /// Destroys a key that is in no list any more.
    pub(super) async fn forget(&mut self, name: &KeyName, kept: bool) -> Result<(), TunnelError> {
        self.keys.remove(name);
        if kept {
            let name = name.clone();
            self.blocking(move |keep| keep.remove_key(&name)).await?;
        }
        Ok(())
    }

    /// Connects, and hands everything over.
    pub(super) async fn connect(&mut self) -> Result<Line, TunnelError> {
        let controller = Controller::open(&self.options.control, &self.options.credentials).await?;
        let events = controller.events();
        self.health.version = Some(controller.version().to_owned());
        self.progress(&controller.bootstrap().await?);
        tracing::info!(version = controller.version(), "tor is connected to");
        let names: Vec<ServiceName> = self.services().map(|(s, _)| s.name.clone()).collect();
        for name in names {
            match self.serve(&name, &controller).await {
                Err(error @ (TunnelError::Lost { .. } | TunnelError::TimedOut { .. })) => {
                    return Err(error);
                }
                Err(error) => {
                    tracing::error!(service = %name, %error, "an onion service is not served");
                }
                Ok(()) => (),
            }
        }
        Ok(Line { controller, events })
    }

    fn services(&self) -> impl Iterator<Item = (&Service, bool)> {
        let kept = self.kept.services().iter().map(|service| (service, true));
        kept.chain(self.ephemeral.services().iter().map(|service| (service, false)))
    }

    /// Hands those keys of a service to tor that it does not have.
    pub(super) async fn serve(
        &mut self,
        name: &ServiceName,
        tor: &Controller,
    ) -> Result<(), TunnelError> {
        let service = self.list(self.is_kept(name)?).get(name)?.clone();
        let clients: Vec<_> = service.clients.iter().map(|client| client.key).collect();
        let mut served = Ok(());
        for entry in &service.keys {
            let stage = self.stages.get(&entry.address);
            if matches!(stage, Some(Stage::Publishing(_) | Stage::Published(_))) {
                continue;
            }
            let done = match self.keys.get(&service.key_name(entry)) {
                Some(Ok(key)) => {
                    let (ports, detach) = (service.ports.as_slice(), self.options.detach);
                    let onion = Onion { key, ports, clients: &clients, detach };
                    add(tor, &onion).await
                }
                Some(Err(why)) => Err(TunnelError::Kept(KeepError(why.clone()))),
                None => Err(TunnelError::NoService(name.to_string())),
            };
            let stage = match &done {
                Ok(()) => Stage::Publishing(Uploads::default()),
                Err(error) => Stage::Failed { why: error.to_string() },
            };
            self.stages.insert(entry.address, stage);
            match done {
                Err(error @ (TunnelError::Lost { .. } | TunnelError::TimedOut { .. })) => {
                    return Err(error);
                }
                // What is in the way of one address is none of another's.
                done => served = served.and(done),
            }
        }
        served
    }

    /// Has tor serve an address no more; one that it does not serve is no error.
    pub(super) async fn withdraw(
        &mut self,
        address: OnionAddress,
        tor: &Controller,
    ) -> Result<(), TunnelError> {
        match tor.remove_onion(address).await {
            Ok(()) | Err(TunnelError::Refused { status: 552, .. }) => {
                self.stages.remove(&address);
                Ok(())
            }
            // As far as is known tor has it as it had it.
            failed => failed,
        }
    }

    /// Looks how tor is, at former addresses whose time is over, and at what could not be served before.
    pub(super) async fn look(&mut self, tor: Option<&Controller>) -> Result<(), TunnelError> {
        let Some(tor) = tor else { return Ok(()) };
        self.progress(&tor.bootstrap().await?);
        self.health.uptime = Some(tor.uptime().await?);
        self.health.circuits = tor.circuits().await?;
        self.health.is_network_up = tor.is_network_up().await?;
        self.retire(tor).await?;
        let failed = |service: &Service| {
            let mut keys = service.keys.iter();
            keys.any(|key| matches!(self.stages.get(&key.address), Some(Stage::Failed { .. })))
        };
        let again: Vec<ServiceName> =
            self.services().filter(|(s, _)| failed(s)).map(|(s, _)| s.name.clone()).collect();
        for name in again {
            self.read_keys_again(&name).await?;
            // Why it still cannot be is in its stage.
            if let Err(error) = self.serve(&name, tor).await {
                tracing::debug!(service = %name, %error, "an onion service is still not served");
            }
        }
        Ok(())
    }

    /// Reads the keys of a service that could not be read before: the operator may have seen to that.
    async fn read_keys_again(&mut self, name: &ServiceName) -> Result<(), TunnelError> {
        let kept = self.is_kept(name)?;
        let service = self.list(kept).get(name)?.clone();
        for entry in service.keys.iter().filter(|_| kept) {
            let key = service.key_name(entry);
            if matches!(self.keys.get(&key), Some(Err(_))) {
                self.read_key(key, entry.address).await;
            }
        }
        Ok(())
    }

    fn progress(&mut self, bootstrap: &Bootstrap) {
        self.health.link = match bootstrap.is_done() {
            true => {
                self.health.clock = None;
                Link::Ready
            }
            false => Link::Bootstrapping {
                percent: bootstrap.percent,
                summary: bootstrap.warning.clone().unwrap_or_else(|| bootstrap.summary.clone()),
            },
        };
    }

    /// Takes up what tor says.
    pub(super) fn hear(&mut self, event: Event) {
        match event {
            Event::Bootstrap(bootstrap) => self.progress(&bootstrap),
            Event::ClockSkew(skew) => {
                tracing::error!(
                    seconds = skew.seconds,
                    source = skew.source,
                    "tor says that the clock is wrong"
                );
                self.health.clock = Some(skew);
            }
            Event::ClockJumped(by) => tracing::warn!(seconds = by.as_secs(), "the clock jumped"),
            Event::Network(is_up) => self.health.is_network_up = is_up,
            Event::Descriptor(step) => self.step(&step),
            Event::Circuits(_) | Event::Fetched { .. } | Event::Other => (),
        }
    }

    fn step(&mut self, step: &DescriptorStep) {
        // Who reads the log of a publication learns no address by it.
        let has = |service: &Service| service.keys.iter().any(|key| key.address == step.address);
        let name = self.services().find(|(service, _)| has(service)).map(|(s, _)| s.name.clone());
        let service = name.as_ref().map_or("", ServiceName::as_str);
        let Some(stage) = self.stages.get_mut(&step.address) else { return };
        let (Stage::Publishing(uploads) | Stage::Published(uploads)) = stage else { return };
        if uploads.count(step) {
            tracing::warn!(
                service,
                "a relay has a newer descriptor of this address than this node's"
            );
        }
        if uploads.are_done()
            && let Stage::Publishing(uploads) = stage
        {
            tracing::info!(service, relays = uploads.taken, "an onion service is published");
            *stage = Stage::Published(uploads.clone());
        }
    }

    /// The connection is gone, or there was none to be had.
    pub(super) fn lose(&mut self, why: &TunnelError) {
        if !matches!(self.health.link, Link::Down { .. }) {
            self.health.losses = self.health.losses.saturating_add(1);
            tracing::warn!(error = %why, "tor cannot be controlled");
        }
        self.health.link = Link::Down { why: why.to_string() };
        self.health.uptime = None;
        self.health.is_network_up = false;
        self.health.circuits = Circuits::default();
        self.stages.clear();
    }

    /// Why nothing can be asked of tor now.
    pub(super) fn down(&self) -> TunnelError {
        let why = match &self.health.link {
            Link::Down { why } => why.clone(),
            _ => "it was not connected to yet".to_owned(),
        };
        TunnelError::Lost { at: self.options.control.to_string(), why }
    }

    /// Tells everybody how it is, if that is new.
    pub(super) fn tell(&mut self) {
        let one = |(service, kept): (&Service, bool)| {
            let stage = |address| self.stages.get(address).cloned().unwrap_or(Stage::Waiting);
            let addresses = service.keys.iter().map(|key| AddressHealth {
                address: key.address,
                until: key.until,
                stage: stage(&key.address),
            });
            ServiceHealth {
                name: service.name.clone(),
                ephemeral: !kept,
                ports: service.ports.clone(),
                clients: service.clients.clone(),
                addresses: addresses.collect(),
            }
        };
        let services = self.services().map(one).collect();
        self.health.services = services;
        self.told.send_if_modified(|told| {
            let is_new = *told != self.health;
            told.clone_from(&self.health);
            is_new
        });
    }
}

/// Adds a service. One that was left with tor detached, by a process before this one, is taken over.
async fn add(tor: &Controller, onion: &Onion<'_>) -> Result<(), TunnelError> {
    let address = match tor.add_onion(onion).await {
        Err(TunnelError::Served(address)) => address,
        done => return done,
    };
    if !tor.detached().await?.contains(&address) {
        return Err(TunnelError::Served(address));
    }
    tor.remove_onion(address).await?;
    tor.add_onion(onion).await
}
