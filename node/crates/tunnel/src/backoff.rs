//! How long to wait before trying again.

use std::time::Duration;

/// The first pause: a tor that is being restarted is back in about a second.
const FIRST: Duration = Duration::from_millis(500);
/// The longest one: somebody who started tor by hand waits no longer than that.
const LONGEST: Duration = Duration::from_secs(30);

/// Pauses that double, each between half and all of its length, so that many nodes do not come at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The pause after one more failure. `random` is a random number.
    pub fn pause(&mut self, random: u32) -> Duration {
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        let whole = FIRST.saturating_mul(factor).min(LONGEST);
        whole / 2 + (whole / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
    }

    /// It worked.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

/// A random number for [`Backoff::pause`]. Without random bytes pauses are the shortest: nothing secret depends on it.
pub(crate) fn random() -> u32 {
    getrandom::u32().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let (mut low, mut high) = (Backoff::default(), Backoff::default());
        for whole_ms in [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000] {
            assert_eq!(low.pause(0), Duration::from_millis(whole_ms / 2));
            assert_eq!(high.pause(u32::MAX), Duration::from_millis(whole_ms));
        }
        for _ in 0..100 {
            assert!(low.pause(7) <= LONGEST);
        }
        low.reset();
        assert_eq!(low.pause(0), FIRST / 2);
    }
}
