//! What a controller asks, and the answers as types.

use std::{net::SocketAddr, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    command::Command,
    connection::Controller,
    info::{self, Bootstrap, Circuits},
    words::Words,
};
use crate::{
    error::TunnelError,
    onion::{ClientKey, ClientPublic, OnionAddress, OnionKey},
};

/// Tor's words for a key that it serves already (`control_cmd.c`, `add_onion_helper_add_service`).
const COLLISION: (u16, &str) = (550, "collision");

/// A port of an onion service, and where its connections go.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// The port that clients ask for.
    pub port: u16,
    /// Where tor connects to.
    pub target: SocketAddr,
}

/// A service as tor is to run it.
pub struct Onion<'a> {
    /// Its key.
    pub key: &'a OnionKey,
    /// Its ports, at least one.
    pub ports: &'a [Port],
    /// Who may reach it; everybody where this is empty.
    pub clients: &'a [ClientPublic],
    /// Whether it stays when this connection ends.
    pub detach: bool,
}

/// A service that this tor has a client's key for. The key itself is not read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredClient {
    /// Whose service.
    pub address: OnionAddress,
    /// What the key is called.
    pub name: Option<String>,
    /// Whether tor keeps it on disk.
    pub permanent: bool,
}

impl Controller {
    /// How far tor has come.
    ///
    /// # Errors
    /// [`TunnelError`].
    pub async fn bootstrap(&self) -> Result<Bootstrap, TunnelError> {
        let text = self.info("status/bootstrap-phase").await?;
        Bootstrap::parse(&text).ok_or(TunnelError::Malformed("no progress in its progress"))
    }

    /// How long tor has been running.
    ///
    /// # Errors
    /// [`TunnelError`].
    pub async fn uptime(&self) -> Result<Duration, TunnelError> {
        let text = self.info("uptime").await?;
        let seconds =
            text.parse().map_err(|_| TunnelError::Malformed("its uptime is no number"))?;
        Ok(Duration::from_secs(seconds))
    }

    /// Whether tor reaches its network.
    ///
    /// # Errors
    /// [`TunnelError`].
    pub async fn is_network_up(&self) -> Result<bool, TunnelError> {
        Ok(self.info("network-liveness").await? == "up")
    }

    /// Until when the consensus that tor has is valid, in seconds since 1970: the authorities signed that, shortly before. By
    /// a clock that is right, tor has one that is not over (dir-spec §1.4).
    ///
    /// # Errors
    /// [`TunnelError::Refused`] where tor has none.
    pub async fn consensus_valid_until(&self) -> Result<u64, TunnelError> {
        let text = self.info("consensus/valid-until").await?;
        info::seconds_of(&text).ok_or(TunnelError::Malformed("its consensus ends at no time"))
    }

    /// Whether circuits can be made.
    ///
    /// # Errors
    /// [`TunnelError`].
    pub async fn has_circuits(&self) -> Result<bool, TunnelError> {
        Ok(self.info("status/circuit-established").await? == "1")
    }

    /// Its circuits, counted.
    ///
    /// # Errors
    /// [`TunnelError`].
    pub async fn circuits(&self) -> Result<Circuits, TunnelError> {
        Ok(Circuits::parse(&self.info("circuit-status").await?))
    }

    /// The descriptor that this tor last made for a service of its own.
    ///
    /// # Errors
    /// [`TunnelError::Refused`] where it has made none.
    pub async fn own_descriptor(&self, address: OnionAddress) -> Result<String, TunnelError> {
        self.info(&format!("hs/service/desc/id/{}", address.label())).await
    }

    /// Asks the network for a service's descriptor; it comes as events.
    ///
    /// # Errors
    /// [`TunnelError`].
    pub async fn fetch(&self, address: OnionAddress) -> Result<(), TunnelError> {
        self.ask(Command::new("HSFETCH").with(&address.label())).await.map(drop)
    }

    /// Has tor use new circuits from now on, and forget what it knows of services.
    ///
    /// # Errors
    /// [`TunnelError`].
    pub async fn new_circuits(&self) -> Result<(), TunnelError> {
        self.ask(Command::new("SIGNAL").with("NEWNYM")).await.map(drop)
    }

    /// Has tor serve a key.
    ///
    /// # Errors
    /// [`TunnelError::Served`] where it does so already, [`TunnelError::Service`] for one without ports.
    pub async fn add_onion(&self, onion: &Onion<'_>) -> Result<(), TunnelError> {
        let address = onion.key.address();
        if onion.ports.is_empty() {
            return Err(TunnelError::Service("an onion service has at least one port"));
        }
        let mut flags = vec!["DiscardPK"];
        flags.extend(onion.detach.then_some("Detach"));
        flags.extend((!onion.clients.is_empty()).then_some("V3Auth"));
        let mut command = Command::new("ADD_ONION").with(&onion.key.blob());
        command = command.with(&format!("Flags={}", flags.join(",")));
        for Port { port, target } in onion.ports {
            command = command.with(&format!("Port={port},{target}"));
        }
        for client in onion.clients {
            command = command.with(&format!("ClientAuthV3={client}"));
        }
        let reply = self.ask(command).await.map_err(|error| match error {
            TunnelError::Refused { status, said, .. }
                if (status, said.contains(COLLISION.1)) == (COLLISION.0, true) =>
            {
                TunnelError::Served(address)
            }
            error => error,
        })?;
        let label = reply.lines().iter().find_map(|line| line.text().strip_prefix("ServiceID="));
        match label == Some(address.label().as_str()) {
            true => Ok(()),
            false => Err(TunnelError::Malformed("it serves another address than the key's")),
        }
    }

    /// Has tor serve it no more. Connections that there are go on until their ends close them.
    ///
    /// # Errors
    /// [`TunnelError::Refused`] where it serves no such address that is ours or detached.
    pub async fn remove_onion(&self, address: OnionAddress) -> Result<(), TunnelError> {
        self.ask(Command::new("DEL_ONION").with(&address.label())).await.map(drop)
    }

    /// The services that belong to no connection.
    ///
    /// # Errors
    /// [`TunnelError`].
    pub async fn detached(&self) -> Result<Vec<OnionAddress>, TunnelError> {
        let text = self.info("onions/detached").await?;
        let labels = text.lines().map(str::trim).filter(|label| !label.is_empty());
        labels.map(|label| Ok(OnionAddress::from_label(label)?)).collect()
    }

    /// Gives tor, as a client, the key for a service that wants one.
    ///
    /// # Errors
    /// [`TunnelError`].
    pub async fn add_client_key(
        &self,
        address: OnionAddress,
        key: &ClientKey,
    ) -> Result<(), TunnelError> {
        let command = Command::new("ONION_CLIENT_AUTH_ADD").with(&address.label());
        self.ask(command.with(&key.blob())).await.map(drop)
    }

    /// Takes that key away; one that is not there is no error.
    ///
    /// # Errors
    /// [`TunnelError`].
    pub async fn remove_client_key(&self, address: OnionAddress) -> Result<(), TunnelError> {
        let command = Command::new("ONION_CLIENT_AUTH_REMOVE").with(&address.label());
        self.ask(command).await.map(drop)
    }

    /// The services that tor has a client's key for.
    ///
    /// # Errors
    /// [`TunnelError`].
    pub async fn client_keys(&self) -> Result<Vec<StoredClient>, TunnelError> {
        let reply = self.ask(Command::new("ONION_CLIENT_AUTH_VIEW")).await?;
        let mut clients = Vec::new();
        for line in reply.lines() {
            let words = Words::of(line.text())?;
            if words.at(0) == Some("CLIENT") {
                let label = words.at(1).ok_or(TunnelError::Malformed("a client of no service"))?;
                clients.push(StoredClient {
                    address: OnionAddress::from_label(label)?,
                    name: words.value("ClientName").map(super::shown),
                    permanent: words.value("Flags").is_some_and(|f| f.contains("Permanent")),
                });
            }
        }
        Ok(clients)
    }

    /// One answer of GETINFO: what is after `KEY=`, or the data after it.
    async fn info(&self, key: &str) -> Result<String, TunnelError> {
        let reply = self.ask(Command::new("GETINFO").with(key)).await?;
        let line = reply.lines().first();
        let value = line.and_then(|line| {
            let value = line.text().strip_prefix(key)?.strip_prefix('=')?;
            Some(line.data().unwrap_or(value).to_owned())
        });
        value.ok_or(TunnelError::Malformed("GETINFO answers another question"))
    }
}
