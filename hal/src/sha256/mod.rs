//! SHA-256 (FIPS 180-4) of a one-byte prefix and a message, over several messages at once.
//!
//! Trees hash `0x00 ‖ sealed segment` and `0x01 ‖ left ‖ right` (RFC 6962 §2.1), thousands of times
//! and independently of each other. One message keeps a SHA unit half idle, because each round waits
//! for the one before; interleaving the rounds of other messages fills the gaps. This module owns
//! that: the messages are read in place, padding is made on the stack, nothing is allocated.
//!
//! Measured on one Zen 4 core, messages of 16,400 bytes, median of 25 runs in GB/s
//! (`cargo run --release -p lucid-hal --example lanes`):
//!
//! | messages together | 1 | 2 | 4 |
//! | --- | --- | --- | --- |
//! | SHA-NI | 1.78 | 3.53 | as pairs |
//! | portable (SSE2) | 0.30 | in turn | 0.49 |
//! | `sha2` crate 0.11, SHA-NI | 1.78 | | |
//! | `sha2` crate 0.11, portable | 0.32 | | |
//!
//! The portable rows are of the code as it was before its message schedule stayed in registers: on a
//! Xeon, seven times each by turns, that gave 1.13 times as much for one message and 1.03 for four. A
//! Raspberry Pi 4 has no SHA instructions; for its Cortex-A72, llvm-mca predicts 8.8 cycles a byte for
//! four messages by NEON, 10.8 for one, and 10.3 for the `sha2` crate (`bench/arm64/count`).
//!
//! Two lanes are the default on x86. They fit the 16 registers, and twice the speed of one is all but
//! all that the unit gives: three lanes measured 3.47 to 3.70 and four 2.92 to 3.45, depending on
//! how the compiler spills what does not fit; while other programs shared the core, three were no
//! better than two (2.0) and four were worse (1.8). So a call with four messages runs two pairs. The
//! same code with AVX moves reached 3.60 for two and 3.65 for three, which is no reason for a second
//! copy of the kernel: the encoding is the one that every SHA-NI CPU has. ARMv8 has 32 vector
//! registers, and four lanes fit them without a spill (read in the machine code; no ARM core was at
//! hand to time).
//!
//! AVX-512 holds sixteen messages, one in each position of a register. On Zen 4 it gave nothing: 3.11
//! where two SHA-NI lanes had 3.09 in the same run. Intel's SHA unit is half as fast; on a Xeon of 2023
//! (Sapphire Rapids, a virtual machine, others at rest) the same table reads 1.20 for one SHA-NI lane, 1.62
//! for two, 2.50 for the sixteen, and 1.19 for the `sha2` crate. So it is the default on Intel's CPUs, and
//! where there is no SHA unit at all.
//!
//! The digest does not depend on the kernel; the tests hold each one against the `sha2` crate.

#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
mod armv8;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod compress;
mod kernel;
mod lanes;
mod message;
mod portable;
mod word;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use kernel::{Kernel, kernels};

use crate::cpu;

/// SHA-256 of `prefix ‖ message`, with the fastest kernel for a single message.
pub fn sha256_prefixed(prefix: u8, message: &[u8]) -> [u8; 32] {
    let mut digests = [[0; 32]];
    sha256_prefixed_many(prefix, &[message], &mut digests);
    let [digest] = digests;
    digest
}

/// SHA-256 of `prefix ‖ message` for each of any number of messages of any lengths; `digests[i]`
/// is that of `messages[i]`.
///
/// Neighbours in the slice share a kernel call, so the gain is greatest where neighbours have the
/// same length: they run together over the blocks that all of them have, then each finishes alone.
///
/// # Panics
///
/// When the slices' lengths differ.
pub fn sha256_prefixed_many(prefix: u8, messages: &[&[u8]], digests: &mut [[u8; 32]]) {
    sha256_prefixed_many_with(cpu::best_sha256(), prefix, messages, digests);
}

/// [`sha256_prefixed_many`] with a kernel of the caller's choice, for tests and benchmarks.
///
/// # Panics
///
/// When the slices' lengths differ, or when this CPU cannot run `kernel` (see [`kernels`]).
pub fn sha256_prefixed_many_with(
    kernel: Kernel,
    prefix: u8,
    messages: &[&[u8]],
    digests: &mut [[u8; 32]],
) {
    assert_eq!(messages.len(), digests.len(), "a digest for each message");
    kernel.hash(prefix, messages, digests);
}
