//! Answers that are made and not read yet: how many bytes of them there may be.
//!
//! Who asks decides when an answer is read, and until then it is in memory: here, or behind this gateway in
//! the service that made it. So they are counted, for each address (an IPv6 network of 64 bits counts as one)
//! and together, until the last byte of them is written. Who has too much unread is answered again once it
//! has read; large answers leave room for small ones.
//!
//! What is made while it is read (content, chunk files, events) is not counted: it is never there as a whole.

use std::{
    collections::HashMap,
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use axum::{
    body::{Body, HttpBody},
    response::Response,
};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use crate::{Code, Problem, server::network};

/// Bytes that one address may leave unread: the longest answer, and some.
pub(super) const ADDRESS_BYTES_MAX: u64 = 64 << 20;
/// Bytes of all that is unread, with which no large answer is begun to be given.
pub(super) const LARGE_BYTES_MAX: u64 = 128 << 20;
/// Bytes of all that is unread, with which nothing is answered.
pub(super) const BYTES_MAX: u64 = 160 << 20;
/// A larger answer is a large one.
pub(super) const SMALL_BYTES_MAX: u64 = 64 << 10;
/// What an answer takes beside its body: its head, and its task.
const HEAD_BYTES: u64 = 2 << 10;

/// What is unread.
#[derive(Default)]
pub(super) struct Held(Mutex<Counted>);

#[derive(Default)]
struct Counted {
    all: u64,
    of: HashMap<IpAddr, u64>,
}

/// One answer's bytes, until it is dropped.
struct Share {
    held: Arc<Held>,
    address: IpAddr,
    bytes: u64,
}

impl Held {
    fn lock(&self) -> MutexGuard<'_, Counted> {
        // Both numbers change in one step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// That there is room for an answer to `address`.
    pub(super) fn room(&self, address: IpAddr) -> Result<(), Problem> {
        self.room_for(address, 0)
    }

    fn room_for(&self, address: IpAddr, bytes: u64) -> Result<(), Problem> {
        let counted = self.lock();
        let own = counted.of.get(&network(address)).copied().unwrap_or_default();
        let (large, max) =
            if bytes > SMALL_BYTES_MAX { (bytes, LARGE_BYTES_MAX) } else { (0, BYTES_MAX) };
        let refused = |detail: String| Err(Problem::new(Code::Unavailable, detail));
        // A small answer is given as long as there is no more than there may be.
        if own.saturating_add(large) > ADDRESS_BYTES_MAX {
            return refused(format!(
                "answers to you are not read yet, {own} bytes: read them, or close their connections"
            ));
        }
        if counted.all.saturating_add(large) > max {
            return refused("too many answers are not read yet: try again".to_owned());
        }
        Ok(())
    }

    /// Counts an answer until it is written; one for which there is no room is let go for a problem.
    pub(super) fn hold(self: &Arc<Self>, address: IpAddr, response: Response) -> Response {
        let hint = response.body().size_hint();
        let bytes = hint.exact().unwrap_or_else(|| hint.lower());
        if bytes == 0 {
            return response;
        }
        if let Err(problem) = self.room_for(address, bytes) {
            return axum::response::IntoResponse::into_response(problem);
        }
        let share = Arc::new(self.take(network(address), bytes + HEAD_BYTES));
        response.map(|body| Body::new(Unread { body, share }))
    }

    fn take(self: &Arc<Self>, address: IpAddr, bytes: u64) -> Share {
        let mut counted = self.lock();
        counted.all += bytes;
        *counted.of.entry(address).or_default() += bytes;
        Share { held: Arc::clone(self), address, bytes }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut counted = self.held.lock();
        counted.all -= self.bytes;
        if let Some(own) = counted.of.get_mut(&self.address) {
            *own -= self.bytes;
            if *own == 0 {
                counted.of.remove(&self.address);
            }
        }
    }
}

/// A body that counts while it, or a part of it, is there.
struct Unread {
    body: Body,
    share: Arc<Share>,
}

/// A part of it, until it is written.
struct Part {
    bytes: Bytes,
    _share: Arc<Share>,
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl HttpBody for Unread {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let share = &self.share;
        Poll::Ready(frame.map(|frame| {
            frame.map(|frame| {
                frame.map_data(|bytes| Bytes::from_owner(Part { bytes, _share: Arc::clone(share) }))
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    fn answer(bytes: u64) -> Response {
        Response::new(Body::from(vec![7; usize::try_from(bytes).unwrap()]))
    }

    fn refused(response: &Response) -> bool {
        response.extensions().get::<Problem>().is_some_and(|it| it.code == Code::Unavailable)
    }

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_leaves_so_much_unread_and_all_together_so_much() {
        let held = Arc::new(Held::default());
        let large = ADDRESS_BYTES_MAX / 2;
        let first = held.hold(at("192.0.2.1"), answer(large));
        assert!(!refused(&first));
        // With what they take beside their bodies, two halves are more than the whole.
        assert!(refused(&held.hold(at("192.0.2.1"), answer(large))));
        let small = held.hold(at("192.0.2.1"), answer(SMALL_BYTES_MAX));
        assert!(!refused(&small), "what is small is let in beside it");
        let others: Vec<_> = (2..5).map(|number| at(&format!("192.0.2.{number}"))).collect();
        let held_of: Vec<_> = others.iter().map(|other| held.hold(*other, answer(large))).collect();
        let let_in = held_of.iter().filter(|response| !refused(response)).count();
        assert_eq!(let_in, 2, "there is no room for more large ones");
        held.room(at("192.0.2.9")).unwrap();
        assert!(!refused(&held.hold(at("192.0.2.9"), answer(10))), "and for small ones there is");
        drop((first, held_of));
        assert!(!refused(&held.hold(at("192.0.2.4"), answer(large))));
        drop(small);
        assert_eq!(held.lock().all, 0);
        assert!(held.lock().of.is_empty(), "who has read all is forgotten");
    }

    #[test]
    fn small_answers_have_a_bound_too() {
        let held = Arc::new(Held::default());
        let mut unread = Vec::new();
        while held.room(at("192.0.2.1")).is_ok() {
            unread.push(held.hold(at("192.0.2.1"), answer(SMALL_BYTES_MAX)));
            assert!(held.lock().all <= ADDRESS_BYTES_MAX + 2 * SMALL_BYTES_MAX);
        }
        assert!(unread.len() > 900, "{}", unread.len());
        assert!(refused(&held.hold(at("192.0.2.1"), answer(1))));
        held.room(at("192.0.2.2")).unwrap();
    }

    /// It is what is in memory that counts: also what has left the body and is not written.
    #[tokio::test]
    async fn what_left_the_body_counts_until_it_is_written() {
        let held = Arc::new(Held::default());
        let response = held.hold(at("2001:db8::1"), answer(100_000));
        let mut body = response.into_body().into_data_stream();
        let part = body.next().await.unwrap().unwrap();
        assert!(body.next().await.is_none());
        drop(body);
        assert_eq!(held.lock().all, 100_000 + HEAD_BYTES);
        assert_eq!(part.len(), 100_000);
        drop(part);
        assert_eq!(held.lock().all, 0);
    }
}
