//! `healthcheck`: what a container engine or a supervisor asks of a service.

use std::{
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use clap::Args;
use lucid_api::client::Client;
use serde::{Deserialize, Serialize};

use super::remote::{NodeArg, runtime};
use crate::{
    config::ServiceName,
    context::Context,
    failure::{Failure, Outcome},
    output::notice,
};

/// How long between two times of asking where it is waited for.
const ASK_EVERY: Duration = Duration::from_millis(250);
/// How long a service may take to start again.
const ALIVE_WITHIN: Duration = Duration::from_secs(10);
/// Nothing that is to become well takes longer.
const WAIT_MAX: u64 = 3600;

/// Arguments of `healthcheck`.
#[derive(Args, Debug)]
pub struct Healthcheck {
    /// Which service of this machine [default: api-gateway, which `run` has too]
    #[arg(value_name = "NAME")]
    service: Option<ServiceName>,
    /// Ask whether it can do its work (/ready), not only whether it lives (/health)
    #[arg(long)]
    ready: bool,
    /// Ask again until it is well, for so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=WAIT_MAX))]
    wait: Option<u64>,
    /// Where it cannot do its work by then but lives, say what it lacks and be content
    #[arg(long, requires = "ready")]
    or_alive: bool,
    #[command(flatten)]
    node: NodeArg,
}

#[derive(Serialize)]
struct Healthy {
    service: &'static str,
    url: String,
    path: &'static str,
    status: u16,
}

/// What a service says of itself.
#[derive(Deserialize)]
struct Said {
    service: String,
}

impl Healthcheck {
    /// Asks.
    ///
    /// # Errors
    /// Exit code 1 where it does not answer, or answers that it is not well.
    pub fn run(&self, context: &Context) -> Outcome<ExitCode> {
        let service = self.service.unwrap_or(ServiceName::ApiGateway);
        let client = self.node.client(context, service)?;
        let until = self.wait.map(|seconds| Instant::now() + Duration::from_secs(seconds));
        let path = if self.ready { "/ready" } else { "/health" };
        let healthy = loop {
            match (ask(&client, service, path), until) {
                (Ok(healthy), _) => break healthy,
                (Err(_), Some(until)) if Instant::now() < until => thread::sleep(ASK_EVERY),
                (Err(failure), _) if self.or_alive => {
                    let alive = alive(&client, service)?;
                    notice(&format!("it lives, and is not ready: {:#}", failure.error));
                    break alive;
                }
                (Err(failure), _) => return Err(failure),
            }
        };
        let is_less = self.ready && healthy.path != "/ready";
        let how = if is_less { "lives" } else { "is well" };
        context.output.print(&healthy, |h| format!("{} at {} {how}", h.service, h.url))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// That it lives: asked for some seconds, for one that is just being started again.
fn alive(client: &Client, service: ServiceName) -> Outcome<Healthy> {
    let until = Instant::now() + ALIVE_WITHIN;
    loop {
        match ask(client, service, "/health") {
            Err(_) if Instant::now() < until => thread::sleep(ASK_EVERY),
            asked => return asked,
        }
    }
}

/// Asks once.
fn ask(client: &Client, service: ServiceName, path: &'static str) -> Outcome<Healthy> {
    let reply = runtime()?.block_on(client.get(path));
    let reply = reply.map_err(|error| Failure::check(error.to_string()))?;
    let (url, status) = (client.url().to_owned(), reply.status.as_u16());
    if !reply.status.is_success() {
        let text = String::from_utf8_lossy(&reply.body);
        return Err(Failure::check(format!("{url}{path} answers {status}: {text}")));
    }
    // One service at another's place would answer for it.
    let Said { service: named } = serde_json::from_slice(&reply.body).map_err(|_| {
        Failure::check(format!("what answers at {url} is no service of a Lucid node"))
    })?;
    if named != service.as_str() {
        return Err(Failure::check(format!("{named} answers at {url}, not {service}")));
    }
    Ok(Healthy { service: service.as_str(), url, path, status })
}
