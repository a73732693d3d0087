//! The completer: closes sessions whose uploader vanished, and has those erased whose retention is over
//! (`retention`).
//!
//! A session that rests for longer than its upload expires after is sealed over what is acknowledged,
//! as incomplete: never lost, never silently dropped.

use std::{collections::HashMap, sync::Arc, time::Duration};

use lucid_api::{Code, Problem, ports::Sessions};
use lucid_core::SessionId;
use lucid_store::{SessionFilter, State};
use tokio_util::sync::CancellationToken;

use super::{Answer, Orchestrator, PAGE_MAX, of_store};
use crate::context::now;

/// Looks for abandoned sessions, and for those to erase, this often, until `stop` is cancelled.
pub async fn complete_abandoned(
    orchestrator: Arc<Orchestrator>,
    every: Duration,
    stop: CancellationToken,
) {
    let mut said = Said::default();
    while stop.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
        match orchestrator.complete_once(&mut said).await {
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

/// Sessions that cannot be closed, and why.
type Wrong = Vec<(SessionId, Problem)>;

/// What was logged of sessions that stay open, so that it is not logged again each time that it is tried.
#[derive(Debug, Default)]
pub struct Said(HashMap<SessionId, String>);

impl Said {
    /// Takes up what is wrong now; gives what was not wrong before, or not in the same way.
    fn news(&mut self, wrong: Wrong) -> Wrong {
        let of = |problem: &Problem| problem.to_string();
        let before = std::mem::take(&mut self.0);
        self.0 = wrong.iter().map(|(session, problem)| (*session, of(problem))).collect();
        let is_news =
            |(session, problem): &(SessionId, Problem)| before.get(session) != Some(&of(problem));
        wrong.into_iter().filter(is_news).collect()
    }
}

impl Orchestrator {
    /// Closes what is abandoned now; gives how many.
    ///
    /// # Errors
    /// The store's, where sessions cannot be listed. What fails with one session is logged, once, and does
    /// not stop the others.
    pub async fn complete_once(&self, said: &mut Said) -> Answer<usize> {
        let mut closed = 0;
        let (abandoned, mut wrong) = self.run(super::Parts::abandoned).await?;
        for session in abandoned {
            match self.seal(session, false).await {
                Ok(_) => closed += 1,
                // Somebody went on with it, or ended it, just now.
                Err(problem)
                    if matches!(
                        problem.code,
                        Code::UploadInUse | Code::SessionState | Code::Gone
                    ) => {}
                Err(problem) => wrong.push((session, problem)),
            }
        }
        for (session, problem) in said.news(wrong) {
            tracing::error!(%session, %problem, "an abandoned session stays open");
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

impl super::Parts {
    /// Open sessions whose uploads have expired, and those of which that cannot be told.
    fn abandoned(&self) -> Answer<(Vec<SessionId>, Wrong)> {
        let (mut abandoned, mut wrong) = (Vec::new(), Vec::new());
        for session in self.open()? {
            match self.upload_state(session) {
                Ok(state) if state.expires_at.is_some_and(|at| at <= now()) => {
                    abandoned.push(session);
                }
                Ok(_) => {}
                Err(problem) => wrong.push((session, problem)),
            }
        }
        Ok((abandoned, wrong))
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
    fn what_is_wrong_is_said_once_and_again_when_it_is_another_thing() {
        let (one, other) = (SessionId::from_random([1; 16]), SessionId::from_random([2; 16]));
        let problem = |detail: &str| Problem::new(Code::Damaged, detail);
        let mut said = Said::default();
        let mut news = |wrong: &[(SessionId, &str)]| {
            let wrong = wrong.iter().map(|&(session, detail)| (session, problem(detail))).collect();
            said.news(wrong).into_iter().map(|(session, _)| session).collect::<Vec<_>>()
        };
        assert_eq!(news(&[(one, "its key is lost")]), [one]);
        assert_eq!(news(&[(one, "its key is lost"), (other, "its key is lost")]), [other]);
        assert_eq!(news(&[(one, "its chunks are lost"), (other, "its key is lost")]), [one]);
        assert_eq!(news(&[]), []);
        assert_eq!(news(&[(one, "its chunks are lost")]), [one], "it was well in between");
    }
}
