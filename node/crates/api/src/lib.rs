//! The HTTP side of a Lucid node.
//!
//! This crate owns what is said over HTTP: the problems that answer errors, the ports through which
//! services reach each other, the gateway and the public API. It leaves to others what happens behind
//! the ports (the node wires them to store and pipeline) and every file.
//!
//! Invariants:
//! - a handler decides nothing about access itself: it asks `lucid_core::access`;
//! - an error's cause goes to the log, never to the caller;
//! - no key, token or plaintext is in a log line, a metric or a problem.

pub mod client;
pub mod gateway;
pub mod health;
pub mod internal;
pub mod metrics;
pub mod ports;
pub mod problem;
pub mod request;
pub mod rest;
pub mod server;
mod strict;

pub use problem::{Code, Problem};
