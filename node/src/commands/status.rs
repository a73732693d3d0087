//! `status`: how a running node is, from what it says of itself.

use std::process::ExitCode;

use clap::Args;
use lucid_api::client::ClientError;
use lucid_core::Timestamp;
use serde::{Deserialize, Serialize};

use super::remote::{NodeArg, of_client, runtime};
use crate::{
    config::ServiceName,
    context::{Context, now},
    failure::{Class, Failure, Outcome},
    output::{human_bytes, table},
};

/// Arguments of `status`.
#[derive(Args, Debug)]
pub struct StatusOf {
    #[command(flatten)]
    node: NodeArg,
}

/// What `/ready` answers.
#[derive(Serialize, Deserialize)]
struct Check {
    name: String,
    ok: bool,
    detail: String,
}

#[derive(Deserialize)]
struct Ready {
    checks: Vec<Check>,
}

/// How a node is. What it does not say is absent.
#[derive(Serialize)]
struct Status {
    url: String,
    ready: bool,
    version: Option<String>,
    started_at: Option<Timestamp>,
    checks: Vec<Check>,
    open_sessions: Option<u64>,
    uploads_active: Option<u64>,
    queue_depth: Option<u64>,
    log_entries: Option<u64>,
    log_lag_entries: Option<u64>,
    log_witnessed_entries: Option<u64>,
    proof_failures: Option<u64>,
    disk_free_bytes: Option<u64>,
    resident_memory_bytes: Option<u64>,
    tor_bootstrap_percent: Option<u64>,
    onion_services: Option<u64>,
    onion_services_published: Option<u64>,
}

impl StatusOf {
    /// Asks and shows; exit code 1 where the node cannot do its work.
    ///
    /// # Errors
    /// Where nobody answers.
    pub fn run(&self, context: &Context) -> Outcome<ExitCode> {
        let client = self.node.client(context, ServiceName::ApiGateway)?;
        let url = client.url().to_owned();
        let asked = runtime()?
            .block_on(async { Ok((client.get("/ready").await?, client.get("/metrics").await?)) });
        let (ready, metrics) = asked.map_err(|error| not_there(&error))?;
        let nonsense = || Failure::io(format!("what answers at {url} is no node of this version"));
        let checks: Ready = serde_json::from_slice(&ready.body).map_err(|_| nonsense())?;
        let metrics = std::str::from_utf8(&metrics.body).map_err(|_| nonsense())?;
        let status = Status::of(url, ready.status.is_success(), checks.checks, metrics);
        let ready = status.ready;
        context.output.print(&status, text)?;
        Ok(if ready { ExitCode::SUCCESS } else { Class::Check.into() })
    }
}

fn not_there(error: &ClientError) -> Failure {
    let failure = of_client(error);
    match error {
        ClientError::NoAnswer { .. } => {
            Failure::io(format!("{}; start it with: lucid-node run", failure.error))
        }
        _ => failure,
    }
}

impl Status {
    fn of(url: String, ready: bool, checks: Vec<Check>, metrics: &str) -> Self {
        let whole = |name: &str| value(metrics, name).map(not_negative);
        let build = metrics.lines().find(|line| line.starts_with("lucid_build_info{"));
        let version = build.and_then(|line| line.split_once("version=\"")?.1.split_once('"'));
        let started_at = value(metrics, "process_start_time_seconds");
        let started_at =
            started_at.map(|at| Timestamp::from_unix_millis(not_negative(at * 1000.0)));
        Self {
            url,
            ready,
            version: version.map(|(version, _)| version.to_owned()),
            started_at,
            checks,
            open_sessions: whole("lucid_sessions_open"),
            uploads_active: whole("lucid_uploads_active"),
            queue_depth: whole("lucid_queue_depth"),
            log_entries: whole("lucid_log_entries"),
            log_lag_entries: whole("lucid_log_lag_entries"),
            log_witnessed_entries: whole("lucid_log_witnessed_entries"),
            proof_failures: whole("lucid_proof_failures_total"),
            disk_free_bytes: whole("lucid_disk_free_bytes"),
            resident_memory_bytes: whole("process_resident_memory_bytes"),
            tor_bootstrap_percent: whole("lucid_tor_bootstrap_percent"),
            onion_services: whole("lucid_tor_onion_services"),
            onion_services_published: whole("lucid_tor_onion_services_published"),
        }
    }
}

#[expect(clippy::cast_sign_loss, reason = "negative values are left out")]
fn not_negative(value: f64) -> u64 {
    value as u64
}

/// The value of a metric without labels.
fn value(metrics: &str, name: &str) -> Option<f64> {
    let value = |line: &str| {
        let rest = line.strip_prefix(name)?;
        rest.strip_prefix("{}").unwrap_or(rest).strip_prefix(' ')?.trim().parse().ok()
    };
    metrics.lines().find_map(value).filter(|value: &f64| *value >= 0.0)
}

fn text(status: &Status) -> String {
    let Status { url, ready, version, started_at, checks, .. } = status;
    let version = version.as_deref().unwrap_or("of an unknown version");
    let ready = if *ready { "ready" } else { "NOT READY" };
    let mut rows = vec![("node", format!("lucid-node {version} at {url}: {ready}"))];
    if let Some(at) = started_at {
        let seconds = now().unix_millis().saturating_sub(at.unix_millis()) / 1000;
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        rows.push(("up", format!("{hours} h {minutes:02} min, since {at}")));
    }
    for Check { name, ok, detail } in checks {
        let found = match (ok, detail.is_empty()) {
            (true, true) => "ok".to_owned(),
            (true, false) => format!("ok, but {detail}"),
            (false, _) => format!("FAIL: {detail}"),
        };
        rows.push((name, found));
    }
    let counts = [
        ("open sessions", status.open_sessions),
        ("uploads", status.uploads_active),
        ("waiting jobs", status.queue_depth),
        ("log entries", status.log_entries),
        ("database lag", status.log_lag_entries),
        ("witnessed entries", status.log_witnessed_entries),
        ("failed proofs", status.proof_failures),
    ];
    rows.extend(counts.iter().filter_map(|(name, count)| Some((*name, (*count)?.to_string()))));
    if let (Some(services), Some(published)) =
        (status.onion_services, status.onion_services_published)
    {
        let percent = status.tor_bootstrap_percent.unwrap_or(0);
        let tor = format!("{published} of {services} published, tor is connected to {percent} %");
        rows.push(("onion services", tor));
    }
    let sizes = [("disk free", status.disk_free_bytes), ("memory", status.resident_memory_bytes)];
    rows.extend(sizes.iter().filter_map(|(name, size)| Some((*name, human_bytes((*size)?)))));
    table(&rows)
}
