//! The completer: closes sessions whose uploader vanished, and has those erased whose retention is over
//! (`retention`).
//!
//! A session that rests for longer than its upload expires after is sealed over what is acknowledged,
//! as incomplete: never lost, never silently dropped.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use lucid_api::{Code, Problem, ports::Sessions};
use lucid_core::SessionId;
use lucid_store::{SessionFilter, State};
use tokio_util::sync::CancellationToken;

use super::{Answer, Orchestrator, PAGE_MAX, of_store};
use crate::context::now;

/// A damaged session is tried again after so long: whoever puts back what is lost can seal it at once, too.
const DAMAGED_AGAIN: Duration = Duration::from_hours(1);

/// Looks for abandoned sessions, and for those to erase, this often, until `stop` is cancelled.
pub async fn complete_abandoned(
    orchestrator: Arc<Orchestrator>,
    every: Duration,
    stop: CancellationToken,
) {
    let mut alone = LeftAlone::default();
    while stop.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
        match orchestrator.complete_once(&mut alone).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "closed sessions whose uploader vanished"),
            Err(problem) => tracing::error!(%problem, "the completer failed; it goes on later"),
        }
        match orchestrator.erase_due(now()).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "erased sessions whose retention is over"),
            Err(problem) => {
                tracing::error!(%problem, "sessions cannot be erased; it is tried again later");
            }
        }
    }
}

/// Sessions that are damaged, and until when each is left alone: that stays so until somebody puts back what is lost,
/// and each try is a line in the log.
#[derive(Debug, Default)]
pub struct LeftAlone(HashMap<SessionId, Instant>);

impl LeftAlone {
    /// Those that are left alone now.
    fn at(&mut self, now: Instant) -> HashSet<SessionId> {
        self.0.retain(|_, until| *until > now);
        self.0.keys().copied().collect()
    }

    /// Logs why a session stays open, and leaves it alone for a time where it is damaged.
    fn add(&mut self, session: SessionId, problem: &Problem, now: Instant) {
        tracing::error!(%session, %problem, "a session cannot be closed, and stays open");
        if problem.code == Code::Damaged {
            self.0.insert(session, now + DAMAGED_AGAIN);
        }
    }
}

impl Orchestrator {
    /// Closes what is abandoned now; gives how many.
    ///
    /// # Errors
    /// The store's, where sessions cannot be listed. What fails with one session is logged, and does
    /// not stop the others.
    pub async fn complete_once(&self, alone: &mut LeftAlone) -> Answer<usize> {
        let (mut closed, at) = (0, Instant::now());
        let left = alone.at(at);
        let found = self.run(move |parts| parts.abandoned(&left)).await?;
        for (session, problem) in &found.unreadable {
            alone.add(*session, problem, at);
        }
        for session in found.abandoned {
            match self.seal(session, false).await {
                Ok(_) => closed += 1,
                // Somebody went on with it, or ended it, just now.
                Err(problem)
                    if matches!(
                        problem.code,
                        Code::UploadInUse | Code::SessionState | Code::Gone
                    ) => {}
                Err(problem) => alone.add(session, &problem, at),
            }
        }
        Ok(closed)
    }
}

impl Orchestrator {
    /// Seals every open session over what is acknowledged; gives how many, and how many are still uploaded to or
    /// could not be sealed.
    ///
    /// # Errors
    /// The store's, where sessions cannot be listed. What fails with one session is logged.
    pub async fn seal_open(&self) -> Answer<(usize, usize)> {
        let (mut sealed, mut left) = (0, 0);
        for session in self.run(super::Parts::open).await? {
            match self.seal(session, false).await {
                Ok(_) => sealed += 1,
                // Somebody ended it just now.
                Err(problem) if matches!(problem.code, Code::SessionState | Code::Gone) => {}
                Err(problem) => {
                    left += 1;
                    if problem.code != Code::UploadInUse {
                        tracing::error!(%session, %problem, "a session cannot be sealed");
                    }
                }
            }
        }
        Ok((sealed, left))
    }

    /// Puts something about the node itself into the log; durable when this returns.
    ///
    /// # Errors
    /// The log's.
    pub async fn tell(&self, event: &'static str, detail: String) -> Answer<()> {
        self.run(move |parts| {
            parts.store.append_event(event, detail, now()).map(drop).map_err(of_store)
        })
        .await
    }
}

/// What the completer finds.
#[derive(Default)]
struct Found {
    abandoned: Vec<SessionId>,
    unreadable: Vec<(SessionId, Problem)>,
}

impl super::Parts {
    /// Open sessions but for `left`, whose uploads have expired, and those of which that cannot be told.
    fn abandoned(&self, left: &HashSet<SessionId>) -> Answer<Found> {
        let mut found = Found::default();
        for session in self.open()?.into_iter().filter(|session| !left.contains(session)) {
            match self.upload_state(session) {
                Ok(state) if state.expires_at.is_some_and(|at| at <= now()) => {
                    found.abandoned.push(session);
                }
                Ok(_) => {}
                Err(problem) => found.unreadable.push((session, problem)),
            }
        }
        Ok(found)
    }

    /// Open sessions.
    fn open(&self) -> Answer<Vec<SessionId>> {
        let filter = SessionFilter { state: Some(State::Open), ..SessionFilter::default() };
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let limit = usize::try_from(PAGE_MAX).unwrap_or_default();
            let page = self.store.sessions(&filter, after, limit).map_err(of_store)?;
            let Some(last) = page.last() else { return Ok(found) };
            after = Some(last.session);
            found.extend(page.into_iter().map(|row| row.session));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_damaged_is_tried_again_later_and_what_is_away_at_once() {
        let (one, other) = (SessionId::from_random([1; 16]), SessionId::from_random([2; 16]));
        let (begun, mut alone) = (Instant::now(), LeftAlone::default());
        alone.add(one, &Problem::new(Code::Damaged, "its key is lost"), begun);
        alone.add(other, &Problem::new(Code::Unavailable, "the encryptor is away"), begun);
        let later = begun + DAMAGED_AGAIN;
        assert_eq!(alone.at(begun), HashSet::from([one]));
        assert_eq!(alone.at(begun + DAMAGED_AGAIN / 2), HashSet::from([one]));
        assert_eq!(alone.at(later), HashSet::new());
    }
}
