//! The sync against the real mongod. Each test has servers of its own, started and stopped by it.

mod back;
mod comparing;
mod failover;
mod faults;
mod node;
mod plain;
mod support;
