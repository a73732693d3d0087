//! Counts in messages.

use core::fmt;

/// A count and what is counted, `1 chunk` or `2 chunks`. `noun` is the singular of a word whose plural
/// is regular.
#[must_use]
pub fn counted<N: Copy + fmt::Display + PartialEq + From<u8>>(count: N, noun: &str) -> String {
    if count == N::from(1) {
        return format!("{count} {noun}");
    }
    match noun.strip_suffix('y') {
        Some(stem) => format!("{count} {stem}ies"),
        None => format!("{count} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular() {
        let check = |count: u64, noun, want| assert_eq!(counted(count, noun), want);
        check(0, "chunk", "0 chunks");
        check(1, "chunk", "1 chunk");
        check(2, "chunk", "2 chunks");
        check(1, "entry", "1 entry");
        check(11, "entry", "11 entries");
        check(u64::MAX, "byte", "18446744073709551615 bytes");
    }
}
