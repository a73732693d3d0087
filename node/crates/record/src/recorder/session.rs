//! One recording, from the command line to the last flush.

use std::io::{self, Write};
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use rustix::termios::Winsize;

use super::pty::Pty;
use super::queue::{Happened, Popped, Queue, Record};
use super::relay::{Relay, Rules};
use super::signals::Signals;
use super::terminal::{RawMode, UserSide};
use super::waker::WakeUp;
use super::{FLUSH_INTERVAL, Outcome, RecordOptions, command};
use crate::RecordError;
use crate::asciicast::{Encoder, Header, Size};

/// How much is encoded before it is written without waiting for [`FLUSH_INTERVAL`].
const WRITE_BYTES: usize = 64 << 10;

/// A started command, not yet recorded. Dropped, it takes its command with it.
#[derive(Debug)]
pub(super) struct Session {
    relay: Relay,
    queue: Queue,
    header: Header,
    // The last two, in this order: the terminal is given back when the command is gone, and a
    // signal has no other effect before that.
    raw_mode: Option<RawMode>,
    signals: Arc<Signals>,
}

impl Session {
    /// Starts the command.
    pub(super) fn start(options: RecordOptions) -> Result<Self, RecordError> {
        let setup = |source| RecordError::Setup { source };
        let current_dir = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        let path = std::env::var_os("PATH");
        let arguments = command::resolve(&options.command, &current_dir, path.as_deref())?;

        // Before the size is read and the command starts, lest a change of either go unnoticed.
        let wake_up = WakeUp::new().map_err(setup)?;
        let waker = wake_up.waker();
        let signals = Arc::new(Signals::register(&waker).map_err(setup)?);
        let mut user = UserSide::attach(options.input, options.output)?;
        let window = match options.size {
            Some(fixed) => winsize(fixed),
            None => user.window_size().unwrap_or(winsize(Size::DEFAULT)),
        };
        let size = Size::new(window.ws_col, window.ws_row).unwrap_or(Size::DEFAULT);
        let header = Header {
            size,
            term_type: variable("TERM"),
            timestamp: Some(options.timestamp),
            command: Some(command::quote(&options.command)),
            title: options.title,
            env: options
                .env
                .into_iter()
                .filter_map(|name| variable(&name).map(|value| (name, value)))
                .collect(),
        };

        let started = Instant::now();
        let pty = Pty::start(arguments, &options.env_remove, &current_dir, window, user.mode())?;
        let raw_mode = user.enter_raw_mode()?;
        let rules = Rules {
            follows_window: options.size.is_none(),
            captures_input: options.capture_input,
            hangup_grace: options.hangup_grace,
        };
        let relay = Relay::new(rules, pty, user, Arc::clone(&signals), wake_up, size, started);
        Ok(Self { relay, queue: Queue::new(waker), header, raw_mode, signals })
    }

    /// Records until the end.
    pub(super) fn run(self, sink: &mut dyn Write) -> Result<Outcome, RecordError> {
        // In this order, so that an early way out drops them in the right one, the reverse.
        let Self { signals, raw_mode, header, queue, relay } = self;
        let (relayed, written) = thread::scope(|scope| {
            // Also when the sink panics: the relay must end for the scope to.
            let consumer = Consumer(&queue);
            let relaying = thread::Builder::new()
                .name("record-relay".into())
                .spawn_scoped(scope, || relay.run(&queue))
                .map_err(|source| RecordError::Setup { source })?;
            let written = write_records(&queue, &header, sink);
            drop(consumer);
            let relayed = relaying.join().unwrap_or_else(|panic| resume_unwind(panic))?;
            Ok((relayed, written))
        })?;
        drop(raw_mode);
        drop(signals);
        match written {
            Ok(()) => Ok(relayed),
            Err(source) => Err(RecordError::Sink { source, status: relayed.status }),
        }
    }
}

/// Abandons the queue when it goes; after the end of the queue that is no harm.
struct Consumer<'a>(&'a Queue);

impl Drop for Consumer<'_> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// Encodes records into the sink until the queue ends.
fn write_records(queue: &Queue, header: &Header, sink: &mut dyn Write) -> io::Result<()> {
    let mut encoder = Encoder::new(Vec::with_capacity(2 * WRITE_BYTES), header)?;
    // The header goes out at once, so that a dead sink shows before the command has done much.
    let mut flush_at = Some(Instant::now());
    loop {
        match queue.pop(flush_at) {
            Popped::Record(Record { at, happened: Happened::Exit(status) }) => {
                sink.write_all(&encoder.finish(at, status.code())?)?;
                return sink.flush();
            }
            Popped::Record(record) => {
                encode(&mut encoder, &record)?;
                flush_at.get_or_insert_with(|| Instant::now() + FLUSH_INTERVAL);
            }
            Popped::Late => {}
            // The relay failed: what came until then is kept.
            Popped::Closed => {
                sink.write_all(encoder.get_mut())?;
                return sink.flush();
            }
        }
        let due = flush_at.is_some_and(|at| at <= Instant::now());
        if due || encoder.get_mut().len() >= WRITE_BYTES {
            sink.write_all(encoder.get_mut())?;
            encoder.get_mut().clear();
        }
        if due {
            sink.flush()?;
            flush_at = None;
        }
    }
}

fn encode(encoder: &mut Encoder<Vec<u8>>, record: &Record) -> io::Result<()> {
    match &record.happened {
        Happened::Output(bytes) => encoder.output(record.at, bytes),
        Happened::Input(bytes) => encoder.input(record.at, bytes),
        Happened::Resize(size) => encoder.resize(record.at, *size),
        Happened::Marker(label) => encoder.marker(record.at, label),
        Happened::Exit(_) => unreachable!("the exit ends the encoder, in `write_records`"),
    }
}

fn winsize(size: Size) -> Winsize {
    Winsize { ws_row: size.rows(), ws_col: size.cols(), ws_xpixel: 0, ws_ypixel: 0 }
}

fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}
