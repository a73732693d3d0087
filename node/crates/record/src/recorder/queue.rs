//! The way of events from the relay to the encoder: one producer, one consumer, bounded in bytes.
//!
//! The producer asks for room before it reads the pseudo-terminal, so nothing it has read is ever
//! without a place. Events that carry no bytes (a resize, the exit) always fit: they are few.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::ExitStatus;
use super::waker::Waker;
use crate::asciicast::Size;

/// How many bytes may wait: about a second of a busy terminal, and small on a Pi.
const BYTES_MAX: usize = 1 << 20;

/// Something that happened, and when, since the start.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) at: Duration,
    pub(super) happened: Happened,
}

/// What the relay saw.
#[derive(Debug)]
pub(super) enum Happened {
    Output(Vec<u8>),
    Input(Vec<u8>),
    Resize(Size),
    Marker(String),
    Exit(ExitStatus),
}

impl Happened {
    fn bytes(&self) -> usize {
        match self {
            Self::Output(bytes) | Self::Input(bytes) => bytes.len(),
            Self::Resize(_) | Self::Marker(_) | Self::Exit(_) => 0,
        }
    }
}

/// What the consumer gets.
pub(super) enum Popped {
    Record(Record),
    /// The deadline came first.
    Late,
    /// Nothing will come any more.
    Closed,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Record>,
    bytes: usize,
    /// The producer found no room and wants to hear of some.
    starved: bool,
    closed: bool,
    abandoned: bool,
}

/// The queue itself, shared by reference.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
    producer: Waker,
}

impl Queue {
    pub(super) fn new(producer: Waker) -> Self {
        Self { state: Mutex::default(), arrived: Condvar::new(), producer }
    }

    /// Every change of the state is complete before its lock is released, so a panic elsewhere
    /// leaves it sound.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the producer may read more; if not, it will be woken.
    pub(super) fn has_room(&self) -> bool {
        let mut state = self.state();
        state.starved = state.bytes >= BYTES_MAX && !state.abandoned;
        !state.starved
    }

    /// Whether the consumer is gone before the end.
    pub(super) fn is_abandoned(&self) -> bool {
        self.state().abandoned
    }

    /// Adds a record; without a consumer it goes nowhere.
    pub(super) fn push(&self, record: Record) {
        let mut state = self.state();
        assert!(!state.closed, "the relay closes the queue last");
        if state.abandoned {
            return;
        }
        state.bytes += record.happened.bytes();
        state.waiting.push_back(record);
        drop(state);
        self.arrived.notify_one();
    }

    /// Says that nothing more will come.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.arrived.notify_one();
    }

    /// Takes the next record, waiting until `deadline` for one.
    pub(super) fn pop(&self, deadline: Option<Instant>) -> Popped {
        let mut state = self.state();
        loop {
            if let Some(record) = state.waiting.pop_front() {
                state.bytes -= record.happened.bytes();
                // Half empty before the producer is woken, or it would be at every record.
                if state.starved && state.bytes <= BYTES_MAX / 2 {
                    state.starved = false;
                    self.producer.wake();
                }
                return Popped::Record(record);
            }
            if state.closed {
                return Popped::Closed;
            }
            state = match deadline.map(|at| at.saturating_duration_since(Instant::now())) {
                None => self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => return Popped::Late,
                Some(left) => {
                    let waited = self.arrived.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Says that nobody will take records any more, and tells the producer.
    pub(super) fn abandon(&self) {
        let mut state = self.state();
        state.abandoned = true;
        state.waiting.clear();
        state.bytes = 0;
        drop(state);
        self.producer.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::waker::WakeUp;

    fn output(len: usize) -> Record {
        Record { at: Duration::ZERO, happened: Happened::Output(vec![b'x'; len]) }
    }

    #[test]
    fn room_ends_and_comes_back() {
        let wake_up = WakeUp::new().unwrap();
        let queue = Queue::new(wake_up.waker());
        assert!(queue.has_room());
        for _ in 0..4 {
            queue.push(output(BYTES_MAX / 4));
        }
        assert!(!queue.has_room());
        for _ in 0..2 {
            assert!(matches!(queue.pop(None), Popped::Record(_)));
        }
        assert!(queue.has_room());
        queue.close();
        assert!(matches!(queue.pop(None), Popped::Record(_)));
        assert!(matches!(queue.pop(None), Popped::Record(_)));
        assert!(matches!(queue.pop(None), Popped::Closed));
    }

    #[test]
    fn an_abandoned_queue_takes_everything_and_keeps_nothing() {
        let wake_up = WakeUp::new().unwrap();
        let queue = Queue::new(wake_up.waker());
        queue.push(output(2 * BYTES_MAX));
        queue.abandon();
        assert!(queue.has_room() && queue.is_abandoned());
        queue.push(output(1));
        queue.close();
        assert!(matches!(queue.pop(None), Popped::Closed));
    }

    #[test]
    fn a_deadline_passes() {
        let wake_up = WakeUp::new().unwrap();
        let queue = Queue::new(wake_up.waker());
        assert!(matches!(queue.pop(Some(Instant::now())), Popped::Late));
    }
}
