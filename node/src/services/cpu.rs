//! The bounded pool for what computes or waits for the disk: none of it runs on the async runtime.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use lucid_api::Problem;
use tokio::sync::Semaphore;

use super::problem;

/// Lets so many jobs run at once; the others wait their turn, in order.
#[derive(Clone)]
pub struct Pool {
    turns: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

impl Pool {
    /// A pool of so many threads.
    #[must_use]
    pub fn new(threads: NonZeroUsize) -> Self {
        Self { turns: Arc::new(Semaphore::new(threads.get())), waiting: Arc::default() }
    }

    /// Runs a job and gives its answer. A job that has begun goes on to its end, whoever still waits
    /// for it.
    ///
    /// # Errors
    /// `internal` where the job panicked; what it says otherwise.
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let turns = Arc::clone(&self.turns);
        let waiting = Waiting::begin(&self.waiting);
        let turn = turns.acquire_owned().await.map_err(|error| problem::internal(&error))?;
        drop(waiting);
        let span = tracing::Span::current();
        let job = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            span.in_scope(job)
        });
        job.await.map_err(|error| problem::internal(&error))?
    }

    /// Jobs that wait for their turn.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// A job that waits; also one whose caller gives up.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
