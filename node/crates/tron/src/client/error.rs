//! What goes wrong when a TRON node is asked, and what to do then.

use std::time::Duration;

use super::calls::BROADCAST;
use crate::Endpoint;

/// An answer that is none.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{endpoint} {call}: {failure}")]
pub struct ClientError {
    /// Who was asked.
    pub endpoint: Endpoint,
    /// What was asked.
    pub call: &'static str,
    /// What went wrong.
    pub failure: Failure,
}

/// What went wrong. Texts from outside are cut short and have no control characters.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The client cannot be made.
    #[error("the client cannot be made: {0}")]
    Setup(String),
    /// No connection: nothing was sent.
    #[error("it cannot be reached: {0}; check tron_rpc_url and the network")]
    Unreachable(String),
    /// It was asked, and did not answer in time.
    #[error("no answer in {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// The connection broke off before the answer was whole.
    #[error("the connection broke off: {0}")]
    BrokenOff(String),
    /// It answers no more for now: too many requests.
    #[error(
        "it takes no more requests for now (status {status}); an API key (tron_api_key) allows more"
    )]
    Busy {
        /// 429, 403, or 200 with the words inside.
        status: u16,
        /// When to come again, if it says so.
        after: Option<Duration>,
    },
    /// A status that is no success.
    #[error("status {status}: {said}")]
    Status {
        /// The status.
        status: u16,
        /// How its body begins.
        said: String,
    },
    /// A success with an error inside.
    #[error("it says: {0}")]
    Refused(String),
    /// The answer is longer than any should be.
    #[error(
        "its answer has no end within {0} bytes, and is not read on: no node's is that long; check tron_rpc_url"
    )]
    TooLong(usize),
    /// The answer is not what TRON's nodes answer.
    #[error("it answered what it should not: {0}; check tron_rpc_url")]
    Malformed(String),
    /// The answer contradicts itself, or is about something else than was asked.
    #[error("what it answered does not fit: {0}")]
    Contradicts(String),
    /// The call that was asked about would fail.
    #[error("the call would fail: {0}")]
    Reverted(String),
}

/// Whether to try again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Retry {
    /// The same fails again until somebody changes something.
    Permanent,
    /// Nothing was done, and later it may go well.
    Temporary {
        /// Not before, where the server said so.
        after: Option<Duration>,
    },
    /// A transaction may have been sent: ask for its id before anything else.
    Unknown,
}

/// Pauses between attempts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Backoff {
    /// The first pause; each is twice as long as the one before.
    pub first: Duration,
    /// The longest.
    pub longest: Duration,
}

impl Backoff {
    /// The pause after attempt `attempt`, counted from 0: between half and all of it, as `random` decides, so
    /// that many nodes do not come back together.
    #[must_use]
    pub fn pause(&self, attempt: u32, random: u32) -> Duration {
        let doubled = self.first.saturating_mul(2_u32.saturating_pow(attempt));
        let half = doubled.min(self.longest) / 2;
        half + half.mul_f64(f64::from(random) / f64::from(u32::MAX))
    }
}

impl Retry {
    /// The longest that a server is believed when it says when to come again.
    pub const AFTER_MAX: Duration = Duration::from_hours(1);

    /// How long to wait before the same is tried again; nothing where it should not be.
    #[must_use]
    pub fn pause(self, backoff: &Backoff, attempt: u32, random: u32) -> Option<Duration> {
        match self {
            Self::Permanent | Self::Unknown => None,
            Self::Temporary { after } => {
                Some(backoff.pause(attempt, random).max(after.unwrap_or_default()))
            }
        }
    }
}

impl ClientError {
    /// Whether to try again. For reading, what may pass is temporary; a transaction that a node may have taken
    /// is unknown.
    #[must_use]
    pub fn retry(&self) -> Retry {
        let or_unknown = |retry| match self.call == BROADCAST {
            true => Retry::Unknown,
            false => retry,
        };
        let temporary = Retry::Temporary { after: None };
        match &self.failure {
            Failure::Unreachable(_) => temporary,
            Failure::Busy { after, .. } => Retry::Temporary { after: *after },
            Failure::TimedOut(_)
            | Failure::BrokenOff(_)
            | Failure::Status { status: 408 | 500.., .. }
            | Failure::Refused(_)
            | Failure::Malformed(_)
            | Failure::Contradicts(_) => or_unknown(temporary),
            Failure::TooLong(_) => or_unknown(Retry::Permanent),
            Failure::Setup(_) | Failure::Status { .. } | Failure::Reverted(_) => Retry::Permanent,
        }
    }
}

/// A text from outside, for an error: at most 300 characters, none that controls a terminal.
pub(super) fn shown(text: &str) -> String {
    const CHARACTERS_MAX: usize = 300;
    let mut shown: String = text
        .trim()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(CHARACTERS_MAX + 1)
        .collect();
    if shown.chars().count() > CHARACTERS_MAX {
        shown = shown.chars().take(CHARACTERS_MAX).chain(['…']).collect();
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_vary_by_half() {
        let backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_mins(1) };
        for (attempt, longest) in
            [(0, 1), (1, 2), (2, 4), (5, 32), (6, 60), (7, 60), (u32::MAX, 60)]
        {
            let longest = Duration::from_secs(longest);
            assert_eq!(backoff.pause(attempt, u32::MAX), longest);
            assert_eq!(backoff.pause(attempt, 0), longest / 2);
            let between = backoff.pause(attempt, u32::MAX / 2);
            assert!(between > longest / 2 && between < longest);
        }
        let after = Some(Duration::from_secs(7));
        let pause = |retry: Retry| retry.pause(&backoff, 0, 0);
        assert_eq!(pause(Retry::Temporary { after }), after);
        assert_eq!(pause(Retry::Temporary { after: None }), Some(Duration::from_millis(500)));
        assert_eq!((pause(Retry::Permanent), pause(Retry::Unknown)), (None, None));
    }

    #[test]
    fn texts_from_outside_are_short_and_plain() {
        assert_eq!(shown(" a\u{1b}[31m\nb "), "a [31m b");
        assert_eq!(shown(&"ä".repeat(300)).chars().count(), 300);
        assert_eq!(shown(&"ä".repeat(5000)).chars().count(), 301);
    }
}
