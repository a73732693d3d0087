//! TRON's money.

use core::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// An amount in SUN, of which a TRX has a million. At most 2^63 − 1, as in every message of TRON.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize,
)]
#[serde(try_from = "i64", into = "i64")]
pub struct Sun(i64);

/// A text that is no amount.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("an amount is in TRX with at most six decimals, such as 1 or 0.25")]
pub struct SunError;

/// As in JSON: SUN, not below 0.
impl TryFrom<i64> for Sun {
    type Error = &'static str;

    fn try_from(sun: i64) -> Result<Self, Self::Error> {
        Self::from_signed(sun).ok_or("an amount is not below 0")
    }
}

impl From<Sun> for i64 {
    fn from(sun: Sun) -> Self {
        sun.0
    }
}

impl Sun {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The most there can be.
    pub const MAX: Self = Self(i64::MAX);
    /// SUN in a TRX.
    pub const PER_TRX: u64 = 1_000_000;

    /// So many SUN, or [`Sun::MAX`] where that is less.
    #[must_use]
    pub const fn new(sun: u64) -> Self {
        Self(if sun > i64::MAX as u64 { i64::MAX } else { sun.cast_signed() })
    }

    /// So many SUN, as messages have them; nothing where it is negative.
    #[must_use]
    pub fn from_signed(sun: i64) -> Option<Self> {
        (sun >= 0).then_some(Self(sun))
    }

    /// In SUN.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0.cast_unsigned()
    }

    /// In SUN, as messages have it.
    #[must_use]
    pub const fn signed(self) -> i64 {
        self.0
    }

    /// Both together, at most [`Sun::MAX`].
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What is left of it without the other; nothing where the other is more.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        if other.0 >= self.0 { Self::ZERO } else { Self(self.0 - other.0) }
    }

    /// So many times as much, at most [`Sun::MAX`].
    #[must_use]
    pub const fn times(self, factor: u64) -> Self {
        Self::new(self.get().saturating_mul(factor))
    }
}

/// In TRX, without zeros at the end: `0.25 TRX`.
impl fmt::Display for Sun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.get() / Self::PER_TRX, self.get() % Self::PER_TRX);
        if part == 0 {
            return write!(f, "{whole} TRX");
        }
        let part = format!("{part:06}");
        write!(f, "{whole}.{} TRX", part.trim_end_matches('0'))
    }
}

/// Reads an amount in TRX: digits, and at most six after a point.
impl FromStr for Sun {
    type Err = SunError;

    fn from_str(text: &str) -> Result<Self, SunError> {
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > 6 {
            return Err(SunError);
        }
        let whole: i64 = whole.parse().map_err(|_| SunError)?;
        let part: i64 = format!("{part:0<6}").parse().map_err(|_| SunError)?;
        let sun = whole.checked_mul(Self::PER_TRX.cast_signed()).and_then(|s| s.checked_add(part));
        sun.map(Self).ok_or(SunError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn said_and_read() {
        for (sun, text) in [
            (0, "0"),
            (1, "0.000001"),
            (268_000, "0.268"),
            (1_000_000, "1"),
            (1_500_000, "1.5"),
            (i64::MAX as u64, "9223372036854.775807"),
        ] {
            assert_eq!(Sun::new(sun).to_string(), format!("{text} TRX"));
            assert_eq!(text.parse(), Ok(Sun::new(sun)));
        }
        for bad in ["", ".", "1.", ".5", "-1", "+1", "1,5", "1e6", "0.0000001", " 1", "1 TRX"] {
            assert_eq!(bad.parse::<Sun>(), Err(SunError), "{bad}");
        }
        assert_eq!("9223372036854.775808".parse::<Sun>(), Err(SunError));
    }

    #[test]
    fn never_beyond_its_ends() {
        assert_eq!(Sun::new(u64::MAX), Sun::MAX);
        assert_eq!(Sun::MAX.plus(Sun::new(1)), Sun::MAX);
        assert_eq!(Sun::MAX.times(3), Sun::MAX);
        assert_eq!(Sun::new(3).minus(Sun::new(5)), Sun::ZERO);
        assert_eq!(Sun::new(5).minus(Sun::new(3)), Sun::new(2));
        assert_eq!(Sun::from_signed(-1), None);
    }
}
