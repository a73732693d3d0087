//! Records a command in a pseudo-terminal as an asciicast v3 stream.
//!
//! Owns: the format ([`asciicast`]), the pseudo-terminal, the user's terminal while a recording
//! runs (raw mode, window size, signals) and the order of the recorded events ([`recorder`]).
//! Leaves to others: where the stream goes (any [`std::io::Write`], or a [`std::io::Read`] to pull
//! from), what time it was (`timestamp` is an argument) and which command is the default.
//!
//! Invariants:
//! - What the command wrote to its terminal is in the stream, whole and in order, as long as the
//!   sink takes it; a slow sink slows the command down, it loses nothing.
//! - What the user types is not in the stream unless `capture_input` asks for it: a password is
//!   typed without echo and must not be stored.
//! - The user's terminal is given back in the mode it was found in, whatever ends the recording.
//! - An event is written whole, its newline included, so a torn stream has one torn line at most.
//!
//! A crash loses what came after the last flush, [`recorder::FLUSH_INTERVAL`] at most, and the
//! command is hung up by the kernel when its terminal closes.

pub mod asciicast;
mod error;
pub mod recorder;

pub use error::RecordError;
pub use recorder::{
    Attach, ExitStatus, Outcome, RecordOptions, Recording, StopCause, record, spawn,
};
