//! A stranger's client: curl through a tor of its own.

use std::{
    fs,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use lucid_tunnel_testing::{Forgetter, Tor};
use serde_json::{Value, json};

use crate::support::BINARY;

/// How long anything may take on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_mins(3);

pub(crate) struct Client {
    socks: String,
    forgetter: Forgetter,
}

/// Who has signed in at an address.
pub(crate) struct Owner<'a> {
    client: &'a Client,
    address: String,
    token: String,
}

impl Client {
    /// Through this tor.
    pub(crate) fn through(tor: &Tor) -> Self {
        Self { socks: tor.socks(), forgetter: tor.forgetter() }
    }

    /// Waits until the node answers at an address. A client that asked for its descriptor before there was one would
    /// not ask again for minutes.
    #[track_caller]
    pub(crate) fn reached(&self, address: &str) {
        let begun = Instant::now();
        loop {
            match self.curl(address, "/health", &["--max-time", "20"], None) {
                Ok((200, body)) if body.starts_with(b"{\"status\":\"ok\"") => return,
                other => {
                    let said = other.map(|(status, body)| (status, String::from_utf8(body)));
                    assert!(begun.elapsed() < PATIENCE, "{address} is not reached: {said:?}");
                }
            }
            self.forgetter.forget().unwrap();
            thread::sleep(Duration::from_secs(1));
        }
    }

    /// One request: status and body.
    fn curl(
        &self,
        address: &str,
        path: &str,
        more: &[&str],
        body: Option<&[u8]>,
    ) -> Result<(u16, Vec<u8>), String> {
        let folder = tempfile::tempdir().unwrap();
        let (sent, got) = (folder.path().join("sent"), folder.path().join("got"));
        let mut curl = Command::new("curl");
        curl.env_clear().args(["--silent", "--show-error", "--max-time", "60"]);
        curl.args(["--socks5-hostname", &self.socks, "--write-out", "%{http_code}", "--output"]);
        curl.arg(&got).args(more);
        if let Some(body) = body {
            fs::write(&sent, body).unwrap();
            curl.arg("--data-binary").arg(format!("@{}", sent.display()));
        }
        let output = curl.arg(format!("http://{address}{path}")).output();
        let output = output.expect("apt-get install -y --no-install-recommends curl");
        if !output.status.success() {
            return Err(String::from_utf8(output.stderr).unwrap());
        }
        let status = String::from_utf8(output.stdout).unwrap().parse().unwrap();
        Ok((status, read(&got)))
    }

    /// Signs in with a throwaway wallet.
    pub(crate) fn signed_in(&self, address: &str) -> Owner<'_> {
        let folder = tempfile::tempdir().unwrap();
        let (key, asked) = (folder.path().join("key"), folder.path().join("challenge"));
        fs::write(&key, hex::encode([1; 32])).unwrap();
        let wallet = lucid_node(&["auth", "address", "--key", key.to_str().unwrap()], None);
        let wallet = String::from_utf8(wallet).unwrap();
        let mut owner = Owner { client: self, address: address.to_owned(), token: String::new() };
        let wallet = json!({"address": wallet.trim()}).to_string();
        let path = "/api/v1/auth/challenge";
        let challenge = owner.json("POST", path, Some(wallet.as_bytes()), 200);
        fs::write(&asked, challenge.to_string()).unwrap();
        let signed = lucid_node(&["auth", "sign", "--key", key.to_str().unwrap()], Some(&asked));
        let tokens = owner.json("POST", "/api/v1/auth/login", Some(&signed), 200);
        tokens["access_token"].as_str().unwrap().clone_into(&mut owner.token);
        owner
    }
}

impl Owner<'_> {
    #[track_caller]
    fn ask(&self, path: &str, more: &[&str], body: Option<&[u8]>) -> (u16, Vec<u8>) {
        let token = format!("Authorization: Bearer {}", self.token);
        let mut all = more.to_vec();
        if !self.token.is_empty() {
            all.extend(["--header", &token]);
        }
        self.client.curl(&self.address, path, &all, body).unwrap()
    }

    #[track_caller]
    pub(crate) fn json(&self, method: &str, path: &str, body: Option<&[u8]>, status: u16) -> Value {
        let more = ["--request", method, "--header", "Content-Type: application/json"];
        let (found, body) = self.ask(path, &more, body);
        assert_eq!(found, status, "{path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }

    /// One tus PATCH.
    #[track_caller]
    pub(crate) fn patch(&self, path: &str, offset: usize, body: &[u8]) {
        let offset = format!("Upload-Offset: {offset}");
        let mut more = vec!["--request", "PATCH", "--header", "Tus-Resumable: 1.0.0"];
        more.extend(["--header", "Content-Type: application/offset+octet-stream"]);
        more.extend(["--header", &offset]);
        let (status, said) = self.ask(path, &more, Some(body));
        assert_eq!(status, 204, "{path}: {}", String::from_utf8_lossy(&said));
    }

    #[track_caller]
    pub(crate) fn bytes(&self, path: &str) -> Vec<u8> {
        let (status, body) = self.ask(path, &[], None);
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
        body
    }
}

/// An answer without a body makes no file.
fn read(path: &Path) -> Vec<u8> {
    if path.exists() { fs::read(path).unwrap() } else { Vec::new() }
}

fn lucid_node(arguments: &[&str], stdin: Option<&Path>) -> Vec<u8> {
    let mut command = Command::new(BINARY);
    command.env_clear().args(arguments);
    if let Some(path) = stdin {
        command.stdin(fs::File::open(path).unwrap());
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
