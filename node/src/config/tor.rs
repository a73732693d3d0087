//! The part of the configuration that is about Tor: where it is, and what is published through it.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use lucid_tunnel::{
    NotOnionOnly, OnionOnly,
    control::{ControlAddress, Credentials},
};

/// How tor is controlled, and what the node does with it.
#[derive(Clone)]
pub struct TorConfig {
    /// Tor's control port.
    pub control: ControlAddress,
    /// Whether the operator named it: then onion services are kept.
    pub is_named: bool,
    /// What is shown to tor: its cookie, or a password.
    pub credentials: Credentials,
    /// Whether the gateway is to have an onion service.
    pub onion: bool,
    /// Where tor reaches the gateway; `None` for where it listens.
    pub onion_target: Option<SocketAddr>,
    /// Whether the gateway is for tor alone.
    pub onion_only: bool,
    /// How long between two times that tunnel-tools reaches for the services.
    pub check_interval: Duration,
}

impl TorConfig {
    /// Whether the node looks after onion services.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.is_named || self.onion || self.onion_only
    }

    /// Where tor is: who connects to what an onion service leads to. Tor with a socket file is on this machine.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        match &self.control {
            ControlAddress::Tcp(address) => address.ip(),
            ControlAddress::Unix(_) => Ipv4Addr::LOCALHOST.into(),
        }
    }

    /// Who may connect to a gateway that listens at `listen`; everybody where it is not for tor alone.
    ///
    /// # Errors
    /// [`NotOnionOnly`], with the way out.
    pub fn only(&self, listen: SocketAddr) -> Result<Option<OnionOnly>, NotOnionOnly> {
        self.onion_only.then(|| OnionOnly::new(listen, self.address())).transpose()
    }
}
