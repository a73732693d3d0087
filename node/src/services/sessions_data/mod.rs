//! blockchain-sessions-data: the index of sessions.
//!
//! One task follows the log (`following`) and reads the chunk roots of what was sealed (`chunks`); questions are
//! answered from the catalogue that comes of it (`asking`). Who may ask for what, api-server decides.
//!
//! Owns on disk: a folder with the catalogue, which is a projection of the log and of sessions' chunks.
//!
//! Invariants:
//! - nothing waits for it but who asks it: recording and sealing do not know that it is there;
//! - an answer takes in the log as it was when it was asked for, or says that it cannot;
//! - of a session no more is answered than its entries in the log say (`held`);
//! - what it is made of was compared: entries with the log's root, a session's chunks with its `merkle_root`;
//! - a catalogue that cannot be trusted is moved aside and made anew, without the node being restarted.
//!
//! A crash loses what the log brings back.

mod asking;
mod chunks;
mod following;
mod held;

use std::{
    num::NonZeroUsize,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use lucid_api::{
    Code, Problem,
    ports::{Answer, Sessions, TransparencyLog},
};
use lucid_store::{Catalogue, ErrorKind, StoreError};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{cpu::Pool, problem::chain, sync::LocalSync};

/// After a failure the log is looked at again after this long, longer each time up to `PAUSE_MAX`.
const PAUSE: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_mins(1);

/// blockchain-sessions-data.
pub struct LocalSessionsData {
    parts: Arc<Parts>,
    /// For questions.
    pool: Pool,
    /// The sync to MongoDB, where one is configured.
    sync: Option<Arc<LocalSync>>,
}

/// What its task and its answers share.
struct Parts {
    folder: PathBuf,
    log: Arc<dyn TransparencyLog>,
    sessions: Arc<dyn Sessions>,
    /// The log is looked at this often.
    look_every: Duration,
    /// For the task: it does not wait behind questions.
    pool: Pool,
    wake: Notify,
    state: watch::Sender<State>,
    /// Entries of the log when it was looked at last.
    log_size: AtomicU64,
    /// A question met what nobody put into the catalogue.
    is_damaged: AtomicBool,
}

/// Where the index is.
#[derive(Clone, Default)]
struct State {
    /// The catalogue, where it is open.
    catalogue: Option<Arc<Catalogue>>,
    /// Entries of the log that it has.
    size: u64,
    /// Sessions whose chunks it has not.
    unread: u64,
    /// Those of them whose chunks cannot be read, as far as is known.
    unreadable: u64,
    /// It has caught up with the log since the process began.
    has_caught_up: bool,
    /// Why it does not go on.
    failure: Option<String>,
}

/// Why the index does not go on.
#[derive(Debug, thiserror::Error)]
enum IndexError {
    /// A port.
    #[error("{}", .0.detail)]
    Port(Problem),
    /// The catalogue.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The catalogue is not of this log, or cannot be gone on with.
    #[error("{0}")]
    Anew(String),
    /// What should not be.
    #[error("{0}")]
    Broken(String),
}

impl IndexError {
    /// Whether it is only that another service is not there, as at every start.
    fn is_absence(&self) -> bool {
        matches!(self, Self::Port(problem) if is_absence(problem))
    }

    /// Why the catalogue is begun anew, where that helps.
    fn anew(&self) -> Option<String> {
        match self {
            Self::Anew(why) => Some(why.clone()),
            // sled says what nobody put there.
            Self::Store(error @ StoreError::Database { .. }) => {
                (error.kind() == ErrorKind::Damaged).then(|| chain(error))
            }
            Self::Store(_) | Self::Port(_) | Self::Broken(_) => None,
        }
    }
}

/// Whether a service did not answer for itself.
fn is_absence(problem: &Problem) -> bool {
    matches!(problem.code, Code::Unavailable | Code::ServiceTimeout | Code::BadGateway)
}

impl From<Problem> for IndexError {
    fn from(problem: Problem) -> Self {
        Self::Port(problem)
    }
}

impl LocalSessionsData {
    /// An index in `folder` of the sessions in `log`, whose chunks `sessions` has. It is there once
    /// [`run`](Self::run) has caught up.
    pub fn new(
        folder: PathBuf,
        log: Arc<dyn TransparencyLog>,
        sessions: Arc<dyn Sessions>,
        pool: Pool,
        look_every: Duration,
    ) -> Self {
        let parts = Parts {
            folder,
            log,
            sessions,
            look_every,
            pool: Pool::new(NonZeroUsize::MIN),
            wake: Notify::new(),
            state: watch::Sender::new(State::default()),
            log_size: AtomicU64::new(0),
            is_damaged: AtomicBool::new(false),
        };
        Self { parts: Arc::new(parts), pool, sync: None }
    }

    /// The same, which tells of the sync to MongoDB too.
    #[must_use]
    pub fn with_sync(self, sync: Option<Arc<LocalSync>>) -> Self {
        Self { sync, ..self }
    }

    /// How the sync to MongoDB goes, where one is configured and the log has said whose it is.
    #[must_use]
    pub fn sync_status(&self) -> Option<lucid_mongo::Status> {
        self.sync.as_ref().and_then(|sync| sync.status())
    }

    /// Follows the log until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let parts = &self.parts;
        let (mut pause, mut anew) = (PAUSE, None);
        loop {
            let followed = parts.follow(&mut anew, &mut pause);
            let Some(error) = stop.run_until_cancelled(followed).await else { break };
            let why = chain(&error);
            match error.anew() {
                Some(why) => {
                    tracing::warn!(why, "the index of sessions is made anew from the log");
                    anew = Some(why);
                }
                None if error.is_absence() => {
                    tracing::info!(why, "the index of sessions waits for another service");
                }
                None => tracing::error!(
                    why,
                    folder = %parts.folder.display(),
                    "the index of sessions does not go on, and is tried again; nothing else needs it, and its \
                     folder may be removed while the node is stopped: it is made anew"
                ),
            }
            parts.close(anew.is_none().then_some(why)).await;
            if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                break;
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
        parts.flush().await;
        parts.close(Some("the node is stopping".to_owned())).await;
    }

    /// Why nothing is answered yet, or any more, where that is so.
    #[must_use]
    pub fn away(&self) -> Option<String> {
        let state = self.parts.state.borrow();
        match state.has_caught_up && state.failure.is_none() {
            true => None,
            false => Some(self.parts.why_away(&state)),
        }
    }

    /// Entries of the log that it has not taken up yet, as far as it knows, and sealed sessions whose chunks
    /// it has not.
    #[must_use]
    pub fn lag(&self) -> (u64, u64) {
        let state = self.parts.state.borrow();
        let size = self.parts.log_size.load(Ordering::Relaxed);
        (size.saturating_sub(state.size), state.unread)
    }

    /// Waits until it has all entries, and all chunks that can be read; says meanwhile how many entries it has,
    /// and of how many sessions it has not the chunks.
    ///
    /// # Errors
    /// `unavailable` where it does not go on.
    pub async fn caught_up(&self, tell: impl Fn(u64, u64) + Send) -> Answer<()> {
        let mut states = self.parts.state.subscribe();
        loop {
            let state = states.borrow_and_update().clone();
            tell(state.size, state.unread);
            if state.failure.is_some() {
                return Err(Problem::new(Code::Unavailable, self.parts.why_away(&state)));
            }
            if state.has_caught_up && state.unread <= state.unreadable {
                return Ok(());
            }
            // Who says it is a part of this.
            if states.changed().await.is_err() {
                return Err(Problem::internal());
            }
        }
    }
}

impl Parts {
    fn why_away(&self, state: &State) -> String {
        match &state.failure {
            Some(why) => format!("the index of sessions does not go on: {why}"),
            None => {
                let (has, size) = (state.size, self.log_size.load(Ordering::Relaxed));
                format!("the index of sessions has {has} of {size} entries of the log: try again")
            }
        }
    }

    /// Lets go of the catalogue. Closing it may wait for the disk.
    async fn close(&self, failure: Option<String>) {
        let before = self.state.send_replace(State { failure, ..State::default() });
        // A panic in it is sled's, and there is nothing left to do.
        let _ = tokio::task::spawn_blocking(move || drop(before)).await;
    }

    async fn flush(&self) {
        let Some(catalogue) = self.state.borrow().catalogue.clone() else { return };
        // What is not flushed is read from the log again at the next start.
        let flushed = tokio::task::spawn_blocking(move || catalogue.flush()).await;
        if let Ok(Err(error)) = flushed {
            tracing::warn!(%error, "the index of sessions is not flushed");
        }
    }

    /// Does work that waits for the catalogue.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, IndexError> {
        // The pool's own error is that it panicked, as sled does on some damage; the work's pass through it.
        let worked = self.pool.run(move || Ok(work())).await;
        let worked = worked.map_err(|_| IndexError::Anew("its database panicked".to_owned()))?;
        Ok(worked?)
    }
}
