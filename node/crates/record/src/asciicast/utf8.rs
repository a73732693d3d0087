//! Bytes as they come from a terminal, as text: a character that is cut by a read is completed by
//! the next one.

/// The replacement for bytes that are no UTF-8.
const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;

/// Decodes one direction of a terminal. Each maximal invalid sequence becomes one U+FFFD, as in
/// [`String::from_utf8_lossy`], wherever the reads happen to cut it.
#[derive(Debug, Default)]
pub(super) struct Utf8Carry {
    /// The beginning of a character whose end has not come: 0 to 3 bytes.
    partial: Vec<u8>,
}

impl Utf8Carry {
    /// The text that is complete with `bytes`; it may be empty.
    pub(super) fn decode(&mut self, bytes: &[u8]) -> String {
        let joined;
        let mut rest = if self.partial.is_empty() {
            bytes
        } else {
            joined = [&std::mem::take(&mut self.partial), bytes].concat();
            &joined
        };
        let mut text = String::with_capacity(rest.len());
        loop {
            let error = match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    return text;
                }
                Err(error) => error,
            };
            let (valid, after) = rest.split_at(error.valid_up_to());
            text.push_str(std::str::from_utf8(valid).unwrap_or_default());
            let Some(invalid_bytes) = error.error_len() else {
                self.partial = after.to_vec();
                return text;
            };
            text.push(REPLACEMENT);
            rest = &after[invalid_bytes..];
        }
    }

    /// What is left when nothing more will come: U+FFFD for a character without an end.
    pub(super) fn finish(&mut self) -> Option<char> {
        let cut = !self.partial.is_empty();
        self.partial.clear();
        cut.then_some(REPLACEMENT)
    }
}

#[cfg(test)]
mod tests {
    use super::Utf8Carry;
    use proptest::prelude::*;

    fn check(reads: &[&[u8]], expected: &[&str]) {
        let mut carry = Utf8Carry::default();
        let mut texts: Vec<String> = reads.iter().map(|read| carry.decode(read)).collect();
        texts.extend(carry.finish().map(String::from));
        assert_eq!(texts, expected, "{reads:x?}");
    }

    #[test]
    fn reads_become_text() {
        check(&[b"plain"], &["plain"]);
        check(&[b"", b"a"], &["", "a"]);
        // é cut in two, € cut in three, 𝄞 cut in four.
        check(&[b"h\xc3", b"\xa9llo"], &["h", "éllo"]);
        check(&[b"\xe2", b"\x82", b"\xac!"], &["", "", "€!"]);
        check(&[b"\xf0", b"\x9d", b"\x84", b"\x9e"], &["", "", "", "𝄞"]);
        // A character that never ends, at a read's end and at the stream's end.
        check(&[b"a\xe2\x82", b"b"], &["a", "\u{fffd}b"]);
        check(&[b"a\xe2\x82"], &["a", "\u{fffd}"]);
        // Bytes that begin no character; a surrogate; an overlong slash.
        check(&[b"\xff\xfe"], &["\u{fffd}\u{fffd}"]);
        check(&[b"\xed\xa0\x80"], &["\u{fffd}\u{fffd}\u{fffd}"]);
        check(&[b"\xc0\xaf"], &["\u{fffd}\u{fffd}"]);
        check(&[b"\0\x1b[0m\x7f"], &["\0\x1b[0m\x7f"]);
    }

    proptest! {
        /// However the bytes are cut, the text is what decoding them in one piece gives.
        #[test]
        fn cuts_do_not_show(bytes in prop::collection::vec(any::<u8>(), 0..64),
                            cut in 1usize..8) {
            let mut carry = Utf8Carry::default();
            let mut text: String = bytes.chunks(cut).map(|read| carry.decode(read)).collect();
            text.extend(carry.finish());
            prop_assert_eq!(text, String::from_utf8_lossy(&bytes));
        }
    }
}
