//! What Lucid asks of the hardware: which instructions the CPU has, and SHA-256 over several
//! independent messages at once with the best of them.
//!
//! Owns every `unsafe` block of the workspace, all of them in the two instruction-set modules of
//! [`sha256`]. Leaves to others what is hashed and why (`lucid-core` has the tree rules), and the
//! AEAD, which `lucid-pipeline` picks with [`cpu::Features::has_aes`].
//!
//! Invariants: a kernel runs only where its instructions were detected; the digest does not depend
//! on the kernel; nothing here allocates, blocks, or reads the environment.

pub mod cpu;
pub mod sha256;
