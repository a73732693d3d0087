//! The node: configuration, wiring and the command line.
//!
//! This crate joins the pipeline to the store ([`ports`]) and gives both to people ([`commands`]) and
//! to other machines ([`services`]).
//! What the bytes mean, how chunks are sealed and what reaches the disk when, the crates below say.
//!
//! Invariants: `anyhow` and printing happen here and nowhere below; no key, token or plaintext goes
//! into what is printed or logged; every failure ends in one of the exit codes of [`failure`].

pub mod board;
pub mod cli;
mod clock;
pub mod commands;
pub mod config;
pub mod context;
pub mod failure;
pub mod output;
pub mod policy;
pub mod ports;
pub mod progress;
pub mod services;
pub mod serving;
pub mod source;
mod telemetry;

/// Name and version, as manifests and reports state them.
pub const SOFTWARE: &str = concat!("lucid-node ", env!("CARGO_PKG_VERSION"));
