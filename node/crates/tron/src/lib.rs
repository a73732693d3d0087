//! TRON: transactions, their signing, a client of its HTTP API, what they cost; and anchoring.
//!
//! This crate owns how the node speaks to TRON. What the bytes mean is `lucid_core::tron`'s, so that who
//! verifies needs none of this.
//! - [`Key`] signs. It is nowhere near the client: what is sent is signed before.
//! - [`Terms`] makes bodies of transactions, byte for byte what tronweb makes.
//! - [`Tron`] is what the node asks of TRON's nodes; [`Client`] asks over HTTP. What they answer is not
//!   believed where it can be checked: ids are made again from the bytes that they are of.
//! - [`fees`] says beforehand what a transaction costs.
//!
//! Invariants:
//! - no private key and no API key has a `Debug`, or is in an error or a log; of an address of a server only
//!   its origin is, since providers put keys into paths;
//! - no answer is read beyond a number of bytes, and none is waited for beyond a time;
//! - an error says whether the same may be tried again, and for a transaction whether it may have been sent
//!   ([`Retry`]).

mod abi;
pub mod anchoring;
mod build;
mod client;
pub mod fees;
mod key;
mod network;
pub mod online;
#[cfg(test)]
mod testing;

pub use abi::{AbiError, read_abi};
pub use build::{NewContract, Terms, calls};
pub use client::{
    Account, ApiKey, ApiKeyError, Asked, Backoff, Block, Broadcast, Client, ClientError,
    ClientOptions, Code, ConstantCall, DeployedContract, Energy, EnergyFrom, Failure, Info, Next,
    Retry, Tron,
};
pub use fees::{ChainParameters, Resources};
pub use key::{Key, KeyError};
pub use network::{Endpoint, EndpointError, Network, WrongNetwork};
