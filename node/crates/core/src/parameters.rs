//! What nodes decide on together: the parameters, their bounds, and what they were before anybody decided.
//!
//! This module owns the bounds. The chain's `ParamRegistry` enforces the same ones, and `policy` says what
//! of the parameters a session commits to.

use serde::{Deserialize, Serialize};

use crate::{
    Policy,
    chunk::{CHUNK_BYTES_DEFAULT, CHUNK_BYTES_MAX, CHUNK_BYTES_MIN},
    json::INTEGER_MAX,
};

/// Open sessions of an owner where nobody said another number.
pub const OPEN_SESSIONS_DEFAULT: u32 = 64;

/// A parameter's name and which values it takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Its name, as in JSON and on the chain.
    pub key: &'static str,
    /// The least value.
    pub min: u64,
    /// The greatest value.
    pub max: u64,
    /// Whether 0 is a value too, and means none: no limit, for ever.
    pub zero_is_none: bool,
    /// The value where nobody said another.
    pub default: u64,
}

const fn bounds(key: &'static str, min: u64, max: u64, default: u64) -> Bounds {
    Bounds { key, min, max, zero_is_none: false, default }
}

const fn or_none(key: &'static str, min: u64, max: u64) -> Bounds {
    Bounds { key, min, max, zero_is_none: true, default: 0 }
}

impl Bounds {
    /// Seconds between two anchors, where there is something to anchor.
    pub const ANCHOR_INTERVAL_SECONDS: Self = bounds("anchor_interval_seconds", 60, 604_800, 3_600);
    /// Sealed sessions after which an anchor does not wait for its time.
    pub const ANCHOR_SESSIONS_MAX: Self = bounds("anchor_sessions_max", 1, 1_000_000, 1_000);
    /// Plaintext bytes of a chunk, at most.
    pub const CHUNK_BYTES: Self = bounds(
        "chunk_bytes",
        CHUNK_BYTES_MIN as u64,
        CHUNK_BYTES_MAX as u64,
        CHUNK_BYTES_DEFAULT as u64,
    );
    /// Open sessions of an owner.
    pub const OPEN_SESSIONS_MAX: Self =
        bounds("open_sessions_max", 1, 1_000_000, OPEN_SESSIONS_DEFAULT as u64);
    /// Seconds after which a sealed session is erased; a day at the least, a hundred years at the most.
    pub const RETENTION_SECONDS: Self = or_none("retention_seconds", 86_400, 3_155_760_000);
    /// Plaintext bytes of a session, at most.
    pub const SESSION_BYTES_MAX: Self = or_none("session_bytes_max", 1 << 20, INTEGER_MAX);
    /// zstd's compression level.
    pub const ZSTD_LEVEL: Self =
        bounds("zstd_level", 1, Policy::ZSTD_LEVEL_MAX as u64, Policy::ZSTD_LEVEL_DEFAULT as u64);

    /// All of them, in the order of their names.
    pub const ALL: [Self; 7] = [
        Self::ANCHOR_INTERVAL_SECONDS,
        Self::ANCHOR_SESSIONS_MAX,
        Self::CHUNK_BYTES,
        Self::OPEN_SESSIONS_MAX,
        Self::RETENTION_SECONDS,
        Self::SESSION_BYTES_MAX,
        Self::ZSTD_LEVEL,
    ];

    /// Whether `value` is one of the parameter's.
    #[must_use]
    pub fn takes(&self, value: u64) -> bool {
        (self.zero_is_none && value == 0) || (self.min..=self.max).contains(&value)
    }
}

/// A parameter out of its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "parameter {} is {value}: it is {}{} to {}",
    .bounds.key,
    if .bounds.zero_is_none { "0 (none) or " } else { "" },
    .bounds.min,
    .bounds.max
)]
pub struct ParameterError {
    /// Which, and what it takes.
    pub bounds: Bounds,
    /// The value.
    pub value: u64,
}

/// The parameters in force. Fields stand in the order of their names, which is that of RFC 8785.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// Seconds between two anchors.
    pub anchor_interval_seconds: u64,
    /// Sealed sessions after which an anchor does not wait.
    pub anchor_sessions_max: u64,
    /// Plaintext bytes of a chunk, at most.
    pub chunk_bytes: u32,
    /// Open sessions of an owner, at most.
    pub open_sessions_max: u32,
    /// Seconds after which a sealed session is erased; 0 for never.
    pub retention_seconds: u64,
    /// Plaintext bytes of a session, at most; 0 for no such limit.
    pub session_bytes_max: u64,
    /// zstd's compression level.
    pub zstd_level: u8,
}

impl Parameters {
    /// Parameters whose values `value` gives.
    ///
    /// # Errors
    /// `value`'s, and [`ParameterError`] for one out of its bounds.
    ///
    /// # Panics
    /// Never: what is within its bounds fits its type.
    pub fn read<E: From<ParameterError>>(
        mut value: impl FnMut(&Bounds) -> Result<u64, E>,
    ) -> Result<Self, E> {
        let mut within = |bounds: &Bounds| {
            let value = value(bounds)?;
            match bounds.takes(value) {
                true => Ok(value),
                false => Err(E::from(ParameterError { bounds: *bounds, value })),
            }
        };
        let small = "a value within its bounds";
        Ok(Self {
            anchor_interval_seconds: within(&Bounds::ANCHOR_INTERVAL_SECONDS)?,
            anchor_sessions_max: within(&Bounds::ANCHOR_SESSIONS_MAX)?,
            chunk_bytes: within(&Bounds::CHUNK_BYTES)?.try_into().expect(small),
            open_sessions_max: within(&Bounds::OPEN_SESSIONS_MAX)?.try_into().expect(small),
            retention_seconds: within(&Bounds::RETENTION_SECONDS)?,
            session_bytes_max: within(&Bounds::SESSION_BYTES_MAX)?,
            zstd_level: within(&Bounds::ZSTD_LEVEL)?.try_into().expect(small),
        })
    }

    /// The parameters and their values, in the order of [`Bounds::ALL`].
    #[must_use]
    pub fn values(&self) -> [(Bounds, u64); 7] {
        [
            (Bounds::ANCHOR_INTERVAL_SECONDS, self.anchor_interval_seconds),
            (Bounds::ANCHOR_SESSIONS_MAX, self.anchor_sessions_max),
            (Bounds::CHUNK_BYTES, self.chunk_bytes.into()),
            (Bounds::OPEN_SESSIONS_MAX, self.open_sessions_max.into()),
            (Bounds::RETENTION_SECONDS, self.retention_seconds),
            (Bounds::SESSION_BYTES_MAX, self.session_bytes_max),
            (Bounds::ZSTD_LEVEL, self.zstd_level.into()),
        ]
    }

    /// Checks the bounds of parameters that were read.
    ///
    /// # Errors
    /// [`ParameterError`] for the first that is out of them.
    pub fn check(&self) -> Result<(), ParameterError> {
        let values = self.values();
        let bad = values.into_iter().find(|(bounds, value)| !bounds.takes(*value));
        bad.map_or(Ok(()), |(bounds, value)| Err(ParameterError { bounds, value }))
    }
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            anchor_interval_seconds: Bounds::ANCHOR_INTERVAL_SECONDS.default,
            anchor_sessions_max: Bounds::ANCHOR_SESSIONS_MAX.default,
            chunk_bytes: CHUNK_BYTES_DEFAULT,
            open_sessions_max: OPEN_SESSIONS_DEFAULT,
            retention_seconds: Bounds::RETENTION_SECONDS.default,
            session_bytes_max: Bounds::SESSION_BYTES_MAX.default,
            zstd_level: Policy::ZSTD_LEVEL_DEFAULT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_in_order_and_the_defaults_are_within() {
        assert!(Bounds::ALL.is_sorted_by_key(|bounds| bounds.key));
        let defaults = Parameters::default();
        assert_eq!(defaults.check(), Ok(()));
        assert_eq!(defaults.values().map(|(bounds, _)| bounds), Bounds::ALL);
        assert!(defaults.values().iter().all(|(bounds, value)| bounds.default == *value));
        let read = Parameters::read::<ParameterError>(|bounds| Ok(bounds.default));
        assert_eq!(read, Ok(defaults));
    }

    #[test]
    fn bounds_hold_at_both_ends_of_each() {
        for changed in Bounds::ALL {
            let with = |value| {
                Parameters::read::<ParameterError>(|bounds| match bounds.key == changed.key {
                    true => Ok(value),
                    false => Ok(bounds.default),
                })
            };
            for good in [changed.min, changed.max] {
                let read = with(good).unwrap();
                let found = read.values().into_iter().find(|(bounds, _)| *bounds == changed);
                assert_eq!(found, Some((changed, good)), "each has its own value");
            }
            for bad in [changed.min - 1, changed.max + 1, u64::MAX] {
                let allowed = bad == 0 && changed.zero_is_none;
                assert_eq!(with(bad).is_ok(), allowed, "{} {bad}", changed.key);
            }
            assert_eq!(with(0).is_ok(), changed.zero_is_none, "{}", changed.key);
        }
    }

    #[test]
    fn an_error_names_the_parameter_and_its_bounds() {
        let parameters = Parameters { session_bytes_max: 1, ..Parameters::default() };
        let text =
            "parameter session_bytes_max is 1: it is 0 (none) or 1048576 to 9007199254740991";
        assert_eq!(parameters.check().unwrap_err().to_string(), text);
        let parameters = Parameters { zstd_level: 10, ..Parameters::default() };
        let text = "parameter zstd_level is 10: it is 1 to 9";
        assert_eq!(parameters.check().unwrap_err().to_string(), text);
    }
}
