//! The completer: closes sessions whose uploader vanished, and has those erased whose retention is over
//! (`retention`).
//!
//! A session that rests for longer than its upload expires after is sealed over what is acknowledged,
//! as incomplete: never lost, never silently dropped.

use std::{sync::Arc, time::Duration};

use lucid_api::{Code, ports::Sessions};
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
    while stop.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
        match orchestrator.complete_once().await {
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

impl Orchestrator {
    /// Closes what is abandoned now; gives how many.
    ///
    /// # Errors
    /// The store's, where sessions cannot be listed. What fails with one session is logged, and does
    /// not stop the others.
    pub async fn complete_once(&self) -> Answer<usize> {
        let mut closed = 0;
        for session in self.run(super::Parts::abandoned).await? {
            match self.seal(session, false).await {
                Ok(_) => closed += 1,
                // Somebody went on with it, or ended it, just now.
                Err(problem)
                    if matches!(
                        problem.code,
                        Code::UploadInUse | Code::SessionState | Code::Gone
                    ) => {}
                Err(problem) => {
                    tracing::error!(%session, %problem, "an abandoned session stays open");
                }
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
        for session in self.run(|parts| parts.open(|_| true)).await? {
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
    /// Open sessions whose uploads have expired.
    fn abandoned(&self) -> Answer<Vec<SessionId>> {
        self.open(|session| {
            let expired = self
                .upload_state(session)
                .map(|state| state.expires_at.is_some_and(|at| at <= now()));
            expired.unwrap_or_else(|problem| {
                tracing::warn!(%session, %problem, "its upload cannot be read");
                false
            })
        })
    }

    /// Open sessions of which `wanted` is true.
    fn open(&self, wanted: impl Fn(SessionId) -> bool) -> Answer<Vec<SessionId>> {
        let filter = SessionFilter { state: Some(State::Open), ..SessionFilter::default() };
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let limit = usize::try_from(PAGE_MAX).unwrap_or_default();
            let page = self.store.sessions(&filter, after, limit).map_err(of_store)?;
            let Some(last) = page.last() else { return Ok(found) };
            after = Some(last.session);
            found
                .extend(page.into_iter().map(|row| row.session).filter(|session| wanted(*session)));
        }
    }
}
