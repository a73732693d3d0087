//! The thread that attends to the board.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use lucid_hal::board::signal::Signal;
use tokio::sync::mpsc;

use super::attendant::{Attendant, Event, View};

/// Events that may wait. A node that takes none of them hangs; presses would then be for nobody.
const EVENTS_MAX: usize = 64;

struct State {
    signal: Signal,
    /// The node is taken to live until then.
    lives_until: Instant,
    ends: bool,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is one assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }
}

/// A board that is attended to. Dropped, the light goes out, and the watchdog sleeps where the kernel lets it.
pub struct Attendance {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Attendance {
    /// Attends to a board from now on, on a thread of its own. The light says that the node starts; it is taken to
    /// live for `starting`. What happens is received by whoever asks.
    ///
    /// # Errors
    /// Where there can be no thread.
    pub fn begin(
        attendant: Attendant,
        starting: Duration,
    ) -> io::Result<(Self, mpsc::Receiver<Event>)> {
        let lives_until = Instant::now() + starting;
        let state = State { signal: Signal::Starting, lives_until, ends: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let (events, received) = mpsc::channel(EVENTS_MAX);
        let turning = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("lucid-board".to_owned())
            .spawn(move || turns(&turning, attendant, &events))?;
        Ok((Self { shared, thread: Some(thread) }, received))
    }

    /// Shows how the node is.
    pub fn show(&self, signal: Signal) {
        self.shared.change(|state| state.signal = signal);
    }

    /// Says that the node lives, for as long as this.
    pub fn lives(&self, time: Duration) {
        let until = Instant::now() + time;
        self.shared.change(|state| state.lives_until = until);
    }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        self.shared.change(|state| state.ends = true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that attends to the board panicked");
        }
    }
}

fn turns(shared: &Shared, mut attendant: Attendant, events: &mpsc::Sender<Event>) {
    let began = Instant::now();
    let tell = |event| match event {
        Event::Failed(part, error) => {
            tracing::warn!("the board's {} fails, and the node goes on: {error}", part.name());
        }
        Event::Recovered(part) => tracing::info!("the board's {} works again", part.name()),
        event => {
            if events.try_send(event).is_err() {
                tracing::debug!("nobody takes what the board says");
            }
        }
    };
    loop {
        let view = {
            let state = shared.lock();
            if state.ends {
                break;
            }
            View { signal: state.signal, lives: Instant::now() < state.lives_until }
        };
        let turn = attendant.turn(began.elapsed(), view);
        turn.events.into_iter().for_each(&tell);
        let state = shared.lock();
        if !state.ends && state.signal == view.signal {
            // Woken early, or by a poisoned lock, it takes one more turn than was needed.
            drop(shared.changed.wait_timeout(state, turn.wait));
        }
    }
    attendant.leave().into_iter().for_each(tell);
}
