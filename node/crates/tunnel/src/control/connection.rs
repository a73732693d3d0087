//! The connection: one task has the socket; whoever asks waits for its turn.
//!
//! Cancel-safe: a question whose asker went away is asked and answered all the same, so that the next answer is not
//! taken for its.

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    sync::{broadcast, mpsc, oneshot},
    time::{Instant, sleep_until, timeout},
};
use zeroize::Zeroizing;

use super::{
    command::Command,
    info::Event,
    login::{COOKIE_BYTES, Challenge, Credentials, Method, Offer},
    reply::{Decoder, Reply},
};
use crate::error::TunnelError;

/// How long tor may take to take a connection, and for an answer: it answers at once, or hangs.
const ANSWER: Duration = Duration::from_secs(20);
/// Questions that wait for their turn.
const ASKS: usize = 16;
/// Events that are kept for who is slow; who is slower is told that some are missing.
const EVENTS: usize = 512;
/// Bytes that are read at once.
const PIECE_BYTES: usize = 8 << 10;

/// Where tor's control port is. No name: whoever answers for a name would be told secrets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ControlAddress {
    /// `IP:PORT`.
    Tcp(SocketAddr),
    /// `unix:/path`.
    Unix(PathBuf),
}

impl FromStr for ControlAddress {
    type Err = TunnelError;

    fn from_str(text: &str) -> Result<Self, TunnelError> {
        let wrong = || TunnelError::ControlAddress(super::shown(text));
        match text.strip_prefix("unix:") {
            Some(path) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            Some(_) => Err(wrong()),
            None => text.parse().map(Self::Tcp).map_err(|_| wrong()),
        }
    }
}

impl fmt::Display for ControlAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// One who may control tor. Clones share the connection; with the last one it ends, and with it the services that
/// were not detached from it.
#[derive(Clone)]
pub struct Controller {
    at: Arc<str>,
    version: Arc<str>,
    asks: mpsc::Sender<Ask>,
    events: broadcast::Sender<Event>,
    end: Arc<OnceLock<String>>,
}

struct Ask {
    command: Command,
    answer: oneshot::Sender<Reply>,
}

impl Controller {
    /// Connects, proves who we are, and asks for the events that [`Event`] knows.
    ///
    /// # Errors
    /// [`TunnelError::NoTor`], those of authentication, [`TunnelError::Lost`].
    pub async fn open(at: &ControlAddress, credentials: &Credentials) -> Result<Self, TunnelError> {
        let stream = timeout(ANSWER, connect(at)).await;
        let no_tor = |why: String| TunnelError::NoTor { at: at.to_string(), why };
        let stream = stream.map_err(|_| no_tor("it does not take the connection".into()))?;
        let stream = stream.map_err(|error| no_tor(error.to_string()))?;
        let (asks, asked) = mpsc::channel(ASKS);
        let (events, _) = broadcast::channel(EVENTS);
        let end = Arc::new(OnceLock::new());
        let line = Line { stream, decoder: Decoder::default(), events: events.clone() };
        let ending = Arc::clone(&end);
        // It ends with the last controller, or with the connection, and says why.
        tokio::spawn(async move {
            let why = line.serve(asked).await;
            ending.get_or_init(|| why);
        });
        let at: Arc<str> = at.to_string().into();
        let mut controller = Self { at, version: "".into(), asks, events, end };
        controller.version = controller.log_in(credentials).await?.into();
        let names = Event::NAMES.into_iter();
        let command = names.fold(Command::new("SETEVENTS"), Command::with);
        controller.ask(command).await?;
        Ok(controller)
    }

    /// Tor's version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The events from now on.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Waits until the connection ends, and says why it did.
    pub async fn ended(&self) -> TunnelError {
        self.asks.closed().await;
        self.lost()
    }

    fn lost(&self) -> TunnelError {
        let why = self.end.get().map_or("it was closed", String::as_str);
        TunnelError::Lost { at: self.at.to_string(), why: why.to_owned() }
    }

    /// Asks, and gives the reply that says it was done.
    pub(super) async fn ask(&self, command: Command) -> Result<Reply, TunnelError> {
        let keyword = command.keyword();
        let reply = self.reply(command).await?;
        match reply.is_done() {
            true => Ok(reply),
            false => Err(TunnelError::Refused {
                command: keyword,
                status: reply.status(),
                said: super::shown(reply.last()),
            }),
        }
    }

    async fn reply(&self, command: Command) -> Result<Reply, TunnelError> {
        let what = command.keyword();
        let (answer, answered) = oneshot::channel();
        let asking = async {
            self.asks.send(Ask { command, answer }).await.map_err(|_| self.lost())?;
            match answered.await {
                Ok(reply) => Ok(reply),
                Err(_) => {
                    // The task says why as its last act.
                    self.asks.closed().await;
                    Err(self.lost())
                }
            }
        };
        let seconds = ANSWER.as_secs();
        let late = |_| TunnelError::TimedOut { at: self.at.to_string(), what, seconds };
        timeout(ANSWER, asking).await.map_err(late)?
    }

    /// Gives tor's version.
    async fn log_in(&self, credentials: &Credentials) -> Result<String, TunnelError> {
        let offer = Offer::of(&self.ask(Command::new("PROTOCOLINFO").with("1")).await?)?;
        let authenticate = Command::new("AUTHENTICATE");
        match offer.method(credentials)? {
            Method::Nothing => {
                self.ask(authenticate).await?;
            }
            Method::Password => {
                let Credentials::Password(password) = credentials else {
                    return Err(TunnelError::Malformed("a method that was not asked for"));
                };
                let reply = self.reply(authenticate.with_text(password.text())).await;
                accepted(reply, || TunnelError::WrongPassword)?;
            }
            Method::Cookie(path) => {
                let cookie = read_cookie(&path).await?;
                let text = Zeroizing::new(hex::encode(*cookie));
                let reply = self.reply(authenticate.with(&text)).await;
                accepted(reply, || TunnelError::WrongCookie(path))?;
            }
            Method::SafeCookie(path) => {
                let cookie = read_cookie(&path).await?;
                let mut ours = [0; COOKIE_BYTES];
                let random = getrandom::fill(&mut ours);
                random.map_err(|error| TunnelError::Random(error.to_string()))?;
                let challenge = Command::new("AUTHCHALLENGE").with("SAFECOOKIE");
                let reply = self.ask(challenge.with(&hex::encode(ours))).await?;
                let challenge = Challenge::of(&reply, &cookie, ours)?;
                let reply = self.reply(authenticate.with(&challenge.answer(&cookie))).await;
                accepted(reply, || TunnelError::WrongCookie(path))?;
            }
        }
        Ok(offer.version)
    }
}

/// Whether tor let us in. Where it does not, it says 515 and closes (control-spec §3.5).
fn accepted(
    reply: Result<Reply, TunnelError>,
    refused: impl FnOnce() -> TunnelError,
) -> Result<(), TunnelError> {
    let reply = reply?;
    match reply.status() {
        250 => Ok(()),
        515 => Err(refused()),
        status => Err(TunnelError::Refused {
            command: "AUTHENTICATE",
            status,
            said: super::shown(reply.last()),
        }),
    }
}

async fn connect(at: &ControlAddress) -> std::io::Result<Box<dyn Stream>> {
    Ok(match at {
        ControlAddress::Tcp(address) => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Box::new(stream)
        }
        ControlAddress::Unix(path) => Box::new(UnixStream::connect(path).await?),
    })
}

/// Reads a cookie: 32 bytes, or it is none (control-spec §3.21).
async fn read_cookie(path: &Path) -> Result<Zeroizing<[u8; COOKIE_BYTES]>, TunnelError> {
    let wrong = |why: String| TunnelError::CookieFile { path: path.to_owned(), why };
    let facts = tokio::fs::metadata(path).await.map_err(|error| wrong(error.to_string()))?;
    if !facts.is_file() || facts.len() != COOKIE_BYTES as u64 {
        return Err(wrong("it is no file of 32 bytes".into()));
    }
    let bytes = tokio::fs::read(path).await.map_err(|error| wrong(error.to_string()))?;
    let bytes = Zeroizing::new(bytes);
    let cookie = bytes.as_slice().try_into();
    cookie.map(Zeroizing::new).map_err(|_| wrong("it is no file of 32 bytes".into()))
}

/// The socket, and what came of it so far.
struct Line {
    stream: Box<dyn Stream>,
    decoder: Decoder,
    events: broadcast::Sender<Event>,
}

impl Line {
    /// Asks one question after another, and hands events on. Ends with the last asker, or with the connection, and
    /// says why.
    async fn serve(mut self, mut asks: mpsc::Receiver<Ask>) -> String {
        let mut waiting: Option<(oneshot::Sender<Reply>, Instant)> = None;
        let mut piece = Zeroizing::new([0; PIECE_BYTES]);
        loop {
            let until = waiting.as_ref().map_or_else(Instant::now, |(_, until)| *until);
            tokio::select! {
                read = self.stream.read(piece.as_mut_slice()) => match read {
                    Ok(0) => return "tor closed it".to_owned(),
                    Ok(count) => {
                        if let Err(error) = self.take(&piece[..count], &mut waiting) {
                            return error.to_string();
                        }
                    }
                    Err(error) => return error.to_string(),
                },
                ask = asks.recv(), if waiting.is_none() => {
                    let Some(Ask { command, answer }) = ask else { return "it was closed".to_owned() };
                    let bytes = command.bytes();
                    match timeout(ANSWER, self.stream.write_all(&bytes)).await {
                        Ok(Ok(())) => waiting = Some((answer, Instant::now() + ANSWER)),
                        Ok(Err(error)) => return error.to_string(),
                        Err(_) => return "tor does not read".to_owned(),
                    }
                }
                () = sleep_until(until), if waiting.is_some() => return "tor does not answer".to_owned(),
            }
        }
    }

    fn take(
        &mut self,
        bytes: &[u8],
        waiting: &mut Option<(oneshot::Sender<Reply>, Instant)>,
    ) -> Result<(), TunnelError> {
        self.decoder.feed(bytes);
        while let Some(reply) = self.decoder.next_reply()? {
            if reply.is_event() {
                // Nobody may be listening.
                let _ = self.events.send(Event::of(&reply)?);
            } else if let Some((answer, _)) = waiting.take() {
                // Who asked may be gone.
                let _ = answer.send(reply);
            } else {
                return Err(TunnelError::Malformed("an answer that nobody asked for"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_addresses_and_paths() {
        for text in ["127.0.0.1:9051", "[::1]:9051", "172.21.0.30:9051", "unix:/run/tor/control"] {
            assert_eq!(text.parse::<ControlAddress>().unwrap().to_string(), text);
        }
        for text in ["localhost:9051", "127.0.0.1", "9051", "unix:control", "unix:", ""] {
            assert!(text.parse::<ControlAddress>().is_err(), "{text}");
        }
    }
}
