//! Onion services as keys and addresses. Pure: random bytes are arguments.

mod address;
mod client;
mod descriptor;
mod key;

pub use address::{AddressError, OnionAddress};
pub use client::{ClientError, ClientKey, ClientName, ClientPublic};
pub use descriptor::{Descriptor, DescriptorError, Publisher};
pub use key::OnionKey;
