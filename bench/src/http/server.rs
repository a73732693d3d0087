//! The node under measurement, and the wallet that signs in to it.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::quiet;

/// A node that used so little of a processor in a second has nothing more to do.
const AT_REST: f64 = 0.03;
/// Longest that it may take until then.
const PATIENCE: Duration = Duration::from_mins(20);

/// A wallet in a file.
pub(crate) struct Wallet {
    key: PathBuf,
    pub(crate) address: String,
}

impl Wallet {
    /// Makes a throwaway wallet.
    pub(crate) fn new(node: &Path, folder: &Path) -> Result<Self> {
        let key = folder.join("wallet.key");
        fs::write(&key, "11".repeat(32))?;
        let output = Command::new(node).args(["auth", "address", "--key"]).arg(&key).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let address = String::from_utf8(output.stdout)?.trim().to_owned();
        Ok(Self { key, address })
    }

    /// Signs a challenge; gives what a login takes.
    pub(crate) fn sign(&self, node: &Path, challenge: &Value) -> Result<Value> {
        let mut child = Command::new(node)
            .args(["auth", "sign", "--key"])
            .arg(&self.key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        child.stdin.take().context("a pipe")?.write_all(challenge.to_string().as_bytes())?;
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "the challenge cannot be signed");
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

/// A running node. Killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts a node and waits until it is ready; gives the seconds that took.
    pub(crate) fn start(node: &Path, data: &Path, wallet: &Wallet) -> Result<(Self, f64)> {
        Self::start_with(node, data, wallet, &[])
    }

    /// The same with more settings, as environment.
    pub(crate) fn start_with(
        node: &Path,
        data: &Path,
        wallet: &Wallet,
        settings: &[(&str, String)],
    ) -> Result<(Self, f64)> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let log = File::create(data.with_extension("log"))?;
        let start = Instant::now();
        let child = Command::new(node)
            .arg("run")
            .arg("--data")
            .arg(data)
            .args(["--listen", &address.to_string()])
            .env("LUCID_ADMINS", &wallet.address)
            .env("LUCID_REQUESTS_PER_MINUTE", "1000000")
            .env("LUCID_SIGN_INS_PER_MINUTE", "1000000")
            .env("LUCID_OPEN_SESSIONS_MAX", "100000")
            .env("LUCID_CONNECTIONS_PER_ADDRESS_MAX", "100000")
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        let mut server = Self { child, address };
        while !server.is_ready() {
            if let Some(status) = server.child.try_wait()? {
                anyhow::bail!("the node ended with {status}: see {}.log", data.display());
            }
            ensure!(start.elapsed() < Duration::from_mins(2), "the node is not ready");
            thread::sleep(Duration::from_millis(1));
        }
        Ok((server, start.elapsed().as_secs_f64()))
    }

    fn is_ready(&self) -> bool {
        let ask = || {
            let mut stream = TcpStream::connect(self.address)?;
            stream.write_all(b"GET /ready HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer)?;
            std::io::Result::Ok(answer.starts_with(b"HTTP/1.1 200"))
        };
        ask().unwrap_or(false)
    }

    /// Waits until the node has nothing more to do: the first start makes its indexes of a log.
    pub(crate) fn wait_until_at_rest(&self) -> Result<()> {
        let (begun, mut before) = (Instant::now(), f64::NEG_INFINITY);
        loop {
            let now: f64 = self.processor_s()?.iter().sum();
            if now - before < AT_REST {
                return Ok(());
            }
            ensure!(begun.elapsed() < PATIENCE, "the node does not come to rest");
            before = now;
            thread::sleep(Duration::from_secs(1));
        }
    }

    /// Memory that is resident now, in bytes.
    pub(crate) fn resident_bytes(&self) -> Result<u64> {
        self.status_bytes("VmRSS:")
    }

    /// The most memory that was resident so far, in bytes.
    pub(crate) fn peak_bytes(&self) -> Result<u64> {
        self.status_bytes("VmHWM:")
    }

    /// Seconds of processor time so far: in its own code, and in the kernel's on its behalf.
    pub(crate) fn processor_s(&self) -> Result<[f64; 2]> {
        quiet::processor_s(self.child.id())
    }

    fn status_bytes(&self, field: &str) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let line = line.with_context(|| format!("no {field}"))?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib << 10)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
