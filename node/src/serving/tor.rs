//! The onion services of a process that has a data folder, and what it says of them.
//!
//! A node works without them: tor that is away, or a socket that cannot be made, is told and no reason not to start,
//! unless tor is the one way in.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use axum::{Router, body::Bytes, routing::post};
use ipnet::IpNet;
use lucid_api::{
    Problem,
    health::{Check, Readiness},
    internal::{Caller, method},
    metrics::{Measured, TorMeasured},
};
use lucid_store::FolderKind;

use super::{Running, folders::open_folder, readiness::FolderReadiness};
use crate::{
    config::{Config, TorConfig},
    context::Context,
    failure::{Failure, Outcome},
    output::notice,
    services::tor::{
        Desk, Gateway, LocalTor, SOCKET, TOR, Vital,
        outside::WayIn,
        tools::{Fronts, Watch},
        wire::{Front, Kind},
    },
};

/// Without names and paths, which are in the log.
const LOST: &str = "the onion services are not kept: the node's log says at its start what was in the way; mend that, and \
                    restart the node";

/// The onion services of a node.
#[derive(Clone, Default)]
pub(super) enum Onions {
    /// None are wanted, and none are there.
    #[default]
    None,
    /// They are looked after.
    Kept(Arc<LocalTor>),
    /// They are wanted or there, and cannot be looked after.
    Lost,
}

impl Onions {
    /// What is said of them in `/ready`, where anybody may read it; nothing where there is nothing to say.
    pub(super) fn check(&self, vital: Vital) -> Option<Check> {
        match self {
            Self::None => None,
            Self::Kept(tor) => Some(tor.check(vital)),
            Self::Lost if vital == Vital::Nothing => {
                Some(Check { detail: LOST.to_owned(), ..Check::ok(TOR) })
            }
            Self::Lost => Some(Check::failed(TOR, LOST)),
        }
    }

    /// What is measured of them.
    pub(super) fn measured(&self) -> Option<TorMeasured> {
        match self {
            Self::None => None,
            Self::Kept(tor) => Some(tor.measured()),
            Self::Lost => Some(TorMeasured::default()),
        }
    }
}

/// Looks after the onion services of the data folder, where any are wanted or there.
///
/// # Errors
/// Where clients of tor would be trusted proxies; where tor is the one way in, and there is something in the way that does
/// not pass.
pub(super) async fn look_after(
    config: &Config,
    gateway: Gateway,
    running: &Running,
) -> Outcome<Onions> {
    let (trusted_proxies, data) = (&config.services.trusted_proxies, config.data.as_path());
    let config = &config.tor;
    if !config.is_wanted() && !data.join("tunnels").join("list").exists() {
        return Ok(Onions::None);
    }
    check_proxies(config, trusted_proxies)?;
    let target = config.onion_target.unwrap_or(gateway.target);
    let gateway = Gateway { target, ..gateway };
    match begin(config, data, Some(gateway), running).await {
        Ok(tor) => Ok(Onions::Kept(tor)),
        Err(failure) if config.onion_only => Err(failure),
        Err(failure) => {
            notice(&format!("there are no onion services: {:#}", failure.error));
            Ok(Onions::Lost)
        }
    }
}

/// Everybody who comes through tor comes from its address. Where that is a trusted proxy's, they could say that they are
/// whoever they like.
fn check_proxies(config: &TorConfig, trusted_proxies: &[IpNet]) -> Outcome {
    let tor = config.address();
    match trusted_proxies.iter().any(|network| network.contains(&tor)) {
        false => Ok(()),
        true => Err(Failure::usage(format!(
            "trusted_proxies has {tor}, from where tor connects: whoever comes through an onion service could say to be at \
             any address. Let the proxy connect from another address than tor, or do without onion services"
        ))),
    }
}

async fn begin(
    config: &TorConfig,
    data: &Path,
    gateway: Option<Gateway>,
    running: &Running,
) -> Outcome<Arc<LocalTor>> {
    let opened = LocalTor::open(data, config, gateway).await;
    let (tor, serving) = opened.map_err(|error| Kind::of(&error).failure(error.to_string()))?;
    let (tor, stop) = (Arc::new(tor), &running.stop);
    let desk = Desk::open(data)
        .map_err(|error| Failure::io(format!("{}: {error}", data.join(SOCKET).display())))?;
    running.tasks.spawn(serving.run(stop.clone()));
    running.tasks.spawn(desk.serve(Arc::clone(&tor), stop.clone()));
    let (led, stop) = (Arc::clone(&tor), stop.clone());
    running.tasks.spawn(async move { led.lead_to_gateway(stop).await });
    Ok(tor)
}

/// tor-proxy: the onion services, in a process of their own.
pub(super) async fn tor_proxy(
    context: &Context,
    running: &Running,
) -> Outcome<(Router, Arc<dyn Readiness>)> {
    let config = &context.config.tor;
    // The gateway, in a process of its own, does not know where tor is.
    check_proxies(config, &context.config.services.trusted_proxies)?;
    let gateway = config.onion_target.map(|target| {
        let is_tls = context.config.services.tls_certificate.is_some();
        Gateway { target, is_tls }
    });
    if config.onion && gateway.is_none() {
        return Err(Failure::usage(
            "onion is true, and where the gateway is, is not said: let onion_target be its address and port as tor \
             sees them, such as 172.21.0.30:8080",
        ));
    }
    let folder = open_folder(context, FolderKind::Tor, Some("the keys of onion addresses are"))?;
    let tor = begin(config, folder.path(), gateway, running).await?;
    let told = Arc::clone(&tor);
    let fronts = move |body: Bytes| {
        let told = Arc::clone(&told);
        async move { method(body, |(): ()| async move { Ok::<_, Problem>(told.fronts()) }).await }
    };
    let router = Router::new().route(&format!("/internal/v1/{FRONTS}"), post(fronts));
    let readiness = ProxyReadiness { tor, folder: FolderReadiness(folder) };
    Ok((router, Arc::new(readiness)))
}

/// Where tor-proxy says what onion services there are.
const FRONTS: &str = "tor/fronts";

/// tunnel-tools: looks at the onion services from outside.
pub(super) fn tunnel_tools(
    config: &Config,
    tor_proxy: Caller,
    running: &Running,
) -> Arc<dyn Readiness> {
    let way = WayIn { egress: config.outside.egress.clone(), tor: config.tor.address() };
    let fronts = Arc::new(RemoteFronts(tor_proxy));
    let watch = Arc::new(Watch::new(fronts, way, config.tor.check_interval));
    running.tasks.spawn(Arc::clone(&watch).run(running.stop.clone()));
    watch
}

/// What tor-proxy says.
struct RemoteFronts(Caller);

#[async_trait]
impl Fronts for RemoteFronts {
    async fn fronts(&self) -> Result<Vec<Front>, Problem> {
        self.0.call(FRONTS, &()).await
    }
}

/// tor-proxy.
struct ProxyReadiness {
    tor: Arc<LocalTor>,
    folder: FolderReadiness,
}

#[async_trait]
impl Readiness for ProxyReadiness {
    async fn checks(&self) -> Vec<Check> {
        let mut checks = self.folder.checks().await;
        checks.push(self.tor.check(Vital::All));
        checks
    }

    async fn measure(&self) -> Measured {
        Measured { tor: Some(self.tor.measured()), ..self.folder.measure().await }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_for_and_is_not_kept_is_said() {
        assert!(Onions::None.check(Vital::Nothing).is_none() && Onions::None.measured().is_none());
        let beside = Onions::Lost.check(Vital::Nothing).unwrap();
        assert!(beside.ok && beside.detail.contains("not kept"), "{beside:?}");
        assert!(!Onions::Lost.check(Vital::Gateway).unwrap().ok);
        let measured = Onions::Lost.measured().unwrap();
        assert!(!measured.ready && measured.services == 0, "{measured:?}");
    }
}
