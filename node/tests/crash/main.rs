//! SIGKILL at random moments, and what the next command then finds.
//!
//! A kill leaves the page cache as it is, so this says nothing about what a power cut does: that is
//! `lucid-store`'s, with a disk that forgets. What is shown here is that every point at which the
//! whole program can stop is one that the next start goes on from.
//!
//! After each kill: every byte that was announced as acknowledged is there, no session is lost, the
//! log is sound, and it goes on from every checkpoint that was seen before.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its fixtures too")]

mod endings;
mod filling;
mod making;
mod rig;
#[path = "../support/mod.rs"]
mod support;
