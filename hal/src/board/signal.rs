//! What the light says: for each state a rhythm that can be told from the others from across a room.
//!
//! | state | rhythm |
//! | --- | --- |
//! | starting | quick and even: 0.1 s on, 0.1 s off |
//! | healthy | a short blink every 3 s |
//! | recording | on, with a short gap every second |
//! | behind | two short blinks every 3 s |
//! | failed | slow and even: 1 s on, 1 s off |
//! | stopping | on |
//!
//! A light that does not change at all is one that nobody drives: off, the node does not run.

use std::time::Duration;

/// What the light says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Signal {
    /// The node starts, or waits in setup.
    Starting,
    /// All is well, and there is nothing to do.
    Healthy,
    /// A session is taken in.
    Recording,
    /// All is well, but what is copied or anchored elsewhere is behind.
    Behind,
    /// Something is wrong: the log, `status` or `doctor` says what.
    Failed,
    /// The node stops; the light goes out when the supply may be cut.
    Stopping,
}

/// A rhythm: turns of on and off, the first one on, in milliseconds; then from the beginning.
type Rhythm = &'static [u64];

impl Signal {
    /// Every state, for tests and for trying the light out.
    pub const ALL: [Self; 6] = [
        Self::Starting,
        Self::Healthy,
        Self::Recording,
        Self::Behind,
        Self::Failed,
        Self::Stopping,
    ];

    /// The state's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Recording => "recording",
            Self::Behind => "behind",
            Self::Failed => "failed",
            Self::Stopping => "stopping",
        }
    }

    const fn rhythm(self) -> Rhythm {
        match self {
            Self::Starting => &[100, 100],
            Self::Healthy => &[100, 2900],
            Self::Recording => &[900, 100],
            Self::Behind => &[100, 200, 100, 2600],
            Self::Failed => &[1000, 1000],
            Self::Stopping => &[1000],
        }
    }

    /// Whether the light is on this long after the state began, and how long until that may change.
    pub fn light(self, since: Duration) -> (bool, Duration) {
        let rhythm = self.rhythm();
        let round: u64 = rhythm.iter().sum();
        // Nanoseconds are left out: a turn ends within a millisecond of its time.
        let mut at = (since.as_millis() % u128::from(round)) as u64;
        for (turn, &length) in rhythm.iter().enumerate() {
            if at < length {
                return (turn % 2 == 0, Duration::from_millis(length - at));
            }
            at -= length;
        }
        // `at` is less than the sum of all turns.
        unreachable!("a rhythm ends with its round")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(signal: Signal, at_ms: u64, on: bool, left_ms: u64) {
        let found = signal.light(Duration::from_millis(at_ms));
        assert_eq!(found, (on, Duration::from_millis(left_ms)), "{} at {at_ms}", signal.name());
    }

    #[test]
    fn rhythms() {
        check(Signal::Starting, 0, true, 100);
        check(Signal::Starting, 99, true, 1);
        check(Signal::Starting, 100, false, 100);
        check(Signal::Starting, 200, true, 100);
        check(Signal::Behind, 250, false, 50);
        check(Signal::Behind, 300, true, 100);
        check(Signal::Behind, 2999, false, 1);
        check(Signal::Behind, 3000, true, 100);
        check(Signal::Stopping, 123_456_789, true, 211);
        // A card's uptime of years.
        check(Signal::Healthy, 3_000 * 100_000_000 + 50, true, 50);
    }

    /// Sampled as an eye does, no two are the same, and all but the last change within three seconds.
    #[test]
    fn no_two_look_the_same() {
        let seen = |signal: Signal| -> Vec<bool> {
            (0..60).map(|step| signal.light(Duration::from_millis(step * 50)).0).collect()
        };
        for (index, signal) in Signal::ALL.into_iter().enumerate() {
            let changes = seen(signal).windows(2).any(|pair| pair[0] != pair[1]);
            assert_eq!(changes, signal != Signal::Stopping, "{}", signal.name());
            for other in &Signal::ALL[..index] {
                assert_ne!(seen(signal), seen(*other), "{} {}", signal.name(), other.name());
            }
        }
    }
}
