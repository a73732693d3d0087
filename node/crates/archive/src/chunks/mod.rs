//! Chunk files to an object store and back: an S3-compatible one, or a folder.
//!
//! ```text
//! <prefix>/chunks/<session>/<index, 8 digits>-<session leaf>.lck    a chunk file, to the byte
//! <prefix>/whole/<session>-<session's root>.json                    every chunk of this sealed session is there
//! ```
//!
//! A chunk's name holds its session leaf, which commits to every byte of the file. So a listing says what is there
//! already, whoever reads the index knows each object's name, and no object is ever another's: an interrupted export or
//! import goes on where it was, and needs no state of its own beside what it moves.
//!
//! Nothing is sent that is not what its session committed to, and nothing that comes back is given its name before it
//! was compared with that. Bytes that leave are ciphertext; their keys are in the backup ([`crate::backup`]).
//!
//! In memory: one chunk, at most 16 MiB and its tags, for each of [`Limits::at_once`].

mod committed;
mod connector;
mod export;
mod import;
mod place;
mod remote;
mod report;
mod sessions;
mod verify;

pub use export::export;
pub use import::import;
pub use place::{Limits, Place};
pub use report::{Loss, Progress, Report};
pub use verify::verify;

#[cfg(test)]
mod tests;
