//! What `tunnel` says to people.

use std::io::{IsTerminal, stdout};

use lucid_core::counted;
use lucid_tunnel::{control::Port, onion::OnionAddress};

use super::{Made, clients::Handed, qr};
use crate::{
    output::table,
    services::tor::wire::{AddressState, LinkState, OnionState, StageState, TorState},
};

/// Where a client finds a service: a URL where what is behind it has one.
pub(super) fn url(service: &OnionState, address: OnionAddress) -> String {
    match service.ports.first() {
        Some(Port { port: 80, .. }) => format!("http://{address}/"),
        Some(Port { port: 443, .. }) => format!("https://{address}/"),
        Some(Port { port, .. }) => format!("{address}:{port}"),
        None => address.to_string(),
    }
}

pub(super) fn made(made: &Made) -> String {
    let mut text = String::new();
    if stdout().is_terminal() {
        text.push_str(&qr::code(&made.url));
    }
    text.push_str(&format!("{}\n", made.url));
    if !made.published {
        let why = made.problem.as_deref().unwrap_or("relays have not taken it yet");
        text.push_str(&format!("it cannot be reached yet: {why}\n"));
    }
    text.push_str(&keys(&made.clients));
    text
}

/// What clients are given.
pub(super) fn keys(clients: &[Handed]) -> String {
    let mut text = String::new();
    for client in clients {
        let name = &client.name;
        if let Some(why) = &client.why_not_in_file {
            text.push_str(&format!("the key could not be written to a file: {why}\n"));
        }
        match (&client.auth_private, &client.file) {
            (Some(line), _) => text.push_str(&format!(
                "{name}'s key, which is shown this once: put it into {name}.auth_private in the folder that \
                 ClientOnionAuthDir names in its torrc\n{}\n",
                line.as_str()
            )),
            (None, Some(file)) => {
                text.push_str(&format!("{name}'s key is in {}\n", file.display()));
            }
            (None, None) => {}
        }
    }
    text
}

pub(super) fn list(services: &[OnionState], with_codes: bool) -> String {
    if services.is_empty() {
        return "there are no onion services: lucid-node tunnel create\n".to_owned();
    }
    let mut text = String::new();
    for service in services {
        for one in &service.addresses {
            let url = url(service, one.address);
            text.push_str(&format!("{:<10} {url}  {}\n", service.name.as_str(), stage(one)));
            if with_codes {
                text.push_str(&qr::code(&url));
            }
        }
    }
    text
}

fn stage(one: &AddressState) -> String {
    let stage = match one.stage {
        StageState::Waiting => "waits for tor",
        StageState::Publishing => "is being published",
        StageState::Published => "published",
        StageState::Failed => "FAILED",
    };
    let until = one.until.map(|until| format!(", the former address, until {until} at least"));
    let why = one.why.as_ref().map(|why| format!(": {why}"));
    format!("{stage}{}{}", until.unwrap_or_default(), why.unwrap_or_default())
}

pub(super) fn status(state: &TorState) -> String {
    let version = state.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
    let tor = match state.tor {
        LinkState::Connecting => "not connected to yet".to_owned(),
        LinkState::Down => "DOWN".to_owned(),
        LinkState::Bootstrapping => format!("is connecting: {} %", state.bootstrap_percent),
        LinkState::Ready => "ready".to_owned(),
    };
    let mut rows = vec![("tor", format!("{tor}{version}, controlled at {}", state.control))];
    if let Some(problem) = &state.problem {
        rows.push(("problem", problem.clone()));
    }
    if let Some(seconds) = state.uptime_seconds {
        rows.push(("up", format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60)));
        let network = if state.network_up { "reached" } else { "NOT reached" };
        rows.push(("network", network.to_owned()));
        rows.push(("circuits", state.circuits.to_string()));
    }
    if let Some(seconds) = state.clock_skew_seconds {
        rows.push(("clock", format!("tor says that it is ahead by {seconds} s")));
    }
    rows.push(("lost", format!("{} since the node's start", counted(state.losses, "time"))));
    let mut text = table(&rows);
    for service in &state.services {
        let to: Vec<_> =
            service.ports.iter().map(|p| format!("{} to {}", p.port, p.target)).collect();
        let for_whom = match service.clients.is_empty() {
            true => String::new(),
            false => format!(", for {} alone", service.clients.join(", ")),
        };
        let kept = if service.ephemeral { ", gone with the node's process" } else { "" };
        text.push_str(&format!("{}: {}{for_whom}{kept}\n", service.name, to.join(", ")));
        for one in &service.addresses {
            let relays = format!("{} of {} relays", one.relays_taken, one.relays_sent);
            text.push_str(&format!("  {}  {}, {relays}\n", one.address, stage(one)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use lucid_core::Timestamp;
    use lucid_tunnel::onion::OnionKey;
    use zeroize::Zeroizing;

    use super::*;

    #[test]
    fn what_stands_in_the_way_is_said() {
        let address = |seed| OnionKey::from_seed(Zeroizing::new([seed; 32])).address();
        let one = |seed, until, stage, why: Option<&str>| AddressState {
            address: address(seed),
            until,
            stage,
            relays_sent: 2,
            relays_taken: 1,
            relays_refused: 0,
            why: why.map(str::to_owned),
        };
        let service = OnionState {
            name: "gateway".parse().unwrap(),
            ports: vec![Port { port: 443, target: "127.0.0.1:8080".parse().unwrap() }],
            clients: vec!["phone".to_owned()],
            ephemeral: false,
            addresses: vec![
                one(1, None, StageState::Failed, Some("chmod 600 x")),
                one(2, Some(Timestamp::from_unix_millis(0)), StageState::Published, None),
            ],
        };
        let state = TorState {
            control: "127.0.0.1:9051".into(),
            tor: LinkState::Down,
            bootstrap_percent: 0,
            problem: Some("no tor answers".into()),
            version: None,
            uptime_seconds: None,
            network_up: false,
            circuits: 0,
            clock_skew_seconds: Some(-7200),
            losses: 1,
            services: vec![service],
        };
        let text = status(&state);
        for said in [
            "DOWN",
            "no tor answers",
            "-7200",
            "chmod 600 x",
            "for phone alone",
            "1970-01-01",
            "1 time ",
        ] {
            assert!(text.contains(said), "{said}: {text}");
        }
        let listed = list(&state.services, true);
        assert!(listed.contains(&format!("https://{}/  FAILED", address(1))), "{listed}");
        assert!(listed.contains('█') && list(&[], false).contains("tunnel create"));
    }
}
