//! The node's onion services: `lucid-tunnel`'s, with their keys in the data folder.
//!
//! This module owns where keys and list are (`keep`), what the gateway's own service is, and how the command
//! `tunnel` reaches a node that runs (`wire`, [`Desk`]): over a socket in the data folder that its user alone may speak
//! to. The HTTP API has nothing of it: an address leads to any port of this machine, and who may open one is who
//! runs the node, and no account. What is said to tor is `lucid-tunnel`'s. How services look from outside (`outside`) is
//! what `tunnel verify` says once, and tunnel-tools again and again (`tools`), which tor-proxy tells what there is.
//!
//! Nothing here ends a node: without tor, or with a tor that refuses, the services wait, and the node says so.

mod keep;
pub mod outside;
mod socket;
#[cfg(test)]
mod tests;
pub mod tools;
pub mod wire;

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use lucid_api::{health::Check, metrics::TorMeasured};
use lucid_tunnel::{
    Health, Link, NewService, ServiceHealth, Serving, Signers, Stage, TunnelError, TunnelOptions,
    Tunnels,
    control::Port,
    onion::OnionAddress,
    publication,
    service::{Client, ServiceName},
};
use serde::Serialize;
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

pub use self::socket::{Desk, SOCKET, ask};
use self::{
    keep::KeptFiles,
    wire::{Address, Front, Nothing, Published, Request, TorState},
};
use crate::config::TorConfig;

/// The gateway's service.
pub const GATEWAY: &str = "gateway";
/// The name of the check, and the first word of what is measured.
pub const TOR: &str = "tor";
/// The network has this long to say whose descriptor it has.
const PUBLICATION: Duration = Duration::from_mins(1);
/// Plain HTTP and HTTP over TLS have their ports, so that an address is enough.
const HTTP: u16 = 80;
const HTTPS: u16 = 443;

/// Where the reason is.
const MORE: &str = "lucid-node tunnel status says why";
/// What was asked for and is not there: making it did not work, or it was taken down since.
const NO_GATEWAY: &str = "the gateway has no onion service: lucid-node tunnel create makes it, or says what is in the way";
const UNATTENDED: &str = "the onion services are not looked after any more: restart the node";

/// What a process is not ready without.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Vital {
    /// It has other ways in.
    Nothing,
    /// The gateway's service is the one way in.
    Gateway,
    /// Onion services are what it is for.
    All,
}

/// Where tor finds the gateway.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gateway {
    /// Its address.
    pub target: SocketAddr,
    /// Whether it speaks TLS.
    pub is_tls: bool,
}

impl Gateway {
    /// One that listens at `listen`; on every address of a machine is on loopback, too.
    #[must_use]
    pub fn at(listen: SocketAddr, is_tls: bool) -> Self {
        let mut target = listen;
        match listen.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => target.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => target.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        Self { target, is_tls }
    }

    fn port(self) -> u16 {
        if self.is_tls { HTTPS } else { HTTP }
    }
}

/// The onion services of this node.
pub struct LocalTor {
    tunnels: Tunnels,
    health: watch::Receiver<Health>,
    control: String,
    gateway: Option<Gateway>,
    /// Whether the gateway is to have a service.
    is_wanted: bool,
    /// Who signed what, as far as it was seen since tor has each address.
    signers: Mutex<HashMap<OnionAddress, (u32, Signers)>>,
}

impl LocalTor {
    /// Those of the data folder `data`, whose lock is held. They are served while what is given with it runs.
    ///
    /// # Errors
    /// Where the list cannot be read.
    pub async fn open(
        data: &Path,
        config: &TorConfig,
        gateway: Option<Gateway>,
    ) -> Result<(Self, Serving), TunnelError> {
        let options = TunnelOptions {
            control: config.control.clone(),
            credentials: config.credentials.clone(),
            detach: false,
            keep: Arc::new(KeptFiles::at(data)),
        };
        let (tunnels, serving) = Tunnels::open(options).await?;
        let (health, control) = (tunnels.health(), config.control.to_string());
        let (signers, is_wanted) = (Mutex::default(), config.onion && gateway.is_some());
        Ok((Self { tunnels, health, control, gateway, is_wanted, signers }, serving))
    }

    /// Has the gateway's service lead to where the gateway is; makes it first where there is none and one is wanted.
    /// Until `stop`, or until it is done.
    pub async fn lead_to_gateway(&self, stop: CancellationToken) {
        let Some(gateway) = self.gateway else { return };
        match stop.run_until_cancelled(self.lead_to(gateway)).await {
            None | Some(Ok(())) => {}
            Some(Err(error)) => {
                tracing::error!(%error, "the gateway's onion service is not as it should be");
            }
        }
    }

    async fn lead_to(&self, gateway: Gateway) -> Result<(), TunnelError> {
        let name = gateway_name();
        let ports = vec![Port { port: gateway.port(), target: gateway.target }];
        match self.tunnels.set_ports(name.clone(), ports.clone()).await {
            Err(TunnelError::NoService(_)) if self.is_wanted => {
                let service = NewService { name, ports, clients: Vec::new(), ephemeral: false };
                self.tunnels.create(service).await?;
                tracing::info!(
                    "the gateway has an onion service from now on; lucid-node tunnel status has its address"
                );
                Ok(())
            }
            Err(TunnelError::NoService(_)) => Ok(()),
            done => done,
        }
    }

    /// What is said of it in `/ready`, where anybody may read it: nothing of names and paths, which `tunnel status` has.
    /// What is wrong fails the check where it is `vital`.
    #[must_use]
    pub fn check(&self, vital: Vital) -> Check {
        match self.health.has_changed() {
            Err(_) if vital == Vital::Nothing => {
                Check { detail: UNATTENDED.to_owned(), ..Check::ok(TOR) }
            }
            Err(_) => Check::failed(TOR, UNATTENDED),
            Ok(_) => check_of(&self.health.borrow(), vital, self.is_wanted),
        }
    }

    /// The services as they are to whoever looks at them from outside.
    #[must_use]
    pub fn fronts(&self) -> Vec<Front> {
        self.health.borrow().services.iter().flat_map(Front::of).collect()
    }

    /// What is measured of it.
    #[must_use]
    pub fn measured(&self) -> TorMeasured {
        measured(&self.health.borrow())
    }

    /// Does what is asked, and says what came of it as JSON.
    ///
    /// # Errors
    /// [`TunnelError`].
    pub async fn answer(&self, request: Request) -> Result<serde_json::Value, TunnelError> {
        let tunnels = &self.tunnels;
        match request {
            Request::State {} => {
                let health = self.health.borrow();
                let state = TorState::of(self.control.clone(), &health);
                let problem = lacks_gateway(&health, self.is_wanted).then(|| NO_GATEWAY.to_owned());
                json(&TorState { problem: state.problem.or(problem), ..state })
            }
            Request::Create { name, port, to, clients, ephemeral } => {
                let service = self.new_service(name, port, to, clients, ephemeral)?;
                json(&Address { address: tunnels.create(service).await? })
            }
            Request::Refresh { name } => {
                self.forget_signers(&name).await;
                tunnels.refresh(name).await?;
                json(&Nothing {})
            }
            Request::Rotate { name, grace_seconds } => {
                let grace = Duration::from_secs(grace_seconds);
                json(&Address { address: tunnels.rotate(name, grace).await? })
            }
            Request::AddClients { name, clients, replaces } => {
                self.forget_signers(&name).await;
                tunnels.add_clients(name, clients, replaces).await?;
                json(&Nothing {})
            }
            Request::RemoveClients { name, clients, opens_to_all } => {
                self.forget_signers(&name).await;
                tunnels.remove_clients(name, clients, opens_to_all).await?;
                json(&Nothing {})
            }
            Request::Teardown { name } => {
                self.forget_signers(&name).await;
                tunnels.take_down(name).await?;
                json(&Nothing {})
            }
            Request::Publication { name } => {
                json(&Published { descriptor: self.publication(&name).await?.into() })
            }
        }
    }

    fn new_service(
        &self,
        name: ServiceName,
        port: Option<u16>,
        to: Option<SocketAddr>,
        clients: Vec<Client>,
        ephemeral: bool,
    ) -> Result<NewService, TunnelError> {
        let gateway = self.gateway.filter(|_| name.as_str() == GATEWAY);
        if gateway.is_some() && (to.is_some() || port.is_some()) {
            // Each start has it lead to where the gateway is by then.
            return Err(TunnelError::Service(
                "the onion service named gateway leads to the node's gateway: give another name to one with --to or --port",
            ));
        }
        let (target, usual) = match (to, gateway) {
            (Some(to), _) => (to, to.port()),
            (None, Some(gateway)) => (gateway.target, gateway.port()),
            (None, None) => {
                return Err(TunnelError::Service(
                    "what is behind the onion service is not said: --to ADDRESS:PORT",
                ));
            }
        };
        let ports = vec![Port { port: port.unwrap_or(usual), target }];
        Ok(NewService { name, ports, clients, ephemeral })
    }

    /// The current address of a service.
    fn address(&self, name: &ServiceName) -> Result<OnionAddress, TunnelError> {
        let health = self.health.borrow();
        let service = health.services.iter().find(|service| service.name == *name);
        let address = service.and_then(|service| service.addresses.first());
        address.map(|one| one.address).ok_or_else(|| TunnelError::NoService(name.to_string()))
    }

    async fn publication(
        &self,
        name: &ServiceName,
    ) -> Result<lucid_tunnel::Publication, TunnelError> {
        let (address, losses) = (self.address(name)?, self.health.borrow().losses);
        let tor = self.tunnels.controller().await?;
        let mut all = self.signers.lock().await;
        let known: Vec<OnionAddress> = {
            let health = self.health.borrow();
            health
                .services
                .iter()
                .flat_map(|service| &service.addresses)
                .map(|a| a.address)
                .collect()
        };
        // Tor makes new signing keys when it is handed a key anew.
        all.retain(|address, (since, _)| known.contains(address) && *since == losses);
        let (_, signers) = all.entry(address).or_insert_with(|| (losses, Signers::default()));
        publication(&tor, address, signers, PUBLICATION).await
    }

    async fn forget_signers(&self, name: &ServiceName) {
        if let Ok(address) = self.address(name) {
            self.signers.lock().await.remove(&address);
        }
    }
}

/// The name of the gateway's service.
///
/// # Panics
/// Never: it is a name.
#[must_use]
pub fn gateway_name() -> ServiceName {
    GATEWAY.parse().expect("it is seven letters")
}

/// The check, by how it is, where a service of the gateway's `is_wanted`.
fn check_of(health: &Health, vital: Vital, is_wanted: bool) -> Check {
    let found = of_tor(health);
    let (of_gateway, of_others) = unpublished(health);
    let lacks = lacks_gateway(health, is_wanted || vital == Vital::Gateway).then_some(NO_GATEWAY);
    let of_gateway = lacks.or(of_gateway);
    let (failing, beside) = match vital {
        Vital::Nothing => (None, found.or(of_gateway).or(of_others)),
        Vital::Gateway => (found.or(of_gateway), of_others),
        Vital::All => (found.or(of_gateway).or(of_others), None),
    };
    let said = |why| match why {
        NO_GATEWAY => why.to_owned(),
        why => format!("{why}; {MORE}"),
    };
    match (failing, beside) {
        (Some(why), _) => Check::failed(TOR, said(why)),
        (None, Some(why)) => Check { detail: said(why), ..Check::ok(TOR) },
        (None, None) => Check::ok(TOR),
    }
}

/// Whether the gateway is to have a service and has none.
fn lacks_gateway(health: &Health, is_wanted: bool) -> bool {
    is_wanted && !health.services.iter().any(|service| service.name.as_str() == GATEWAY)
}

/// Whether the gateway's service, and whether another one, is not published.
fn unpublished(health: &Health) -> (Option<&'static str>, Option<&'static str>) {
    let is_published = |service: &ServiceHealth| {
        let current = service.addresses.first();
        current.is_some_and(|one| matches!(one.stage, Stage::Published(_)))
    };
    let gateway = health.services.iter().find(|service| service.name.as_str() == GATEWAY);
    let of_gateway = gateway.filter(|service| !is_published(service));
    let mut others = health.services.iter().filter(|one| one.name.as_str() != GATEWAY);
    let of_others = others.any(|service| !is_published(service));
    (
        of_gateway.map(|_| "the gateway's onion service is not published"),
        of_others.then_some("an onion service is not published"),
    )
}

/// What keeps tor from serving anything.
fn of_tor(health: &Health) -> Option<&'static str> {
    match health.link {
        Link::Connecting | Link::Down { .. } => Some("tor cannot be controlled"),
        Link::Bootstrapping { .. } => Some("tor is not connected to its network"),
        Link::Ready if !health.is_network_up => Some("tor does not reach its network"),
        Link::Ready => None,
    }
}

fn json(value: &impl Serialize) -> Result<serde_json::Value, TunnelError> {
    serde_json::to_value(value).map_err(|_| TunnelError::Malformed("it cannot be told as JSON"))
}

fn measured(health: &Health) -> TorMeasured {
    let bootstrap_percent = match &health.link {
        Link::Ready => 100,
        Link::Bootstrapping { percent, .. } => u64::from(*percent),
        Link::Connecting | Link::Down { .. } => 0,
    };
    let current = health.services.iter().filter_map(|service| service.addresses.first());
    let published = current.filter(|one| matches!(one.stage, Stage::Published(_))).count();
    let all = health.services.iter().flat_map(|service| &service.addresses);
    let refused = all.map(|one| match &one.stage {
        Stage::Publishing(uploads) | Stage::Published(uploads) => u64::from(uploads.refused),
        Stage::Waiting | Stage::Failed { .. } => 0,
    });
    TorMeasured {
        ready: of_tor(health).is_none(),
        bootstrap_percent,
        circuits: health.circuits.built.into(),
        losses: health.losses.into(),
        services: health.services.len() as u64,
        published: published as u64,
        refused: refused.sum(),
    }
}
