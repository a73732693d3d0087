//! The sync against the real mongod. Each test has servers of its own, started and stopped by it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod back;
mod comparing;
mod failover;
mod faults;
mod full;
mod node;
mod plain;
mod recording;
mod setup;
mod support;
