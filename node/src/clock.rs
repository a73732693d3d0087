//! The machine's clock: who keeps it right, and what is known of it where nobody does.
//!
//! A board without a battery starts in 1970, or where it was switched off, and gets the time from the network a moment or
//! a day later. What is recorded until then is dated by what the clock says, since nothing better is known; that it was
//! so, and by how much it was off, is then said ([`Clock`]), so that whoever reads the dates can put them right.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use lucid_core::Timestamp;
use rustix::time::{ClockId, clock_gettime};

/// Seconds since 1970 before which this program was not built, where the build does not say more: 2026-11-01.
const BUILT_AFTER: &str = match option_env!("SOURCE_DATE_EPOCH") {
    Some(seconds) => seconds,
    None => "1793491200",
};
/// Less is how clocks are kept right, and what a busy machine takes to look at two of them.
const STEP_MIN: Duration = Duration::from_secs(2);

/// Whether something keeps the clock right, where systemd knows. Asks another program, so it may take a moment.
pub(crate) fn clock_is_kept() -> Option<bool> {
    let arguments = ["show", "--property=NTPSynchronized", "--value"];
    let output = Command::new("timedatectl").args(arguments).stdin(Stdio::null()).output();
    let output = output.ok().filter(|output| output.status.success())?;
    match output.stdout.trim_ascii() {
        b"yes" => Some(true),
        b"no" => Some(false),
        _ => None,
    }
}

/// A time before which this program was not there.
pub(crate) fn built_after() -> Timestamp {
    Timestamp::from_unix_millis(BUILT_AFTER.parse::<u64>().unwrap_or(0).saturating_mul(1000))
}

/// How long the machine has been on, asleep or not: nobody sets it.
pub(crate) fn since_boot() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    let (seconds, nanos) = (time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs());
    Duration::from_secs(seconds) + Duration::from_nanos(nanos)
}

/// The clock against the time that passes.
pub(crate) struct Clock {
    said: Timestamp,
    at: Duration,
}

impl Clock {
    /// A clock that says `said` when the machine has been on for `at`.
    pub(crate) fn new(said: Timestamp, at: Duration) -> Self {
        Self { said, at }
    }

    /// What is to be told of a clock at its first look: the event and what is known.
    pub(crate) fn first(&self) -> Option<(&'static str, String)> {
        (self.said < built_after()).then(|| {
            let detail = format!(
                "the clock says {}, a time before this program was made: until it is set, what is recorded has no right \
                 date",
                self.said
            );
            ("clock.unset", detail)
        })
    }

    /// The same at a later look: a clock that was set since the one before.
    pub(crate) fn look(&mut self, said: Timestamp, at: Duration) -> Option<(&'static str, String)> {
        let passed = u64::try_from(at.saturating_sub(self.at).as_millis()).unwrap_or(u64::MAX);
        let expected = self.said.unix_millis().saturating_add(passed);
        (self.said, self.at) = (said, at);
        let off = Duration::from_millis(said.unix_millis().abs_diff(expected));
        if off < STEP_MIN {
            return None;
        }
        let (way, was) = match said.unix_millis() > expected {
            true => ("forward", "early"),
            false => ("back", "late"),
        };
        let detail = format!(
            "the clock was set {way} by {} s, to {said}: what is dated from before is up to so much too {was}",
            off.as_secs()
        );
        Some(("clock.set", detail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_millis(seconds * 1000)
    }

    #[test]
    fn a_clock_that_is_kept_right_is_not_spoken_of() {
        let mut clock = Clock::new(at(1_800_000_000), SECOND);
        assert_eq!(clock.first(), None);
        // A second late, then asleep for a day.
        assert_eq!(clock.look(at(1_800_000_011), SECOND * 11), None);
        assert_eq!(clock.look(at(1_800_086_411), SECOND * 86_411), None);
        assert_eq!(clock.look(at(1_800_086_411), SECOND * 86_411), None);
    }

    #[test]
    fn a_board_without_a_battery_gets_the_time() {
        let mut clock = Clock::new(at(12), SECOND * 12);
        let (event, detail) = clock.first().unwrap();
        assert!(event == "clock.unset" && detail.contains("1970-01-01T00:00:12"), "{detail}");
        assert_eq!(clock.look(at(15), SECOND * 15), None);
        let (event, detail) = clock.look(at(1_800_000_000), SECOND * 20).unwrap();
        assert_eq!(event, "clock.set");
        assert!(
            detail.contains("forward by 1799999980 s") && detail.ends_with("too early"),
            "{detail}"
        );
        assert_eq!(clock.look(at(1_800_000_001), SECOND * 21), None);
        let (_, detail) = clock.look(at(1_799_999_000), SECOND * 22).unwrap();
        assert!(detail.contains("back by 1002 s") && detail.ends_with("too late"), "{detail}");
    }

    #[test]
    fn the_machine_is_on() {
        let first = since_boot();
        assert!(first > Duration::ZERO && since_boot() >= first);
        assert!(built_after() < crate::context::now() && at(0) < built_after());
    }
}
