//! A client of the node: signs in, mints, uploads, asks. HTTP/1.1 over bare sockets, so that little
//! of what is measured is the client's.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::server::Wallet;

/// A signed-in client.
pub(crate) struct Client {
    address: SocketAddr,
    token: String,
}

impl Client {
    /// Signs in with a wallet.
    pub(crate) fn sign_in(address: SocketAddr, node: &Path, wallet: &Wallet) -> Result<Self> {
        let client = Self { address, token: String::new() };
        let asked = json!({"address": wallet.address});
        let challenge = client.post("/api/v1/auth/challenge", &asked, 200)?;
        let login = wallet.sign(node, &challenge)?;
        let tokens = client.post("/api/v1/auth/login", &login, 200)?;
        let token = tokens["access_token"].as_str().context("no token")?.to_owned();
        Ok(Self { token, ..client })
    }

    /// Mints a session; gives its id.
    pub(crate) fn mint(&self, body: &Value) -> Result<String> {
        let session = self.post("/api/v1/sessions", body, 201)?;
        Ok(session["session_id"].as_str().context("no session id")?.to_owned())
    }

    /// Asks for a resource in JSON.
    pub(crate) fn get(&self, path: &str) -> Result<Value> {
        let (status, answer) = Connection::open(self)?.ask(path)?;
        ensure!(status == 200, "{path}: {status}: {}", String::from_utf8_lossy(&answer));
        Ok(serde_json::from_slice(&answer)?)
    }

    /// Sends JSON; gives what is answered with the status that is wanted.
    pub(crate) fn post(&self, path: &str, body: &Value, wanted: u16) -> Result<Value> {
        let mut connection = Connection::open(self)?;
        let body = body.to_string();
        let head = self.head(
            "POST",
            path,
            &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()),
        );
        connection.stream.get_mut().write_all(format!("{head}{body}").as_bytes())?;
        let (status, answer) = connection.answer()?;
        ensure!(status == wanted, "{path}: {status}: {}", String::from_utf8_lossy(&answer));
        Ok(serde_json::from_slice(&answer)?)
    }

    /// Gives an upload up, and its session with it.
    pub(crate) fn give_up(&self, session: &str) -> Result<()> {
        let mut connection = Connection::open(self)?;
        let path = format!("/api/v1/sessions/{session}/upload");
        let head = self.head("DELETE", &path, "Tus-Resumable: 1.0.0\r\n");
        connection.stream.get_mut().write_all(head.as_bytes())?;
        let (status, answer) = connection.answer()?;
        ensure!(status == 204, "{path}: {status}: {}", String::from_utf8_lossy(&answer));
        Ok(())
    }

    fn head(&self, method: &str, path: &str, more: &str) -> String {
        let token = match self.token.as_str() {
            "" => String::new(),
            token => format!("Authorization: Bearer {token}\r\n"),
        };
        format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n{token}{more}\r\n", self.address)
    }
}

/// A connection.
pub(crate) struct Connection<'a> {
    client: &'a Client,
    stream: BufReader<TcpStream>,
}

impl<'a> Connection<'a> {
    /// Connects.
    pub(crate) fn open(client: &'a Client) -> Result<Self> {
        let stream = TcpStream::connect(client.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_mins(1)))?;
        Ok(Self { client, stream: BufReader::new(stream) })
    }

    /// Asks for a resource; gives the status.
    pub(crate) fn get(&mut self, path: &str) -> Result<u16> {
        Ok(self.ask(path)?.0)
    }

    fn ask(&mut self, path: &str) -> Result<(u16, Vec<u8>)> {
        let head = self.client.head("GET", path, "");
        self.stream.get_mut().write_all(head.as_bytes())?;
        self.answer()
    }

    /// Begins an upload of `bytes` and sends only `first` of it.
    pub(crate) fn begin_upload(
        client: &'a Client,
        session: &str,
        bytes: u64,
        first: &[u8],
    ) -> Result<Self> {
        let mut connection = Self::open(client)?;
        let head = patch(client, session, bytes);
        connection.stream.get_mut().write_all(&[head.as_bytes(), first].concat())?;
        Ok(connection)
    }

    /// Whether the server has neither answered nor closed.
    pub(crate) fn is_open(&mut self) -> bool {
        let stream = self.stream.get_mut();
        let mut byte = [0];
        let quiet = stream.set_nonblocking(true).and_then(|()| stream.peek(&mut byte));
        quiet.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Uploads a file with one request; gives the seconds until it is acknowledged.
    pub(crate) fn upload(client: &'a Client, session: &str, plain: &Path) -> Result<f64> {
        let mut connection = Self::open(client)?;
        let file = File::open(plain)?;
        let head = patch(client, session, file.metadata()?.len());
        let start = Instant::now();
        connection.stream.get_mut().write_all(head.as_bytes())?;
        send(connection.stream.get_ref(), &file)?;
        let (status, answer) = connection.answer()?;
        ensure!(status == 204, "the upload: {status}: {}", String::from_utf8_lossy(&answer));
        Ok(start.elapsed().as_secs_f64())
    }

    /// Reads one answer.
    fn answer(&mut self) -> Result<(u16, Vec<u8>)> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status: u16 = status.with_context(|| format!("no answer: {line:?}"))?;
        let mut length = (status == 204).then_some(0);
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            let (name, value) = match line.trim_end() {
                "" => break,
                header => header.split_once(':').context("a header without a colon")?,
            };
            if name.eq_ignore_ascii_case("content-length") {
                length = Some(value.trim().parse()?);
            }
        }
        let Some(length) = length else { bail!("an answer without a length") };
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok((status, body))
    }
}

/// Sends a file. The sender's share is the kernel's, and little: `io::copy` would read and send 8 KiB at a time, which
/// took a quarter of both processors.
///
/// # Errors
/// Where the file becomes shorter, or the connection ends.
pub(crate) fn send(stream: &TcpStream, file: &File) -> Result<()> {
    let mut left = usize::try_from(file.metadata()?.len())?;
    while left > 0 {
        let sent = rustix::fs::sendfile(stream, file, None, left)?;
        ensure!(sent > 0, "a file to be sent became shorter by {left} bytes");
        left -= sent;
    }
    Ok(())
}

fn patch(client: &Client, session: &str, bytes: u64) -> String {
    let more = format!(
        "Tus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Length: {bytes}\r\n\
         Content-Type: application/offset+octet-stream\r\n"
    );
    client.head("PATCH", &format!("/api/v1/sessions/{session}/upload"), &more)
}
