//! What a press of the button is.
//!
//! Contacts bounce for some milliseconds, and pick up sparks: a level counts once it was seen for
//! [`BOUNCE`]. A press is long once it is held for [`LONG`], and is told then and not at its end, so that whoever
//! holds it sees that it was taken.

use std::time::Duration;

/// A level counts once it holds for this long.
pub const BOUNCE: Duration = Duration::from_millis(30);
/// A press that is held for this long is a long one.
pub const LONG: Duration = Duration::from_secs(3);

/// How a button was pressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Press {
    /// Pressed and let go.
    Short,
    /// Held.
    Long,
}

/// A button over time.
#[derive(Clone, Debug)]
pub struct Presses {
    /// The level that counts.
    down: bool,
    /// Another level that was seen, and since when.
    changing: Option<Duration>,
    /// When the press began; `None` once it was told.
    began: Option<Duration>,
}

impl Presses {
    /// A button that is `down` now. One that is held when the node starts is no press: a stuck one would shut
    /// the machine down at every start.
    pub const fn new(down: bool) -> Self {
        Self { down, changing: None, began: None }
    }

    /// Takes what the button is at `now`, a time that never goes back, and says what that makes.
    pub fn see(&mut self, down: bool, now: Duration) -> Option<Press> {
        if down == self.down {
            self.changing = None;
            let held =
                self.down && self.began.is_some_and(|began| now.saturating_sub(began) >= LONG);
            if held {
                self.began = None;
            }
            return held.then_some(Press::Long);
        }
        let since = *self.changing.get_or_insert(now);
        if now.saturating_sub(since) < BOUNCE {
            return None;
        }
        self.down = down;
        self.changing = None;
        if down {
            self.began = Some(since);
            return None;
        }
        let began = self.began.take()?;
        // One that was held long enough between two looks is a long one all the same.
        Some(if since.saturating_sub(began) >= LONG { Press::Long } else { Press::Short })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is made of levels at times in milliseconds.
    fn check(start: bool, seen: &[(u64, bool)], expected: &[(u64, Press)]) {
        let mut presses = Presses::new(start);
        let mut found = Vec::new();
        for &(at, down) in seen {
            let press = presses.see(down, Duration::from_millis(at));
            found.extend(press.map(|press| (at, press)));
        }
        assert_eq!(found, expected, "{seen:?}");
    }

    /// The level every 20 ms, as it is looked at, from `from` up to `to`.
    fn held(down: bool, from: u64, to: u64) -> Vec<(u64, bool)> {
        (from..to).step_by(20).map(|at| (at, down)).collect()
    }

    #[test]
    fn short_long_and_none() {
        let short = [held(true, 0, 200), held(false, 200, 400)].concat();
        check(false, &short, &[(240, Press::Short)]);
        // Told while it is held, once, and its end is nothing more.
        let long = [held(true, 0, 6000), held(false, 6000, 6200)].concat();
        check(false, &long, &[(3000, Press::Long)]);
        check(false, &held(false, 0, 9000), &[]);
        let twice = [short.clone(), held(true, 400, 600), held(false, 600, 800)].concat();
        check(false, &twice, &[(240, Press::Short), (640, Press::Short)]);
    }

    #[test]
    fn sparks_and_bounces() {
        check(false, &[(0, true), (20, false), (40, true), (60, false), (100, false)], &[]);
        // It bounces at both ends, and is one press.
        let bounced = [
            (0, true),
            (10, false),
            (20, true),
            (60, true),
            (100, true),
            (200, false),
            (210, true),
            (220, false),
            (260, false),
            (300, false),
        ];
        check(false, &bounced, &[(260, Press::Short)]);
    }

    #[test]
    fn held_at_the_start() {
        let stuck = [held(true, 0, 9000), held(false, 9000, 9100)].concat();
        check(true, &stuck, &[]);
        let then = [stuck, held(true, 9100, 9200), held(false, 9200, 9300)].concat();
        check(true, &then, &[(9240, Press::Short)]);
    }

    /// A machine that was busy looks seldom.
    #[test]
    fn looked_at_seldom() {
        check(
            false,
            &[(0, true), (100, true), (5000, false), (5100, false)],
            &[(5100, Press::Long)],
        );
        check(
            false,
            &[(0, true), (100, true), (1000, false), (1100, false)],
            &[(1100, Press::Short)],
        );
    }
}
