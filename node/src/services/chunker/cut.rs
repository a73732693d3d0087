//! One body on its way into chunks.
//!
//! Waiting and deciding are apart: [`Cut::next`] waits for whatever happens first, [`Cut::apply`]
//! decides what follows from it. Chunks are compressed and sealed side by side and acknowledged in
//! order, as a group where several are ready.

use std::{pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesOrdered};
use lucid_api::{
    Code, Problem,
    ports::{Answer, BodyStream, Lease, Payload, SealJob, Summary},
};
use lucid_core::ChunkIndex;
use tokio::{
    task::JoinHandle,
    time::{Instant, Sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{Parts, beyond, bytes_max};
use crate::services::{buffers::Buffer, problem};

/// A hold on the upload is renewed this often while bytes arrive: the orchestrator gives it to another
/// uploader when it has heard nothing for longer.
const RENEW_AFTER: Duration = Duration::from_secs(2);

/// So many chunks more than there are workers are under way at once: while workers and client share the processors, chunks come
/// and are sealed in bursts, and with one that waits a twelfth of the processors' time was idle.
pub(super) const WAITING_MAX: usize = 3;

/// What happened.
enum Event {
    /// The body gave a piece, failed, or ended.
    Piece(Option<Result<Bytes, Problem>>),
    /// The oldest chunk under way is sealed, or is not.
    Sealed(Answer<Summary>),
    /// What was acknowledged is, or is not.
    Acknowledged(Answer<u64>),
    /// What is in the buffer has waited long enough.
    Due,
    /// Uploads are to end with what they have.
    Stop,
}

/// A body on its way.
pub(super) struct Cut {
    parts: Arc<Parts>,
    /// Cancelled when this upload is to end with what it has.
    stop: CancellationToken,
    lease: Lease,
    next: ChunkIndex,
    /// Bytes acknowledged.
    offset: u64,
    /// Bytes that still fit into the upload.
    left: Option<u64>,
    buffer: Buffer,
    /// When the buffer is sealed, full or not.
    due: Pin<Box<Sleep>>,
    sealing: FuturesOrdered<JoinHandle<Answer<Summary>>>,
    sealed: Vec<Summary>,
    acknowledging: Option<BoxFuture<'static, Answer<u64>>>,
    renewed: Instant,
    /// Once the body has ended: how.
    ended: Option<Answer<()>>,
}

impl Cut {
    pub(super) fn new(parts: Arc<Parts>, lease: &Lease) -> Self {
        Self {
            stop: parts.uploads(),
            lease: lease.clone(),
            next: lease.next,
            offset: lease.offset,
            left: bytes_max(lease).map(|most| most.saturating_sub(lease.offset)),
            buffer: parts.plain.small(),
            due: Box::pin(tokio::time::sleep(parts.options.flush_after)),
            sealing: FuturesOrdered::new(),
            sealed: Vec::new(),
            acknowledging: None,
            renewed: Instant::now(),
            ended: None,
            parts,
        }
    }

    /// Takes all of the body in; gives the offset after it.
    ///
    /// # Errors
    /// The first thing that stopped it. What came before a failure of the body is acknowledged.
    pub(super) async fn run(mut self, mut body: BodyStream) -> Answer<u64> {
        loop {
            if let Some(ended) = &self.ended
                && self.is_drained()
            {
                return ended.clone().map(|()| self.offset);
            }
            let event = self.next(&mut body).await;
            self.apply(event).await?;
        }
    }

    fn is_drained(&self) -> bool {
        self.buffer.is_empty()
            && self.sealing.is_empty()
            && self.sealed.is_empty()
            && self.acknowledging.is_none()
    }

    async fn next(&mut self, body: &mut BodyStream) -> Event {
        let reading = self.ended.is_none();
        let room = self.sealing.len() < self.parts.options.workers.get() + WAITING_MAX;
        tokio::select! {
            biased;
            answer = async { self.acknowledging.as_mut().expect("asked for only then").await },
                if self.acknowledging.is_some() => Event::Acknowledged(answer),
            Some(joined) = self.sealing.next(), if !self.sealing.is_empty() => {
                Event::Sealed(joined.unwrap_or_else(|error| Err(problem::internal(&error))))
            }
            () = self.stop.cancelled(), if reading => Event::Stop,
            () = &mut self.due, if reading && !self.buffer.is_empty() => Event::Due,
            piece = body.next(), if reading && room => Event::Piece(piece),
        }
    }

    async fn apply(&mut self, event: Event) -> Answer<()> {
        match event {
            Event::Piece(Some(Ok(piece))) => self.take(&piece).await?,
            Event::Piece(Some(Err(problem))) => self.end(Err(problem)),
            Event::Piece(None) => self.end(Ok(())),
            Event::Stop => {
                let detail = match self.parts.stop.is_cancelled() {
                    true => "the node is stopping; what was acknowledged is kept: go on later",
                    false => {
                        "ended at the node; what was acknowledged is kept: ask how the session is"
                    }
                };
                self.end(Err(Problem::new(Code::Unavailable, detail)));
            }
            Event::Due => self.seal(),
            Event::Sealed(summary) => self.sealed.push(summary?),
            Event::Acknowledged(offset) => {
                self.acknowledging = None;
                self.offset = offset?;
            }
        }
        self.acknowledge();
        Ok(())
    }

    fn end(&mut self, how: Answer<()>) {
        self.ended = Some(how);
        self.seal();
    }

    /// Takes a piece of the body into the buffer, and seals what is full.
    async fn take(&mut self, mut piece: &[u8]) -> Answer<()> {
        if let Some(left) = &mut self.left {
            if piece.len() as u64 > *left {
                self.end(Err(beyond(&self.lease)));
                return Ok(());
            }
            *left -= piece.len() as u64;
        }
        let chunk_bytes = self.lease.policy.chunk_bytes as usize;
        while !piece.is_empty() {
            if self.buffer.is_empty() {
                self.due.as_mut().reset(Instant::now() + self.parts.options.flush_after);
            }
            let count = self.buffer.take(piece);
            piece = &piece[count..];
            if self.buffer.is_full() && !self.parts.plain.grow(&mut self.buffer, chunk_bytes).await
            {
                self.seal();
            }
        }
        Ok(())
    }

    /// Has what is in the buffer sealed, and begins a new one as large as this one was.
    fn seal(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let next = match self.ended {
            Some(_) => self.parts.plain.small(),
            None => self.parts.plain.at_once(self.buffer.capacity()),
        };
        let plain = std::mem::replace(&mut self.buffer, next);
        let index = self.next;
        self.next = ChunkIndex(index.0.saturating_add(1));
        let (parts, lease) = (Arc::clone(&self.parts), self.lease.clone());
        let chunk = async move { parts.seal(&lease, index, plain).await };
        self.sealing.push_back(tokio::spawn(chunk.in_current_span()));
    }

    /// Acknowledges what is sealed, or renews the hold where that is due and nothing is.
    fn acknowledge(&mut self) {
        let due = self.renewed.elapsed() >= RENEW_AFTER;
        if self.acknowledging.is_some() || (self.sealed.is_empty() && !due) {
            return;
        }
        self.renewed = Instant::now();
        let (lease, session) = (self.lease.lease, self.lease.session_id);
        let (sessions, chunks) =
            (Arc::clone(&self.parts.sessions), std::mem::take(&mut self.sealed));
        let answer = async move { sessions.acknowledge(lease, session, chunks).await };
        self.acknowledging = Some(answer.boxed());
    }
}

impl Drop for Cut {
    /// What is under way is not waited for: the encryptor refuses it once the hold has gone on.
    fn drop(&mut self) {
        for _ in 0..self.sealing.len() {
            if let Some(Some(task)) = self.sealing.next().now_or_never() {
                drop(task);
            }
        }
    }
}

impl Parts {
    /// Compresses a chunk and has it sealed.
    async fn seal(
        self: Arc<Self>,
        lease: &Lease,
        index: ChunkIndex,
        plain: Buffer,
    ) -> Answer<Summary> {
        let policy = lease.policy;
        let plain_bytes = plain.as_ref().len();
        let output = self.compressors.output(plain_bytes, policy.chunk_bytes as usize).await;
        let parts = Arc::clone(&self);
        let compress = move || Ok(parts.compressors.compress(policy.zstd_level, plain, output));
        let (codec, payload) = self.pool.run(compress).await?;
        let job = SealJob {
            lease: lease.lease,
            session_id: lease.session_id,
            index,
            codec,
            plain_bytes: u32::try_from(plain_bytes).map_err(|error| problem::internal(&error))?,
            policy,
        };
        self.encryptor.seal(job, Payload(payload)).await
    }
}
