//! The node as a server: which services this process has, how it starts, and how it ends.
//!
//! Start and end in order: the certificate is read, the port is bound, the data folder is opened and
//! repaired, the services are joined, then it is said where. A signal stops the listening and the uploads (with what they have),
//! lets requests finish within the grace, then the stores close. What was acknowledged is durable at
//! every moment of it.

mod accounts;
mod board;
mod folders;
mod late;
mod listening;
mod local;
mod one;
mod outside;
mod peers;
mod process;
mod readiness;
mod supervisor;
mod tor;
mod vault;

use std::{
    future, net::SocketAddr, os::unix::fs::PermissionsExt, process::ExitCode, sync::Arc,
    time::Duration,
};

use lucid_api::{
    gateway,
    metrics::Metrics,
    request::RequestLayer,
    rest,
    server::{self, ServerOptions, Shares, Tls},
};
use lucid_tunnel::OnionOnly;
use serde::Serialize;
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    signal::unix::{Signal, SignalKind},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    late::{Joined, Late},
    local::{Local, gateway_options},
    peers::Peers,
};
pub(crate) use self::{
    local::{accounts_of, index_of},
    outside::{mongo_options, sync_of},
};
use crate::{
    config::{Config, LogFormat, ServiceConfig, ServiceName},
    context::Context,
    failure::{Failure, Outcome},
    output::{Output, notice},
    services::{
        orchestrator::{Orchestrator, complete_abandoned, tell_of_the_clock},
        tor::Gateway,
    },
};

/// The completer looks this often.
const COMPLETE_EVERY: Duration = Duration::from_secs(30);
/// It looks more often where uploads expire sooner than that.
const COMPLETE_EVERY_MIN: Duration = Duration::from_millis(200);
/// Tasks that still write to the store when the grace is over get this much longer.
const LAST_WRITES: Duration = Duration::from_secs(10);

/// What the process runs in.
pub struct Running {
    /// Cancelled when the node stops.
    pub stop: CancellationToken,
    /// Cancelled where something else than a signal asks it to.
    pub leave: CancellationToken,
    /// Every task that writes.
    pub tasks: TaskTracker,
    /// What is counted.
    pub metrics: Metrics,
}

#[derive(Serialize)]
struct Listening {
    event: &'static str,
    service: &'static str,
    address: SocketAddr,
    url: String,
}

/// Runs all services in this process until a signal ends it.
///
/// # Errors
/// Before it listens: the store's, the port's, the certificate's.
pub fn run(context: &Context) -> Outcome<ExitCode> {
    let (runtime, running, service) = (runtime()?, Running::new(), ServiceName::ApiGateway);
    // What stands in the way is met before a folder and keys are made.
    // The runtime is who is told of connections.
    let bound = runtime.block_on(async { bind(&context.config, service) })?;
    if context.config.write_only && !context.config.data.exists() {
        return Err(local::write_only());
    }
    let config = &context.config.board;
    // From here on the light says that the node starts.
    let opened = board::open(config);
    let store = context.open_or_create_store()?;
    let mut attendance = None;
    let served = runtime.block_on(async {
        let mut local = Local::new(context, store, &running).await?;
        let gateway = Gateway::at(bound.listener.local_addr()?, bound.tls.is_some());
        local.tor = tor::look_after(&context.config, gateway, &running).await?;
        let followed = opened.map(|opened| {
            let parts = local.of_board(&running);
            tokio::spawn(opened.follow(parts))
        });
        completer(context, &local.sessions, &running);
        let api = rest::router(local.api(&running.metrics));
        let authentication = local.authentication.clone();
        let options = gateway_options(context);
        let router = gateway::router(api, authentication, options, running.metrics.clone());
        let late = Late::new(layer(service, &running));
        late.join(Joined { router, readiness: local.readiness() });
        let served = listen(bound, context, service, &late, future::pending(), &running).await;
        if let Some(followed) = followed {
            running.stop.cancel();
            attendance = followed.await.unwrap_or_else(|error| {
                tracing::error!(%error, "nobody attended to the board");
                None
            });
        }
        served
    });
    // Blocking jobs that have begun are waited for: one may be writing.
    runtime.shutdown_timeout(LAST_WRITES);
    // The light goes out when nothing is written any more.
    drop(attendance);
    if let (Ok(()), true, Some(path)) =
        (&served, running.leave.is_cancelled(), &config.poweroff_file)
    {
        board::ask_for_poweroff(path)
            .map_err(|error| Failure::io(format!("{}: {error}", path.display())))?;
    }
    served.map(|()| ExitCode::SUCCESS)
}

/// Runs one service in this process until a signal ends it.
///
/// # Errors
/// Those of [`run`], and where services have no shared secret.
pub fn serve(context: &Context, service: ServiceName) -> Outcome<ExitCode> {
    let peers = Peers::new(service, &context.config)?;
    let (runtime, running) = (runtime()?, Running::new());
    let served = runtime.block_on(async {
        let bound = bind(&context.config, service)?;
        let late = Late::new(layer(service, &running));
        let joining = async {
            late.join(one::join(service, context, &peers, &running, &late).await?);
            future::pending::<Outcome>().await
        };
        listen(bound, context, service, &late, joining, &running).await
    });
    runtime.shutdown_timeout(LAST_WRITES);
    served.map(|()| ExitCode::SUCCESS)
}

impl Running {
    fn new() -> Self {
        Self {
            stop: CancellationToken::new(),
            leave: CancellationToken::new(),
            tasks: TaskTracker::new(),
            metrics: Metrics::new(env!("CARGO_PKG_VERSION"), cpu_features()),
        }
    }
}

/// What every request to a service goes through.
fn layer(service: ServiceName, running: &Running) -> RequestLayer {
    let trusts_ids = service != ServiceName::ApiGateway;
    RequestLayer { service: service.as_str(), trusts_ids, metrics: running.metrics.clone() }
}

/// Closes sessions whose uploader vanished, and says what is known of the clock, from now on.
fn completer(context: &Context, sessions: &Arc<Orchestrator>, running: &Running) {
    let every = context.config.services.upload_expires_after / 4;
    let every = every.clamp(COMPLETE_EVERY_MIN, COMPLETE_EVERY);
    let (sessions, stop) = (Arc::clone(sessions), running.stop.clone());
    running.tasks.spawn(tell_of_the_clock(Arc::clone(&sessions), stop.clone()));
    running.tasks.spawn(complete_abandoned(sessions, every, stop));
}

fn runtime() -> Outcome<Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("lucid").build()?)
}

fn cpu_features() -> String {
    lucid_hal::cpu::features().names().join(" ")
}

/// The gateway's TLS, where it is configured.
///
/// # Errors
/// Where a part of it is missing or cannot be used.
pub(crate) fn tls_of(config: &ServiceConfig) -> Outcome<Option<Tls>> {
    match (&config.tls_certificate, &config.tls_key) {
        (Some(certificate), Some(key)) => {
            let tls = Tls::load(certificate, key);
            tls.map(Some).map_err(|error| Failure::usage(error.to_string()))
        }
        (None, None) => Ok(None),
        _ => Err(Failure::usage("tls_certificate and tls_key go together")),
    }
}

/// A service's port, and its TLS.
struct Bound {
    listener: TcpListener,
    tls: Option<Tls>,
    /// Who may connect, where that is tor alone.
    only: Option<OnionOnly>,
}

/// Takes the service's port. Whoever connects before it is served waits.
fn bind(config: &Config, service: ServiceName) -> Outcome<Bound> {
    let (tor, config) = (&config.tor, &config.services);
    let address =
        config.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], service.port())));
    let (tls, only) = match service {
        ServiceName::ApiGateway => {
            let only = tor.only(address).map_err(|error| Failure::usage(error.to_string()))?;
            (tls_of(config)?, only)
        }
        _ => (None, None),
    };
    if let (Some(_), Some(key)) = (&tls, &config.tls_key) {
        let mode = std::fs::metadata(key)?.permissions().mode() & 0o777;
        // A container's secrets are often 0444, behind a folder that nobody else can enter.
        if mode & 0o007 != 0 {
            let key = key.display();
            notice(&format!(
                "others can read the TLS key {key} (mode {mode:03o}): chmod o-rwx {key}"
            ));
        }
    }
    let listener = listening::bind(address).map_err(|error| {
        Failure::io(format!("cannot listen at {address}: {error}; choose another with --listen"))
    })?;
    Ok(Bound { listener, tls, only })
}

/// Says where the service is, and serves until a signal, or until it cannot be joined.
async fn listen(
    bound: Bound,
    context: &Context,
    service: ServiceName,
    late: &Arc<Late>,
    joining: impl Future<Output = Outcome>,
    running: &Running,
) -> Outcome {
    let (config, is_gateway) = (&context.config.services, service == ServiceName::ApiGateway);
    let Bound { listener, tls, only } = bound;
    let address = listener.local_addr()?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{address}");
    let listening = Listening { event: "listening", service: service.as_str(), address, url };
    // Before anybody can know that it is there: whoever stops it then stops it in order.
    let mut signals = Signals::catch()?;
    // Standard output is one JSON object a line where the log is.
    let json = context.output.json || config.log_format == LogFormat::Json;
    Output { json }.print(&listening, |l| format!("{} listens at {}", l.service, l.url))?;
    if is_gateway && tls.is_none() && only.is_none() && !address.ip().is_loopback() {
        notice(
            "this listens to others without TLS: set tls_certificate and tls_key, or put a proxy with \
             TLS before it",
        );
    }
    let options = ServerOptions {
        tls,
        connections_max: config.connections_max as usize,
        grace: config.shutdown_grace,
        // Between services it is the gateway that waits for whoever is outside.
        write_time: if is_gateway { server::WRITE_TIME } else { server::SERVICE_WRITE_TIME },
    };
    let attended = supervisor::attend(Arc::clone(late) as Arc<_>);
    let stop = running.stop.clone();
    let shares = is_gateway.then(|| {
        let most = config.connections_per_address_max as usize;
        let shares = Shares::new(most, config.trusted_proxies.clone());
        match only {
            None => shares,
            // Who asks from this machine, such as a health check, is no stranger.
            Some(only) => shares.only_for(move |peer| {
                only.accepts(peer) || peer == address.ip() || peer.is_loopback()
            }),
        }
    });
    let serving = server::serve_shared(listener, late.router(), options, shares, stop.clone());
    let server = tokio::spawn(serving);
    let joined = tokio::select! {
        joined = joining => joined,
        () = signals.next() => Ok(()),
        () = running.leave.cancelled() => Ok(()),
    };
    tracing::info!("stopping");
    if let Some(attended) = &attended {
        attended.stopping(config.shutdown_grace + LAST_WRITES);
    }
    stop.cancel();
    // A second signal ends it as if nothing had been caught.
    let drained = async {
        let _ = server.await;
        running.tasks.close();
        running.tasks.wait().await;
    };
    tokio::select! {
        () = drained => tracing::info!("stopped"),
        () = signals.next() => {
            return Err(Failure::io("stopped by a second signal; what was acknowledged is kept"));
        }
    }
    joined
}

/// SIGINT and SIGTERM, caught from when this is made.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn catch() -> Outcome<Self> {
        let interrupt = tokio::signal::unix::signal(SignalKind::interrupt())?;
        let terminate = tokio::signal::unix::signal(SignalKind::terminate())?;
        Ok(Self { interrupt, terminate })
    }

    /// Waits for the next one.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
