//! Looking at a service from outside: through Tor, as a client would.
//!
//! The connection goes out into the network and comes back by the service's own circuits, so it says that others can
//! reach it; over circuits of its own, which nothing else of the node's uses, nor a look before.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

use crate::{
    egress::Purpose,
    error::TunnelError,
    onion::OnionAddress,
    socks::{Proxy, SocksError, Target},
};

/// Longest line of an answer's head in bytes, most lines, and longest body.
const LINE_BYTES_MAX: u64 = 8 << 10;
const LINES_MAX: usize = 100;
const BODY_BYTES_MAX: u64 = 64 << 10;

/// What it means, and the way out.
const OTHER: &str =
    "something else than expected is behind it; where it leads says lucid-node tunnel status";

/// The pause before another attempt.
const AGAIN: Duration = Duration::from_secs(1);
/// One attempt takes at most so long: circuits that stand still are not waited for, and the next attempt has others.
const ATTEMPT: Duration = Duration::from_secs(25);

/// What is looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Probe {
    /// A path of an HTTP server: it must answer 200.
    Http {
        /// Such as `/health`.
        path: String,
    },
    /// A server's first line must begin like that, such as `SSH-2.0-`.
    Greeting {
        /// The beginning.
        begins: String,
    },
    /// Nothing is asked: tor tells of a connection only once the service's own tor has connected to what is behind it.
    Connection,
}

/// What was measured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verified {
    /// Who was reached.
    pub address: OnionAddress,
    /// At which port.
    pub port: u16,
    /// What was asked and answered, in words.
    pub checked: String,
    /// How often it was tried: relays may not have the descriptor yet, or an old one.
    pub attempts: u32,
    /// Until the last attempt's connection was there: introduction, rendezvous, and the descriptor where tor did not have it.
    pub connect: Duration,
    /// From the question to the first byte of the answer; for a greeting, from the connection to it. Not for a
    /// connection.
    pub first_byte: Option<Duration>,
    /// A second question over the same connection, to the last byte of its answer; not for a greeting.
    pub round_trip: Option<Duration>,
    /// The first answer's body, at most 64 KiB.
    pub body: Vec<u8>,
}

/// Reaches a service through `proxy`, over circuits that nothing else uses. (A tor that was asked for the service before has its
/// descriptor for hours, and asks the network for none: whose that has says [`crate::publication`].) Where
/// the network has no descriptor of it, or one of where it was before, or nothing comes, it is tried again until `time`
/// is over, each time over other circuits. (A proxy that was given with credentials keeps them, and so its circuits.)
///
/// # Errors
/// [`TunnelError::Socks`], [`TunnelError::Answer`].
pub async fn verify(
    proxy: &Proxy,
    address: OnionAddress,
    port: u16,
    probe: &Probe,
    time: Duration,
) -> Result<Verified, TunnelError> {
    let target = Target::new(&address.to_string(), port)?;
    let salt = || getrandom::u64().map_err(|error| TunnelError::Random(error.to_string()));
    let end = Instant::now() + time;
    let mut attempts = 1;
    let (stream, connect) = loop {
        let begun = Instant::now();
        let own = proxy.isolated(Purpose::Verify.word(), salt()?);
        // The last one has its time as well: cut short, it would say that, and not what is the matter.
        let error = match own.connect(&target, time.min(ATTEMPT)).await {
            Ok(stream) => break (stream, begun.elapsed()),
            Err(error) => error,
        };
        let passes = match &error {
            SocksError::Refused { refusal, .. } => refusal.may_pass(),
            SocksError::TimedOut { .. } => true,
            _ => false,
        };
        if !passes || Instant::now() + AGAIN > end {
            return Err(error.into());
        }
        tokio::time::sleep(AGAIN).await;
        attempts += 1;
    };
    let odd = |why: String| TunnelError::Answer { address: target.to_string(), why };
    let asking = ask(stream, address, probe);
    let answered = timeout(time, asking).await;
    let answered = answered.map_err(|_| odd(format!("no answer within {} s", time.as_secs())))?;
    let Answered { checked, first_byte, round_trip, body } = answered.map_err(odd)?;
    Ok(Verified { address, port, checked, attempts, connect, first_byte, round_trip, body })
}

struct Answered {
    checked: String,
    first_byte: Option<Duration>,
    round_trip: Option<Duration>,
    body: Vec<u8>,
}

async fn ask(stream: TcpStream, address: OnionAddress, probe: &Probe) -> Result<Answered, String> {
    let mut stream = BufReader::new(stream);
    let begun = Instant::now();
    match probe {
        Probe::Connection => {
            let checked = "what is behind it takes the connection".to_owned();
            Ok(Answered { checked, first_byte: None, round_trip: None, body: Vec::new() })
        }
        Probe::Greeting { begins } => {
            wait_for_byte(&mut stream).await?;
            let first_byte = Some(begun.elapsed());
            let line = line(&mut stream).await?;
            if !line.starts_with(begins.as_str()) {
                return Err(format!("it does not greet with {begins}"));
            }
            let checked = format!("it greets with {}", crate::control::shown(&line));
            Ok(Answered { checked, first_byte, round_trip: None, body: Vec::new() })
        }
        Probe::Http { path } => {
            get(&mut stream, address, path).await?;
            wait_for_byte(&mut stream).await?;
            let first_byte = Some(begun.elapsed());
            let body = answer(&mut stream).await?;
            let again = Instant::now();
            get(&mut stream, address, path).await?;
            answer(&mut stream).await?;
            let round_trip = Some(again.elapsed());
            Ok(Answered {
                checked: format!("GET {path} answers 200"),
                first_byte,
                round_trip,
                body,
            })
        }
    }
}

async fn get(
    stream: &mut BufReader<TcpStream>,
    address: OnionAddress,
    path: &str,
) -> Result<(), String> {
    let is_path = path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_path {
        return Err("the path to ask for is none: it begins with / and has no spaces".to_owned());
    }
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: lucid-node\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(|error| error.to_string())
}

async fn wait_for_byte(stream: &mut BufReader<TcpStream>) -> Result<(), String> {
    match stream.fill_buf().await {
        Ok([]) => Err("it closed the connection without an answer".to_owned()),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// A line without its end.
async fn line(stream: &mut BufReader<TcpStream>) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = (&mut *stream).take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes).await;
    let count = read.map_err(|error| error.to_string())?;
    let line = bytes.strip_suffix(b"\n").ok_or_else(|| match count as u64 == LINE_BYTES_MAX {
        true => format!(
            "it sent {LINE_BYTES_MAX} bytes without the end of a line, and was not read on: {OTHER}"
        ),
        false => format!("it closed the connection within a line: {OTHER}"),
    })?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    String::from_utf8(line.to_vec()).map_err(|_| "a line that is no text".to_owned())
}

/// The body of an answer that is 200 and says how long it is (RFC 9112).
async fn answer(stream: &mut BufReader<TcpStream>) -> Result<Vec<u8>, String> {
    let status = line(stream).await?;
    let code = status.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    if code != Some("200") {
        return Err(format!("it answers {}", crate::control::shown(&status)));
    }
    let mut length = None;
    for _ in 0..LINES_MAX {
        let line = line(stream).await?;
        if line.is_empty() {
            let length = length.ok_or("it does not say how long its answer is")?;
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await.map_err(|error| error.to_string())?;
            return Ok(body);
        }
        let (name, value) = line.split_once(':').ok_or("a header without a colon")?;
        if name.eq_ignore_ascii_case("content-length") {
            let bytes: u64 = value.trim().parse().map_err(|_| "a length that is no number")?;
            if bytes > BODY_BYTES_MAX || length.replace(bytes as usize).is_some() {
                return Err(format!(
                    "its answer has more than {BODY_BYTES_MAX} bytes, or two lengths: {OTHER}"
                ));
            }
        }
    }
    Err(format!("its answer has more than {LINES_MAX} headers: {OTHER}"))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// What is said of a server that answers with so many times this, and then nothing more.
    async fn answered(begin: &'static str, more: &'static [u8], times: usize) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(begin.as_bytes()).await.unwrap();
            for _ in 0..times {
                // Whoever asked may have had enough.
                if stream.write_all(more).await.is_err() {
                    return;
                }
            }
        });
        let mut stream = BufReader::new(TcpStream::connect(address).await.unwrap());
        let said = answer(&mut stream).await.unwrap_err();
        drop(stream);
        server.await.unwrap();
        said
    }

    #[tokio::test]
    async fn an_answer_without_an_end_is_said_with_the_way_out() {
        for (begin, more, times, what) in [
            ("", &b"xxxxxxxx"[..], 1 << 20, "8192 bytes without the end of a line"),
            ("HTTP/1.1 200 OK\r\n", b"a: b\r\n", 1 << 20, "more than 100 headers"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n", b"", 0, "more than 65536 bytes"),
            ("HTTP/1.1 200", b"", 0, "within a line"),
        ] {
            let said = answered(begin, more, times).await;
            assert!(said.contains(what) && said.contains("tunnel status"), "{said}");
        }
    }
}
