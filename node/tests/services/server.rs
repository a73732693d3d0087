//! A running node: one process, or one for each service.

use std::{
    io::{BufReader, Read},
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{client::Client, support::BINARY};

/// What takes longer hangs.
const PATIENCE: Duration = Duration::from_mins(1);
/// What services know each other by in these tests.
const SERVICE_SECRET: &str = "service-secret-of-the-tests-0123456789";

/// How the node runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    /// `run`
    One,
    /// `serve`, once for each service.
    Each,
}

impl Form {
    pub(crate) const BOTH: [Self; 2] = [Self::One, Self::Each];
}

/// Every service, the gateway last, with the setting that says where it is.
pub(crate) const SERVICES: [(&str, Option<&str>); 9] = [
    ("session-encryptor", Some("LUCID_SESSION_ENCRYPTOR_URL")),
    ("session-orchestrator", Some("LUCID_SESSION_ORCHESTRATOR_URL")),
    ("session-chunker", Some("LUCID_SESSION_CHUNKER_URL")),
    ("merkle-builder", Some("LUCID_MERKLE_BUILDER_URL")),
    ("authentication", Some("LUCID_AUTHENTICATION_URL")),
    ("blockchain-ledger", Some("LUCID_BLOCKCHAIN_LEDGER_URL")),
    ("blockchain-sessions-data", Some("LUCID_BLOCKCHAIN_SESSIONS_DATA_URL")),
    ("api-server", Some("LUCID_API_SERVER_URL")),
    ("api-gateway", None),
];

/// The services that are there where the node has a chain.
const CHAIN: [(&str, Option<&str>); 3] = [
    ("blockchain-vm", Some("LUCID_BLOCKCHAIN_VM_URL")),
    ("blockchain-api", Some("LUCID_BLOCKCHAIN_API_URL")),
    ("blockchain-governance", Some("LUCID_BLOCKCHAIN_GOVERNANCE_URL")),
];

/// A running node. Killed when dropped.
pub(crate) struct Server {
    form: Form,
    gateway: SocketAddr,
    /// Names, ports and processes.
    services: Vec<(String, SocketAddr, Process)>,
    settings: Vec<(String, String)>,
    data: std::path::PathBuf,
}

struct Process {
    child: Child,
    log: thread::JoinHandle<String>,
}

/// A port that is free, and that no connection takes before a service does: those of connections begin at
/// 32,768 (Linux's `ip_local_port_range`).
fn free() -> SocketAddr {
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 20_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Apart from what other processes of tests begin with.
    let begin = std::process::id().wrapping_mul(97);
    loop {
        let place = begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = u16::try_from(FIRST + place).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

impl Server {
    /// Starts a node with its data in `folder` and waits until it is ready.
    pub(crate) fn start(form: Form, folder: &Path) -> Self {
        Self::start_with(form, folder, &[])
    }

    /// Starts a node with further settings, as environment variables, and waits until it is ready.
    pub(crate) fn start_with(form: Form, folder: &Path, settings: &[(&str, &str)]) -> Self {
        let mut server = Self::start_unready(form, folder, settings);
        server.wait_ready();
        server
    }

    /// Starts a node that may never be ready.
    pub(crate) fn start_unready(form: Form, folder: &Path, settings: &[(&str, &str)]) -> Self {
        let names: Vec<_> = match form {
            Form::One => vec![("run", None)],
            Form::Each => {
                let has_chain = settings.contains(&("LUCID_CHAIN", "true"));
                has_chain.then_some(CHAIN).into_iter().flatten().chain(SERVICES).collect()
            }
        };
        let places: Vec<_> = names.iter().map(|_| free()).collect();
        let mut environment: Vec<_> = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        for ((_, variable), place) in names.iter().zip(&places) {
            environment.extend(variable.map(|name| (name.to_owned(), format!("http://{place}"))));
        }
        environment.push(("LUCID_SERVICE_SECRET".to_owned(), SERVICE_SECRET.to_owned()));
        let mut server = Self {
            form,
            gateway: *places.last().unwrap(),
            services: Vec::new(),
            settings: environment,
            data: folder.to_owned(),
        };
        for ((name, _), place) in names.iter().zip(places) {
            let process = server.spawn(name, place);
            server.services.push(((*name).to_owned(), place, process));
        }
        server
    }

    fn spawn(&self, name: &str, place: SocketAddr) -> Process {
        let mut command = Command::new(BINARY);
        command.env_clear().envs(self.settings.iter().map(|(name, value)| (name, value)));
        match self.form {
            Form::One => command.arg("run").arg("--data").arg(self.data.join("data")),
            Form::Each => command.args(["serve", name]).arg("--data").arg(self.data.join(name)),
        };
        command.arg("--listen").arg(place.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let log = thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        Process { child, log }
    }

    /// Waits until every service says that it is ready.
    pub(crate) fn wait_ready(&mut self) {
        let start = Instant::now();
        for place in 0..self.services.len() {
            loop {
                let (name, address, process) = &mut self.services[place];
                if let Some(status) = process.child.try_wait().unwrap() {
                    let (name, _, process) = self.services.swap_remove(place);
                    panic!("{name} ended with {status}: {}", process.log.join().unwrap());
                }
                let ready = Client::new(*address).get("/ready");
                if ready.is_some_and(|answer| answer.status == 200) {
                    break;
                }
                assert!(start.elapsed() < PATIENCE, "{name} is not ready");
                thread::sleep(Duration::from_millis(5));
            }
        }
    }

    /// A client of the gateway.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.gateway)
    }

    /// The process that is a witness, and asks others.
    pub(crate) fn ledger(&self) -> &'static str {
        match self.form {
            Form::One => "run",
            Form::Each => "blockchain-ledger",
        }
    }

    /// The process that has the chain.
    pub(crate) fn chain(&self) -> &'static str {
        match self.form {
            Form::One => "run",
            Form::Each => "blockchain-vm",
        }
    }

    /// The process that has the index of sessions.
    pub(crate) fn index(&self) -> &'static str {
        match self.form {
            Form::One => "run",
            Form::Each => "blockchain-sessions-data",
        }
    }

    /// The folder that the index of sessions is in.
    pub(crate) fn index_folder(&self) -> std::path::PathBuf {
        let folder = match self.form {
            Form::One => "data",
            Form::Each => "blockchain-sessions-data",
        };
        self.data.join(folder).join("sessions-data")
    }

    /// The process that follows decisions.
    pub(crate) fn governance(&self) -> &'static str {
        match self.form {
            Form::One => "run",
            Form::Each => "blockchain-governance",
        }
    }

    /// A client of one service, past the gateway.
    pub(crate) fn service(&self, name: &str) -> Client {
        let found = self.services.iter().find(|(service, ..)| service == name);
        Client::new(found.expect("a service of this form").1)
    }

    /// The process that uploads go to.
    pub(crate) fn holder(&self) -> &'static str {
        match self.form {
            Form::One => "run",
            Form::Each => "session-chunker",
        }
    }

    /// Kills one service with SIGKILL.
    pub(crate) fn kill_one(&mut self, name: &str) {
        let (_, _, process) = self.one(name);
        let _ = process.child.kill();
        process.child.wait().unwrap();
    }

    /// Starts a service that was killed, with further settings.
    pub(crate) fn spawn_one(&mut self, name: &str, settings: &[(&str, &str)]) {
        let place = self.one(name).1;
        let before = self.settings.clone();
        // What comes later wins.
        let settings = settings.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        self.settings.extend(settings);
        let process = self.spawn(name, place);
        self.settings = before;
        self.one(name).2 = process;
    }

    /// Kills one service, and starts it again with further settings.
    pub(crate) fn restart_one(&mut self, name: &str, settings: &[(&str, &str)]) {
        self.kill_one(name);
        self.spawn_one(name, settings);
        let client = self.service(name);
        let start = Instant::now();
        while client.get("/health").is_none() {
            assert!(start.elapsed() < PATIENCE, "{name} does not answer");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn one(&mut self, name: &str) -> &mut (String, SocketAddr, Process) {
        let found = self.services.iter_mut().find(|(service, ..)| service == name);
        found.expect("a service of this form")
    }

    /// Kills the node with SIGKILL, whatever it does, and starts it again with the same data and ports.
    pub(crate) fn kill_and_restart(&mut self) {
        self.kill();
        let services = std::mem::take(&mut self.services);
        for (name, place, _) in services {
            let process = self.spawn(&name, place);
            self.services.push((name, place, process));
        }
        self.wait_ready();
    }

    fn kill(&mut self) {
        for (_, _, process) in &mut self.services {
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
    }

    /// Asks the node to stop, as systemd and docker do; gives what each process wrote to its log, and
    /// that all of them ended well.
    pub(crate) fn stop(mut self) -> String {
        let mut logs = String::new();
        // The gateway first, as compose stops what depends on others before the others.
        for (name, _, process) in std::mem::take(&mut self.services).into_iter().rev() {
            let Process { mut child, log } = process;
            kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
            let status = child.wait().unwrap();
            let log = log.join().unwrap();
            assert!(status.success(), "{name} ended with {status}: {log}");
            logs.push_str(&log);
        }
        logs
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            for (name, _, process) in std::mem::take(&mut self.services) {
                eprintln!("--- {name}\n{}", process.log.join().unwrap_or_default());
            }
        }
    }
}
