//! Whether a block may be dated by the clock as it is.
//!
//! A block is never dated before its parent. So one that is made while the clock is far ahead dates all that
//! follow, until the time that it has: votes do not end and delays do not pass meanwhile. A machine without a
//! clock of its own is such a case at each start, before the network has told it the time. What cannot be told
//! is whether a gap since the newest block is one, or nobody was there; so a long one is believed at once only
//! where something keeps the clock right.

use std::time::Duration;

use lucid_core::Timestamp;

/// A gap since the newest block that is not looked at any closer.
const GAP_MAX: Duration = Duration::from_hours(24);
/// After a longer one it is waited so long for the clock to be set, where it may have to be.
const PATIENCE: Duration = Duration::from_mins(10);
/// Beyond such a gap it is waited until the clock is known to be right, where something could know it.
const GAP_BELIEVED_MAX: Duration = Duration::from_hours(24 * 365);
/// So far may the newest block be ahead of the clock before that is said.
const AHEAD_MAX: Duration = Duration::from_mins(1);

/// Why no block is dated by the clock as it is, where none is: `now` is what it says, `newest` when the newest
/// block was made, `is_kept` whether something keeps the clock right (nothing where nobody knows), and `up` for how
/// long the process has been there.
pub(super) fn held_back(
    now: Timestamp,
    newest: Timestamp,
    is_kept: Option<bool>,
    up: Duration,
) -> Option<String> {
    let gap = Duration::from_millis(now.unix_millis().saturating_sub(newest.unix_millis()));
    if is_kept == Some(true) || gap <= GAP_MAX {
        return None;
    }
    let for_good = gap > GAP_BELIEVED_MAX && is_kept == Some(false);
    if !for_good && up >= PATIENCE {
        return None;
    }
    let until = match for_good {
        true => "blocks wait until it is set right".to_owned(),
        false => format!("blocks wait {} minutes for it to be set right", PATIENCE.as_secs() / 60),
    };
    Some(format!(
        "the clock says {now}, the newest block is of {newest}, and nothing is known to keep the clock right: {until} \
         (timedatectl set-ntp true)"
    ))
}

/// Whether a gap since the newest block is to be looked at closer.
pub(super) fn is_gap(now: Timestamp, newest: Timestamp) -> bool {
    held_back(now, newest, None, Duration::ZERO).is_some()
}

/// What is to be said of a newest block that is of a time to come.
pub(super) fn ahead(now: Timestamp, newest: Timestamp) -> Option<String> {
    let ahead = Duration::from_millis(newest.unix_millis().saturating_sub(now.unix_millis()));
    (ahead > AHEAD_MAX).then(|| {
        format!(
            "the newest block is of {newest}, and the clock says {now}: until then every block is of that time, no \
             vote opens or ends, and nothing that is queued can be executed. If the clock is wrong, set it right; if \
             it was wrong before, this passes only with time"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_gap_is_believed_where_the_clock_is_kept_right_or_after_a_while() {
        let newest = Timestamp::from_unix_millis(1_767_225_600_000);
        let (day, minute) = (24 * 3600, 60);
        for (gap, is_kept, up, waits) in [
            (0, Some(false), 0, false),
            (day, Some(false), 0, false),
            (day + 1, Some(false), 0, true),
            (day + 1, Some(false), 10 * minute, false),
            (day + 1, Some(true), 0, false),
            (day + 1, None, 0, true),
            (day + 1, None, 10 * minute, false),
            (3650 * day, Some(false), day, true),
            (3650 * day, None, day, false),
            (3650 * day, Some(true), 0, false),
        ] {
            let held =
                held_back(newest.after_seconds(gap), newest, is_kept, Duration::from_secs(up));
            assert_eq!(held.is_some(), waits, "{gap} {is_kept:?} {up}: {held:?}");
        }
        // A clock that was set back is no gap.
        assert_eq!(held_back(newest, newest.after_seconds(3650 * day), None, Duration::ZERO), None);
        assert!(is_gap(newest.after_seconds(2 * day), newest));
        assert!(!is_gap(newest.after_seconds(minute), newest));
    }

    #[test]
    fn a_block_of_a_time_to_come_is_told() {
        let now = Timestamp::from_unix_millis(1_767_225_600_000);
        for (seconds, told) in [(0, false), (60, false), (61, true), (315_360_000, true)] {
            assert_eq!(ahead(now, now.after_seconds(seconds)).is_some(), told, "{seconds}");
        }
        assert_eq!(ahead(now.after_seconds(100), now), None);
        let text = ahead(now, now.after_seconds(315_360_000)).unwrap();
        assert!(text.contains("2035-12-30"), "{text}");
    }
}
