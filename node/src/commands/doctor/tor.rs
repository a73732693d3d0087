//! Tor, where the node looks after onion services.

use lucid_tunnel::{
    TunnelError,
    control::{Bootstrap, Controller},
};

use super::Line;
use crate::{
    commands::remote::runtime,
    config::{Config, ServiceName},
};

/// Whether tor can be controlled and is connected, and whether the gateway is for it alone where that is wanted.
pub(super) fn tor(config: &Config) -> Option<Line> {
    let check = "Tor";
    let tor = &config.tor;
    if !tor.is_wanted() {
        return None;
    }
    let listen = config.services.listen;
    let listen = listen.unwrap_or_else(|| ([127, 0, 0, 1], ServiceName::ApiGateway.port()).into());
    if let Err(error) = tor.only(listen) {
        let remedy = "choose one: a listen that only tor reaches, or no onion_only";
        return Some(Line::fail(check, error.to_string(), remedy));
    }
    let at = &tor.control;
    let asked = runtime().map_err(|failure| format!("{:#}", failure.error));
    let asked = asked
        .and_then(|runtime| runtime.block_on(asked_of(config)).map_err(|error| error.to_string()));
    Some(match asked {
        Ok((version, bootstrap)) if bootstrap.is_done() => {
            Line::ok(check, format!("tor {version} at {at} is connected to its network"))
        }
        Ok((version, Bootstrap { percent, summary, warning, .. })) => {
            let found = format!("tor {version} at {at} has come to {percent} %: {summary}");
            let remedy = "wait a minute; a firewall that lets nothing out, or a wrong clock, keep it from more";
            Line::warn(check, found, warning.unwrap_or_else(|| remedy.to_owned()))
        }
        Err(found) => {
            let remedy =
                "the node works, and nobody reaches it through Tor meanwhile: node/docs/tor.md";
            match tor.onion_only {
                true => Line::fail(check, found, "nobody reaches the node until that is mended"),
                false => Line::warn(check, found, remedy),
            }
        }
    })
}

async fn asked_of(config: &Config) -> Result<(String, Bootstrap), TunnelError> {
    let tor = Controller::open(&config.tor.control, &config.tor.credentials).await?;
    Ok((tor.version().to_owned(), tor.bootstrap().await?))
}
