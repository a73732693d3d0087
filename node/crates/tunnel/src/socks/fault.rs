//! What a proxy says when it does not connect.

use std::{fmt, time::Duration};

/// Why there is no connection.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SocksError {
    /// Nobody listens there.
    #[error("the proxy {proxy} does not answer: {why}. Start it, or set another one as proxy")]
    NoProxy {
        /// The proxy, without its password.
        proxy: String,
        /// The operating system's words.
        why: String,
    },
    /// It wants other credentials.
    #[error("the proxy {proxy} does not take the user name and password in proxy")]
    Credentials {
        /// The proxy.
        proxy: String,
    },
    /// It speaks another language.
    #[error("the proxy {proxy} does not speak SOCKS5: {why}")]
    Malformed {
        /// The proxy.
        proxy: String,
        /// What is odd.
        why: &'static str,
    },
    /// It took too long.
    #[error("no connection to {target} through {proxy} within {} s; is tor connected to its network?", .after.as_secs())]
    TimedOut {
        /// The proxy.
        proxy: String,
        /// Who was to be reached.
        target: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// It says why.
    #[error("{target} cannot be reached through {proxy}: {refusal}")]
    Refused {
        /// The proxy.
        proxy: String,
        /// Who was to be reached.
        target: String,
        /// Why not.
        refusal: Refusal,
    },
    /// Only a proxy may be used, and there is none.
    #[error(
        "{target} is not connected to: proxy_only is set and there is no proxy; set proxy, such as socks5h://127.0.0.1:9050"
    )]
    Closed {
        /// Who was to be reached.
        target: String,
    },
    /// An onion address without a proxy: its name would be told to a name server (RFC 7686).
    #[error(
        "{target} can only be reached through Tor: set proxy, such as socks5h://127.0.0.1:9050"
    )]
    OnionWithoutProxy {
        /// Who was to be reached.
        target: String,
    },
    /// A text that is nobody's name.
    #[error(
        "{0:?} is no host: an IP address, or a name of at most 253 characters A-Z a-z 0-9 - . _"
    )]
    Target(String),
    /// A direct connection failed.
    #[error("{target} cannot be reached: {why}")]
    Direct {
        /// Who was to be reached.
        target: String,
        /// The operating system's words.
        why: String,
    },
}

/// A reply that is not "connected": RFC 1928 §6, and those of tor with `ExtendedErrors` (its manual, `SocksPort`;
/// proposal 304).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refusal(pub u8);

impl Refusal {
    /// Whether it may be gone in a moment: relays do not have the descriptor yet, or have an old one.
    #[must_use]
    pub fn may_pass(self) -> bool {
        matches!(self.0, 0xf0 | 0xf2 | 0xf3 | 0xf7)
    }

    /// What the code means.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self.0 {
            0x01 => "the proxy failed, and does not say at what",
            0x02 => "the proxy's rules forbid it",
            0x03 => "its network cannot be reached",
            0x04 => "it was not found, or is not there",
            0x05 => "it refuses the connection",
            0x06 => "the connection took too long",
            0x07 => "the proxy makes no outgoing connections",
            0x08 => "the proxy does not know such addresses",
            0xf0 => {
                "the onion service has published no descriptor: it is down, or its address is wrong"
            }
            0xf1 => "the onion service's descriptor is damaged",
            0xf2 => {
                "the onion service is not at its introduction points any more: it has just stopped or moved"
            }
            0xf3 => "the onion service did not come to the meeting point",
            0xf4 => "the onion service wants a client's key, and this tor has none for it",
            0xf5 => {
                "the onion service does not take the client's key that this tor has: it was revoked"
            }
            0xf6 => "the onion address is mistyped",
            0xf7 => "the onion service's introduction points did not answer in time",
            _ => "the proxy gives a reason that is not known here",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SOCKS {:#04x})", self.words(), self.0)
    }
}
