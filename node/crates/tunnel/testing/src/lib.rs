//! A Tor network of one's own on loopback, made of Debian's tor: three directory authorities, relays that are exits
//! too, and clients.
//!
//! Where tor is missing the test fails and says how to install it. Each network has an address of loopback of its own;
//! its tors are killed, by their process ids, when the [`Network`] is dropped.
//! Votes are seconds apart: a network is there in half a minute, later on a busy machine.

mod bandwidths;
mod network;
mod ports;
mod tor;
mod torrc;

pub use network::{Network, NetworkOptions};
pub use ports::free_port;
pub use tor::{Forgetter, Tor};

/// Why there is no network. The text has the way out.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TestingError(pub String);

impl TestingError {
    pub(crate) fn of(what: &str, error: impl std::fmt::Display) -> Self {
        Self(format!("{what}: {error}"))
    }
}
