//! Ending connections whose other end does not read.
//!
//! An answer is in memory until it was read, and whoever asks decides when that is. So a connection that
//! takes no byte for a time is closed; and as one stream of HTTP/2 can stand still while others move, a body
//! that goes to one is given out in small pieces, and the connection is closed where one of its answers
//! stands still, too. A producer that has nothing to say yet, as of events, is waited for.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as _, Frame, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::Notify,
    time::{Instant, Sleep},
};

/// Bytes of a piece: a DATA frame of HTTP/2 (RFC 9113 §6.5.2, the initial `SETTINGS_MAX_FRAME_SIZE`). Each
/// stream keeps at most one that its reader has no room for.
const PIECE_BYTES: usize = 16 << 10;

/// A connection's bytes, which are written within `time` of when they are ready, or never.
pub(super) struct Watched<S> {
    stream: S,
    time: Duration,
    /// When writing is given up, where something waits to be written.
    until: Pin<Box<Sleep>>,
    waits: bool,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, time: Duration) -> Self {
        Self { stream, time, until: Box::pin(tokio::time::sleep(time)), waits: false }
    }

    /// Passes a write's outcome on, unless it has waited too long.
    fn outcome<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waits = false;
            return written;
        }
        if !self.waits {
            self.waits = true;
            self.until.as_mut().reset(Instant::now() + self.time);
        }
        ready!(self.until.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "nobody reads the answer")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.outcome(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.outcome(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.stream).poll_shutdown(context);
        self.outcome(context, closed)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.outcome(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// The answers of one connection of HTTP/2 that are not read yet.
#[derive(Clone, Default)]
pub(super) struct Answers(Arc<Inner>);

#[derive(Default)]
struct Inner {
    paces: Mutex<Vec<Weak<Pace>>>,
    /// That there is a first one.
    begun: Notify,
}

/// How far one answer is.
struct Pace {
    moved: Mutex<Moved>,
    /// Pieces that were given out and not written yet.
    out: AtomicUsize,
}

struct Moved {
    at: Instant,
    /// Whether it is the producer who is waited for.
    waits_for_more: bool,
}

impl Pace {
    fn moved(&self, waits_for_more: bool) {
        let now = Moved { at: Instant::now(), waits_for_more };
        // It is assigned whole.
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    fn stands_still(&self, time: Duration) -> bool {
        let moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        let is_theirs = !moved.waits_for_more || self.out.load(Ordering::Relaxed) > 0;
        is_theirs && moved.at.elapsed() >= time
    }
}

impl Answers {
    /// A body whose pace is watched.
    pub(super) fn paced(&self, body: Body) -> Body {
        if body.is_end_stream() {
            return body;
        }
        let moved = Moved { at: Instant::now(), waits_for_more: false };
        let pace = Arc::new(Pace { moved: Mutex::new(moved), out: AtomicUsize::new(0) });
        let mut paces = self.0.paces.lock().unwrap_or_else(PoisonError::into_inner);
        paces.retain(|pace| pace.strong_count() > 0);
        paces.push(Arc::downgrade(&pace));
        self.0.begun.notify_one();
        Body::new(Paced { body, rest: Bytes::new(), pace })
    }

    /// Returns once one of the answers has stood still for `time`.
    pub(super) async fn stand_still(&self, time: Duration) {
        loop {
            let paces = {
                let paces = self.0.paces.lock().unwrap_or_else(PoisonError::into_inner);
                paces.iter().filter_map(Weak::upgrade).collect::<Vec<_>>()
            };
            if paces.iter().any(|pace| pace.stands_still(time)) {
                return;
            }
            match paces.is_empty() {
                true => self.0.begun.notified().await,
                false => {
                    drop(paces);
                    tokio::time::sleep(time / 4).await;
                }
            }
        }
    }
}

/// A body in pieces.
struct Paced {
    body: Body,
    /// What is left of the frame before.
    rest: Bytes,
    pace: Arc<Pace>,
}

/// A piece, until it is written.
struct Piece {
    bytes: Bytes,
    pace: Arc<Pace>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.pace.out.fetch_sub(1, Ordering::Relaxed);
        let waits = {
            let moved = self.pace.moved.lock().unwrap_or_else(PoisonError::into_inner);
            moved.waits_for_more
        };
        self.pace.moved(waits);
    }
}

impl hyper::body::Body for Paced {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            let polled = Pin::new(&mut self.body).poll_frame(context);
            self.pace.moved(polled.is_pending());
            match ready!(polled) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                end => return Poll::Ready(end),
            }
        } else {
            self.pace.moved(false);
        }
        let bytes = self.rest.len().min(PIECE_BYTES);
        let bytes = self.rest.split_to(bytes);
        self.pace.out.fetch_add(1, Ordering::Relaxed);
        let piece = Piece { bytes, pace: Arc::clone(&self.pace) };
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_owner(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, of_body) = (self.rest.len() as u64, self.body.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(of_body.lower().saturating_add(rest));
        if let Some(upper) = of_body.upper().and_then(|upper| upper.checked_add(rest)) {
            hint.set_upper(upper);
        }
        hint
    }
}

#[cfg(test)]
mod tests;
