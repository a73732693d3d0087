//! Media types (RFC 6838): `type/subtype` in lower case, without parameters.

use core::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a session's stream is, such as `application/x-tar`. At most 127 characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MediaType(String);

/// Why a text is no media type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a media type is type/subtype in lower case, without parameters, such as video/mp4")]
pub struct MediaTypeError;

impl MediaType {
    /// Any bytes.
    pub const OCTETS: &str = "application/octet-stream";
    /// A tar archive.
    pub const TAR: &str = "application/x-tar";
    /// A terminal recording, asciicast.
    pub const ASCIICAST: &str = "application/x-asciicast";

    /// Any bytes.
    #[must_use]
    pub fn octets() -> Self {
        Self(Self::OCTETS.to_owned())
    }

    /// A tar archive.
    #[must_use]
    pub fn tar() -> Self {
        Self(Self::TAR.to_owned())
    }

    /// A terminal recording.
    #[must_use]
    pub fn asciicast() -> Self {
        Self(Self::ASCIICAST.to_owned())
    }

    /// The type's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MediaType {
    type Err = MediaTypeError;

    fn from_str(text: &str) -> Result<Self, MediaTypeError> {
        let name = |part: &str| {
            let first = part.bytes().next().is_some_and(|c| c.is_ascii_alphanumeric());
            let allowed =
                |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"!#$&-^_.+".contains(&c);
            first && part.bytes().all(allowed)
        };
        match text.split_once('/') {
            Some((kind, subtype)) if text.len() <= 127 && name(kind) && name(subtype) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(MediaTypeError),
        }
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for MediaType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for MediaType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form() {
        for good in
            [MediaType::OCTETS, MediaType::TAR, MediaType::ASCIICAST, "a/b", "image/svg+xml"]
        {
            assert_eq!(good.parse::<MediaType>().map(|m| m.to_string()), Ok(good.to_owned()));
        }
        assert_eq!(MediaType::OCTETS.parse(), Ok(MediaType::octets()));
        assert_eq!(MediaType::TAR.parse(), Ok(MediaType::tar()));
        assert_eq!(MediaType::ASCIICAST.parse(), Ok(MediaType::asciicast()));
        let long = format!("a/{}", "b".repeat(126));
        for bad in ["", "a", "a/", "/b", "a/b/c", "A/b", "a/b; c=d", "a/ b", "+/b", "a/é", &long] {
            assert_eq!(bad.parse::<MediaType>(), Err(MediaTypeError), "{bad:?}");
        }
    }
}
