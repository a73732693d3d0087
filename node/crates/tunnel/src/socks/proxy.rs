//! Where a proxy is.

use std::{fmt, net::SocketAddr, str::FromStr};

use zeroize::Zeroizing;

/// Longest user name and password in bytes (RFC 1929).
const CREDENTIAL_BYTES_MAX: usize = 255;

/// A text that is no proxy. It is not repeated: there may be a password in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProxyError {
    /// Another scheme. `socks5` without the h would look names up here.
    #[error("proxy does not begin with socks5h:// (with the h, so that the proxy resolves names)")]
    Scheme,
    /// No address and port.
    #[error(
        "proxy is socks5h://[USER:PASSWORD@]IP:PORT; the IP is an address, since a name would be looked up outside the proxy"
    )]
    Form,
    /// User name and password.
    #[error(
        "user name and password in proxy are 1 to 255 characters each; odd ones are written %XX (RFC 3986)"
    )]
    Credentials,
}

/// `socks5h://[user:password@]ip:port`. No `Display` or `Debug` shows the password.
#[derive(Clone)]
pub struct Proxy {
    address: SocketAddr,
    /// What it was given with.
    credentials: Option<Credentials>,
    /// What tells its circuits from others, where it was given without.
    isolation: Option<Credentials>,
}

/// User name and password.
type Credentials = (Zeroizing<String>, Zeroizing<String>);

impl Proxy {
    /// Where it is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// User name and password.
    #[must_use]
    pub fn credentials(&self) -> Option<(&str, &str)> {
        let both = self.credentials.as_ref().or(self.isolation.as_ref());
        both.map(|(user, password)| (user.as_str(), password.as_str()))
    }

    /// The same proxy for one purpose: tor gives each pair of user name and password circuits of its own
    /// (`IsolateSOCKSAuth`, on by default), so that who sees one purpose's traffic does not see the others'. `salt` is
    /// random, the same for as long as circuits may be shared. A proxy that was given with credentials keeps them.
    #[must_use]
    pub fn isolated(&self, purpose: &str, salt: u64) -> Self {
        let own =
            (Zeroizing::new(format!("lucid-{purpose}")), Zeroizing::new(format!("{salt:016x}")));
        let credentials = self.credentials.clone();
        let isolation = credentials.is_none().then_some(own);
        Self { address: self.address, credentials, isolation }
    }

    /// The address with its password, for clients that take it as a text.
    #[must_use]
    pub fn url(&self) -> Zeroizing<String> {
        let mut url = Zeroizing::new(String::with_capacity(2048));
        url.push_str("socks5h://");
        if let Some((user, password)) = self.credentials() {
            encode(user, &mut url);
            url.push(':');
            encode(password, &mut url);
            url.push('@');
        }
        url.push_str(&self.address.to_string());
        url
    }
}

impl FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(text: &str) -> Result<Self, ProxyError> {
        let rest = text.strip_prefix("socks5h://").ok_or(ProxyError::Scheme)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (credentials, address) = match rest.rsplit_once('@') {
            None => (None, rest),
            Some((both, address)) => {
                let (user, password) = both.split_once(':').ok_or(ProxyError::Credentials)?;
                (Some((decoded(user)?, decoded(password)?)), address)
            }
        };
        let address: SocketAddr = address.parse().map_err(|_| ProxyError::Form)?;

        match address.port() != 0 && !address.ip().is_unspecified() {
            true => Ok(Self { address, credentials, isolation: None }),
            false => Err(ProxyError::Form),
        }
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.credentials() {
            Some((user, _)) => write!(f, "socks5h://{user}:***@{}", self.address),
            None => write!(f, "socks5h://{}", self.address),
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What %XX stands for, 1 to 255 bytes.
fn decoded(text: &str) -> Result<Zeroizing<String>, ProxyError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'%' => {
                let (digits, after) = rest.split_at_checked(2).ok_or(ProxyError::Credentials)?;
                rest = after;
                let mut byte = [0];
                hex::decode_to_slice(digits, &mut byte).map_err(|_| ProxyError::Credentials)?;
                bytes.push(byte[0]);
            }
            b':' | b'@' | b'/' | b' ' => return Err(ProxyError::Credentials),
            byte => bytes.push(*byte),
        }
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| ProxyError::Credentials)?;
    let fits = (1..=CREDENTIAL_BYTES_MAX).contains(&text.len());
    match fits && !text.contains(char::is_control) {
        true => Ok(Zeroizing::new(text.to_owned())),
        false => Err(ProxyError::Credentials),
    }
}

/// The same with %XX for all but letters, digits and `-._~` (RFC 3986 §2.3).
fn encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                into.push(char::from(byte));
            }
            byte => into.push_str(&format!("%{byte:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_addresses() {
        for (text, shown, url) in [
            ("socks5h://127.0.0.1:9050", "socks5h://127.0.0.1:9050", "socks5h://127.0.0.1:9050"),
            ("socks5h://[::1]:9050/", "socks5h://[::1]:9050", "socks5h://[::1]:9050"),
            (
                "socks5h://me:p%40ss%3a@10.0.0.1:1",
                "socks5h://me:***@10.0.0.1:1",
                "socks5h://me:p%40ss%3A@10.0.0.1:1",
            ),
        ] {
            let proxy: Proxy = text.parse().unwrap();
            assert_eq!(format!("{proxy} {proxy:?}"), format!("{shown} {shown}"));
            assert_eq!(*proxy.url(), url);
            assert_eq!(proxy.url().parse::<Proxy>().unwrap().credentials(), proxy.credentials());
        }
        for (text, expected) in [
            ("socks5://127.0.0.1:9050", ProxyError::Scheme),
            ("http://127.0.0.1:9050", ProxyError::Scheme),
            ("127.0.0.1:9050", ProxyError::Scheme),
            ("socks5h://localhost:9050", ProxyError::Form),
            ("socks5h://127.0.0.1", ProxyError::Form),
            ("socks5h://127.0.0.1:0", ProxyError::Form),
            ("socks5h://0.0.0.0:9050", ProxyError::Form),
            ("socks5h://[::]:9050", ProxyError::Form),
            ("socks5h://127.0.0.1:9050/x", ProxyError::Form),
            ("socks5h://me@127.0.0.1:9050", ProxyError::Credentials),
            ("socks5h://me:@127.0.0.1:9050", ProxyError::Credentials),
            ("socks5h://me:a%4@127.0.0.1:9050", ProxyError::Credentials),
            ("socks5h://me:a:b@127.0.0.1:9050", ProxyError::Credentials),
            ("socks5h://me:%0a@127.0.0.1:9050", ProxyError::Credentials),
        ] {
            assert_eq!(text.parse::<Proxy>().err(), Some(expected), "{text}");
        }
    }

    #[test]
    fn purposes_have_circuits_of_their_own() {
        let proxy: Proxy = "socks5h://127.0.0.1:9050".parse().unwrap();
        let (tron, mongo) = (proxy.isolated("tron", 5), proxy.isolated("mongo", 5));
        assert_ne!(tron.credentials(), mongo.credentials());
        assert_eq!(*tron.url(), "socks5h://lucid-tron:0000000000000005@127.0.0.1:9050");
        let given: Proxy = "socks5h://me:pw@127.0.0.1:9050".parse().unwrap();
        assert_eq!(given.isolated("tron", 5).credentials(), Some(("me", "pw")));
        assert_eq!(tron.isolated("mongo", 5).credentials(), mongo.credentials());
    }
}
