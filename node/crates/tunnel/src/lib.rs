//! Onion services of a real tor, and connections that go through it or not at all.
//!
//! This crate owns what is said to tor: its control protocol ([`control`]), keys and addresses of onion services
//! ([`onion`]), the list of services and its rotation ([`service`]), the task that keeps them published
//! ([`Tunnels`]); and the way out through SOCKS ([`socks`], [`Egress`]). It leaves to others where keys are kept
//! ([`Keep`]), and starts no tor: Debian's runs beside the node.
//!
//! Invariants: no name is looked up here; no key or password is in a `Debug`, an error or a log line; a service's
//! address is never given up before its successor was published. A crash loses nothing that was answered: keys and
//! list are durable before an address is told.

pub mod control;
pub mod onion;
pub mod service;
pub mod socks;

mod backoff;
mod egress;
mod error;
mod ports;
mod publication;
mod tunnels;
mod verify;

pub use backoff::Backoff;
pub use egress::{Egress, NotOnionOnly, OnionOnly, ProxyParts, Purpose};
pub use error::TunnelError;
pub use ports::{Keep, KeepError, KeyName};
pub use publication::{Publication, Signers, publication};
pub use tunnels::{
    AddressHealth, Health, Link, NewService, ServiceHealth, Serving, Stage, TunnelOptions, Tunnels,
    Uploads,
};
pub use verify::{Probe, Verified, verify};
