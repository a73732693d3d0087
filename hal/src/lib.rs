//! What Lucid asks of the hardware: which instructions the CPU has, SHA-256 over several
//! independent messages at once with the best of them, and the board around it; and of the C library, how
//! memory is shared among threads.
//!
//! Owns every `unsafe` block of the workspace, all of them in the modules of [`sha256`] that call
//! intrinsics (`x86`, `avx512`, `armv8`, `word`) and in [`heap`]. Leaves to others what is hashed and why (`lucid-core` has the
//! tree rules), and the AEAD, which `lucid-pipeline` picks with [`cpu::Features::has_aes`].
//!
//! Invariants: a kernel runs only where its instructions were detected; the digest does not depend
//! on the kernel; hashing neither allocates nor blocks; nothing reads the environment; of the board nothing is
//! touched that nobody asked for.

#![deny(missing_docs)]

pub mod board;
pub mod cpu;
pub mod heap;
pub mod sha256;
