//! `tunnel client`: who may reach an onion service (client authorization, rend-spec-v3 §G.1).
//!
//! A key is handed over before the service knows it: what cannot be told to anybody changes nothing.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use lucid_tunnel::{
    TunnelError,
    onion::{ClientName, OnionAddress},
    service::ServiceName,
};
use serde::Serialize;

use super::{
    Which,
    clients::{self, ClientKeys, Handed},
    done, said, service,
};
use crate::{
    context::Context,
    failure::{Class, Failure, Outcome},
    services::tor::{
        ask,
        wire::{Kind, Nothing, OnionState, Request},
    },
};

/// The subcommands of `tunnel client`.
#[derive(Subcommand, Debug)]
pub enum Authorization {
    /// Let more clients in, each with a key of its own that is made here and shown this once
    Add(Add),
    /// Let clients in no more
    Remove(Remove),
    /// Show who may reach it
    List(Which),
}

/// Arguments of `tunnel client add`.
#[derive(Args, Debug)]
pub struct Add {
    /// The onion service's name, such as gateway
    #[arg(value_name = "NAME")]
    name: ServiceName,
    /// What the clients are called
    #[arg(value_name = "CLIENT", required = true)]
    clients: Vec<ClientName>,
    /// Write each client's key into CLIENT.auth_private in this folder, instead of showing it
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    client_keys: Option<PathBuf>,
    /// Make the key of a client that is there anew: the former one opens nothing from then on
    #[arg(long)]
    replace: bool,
}

/// Arguments of `tunnel client remove`.
#[derive(Args, Debug)]
pub struct Remove {
    /// The onion service's name, such as gateway
    #[arg(value_name = "NAME")]
    name: ServiceName,
    /// What the clients are called
    #[arg(value_name = "CLIENT", required = true)]
    clients: Vec<ClientName>,
    /// Where none is left after them: let everybody in who knows the address
    #[arg(long)]
    open_to_all: bool,
}

/// Keys that were made for clients of a service.
#[derive(Serialize)]
struct Added {
    name: ServiceName,
    address: OnionAddress,
    clients: Vec<Handed>,
    /// Whether everybody got in before.
    was_open_to_all: bool,
}

/// Who may reach a service.
#[derive(Serialize)]
struct Listed {
    name: ServiceName,
    /// Everybody, where there are none.
    clients: Vec<String>,
}

impl Authorization {
    pub(super) fn run(&self, context: &Context) -> Outcome {
        match self {
            Self::Add(command) => command.run(context),
            Self::Remove(Remove { name, clients, open_to_all }) => {
                let (name, clients, opens_to_all) = (name.clone(), clients.clone(), *open_to_all);
                let request = Request::RemoveClients { name: name.clone(), clients, opens_to_all };
                let Nothing {} = ask(&context.config.data, &request)?;
                done(
                    context,
                    &name,
                    "they are let in no more; connections that they have go on until they end",
                )
            }
            Self::List(Which { name }) => {
                let OnionState { name, clients, .. } = service(context, name)?;
                context.output.print(&Listed { name, clients }, listed)
            }
        }
    }
}

impl Add {
    fn run(&self, context: &Context) -> Outcome {
        let Self { name, clients, client_keys, replace } = self;
        let one = service(context, name)?;
        let Some(address) = one.addresses.first().map(|one| one.address) else {
            return Err(Failure::check(format!("{name} has no address")));
        };
        let known =
            clients.iter().find(|client| one.clients.iter().any(|known| known == client.as_str()));
        if let (Some(client), false) = (known, replace) {
            let (service, client) = (name.to_string(), client.to_string());
            let exists = TunnelError::ClientExists { service, client };
            return Err(Kind::of(&exists).failure(exists.to_string()));
        }
        if client_keys.is_none() {
            clients::check_shown()?;
        }
        let keys = ClientKeys::make(clients, client_keys.as_deref())?;
        let public = keys.public();
        let clients = keys.hand_over(address);
        let was_open_to_all = one.clients.is_empty();
        let added = Added { name: name.clone(), address, clients, was_open_to_all };
        context.output.print(&added, said).map_err(|failure| {
            added.clients.iter().for_each(Handed::withdraw);
            failure.context(format!("the keys cannot be shown, and {name} is as it was"))
        })?;
        let request =
            Request::AddClients { name: name.clone(), clients: public, replaces: *replace };
        let Nothing {} = ask(&context.config.data, &request).map_err(|failure| match failure.class {
            Class::Check | Class::Usage => {
                added.clients.iter().for_each(Handed::withdraw);
                failure.context(format!("{name} is as it was, and the keys that were made open nothing"))
            }
            _ => failure.context(format!(
                "whether {name} knows the keys that were made says lucid-node tunnel client list {name}; with --replace \
                 they can be made anew"
            )),
        })?;
        Ok(())
    }
}

fn said(added: &Added) -> String {
    let mut text = said::keys(&added.clients);
    if added.was_open_to_all {
        text.push_str(&format!(
            "from now on {} lets its clients in, and nobody else\n",
            added.name
        ));
    }
    text
}

fn listed(listed: &Listed) -> String {
    match listed.clients.is_empty() {
        true => format!("everybody who knows the address of {}\n", listed.name),
        false => listed.clients.iter().map(|client| format!("{client}\n")).collect(),
    }
}
