//! The bounded pool for what computes or waits for the disk: none of it runs on the async runtime.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use lucid_api::{Code, Problem};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem;

/// Lets so many jobs run at once; the others wait their turn, in order.
#[derive(Clone)]
pub struct Pool {
    threads: NonZeroUsize,
    /// Jobs that may wait.
    waiting_max: usize,
    turns: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

impl Pool {
    /// A pool of so many threads.
    #[must_use]
    pub fn new(threads: NonZeroUsize) -> Self {
        let turns = Arc::new(Semaphore::new(threads.get()));
        Self { threads, waiting_max: usize::MAX, turns, waiting: Arc::default() }
    }

    /// The same threads, where this many jobs may wait for them, and more are refused.
    #[must_use]
    pub fn with_at_most_waiting(self, waiting_max: usize) -> Self {
        Self { waiting_max, ..self }
    }

    /// How many threads it has.
    #[must_use]
    pub fn threads(&self) -> NonZeroUsize {
        self.threads
    }

    /// Runs a job and gives its answer. A job that has begun goes on to its end, whoever still waits
    /// for it.
    ///
    /// # Errors
    /// `internal` where the job panicked; `unavailable` where too many wait; what it says otherwise.
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let turns = Arc::clone(&self.turns);
        let waiting = Waiting::begin(&self.waiting);
        // This one is among them, though there may be a thread for it.
        if self.waiting() > self.waiting_max {
            let detail = "too much waits to be done: try again";
            return Err(Problem::new(Code::Unavailable, detail));
        }
        let turn = turns.acquire_owned().await.map_err(|error| problem::internal(&error))?;
        drop(waiting);
        let span = tracing::Span::current();
        let job = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            span.in_scope(job)
        });
        job.await.map_err(|error| problem::internal(&error))?
    }

    /// Keeps so many of the threads from jobs until the answer is dropped; waits for those that have begun. One is
    /// always left.
    ///
    /// # Errors
    /// `internal` where the pool is closed, which it never is.
    pub async fn hold_back(&self, threads: usize) -> Result<HeldBack, Problem> {
        let threads = threads.min(self.threads.get() - 1);
        let permits = u32::try_from(threads).unwrap_or(u32::MAX);
        let held = Arc::clone(&self.turns).acquire_many_owned(permits).await;
        held.map(HeldBack).map_err(|error| problem::internal(&error))
    }

    /// Jobs that wait for their turn.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// Threads that have no jobs as long as this is kept.
pub struct HeldBack(#[expect(dead_code, reason = "it is kept for its drop")] OwnedSemaphorePermit);

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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn threads_are_held_back_and_one_is_left() {
        let pool = Pool::new(NonZeroUsize::new(4).unwrap());
        let free = || pool.turns.available_permits();
        let held = pool.hold_back(2).await.unwrap();
        assert_eq!(free(), 2);
        let more = pool.clone();
        let all = tokio::spawn(async move { more.hold_back(64).await.unwrap() });
        tokio::task::yield_now().await;
        // It waits for those that are in use; jobs that came later wait behind it.
        assert!(!all.is_finished());
        drop(held);
        let all = all.await.unwrap();
        assert_eq!(free(), 1);
        pool.run(|| Ok(())).await.unwrap();
        drop(all);
        assert_eq!(free(), 4);
    }

    #[tokio::test]
    async fn so_many_wait_and_no_more() {
        let pool = Pool::new(NonZeroUsize::MIN).with_at_most_waiting(2);
        let held = Arc::clone(&pool.turns).acquire_owned().await.unwrap();
        let wait = || {
            let pool = pool.clone();
            tokio::spawn(async move { pool.run(|| Ok(())).await })
        };
        let waiting = [wait(), wait()];
        while pool.waiting() < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.run(|| Ok(())).await.unwrap_err().code, Code::Unavailable);
        drop(held);
        for waiting in waiting {
            waiting.await.unwrap().unwrap();
        }
        pool.run(|| Ok(())).await.unwrap();
    }
}
