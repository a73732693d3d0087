//! `tunnel verify`: reaching an onion service through Tor, as others do.

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use clap::Args;
use lucid_tunnel::{TunnelError, Verified, onion::OnionAddress, service::ServiceName, verify};
use serde::Serialize;

use super::{Which, service};
use crate::{
    commands::remote::runtime,
    context::Context,
    failure::{Class, Failure, Outcome},
    output::table,
    services::tor::{
        ask,
        outside::{WayIn, probe},
        wire::{Descriptor, Kind, Published, Request},
    },
};

/// Arguments of `tunnel verify`.
#[derive(Args, Debug)]
pub struct Verify {
    #[command(flatten)]
    which: Which,
    /// Go through tor's SOCKS port here, without a name or password [default: `proxy`; else port 9050 where tor is]
    #[arg(long, value_name = "ADDRESS:PORT")]
    socks: Option<SocketAddr>,
    /// Try again until it is reached, for so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3600))]
    wait: u64,
}

/// What was found.
#[derive(Serialize)]
struct Found {
    name: ServiceName,
    address: OnionAddress,
    port: u16,
    /// What was asked and answered.
    checked: String,
    attempts: u32,
    connect_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_byte_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    round_trip_ms: Option<u64>,
    /// Whose descriptor the network has; absent where tor could not be asked.
    descriptor: Option<Descriptor>,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    descriptor_unknown: Option<String>,
}

impl Verify {
    /// Reaches it; exit code 1 where it is not reached, or another node has its key.
    ///
    /// # Errors
    /// As `tunnel`'s; where it is not reached.
    pub(super) fn run(&self, context: &Context) -> Outcome<ExitCode> {
        let Which { name } = &self.which;
        let one = service(context, name)?;
        let (Some(address), Some(port)) = (one.addresses.first(), one.ports.first()) else {
            return Err(Failure::check(format!("{name} has no address")));
        };
        let (address, port) = (address.address, port.port);
        let config = &context.config;
        let way = WayIn { egress: config.outside.egress.clone(), tor: config.tor.address() };
        let proxy = way.proxy(address, port, self.socks).map_err(Failure::usage)?;
        let probe = probe(name, port);
        let time = Duration::from_secs(self.wait);
        let reached = runtime()?.block_on(verify(&proxy, address, port, &probe, time));
        let verified = reached.map_err(|error| of_tunnel(&error))?;
        let asked: Outcome<Published> =
            ask(&context.config.data, &Request::Publication { name: name.clone() });
        let found = found(name, verified, asked);
        context.output.print(&found, text)?;
        Ok(match found.descriptor {
            Some(Descriptor::Anothers) => Class::Check.into(),
            _ => ExitCode::SUCCESS,
        })
    }
}

fn of_tunnel(error: &TunnelError) -> Failure {
    Kind::of(error).failure(error.to_string())
}

fn found(name: &ServiceName, verified: Verified, asked: Outcome<Published>) -> Found {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let Verified { address, port, checked, attempts, connect, first_byte, round_trip, .. } =
        verified;
    let (descriptor, unknown) = match asked {
        Ok(Published { descriptor }) => (Some(descriptor), None),
        Err(failure) => (None, Some(format!("{:#}", failure.error))),
    };
    Found {
        name: name.clone(),
        address,
        port,
        checked,
        attempts,
        connect_ms: millis(connect),
        first_byte_ms: first_byte.map(millis),
        round_trip_ms: round_trip.map(millis),
        descriptor,
        descriptor_unknown: unknown,
    }
}

fn text(found: &Found) -> String {
    let ms = |millis: u64| format!("{millis} ms");
    let descriptor = match (found.descriptor, &found.descriptor_unknown) {
        (Some(Descriptor::Ours), _) => "this node's".to_owned(),
        (Some(Descriptor::Anothers), _) => {
            "ANOTHER NODE'S, which has the same key: stop it, and rotate this one".to_owned()
        }
        (Some(Descriptor::OtherPeriod), _) => {
            "of a period that tor does not tell of: most likely this node's".to_owned()
        }
        (Some(Descriptor::Missing), _) => "not on the relays that were asked this time".to_owned(),
        (None, why) => format!("not known: {}", why.as_deref().unwrap_or("tor was not asked")),
    };
    let mut rows = vec![
        ("reached", format!("{}:{}", found.address, found.port)),
        ("checked", found.checked.clone()),
        ("descriptor", descriptor),
        ("attempts", found.attempts.to_string()),
        ("connect", ms(found.connect_ms)),
    ];
    rows.extend(found.first_byte_ms.map(|millis| ("first byte", ms(millis))));
    rows.extend(found.round_trip_ms.map(|millis| ("round trip", ms(millis))));
    table(&rows)
}
