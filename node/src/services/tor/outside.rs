//! The way to an onion service as a stranger takes it, and what is asked at its end.

use std::net::{IpAddr, SocketAddr};

use lucid_tunnel::{
    Egress, Probe, Purpose,
    onion::OnionAddress,
    service::ServiceName,
    socks::{Proxy, Target},
};

use super::GATEWAY;

/// Where the distribution's tor takes SOCKS.
const SOCKS_PORT: u16 = 9050;
/// What the gateway answers at, without an account.
const HEALTH: &str = "/health";
/// How every server of SSH begins (RFC 4253, section 4.2).
const SSH: &str = "SSH-2.0-";

/// What a service is asked, by its name and port: what stands behind another than the gateway's is not known.
#[must_use]
pub fn probe(name: &ServiceName, port: u16) -> Probe {
    match port {
        80 if name.as_str() == GATEWAY => Probe::Http { path: HEALTH.to_owned() },
        22 => Probe::Greeting { begins: SSH.to_owned() },
        _ => Probe::Connection,
    }
}

/// The way into Tor's network.
#[derive(Clone, Debug)]
pub struct WayIn {
    /// The configured way out, which is taken where it is a proxy.
    pub egress: Egress,
    /// Where tor is, which is asked otherwise.
    pub tor: IpAddr,
}

impl WayIn {
    /// The proxy to look through; tor's SOCKS port at `socks` where it is given.
    ///
    /// # Errors
    /// In words: an address that no proxy is asked for.
    pub fn proxy(
        &self,
        address: OnionAddress,
        port: u16,
        socks: Option<SocketAddr>,
    ) -> Result<Proxy, String> {
        let target = Target::new(&address.to_string(), port).map_err(|error| error.to_string())?;
        if socks.is_none()
            && let Ok(Some(proxy)) = self.egress.proxy(Purpose::Verify, &target)
        {
            return Ok(proxy);
        }
        let at = socks.unwrap_or_else(|| SocketAddr::new(self.tor, SOCKS_PORT));
        format!("socks5h://{at}").parse().map_err(|error| format!("{at}: {error}"))
    }
}
