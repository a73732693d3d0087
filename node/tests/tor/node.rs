//! A running node that only tor reaches, and the commands about it.

use std::{
    fs::{self, OpenOptions},
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use lucid_tunnel_testing::Tor;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::BINARY;

/// How long anything may take on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_mins(3);

/// A command with nothing of the environment of whoever runs the tests.
pub(crate) fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.env_clear().args(arguments).arg("--data").arg(folder.join("data"));
    command.stdin(Stdio::null()).current_dir(folder);
    command
}

pub(crate) struct Node {
    folder: tempfile::TempDir,
    command: &'static [&'static str],
    settings: Vec<(&'static str, String)>,
    child: Child,
}

impl Node {
    /// Starts a node with the tor that is controlled there.
    pub(crate) fn start(tor: &Tor) -> Self {
        Self::spawned(&["run"], tor, ("LUCID_ONION_ONLY", "true".to_owned()))
    }

    /// Starts what keeps the onion services in a process of its own, for the gateway of `node`.
    pub(crate) fn start_proxy(tor: &Tor, node: &Self) -> Self {
        let target = node.settings[0].1.clone();
        Self::spawned(&["serve", "tor-proxy"], tor, ("LUCID_ONION_TARGET", target))
    }

    /// Starts what looks at the onion services of `proxy` from outside, through `tor`.
    pub(crate) fn start_tools(tor: &Tor, proxy: &Self) -> Self {
        let settings = vec![
            ("LUCID_TOR_PROXY_URL", format!("http://{}", proxy.settings[0].1)),
            ("LUCID_PROXY", format!("socks5h://{}", tor.socks())),
            ("LUCID_ONION_CHECK_INTERVAL_MS", "1000".to_owned()),
        ];
        Self::with_settings(&["serve", "tunnel-tools"], settings)
    }

    /// Starts a node where no tor is.
    pub(crate) fn without_tor() -> Self {
        let control = format!("127.0.0.1:{}", lucid_tunnel_testing::free_port(Ipv4Addr::LOCALHOST));
        Self::with_settings(&["run"], vec![("LUCID_TOR_CONTROL", control)])
    }

    fn spawned(command: &'static [&'static str], tor: &Tor, more: (&'static str, String)) -> Self {
        let cookie = tor.folder().join("control_auth_cookie").display().to_string();
        let of_tor = vec![("LUCID_TOR_CONTROL", tor.control()), ("LUCID_TOR_COOKIE_FILE", cookie)];
        Self::with_settings(command, [of_tor, vec![more]].concat())
    }

    fn with_settings(command: &'static [&'static str], more: Vec<(&'static str, String)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = lucid_tunnel_testing::free_port(Ipv4Addr::LOCALHOST);
        let mut settings = vec![
            ("LUCID_LISTEN", format!("127.0.0.1:{port}")),
            ("LUCID_ONION", "true".to_owned()),
            ("LUCID_SERVICE_SECRET", "service-secret-of-the-tests-0123456789".to_owned()),
        ];
        settings.extend(more);
        let child = spawn(folder.path(), command, &settings);
        Self { folder, command, settings, child }
    }

    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.folder.path().join("data").join(name)
    }

    /// A name beside the data folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a command, which must end with `code`; gives what it said.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str], code: i32) -> String {
        let (status, out, err) = self.ran(arguments);
        assert_eq!(status, Some(code), "{arguments:?}\n{out}{err}{}", self.log());
        out + &err
    }

    /// Runs a command whose standard output is a device, which must end with `code`; gives what else it said.
    #[track_caller]
    pub(crate) fn run_into(&self, device: &str, arguments: &[&str], code: i32) -> String {
        let device = OpenOptions::new().write(true).open(device).unwrap();
        let mut command = command(self.folder.path(), arguments);
        command.envs(self.settings.iter().map(|(a, b)| (a, b))).stdout(device);
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{said}{}", self.log());
        said
    }

    /// The one JSON object that a command printed, which must end with `code`.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str], code: i32) -> Value {
        let (status, out, err) = self.ran(&[arguments, &["--json"]].concat());
        assert_eq!(status, Some(code), "{arguments:?}\n{out}{err}{}", self.log());
        serde_json::from_str(&out).unwrap()
    }

    fn ran(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = command(self.folder.path(), arguments);
        let output = command.envs(self.settings.iter().map(|(a, b)| (a, b))).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// How it is with tor and the services.
    pub(crate) fn state(&self) -> Value {
        self.until("it answers", |_| true)
    }

    /// Waits until it is so.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let (_, out, err) = self.ran(&["tunnel", "status", "--json"]);
            // A node that starts has no socket yet.
            let state = serde_json::from_str(&out).ok().filter(|state| is_so(state));
            if let Some(state) = state {
                return state;
            }
            assert!(begun.elapsed() < PATIENCE, "{what}: {out}{err}{}", self.log());
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Waits until a service's current address is published, and gives it.
    #[track_caller]
    pub(crate) fn published(&self, name: &str) -> String {
        let current = |state: &Value| {
            let services = state["services"].as_array()?;
            let service = services.iter().find(|service| service["name"] == name)?;
            let one = service["addresses"].get(0)?;
            let is_published = one["stage"] == "published";
            is_published.then(|| one["address"].as_str().unwrap().to_owned())
        };
        let state = self.until("it is published", |state| current(state).is_some());
        current(&state).unwrap()
    }

    /// As a power cut would.
    pub(crate) fn kill_and_start(&mut self) {
        self.kill_and_start_with(Vec::new());
    }

    /// The same, with these variables beside its settings for this start.
    pub(crate) fn kill_and_start_with(&mut self, more: Vec<(&'static str, String)>) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        assert!(self.data("tunnel.socket").exists(), "this is what a kill leaves");
        let settings = [self.settings.clone(), more].concat();
        self.child = spawn(self.folder.path(), self.command, &settings);
    }

    /// Runs a command until it says so.
    #[track_caller]
    pub(crate) fn until_said(&self, arguments: &[&str], what: &str) -> String {
        let begun = Instant::now();
        loop {
            let (_, out, err) = self.ran(arguments);
            let said = out + &err;
            if said.contains(what) {
                return said;
            }
            assert!(begun.elapsed() < PATIENCE, "{what}: {said}{}", self.log());
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// What it measures.
    pub(crate) fn metrics(&self) -> String {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--fail", &format!("http://{}/metrics", self.settings[0].1)]);
        String::from_utf8(curl.output().unwrap().stdout).unwrap()
    }

    /// Stops it in order.
    pub(crate) fn stop(mut self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {}", self.log());
        assert!(!self.data("tunnel.socket").exists());
    }

    fn log(&self) -> String {
        fs::read_to_string(self.file("log")).unwrap_or_default()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // One that was stopped is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(folder: &Path, serve: &[&str], settings: &[(&'static str, String)]) -> Child {
    let log = OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
    let mut command = command(folder, serve);
    command.envs(settings.iter().map(|(a, b)| (a, b))).stdout(Stdio::null()).stderr(log);
    command.spawn().unwrap()
}
