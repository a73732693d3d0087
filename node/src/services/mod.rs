//! The services: what is behind the ports, over the store and the pipeline.
//!
//! Each module is one service of the tables in `docs/adr/0006-services-and-ports.md` and those after it, as the
//! local implementation of its port. Which of them a process has, and which it reaches over HTTP,
//! `commands::run` and `commands::serve` decide.

pub mod accounts;
pub mod anchors;
pub mod buffers;
pub mod chain_api;
pub mod chunker;
pub mod cpu;
pub mod encryptor;
pub mod governance;
pub mod ledger;
pub mod merkle_builder;
pub mod orchestrator;
pub mod problem;
pub mod sessions_data;
pub mod sync;
pub mod tor;
pub mod turns;
pub mod vm;

#[cfg(test)]
mod tests;
