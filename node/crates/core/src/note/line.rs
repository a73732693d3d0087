//! The numbers and byte strings in lines of C2SP texts, each in its one spelling.

use base64::{Engine, prelude::BASE64_STANDARD};

use crate::Hash;

/// The bytes of `text`: RFC 4648 §4 base64 with its padding and zero trailing bits.
pub(super) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(text).ok()
}

/// Base64 of `bytes`, with padding.
pub(super) fn base64(bytes: impl AsRef<[u8]>) -> String {
    BASE64_STANDARD.encode(bytes)
}

/// The hash that `text` is the base64 of.
pub(super) fn decode_hash(text: &str) -> Option<Hash> {
    decode_base64(text)?.try_into().ok().map(Hash)
}

/// The number that `text` is the ASCII decimal of, without sign or leading zeros.
pub(super) fn decode_decimal(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with(['0', '+']);
    text.parse().ok().filter(|_| canonical)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals() {
        let check = |text, want| assert_eq!(decode_decimal(text), want, "{text:?}");
        check("0", Some(0));
        check("7", Some(7));
        check("109482", Some(109_482));
        check("18446744073709551615", Some(u64::MAX));
        check("18446744073709551616", None);
        for bad in ["", "00", "07", "+7", "-7", "-0", "+0", " 7", "7 ", "7\n", "0x7", "7_0", "٧"] {
            check(bad, None);
        }
    }

    #[test]
    fn hashes() {
        let zero = base64([0; 32]);
        assert_eq!(decode_hash(&zero), Some(Hash([0; 32])));
        let canonical = zero.strip_suffix("A=").unwrap();
        for bad in [
            String::new(),
            canonical.into(),
            // Without padding, with too much, with bits set that decode to nothing, URL-safe.
            format!("{canonical}A"),
            format!("{canonical}A=="),
            format!("{canonical}B="),
            format!("{}_A=", &canonical[1..]),
            format!("{zero} "),
            format!("{zero}\r"),
            format!("\n{zero}"),
            base64([0; 31]),
            base64([0; 33]),
        ] {
            assert_eq!(decode_hash(&bad), None, "{bad:?}");
        }
    }
}
