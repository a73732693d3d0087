//! The session-chunker: cuts a body into chunks, compresses them, has them sealed and acknowledged.
//!
//! Owns the memory of uploads. Leaves keys and files to the encryptor, states and offsets to the
//! orchestrator.
//!
//! Invariants: plaintext is in memory only; an upload that was begun is ended, also when its caller
//! goes away; a body with a checksum counts whole or not at all.
//!
//! A crash loses what was not acknowledged, which the client was never told to be kept.

mod checked;
mod compress;
mod cut;

use std::{
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use lucid_api::{
    Code, Problem,
    ports::{Answer, BodyStream, Chunker, Encryptor, Lease, Sessions, UploadJob, Uploaded},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;

use self::{
    checked::Checks,
    compress::Compressors,
    cut::{Cut, WAITING_MAX},
};
use super::{buffers::Budget, cpu::Pool, problem};

/// How uploads are cut.
#[derive(Clone, Copy, Debug)]
pub struct ChunkerOptions {
    /// Chunks that are worked on at once.
    pub workers: NonZeroUsize,
    /// Plaintext bytes of a chunk, as it is configured: what the memory is reckoned by until a session
    /// has larger ones.
    pub chunk_bytes: u32,
    /// How old the first byte of a chunk grows before the chunk is sealed as it is.
    pub flush_after: Duration,
}

/// The session-chunker.
pub struct LocalChunker {
    parts: Arc<Parts>,
    tasks: TaskTracker,
}

/// What every upload works with.
struct Parts {
    sessions: Arc<dyn Sessions>,
    encryptor: Arc<dyn Encryptor>,
    pool: Pool,
    plain: Budget,
    compressors: Compressors,
    checks: Checks,
    options: ChunkerOptions,
    stop: CancellationToken,
    /// The uploads that are under way end when it is cancelled; those that begin later have another.
    uploads: Mutex<CancellationToken>,
    active: AtomicUsize,
}

/// An upload that is under way.
struct Active<'a>(&'a Parts);

impl<'a> Active<'a> {
    fn begin(parts: &'a Parts) -> Self {
        parts.active.fetch_add(1, Ordering::Relaxed);
        Self(parts)
    }
}

impl Drop for Active<'_> {
    /// The last one gives the memory back.
    fn drop(&mut self) {
        if self.0.active.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.plain.trim();
            self.0.compressors.trim();
        }
    }
}

impl LocalChunker {
    /// A chunker. When `stop` is cancelled, uploads end with what they have; `tasks` then has none of
    /// them any more.
    ///
    /// Its memory: `workers` + 2 chunks of plaintext, `workers` of payload, and 64 KiB for each
    /// upload; chunks as large as the largest that a session had, or as configured.
    #[must_use]
    pub fn new(
        sessions: Arc<dyn Sessions>,
        encryptor: Arc<dyn Encryptor>,
        pool: Pool,
        options: ChunkerOptions,
        stop: CancellationToken,
        tasks: TaskTracker,
    ) -> Self {
        let (workers, chunk_bytes) = (options.workers.get(), options.chunk_bytes as usize);
        let parts = Parts {
            sessions,
            encryptor,
            pool,
            plain: Budget::new((workers + WAITING_MAX + 1) * chunk_bytes),
            compressors: Compressors::new(workers, chunk_bytes),
            checks: Checks::default(),
            options,
            uploads: Mutex::new(stop.child_token()),
            stop,
            active: AtomicUsize::new(0),
        };
        Self { parts: Arc::new(parts), tasks }
    }

    /// Ends the uploads that are under way with what they have, so that their sessions can be sealed.
    pub fn end_uploads(&self) {
        let next = self.parts.stop.child_token();
        let mut uploads = self.parts.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *uploads, next).cancel();
    }

    /// Uploads that are under way.
    #[must_use]
    pub fn active(&self) -> usize {
        self.parts.active.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Chunker for LocalChunker {
    async fn upload(&self, job: UploadJob, body: BodyStream) -> Answer<Uploaded> {
        let parts = Arc::clone(&self.parts);
        // On a task of its own: where the client goes away, its handler is dropped in the middle, and
        // what came of the body must still be kept and the upload let go.
        let upload = async move { parts.upload(job, body).await };
        let task = self.tasks.spawn(upload.in_current_span());
        task.await.map_err(|error| problem::internal(&error))?
    }
}

impl Parts {
    /// Makes room for chunks of so many bytes, where they are larger than any before: what was decided on
    /// since this process started flows too.
    fn fit(&self, chunk_bytes: usize) {
        let workers = self.options.workers.get();
        self.plain.fit((workers + WAITING_MAX + 1) * chunk_bytes);
        self.compressors.fit(workers, chunk_bytes);
    }

    /// What ends an upload that begins now.
    fn uploads(&self) -> CancellationToken {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn upload(self: Arc<Self>, job: UploadJob, body: BodyStream) -> Answer<Uploaded> {
        let _active = Active::begin(&self);
        let lease = self.sessions.begin_upload(job.session_id, job.offset).await?;
        let (id, session_id) = (lease.lease, lease.session_id);
        let outcome = Arc::clone(&self).fill(&lease, job, body).await;
        let ended = self.sessions.end_upload(id, session_id).await;
        let offset = outcome?;
        Ok(Uploaded { offset, session: ended? })
    }

    /// Takes the body in; gives the offset after it.
    async fn fill(self: Arc<Self>, lease: &Lease, job: UploadJob, body: BodyStream) -> Answer<u64> {
        if let (Some(most), Some(bytes)) = (bytes_max(lease), job.body_bytes)
            && lease.offset.saturating_add(bytes) > most
        {
            return Err(beyond(lease));
        }
        self.fit(lease.policy.chunk_bytes as usize);
        match job.checksum {
            None => Cut::new(self, lease).run(body).await,
            Some(checksum) => {
                let (body, _room) = self.checks.check(&checksum, job.body_bytes, body).await?;
                Cut::new(Arc::clone(&self), lease).run(body).await
            }
        }
    }
}

/// Bytes that an upload may have: its length, or what its session's policy allows.
fn bytes_max(lease: &Lease) -> Option<u64> {
    lease.length.or(lease.policy.session_bytes_max())
}

/// That a body goes beyond what its upload may have.
fn beyond(lease: &Lease) -> Problem {
    let detail = match (lease.length, lease.policy.session_bytes_max()) {
        (None, Some(max)) => format!(
            "a session of this policy has at most {max} bytes (session_bytes_max), and the body goes \
             beyond that: seal what is there, and put the rest into another session"
        ),
        (length, _) => {
            let length = length.unwrap_or_default();
            format!("the upload is {length} bytes long, and the body goes beyond that")
        }
    };
    Problem::new(Code::TooLarge, detail)
}

#[cfg(test)]
mod tests;
