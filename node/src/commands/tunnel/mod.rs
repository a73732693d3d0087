//! `tunnel`: the onion services of a node that runs, asked over the socket in its data folder.

mod authorization;
mod clients;
mod qr;
mod said;
mod verify;

use std::{
    net::SocketAddr,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use clap::{Args, Subcommand};
use lucid_tunnel::{
    onion::{ClientName, OnionAddress},
    service::ServiceName,
};
use serde::Serialize;

use self::clients::{ClientKeys, Handed};
use crate::{
    config,
    context::Context,
    failure::{Class, Failure, Outcome},
    services::tor::{
        GATEWAY, ask,
        wire::{Address, Nothing, OnionState, Request, StageState, TorState},
    },
};

/// How often it is looked whether an address is published.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Where a secure shell listens, and at which port clients ask for it.
const SSH: (&str, u16) = ("ssh", 22);
/// A week: long enough for clients to be told of the new address.
const GRACE: &str = "168h";

/// The subcommands of `tunnel`.
#[derive(Subcommand, Debug)]
pub enum Tunnel {
    /// Make an onion service: for the node's gateway, for ssh, or for whatever listens at --to
    Create(Create),
    /// Show the onion services and their addresses
    List(List),
    /// Show how it is with tor and each onion service; exit code 1 where one cannot be reached
    Status,
    /// Hand an onion service to tor anew, which publishes it anew
    Refresh(Which),
    /// Give an onion service a new address; the former one is served on for a time
    Rotate(Rotate),
    /// Reach an onion service through Tor as others do, and say what was measured
    Verify(verify::Verify),
    /// Say who may reach an onion service: those with a key, or everybody
    #[command(subcommand)]
    Client(authorization::Authorization),
    /// End an onion service and destroy its keys: nobody can have its address again
    Teardown(Teardown),
}

/// Which service.
#[derive(Args, Debug)]
pub struct Which {
    /// Its name
    #[arg(value_name = "NAME", default_value = GATEWAY)]
    name: ServiceName,
}

/// Arguments of `tunnel create`.
#[derive(Args, Debug)]
pub struct Create {
    #[command(flatten)]
    which: Which,
    /// Where its connections go; of the gateway that is known, of ssh 127.0.0.1:22 unless it is given
    #[arg(long, value_name = "ADDRESS:PORT")]
    to: Option<SocketAddr>,
    /// The port that clients ask for [default: that of --to, 22 for ssh; the gateway has 80, or 443 with TLS]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Let only those in who have a key, and make one for this client; can be repeated
    #[arg(long = "client", value_name = "NAME")]
    clients: Vec<ClientName>,
    /// Write each client's key into NAME.auth_private in this folder, instead of showing it
    #[arg(long, value_name = "DIR", requires = "clients", value_hint = clap::ValueHint::DirPath)]
    client_keys: Option<std::path::PathBuf>,
    /// Keep its key in memory alone: the address is gone when the node stops
    #[arg(long)]
    ephemeral: bool,
    #[command(flatten)]
    wait: Wait,
}

/// Arguments of `tunnel list`.
#[derive(Args, Debug)]
pub struct List {
    /// Show each address as a QR code, too
    #[arg(long)]
    qr: bool,
}

/// Arguments of `tunnel rotate`.
#[derive(Args, Debug)]
pub struct Rotate {
    #[command(flatten)]
    which: Which,
    /// How long the former address is served at least, such as 72h; 0s ends it once the new one is published
    #[arg(long, value_name = "DURATION", default_value = GRACE, value_parser = config::whole_seconds)]
    grace: Duration,
    #[command(flatten)]
    wait: Wait,
}

/// Arguments of `tunnel teardown`.
#[derive(Args, Debug)]
pub struct Teardown {
    #[command(flatten)]
    which: Which,
    /// Do it: the address cannot be had again
    #[arg(long)]
    yes: bool,
}

/// How long is waited.
#[derive(Args, Debug)]
struct Wait {
    /// Wait until the address is published, for so many seconds; 0 does not wait
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    #[arg(value_parser = clap::value_parser!(u64).range(..=3600))]
    wait: u64,
}

/// An address that was made.
#[derive(Serialize)]
struct Made {
    name: ServiceName,
    address: OnionAddress,
    url: String,
    published: bool,
    /// What keeps it from that, where something does.
    problem: Option<String>,
    clients: Vec<Handed>,
}

#[derive(Serialize)]
struct Told {
    name: ServiceName,
    done: &'static str,
}

impl Tunnel {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// Where no node runs that keeps onion services; the node's.
    pub fn run(&self, context: &Context) -> Outcome<ExitCode> {
        let data = &context.config.data;
        match self {
            Self::Create(command) => return command.run(context),
            Self::Rotate(command) => return command.run(context),
            Self::Verify(command) => return command.run(context),
            Self::Client(command) => command.run(context)?,
            Self::Teardown(command) => command.run(context)?,
            Self::List(List { qr }) => {
                let TorState { services, .. } = ask(data, &Request::State {})?;
                context.output.print(&services, |services| said::list(services, *qr))?;
            }
            Self::Status => {
                let state: TorState = ask(data, &Request::State {})?;
                context.output.print(&state, said::status)?;
                if state.problem.is_some() {
                    return Ok(Class::Check.into());
                }
            }
            Self::Refresh(Which { name }) => {
                let Nothing {} = ask(data, &Request::Refresh { name: name.clone() })?;
                done(context, name, "handed to tor anew")?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Create {
    fn run(&self, context: &Context) -> Outcome<ExitCode> {
        let Self { which: Which { name }, to, port, clients, client_keys, ephemeral, wait } = self;
        let is_ssh = name.as_str() == SSH.0;
        let to = to.or_else(|| is_ssh.then(|| SocketAddr::from(([127, 0, 0, 1], SSH.1))));
        if !clients.is_empty() && client_keys.is_none() {
            clients::check_shown()?;
        }
        let keys = ClientKeys::make(clients, client_keys.as_deref())?;
        let request = Request::Create {
            name: name.clone(),
            port: port.or_else(|| is_ssh.then_some(SSH.1)),
            to,
            clients: keys.public(),
            ephemeral: *ephemeral,
        };
        let Address { address } = match ask(&context.config.data, &request) {
            Ok(made) => made,
            Err(failure) => {
                keys.withdraw();
                return Err(failure);
            }
        };
        // From here on the address is there, and its clients' keys are nowhere else.
        let handed = keys.hand_over(address);
        if !handed.iter().any(Handed::is_shown) {
            return told(context, name, address, handed, wait);
        }
        if context.output.json {
            // One object, at the end.
            let names = &handed.iter().map(|one| one.name.to_string()).collect::<Vec<_>>();
            return told(context, name, address, handed, wait)
                .map_err(|failure| undone(context, name, names, &failure));
        }
        if let Err(failure) = context.output.print(&handed, |handed| said::keys(handed)) {
            handed.iter().for_each(Handed::withdraw);
            let names = &handed.iter().map(|one| one.name.to_string()).collect::<Vec<_>>();
            return Err(undone(context, name, names, &failure));
        }
        told(context, name, address, Vec::new(), wait)
    }
}

/// Ends a service whose clients' keys could not be shown. Its address was told to nobody.
fn undone(context: &Context, name: &ServiceName, clients: &[String], failure: &Failure) -> Failure {
    let why = format!("the clients' keys could not be shown: {:#}", failure.error);
    match ask(&context.config.data, &Request::Teardown { name: name.clone() }) {
        Ok(Nothing {}) => Failure::io(format!("{why}. {name} was not made")),
        Err(still) => Failure::io(format!(
            "{why}. {name} is there, and nobody has a key ({:#}): make them anew with lucid-node tunnel client add {name} \
             {} --replace",
            still.error,
            clients.join(" ")
        )),
    }
}

impl Rotate {
    fn run(&self, context: &Context) -> Outcome<ExitCode> {
        let Self { which: Which { name }, grace, wait } = self;
        let request = Request::Rotate { name: name.clone(), grace_seconds: grace.as_secs() };
        let Address { address } = ask(&context.config.data, &request)?;
        told(context, name, address, Vec::new(), wait)
    }
}

impl Teardown {
    fn run(&self, context: &Context) -> Outcome {
        let Self { which: Which { name }, yes } = self;
        if !yes {
            let one = service(context, name)?;
            let address = one.addresses.first().map_or_else(String::new, |a| a.address.to_string());
            return Err(Failure::usage(format!(
                "this destroys the key of {address}, and nobody can have that address again; if that is wanted: \
                 lucid-node tunnel teardown {name} --yes"
            )));
        }
        let Nothing {} = ask(&context.config.data, &Request::Teardown { name: name.clone() })?;
        done(context, name, "ended, its keys are destroyed")
    }
}

fn done(context: &Context, name: &ServiceName, what: &'static str) -> Outcome {
    let done = Told { name: name.clone(), done: what };
    context.output.print(&done, |Told { name, done }| format!("{name}: {done}"))
}

/// One of the services.
fn service(context: &Context, name: &ServiceName) -> Outcome<OnionState> {
    let TorState { services, .. } = ask(&context.config.data, &Request::State {})?;
    services.into_iter().find(|service| service.name == *name).ok_or_else(|| {
        Failure::check(lucid_tunnel::TunnelError::NoService(name.to_string()).to_string())
    })
}

/// Tells of an address that was made, once it is published or that was waited for long enough.
fn told(
    context: &Context,
    name: &ServiceName,
    address: OnionAddress,
    clients: Vec<Handed>,
    Wait { wait }: &Wait,
) -> Outcome<ExitCode> {
    let until = Instant::now() + Duration::from_secs(*wait);
    let (published, problem, url) = loop {
        let state: TorState = match ask(&context.config.data, &Request::State {}) {
            Ok(state) => state,
            // What was made is told of all the same.
            Err(failure) => {
                break (false, Some(format!("{:#}", failure.error)), address.to_string());
            }
        };
        let found = state.services.iter().find(|service| service.name == *name);
        let stage = found.and_then(|service| {
            let one = service.addresses.iter().find(|one| one.address == address)?;
            Some((one.stage == StageState::Published, said::url(service, address)))
        });
        let (published, url) = stage.unwrap_or_else(|| (false, address.to_string()));
        if published || Instant::now() >= until {
            break (published, state.problem.filter(|_| !published), url);
        }
        thread::sleep(LOOK_EVERY);
    };
    let made = Made { name: name.clone(), address, url, published, problem, clients };
    context.output.print(&made, said::made)?;
    Ok(ExitCode::SUCCESS)
}
