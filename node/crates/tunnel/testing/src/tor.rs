//! One tor.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    TestingError,
    torrc::{Ports, Role, torrc},
};

/// The way out where there is none.
const INSTALL: &str = "install tor with: apt-get install -y --no-install-recommends tor";

/// A tor of its own, killed when dropped.
pub struct Tor {
    /// What the network calls it.
    pub name: String,
    folder: PathBuf,
    ports: Ports,
    child: Option<Child>,
}

impl Tor {
    pub(crate) fn new(
        name: &str,
        root: &Path,
        address: Ipv4Addr,
        role: Role,
        more: &str,
    ) -> Result<Self, TestingError> {
        let folder = root.join(name);
        private_folder(&folder)?;
        let port = |wanted| if wanted { crate::free_port(address) } else { 0 };
        let is_client = role == Role::Client;
        let ports = Ports {
            address,
            relay: port(!is_client),
            directory: port(!is_client),
            control: port(true),
            socks: port(is_client),
        };
        let tor = Self { name: name.to_owned(), folder, ports, child: None };
        let text = torrc(role, name, &tor.folder, ports, more);
        fs::write(tor.folder.join("torrc"), text).map_err(|e| TestingError::of("a torrc", e))?;
        Ok(tor)
    }

    /// Adds lines to its configuration, for its next start.
    ///
    /// # Errors
    /// [`TestingError`].
    pub fn configure(&self, lines: &str) -> Result<(), TestingError> {
        let path = self.folder.join("torrc");
        let text = fs::read_to_string(&path).map_err(|e| TestingError::of("a torrc", e))?;
        fs::write(path, text + lines).map_err(|e| TestingError::of("a torrc", e))
    }

    /// Starts it, or starts it again with what it had.
    ///
    /// # Errors
    /// [`TestingError`] where there is no tor.
    pub fn start(&mut self) -> Result<(), TestingError> {
        self.spawn(Command::new("tor"), INSTALL)
    }

    /// Starts it with a clock that is wrong by so much, such as `+2d`, as Debian's faketime makes it.
    ///
    /// # Errors
    /// [`TestingError`] where there is no faketime.
    pub fn start_at(&mut self, skew: &str) -> Result<(), TestingError> {
        let mut command = Command::new("faketime");
        command.args(["-f", skew, "tor"]);
        self.spawn(
            command,
            "install faketime with: apt-get install -y --no-install-recommends faketime",
        )
    }

    /// Destroys what it knows of the network, so that its next start is its first.
    ///
    /// # Errors
    /// [`TestingError`].
    pub fn forget(&self) -> Result<(), TestingError> {
        let wrong = |e| TestingError::of("tor's folder", e);
        for entry in fs::read_dir(&self.folder).map_err(wrong)? {
            let path = entry.map_err(wrong)?.path();
            if path.is_file() && path.file_name().is_some_and(|name| name != "torrc") {
                fs::remove_file(path).map_err(wrong)?;
            }
        }
        Ok(())
    }

    fn spawn(&mut self, mut command: Command, install: &str) -> Result<(), TestingError> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.folder.join("said"));
        let log = log.map_err(|e| TestingError::of("tor's output", e))?;
        command.arg("-f").arg(self.folder.join("torrc")).stdin(Stdio::null());
        command.stdout(log).stderr(Stdio::null());
        self.child = Some(command.spawn().map_err(|e| TestingError::of(install, e))?);
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

    /// Its process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Waits until it can be used, and knows of so many relays.
    ///
    /// # Errors
    /// [`TestingError`], with the end of its log.
    pub fn wait_until_ready(&self, relays: usize, time: Duration) -> Result<(), TestingError> {
        let until = Instant::now() + time;
        while !self.log().contains("Bootstrapped 100%") || self.relays_known() < relays {
            if Instant::now() > until {
                let text = format!(
                    "{} knows {} of {relays} relays; its log ends: {}",
                    self.name,
                    self.relays_known(),
                    self.log_tail()
                );
                return Err(TestingError(text));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Its fingerprint as a relay, forty digits, once it has written it.
    pub(crate) fn fingerprint(&self) -> Option<String> {
        let text = fs::read_to_string(self.folder.join("fingerprint")).ok()?;
        let digits = text.trim_end().split_once(' ')?.1;
        (digits.len() == 40).then(|| digits.to_owned())
    }

    /// Waits until it has a consensus of so many relays, and of so many that were measured.
    ///
    /// # Errors
    /// [`TestingError`], with the end of its log.
    pub(crate) fn wait_until_known(
        &self,
        relays: usize,
        measured: usize,
        time: Duration,
    ) -> Result<(), TestingError> {
        let until = Instant::now() + time;
        while self.relays_known() < relays || self.relays_measured() < measured {
            if Instant::now() > until {
                let (known, tail) = (self.relays_known(), self.log_tail());
                let name = &self.name;
                return Err(TestingError(format!(
                    "{name} knows {known} of {relays} relays, {} of {measured} measured; its log ends: {tail}",
                    self.relays_measured()
                )));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// The relays in the consensus that it has.
    fn relays_known(&self) -> usize {
        self.consensus().lines().filter(|line| line.starts_with("r ")).count()
    }

    /// Those of which the authorities know how much they carry.
    fn relays_measured(&self) -> usize {
        let is_measured =
            |line: &&str| line.starts_with("w Bandwidth=") && !line.contains("Unmeasured");
        self.consensus().lines().filter(is_measured).count()
    }

    fn consensus(&self) -> String {
        let path = self.folder.join("cached-microdesc-consensus");
        fs::read_to_string(path).unwrap_or_default()
    }

    /// Whether it ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| !matches!(child.try_wait(), Ok(None)))
    }

    /// Its control port, `IP:PORT`.
    #[must_use]
    pub fn control(&self) -> String {
        format!("{}:{}", self.ports.address, self.ports.control)
    }

    /// Its SOCKS port, `IP:PORT`, where it is a client.
    #[must_use]
    pub fn socks(&self) -> String {
        format!("{}:{}", self.ports.address, self.ports.socks)
    }

    /// What has it forget what it asked for, where its torrc has a cookie.
    #[must_use]
    pub fn forgetter(&self) -> Forgetter {
        Forgetter { control: self.control(), cookie: self.folder.join("control_auth_cookie") }
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn ports(&self) -> Ports {
        self.ports
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// The end of its log, for a failed test.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let said = fs::read_to_string(self.folder.join("said")).unwrap_or_default();
        let text = self.log() + &said;
        let from = text.len().saturating_sub(2000);
        text.get(from..).unwrap_or_default().to_owned()
    }
}

/// Has a tor forget what it asked the network for. Without that a client that asked once too early for a
/// descriptor, such as in the seconds around a new period, asks no relay again for five minutes.
#[derive(Clone, Debug)]
pub struct Forgetter {
    control: String,
    cookie: PathBuf,
}

impl Forgetter {
    /// Forgets, and uses new circuits from now on (`SIGNAL NEWNYM`, control-spec §3.7).
    ///
    /// # Errors
    /// [`TestingError`] where tor does not do it.
    pub fn forget(&self) -> Result<(), TestingError> {
        let wrong = |e| TestingError::of("the client's control port", e);
        let cookie = hex(&fs::read(&self.cookie).map_err(wrong)?);
        let mut control = TcpStream::connect(&self.control).map_err(wrong)?;
        control.set_read_timeout(Some(Duration::from_secs(10))).map_err(wrong)?;
        let line = format!("AUTHENTICATE {cookie}\r\nSIGNAL NEWNYM\r\nQUIT\r\n");
        control.write_all(line.as_bytes()).map_err(wrong)?;
        let mut said = String::new();
        control.read_to_string(&mut said).map_err(wrong)?;
        match said.lines().take(2).all(|line| line == "250 OK") {
            true => Ok(()),
            false => Err(TestingError(format!("tor does not forget: {said}"))),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Drop for Tor {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A folder that tor takes: nobody else may read it.
pub(crate) fn private_folder(path: &Path) -> Result<(), TestingError> {
    use std::os::unix::fs::DirBuilderExt;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|e| TestingError::of("a folder for tor", e))
}

/// Runs a tool of tor's to its end, and gives what it printed.
pub(crate) fn run(mut command: Command, what: &str) -> Result<String, TestingError> {
    let output = command.stdin(Stdio::null()).output().map_err(|e| TestingError::of(INSTALL, e))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(TestingError::of(what, String::from_utf8_lossy(&output.stderr).trim())),
    }
}
