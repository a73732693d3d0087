//! The services as their users meet them: the real binary, over HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, its fixtures too"
)]

mod accounts;
mod anchoring;
mod blocks;
mod chain;
mod client;
mod clock;
mod damaged;
mod endings;
mod failing;
mod forms;
mod governance;
mod hostile;
mod ledger;
mod life;
mod operating;
mod proxied;
mod read_back;
mod refusals;
mod resume;
mod search;
mod server;
mod sign_in;
#[path = "../support/mod.rs"]
mod support;
mod watching;
