//! Runs a command in a pseudo-terminal and records it.
//!
//! Three parts, so that none can make another wait unseen: the *relay* thread is the only one that
//! touches the pseudo-terminal, the user's terminal and the command; a queue bounded in bytes
//! carries events; the calling thread encodes them into the sink. A sink that blocks fills the
//! queue, a full queue stops the reading of the pseudo-terminal, and the kernel then stops the
//! command at its next write. Signals, window size and typing stay served all the while.
//!
//! Ends: the command exits (its last output is drained first), a signal asks to stop or the sink
//! fails (the command is hung up, given [`RecordOptions::hangup_grace`], then killed).

use std::ffi::OsString;
use std::fmt;
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::OwnedFd;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::RecordError;
use crate::asciicast::Size;

mod command;
mod pty;
mod queue;
mod relay;
mod session;
mod signals;
mod terminal;
mod waker;

use session::Session;

/// How long an encoded event waits before it is flushed to the sink: what a crash may lose.
pub const FLUSH_INTERVAL: Duration = Duration::from_millis(250);

/// What to record, and how. [`RecordOptions::new`] has the defaults.
#[derive(Debug)]
pub struct RecordOptions {
    /// The program and its arguments. A name without a slash is looked up in `PATH`.
    pub command: Vec<OsString>,
    /// When it begins, in seconds since 1970 (UTC), for the header.
    pub timestamp: u64,
    /// A fixed terminal size. `None`: the size of the user's terminal, followed when it changes;
    /// 80x24 without one.
    pub size: Option<Size>,
    /// A title, for the header.
    pub title: Option<String>,
    /// Whether to record what is typed, passwords included. Off by default.
    pub capture_input: bool,
    /// Names of environment variables to put into the header. `SHELL` by default; `TERM` has its
    /// own place there.
    pub env: Vec<String>,
    /// Names of environment variables that the command does not get: the recorder's own secrets.
    pub env_remove: Vec<OsString>,
    /// Where typing comes from. A terminal is put into raw mode. From anything else, the end of
    /// the input reaches the command as its end-of-file character (^D), and the pseudo-terminal
    /// does not echo, as with `script`. [`Attach::Standard`] by default.
    pub input: Attach,
    /// Where the output is shown besides being recorded. [`Attach::Terminal`] by default.
    pub output: Attach,
    /// How long a command that was hung up may take to end before it is killed. 2 s by default.
    pub hangup_grace: Duration,
}

impl RecordOptions {
    /// The defaults for a command that starts now.
    pub fn new(command: impl IntoIterator<Item = impl Into<OsString>>, timestamp: u64) -> Self {
        Self {
            command: command.into_iter().map(Into::into).collect(),
            timestamp,
            size: None,
            title: None,
            capture_input: false,
            env: vec!["SHELL".into()],
            env_remove: Vec::new(),
            input: Attach::Standard,
            output: Attach::Terminal,
            hangup_grace: Duration::from_secs(2),
        }
    }
}

/// One end of the user's side.
#[derive(Debug, Default)]
pub enum Attach {
    /// Standard input or output if it is a terminal, else nothing.
    Terminal,
    /// Standard input or output, whatever it is.
    #[default]
    Standard,
    /// This descriptor.
    Descriptor(OwnedFd),
    /// Nothing: no input (at its end from the start), or output that nobody sees.
    Nothing,
}

/// How the command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// It returned this status.
    Exited(i32),
    /// This signal killed it.
    Signaled(i32),
}

impl ExitStatus {
    /// The status as shells give it and as the recording has it: 128 + n for signal n.
    pub fn code(self) -> i32 {
        match self {
            Self::Exited(status) => status,
            Self::Signaled(signal) => 128 + signal,
        }
    }

    /// Whether the command said that it went well.
    pub fn success(self) -> bool {
        self == Self::Exited(0)
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(out, "exit status {status}"),
            Self::Signaled(signal) => write!(out, "killed by {}", signals::name(*signal)),
        }
    }
}

/// Why a recording ended before its command did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopCause {
    /// The recorder got this signal.
    Signal(i32),
    /// Whoever takes the stream stopped taking it.
    Sink,
}

impl fmt::Display for StopCause {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal(signal) => write!(out, "recording stopped by {}", signals::name(*signal)),
            Self::Sink => out.write_str("recording stopped: its sink failed"),
        }
    }
}

/// A recording that is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// How the command ended; the stream's last event has its code.
    pub status: ExitStatus,
    /// What cut the recording short, if anything; a marker in the stream says so too.
    pub stopped: Option<StopCause>,
}

/// Records a command into `sink`, until the command or the recording ends.
///
/// While it runs, SIGTERM, SIGINT and SIGHUP hang the command up and end the recording in order
/// (a signal that was ignored before, as under nohup, stays ignored); a second one kills the
/// command at once. SIGWINCH resizes. The handlers are process-wide. Afterwards these signals have
/// their default effect again, unless something else in the process handled them before.
///
/// The sink is written and flushed by the calling thread.
///
/// # Errors
/// Before the command starts: that it cannot. Later: [`RecordError::Sink`] when the sink fails,
/// [`RecordError::Relay`] when the pseudo-terminal does.
pub fn record(options: RecordOptions, sink: &mut dyn Write) -> Result<Outcome, RecordError> {
    Session::start(options)?.run(sink)
}

/// Starts a recording to be pulled from; see [`record`].
///
/// # Errors
/// That the command cannot be started.
pub fn spawn(options: RecordOptions) -> Result<Recording, RecordError> {
    let session = Session::start(options)?;
    let setup = |source| RecordError::Setup { source };
    let (reader, mut writer) = io::pipe().map_err(setup)?;
    let recorder = thread::Builder::new()
        .name("record-encode".into())
        .spawn(move || session.run(&mut writer))
        .map_err(setup)?;
    Ok(Recording { reader, recorder })
}

/// A recording that runs in the background: read it to its end, then [`Self::finish`].
#[derive(Debug)]
pub struct Recording {
    reader: PipeReader,
    recorder: JoinHandle<Result<Outcome, RecordError>>,
}

impl Recording {
    /// How it ended. A recording that was not read to its end is ended here: the command is hung
    /// up, and the answer is [`RecordError::Sink`].
    ///
    /// # Errors
    /// As [`record`].
    ///
    /// # Panics
    /// With the recorder's own panic, if it had one.
    pub fn finish(self) -> Result<Outcome, RecordError> {
        drop(self.reader);
        self.recorder.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Read for Recording {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}
