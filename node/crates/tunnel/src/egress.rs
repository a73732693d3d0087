//! How the node connects to others: itself, through a proxy, or not at all.
//!
//! Who connects asks an [`Egress`], and there is no other way out: with a proxy, names go to it unresolved; with
//! `proxy_only` and without a proxy nothing is connected, and no name is looked up, ever.

use std::{net::IpAddr, net::SocketAddr, time::Duration};

use tokio::net::TcpStream;
use zeroize::Zeroizing;

use crate::socks::{Proxy, SocksError, Target};

/// What a connection is for. Each purpose has Tor circuits of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// A TRON node.
    Tron,
    /// MongoDB.
    Mongo,
    /// A witness, or a node that is witnessed.
    Witness,
    /// An object store for chunks.
    Chunks,
    /// Looking at our own services from outside.
    Verify,
}

impl Purpose {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Tron => "tron",
            Self::Mongo => "mongo",
            Self::Witness => "witness",
            Self::Chunks => "chunks",
            Self::Verify => "verify",
        }
    }
}

/// Where a proxy is, as the MongoDB driver wants it (`mongodb::options::Socks5Proxy`).
pub struct ProxyParts {
    /// Its IP address, in brackets where it is IPv6: the driver puts a colon and the port after it.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// User name and password.
    pub user: String,
    /// The password. Wiped when dropped.
    pub password: Zeroizing<String>,
}

/// The way out.
#[derive(Clone, Debug)]
pub struct Egress {
    way: Way,
}

#[derive(Clone, Debug)]
enum Way {
    Direct,
    Through { proxy: Proxy, salt: u64 },
    Closed,
}

impl Egress {
    /// The way out by configuration. `salt` is random for each start of the node: circuits are not shared across.
    #[must_use]
    pub fn new(proxy: Option<Proxy>, proxy_only: bool, salt: u64) -> Self {
        let way = match (proxy, proxy_only) {
            (Some(proxy), _) => Way::Through { proxy, salt },
            (None, true) => Way::Closed,
            (None, false) => Way::Direct,
        };
        Self { way }
    }

    /// The proxy for a purpose; nothing where connections are made directly.
    ///
    /// # Errors
    /// [`SocksError::Closed`] where only a proxy may be used and there is none, [`SocksError::OnionWithoutProxy`].
    pub fn proxy(&self, purpose: Purpose, target: &Target) -> Result<Option<Proxy>, SocksError> {
        match &self.way {
            Way::Through { proxy, salt } => Ok(Some(proxy.isolated(purpose.word(), *salt))),
            Way::Closed => Err(SocksError::Closed { target: target.to_string() }),
            Way::Direct if target.is_onion() => {
                Err(SocksError::OnionWithoutProxy { target: target.to_string() })
            }
            Way::Direct => Ok(None),
        }
    }

    /// The same as a text, for `lucid_tron::ClientOptions::proxy`.
    ///
    /// # Errors
    /// Those of [`Egress::proxy`].
    pub fn url(
        &self,
        purpose: Purpose,
        target: &Target,
    ) -> Result<Option<Zeroizing<String>>, SocksError> {
        Ok(self.proxy(purpose, target)?.map(|proxy| proxy.url()))
    }

    /// The same in parts, for the MongoDB driver.
    ///
    /// # Errors
    /// Those of [`Egress::proxy`].
    pub fn parts(
        &self,
        purpose: Purpose,
        target: &Target,
    ) -> Result<Option<ProxyParts>, SocksError> {
        let parts = |proxy: Proxy| {
            let address = proxy.address();
            let (user, password) = proxy.credentials()?;
            Some(ProxyParts {
                host: match address.ip() {
                    IpAddr::V4(ip) => ip.to_string(),
                    IpAddr::V6(ip) => format!("[{ip}]"),
                },
                port: address.port(),
                user: user.to_owned(),
                password: Zeroizing::new(password.to_owned()),
            })
        };
        Ok(self.proxy(purpose, target)?.and_then(parts))
    }

    /// Whether names may be looked up here: with a proxy or without a way out they may not, so that a
    /// `mongodb+srv://` address, which is a question to a name server, has to be refused.
    #[must_use]
    pub fn may_resolve(&self) -> bool {
        matches!(self.way, Way::Direct)
    }

    /// Connects.
    ///
    /// # Errors
    /// [`SocksError`].
    pub async fn connect(
        &self,
        purpose: Purpose,
        target: &Target,
        time: Duration,
    ) -> Result<TcpStream, SocksError> {
        if let Some(proxy) = self.proxy(purpose, target)? {
            return proxy.connect(target, time).await;
        }
        let failed = |why: String| SocksError::Direct { target: target.to_string(), why };
        match tokio::time::timeout(time, TcpStream::connect(target.host_port())).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(_) => Err(failed(format!("no connection within {} s", time.as_secs()))),
        }
    }
}

/// Why a gateway would not be for Tor alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "onion_only is set, and the gateway would listen at {0} for others than tor: let listen be 127.0.0.1 and a port, or the address of the network that only tor is in, with tor's address in tor_control"
)]
pub struct NotOnionOnly(pub SocketAddr);

/// Who may connect to a gateway that is for Tor alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OnionOnly {
    tor: IpAddr,
}

impl OnionOnly {
    /// The rule for a gateway that listens there, with tor at this address (its control port's; loopback where that is
    /// a socket file).
    ///
    /// # Errors
    /// [`NotOnionOnly`] where it would listen on every address of the machine, or where tor is on this machine and it
    /// would not listen on loopback.
    pub fn new(listen: SocketAddr, tor: IpAddr) -> Result<Self, NotOnionOnly> {
        let ip = listen.ip().to_canonical();
        let is_closed = match tor.is_loopback() {
            true => ip.is_loopback(),
            false => !ip.is_unspecified(),
        };
        if is_closed { Ok(Self { tor }) } else { Err(NotOnionOnly(listen)) }
    }

    /// Whether a connection from there is tor's.
    #[must_use]
    pub fn accepts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        peer == self.tor.to_canonical() || (self.tor.is_loopback() && peer.is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_secs(2);

    fn target(host: &str) -> Target {
        Target::new(host, 80).unwrap()
    }

    #[tokio::test]
    async fn without_a_proxy_nothing_leaves() {
        let closed = Egress::new(None, true, 1);
        assert!(!closed.may_resolve());
        for host in ["127.0.0.1", "localhost", "node.invalid"] {
            let error = closed.connect(Purpose::Tron, &target(host), TIME).await.unwrap_err();
            assert!(matches!(error, SocksError::Closed { .. }), "{error}");
            assert!(closed.url(Purpose::Tron, &target(host)).is_err());
            assert!(closed.parts(Purpose::Mongo, &target(host)).is_err());
        }
    }

    #[tokio::test]
    async fn a_proxy_that_is_down_is_not_gone_around() {
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let other = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let proxy: Proxy = format!("socks5h://{address}").parse().unwrap();
        for proxy_only in [true, false] {
            let egress = Egress::new(Some(proxy.clone()), proxy_only, 1);
            assert!(!egress.may_resolve());
            let there = Target::new("127.0.0.1", other.local_addr().unwrap().port()).unwrap();
            let error = egress.connect(Purpose::Witness, &there, TIME).await.unwrap_err();
            assert!(matches!(error, SocksError::NoProxy { .. }), "{error}");
        }
        let nobody = tokio::time::timeout(Duration::from_millis(100), other.accept()).await;
        assert!(nobody.is_err(), "somebody connected directly");
    }

    #[tokio::test]
    async fn an_onion_address_is_no_name_for_a_name_server() {
        let direct = Egress::new(None, false, 1);
        let error = direct.connect(Purpose::Witness, &target("x.onion"), TIME).await.unwrap_err();
        assert!(matches!(error, SocksError::OnionWithoutProxy { .. }), "{error}");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = Target::new("127.0.0.1", listener.local_addr().unwrap().port()).unwrap();
        direct.connect(Purpose::Witness, &there, TIME).await.unwrap();
    }

    #[test]
    fn each_client_has_its_form() {
        let proxy: Proxy = "socks5h://[::1]:9050".parse().unwrap();
        let egress = Egress::new(Some(proxy), true, 255);
        let url = egress.url(Purpose::Tron, &target("api.trongrid.io")).unwrap().unwrap();
        assert_eq!(*url, "socks5h://lucid-tron:00000000000000ff@[::1]:9050");
        let parts = egress.parts(Purpose::Mongo, &target("db")).unwrap().unwrap();
        assert_eq!(
            (parts.host.as_str(), parts.port, parts.user.as_str()),
            ("[::1]", 9050, "lucid-mongo")
        );
        assert!(!format!("{egress:?}").contains("00ff"));
    }

    #[test]
    fn a_gateway_for_tor_alone_knows_tor() {
        let rows = [
            ("127.0.0.1:8080", "127.0.0.1", true),
            ("[::1]:8080", "127.0.0.1", true),
            ("0.0.0.0:8080", "127.0.0.1", false),
            ("192.168.1.5:8080", "127.0.0.1", false),
            ("172.21.0.5:8080", "172.21.0.30", true),
            ("0.0.0.0:8080", "172.21.0.30", false),
            ("[::ffff:0.0.0.0]:8080", "172.21.0.30", false),
            ("[::ffff:192.168.1.5]:8080", "127.0.0.1", false),
        ];
        for (listen, tor, good) in rows {
            let rule = OnionOnly::new(listen.parse().unwrap(), tor.parse().unwrap());
            assert_eq!(rule.is_ok(), good, "{listen} {tor}");
        }
        let rule = OnionOnly::new("172.21.0.5:1".parse().unwrap(), "172.21.0.30".parse().unwrap())
            .unwrap();
        for (peer, good) in [
            ("172.21.0.30", true),
            ("::ffff:172.21.0.30", true),
            ("172.21.0.31", false),
            ("127.0.0.1", false),
        ] {
            assert_eq!(rule.accepts(peer.parse().unwrap()), good, "{peer}");
        }
    }
}
