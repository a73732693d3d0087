//! As much of an HTTP client as a node on this machine's own ports needs.
//!
//! It speaks HTTP/1.0: an answer then ends where its connection does, and is in no pieces. A request can be left half
//! sent, which is what a power cut finds.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};

/// The longest that a machine that is emulated may take for one answer.
const ANSWER: Duration = Duration::from_mins(3);
/// The longest answer.
const ANSWER_BYTES: u64 = 512 << 20;

/// A node at a port of this machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client(pub(super) u16);

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) token: Option<&'a str>,
    pub(super) headers: &'a [(&'a str, &'a str)],
}

impl Client {
    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// The connection's; an answer that is none.
    pub(super) fn ask(self, request: Request<'_>, body: &[u8]) -> Result<Answer> {
        let mut stream = self.send(request, body.len(), body)?;
        let mut said = Vec::new();
        let what = || format!("{} {}: no answer", request.method, request.path);
        (&mut stream).take(ANSWER_BYTES + 1).read_to_end(&mut said).with_context(what)?;
        ensure!(
            said.len() as u64 <= ANSWER_BYTES,
            "{} answers more than was asked for",
            request.path
        );
        answer(&said).with_context(what)
    }

    /// Asks for what has to succeed.
    ///
    /// # Errors
    /// As [`Self::ask`]; an answer that is not 2xx, with what it says.
    pub(super) fn get(self, request: Request<'_>, body: &[u8]) -> Result<Answer> {
        let answer = self.ask(request, body)?;
        if !(200..300).contains(&answer.status) {
            let said =
                String::from_utf8_lossy(&answer.body[..answer.body.len().min(400)]).into_owned();
            bail!("{} {}: {} {said}", request.method, request.path, answer.status);
        }
        Ok(answer)
    }

    /// Sends a request whose body has `length` bytes, and of that body only what is given.
    ///
    /// # Errors
    /// The connection's.
    pub(super) fn send(
        self,
        request: Request<'_>,
        length: usize,
        body: &[u8],
    ) -> Result<TcpStream> {
        let what = || format!("{} {}", request.method, request.path);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.0));
        let mut stream = TcpStream::connect_timeout(&address, ANSWER).with_context(what)?;
        stream.set_read_timeout(Some(ANSWER)).with_context(what)?;
        stream.set_write_timeout(Some(ANSWER)).with_context(what)?;
        let mut head = format!(
            "{} {} HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n",
            request.method, request.path
        );
        if let Some(token) = request.token {
            head.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        for (name, value) in request.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).with_context(what)?;
        stream.write_all(body).with_context(what)?;
        Ok(stream)
    }
}

impl Answer {
    /// # Errors
    /// Where there is no such header.
    pub(super) fn header(&self, name: &str) -> Result<&str> {
        let value = self.headers.get(name).with_context(|| format!("the answer has no {name}"))?;
        Ok(value)
    }

    /// # Errors
    /// Where the body is no JSON with this text in it.
    pub(super) fn text(&self, name: &str) -> Result<String> {
        let json: serde_json::Value =
            serde_json::from_slice(&self.body).context("the answer is no JSON")?;
        let text = json[name].as_str().with_context(|| format!("the answer has no {name}"))?;
        Ok(text.to_owned())
    }
}

fn answer(said: &[u8]) -> Result<Answer> {
    let end = said.windows(4).position(|window| window == b"\r\n\r\n").context("it has no head")?;
    let head = std::str::from_utf8(&said[..end]).context("its head is no text")?;
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    let status = status.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1));
    let status = status.and_then(|code| code.parse().ok()).context("it has no status")?;
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
    Ok(Answer { status, headers: headers.collect(), body: said[end + 4..].to_vec() })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn answers_are_read_as_they_are_written() {
        let said = b"HTTP/1.0 204 No Content\r\nUpload-Offset: 7\r\n\r\n";
        let answer = super::answer(said).unwrap();
        assert_eq!(
            (answer.status, answer.header("upload-offset").unwrap(), answer.body.len()),
            (204, "7", 0)
        );
        assert!(answer.header("etag").is_err());
        let answer = super::answer(b"HTTP/1.1 200 OK\r\n\r\n{\"a\":\"b\"}").unwrap();
        assert_eq!(answer.text("a").unwrap(), "b");
        assert!(answer.text("c").is_err());
        for bad in [&b""[..], b"HTTP/1.0 200 OK\r\n", b"nonsense\r\n\r\n", b"HTTP/1.0 x y\r\n\r\n"]
        {
            assert!(super::answer(bad).is_err());
        }
    }

    #[test]
    fn a_request_is_sent_as_it_is_asked() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = Client(server.local_addr().unwrap().port());
        let served = std::thread::spawn(move || {
            let (mut stream, _) = server.accept().unwrap();
            let mut head = vec![0; 4096];
            let mut length = 0;
            while !head[..length].ends_with(b"body") {
                length += stream.read(&mut head[length..]).unwrap();
            }
            stream.write_all(b"HTTP/1.0 409 Conflict\r\n\r\nno").unwrap();
            String::from_utf8(head[..length].to_vec()).unwrap()
        });
        let headers = [("Upload-Offset", "3")];
        let request = Request { method: "PATCH", path: "/x", token: Some("t"), headers: &headers };
        let error = client.get(request, b"body").unwrap_err();
        assert_eq!(error.to_string(), "PATCH /x: 409 no");
        let sent = served.join().unwrap();
        for line in [
            "PATCH /x HTTP/1.0\r\n",
            "Content-Length: 4\r\n",
            "Authorization: Bearer t\r\n",
            "Upload-Offset: 3\r\n",
        ] {
            assert!(sent.contains(line), "{line}: {sent}");
        }
    }
}
