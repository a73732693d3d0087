//! The exchange with a proxy.

use std::{fmt, net::IpAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use zeroize::Zeroizing;

use super::{Proxy, Refusal, SocksError};

/// Longest name in characters (RFC 1035 §2.3.4).
const NAME_CHARS_MAX: usize = 253;
const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const PASSWORD: u8 = 2;

/// Who is to be reached: a name, which the proxy resolves, or an address; and a port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    host: Host,
    port: u16,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Host {
    Name(String),
    Ip(IpAddr),
}

impl Target {
    /// Reads a host, without or with the brackets that IPv6 has in addresses.
    ///
    /// # Errors
    /// [`SocksError::Target`].
    pub fn new(host: &str, port: u16) -> Result<Self, SocksError> {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if let Ok(ip) = bare.parse() {
            return Ok(Self { host: Host::Ip(ip), port });
        }
        let name = host.strip_suffix('.').unwrap_or(host);
        let is_one = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        // What ends in a number is an address that is misspelt, and some would resolve it as one.
        let ends_in_number =
            name.rsplit('.').next().is_none_or(|last| last.bytes().all(|b| b.is_ascii_digit()));
        let fits = (1..=NAME_CHARS_MAX).contains(&name.len()) && name.bytes().all(is_one);
        match fits && !ends_in_number && !name.split('.').any(str::is_empty) && port != 0 {
            true => Ok(Self { host: Host::Name(name.to_ascii_lowercase()), port }),
            false => Err(SocksError::Target(crate::control::shown(host))),
        }
    }

    /// Whether it is an onion service.
    #[must_use]
    pub fn is_onion(&self) -> bool {
        matches!(&self.host, Host::Name(name) if name.rsplit('.').next() == Some("onion"))
    }

    /// The host as it is connected to without a proxy.
    pub(crate) fn host_port(&self) -> (String, u16) {
        let host = match &self.host {
            Host::Name(name) => name.clone(),
            Host::Ip(ip) => ip.to_string(),
        };
        (host, self.port)
    }

    /// The request to connect there (RFC 1928 §4).
    fn request(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION, 1, 0];
        match &self.host {
            Host::Ip(IpAddr::V4(ip)) => {
                bytes.push(1);
                bytes.extend(ip.octets());
            }
            Host::Ip(IpAddr::V6(ip)) => {
                bytes.push(4);
                bytes.extend(ip.octets());
            }
            Host::Name(name) => {
                bytes.extend([3, name.len() as u8]);
                bytes.extend(name.as_bytes());
            }
        }
        bytes.extend(self.port.to_be_bytes());
        bytes
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Name(name) => write!(f, "{name}:{}", self.port),
            Host::Ip(IpAddr::V4(ip)) => write!(f, "{ip}:{}", self.port),
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]:{}", self.port),
        }
    }
}

impl Proxy {
    /// Connects to `target` through the proxy. Dropped half-way, it leaves no connection behind.
    ///
    /// # Errors
    /// [`SocksError`].
    pub async fn connect(&self, target: &Target, time: Duration) -> Result<TcpStream, SocksError> {
        match timeout(time, self.exchange(target)).await {
            Ok(stream) => stream,
            Err(_) => Err(SocksError::TimedOut {
                proxy: self.to_string(),
                target: target.to_string(),
                after: time,
            }),
        }
    }

    async fn exchange(&self, target: &Target) -> Result<TcpStream, SocksError> {
        let lost = |error: std::io::Error| SocksError::NoProxy {
            proxy: self.to_string(),
            why: error.to_string(),
        };
        let mut stream = TcpStream::connect(self.address()).await.map_err(lost)?;
        stream.set_nodelay(true).map_err(lost)?;
        self.log_in(&mut stream, &lost).await?;
        stream.write_all(&target.request()).await.map_err(lost)?;
        let mut head = [0; 4];
        stream.read_exact(&mut head).await.map_err(lost)?;
        let [version, reply, _, kind] = head;
        if version != VERSION {
            return Err(self.odd("another version in its reply"));
        }
        // The reply's address is of no use, but is before what the other end says.
        let length = match kind {
            1 => 4,
            4 => 16,
            3 => usize::from(stream.read_u8().await.map_err(lost)?),
            _ => return Err(self.odd("an unknown kind of address in its reply")),
        };
        let mut rest = [0; 255 + 2];
        stream.read_exact(&mut rest[..length + 2]).await.map_err(lost)?;
        match reply {
            0 => Ok(stream),
            code => Err(SocksError::Refused {
                proxy: self.to_string(),
                target: target.to_string(),
                refusal: Refusal(code),
            }),
        }
    }

    /// RFC 1928 §3, RFC 1929. A proxy that wants no password is told none.
    async fn log_in(
        &self,
        stream: &mut TcpStream,
        lost: &impl Fn(std::io::Error) -> SocksError,
    ) -> Result<(), SocksError> {
        let refused = || SocksError::Credentials { proxy: self.to_string() };
        let method = if self.credentials().is_some() { PASSWORD } else { NO_AUTHENTICATION };
        stream.write_all(&[VERSION, 1, method]).await.map_err(lost)?;
        let mut answer = [0; 2];
        stream.read_exact(&mut answer).await.map_err(lost)?;
        match (answer, self.credentials()) {
            ([VERSION, NO_AUTHENTICATION], None) => Ok(()),
            ([VERSION, PASSWORD], Some((user, password))) => {
                let mut bytes = Zeroizing::new(Vec::with_capacity(513));
                for (head, text) in [(&[1_u8][..], user), (&[], password)] {
                    bytes.extend_from_slice(head);
                    bytes.push(text.len() as u8);
                    bytes.extend_from_slice(text.as_bytes());
                }
                stream.write_all(&bytes).await.map_err(lost)?;
                stream.read_exact(&mut answer).await.map_err(lost)?;
                if answer[1] == 0 { Ok(()) } else { Err(refused()) }
            }
            ([VERSION, 0xff], _) => Err(refused()),
            ([VERSION, _], _) => Err(self.odd("it chose a method that was not offered")),
            _ => Err(self.odd("another version in its greeting")),
        }
    }

    fn odd(&self, why: &'static str) -> SocksError {
        SocksError::Malformed { proxy: self.to_string(), why }
    }
}

#[cfg(test)]
mod tests;
