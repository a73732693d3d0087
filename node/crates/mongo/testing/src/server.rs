//! One server.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::TestingError;

/// How long a server may take to stop when it is asked to.
const STOP: Duration = Duration::from_secs(20);
/// Ports below those that outgoing connections take.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A mongod of its own, stopped when dropped.
pub struct Server {
    program: PathBuf,
    folder: PathBuf,
    log: PathBuf,
    arguments: Vec<String>,
    /// Its port on loopback.
    pub port: u16,
    child: Option<Child>,
}

impl Server {
    pub(crate) fn new(program: &Path, folder: &Path, log: PathBuf, arguments: Vec<String>) -> Self {
        let (program, folder) = (program.to_owned(), folder.to_owned());
        Self { program, folder, log, arguments, port: free_port(), child: None }
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Starts it, or starts it again with the data it had.
    ///
    /// # Errors
    /// [`TestingError`].
    pub fn start(&mut self) -> Result<(), TestingError> {
        fs::create_dir_all(&self.folder).map_err(|e| TestingError::of("a folder for data", e))?;
        let log = fs::OpenOptions::new().create(true).append(true).open(&self.log);
        let log = log.map_err(|e| TestingError::of("mongod's log", e))?;
        let mut command = Command::new(&self.program);
        command.args(["--bind_ip", "127.0.0.1", "--nounixsocket", "--dbpath"]).arg(&self.folder);
        command.args(["--port", &self.port.to_string()]);
        command.args(&self.arguments).stdin(Stdio::null()).stdout(log).stderr(Stdio::null());
        let child = command.spawn().map_err(|e| TestingError::of("starting mongod", e))?;
        self.child = Some(child);
        Ok(())
    }

    /// Kills it with SIGKILL, as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // One that is gone already is what was wanted.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Stops it in order.
    pub fn stop(&mut self) {
        let Some(child) = &mut self.child else { return };
        if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let until = Instant::now() + STOP;
        while Instant::now() < until {
            if matches!(child.try_wait(), Ok(Some(_)) | Err(_)) {
                self.child = None;
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.kill();
    }

    /// Whether it ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None)))
    }

    /// Whether its log has these words.
    #[must_use]
    pub fn has_logged(&self, words: &str) -> bool {
        fs::read_to_string(&self.log).unwrap_or_default().contains(words)
    }

    /// The end of its log, for a failed test.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let from = text.len().saturating_sub(3000);
        text.get(from..).unwrap_or_default().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A test's data is thrown away: nothing is worth waiting for.
        self.kill();
    }
}

/// A port that nobody listens on.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let spread = (std::process::id() as u16).wrapping_mul(37);
    let count = PORTS.end - PORTS.start;
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = PORTS.start + spread.wrapping_add(step) % count;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
