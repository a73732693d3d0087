//! Onion services as keys and addresses. Pure: random bytes are arguments.

mod address;
mod client;
mod descriptor;
mod key;

pub use address::{AddressError, OnionAddress};
pub use client::{ClientKey, ClientName, ClientPublic};
pub use descriptor::{Descriptor, Publisher};
pub use key::OnionKey;
