//! Who asks, as far as turns are taken by it.

use std::net::IpAddr;

use lucid_core::Owner;
use serde::{Deserialize, Serialize};

use crate::server::network;

/// An account, or an address of the network: nobody's questions keep others' from their turn. It says nothing
/// about what somebody may do, which was decided before.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Asker(String);

impl Asker {
    /// Who signed in.
    #[must_use]
    pub fn account(owner: &Owner) -> Self {
        Self(owner.as_str().to_owned())
    }

    /// Somebody at an address; an IPv6 network of 64 bits is one.
    #[must_use]
    pub fn at(address: IpAddr) -> Self {
        Self(network(address.to_canonical()).to_string())
    }

    /// A part of the node itself, by its service's name.
    #[must_use]
    pub fn service(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// Its name, apart from all others.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
