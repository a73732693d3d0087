//! What an owner of sessions does with a node: sign in, record, read.

use anyhow::{Context as _, Result, ensure};

use super::{
    http::{Client, Request},
    inside::Inside,
};

/// The wallet of the test, on the card's data, so that it is the same after a power cut.
const WALLET: &str = "/data/boot-test.key";

/// A node, and somebody who is signed in.
#[derive(Debug)]
pub(super) struct Owner {
    client: Client,
    token: String,
}

/// Where a piece of an upload is to go.
const UPLOAD: [(&str, &str); 2] =
    [("Tus-Resumable", "1.0.0"), ("Content-Type", "application/offset+octet-stream")];

impl Owner {
    /// Signs in, with a wallet that is made where there is none.
    ///
    /// # Errors
    /// The node's, with what it says.
    pub(super) fn sign_in(client: Client, inside: &Inside) -> Result<Self> {
        let make = format!(
            "[ -e {WALLET} ] || lucid-node auth new --key {WALLET} >&2; lucid-node auth address --key {WALLET}"
        );
        let address = inside.run(&make, b"")?;
        let json = [("Content-Type", "application/json")];
        let ask = |path, body: &[u8]| {
            client.get(Request { method: "POST", path, token: None, headers: &json }, body)
        };
        let challenge =
            ask("/api/v1/auth/challenge", format!("{{\"address\":\"{address}\"}}").as_bytes())?;
        let signed =
            inside.run(&format!("lucid-node auth sign --key {WALLET}"), &challenge.body)?;
        let token = ask("/api/v1/auth/login", signed.as_bytes())?.text("access_token")?;
        Ok(Self { client, token })
    }

    /// Opens a session.
    ///
    /// # Errors
    /// The node's.
    pub(super) fn open(&self) -> Result<String> {
        let headers = [("Content-Type", "application/json")];
        let body = br#"{"media_type":"application/octet-stream"}"#;
        self.client
            .get(self.request("POST", "/api/v1/sessions", &headers), body)?
            .text("session_id")
    }

    /// Sends a piece, and says how much of the session is acknowledged then.
    ///
    /// # Errors
    /// The node's.
    pub(super) fn append(&self, session: &str, offset: u64, piece: &[u8]) -> Result<u64> {
        let (path, at) = (format!("/api/v1/sessions/{session}/upload"), offset.to_string());
        let headers = [UPLOAD[0], UPLOAD[1], ("Upload-Offset", &at)];
        let answer = self.client.get(self.request("PATCH", &path, &headers), piece)?;
        answer.header("upload-offset")?.parse().context("Upload-Offset is no number")
    }

    /// Sends a part of a piece that was announced as longer, and leaves it at that.
    ///
    /// # Errors
    /// The connection's.
    pub(super) fn begin(
        &self,
        session: &str,
        offset: u64,
        length: usize,
        part: &[u8],
    ) -> Result<std::net::TcpStream> {
        let (path, at) = (format!("/api/v1/sessions/{session}/upload"), offset.to_string());
        let headers = [UPLOAD[0], UPLOAD[1], ("Upload-Offset", &at)];
        self.client.send(self.request("PATCH", &path, &headers), length, part)
    }

    /// How much of the session is acknowledged.
    ///
    /// # Errors
    /// The node's.
    pub(super) fn offset(&self, session: &str) -> Result<u64> {
        let path = format!("/api/v1/sessions/{session}/upload");
        let answer = self.client.get(self.request("HEAD", &path, &UPLOAD[..1]), b"")?;
        answer.header("upload-offset")?.parse().context("Upload-Offset is no number")
    }

    /// # Errors
    /// The node's.
    pub(super) fn seal(&self, session: &str) -> Result<()> {
        let path = format!("/api/v1/sessions/{session}/seal");
        self.client.get(self.request("POST", &path, &[]), b"").map(drop)
    }

    /// Whether the session has this content.
    ///
    /// # Errors
    /// The node's; another content.
    pub(super) fn has(&self, session: &str, content: &[u8]) -> Result<()> {
        let path = format!("/api/v1/sessions/{session}/content");
        let answer = self.client.get(self.request("GET", &path, &[]), b"")?;
        ensure!(
            answer.body == content,
            "session {session} has {} bytes that are not the {} that were sent",
            answer.body.len(),
            content.len()
        );
        Ok(())
    }

    fn request<'a>(
        &'a self,
        method: &'a str,
        path: &'a str,
        headers: &'a [(&'a str, &'a str)],
    ) -> Request<'a> {
        Request { method, path, token: Some(&self.token), headers }
    }
}
