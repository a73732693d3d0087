//! How the C library's allocator shares out memory among threads.
#![allow(unsafe_code)] // A setting of the C library's, which no crate of Rust's own has.

use std::num::NonZero;

/// Lets the allocator have `arenas` arenas at most (`mallopt(3)`, `M_ARENA_MAX`); whether it does. To be called before
/// there is a second thread.
///
/// An arena is a heap that threads share, and gives back only what is free at its end. By itself glibc makes eight for a
/// processor, which suits programs whose threads keep to their own memory. Here what one thread allocates another frees:
/// chunks, documents, answers. Each arena then comes to hold the most that any thread ever had.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[must_use]
pub fn limit_arenas(arenas: NonZero<u16>) -> bool {
    use std::ffi::c_int;

    unsafe extern "C" {
        fn mallopt(param: c_int, value: c_int) -> c_int;
    }
    /// As in glibc's `malloc.h`.
    const M_ARENA_MAX: c_int = -8;

    // SAFETY: glibc has this function in this form (malloc.h); it takes two numbers, and no number is unsound.
    unsafe { mallopt(M_ARENA_MAX, c_int::from(arenas.get())) == 1 }
}

/// Another C library has an allocator of another kind.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
#[must_use]
pub fn limit_arenas(_arenas: NonZero<u16>) -> bool {
    false
}
