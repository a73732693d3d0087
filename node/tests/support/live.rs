//! A command that is still running: it is fed, listened to, and ended from outside.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::Ran;

/// What takes longer hangs.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running command.
pub(crate) struct Live {
    shown: String,
    child: Child,
    /// Its standard input, until it is closed or given away.
    pub(crate) stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    heard: String,
    stdout: JoinHandle<Vec<u8>>,
}

impl Live {
    /// Starts `command` with pipes on all its ends.
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let shown = format!("{:?}", command.get_args().collect::<Vec<_>>());
        let mut child = command.spawn().unwrap();
        let (stdin, mut stdout) = (child.stdin.take(), child.stdout.take().unwrap());
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            // A line that a kill cut short was never said.
            let mut line = String::new();
            while stderr.read_line(&mut line).is_ok_and(|count| count > 0) && line.ends_with('\n') {
                let _ = sender.send(std::mem::take(&mut line));
            }
        });
        let stdout = thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = stdout.read_to_end(&mut bytes);
            bytes
        });
        Self { shown, child, stdin, lines, heard: String::new(), stdout }
    }

    /// Writes to its standard input.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stdin.as_mut().unwrap().write_all(bytes).unwrap();
    }

    /// The next line of standard error that is JSON; `None` when there are no more.
    pub(crate) fn event(&mut self) -> Option<Value> {
        loop {
            let line = match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => line,
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {
                    let _ = self.child.kill();
                    panic!("{} said nothing more after: {}", self.shown, self.heard)
                }
            };
            self.heard.push_str(&line);
            if let Ok(event) = serde_json::from_str(&line) {
                return Some(event);
            }
        }
    }

    /// Waits until it has the data folder: whatever signals it catches it catches from then on.
    pub(crate) fn has_folder(&mut self, data: &Path) {
        let deadline = Instant::now() + PATIENCE;
        let holder = || fs::read_to_string(data.join("lock")).unwrap_or_default();
        while holder().trim_end() != self.child.id().to_string() {
            assert!(self.child.try_wait().unwrap().is_none(), "{} ended", self.shown);
            assert!(Instant::now() < deadline, "{} does not open its folder", self.shown);
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits for the session's id.
    pub(crate) fn opened(&mut self) -> String {
        let event = self.event().unwrap_or_else(|| panic!("no session: {}", self.heard));
        assert_eq!(event["event"], "opened", "it comes before all others");
        super::text(&event["session_id"])
    }

    /// Waits until `bytes` are acknowledged.
    pub(crate) fn acknowledged(&mut self, bytes: u64) {
        while let Some(event) = self.event() {
            if event["event"] == "acknowledged" && event["done"].as_u64().unwrap() >= bytes {
                return;
            }
        }
        panic!("{} ended before {bytes} bytes were acknowledged: {}", self.shown, self.heard);
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Ends it at once, whatever it does.
    pub(crate) fn kill(mut self) -> Ran {
        self.child.kill().unwrap();
        self.end()
    }

    /// Waits for its end. Its standard input stays as it is.
    pub(crate) fn end(mut self) -> Ran {
        let stdin = self.stdin.take();
        while self.event().is_some() {}
        let status = self.child.wait().unwrap();
        drop(stdin);
        Ran::new(self.shown, status, self.stdout.join().unwrap(), self.heard)
    }

    /// Closes its standard input and waits for its end.
    pub(crate) fn close(mut self) -> Ran {
        drop(self.stdin.take());
        self.end()
    }
}
