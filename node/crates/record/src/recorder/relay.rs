//! The thread between the command, the user and the queue.
//!
//! One `poll` waits for everything ([`Relay::wait`]); what it finds is then applied without
//! waiting. Nothing is read that has no place to go: the pseudo-terminal is read while the queue
//! and the user's terminal keep up, the user's input while the command does.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::io::Errno;

use super::pty::Pty;
use super::queue::{Happened, Queue, Record};
use super::signals::Signals;
use super::terminal::UserSide;
use super::waker::WakeUp;
use super::{ExitStatus, Outcome, StopCause};
use crate::RecordError;
use crate::asciicast::Size;

mod outbox;
mod readiness;

use outbox::Outbox;
use readiness::{Interest, Ready};

/// One read: more than the kernel keeps for a pseudo-terminal.
const READ_BYTES: usize = 64 << 10;

/// When the command is gone and something it left behind keeps the terminal open: how long it may
/// be silent before the recording ends.
const DRAIN_QUIET: Duration = Duration::from_millis(200);

/// The same for something that is never silent: how much is read after the command's end. The
/// kernel keeps less than this, so the command's own output is within.
const DRAIN_BYTES_MAX: usize = 1 << 20;

/// How long to wait before looking again at a terminal that nobody has open, while the command
/// lives: it may open it again.
const REOPEN_WAIT: Duration = Duration::from_millis(50);

/// How long a user's terminal that takes nothing is waited for when the recording was stopped.
const SHOW_WAIT: Duration = Duration::from_secs(1);

/// How far the end has come.
#[derive(Debug, Clone, Copy)]
enum Ending {
    /// Nobody asked for it.
    No,
    /// The command was hung up and has until then.
    HungUp { kill_at: Instant },
    /// It was killed.
    Killed,
}

/// The command's end.
#[derive(Debug, Clone, Copy)]
struct Exit {
    status: ExitStatus,
    seen: Instant,
    drained_bytes: usize,
}

/// What a recording was asked to do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// Whether the size follows the user's window.
    pub(super) follows_window: bool,
    /// Whether typing is recorded.
    pub(super) captures_input: bool,
    /// How long a command that was hung up may take to end.
    pub(super) hangup_grace: Duration,
}

/// Everything that happens during a recording, and where it goes.
#[derive(Debug)]
pub(super) struct Relay {
    rules: Rules,
    pty: Pty,
    user: UserSide,
    signals: Arc<Signals>,
    wake_up: WakeUp,
    size: Size,
    started: Instant,
    to_command: Outbox,
    to_user: Outbox,
    /// Whether the last byte typed left a line open.
    mid_line: bool,
    ending: Ending,
    stopped: Option<StopCause>,
    exit: Option<Exit>,
    /// Nobody has the terminal open; look again then.
    closed_until: Option<Instant>,
    /// When the pseudo-terminal was last read, or could not be for want of room.
    active: Instant,
    /// Whether it was looked at since, [`DRAIN_QUIET`] later, and had nothing.
    quiet: bool,
}

impl Relay {
    /// A relay between a command that has just started and its user.
    pub(super) fn new(
        rules: Rules,
        pty: Pty,
        user: UserSide,
        signals: Arc<Signals>,
        wake_up: WakeUp,
        size: Size,
        started: Instant,
    ) -> Self {
        Self {
            rules,
            pty,
            user,
            signals,
            wake_up,
            size,
            started,
            to_command: Outbox::default(),
            to_user: Outbox::default(),
            mid_line: false,
            ending: Ending::No,
            stopped: None,
            exit: None,
            closed_until: None,
            active: started,
            quiet: false,
        }
    }

    /// Works until the command has ended and its output is drained; the queue is closed then.
    pub(super) fn run(mut self, queue: &Queue) -> Result<Outcome, RecordError> {
        let _closing = Closing(queue);
        let relay = |source| RecordError::Relay { source };
        if self.user.input.is_none() {
            self.input_ended();
        }
        let mut buffer = vec![0; READ_BYTES];
        loop {
            self.attend(queue).map_err(relay)?;
            if let Some(status) = self.finished() {
                queue.push(self.record(Happened::Exit(status)));
                return Ok(Outcome { status, stopped: self.stopped });
            }
            let ready = self.wait(queue).map_err(relay)?;
            if ready.wake_up {
                self.wake_up.clear();
            }
            if ready.pty.contains(PollFlags::IN) {
                self.read_pty(queue, &mut buffer).map_err(relay)?;
            }
            if ready.pty.contains(PollFlags::OUT)
                && self.to_command.write_to(&self.pty.master).is_err()
            {
                // Nobody reads the terminal any more.
                self.to_command.clear();
            }
            if ready.user_input {
                self.read_user(queue, &mut buffer);
            }
            if ready.user_output {
                self.write_user();
            }
        }
    }

    /// What needs no descriptor: signals, the sink's fate, deadlines, the command's end.
    fn attend(&mut self, queue: &Queue) -> io::Result<()> {
        let now = Instant::now();
        if let Some(signal) = self.signals.take_ending() {
            self.stop(StopCause::Signal(signal), queue);
        }
        if queue.is_abandoned() && self.stopped.is_none() {
            self.stop(StopCause::Sink, queue);
        }
        if self.signals.take_resized() && self.rules.follows_window {
            self.follow_window(queue)?;
        }
        if let Ending::HungUp { kill_at } = self.ending
            && kill_at <= now
        {
            self.pty.kill();
            self.ending = Ending::Killed;
        }
        if self.exit.is_none()
            && let Some(status) = self.pty.try_wait()?
        {
            self.exit = Some(Exit { status, seen: now, drained_bytes: 0 });
            self.active = now;
            // What was seen of the terminal before its end says nothing about what it wrote last.
            self.closed_until = None;
            self.quiet = false;
        }
        Ok(())
    }

    /// Hangs the command up; asked again, kills it.
    fn stop(&mut self, cause: StopCause, queue: &Queue) {
        if self.exit.is_some() {
            if matches!(cause, StopCause::Signal(_)) {
                // What keeps the recording from its end is a user's terminal that takes nothing.
                self.to_user.clear();
            }
            return;
        }
        if self.stopped.is_some() {
            self.ending = Ending::HungUp { kill_at: Instant::now() };
            return;
        }
        queue.push(self.record(Happened::Marker(cause.to_string())));
        self.stopped = Some(cause);
        self.pty.hang_up();
        self.ending = Ending::HungUp { kill_at: Instant::now() + self.rules.hangup_grace };
    }

    fn follow_window(&mut self, queue: &Queue) -> io::Result<()> {
        let Some(window) = self.user.window_size() else {
            return Ok(());
        };
        let Some(size) = Size::new(window.ws_col, window.ws_row) else {
            return Ok(());
        };
        if size == self.size {
            return Ok(());
        }
        self.pty.resize(window)?;
        self.size = size;
        queue.push(self.record(Happened::Resize(size)));
        Ok(())
    }

    /// The status, when there is nothing left to do.
    fn finished(&self) -> Option<ExitStatus> {
        let exit = self.exit?;
        let shown =
            self.to_user.is_empty() || (self.stopped.is_some() && exit.seen.elapsed() >= SHOW_WAIT);
        (self.drained() && shown).then_some(exit.status)
    }

    /// Whether everything the ended command wrote has been read.
    fn drained(&self) -> bool {
        let enough = |exit: Exit| exit.drained_bytes >= DRAIN_BYTES_MAX;
        self.closed_until.is_some() || self.quiet || self.exit.is_some_and(enough)
    }

    fn wait(&mut self, queue: &Queue) -> io::Result<Ready> {
        let now = Instant::now();
        if self.closed_until.is_some_and(|until| until <= now) && self.exit.is_none() {
            self.closed_until = None;
        }
        let room = queue.has_room();
        let reads_pty = room && self.to_user.has_room() && self.closed_until.is_none();
        let writes_pty = !self.to_command.is_empty() && self.closed_until.is_none();
        let mut pty_flags = PollFlags::empty();
        pty_flags.set(PollFlags::IN, reads_pty);
        pty_flags.set(PollFlags::OUT, writes_pty);
        let reads_user = self.to_command.has_room() && (room || !self.rules.captures_input);
        let interest = Interest {
            wake_up: &self.wake_up,
            pty: &self.pty.master,
            pty_flags,
            user_input: self.user.input.as_ref().filter(|_| reads_user),
            user_output: self.user.output.as_ref().filter(|_| !self.to_user.is_empty()),
            deadline: self.deadline(reads_pty),
        };
        let ready = interest.wait()?;
        if !reads_pty {
            self.active = Instant::now();
        }
        // Only a look at the terminal tells that it is silent; this thread may just have been slow.
        self.quiet =
            reads_pty && !ready.pty.contains(PollFlags::IN) && self.active.elapsed() >= DRAIN_QUIET;
        Ok(ready)
    }

    /// The nearest time at which something is due without any news. One that has passed means
    /// not to wait; what is due then is done, so it does not pass twice.
    fn deadline(&self, reads_pty: bool) -> Option<Instant> {
        let kill_at = match self.ending {
            Ending::HungUp { kill_at } => Some(kill_at),
            Ending::No | Ending::Killed => None,
        };
        let quiet_at = (reads_pty && !self.quiet).then_some(self.active + DRAIN_QUIET);
        let shown_at = (self.stopped.is_some() && self.drained()).then_some(SHOW_WAIT);
        let after_exit = self.exit.and_then(|exit| {
            [quiet_at, shown_at.map(|wait| exit.seen + wait)].into_iter().flatten().min()
        });
        let reopen_at = self.closed_until.filter(|_| self.exit.is_none());
        [kill_at, after_exit, reopen_at].into_iter().flatten().min()
    }

    fn read_pty(&mut self, queue: &Queue, buffer: &mut [u8]) -> io::Result<()> {
        match rustix::io::read(&self.pty.master, &mut *buffer) {
            // EIO: nobody has the other side open, and everything written there has been read.
            Ok(0) | Err(Errno::IO) => {
                self.closed_until = Some(Instant::now() + REOPEN_WAIT);
                Ok(())
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
            Ok(read) => {
                self.active = Instant::now();
                if let Some(exit) = &mut self.exit {
                    exit.drained_bytes += read;
                }
                let bytes = &buffer[..read];
                if self.user.output.is_some() {
                    self.to_user.push(bytes);
                }
                queue.push(self.record(Happened::Output(bytes.to_vec())));
                Ok(())
            }
        }
    }

    fn read_user(&mut self, queue: &Queue, buffer: &mut [u8]) {
        let Some(input) = &self.user.input else {
            return;
        };
        match rustix::io::read(input, &mut *buffer) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            // A terminal that is gone (EIO), a descriptor that cannot be read: there is no more.
            Ok(0) | Err(_) => {
                self.user.input = None;
                self.input_ended();
            }
            Ok(read) => {
                let bytes = &buffer[..read];
                self.mid_line = bytes.last() != Some(&b'\n');
                self.to_command.push(bytes);
                if self.rules.captures_input {
                    queue.push(self.record(Happened::Input(bytes.to_vec())));
                }
            }
        }
    }

    /// Tells the command that nothing more will be typed. After half a line the first end-of-file
    /// character only hands that over, and it takes a second to say so.
    fn input_ended(&mut self) {
        let end = self.pty.end_of_file();
        let times = if self.mid_line { 2 } else { 1 };
        self.to_command.push(&[end; 2][..times]);
    }

    fn write_user(&mut self) {
        let Some(output) = &self.user.output else {
            return;
        };
        if self.to_user.write_to(output).is_err() {
            // The user's terminal or pipe is gone. The recording is not.
            self.user.output = None;
            self.to_user.clear();
        }
    }

    fn record(&self, happened: Happened) -> Record {
        Record { at: self.started.elapsed(), happened }
    }
}

/// Closes the queue on every way out, or the encoder would wait for ever.
struct Closing<'a>(&'a Queue);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}
