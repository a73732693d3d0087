//! Anchoring: each checkpoint that is due goes to TRON in exactly one transaction.
//!
//! - [`due`] says when: pure.
//! - [`job`] is an anchor on its way, and why there is never a second transaction for it: pure.
//! - [`state`] is what is remembered from one start to the next.
//! - [`ports`] are the log and the memory; [`Anchoring`] carries anchors out over them and
//!   [`Tron`](crate::Tron).
//!
//! A crash loses nothing: what is remembered is durable before anybody else learns of it.

mod build;
mod carry;
pub mod due;
mod hindrance;
pub mod job;
pub mod ports;
mod run;
pub mod state;

pub use carry::AnchoringOptions;
pub use hindrance::{Hindrance, Pauses};
pub use run::{Anchoring, Progress};
