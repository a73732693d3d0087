//! RFC 8785 (JCS) JSON, the form in which everything that is hashed or signed is written.
//!
//! The types that use it declare their fields in alphabetical order, restrict numbers to integers
//! below 2^53 and keys to ASCII; then `serde_json`'s compact form *is* the canonical form, and no
//! tree of values is built for a manifest of a million chunks. Tests hold each type against an
//! implementation of RFC 8785 by others.

use std::io::{self, Write};

use serde::{Serialize, de::DeserializeOwned};

/// The largest integer that a JSON number holds exactly (RFC 8785 §3.1, IEEE 754 double).
pub const INTEGER_MAX: u64 = (1 << 53) - 1;

/// Why bytes are not the canonical JSON of a value.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// No JSON, or not of this shape. The text names line and column.
    #[error("not the JSON that belongs here: {0}")]
    Shape(#[from] serde_json::Error),
    /// The same value has another, canonical, form.
    #[error("not in canonical form (RFC 8785): it differs from it at byte {offset}")]
    NotCanonical {
        /// Where the first difference is.
        offset: usize,
    },
    /// A number above 2^53 - 1.
    #[error("a number in it is not exact in JSON: it is above 2^53 - 1")]
    NotExact,
}

/// The canonical bytes of `value`.
///
/// # Panics
/// Where `value`'s own `Serialize` fails, which none of this crate's types does.
#[must_use]
pub fn to_canonical<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("maps with text keys, integers and texts always serialise")
}

/// Reads the one canonical form of a `T`: whatever parses must serialise to the same bytes, which
/// refuses white space, other orders, other escapes, duplicate and unknown fields.
///
/// # Errors
/// [`JsonError`], naming the place.
pub fn from_canonical<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, JsonError> {
    let value: T = serde_json::from_slice(bytes)?;
    let mut comparer = Comparer { expected: bytes, offset: 0 };
    match serde_json::to_writer(&mut comparer, &value) {
        Ok(()) if comparer.offset == bytes.len() => Ok(value),
        Ok(()) | Err(_) => Err(JsonError::NotCanonical { offset: comparer.offset }),
    }
}

/// The number in a JSON object's field `version`, whatever else is in it: a reader looks at it before
/// it holds the fields against the version it knows.
///
/// # Errors
/// [`JsonError::Shape`] where there is none.
pub fn version_of(bytes: &[u8]) -> Result<u32, JsonError> {
    #[derive(serde::Deserialize)]
    struct Versioned {
        version: u32,
    }
    Ok(serde_json::from_slice::<Versioned>(bytes)?.version)
}

/// Compares what is written with what is expected, without a second copy of it.
struct Comparer<'a> {
    expected: &'a [u8],
    offset: usize,
}

impl Write for Comparer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let rest = &self.expected[self.offset..];
        let same = rest.iter().zip(bytes).take_while(|(a, b)| a == b).count();
        self.offset += same;
        if same == bytes.len() {
            Ok(same)
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidData, "differs"))
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Byte strings in JSON: standard base64 with padding (RFC 4648 §4), its one canonical form.
pub mod base64_bytes {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use serde::{Deserialize, Deserializer, Serializer};

    /// For `#[serde(with)]`.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    /// For `#[serde(with)]`: any type that bytes convert into, arrays by their exact length.
    ///
    /// # Errors
    /// Where the text is no canonical base64, or of the wrong length.
    pub fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: TryFrom<Vec<u8>>,
        D: Deserializer<'de>,
    {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text.as_bytes()).map_err(serde::de::Error::custom)?;
        let count = bytes.len();
        T::try_from(bytes).map_err(|_| {
            serde::de::Error::custom(format_args!("{count} bytes are not the length of this field"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        a: u64,
        b: String,
    }

    #[test]
    fn only_the_canonical_form_parses() {
        let sample = Sample { a: 1, b: "x\n\u{1f}\"\\é".into() };
        let bytes = to_canonical(&sample);
        assert_eq!(bytes, serde_json_canonicalizer::to_vec(&sample).unwrap());
        assert_eq!(from_canonical::<Sample>(&bytes).unwrap(), sample);
        for bad in [
            r#"{"a":1, "b":""}"#,
            r#"{"b":"","a":1}"#,
            r#"{"a":1,"b":""} "#,
            r#"{"a":1,"a":1,"b":""}"#,
            r#"{"a":1,"b":"","c":0}"#,
            r#"{"a":1.0,"b":""}"#,
            r#"{"a":1e0,"b":""}"#,
            r#"{"a":01,"b":""}"#,
            r#"{"a":1,"b":"\u0041"}"#,
            r#"{"a":1,"b":"\/"}"#,
            r#"{"a":1}"#,
            "",
            "null",
        ] {
            assert!(from_canonical::<Sample>(bad.as_bytes()).is_err(), "{bad}");
        }
        let offset = match from_canonical::<Sample>(br#"{"a":1,"b":"\u0041"}"#) {
            Err(JsonError::NotCanonical { offset }) => offset,
            other => panic!("{other:?}"),
        };
        assert!(offset <= 12, "named where it starts to differ: {offset}");
    }
}
