//! The node as a server: which services this process has, how it starts, and how it ends.
//!
//! Start and end in order: the data folder is opened and repaired, the services are joined, the port
//! is bound, then it is said where. A signal stops the listening and the uploads (with what they have),
//! lets requests finish within the grace, then the stores close. What was acknowledged is durable at
//! every moment of it.

mod late;
mod local;
mod one;
mod peers;
mod process;
mod vault;

use std::{future, net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};

use lucid_api::{
    gateway,
    metrics::Metrics,
    request::RequestLayer,
    rest,
    server::{self, ServerOptions, Tls},
};
use serde::Serialize;
use tokio::{net::TcpListener, runtime::Runtime, signal::unix::SignalKind};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) use self::local::accounts_of;
use self::{
    late::{Joined, Late},
    local::{Local, gateway_options},
    peers::Peers,
};
use crate::{
    config::ServiceName,
    context::Context,
    failure::{Failure, Outcome},
    output::notice,
    services::orchestrator::{Orchestrator, complete_abandoned},
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
    let store = context.open_or_create_store()?;
    let (runtime, running) = (runtime()?, Running::new());
    let served = runtime.block_on(async {
        let local = Local::new(context, store, &running)?;
        completer(context, &local.sessions, &running);
        let api = rest::router(local.api(&running.metrics));
        let authentication = local.authentication.clone();
        let options = gateway_options(context);
        let router = gateway::router(api, authentication, options, running.metrics.clone());
        let service = ServiceName::ApiGateway;
        let late = Late::new(layer(service, &running));
        late.join(Joined { router, readiness: local.readiness() });
        listen(context, service, &late, future::pending(), &running).await
    });
    // Blocking jobs that have begun are waited for: one may be writing.
    runtime.shutdown_timeout(LAST_WRITES);
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
        let late = Late::new(layer(service, &running));
        let joining = async {
            late.join(one::join(service, context, &peers, &running, &late).await?);
            future::pending::<Outcome>().await
        };
        listen(context, service, &late, joining, &running).await
    });
    runtime.shutdown_timeout(LAST_WRITES);
    served.map(|()| ExitCode::SUCCESS)
}

impl Running {
    fn new() -> Self {
        Self {
            stop: CancellationToken::new(),
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

/// Closes sessions whose uploader vanished, from now on.
fn completer(context: &Context, sessions: &Arc<Orchestrator>, running: &Running) {
    let every = context.config.services.upload_expires_after / 4;
    let every = every.clamp(COMPLETE_EVERY_MIN, COMPLETE_EVERY);
    let (sessions, stop) = (Arc::clone(sessions), running.stop.clone());
    running.tasks.spawn(complete_abandoned(sessions, every, stop));
}

fn runtime() -> Outcome<Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("lucid").build()?)
}

fn cpu_features() -> String {
    lucid_hal::cpu::features().names().join(" ")
}

/// Binds the service's port, says where, and serves until a signal, or until it cannot be joined.
async fn listen(
    context: &Context,
    service: ServiceName,
    late: &Arc<Late>,
    joining: impl Future<Output = Outcome>,
    running: &Running,
) -> Outcome {
    let config = &context.config.services;
    let is_gateway = service == ServiceName::ApiGateway;
    let tls = match (&config.tls_certificate, &config.tls_key) {
        (Some(certificate), Some(key)) if is_gateway => {
            Some(Tls::load(certificate, key).map_err(|error| Failure::usage(error.to_string()))?)
        }
        (None, None) => None,
        _ if !is_gateway => None,
        _ => return Err(Failure::usage("tls_certificate and tls_key go together")),
    };
    let address =
        config.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], service.port())));
    let listener = TcpListener::bind(address).await.map_err(|error| {
        Failure::io(format!("cannot listen at {address}: {error}; choose another with --listen"))
    })?;
    let address = listener.local_addr()?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{address}");
    let listening = Listening { event: "listening", service: service.as_str(), address, url };
    context.output.print(&listening, |l| format!("{} listens at {}", l.service, l.url))?;
    if is_gateway && tls.is_none() && !address.ip().is_loopback() {
        notice(
            "this listens to others without TLS: set tls_certificate and tls_key, or put a proxy with \
             TLS before it",
        );
    }
    let options = ServerOptions {
        tls,
        connections_max: config.connections_max as usize,
        grace: config.shutdown_grace,
    };
    let stop = running.stop.clone();
    let server = tokio::spawn(server::serve(listener, late.router(), options, stop.clone()));
    let joined = tokio::select! {
        joined = joining => joined,
        signalled = signal() => signalled,
    };
    tracing::info!("stopping");
    stop.cancel();
    // A second signal ends it as if nothing had been caught.
    let drained = async {
        let _ = server.await;
        running.tasks.close();
        running.tasks.wait().await;
    };
    tokio::select! {
        () = drained => tracing::info!("stopped"),
        second = signal() => {
            second?;
            return Err(Failure::io("stopped by a second signal; what was acknowledged is kept"));
        }
    }
    joined
}

/// Waits for SIGINT or SIGTERM.
async fn signal() -> Outcome {
    let mut interrupt = tokio::signal::unix::signal(SignalKind::interrupt())?;
    let mut terminate = tokio::signal::unix::signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
