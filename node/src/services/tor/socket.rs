//! The socket by which the command `tunnel` reaches a node that runs: `tunnel.socket` in its data folder.
//!
//! Only the node's own user, and root, are answered. One question, one answer, and the connection ends; both are bounded.
//! Whoever has the socket holds the folder's lock, so that one which is found at a start is left over.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::{
        fd::AsRawFd,
        unix::{fs::PermissionsExt, net::UnixStream as StdStream},
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::de::DeserializeOwned;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    LocalTor,
    wire::{Kind, Reply, Request},
};
use crate::failure::{Failure, Outcome};

/// Its name in the data folder.
pub const SOCKET: &str = "tunnel.socket";
/// A question is a line of at most so many bytes: 32 clients with their keys.
const QUESTION_BYTES_MAX: u64 = 16 << 10;
/// An answer is: the most services with the most clients.
const ANSWER_BYTES_MAX: u64 = 256 << 10;
/// Questions at once; more are not taken.
const ASKERS: usize = 8;
/// A question comes, and an answer is taken, in this time.
const LINE_TIME: Duration = Duration::from_secs(5);
/// What is asked is answered in this time: tor has hung for as long as a question to it may.
const ANSWER_TIME: Duration = Duration::from_mins(2);
/// Longer than that, so that it is the node that says so.
const PATIENCE: Duration = Duration::from_secs(150);
/// After an error of the listener itself (too many open files).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is asked over the socket, until it is dropped.
pub struct Desk {
    listener: UnixListener,
    path: PathBuf,
    owner: u32,
}

/// A path of a socket has at most 107 bytes (unix(7)), a data folder's may have more: it goes by an open folder.
fn by_folder<T>(data: &Path, work: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let folder = File::open(data)?;
    work(&PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", folder.as_raw_fd())))
}

impl Desk {
    /// Listens in the data folder `data`, whose lock is held.
    ///
    /// # Errors
    /// The operating system's.
    pub fn open(data: &Path) -> io::Result<Self> {
        let path = data.join(SOCKET);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = by_folder(data, |short| UnixListener::bind(short))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        let owner = rustix::process::geteuid().as_raw();
        Ok(Self { listener, path, owner })
    }

    /// Answers for `tor` until `stop`.
    pub async fn serve(self, tor: Arc<LocalTor>, stop: CancellationToken) {
        let places = Arc::new(Semaphore::new(ASKERS));
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection to {SOCKET} cannot be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
            let is_allowed = stream.peer_cred().is_ok_and(|peer| {
                let user = peer.uid();
                user == self.owner || user == 0
            });
            if !is_allowed {
                tracing::warn!(
                    "another user's process asks for the onion services, and is not answered"
                );
                continue;
            }
            let (tor, stop) = (Arc::clone(&tor), stop.clone());
            tokio::spawn(async move {
                let _place = place;
                // Who went away asked for it all the same; nobody is left to be told of an error.
                if let Some(Err(error)) = stop.run_until_cancelled(answer(stream, &tor)).await {
                    tracing::debug!(%error, "a question about onion services was not answered");
                }
            });
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // One that stays is removed by the next start.
        let _ = fs::remove_file(&self.path);
    }
}

async fn answer(mut stream: UnixStream, tor: &LocalTor) -> io::Result<()> {
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    let mut question = Vec::new();
    {
        let mut limited = (&mut stream).take(QUESTION_BYTES_MAX + 1);
        timeout(LINE_TIME, limited.read_to_end(&mut question)).await.map_err(late)??;
    }
    let failed = |kind, why: String| Reply::<serde_json::Value>::Failed { kind, why };
    let reply = match serde_json::from_slice::<Request>(&question) {
        _ if question.len() as u64 > QUESTION_BYTES_MAX => {
            failed(Kind::Usage, format!("a question has at most {QUESTION_BYTES_MAX} bytes"))
        }
        Err(error) => failed(Kind::Usage, format!("the node does not know what is asked: {error}")),
        Ok(request) => match timeout(ANSWER_TIME, tor.answer(request)).await {
            Ok(Ok(done)) => Reply::Done(done),
            Ok(Err(error)) => failed(Kind::of(&error), error.to_string()),
            Err(_) => {
                let seconds = ANSWER_TIME.as_secs();
                failed(Kind::Io, format!("tor did not do it within {seconds} s; is it well?"))
            }
        },
    };
    let reply = serde_json::to_vec(&reply).map_err(io::Error::other)?;
    timeout(LINE_TIME, stream.write_all(&reply)).await.map_err(late)??;
    stream.shutdown().await
}

/// Asks the node that has the data folder `data`. Blocks.
///
/// # Errors
/// Where no node runs there or it keeps no onion services; as the node has them.
pub fn ask<T: DeserializeOwned>(data: &Path, request: &Request) -> Outcome<T> {
    let (place, shown) = (data.join(SOCKET), data.display());
    let failed = |error: io::Error| Failure::io(format!("{}: {error}", place.display()));
    let connected = by_folder(data, |short| StdStream::connect(short));
    let mut stream = connected.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Failure::io(format!(
            "no node that keeps onion services runs with the data folder {shown}: start it with onion = true, or \
             with tor_control (lucid-node run, or serve tor-proxy)"
        )),
        io::ErrorKind::PermissionDenied => Failure::io(format!(
            "{}: only the user that the node runs as may ask it: sudo -u lucid lucid-node tunnel …",
            place.display()
        )),
        _ => failed(error),
    })?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    stream.set_write_timeout(Some(LINE_TIME)).map_err(failed)?;
    let question = serde_json::to_vec(request).map_err(io::Error::from).map_err(failed)?;
    stream.write_all(&question).map_err(failed)?;
    stream.shutdown(std::net::Shutdown::Write).map_err(failed)?;
    let mut reply = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut reply).map_err(failed)?;
    match serde_json::from_slice(&reply) {
        Ok(Reply::Done(done)) => Ok(done),
        Ok(Reply::Failed { kind, why }) => Err(kind.failure(why)),
        Err(_) if reply.is_empty() => {
            Err(Failure::io("the node ended the connection: it stops, or you are not its user"))
        }
        Err(error) => Err(Failure::io(format!("the node's answer is not understood: {error}"))),
    }
}
