//! What goes wrong around the node: full disks, silent and changed inputs, signals, folders that are
//! not its own, keys that are not there, files that somebody altered.
//!
//! Each is refused with an exit code and a sentence that says what to do, or repaired where the
//! truth is still there; nothing that was acknowledged is lost by it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its fixtures too")]

mod damaged_log;
mod damaged_session;
mod disk_full;
mod interrupted;
mod refused;
#[path = "../support/mod.rs"]
mod support;
mod without_key;
