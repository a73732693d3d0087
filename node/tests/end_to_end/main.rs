//! What the node is for, from one end to the other through the real binary: recorded, verified,
//! given back, proved to somebody who has nothing but a file, and kept to itself.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its fixtures too")]

mod command_line;
mod disclosure;
mod evidence;
mod folders;
mod recordings;
mod streams;
#[path = "../support/mod.rs"]
mod support;
