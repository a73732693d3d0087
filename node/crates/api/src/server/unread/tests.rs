use std::net::SocketAddr;

use axum::{Router, routing::get};
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::*;
use crate::server::{ServerOptions, serve};

const TIME: Duration = Duration::from_millis(400);
/// More than sockets keep of what was written.
const BYTES: usize = 32 << 20;

/// Answers that are in memory.
type There = Arc<AtomicUsize>;

/// An answer's bytes, which count.
struct Content(Vec<u8>, There);

impl AsRef<[u8]> for Content {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A server whose answers count in what is given with it.
async fn server() -> (SocketAddr, There, DropGuard) {
    let (there, stop) = (There::default(), CancellationToken::new());
    let of_route = Arc::clone(&there);
    let large = move || {
        of_route.fetch_add(1, Ordering::SeqCst);
        let content = Content(vec![7; BYTES], Arc::clone(&of_route));
        async move { Body::from(Bytes::from_owner(content)) }
    };
    let never =
        || async { Body::from_stream(futures_util::stream::pending::<io::Result<Bytes>>()) };
    let router = Router::new().route("/large", get(large)).route("/never", get(never));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let grace = Duration::from_secs(1);
    let options = ServerOptions { tls: None, connections_max: 8, grace, write_time: TIME };
    tokio::spawn(serve(listener, router, options, stop.clone()));
    (address, there, stop.drop_guard())
}

/// Waits until an answer is there, then until none is.
async fn is_let_go(there: &There) {
    let until = async |count| {
        while there.load(Ordering::SeqCst) != count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let gone = async {
        until(1).await;
        until(0).await;
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.expect("it is let go");
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_let_go() {
    let (address, there, _stop) = server().await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    stream.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    is_let_go(&there).await;
    // The connection was closed, within the answer.
    let mut read = Vec::new();
    let _ = stream.read_to_end(&mut read).await;
    assert!(read.starts_with(b"HTTP/1.1 200 OK") && read.len() < BYTES);
}

/// Asks for `/large` with HTTP/2 and windows of so many bytes.
async fn streamed(
    address: SocketAddr,
    window: u32,
    path: &str,
) -> hyper::Response<hyper::body::Incoming> {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(window);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let uri = format!("http://{address}{path}");
    let request = Request::get(uri).body(Empty::<Bytes>::new()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    // The connection is there as long as somebody can ask.
    tokio::spawn(async move {
        let _sender = sender;
        std::future::pending::<()>().await;
    });
    response
}

/// The connection moves: it is a stream of it that does not.
#[tokio::test]
async fn a_stream_without_a_window_is_let_go() {
    for window in [0, 1, 100_000] {
        let (address, there, _stop) = server().await;
        let response = streamed(address, window, "/large").await;
        is_let_go(&there).await;
        let mut body = response.into_body();
        let mut read = 0;
        let end = loop {
            match body.frame().await {
                Some(Ok(frame)) => read += frame.into_data().map_or(0, |data| data.len()),
                end => break end,
            }
        };
        assert!(matches!(end, Some(Err(_))) && read < BYTES, "{window}: {read}");
    }
}

#[tokio::test]
async fn whoever_reads_slowly_is_not_cut_off() {
    let (address, there, _stop) = server().await;
    let mut body = streamed(address, 65_535, "/large").await.into_body();
    let begun = std::time::Instant::now();
    let mut read = 0;
    while begun.elapsed() < 4 * TIME {
        read += body.frame().await.unwrap().unwrap().into_data().unwrap().len();
        tokio::time::sleep(TIME / 8).await;
    }
    while let Some(frame) = body.frame().await {
        read += frame.unwrap().into_data().map_or(0, |data| data.len());
    }
    assert_eq!(read, BYTES);
    assert_eq!(there.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_answer_that_has_nothing_to_say_yet_is_waited_for() {
    let (address, _there, _stop) = server().await;
    let mut body = streamed(address, 65_535, "/never").await.into_body();
    let waited = tokio::time::timeout(4 * TIME, body.frame()).await;
    assert!(waited.is_err(), "{waited:?}");
}
