//! The machine's clock: who keeps it right, and what is known of it where nobody does.
//!
//! A board without a battery starts in 1970, or where it was switched off, and gets the time from the network a moment or
//! a day later. What is recorded until then is dated by what the clock says, since nothing better is known; that it was
//! so, and by how much it was off, is then said ([`Clock`]), so that whoever reads the dates can put them right.

use std::{
    io::Read,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use lucid_core::Timestamp;
use rustix::time::{ClockId, clock_gettime};

use crate::context::now;

/// Seconds since 1970 before which this program was not built, where the build does not say more: 2026-11-01.
const BUILT_AFTER: &str = match option_env!("SOURCE_DATE_EPOCH") {
    Some(seconds) => seconds,
    None => "1793491200",
};
/// Who keeps the clock is asked for so long. systemd answers within milliseconds, or starts the service that knows.
const ANSWER_TIME: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// The answer is a word.
const ANSWER_BYTES_MAX: u64 = 64;
/// Less is how clocks are kept right.
const STEP_MIN: Duration = Duration::from_secs(2);
/// Who was kept from looking at both clocks for longer has not looked at them at once, and might take that for a step.
const READING_MAX: Duration = Duration::from_millis(500);
/// A clock that does not come to rest is not the log's only subject.
const TELL_EVERY: Duration = Duration::from_mins(1);

/// Whether something keeps the clock right, where systemd knows. Asks another program, so it may take a moment.
///
/// # Errors
/// Where that program gives no answer: it is ended then.
pub(crate) fn clock_is_kept() -> Result<Option<bool>, NoAnswer> {
    kept_by(Command::new("timedatectl"), ANSWER_TIME)
}

fn kept_by(mut command: Command, time: Duration) -> Result<Option<bool>, NoAnswer> {
    command.args(["show", "--property=NTPSynchronized", "--value"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let Ok(mut asked) = command.spawn() else { return Ok(None) };
    let until = Instant::now() + time;
    let status = loop {
        match asked.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < until => thread::sleep(LOOK_EVERY),
            // What cannot be waited for is not known either.
            Ok(None) | Err(_) => {
                end(&mut asked);
                return Err(NoAnswer(time));
            }
        }
    };
    let mut said = Vec::new();
    let read =
        asked.stdout.take().map(|stdout| stdout.take(ANSWER_BYTES_MAX).read_to_end(&mut said));
    if !status.success() || !matches!(read, Some(Ok(_))) {
        return Ok(None);
    }
    Ok(match said.trim_ascii() {
        b"yes" => Some(true),
        b"no" => Some(false),
        _ => None,
    })
}

/// Ends a program that gives no answer.
fn end(asked: &mut Child) {
    // One that has ended meanwhile is no error, and one that cannot be ended is nothing that could be mended here.
    let _ = asked.kill();
    let _ = asked.wait();
}

/// That nobody said whether the clock is kept right.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("timedatectl gave no answer within {} s", .0.as_secs())]
pub(crate) struct NoAnswer(Duration);

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

/// What the clock says, and when it said so by [`since_boot`]; nothing where this was kept from looking at both at once.
pub(crate) fn reading() -> Option<(Timestamp, Duration)> {
    let before = since_boot();
    let said = now();
    let at = since_boot();
    (at.saturating_sub(before) < READING_MAX).then_some((said, at))
}

/// The clock against the time that passes.
pub(crate) struct Clock {
    said: Timestamp,
    at: Duration,
    /// Whether a time before the program was made is still to be told of.
    is_unset: bool,
    /// When something was told last, or tried to.
    tried: Option<Duration>,
}

impl Clock {
    /// A clock that says `said` when the machine has been on for `at`.
    pub(crate) fn new((said, at): (Timestamp, Duration)) -> Self {
        Self { said, at, is_unset: said < built_after(), tried: None }
    }

    /// What is to be told now: the event and what is known. At most one thing a minute: of a clock that is set again
    /// and again the sum is told.
    pub(crate) fn look(&self, (said, at): (Timestamp, Duration)) -> Option<(&'static str, String)> {
        if self.tried.is_some_and(|tried| at.saturating_sub(tried) < TELL_EVERY) {
            return None;
        }
        if self.is_unset {
            let detail = format!(
                "the clock says {}, a time before this program was made: until it is set, what is recorded has no right \
                 date",
                self.said
            );
            return Some(("clock.unset", detail));
        }
        let passed = u64::try_from(at.saturating_sub(self.at).as_millis()).unwrap_or(u64::MAX);
        let expected = self.said.unix_millis().saturating_add(passed);
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

    /// Takes up that what [`look`](Self::look) said of this reading was told, or could not be, and is said again.
    pub(crate) fn tried(&mut self, (said, at): (Timestamp, Duration), is_told: bool) {
        self.tried = Some(at);
        match (is_told, self.is_unset) {
            (false, _) => {}
            // The next thing to tell of it is that it was set, whenever that is.
            (true, true) => (self.is_unset, self.tried) = (false, None),
            (true, false) => (self.said, self.at) = (said, at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn who_gives_no_answer_is_not_waited_for() {
        let asked = |script: &str, time| {
            let mut shell = Command::new("sh");
            // What is asked of timedatectl comes after it, and is not looked at.
            shell.args(["-c", script, "timedatectl"]);
            kept_by(shell, time)
        };
        let long = SECOND * 60;
        assert_eq!(asked("echo yes", long), Ok(Some(true)));
        assert_eq!(asked("echo no", long), Ok(Some(false)));
        assert_eq!(asked("echo n/a", long), Ok(None));
        assert_eq!(asked("echo yes; exit 1", long), Ok(None));
        assert_eq!(kept_by(Command::new("/nonexistent/timedatectl"), long), Ok(None));
        assert_eq!(asked("exec sleep 1000", SECOND / 20), Err(NoAnswer(SECOND / 20)));
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_millis(seconds * 1000)
    }

    /// A reading, both in seconds.
    fn says(said: u64, on_for: u64) -> (Timestamp, Duration) {
        (at(said), SECOND * u32::try_from(on_for).unwrap())
    }

    #[test]
    fn a_clock_that_is_kept_right_is_not_spoken_of() {
        let clock = Clock::new(says(1_800_000_000, 1));
        // A second late, then asleep for a day.
        assert_eq!(clock.look(says(1_800_000_011, 11)), None);
        assert_eq!(clock.look(says(1_800_086_411, 86_411)), None);
        assert_eq!(clock.look(says(1_800_086_411, 86_411)), None);
    }

    #[test]
    fn a_board_without_a_battery_gets_the_time() {
        let mut clock = Clock::new(says(12, 12));
        let (event, detail) = clock.look(says(12, 12)).unwrap();
        assert!(event == "clock.unset" && detail.contains("1970-01-01T00:00:12"), "{detail}");
        clock.tried(says(12, 12), true);
        assert_eq!(clock.look(says(15, 15)), None);
        let (event, detail) = clock.look(says(1_800_000_000, 20)).unwrap();
        assert_eq!(event, "clock.set");
        let told = detail.contains("forward by 1799999980 s") && detail.ends_with("too early");
        assert!(told, "{detail}");
        // The log did not take it: it is said again, later.
        clock.tried(says(1_800_000_000, 20), false);
        assert_eq!(clock.look(says(1_800_000_001, 21)), None);
        let (_, detail) = clock.look(says(1_800_000_060, 80)).unwrap();
        assert!(detail.contains("forward by 1799999980 s"), "{detail}");
        clock.tried(says(1_800_000_060, 80), true);
        assert_eq!(clock.look(says(1_800_000_160, 180)), None);
    }

    /// A clock that somebody sets every second is told of once a minute, with the sum.
    #[test]
    fn a_clock_that_is_set_again_and_again() {
        let mut clock = Clock::new(says(1_800_000_000, 0));
        let mut told = Vec::new();
        for on_for in 1..=120 {
            // Ten seconds back in each.
            let reading = says(1_800_000_000 - 9 * on_for, on_for);
            if let Some((_, detail)) = clock.look(reading) {
                told.push(detail);
                clock.tried(reading, true);
            }
        }
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains("back by 10 s") && told[1].contains("back by 600 s"), "{told:?}");
        assert!(told[1].ends_with("too late"));
    }

    #[test]
    fn the_machine_is_on() {
        let (said, first) = loop {
            // A machine that is busy may need more than one look.
            if let Some(reading) = reading() {
                break reading;
            }
        };
        assert!(first > Duration::ZERO && since_boot() >= first);
        assert!(built_after() < said && at(0) < built_after());
    }
}
