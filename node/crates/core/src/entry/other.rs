//! Entries that this version keeps but does not interpret: other kinds, other versions.

use serde_json::Value;

use super::EntryError;
use crate::{
    Timestamp,
    json::{self, INTEGER_MAX},
};

/// An entry of a kind or version unknown here, as the bytes it came in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OtherEntry {
    version: u64,
    kind: String,
    at: Timestamp,
    bytes: Vec<u8>,
}

impl OtherEntry {
    /// The entry's `v`.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The kind's text: of version 1 words joined by dots, of another one any.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// When the entry was made.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// Its JSON; canonical where it is of version 1.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// One of another version, of which nothing else is looked at.
    pub(super) fn of_version(version: u64, kind: String, at: Timestamp, bytes: &[u8]) -> Self {
        Self { version, kind, at, bytes: bytes.to_vec() }
    }

    /// One of version 1 and of another kind than this version knows.
    pub(super) fn parse(kind: &str, at: Timestamp, bytes: &[u8]) -> Result<Self, EntryError> {
        let word = |word: &str| {
            !word.is_empty() && word.bytes().all(|c| c.is_ascii_lowercase() || c == b'_')
        };
        if kind.len() > 64 || !kind.contains('.') || !kind.split('.').all(word) {
            return Err(EntryError::Kind);
        }
        let value: Value = json::from_canonical(bytes)?;
        check_form(&value, "the entry")?;
        Ok(Self { version: 1, kind: kind.to_owned(), at, bytes: bytes.to_vec() })
    }
}

/// Integers below 2^53 only, and keys in ASCII and in order, so that the compact form is RFC 8785's
/// whatever order the JSON library keeps keys in.
fn check_form(value: &Value, name: &str) -> Result<(), EntryError> {
    let refuse = || Err(EntryError::Form(name.to_owned()));
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
        Value::Number(number) => match number.as_i64() {
            Some(integer) if integer.unsigned_abs() <= INTEGER_MAX => Ok(()),
            _ => refuse(),
        },
        Value::Array(items) => items.iter().try_for_each(|item| check_form(item, name)),
        Value::Object(map) => {
            let keys: Vec<&String> = map.keys().collect();
            if !keys.is_sorted() || keys.iter().any(|key| !key.is_ascii()) {
                return refuse();
            }
            map.iter().try_for_each(|(key, value)| check_form(value, key))
        }
    }
}
