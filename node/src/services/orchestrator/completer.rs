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

impl super::Parts {
    /// Open sessions whose uploads have expired.
    fn abandoned(&self) -> Answer<Vec<SessionId>> {
        let filter = SessionFilter { state: Some(State::Open), ..SessionFilter::default() };
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let limit = usize::try_from(PAGE_MAX).unwrap_or_default();
            let page = self.store.sessions(&filter, after, limit).map_err(of_store)?;
            let Some(last) = page.last() else { return Ok(found) };
            after = Some(last.session);
            for row in page {
                let expired = self
                    .upload_state(row.session)
                    .map(|state| state.expires_at.is_some_and(|at| at <= now()));
                match expired {
                    Ok(true) => found.push(row.session),
                    Ok(false) => {}
                    Err(problem) => {
                        tracing::warn!(session = %row.session, %problem, "its upload cannot be read");
                    }
                }
            }
        }
    }
}
