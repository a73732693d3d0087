//! The policy of a session: under which parameters it is recorded. A session commits to its hash, so that
//! nobody can say later that it was recorded under other rules.
//!
//! A node without a chain writes version 1: what its configuration says. Where the chain has decided on
//! parameters, version 2 has all of them.

use serde::{Deserialize, Serialize};

use crate::{
    Hash, Timestamp,
    chunk::{CHUNK_BYTES_DEFAULT, CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, Suite},
    json,
    parameters::{ParameterError, Parameters},
};

/// A parameter out of its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The chunk size.
    #[error("chunk size {0} is not between 65536 (64 KiB) and 16777216 (16 MiB)")]
    ChunkBytes(u32),
    /// The compression level.
    #[error("zstd level {0} is not between 1 and 9")]
    ZstdLevel(u8),
    /// One that only version 2 has.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// A later version.
    #[error("policy version {0} is not known here (1 and 2 are)")]
    Version(u32),
    /// Fields of the other version.
    #[error("policy version {0} has other fields")]
    Fields(u32),
}

/// What a session is recorded under, in RFC 8785 form in its `session.opened` entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "Form", into = "Form")]
pub struct Policy {
    /// Most plaintext bytes in a chunk; only a pause of the source or its end makes a shorter one.
    pub chunk_bytes: u32,
    /// The AEAD of the segments.
    pub suite: Suite,
    /// zstd's compression level, 1 to 9.
    pub zstd_level: u8,
    limits: Option<Limits>,
}

/// What only version 2 has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Limits {
    anchor_interval_seconds: u64,
    anchor_sessions_max: u64,
    open_sessions_max: u32,
    retention_seconds: u64,
    session_bytes_max: u64,
}

/// A policy's fields, in the order of their names; those of version 2 are all there or none.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    anchor_interval_seconds: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    anchor_sessions_max: Option<u64>,
    chunk_bytes: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    open_sessions_max: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retention_seconds: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session_bytes_max: Option<u64>,
    suite: Suite,
    version: u32,
    zstd_level: u8,
}

impl From<Policy> for Form {
    fn from(policy: Policy) -> Self {
        let limits = policy.limits.as_ref();
        Self {
            anchor_interval_seconds: limits.map(|limits| limits.anchor_interval_seconds),
            anchor_sessions_max: limits.map(|limits| limits.anchor_sessions_max),
            chunk_bytes: policy.chunk_bytes,
            open_sessions_max: limits.map(|limits| limits.open_sessions_max),
            retention_seconds: limits.map(|limits| limits.retention_seconds),
            session_bytes_max: limits.map(|limits| limits.session_bytes_max),
            suite: policy.suite,
            version: policy.version(),
            zstd_level: policy.zstd_level,
        }
    }
}

impl TryFrom<Form> for Policy {
    type Error = PolicyError;

    fn try_from(form: Form) -> Result<Self, PolicyError> {
        let Form { chunk_bytes, suite, version, zstd_level, .. } = form;
        let later = (
            form.anchor_interval_seconds,
            form.anchor_sessions_max,
            form.open_sessions_max,
            form.retention_seconds,
            form.session_bytes_max,
        );
        let limits = match (version, later) {
            (1, (None, None, None, None, None)) => None,
            (2, (Some(interval), Some(sessions), Some(open), Some(retention), Some(bytes))) => {
                Some(Limits {
                    anchor_interval_seconds: interval,
                    anchor_sessions_max: sessions,
                    open_sessions_max: open,
                    retention_seconds: retention,
                    session_bytes_max: bytes,
                })
            }
            (1 | 2, _) => return Err(PolicyError::Fields(version)),
            _ => return Err(PolicyError::Version(version)),
        };
        let policy = Self { chunk_bytes, suite, zstd_level, limits };
        policy.check()?;
        Ok(policy)
    }
}

impl Policy {
    /// Compression level where none is configured.
    pub const ZSTD_LEVEL_DEFAULT: u8 = 3;

    /// Highest compression level: above it zstd's own tables outgrow the pipeline's memory bound.
    pub const ZSTD_LEVEL_MAX: u8 = 9;

    /// A policy of version 1 within its bounds: of a node whose parameters nobody decides on.
    ///
    /// # Errors
    /// [`PolicyError`] with the bounds.
    pub fn new(chunk_bytes: u32, zstd_level: u8, suite: Suite) -> Result<Self, PolicyError> {
        let policy = Self { chunk_bytes, suite, zstd_level, limits: None };
        policy.check()?;
        Ok(policy)
    }

    /// A policy of version 2: under parameters that were decided on.
    ///
    /// # Errors
    /// [`PolicyError`] with the bounds.
    pub fn decided(parameters: &Parameters, suite: Suite) -> Result<Self, PolicyError> {
        let &Parameters {
            anchor_interval_seconds,
            anchor_sessions_max,
            chunk_bytes,
            open_sessions_max,
            retention_seconds,
            session_bytes_max,
            zstd_level,
        } = parameters;
        let limits = Limits {
            anchor_interval_seconds,
            anchor_sessions_max,
            open_sessions_max,
            retention_seconds,
            session_bytes_max,
        };
        let policy = Self { chunk_bytes, suite, zstd_level, limits: Some(limits) };
        policy.check()?;
        Ok(policy)
    }

    /// The defaults of version 1 with this suite.
    #[must_use]
    pub fn with_suite(suite: Suite) -> Self {
        let zstd_level = Self::ZSTD_LEVEL_DEFAULT;
        Self { chunk_bytes: CHUNK_BYTES_DEFAULT, suite, zstd_level, limits: None }
    }

    /// 1, or 2 where it has parameters that were decided on.
    #[must_use]
    pub fn version(&self) -> u32 {
        if self.limits.is_some() { 2 } else { 1 }
    }

    /// The parameters that were decided on, of version 2.
    #[must_use]
    pub fn parameters(&self) -> Option<Parameters> {
        let limits = self.limits?;
        Some(Parameters {
            anchor_interval_seconds: limits.anchor_interval_seconds,
            anchor_sessions_max: limits.anchor_sessions_max,
            chunk_bytes: self.chunk_bytes,
            open_sessions_max: limits.open_sessions_max,
            retention_seconds: limits.retention_seconds,
            session_bytes_max: limits.session_bytes_max,
            zstd_level: self.zstd_level,
        })
    }

    /// Most plaintext bytes of the session, where it has such a limit.
    #[must_use]
    pub fn session_bytes_max(&self) -> Option<u64> {
        self.limits.map(|limits| limits.session_bytes_max).filter(|bytes| *bytes > 0)
    }

    /// Seconds after its sealing that the session is erased, where it is.
    #[must_use]
    pub fn retention_seconds(&self) -> Option<u64> {
        self.limits.map(|limits| limits.retention_seconds).filter(|seconds| *seconds > 0)
    }

    /// From when on a session that was sealed at `sealed_at` is to be erased, where it is.
    #[must_use]
    pub fn erased_from(&self, sealed_at: Timestamp) -> Option<Timestamp> {
        self.retention_seconds().map(|seconds| sealed_at.after_seconds(seconds))
    }

    /// Checks the bounds of a policy that was read.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub fn check(&self) -> Result<(), PolicyError> {
        if !(CHUNK_BYTES_MIN..=CHUNK_BYTES_MAX).contains(&self.chunk_bytes) {
            return Err(PolicyError::ChunkBytes(self.chunk_bytes));
        }
        if !(1..=Self::ZSTD_LEVEL_MAX).contains(&self.zstd_level) {
            return Err(PolicyError::ZstdLevel(self.zstd_level));
        }
        self.parameters().map_or(Ok(()), |parameters| Ok(parameters.check()?))
    }

    /// SHA-256 of the policy's canonical JSON.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash::of(&json::to_canonical(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Printed in docs/format.md.
    const SECOND: &str = r#"{"anchor_interval_seconds":3600,"anchor_sessions_max":1000,"chunk_bytes":8388608,"open_sessions_max":64,"retention_seconds":0,"session_bytes_max":0,"suite":1,"version":2,"zstd_level":3}"#;

    fn parse(text: &str) -> Result<Policy, String> {
        json::from_canonical(text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn form_and_bounds() {
        let policy = Policy::with_suite(Suite::Aes256Gcm);
        let text = r#"{"chunk_bytes":8388608,"suite":1,"version":1,"zstd_level":3}"#;
        assert_eq!(json::to_canonical(&policy), text.as_bytes());
        assert_eq!(policy.hash(), Hash::of(text.as_bytes()));
        assert_eq!(parse(text), Ok(policy));
        assert_eq!((policy.version(), policy.parameters()), (1, None));
        assert_eq!(Policy::new(65_536, 9, Suite::Aes256Gcm).map(|p| p.chunk_bytes), Ok(65_536));
        let new = |bytes, level| Policy::new(bytes, level, Suite::Aes256Gcm).map(|_| ());
        assert_eq!(new(65_535, 3), Err(PolicyError::ChunkBytes(65_535)));
        assert_eq!(new(16_777_217, 3), Err(PolicyError::ChunkBytes(16_777_217)));
        assert_eq!(new(65_536, 0), Err(PolicyError::ZstdLevel(0)));
        assert_eq!(new(65_536, 10), Err(PolicyError::ZstdLevel(10)));
    }

    #[test]
    fn the_second_version_has_all_parameters() {
        let parameters = Parameters::default();
        let policy = Policy::decided(&parameters, Suite::Aes256Gcm).unwrap();
        assert_eq!(String::from_utf8(json::to_canonical(&policy)).unwrap(), SECOND);
        assert_eq!(json::to_canonical(&policy), serde_json_canonicalizer::to_vec(&policy).unwrap());
        assert_eq!(policy.hash(), Hash::of(SECOND.as_bytes()));
        assert_eq!(parse(SECOND), Ok(policy));
        assert_eq!((policy.version(), policy.parameters()), (2, Some(parameters)));
        let bad = Parameters { retention_seconds: 1, ..parameters };
        let refused = Policy::decided(&bad, Suite::Aes256Gcm);
        assert!(matches!(refused, Err(PolicyError::Parameter(_))), "{refused:?}");
    }

    #[test]
    fn none_of_a_limit_is_zero_and_retention_counts_from_the_sealing() {
        let at = Timestamp::from_unix_millis(5);
        let first = Policy::with_suite(Suite::Aes256Gcm);
        let none = Policy::decided(&Parameters::default(), Suite::Aes256Gcm).unwrap();
        for policy in [first, none] {
            assert_eq!((policy.session_bytes_max(), policy.retention_seconds()), (None, None));
            assert_eq!(policy.erased_from(at), None);
        }
        let parameters = Parameters {
            retention_seconds: 86_400,
            session_bytes_max: 1 << 20,
            ..Parameters::default()
        };
        let policy = Policy::decided(&parameters, Suite::Aes256Gcm).unwrap();
        assert_eq!(policy.session_bytes_max(), Some(1 << 20));
        assert_eq!(policy.erased_from(at), Some(Timestamp::from_unix_millis(86_400_005)));
    }

    #[test]
    fn a_version_has_its_own_fields_and_their_bounds() {
        let one = r#"{"chunk_bytes":65536,"suite":1,"version":1,"zstd_level":3}"#;
        for (text, says) in [
            (one.replace("\"version\":1", "\"version\":2"), "version 2 has other fields"),
            (SECOND.replace("\"version\":2", "\"version\":1"), "version 1 has other fields"),
            (SECOND.replace("\"retention_seconds\":0,", ""), "version 2 has other fields"),
            (one.replace("\"version\":1", "\"version\":3"), "version 3 is not known"),
            (SECOND.replace("\"version\":2", "\"version\":0"), "version 0 is not known"),
            (SECOND.replace(":64,", ":0,"), "open_sessions_max is 0"),
            (SECOND.replace("_seconds\":0,", "_seconds\":86399,"), "retention_seconds is 86399"),
            (SECOND.replace("8388608", "8"), "chunk size 8"),
            (SECOND.replace("\"suite\":1", "\"moon\":1,\"suite\":1"), "unknown field `moon`"),
            (one.replace("65536,", "65536,\"open_sessions_max\":null,"), "canonical"),
        ] {
            let message = parse(&text).unwrap_err();
            assert!(message.contains(says), "{text}: {message}");
        }
    }
}
