//! Sums over an owner's sessions, or everybody's: kept as entries come, so that nobody has to count.

use lucid_core::Timestamp;

use crate::db::State;

const DAY_MILLIS: u64 = 86_400_000;

/// Sums over sessions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// Sessions that are open.
    pub open: u64,
    /// Sessions that are sealed and not erased.
    pub sealed: u64,
    /// Sessions that were voided.
    pub voided: u64,
    /// Sessions that were erased.
    pub erased: u64,
    /// Chunks of those that are sealed.
    pub chunks: u64,
    /// Plaintext bytes of those that are sealed.
    pub plain_bytes: u64,
    /// Bytes of chunk files of those that are sealed, as far as their chunks were read.
    pub stored_bytes: u64,
}

impl Totals {
    const BYTES: usize = 7 * 8;

    /// How many are in a state.
    pub(super) fn count(&mut self, state: State) -> &mut u64 {
        match state {
            State::Open => &mut self.open,
            State::Sealed => &mut self.sealed,
            State::Voided => &mut self.voided,
            State::Erased => &mut self.erased,
        }
    }

    /// Seven numbers of 8 bytes, big-endian, in the order above.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let Self { open, sealed, voided, erased, chunks, plain_bytes, stored_bytes } = self;
        let all = [open, sealed, voided, erased, chunks, plain_bytes, stored_bytes];
        all.into_iter().flat_map(u64::to_be_bytes).collect()
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::BYTES] = bytes.try_into().ok()?;
        let mut numbers = bytes.chunks(8).filter_map(|number| number.try_into().ok());
        let mut next = || numbers.next().map(u64::from_be_bytes);
        Some(Self {
            open: next()?,
            sealed: next()?,
            voided: next()?,
            erased: next()?,
            chunks: next()?,
            plain_bytes: next()?,
            stored_bytes: next()?,
        })
    }
}

/// A day by UTC, counted from 1970-01-01.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Day(pub u32);

impl Day {
    /// The day that a time is in.
    #[must_use]
    pub fn of(at: Timestamp) -> Self {
        // Times end with the year 9999.
        Self((at.unix_millis() / DAY_MILLIS) as u32)
    }

    /// When it begins.
    #[must_use]
    pub fn begin(self) -> Timestamp {
        Timestamp::from_unix_millis(u64::from(self.0) * DAY_MILLIS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_come_back() {
        let totals = Totals {
            open: 1,
            sealed: 2,
            voided: 3,
            erased: 4,
            chunks: 5,
            plain_bytes: 6,
            stored_bytes: 7,
        };
        let bytes = totals.to_bytes();
        assert_eq!(Totals::parse(&bytes), Some(totals));
        assert_eq!(Totals::parse(&bytes[1..]), None);
        assert_eq!(Totals::parse(&[&bytes, b"x".as_slice()].concat()), None);
    }

    #[test]
    fn days_are_those_of_utc() {
        let at: Timestamp = "2026-02-28T23:59:59.999Z".parse().unwrap();
        assert_eq!(Day::of(at).begin().to_string(), "2026-02-28T00:00:00.000Z");
        let next = Timestamp::from_unix_millis(at.unix_millis() + 1);
        assert_eq!(Day::of(next), Day(Day::of(at).0 + 1));
        assert_eq!(Day::of(Timestamp::from_unix_millis(0)), Day(0));
    }
}
