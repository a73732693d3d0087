//! Listening: connections, TLS, time limits, and an orderly end.
//!
//! Invariants: a connection that says nothing is closed; a request head has an end in time and in
//! bytes; an answer that nobody reads is let go with its connection; when the node stops, answers without an end are ended and
//! requests under way have a grace to finish in, then are cut; whoever is answered before it has said everything still
//! reads the answer.

mod begun;
mod endless;
mod linger;
mod shares;
mod tls;
mod unread;

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::Request};
use http::{Version, header};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

pub(crate) use endless::EVENT_LINES;
pub use shares::Shares;
pub(crate) use shares::network;
pub use tls::{Tls, TlsError};

use self::{
    begun::Begun,
    linger::Lingering,
    unread::{Answers, Watched},
};
use crate::request::Peer;

/// A request's head arrives in this time.
const HEAD_TIME: Duration = Duration::from_secs(15);
/// A TLS handshake is done in this time.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// A request's head is read up to so many bytes.
const HEAD_BYTES_MAX: u32 = 64 << 10;
/// What a connection reads at once at the most. It grows with what arrives: an upload that moves is read
/// in few steps, and an idle one holds a few KiB.
const READ_BYTES_MAX: usize = 256 << 10;
/// Streams of an HTTP/2 connection at once.
const STREAMS_MAX: u32 = 64;
/// An answer on its way to somebody outside moves in this time (nginx's `send_timeout` is twice as long).
pub const WRITE_TIME: Duration = Duration::from_secs(30);
/// One on its way to another service does: that one may wait for somebody outside in between, who reads slowly.
pub const SERVICE_WRITE_TIME: Duration = Duration::from_mins(10);
/// After an error of the listener itself (too many open files).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How a service listens.
#[derive(Clone)]
pub struct ServerOptions {
    /// TLS, or none behind a proxy and between services.
    pub tls: Option<Tls>,
    /// Connections at once; more wait to be accepted.
    pub connections_max: usize,
    /// How long requests under way may take once the node stops.
    pub grace: Duration,
    /// An answer of which nobody takes a byte for so long ends its connection.
    pub write_time: Duration,
}

/// Serves until `stop` is cancelled, then drains.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    options: ServerOptions,
    stop: CancellationToken,
) {
    serve_shared(listener, router, options, None, stop).await;
}

/// [`serve`], where no address has more than its share of the connections.
pub async fn serve_shared(
    listener: TcpListener,
    router: Router,
    options: ServerOptions,
    shares: Option<Shares>,
    stop: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(options.connections_max));
    let (graceful, tasks) = (GracefulShutdown::new(), TaskTracker::new());
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((stream, peer, place)) = accepted else { continue };
        let share = match shares.as_ref().map(|shares| shares.take(peer.ip())) {
            // Closed without a word: to say one would take what it has no share of.
            Some(None) => continue,
            share => share.flatten(),
        };
        let (router, tls, watcher) = (router.clone(), options.tls.clone(), graceful.watcher());
        let (stop, time) = (stop.clone(), options.write_time);
        let stream = Watched::new(stream, time);
        tasks.spawn(async move {
            let (_place, _share) = (place, share);
            let served = Served { peer, router, watcher, time, stop };
            match tls {
                None => connection(stream, served).await,
                Some(tls) => match tokio::time::timeout(HANDSHAKE_TIME, tls.accept(stream)).await {
                    Ok(Ok(stream)) => connection(stream, served).await,
                    Ok(Err(error)) => tracing::debug!(%peer, %error, "a handshake failed"),
                    Err(_) => tracing::debug!(%peer, "a handshake took too long"),
                },
            }
        });
    }
    drop(listener);
    tasks.close();
    let drained = async {
        graceful.shutdown().await;
        tasks.wait().await;
    };
    if tokio::time::timeout(options.grace, drained).await.is_err() {
        tracing::warn!(open = tasks.len(), "connections are cut: the grace is over");
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Answers are small, and wait for nothing.
            let _ = stream.set_nodelay(true);
            Some((stream, peer, place))
        }
        Err(error) => {
            tracing::warn!(%error, "a connection cannot be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// What a connection is served with.
struct Served {
    peer: SocketAddr,
    router: Router,
    watcher: hyper_util::server::graceful::Watcher,
    time: Duration,
    stop: CancellationToken,
}

async fn connection<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S, of: Served) {
    let Served { peer, router, watcher, time, stop } = of;
    let begun = tokio::select! {
        () = stop.cancelled() => return,
        begun = tokio::time::timeout(HEAD_TIME, Begun::read(stream)) => begun,
    };
    let stream = match begun {
        Ok(Ok(Some(stream))) => stream,
        Ok(Ok(None)) => return,
        Ok(Err(error)) => return tracing::debug!(%peer, %error, "a connection ended badly"),
        Err(_) => return tracing::debug!(%peer, "a connection says nothing"),
    };
    let answers = Answers::default();
    let paced = answers.clone();
    let service = hyper::service::service_fn(move |request: http::Request<Incoming>| {
        let is_stream = request.version() >= Version::HTTP_2;
        // HTTP/2 ends one request without the others; and who waits to be asked for a body is not asked.
        let lingers = !is_stream && !request.headers().contains_key(header::EXPECT);
        let mut request: Request = match lingers {
            true => request.map(|body| Body::new(Lingering::new(body, stop.clone()))),
            false => request.map(Body::new),
        };
        request.extensions_mut().insert(Peer(peer));
        let (answer, answers) = (router.clone().oneshot(request), paced.clone());
        let stop = stop.clone();
        async move {
            let answer = endless::ended(answer.await?, &stop);
            // What one stream holds back, the connection does not show.
            Ok::<_, Infallible>(if is_stream {
                answer.map(|body| answers.paced(body))
            } else {
                answer
            })
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(READ_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEAD_BYTES_MAX)
        .keep_alive_interval(Some(Duration::from_secs(30)));
    let builder = if stream.is_http2 { builder.http2_only() } else { builder.http1_only() };
    let served = builder.serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        served = watcher.watch(served.into_owned()) => if let Err(error) = served {
            tracing::debug!(%peer, error = &*error, "a connection ended badly");
        },
        () = answers.stand_still(time) => {
            tracing::debug!(%peer, "a connection is cut: nobody reads its answers");
        }
    }
}
