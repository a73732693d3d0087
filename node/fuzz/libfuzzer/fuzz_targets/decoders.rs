//! The first byte picks the decoder, the rest is its input.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((which, input)) = bytes.split_first() else { return };
    let (_, target) = lucid_fuzz::TARGETS[usize::from(*which) % lucid_fuzz::TARGETS.len()];
    target(input);
});
