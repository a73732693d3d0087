//! What systemd is told of the node: that it is ready, how it is, that it lives, that it stops.
//!
//! The protocol is sd_notify(3)'s: one datagram of `NAME=value` lines to the socket that `NOTIFY_SOCKET`
//! names. Whoever started the node without that variable is told nothing. What the node needs to be well is
//! [`Readiness`]'s to say.
//!
//! Ready is told once the services are joined, not once every check is well: a start that fails because
//! the disk is full would take from the operator what still works. The watchdog (`WATCHDOG_USEC`) is fed as
//! long as the checks answer in time and nothing is wrong that a start mends; a node that hangs is started
//! again, one whose disk is full is not.

use std::{
    env,
    ffi::{OsStr, OsString},
    io,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
    process,
    sync::Arc,
    time::Duration,
};

use lucid_api::health::{Check, Readiness};
use tokio::{task::AbortHandle, time};

use super::{late::STARTING, readiness::LEDGER_LOG};

/// How often a start is looked at.
const STARTING_EVERY: Duration = Duration::from_millis(200);
/// How often systemd is told how the node is, where it has no watchdog.
const TELL_EVERY: Duration = Duration::from_secs(30);
/// A watchdog that wants to hear more often than this would be a load of its own.
const WATCHDOG_MIN: Duration = Duration::from_secs(1);

/// What is told to systemd as long as this is kept.
pub(super) struct Attended {
    supervisor: Arc<Supervisor>,
    task: AbortHandle,
}

/// Begins to tell whoever supervises this process how `readiness` is; `None` where nobody does.
pub(super) fn attend(readiness: Arc<dyn Readiness>) -> Option<Attended> {
    let supervisor = Supervisor::of_process()?;
    let supervisor = Arc::new(supervisor);
    let task = tokio::spawn(Arc::clone(&supervisor).attend(readiness)).abort_handle();
    Some(Attended { supervisor, task })
}

impl Attended {
    /// Tells that the node stops, and that it may take `time`.
    pub(super) fn stopping(&self, time: Duration) {
        let micros = time.as_micros();
        self.supervisor.tell(&format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={micros}\nSTATUS=stopping"));
    }
}

impl Drop for Attended {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Who is told.
struct Supervisor {
    socket: UnixDatagram,
    address: SocketAddr,
    /// The watchdog bites where it hears nothing for as long as this.
    watchdog: Option<Duration>,
}

impl Supervisor {
    /// Whoever supervises this process.
    fn of_process() -> Option<Self> {
        let name = env::var_os("NOTIFY_SOCKET")?;
        let watchdog = watchdog(env::var_os("WATCHDOG_USEC"), env::var_os("WATCHDOG_PID"));
        match Self::new(&name, watchdog) {
            Ok(supervisor) => Some(supervisor),
            Err(error) => {
                let name = name.to_string_lossy();
                tracing::warn!("systemd is told nothing: NOTIFY_SOCKET is {name:?}: {error}");
                None
            }
        }
    }

    /// # Errors
    /// Where `name` is neither a path from the root nor `@` and an abstract name.
    fn new(name: &OsStr, watchdog: Option<Duration>) -> io::Result<Self> {
        let address = match name.as_bytes() {
            [b'@', name @ ..] if !name.is_empty() => SocketAddr::from_abstract_name(name)?,
            [b'/', ..] => SocketAddr::from_pathname(name)?,
            _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no local socket")),
        };
        let socket = UnixDatagram::unbound()?;
        // Where systemd does not read, the node does not wait.
        socket.set_nonblocking(true)?;
        Ok(Self { socket, address, watchdog })
    }

    /// Tells how the node is, until it is dropped.
    async fn attend(self: Arc<Self>, readiness: Arc<dyn Readiness>) {
        let every = self.watchdog.map_or(TELL_EVERY, |time| (time / 3).max(WATCHDOG_MIN / 3));
        let mut told = String::new();
        let mut ready = false;
        loop {
            match time::timeout(every, readiness.checks()).await {
                Ok(checks) => {
                    ready |= !checks.iter().any(|check| check.name == STARTING && !check.ok);
                    let state = state(&checks, ready, self.watchdog.is_some());
                    if state != told || self.watchdog.is_some() {
                        self.tell(&state);
                        told = state;
                    }
                }
                Err(_) => tracing::error!("the node does not say in {every:?} how it is"),
            }
            time::sleep(if ready { every } else { STARTING_EVERY.min(every) }).await;
        }
    }

    fn tell(&self, state: &str) {
        if let Err(error) = self.socket.send_to_addr(state.as_bytes(), &self.address) {
            tracing::warn!("systemd cannot be told {state:?}: {error}");
        }
    }
}

/// The lines that say how the node is. `READY=1` again and again changes nothing.
fn state(checks: &[Check], ready: bool, watched: bool) -> String {
    let failed: Vec<_> = checks.iter().filter(|check| !check.ok).collect();
    let mut state = String::new();
    if ready {
        state.push_str("READY=1\n");
    }
    // A start repairs a log that takes no more entries; nothing else gets better by one.
    if watched && !failed.iter().any(|check| check.name == LEDGER_LOG) {
        state.push_str("WATCHDOG=1\n");
    }
    let status = failed.iter().map(|check| format!("{}: {}", check.name, check.detail));
    let status = status.collect::<Vec<_>>().join("; ");
    // A second line would be another message.
    let status = status.replace(['\n', '\r'], " ");
    state.push_str("STATUS=");
    state.push_str(if status.is_empty() { "ready" } else { &status });
    state
}

/// The watchdog's time, where it is meant for this process.
fn watchdog(micros: Option<OsString>, pid: Option<OsString>) -> Option<Duration> {
    let number = |text: OsString| text.to_str()?.parse::<u64>().ok();
    let of_this = pid.is_none_or(|pid| number(pid) == Some(process::id().into()));
    let micros = number(micros?).filter(|micros| *micros > 0)?;
    of_this.then(|| Duration::from_micros(micros).max(WATCHDOG_MIN))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use lucid_api::metrics::Measured;

    use super::*;

    /// What is scripted; `None` where no answer comes.
    struct Scripted(Mutex<Option<Vec<Check>>>);

    #[async_trait]
    impl Readiness for Scripted {
        async fn checks(&self) -> Vec<Check> {
            let checks = self.0.lock().unwrap().clone();
            match checks {
                Some(checks) => checks,
                None => std::future::pending().await,
            }
        }

        async fn measure(&self) -> Measured {
            Measured::default()
        }
    }

    /// The state that is told next, of those after what was on its way already.
    async fn next(socket: &tokio::net::UnixDatagram) -> String {
        let mut bytes = [0; 1024];
        let received = time::timeout(Duration::from_secs(20), socket.recv(&mut bytes)).await;
        let length = received.expect("something is told").unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    async fn until(socket: &tokio::net::UnixDatagram, state: &str) {
        while next(socket).await != state {}
    }

    /// A supervisor that a real socket stands for, and what it hears through a life of a node.
    async fn lives(name: &OsStr, socket: tokio::net::UnixDatagram) {
        let scripted = |checks| Some(checks);
        let readiness = Arc::new(Scripted(Mutex::new(scripted(vec![Check::failed(
            STARTING,
            "waiting for\nthe ledger",
        )]))));
        let supervisor = Supervisor::new(name, Some(WATCHDOG_MIN)).unwrap();
        let supervisor = Arc::new(supervisor);
        let task = tokio::spawn(Arc::clone(&supervisor).attend(readiness.clone())).abort_handle();
        let attended = Attended { supervisor, task };

        assert_eq!(next(&socket).await, "WATCHDOG=1\nSTATUS=start: waiting for the ledger");
        *readiness.0.lock().unwrap() = scripted(vec![Check::ok("store"), Check::ok(LEDGER_LOG)]);
        until(&socket, "READY=1\nWATCHDOG=1\nSTATUS=ready").await;
        // Again and again, or the watchdog bites.
        until(&socket, "READY=1\nWATCHDOG=1\nSTATUS=ready").await;
        *readiness.0.lock().unwrap() = scripted(vec![Check::failed("disk", "full")]);
        until(&socket, "READY=1\nWATCHDOG=1\nSTATUS=disk: full").await;
        // What a start mends is not hidden from the watchdog.
        *readiness.0.lock().unwrap() = scripted(vec![Check::failed(LEDGER_LOG, "stuck")]);
        until(&socket, &format!("READY=1\nSTATUS={LEDGER_LOG}: stuck")).await;
        attended.stopping(Duration::from_secs(20));
        until(&socket, "STOPPING=1\nEXTEND_TIMEOUT_USEC=20000000\nSTATUS=stopping").await;
        // A node that hangs says nothing.
        *readiness.0.lock().unwrap() = None;
        time::sleep(Duration::from_millis(400)).await;
        while socket.try_recv(&mut [0; 1024]).is_ok() {}
        time::sleep(WATCHDOG_MIN * 2).await;
        assert!(socket.try_recv(&mut [0; 1024]).is_err(), "a node that hangs feeds the watchdog");
    }

    #[tokio::test]
    async fn a_life_as_systemd_hears_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = tokio::net::UnixDatagram::bind(&path).unwrap();
        lives(path.as_os_str(), socket).await;
    }

    #[tokio::test]
    async fn an_abstract_socket_is_one_too() {
        let name = format!("lucid-test-{}", process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        socket.set_nonblocking(true).unwrap();
        let socket = tokio::net::UnixDatagram::from_std(socket).unwrap();
        lives(OsStr::new(&format!("@{name}")), socket).await;
    }

    #[test]
    fn what_is_no_socket_or_no_watchdog() {
        for name in ["", "@", "notify", "vsock:2:1234"] {
            assert!(Supervisor::new(OsStr::new(name), None).is_err(), "{name:?}");
        }
        let this = process::id().to_string();
        let check = |micros: &str, pid: Option<&str>, expected: Option<u64>| {
            let found = watchdog(Some(micros.into()), pid.map(Into::into));
            assert_eq!(found, expected.map(Duration::from_millis), "{micros} {pid:?}");
        };
        check("60000000", None, Some(60_000));
        check("60000000", Some(&this), Some(60_000));
        check("1000", Some(&this), Some(1_000));
        check("60000000", Some("1"), None);
        check("60000000", Some("x"), None);
        check("0", None, None);
        check("-1", None, None);
        check("60s", None, None);
        assert_eq!(watchdog(None, None), None);
    }
}
