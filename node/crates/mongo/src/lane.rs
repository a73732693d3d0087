//! A collection's way through the log: read, make documents, write, move the cursor.
//!
//! While a batch is on its way the next one is made; so there are two in memory, and never more.
//!
//! While the node takes in recordings, one collection at a time sends one batch, and then nobody does for many
//! times as long ([`Pauses::rest`]): whoever shares the machine with the database must not notice a backlog.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use lucid_core::{EntryIndex, entry::Entry};
use tokio::sync::{Mutex, MutexGuard, Notify};
use tokio_util::sync::CancellationToken;

use crate::{
    Collection, Cursor, Cursors, Fault, FaultKind, Page, Retry, Source,
    batch::{self, Batch},
    build::Maker,
    options::Pauses,
    status::Kept,
    status_lane,
    write::Link,
};

/// Batches after which others get a turn: a comparison waits for the collections' turns to end.
const BATCHES_A_TURN: u32 = 16;

/// How often a rest looks whether the recording has ended.
const REST_LOOK: Duration = Duration::from_millis(100);

/// What all collections share.
pub(crate) struct Shared {
    pub(crate) link: Link,
    pub(crate) source: Arc<dyn Source>,
    pub(crate) cursors: Arc<dyn Cursors>,
    pub(crate) kept: Kept,
    /// Somebody says that the log grew.
    pub(crate) wake: Notify,
    /// Whose turn it is while the node takes in recordings.
    pub(crate) narrow: Mutex<()>,
}

/// Where a collection is. Whoever has it locked is the one who writes to the collection.
#[derive(Default)]
pub(crate) struct At {
    cursor: Option<Cursor>,
    /// As it was put last, and when.
    put: Cursor,
    since: Option<Instant>,
}

/// A collection and where it is.
pub(crate) struct Lane {
    pub(crate) shared: Arc<Shared>,
    pub(crate) of: Collection,
    pub(crate) at: Mutex<At>,
    /// Microseconds that the turn's batches took, without what was waited for more entries.
    spent: AtomicU64,
}

/// What a turn came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Turn {
    /// There is more.
    More,
    /// Everything there was is sent.
    Idle,
    /// The database turned out to be another one, or to have lost what it had.
    Lost,
}

impl Lane {
    pub(crate) fn new(shared: Arc<Shared>, of: Collection) -> Self {
        Self { shared, of, at: Mutex::new(At::default()), spent: AtomicU64::new(0) }
    }

    /// One turn, and the rest after it where the node takes in recordings. Dropped at any point it loses nothing.
    pub(crate) async fn turn(&self) -> Result<Turn, Fault> {
        // The node's status is one small document, and waits for itself.
        if self.of == Collection::NodeStatus || !self.shared.source.is_recording() {
            return self.turn_of(BATCHES_A_TURN).await;
        }
        let _narrow = self.shared.narrow.lock().await;
        self.spent.store(0, Ordering::Relaxed);
        let turn = self.turn_of(1).await;
        let spent = Duration::from_micros(self.spent.load(Ordering::Relaxed));
        let Pauses { rest, rest_max, .. } = self.shared.link.options.pauses;
        let until = Instant::now() + spent.saturating_mul(rest).min(rest_max);
        while self.shared.source.is_recording() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            tokio::time::sleep(left.min(REST_LOOK)).await;
        }
        turn
    }

    /// So many batches, in the order of things.
    async fn turn_of(&self, batches: u32) -> Result<Turn, Fault> {
        let head = self.shared.source.head().await?;
        self.shared.kept.log_size(head.size);
        if self.of == Collection::NodeStatus {
            return status_lane::turn(self).await;
        }
        let mut at = self.at.lock().await;
        let turn = self.send_until(&mut at, head.size, Some(batches)).await;
        self.put_if_due(&mut at).await?;
        turn
    }

    /// Sends everything within the log's first `size` entries, or so many batches of it.
    pub(crate) async fn send_until(
        &self,
        at: &mut At,
        size: u64,
        batches_max: Option<u32>,
    ) -> Result<Turn, Fault> {
        let Shared { link, kept, source, .. } = &*self.shared;
        let maker = Maker {
            of: self.of,
            node: link.node,
            source: Arc::clone(source),
            limits: link.options.batch,
        };
        let cursor = self.cursor(at).await?;
        if cursor.entry > size {
            let text =
                format!("{} has entry {}, the log only {size}", self.of.name(), cursor.entry);
            return Err(Fault::new(FaultKind::Damaged, text));
        }
        let mut batch = maker.batch(cursor, size).await?;
        let mut left = batches_max;
        while let Some(now) = batch {
            if left == Some(1) {
                self.send(at, &now).await?;
                return Ok(Turn::More);
            }
            if left.is_some() && !now.is_full && now.work.documents() > 0 {
                // What came first waits for more; then whatever is there goes.
                kept.sending(self.of, now.oldest);
                tokio::time::sleep(link.options.batch.age_max).await;
                let grown = source.head().await?.size;
                let Some(waited) = maker.batch(cursor_of(at), grown).await? else { break };
                self.send(at, &waited).await?;
                return Ok(Turn::More);
            }
            // The batch after it is made meanwhile.
            let next = now.next;
            let (sent, made) = tokio::join!(self.send(at, &now), maker.batch(next, size));
            sent?;
            batch = made?;
            left = left.map(|left| left.saturating_sub(1));
            if left.is_some() && source.is_recording() {
                return Ok(Turn::More);
            }
        }
        kept.sending(self.of, None);
        Ok(Turn::Idle)
    }

    async fn send(&self, at: &mut At, batch: &Batch) -> Result<(), Fault> {
        let Shared { link, kept, .. } = &*self.shared;
        let documents = batch.work.documents() as u64;
        if documents > 0 {
            kept.sending(self.of, batch.oldest);
            let began = Instant::now();
            let sent = batch::send(link, self.of, &batch.work).await;
            let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.spent.fetch_add(took, Ordering::Relaxed);
            sent?;
        }
        at.cursor = Some(batch.next);
        kept.sent(self.of, batch.next, documents, batch.work.bytes() as u64);
        if batch.unreadable > 0 {
            kept.unreadable(batch.unreadable);
            tracing::warn!(
                sessions = batch.unreadable,
                "sealed sessions' manifests cannot be read: their chunks are not in MongoDB"
            );
        }
        self.put_if_due(at).await
    }

    /// Where it is; read from its place the first time.
    pub(crate) async fn cursor(&self, at: &mut At) -> Result<Cursor, Fault> {
        if let Some(cursor) = at.cursor {
            return Ok(cursor);
        }
        let cursor = self.shared.cursors.get(self.of).await?;
        (at.cursor, at.put, at.since) = (Some(cursor), cursor, Some(Instant::now()));
        self.shared.kept.cursor(self.of, cursor);
        Ok(cursor)
    }

    /// Puts the cursor there, durably.
    pub(crate) async fn set(&self, at: &mut At, cursor: Cursor) -> Result<(), Fault> {
        at.cursor = Some(cursor);
        self.shared.kept.cursor(self.of, cursor);
        self.put(at).await
    }

    async fn put_if_due(&self, at: &mut At) -> Result<(), Fault> {
        let every = self.shared.link.options.pauses.cursor;
        let is_due = at.since.is_none_or(|put_when| put_when.elapsed() >= every);
        if is_due { self.put(at).await } else { Ok(()) }
    }

    /// Puts the cursor where it moved since it was put last.
    pub(crate) async fn put(&self, at: &mut At) -> Result<(), Fault> {
        let Some(cursor) = at.cursor.filter(|cursor| *cursor != at.put) else { return Ok(()) };
        self.shared.cursors.put(self.of, cursor).await?;
        (at.put, at.since) = (cursor, Some(Instant::now()));
        Ok(())
    }

    /// Takes turns until `stop`; then puts the cursor. Failures are told and tried again.
    pub(crate) async fn run(&self, stop: &CancellationToken, lost: &Notify) {
        let pauses = self.shared.link.options.pauses;
        let mut back_off = BackOff::new(pauses);
        loop {
            let turn = tokio::select! {
                () = stop.cancelled() => break,
                turn = self.turn() => turn,
            };
            let pause = match turn {
                Ok(Turn::More) => {
                    back_off.forget();
                    continue;
                }
                Ok(Turn::Lost) => {
                    lost.notify_one();
                    pauses.look
                }
                Ok(Turn::Idle) => {
                    back_off.forget();
                    self.shared.kept.idle(self.of);
                    pauses.look
                }
                Err(fault) => {
                    self.shared.kept.failed(Some(self.of), &fault);
                    self.tell_since_when().await;
                    let pause = back_off.next(fault.kind.retry());
                    tokio::select! {
                        () = stop.cancelled() => break,
                        () = tokio::time::sleep(pause) => continue,
                    }
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.shared.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        if let Err(fault) = self.put_last().await {
            self.shared.kept.failed(Some(self.of), &fault);
        }
    }

    /// Tells since when there has been something to send, where no batch was made of it yet: the lag is known while
    /// nothing can be sent, too.
    pub(crate) async fn tell_since_when(&self) {
        if self.of == Collection::NodeStatus {
            return;
        }
        let at = self.at.lock().await;
        let page = Page { count_max: 1, bytes_max: 1 };
        let next = self.shared.source.entries(EntryIndex(cursor_of(&at).entry), page).await;
        // What the log fails with is told by whoever waits for its entries.
        let first = next.ok().and_then(|entries| Entry::parse(entries.first()?).ok());
        self.shared.kept.waiting(self.of, first.map(|entry| entry.at()));
    }

    async fn put_last(&self) -> Result<(), Fault> {
        let mut at = self.at.lock().await;
        self.put(&mut at).await
    }

    /// The collection, for as long as nobody else is to write to it.
    pub(crate) async fn hold(&self) -> MutexGuard<'_, At> {
        self.at.lock().await
    }
}

fn cursor_of(at: &At) -> Cursor {
    at.cursor.unwrap_or_default()
}

/// How long to wait after each failure in a row.
pub(crate) struct BackOff {
    pauses: Pauses,
    failures: u32,
}

impl BackOff {
    pub(crate) fn new(pauses: Pauses) -> Self {
        Self { pauses, failures: 0 }
    }

    /// It went well.
    pub(crate) fn forget(&mut self) {
        self.failures = 0;
    }

    /// The pause after one more failure.
    pub(crate) fn next(&mut self, retry: Retry) -> std::time::Duration {
        let Pauses { first, longest, permanent, .. } = self.pauses;
        let whole = first.saturating_mul(1 << self.failures.min(20));
        self.failures = self.failures.saturating_add(1);
        match retry {
            Retry::Temporary | Retry::Unknown => whole.min(longest).mul_f64(drawn()),
            // Seldom, but not at first: where database and node begin together, its user may only be on its way.
            Retry::Permanent => whole.min(permanent).mul_f64(f64::midpoint(1.0, drawn())),
        }
    }
}

/// A number from 0 to 1. Without randomness the whole is waited.
fn drawn() -> f64 {
    getrandom::u32().map_or(1.0, |number| f64::from(number) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn pauses_grow_to_their_bound() {
        let pauses = Pauses::default();
        let mut back_off = BackOff::new(pauses);
        let mut sum = Duration::ZERO;
        for failure in 0..40_u32 {
            let pause = back_off.next(Retry::Temporary);
            let whole = pauses.first.saturating_mul(1 << failure.min(20)).min(pauses.longest);
            assert!(pause <= whole, "{pause:?} of {whole:?}");
            sum += pause;
        }
        assert!(sum > pauses.longest, "they are drawn anew, not all near none: {sum:?}");
        let permanent = back_off.next(Retry::Permanent);
        assert!(permanent >= pauses.permanent / 2 && permanent <= pauses.permanent);
        back_off.forget();
        assert!(back_off.next(Retry::Temporary) <= pauses.first);
    }
}
