//! Points in time as the formats write them: RFC 3339, UTC, milliseconds, `Z`. One form, 24 bytes.

use core::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::{Date, Month, OffsetDateTime, Time};

/// Milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted; years 1970 to 9999.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

/// Why a text is no timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a time is RFC 3339 in UTC with milliseconds, such as 2026-01-31T23:59:59.000Z")]
pub struct TimestampError;

/// Why a text is no time as people and programs write one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a time is RFC 3339, such as 2026-01-31T23:59:59Z or 2026-01-31T23:59:59.250+01:00")]
pub struct Rfc3339Error;

impl Timestamp {
    /// 9999-12-31T23:59:59.999Z: the last time with a four-digit year.
    const MILLIS_MAX: u64 = 253_402_300_799_999;

    /// The time `millis` milliseconds after the epoch; later than the year 9999 is held at its end,
    /// so that a broken clock still gives a time that every reader takes.
    #[must_use]
    pub fn from_unix_millis(millis: u64) -> Self {
        Self(millis.min(Self::MILLIS_MAX))
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub fn unix_millis(self) -> u64 {
        self.0
    }

    /// The time so many seconds later, or the last one there is.
    #[must_use]
    pub fn after_seconds(self, seconds: u64) -> Self {
        Self::from_unix_millis(self.0.saturating_add(seconds.saturating_mul(1000)))
    }

    /// Reads a time in any form of RFC 3339: with any offset from UTC, and with whatever part of a second;
    /// what is finer than a millisecond is left out. For what is asked, not for what is signed, which has one
    /// form.
    ///
    /// # Errors
    /// [`Rfc3339Error`], for a time before 1970 or a leap second too.
    pub fn from_rfc3339(text: &str) -> Result<Self, Rfc3339Error> {
        Self::parse_rfc3339(text).ok_or(Rfc3339Error)
    }

    fn parse_rfc3339(text: &str) -> Option<Self> {
        let text = text.to_ascii_uppercase();
        let (seconds, rest) = text.split_at_checked(19)?;
        let (fraction, zone) = match rest.strip_prefix('.') {
            None => ("0", rest),
            Some(rest) => {
                let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                rest.split_at_checked(digits).filter(|(digits, _)| !digits.is_empty())?
            }
        };
        let local = Self::parse(&format!("{seconds}.{fraction:0<3.3}Z"))?;
        let utc = i64::try_from(local.0).ok()?.checked_sub(offset_millis(zone)?)?;
        u64::try_from(utc).ok().filter(|utc| *utc <= Self::MILLIS_MAX).map(Self)
    }

    fn parse(text: &str) -> Option<Self> {
        let bytes: &[u8; 24] = text.as_bytes().try_into().ok()?;
        for (place, mark) in
            [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (23, b'Z')]
        {
            (bytes[place] == mark).then_some(())?;
        }
        let field = |from: usize, to: usize| {
            bytes[from..to].iter().try_fold(0_u16, |value, digit| {
                digit.is_ascii_digit().then(|| value * 10 + u16::from(digit - b'0'))
            })
        };
        let small = |from: usize| u8::try_from(field(from, from + 2)?).ok();
        let month = Month::try_from(small(5)?).ok()?;
        let date = Date::from_calendar_date(i32::from(field(0, 4)?), month, small(8)?).ok()?;
        let time = Time::from_hms_milli(small(11)?, small(14)?, small(17)?, field(20, 23)?).ok()?;
        let instant = OffsetDateTime::new_utc(date, time);
        let millis = instant.unix_timestamp_nanos() / 1_000_000;
        u64::try_from(millis).ok().map(Self)
    }
}

/// `Z`, or how far a clock is ahead of UTC, such as `+01:00`, in milliseconds.
fn offset_millis(zone: &str) -> Option<i64> {
    let number = |text: &str, most: i64| -> Option<i64> {
        let digits = text.len() == 2 && text.bytes().all(|digit| digit.is_ascii_digit());
        digits.then(|| text.parse().ok()).flatten().filter(|number| *number <= most)
    };
    let (sign, clock) = match zone.split_at_checked(1)? {
        ("Z", "") => return Some(0),
        ("+", clock) => (1, clock),
        ("-", clock) => (-1, clock),
        _ => return None,
    };
    let (hours, minutes) = clock.split_once(':')?;
    Some(sign * (number(hours, 23)? * 60 + number(minutes, 59)?) * 60_000)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = i128::from(self.0) * 1_000_000;
        let at = OffsetDateTime::from_unix_timestamp_nanos(nanos).map_err(|_| fmt::Error)?;
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            at.year(),
            u8::from(at.month()),
            at.day(),
            at.hour(),
            at.minute(),
            at.second(),
            at.millisecond()
        )
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        Self::parse(text).ok_or(TimestampError)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
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
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1, "1970-01-01T00:00:00.001Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_396_045_123, "2026-11-23T01:07:25.123Z"),
            (Timestamp::MILLIS_MAX, "9999-12-31T23:59:59.999Z"),
        ] {
            let time = Timestamp::from_unix_millis(millis);
            assert_eq!(time.to_string(), text);
            assert_eq!(text.parse(), Ok(time));
        }
        let held = Timestamp::from_unix_millis(u64::MAX);
        assert_eq!(held.to_string(), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn other_forms_are_refused() {
        for bad in [
            "",
            "2026-11-23T01:07:25Z",
            "2026-11-23T01:07:25.123+00:00",
            "2026-11-23 01:07:25.123Z",
            "2026-11-23t01:07:25.123z",
            "2026-02-29T00:00:00.000Z",
            "2026-13-01T00:00:00.000Z",
            "2026-00-01T00:00:00.000Z",
            "2026-11-23T24:00:00.000Z",
            "2026-11-23T23:59:60.000Z",
            "1969-12-31T23:59:59.999Z",
            "+026-11-23T01:07:25.123Z",
            "2026-11-23T01:07:25.1234Z",
        ] {
            assert_eq!(bad.parse::<Timestamp>(), Err(TimestampError), "{bad:?}");
        }
    }

    #[test]
    fn any_form_of_rfc_3339_is_read_where_it_is_asked_for() {
        for (text, same) in [
            ("2026-11-23T01:07:25Z", "2026-11-23T01:07:25.000Z"),
            ("2026-11-23t01:07:25.5z", "2026-11-23T01:07:25.500Z"),
            ("2026-11-23T01:07:25.123456789Z", "2026-11-23T01:07:25.123Z"),
            ("2026-11-23T01:07:25+01:30", "2026-11-22T23:37:25.000Z"),
            ("2026-12-31T23:59:59.999-00:01", "2027-01-01T00:00:59.999Z"),
            ("1970-01-01T01:00:00+01:00", "1970-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(Timestamp::from_rfc3339(text), Ok(same.parse().unwrap()), "{text}");
        }
        for bad in [
            "",
            "2026-11-23",
            "2026-11-23T01:07Z",
            "2026-11-23T01:07:25",
            "2026-11-23T01:07:25.Z",
            "2026-11-23T01:07:25.é",
            "2026-11-23T01:07:25é",
            "2026-11-23T01:07:25+1:00",
            "2026-11-23T01:07:25+24:00",
            "2026-11-23T01:07:25+01:60",
            "2026-11-23T01:07:25+0100",
            "2026-11-23T01:07:25++1:00",
            "2026-11-23T01:07:25 01:00",
            "2026-02-29T00:00:00Z",
            "2026-11-23T23:59:60Z",
            "1970-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
        ] {
            assert_eq!(Timestamp::from_rfc3339(bad), Err(Rfc3339Error), "{bad:?}");
        }
    }
}
