//! The listener, its connections and the clock, on a thread and a runtime of their own.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Method, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::TcpStream,
    sync::oneshot,
    task::JoinSet,
    time::{Interval, MissedTickBehavior, interval},
};

use crate::{
    api::{self, Answer, Reply, Request},
    world::Shared,
};

/// Most bytes of a request's body (java-tron, `node.rpc.maxMessageSize`).
const BODY_BYTES_MAX: usize = 4 << 20;
/// Most connections at once.
const CONNECTIONS_MAX: usize = 1_024;
/// Within what a connection's next request begins and its head is there.
const HEAD_TIME: Duration = Duration::from_mins(1);

/// Takes a port on 127.0.0.1: the one named, or a free one below 32,768, where Linux's ports of outgoing
/// connections begin, so that none takes it when the server is started again.
pub(crate) fn bind(port: Option<u16>) -> io::Result<TcpListener> {
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 20_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    if let Some(port) = port {
        return TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    }
    // Apart from what other processes of tests begin with.
    let begin = std::process::id().wrapping_mul(89);
    let mut last = None;
    for _ in 0..COUNT {
        let place = begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = u16::try_from(FIRST + place).expect("it is below 32,768");
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()))
}

/// Serves until `stop` is sent or dropped.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    listener: TcpListener,
    stop: oneshot::Receiver<()>,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut connections = JoinSet::new();
    let mut blocks = shared.rules.block_every.map(|every| {
        let mut blocks = interval(every.max(Duration::from_millis(1)));
        blocks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        blocks
    });
    tokio::pin!(stop);
    loop {
        tokio::select! {
            _ = &mut stop => return Ok(()),
            () = tick(&mut blocks) => shared.world().chain.make_block(),
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => {
                match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(connection(shared.clone(), stream));
                    }
                    // A connection that was gone before it was taken, or no descriptor for it: the next may do.
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        }
    }
}

async fn tick(blocks: &mut Option<Interval>) {
    match blocks {
        Some(blocks) => {
            blocks.tick().await;
        }
        None => std::future::pending().await,
    }
}

/// Why a connection ends without an answer.
#[derive(Debug, thiserror::Error)]
enum Cut {
    #[error("it was scripted so")]
    Scripted,
    #[error("the answer cannot be written: {0}")]
    Answer(#[from] hyper::http::Error),
}

async fn connection(shared: Arc<Shared>, stream: TcpStream) {
    let service = service_fn(|request| respond(shared.clone(), request));
    let ended = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    // How a connection ended is its client's to know: cut by script, by itself, or well.
    drop(ended);
}

async fn respond(
    shared: Arc<Shared>,
    request: hyper::Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Cut> {
    let (head, body) = request.into_parts();
    let text = |name: &str| Some(head.headers.get(name)?.to_str().ok()?.to_owned());
    let body = match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => body.to_bytes().to_vec(),
        Err(_) => return Ok(reply(api::too_big(BODY_BYTES_MAX))?),
    };
    let request = Request {
        post: head.method == Method::POST,
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        api_key: text("TRON-PRO-API-KEY"),
        body,
    };
    match api::answer(&shared, &request) {
        Answer::Reply(answer) => Ok(reply(answer)?),
        Answer::Cut => Err(Cut::Scripted),
        Answer::Hang => std::future::pending().await,
    }
}

fn reply(reply: Reply) -> Result<Response<Full<Bytes>>, hyper::http::Error> {
    let kind =
        if reply.html { "text/html; charset=utf-8" } else { "application/json; charset=utf-8" };
    let mut builder = Response::builder().status(reply.status).header("Content-Type", kind);
    if let Some(seconds) = reply.retry_after {
        builder = builder.header("Retry-After", seconds);
    }
    builder.body(Full::new(reply.body.into()))
}

/// The listener's address.
pub(crate) fn address(listener: &TcpListener) -> io::Result<SocketAddr> {
    listener.set_nonblocking(true)?;
    listener.local_addr()
}
