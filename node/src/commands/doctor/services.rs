//! What a node needs to serve: a port, a certificate, secrets that stay secret, and the other services.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::MetadataExt,
    time::{Duration, Instant},
};

use lucid_api::{
    client::{Client, Trust},
    server::Tls,
};

use super::Line;
use crate::{
    commands::remote::{own, runtime},
    config::{Config, Origin, ServiceName},
};

/// Who does not answer in this time is as good as not there.
const ANSWER_TIME: Duration = Duration::from_secs(3);
/// Settings that name a file with a secret.
const SECRET_FILES: [&str; 5] =
    ["master_key_file", "jwt_secret_file", "service_secret_file", "tor_password_file", "tls_key"];

/// Whether the node can listen where it would, or does already.
pub(super) fn port(config: &Config) -> Line {
    let (check, service) = ("port", ServiceName::ApiGateway);
    let (url, trust) = own(config, service);
    let address = config.services.listen;
    let address = address.unwrap_or_else(|| ([127, 0, 0, 1], service.port()).into());
    match TcpListener::bind(address) {
        Ok(_) => Line::ok(check, format!("{address} is free: a node would answer at {url}")),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => match health(&url, &trust) {
            Ok(_) => Line::ok(check, format!("a node answers at {url}")),
            Err(why) => {
                let found =
                    format!("{address} is taken, and what has it is not known as a node: {why}");
                let remedy = "if that is this node, see to its certificate; else stop what is there, or \
                              choose another port with --listen";
                Line::fail(check, found, remedy)
            }
        },
        Err(error) => {
            let found = format!("{address} cannot be listened at: {error}");
            Line::fail(check, found, "choose an address of this machine with --listen")
        }
    }
}

/// The gateway's certificate and key, where there are any.
pub(super) fn tls(config: &Config) -> Option<Line> {
    let (services, check) = (&config.services, "TLS");
    match (&services.tls_certificate, &services.tls_key) {
        (None, None) => None,
        (Some(certificate), Some(key)) => Some(match Tls::load(certificate, key) {
            Ok(_) => Line::ok(check, format!("{} and its key fit", certificate.display())),
            Err(error) => Line::fail(check, error.to_string(), "have the certificate made anew"),
        }),
        _ => {
            let found = "only one of tls_certificate and tls_key is given";
            Some(Line::fail(check, found, "give both, or neither behind a proxy with TLS"))
        }
    }
}

/// Whether files with secrets outside the data folder are their user's alone.
pub(super) fn secret_files(config: &Config) -> Option<Line> {
    let check = "secret files";
    let named = config.settings.iter().filter(|setting| SECRET_FILES.contains(&setting.name));
    let files: Vec<&String> = named.filter_map(|setting| setting.value.as_ref()).collect();
    if files.is_empty() {
        return None;
    }
    let (mut exposed, mut lost) = (Vec::new(), Vec::new());
    for file in &files {
        match fs::metadata(file) {
            Ok(metadata) if metadata.mode() & 0o077 != 0 => exposed.push(file.as_str()),
            Ok(_) => {}
            Err(error) => lost.push(format!("{file}: {error}")),
        }
    }
    if !lost.is_empty() {
        let remedy = "put it there, or take the setting out";
        return Some(Line::fail(check, lost.join("; "), remedy));
    }
    Some(match exposed.is_empty() {
        true => Line::ok(check, format!("{} of them, each its user's alone", files.len())),
        false => {
            let places = exposed.join(" ");
            let found = format!("others can read {}", exposed.join(", "));
            Line::fail(check, found, format!("chmod go-rwx {places}; change the secrets, too"))
        }
    })
}

/// The other services, where this configuration says where they are.
pub(super) fn peers(config: &Config) -> Vec<Line> {
    let setting = |service: ServiceName| format!("{}_url", service.as_str().replace('-', "_"));
    let given = |service: &ServiceName| config.origin(&setting(*service)) != Origin::Default;
    let named: Vec<ServiceName> = ServiceName::ALL.into_iter().filter(given).collect();
    if named.is_empty() {
        return Vec::new();
    }
    let mut lines = Vec::new();
    if config.services.service_secret.is_none() {
        let found = "services are configured, and no secret that they know each other by";
        let remedy = "openssl rand -hex 32 > service.secret; give every one of them \
                      LUCID_SERVICE_SECRET_FILE";
        lines.push(Line::fail("service secret", found, remedy));
    }
    lines.extend(named.into_iter().map(|service| {
        let (check, url) = (service.as_str(), config.services.url(service));
        match health(url, &Trust::System) {
            Ok(time) => Line::ok(check, format!("answers at {url} in {} ms", time.as_millis())),
            Err(why) => {
                let remedy = format!(
                    "start it: lucid-node serve {service}; or set {} right",
                    setting(service)
                );
                Line::fail(check, why, remedy)
            }
        }
    }));
    lines
}

/// How long a node takes to say that it lives.
fn health(url: &str, trust: &Trust) -> Result<Duration, String> {
    let client = Client::new(url, trust, ANSWER_TIME).map_err(|error| error.to_string())?;
    let runtime = runtime().map_err(|failure| failure.error.to_string())?;
    let started = Instant::now();
    let reply = runtime.block_on(client.get("/health")).map_err(|error| error.to_string())?;
    match reply.status.is_success() && reply.body.starts_with(b"{\"status\":\"ok\"") {
        true => Ok(started.elapsed()),
        false => Err(format!("what answers at {url} is no Lucid node")),
    }
}
