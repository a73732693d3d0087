//! When the fan turns.

use super::MilliCelsius;

/// A fan that begins at one temperature and ends at a lower one, so that it does not stutter between two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FanRule {
    on_at: MilliCelsius,
    off_at: MilliCelsius,
}

/// It ends this far below where it begins.
const HYSTERESIS: i32 = 8_000;

impl FanRule {
    /// A fan that begins at `on_at`.
    pub const fn new(on_at: MilliCelsius) -> Self {
        Self { on_at, off_at: MilliCelsius(on_at.0.saturating_sub(HYSTERESIS)) }
    }

    /// Whether it turns now, where it did or did not before. A temperature that is not known is a hot one.
    pub fn turns(self, turned: bool, temperature: Option<MilliCelsius>) -> bool {
        let limit = if turned { self.off_at } else { self.on_at };
        temperature.is_none_or(|temperature| temperature >= limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_does_not_stutter() {
        let rule = FanRule::new(MilliCelsius(65_000));
        let mut turns = false;
        let mut check = |milli: Option<i32>, expected: bool| {
            turns = rule.turns(turns, milli.map(MilliCelsius));
            assert_eq!(turns, expected, "{milli:?}");
        };
        check(Some(-5_000), false);
        check(Some(64_999), false);
        check(Some(65_000), true);
        check(Some(57_000), true);
        check(Some(56_999), false);
        check(Some(64_999), false);
        check(None, true);
    }

    #[test]
    fn no_limit_overflows() {
        assert!(FanRule::new(MilliCelsius(i32::MIN)).turns(false, Some(MilliCelsius(0))));
    }
}
