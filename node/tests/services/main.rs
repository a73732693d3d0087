//! The services as their users meet them: the real binary, over HTTP, as one process and as seven.
//!
//! Every test runs for both forms, and asserts the same of both.

mod client;
mod endings;
mod forms;
mod life;
mod resume;
mod server;
mod sign_in;
#[path = "../support/mod.rs"]
mod support;
