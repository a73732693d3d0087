//! Erasing what is due: sealed sessions whose retention is over.
//!
//! How long a session is kept is in its own policy, so that its owner could know when it was opened; what
//! is decided later is for later sessions. A round is bounded, and the next one goes on after it, so that a
//! session that cannot be erased does not keep the others. A crash between the entry and the destruction is
//! finished by the next start, as of every erasure.

use std::sync::{Mutex, PoisonError};

use lucid_api::{
    Code,
    ports::{Answer, Session},
};
use lucid_core::{SessionId, Timestamp};
use lucid_store::Due;

use super::{Orchestrator, Parts, of_store};

/// Sessions that one round looks at.
pub(super) const ROUND_MAX: usize = 100;

/// The last session that a round looked at; none where the next begins with the one longest due.
#[derive(Default)]
pub(super) struct Cursor(Mutex<Option<Due>>);

impl Orchestrator {
    /// Erases sealed sessions whose retention is over at `now`; gives how many. At most a hundred are looked
    /// at; the next call goes on with others.
    ///
    /// # Errors
    /// The store's, where they cannot be listed. What fails with one session is logged, and does not stop
    /// the others.
    pub async fn erase_due(&self, now: Timestamp) -> Answer<usize> {
        let mut erased = 0;
        for session in self.run(move |parts| parts.due(now)).await? {
            match self.run(move |parts| parts.erase_if_due(session, now)).await {
                Ok(Some(_)) => {
                    tracing::info!(%session, "erased: its retention is over");
                    erased += 1;
                }
                Ok(None) => {}
                // Somebody erased it just now.
                Err(problem) if problem.code == Code::Gone => {}
                Err(problem) => {
                    tracing::error!(%session, %problem, "a session whose retention is over stays");
                }
            }
        }
        Ok(erased)
    }
}

impl Parts {
    /// The sessions of the next round.
    fn due(&self, now: Timestamp) -> Answer<Vec<SessionId>> {
        // It is assigned whole.
        let mut cursor = self.due.0.lock().unwrap_or_else(PoisonError::into_inner);
        let page = self.store.due(now, *cursor, ROUND_MAX).map_err(of_store)?;
        *cursor = page.last().copied().filter(|_| page.len() == ROUND_MAX);
        Ok(page.into_iter().map(|due| due.session).collect())
    }

    /// Erases a session if the log says that its retention is over.
    fn erase_if_due(&self, session: SessionId, now: Timestamp) -> Answer<Option<Session>> {
        match self.store.retention_over(session, now).map_err(of_store)? {
            true => self.erase(session).map(Some),
            false => Ok(None),
        }
    }
}
