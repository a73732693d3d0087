//! Whether recordings are being taken in, by what session-orchestrator says.
//!
//! It is asked of the events, not of the list of open sessions: an upload that nobody goes on with is open for a day, and
//! would hold the sync up as long.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use lucid_api::ports::{EventKind, SessionState, Sessions};

/// A recording is believed to go on for so long after its last sign of life. It is told when a chunk is durable, which is no
/// later than `flush_after` (10 s by default) after its first byte.
const LINGERS: Duration = Duration::from_secs(12);
/// After the events ended, they are asked for again; where there are none, half a minute later at the latest.
const ASK_AGAIN: Duration = Duration::from_secs(1);
const ASK_AGAIN_MAX: Duration = Duration::from_secs(30);

/// When a recording was last seen to go on.
pub(in crate::services) struct Recordings {
    since: Instant,
    /// Milliseconds after `since`, and one; zero before the first.
    seen: AtomicU64,
}

impl Recordings {
    pub(in crate::services) fn new() -> Arc<Self> {
        Arc::new(Self { since: Instant::now(), seen: AtomicU64::new(0) })
    }

    /// Whether one goes on now. Where nothing is heard of session-orchestrator, none does: a sync that nobody needs to
    /// wait for must not wait for somebody who is away.
    pub(in crate::services) fn go_on(&self) -> bool {
        let seen = self.seen.load(Ordering::Relaxed);
        seen != 0 && self.now().saturating_sub(seen) < LINGERS.as_millis() as u64
    }

    /// Listens for as long as it is polled.
    pub(in crate::services) async fn listen(&self, sessions: Arc<dyn Sessions>) {
        let mut pause = ASK_AGAIN;
        loop {
            match sessions.events().await {
                Ok(mut events) => {
                    pause = ASK_AGAIN;
                    while let Some(event) = events.next().await {
                        self.take(event.kind);
                    }
                }
                Err(problem) => {
                    tracing::debug!(%problem, "whether there are recordings is not known");
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(ASK_AGAIN_MAX);
        }
    }

    fn take(&self, event: EventKind) {
        let is_one = matches!(
            event,
            EventKind::Progress { .. } | EventKind::State { state: SessionState::Open }
        );
        if is_one {
            self.seen.store(self.now(), Ordering::Relaxed);
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_bytes_in_is_a_recording_and_what_ends_one_is_none() {
        let recordings = Recordings::new();
        assert!(!recordings.go_on(), "nothing was seen yet");
        for state in [SessionState::Sealed, SessionState::Voided, SessionState::Erased] {
            recordings.take(EventKind::State { state });
        }
        assert!(!recordings.go_on());
        recordings.take(EventKind::Progress { offset: 1, length: None });
        assert!(recordings.go_on());
        recordings.seen.store(0, Ordering::Relaxed);
        recordings.take(EventKind::State { state: SessionState::Open });
        assert!(recordings.go_on());
    }

    #[test]
    fn it_is_over_some_seconds_after_the_last_byte() {
        let ago = LINGERS + Duration::from_millis(5);
        let Some(since) = Instant::now().checked_sub(ago) else {
            panic!("the clock began {ago:?} ago")
        };
        let recordings = Recordings { since, seen: AtomicU64::new(1) };
        assert!(!recordings.go_on());
        recordings.take(EventKind::Progress { offset: 1, length: None });
        assert!(recordings.go_on());
    }
}
