//! `tunnel verify`: reaching an onion service through Tor, as others do.

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use clap::Args;
use lucid_tunnel::{
    Probe, Purpose, TunnelError, Verified,
    onion::OnionAddress,
    service::ServiceName,
    socks::{Proxy, Target},
    verify,
};
use serde::Serialize;

use super::{Which, service};
use crate::{
    commands::remote::runtime,
    context::Context,
    failure::{Class, Failure, Outcome},
    output::table,
    services::tor::{
        ask,
        wire::{Descriptor, Kind, Published, Request},
    },
};

/// Where the distribution's tor takes SOCKS.
const SOCKS_PORT: u16 = 9050;
/// What the gateway answers at, without an account.
const HEALTH: &str = "/health";
/// How every server of SSH begins (RFC 4253, section 4.2).
const SSH: &str = "SSH-2.0-";

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
        let proxy = self.proxy(context, address, port)?;
        let probe = match port {
            80 => Probe::Http { path: HEALTH.to_owned() },
            22 => Probe::Greeting { begins: SSH.to_owned() },
            _ => Probe::Connection,
        };
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

    /// The way in: as a stranger's, over circuits that nothing else uses.
    fn proxy(&self, context: &Context, address: OnionAddress, port: u16) -> Outcome<Proxy> {
        let config = &context.config;
        let target =
            Target::new(&address.to_string(), port).map_err(|error| of_tunnel(&error.into()))?;
        if self.socks.is_none()
            && let Ok(Some(proxy)) = config.outside.egress.proxy(Purpose::Verify, &target)
        {
            return Ok(proxy);
        }
        let at = self.socks.unwrap_or_else(|| SocketAddr::new(config.tor.address(), SOCKS_PORT));
        let proxy = format!("socks5h://{at}").parse::<Proxy>();
        let proxy = proxy.map_err(|error| Failure::usage(format!("--socks {at}: {error}")))?;
        let mut salt = [0; 8];
        getrandom::fill(&mut salt)
            .map_err(|error| Failure::io(format!("no random bytes can be had: {error}")))?;
        Ok(proxy.isolated("verify", u64::from_be_bytes(salt)))
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
