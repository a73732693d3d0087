//! Answers without an end of their own: events, told for as long as somebody listens.
//!
//! A node that stops ends them at once. The grace is for what comes to an end, and a listener asks again elsewhere.

use axum::{body::Body, response::Response};
use futures_util::StreamExt;
use http::{HeaderValue, header};
use tokio_util::sync::CancellationToken;

/// Events that one service tells another: a JSON object a line.
pub(crate) const EVENT_LINES: &str = "application/x-ndjson";
/// Events that the public is told.
const EVENT_STREAM: &str = "text/event-stream";

/// The answer, which ends at `stop` where it would not by itself.
pub(super) fn ended(answer: Response, stop: &CancellationToken) -> Response {
    // One that says how long it is has an end, whatever somebody called what they uploaded.
    if answer.headers().contains_key(header::CONTENT_LENGTH) {
        return answer;
    }
    let kind = answer.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_endless = |kind: &[u8]| {
        let name = kind.split(|c| *c == b';').next().unwrap_or_default();
        [EVENT_LINES, EVENT_STREAM].iter().any(|endless| name == endless.as_bytes())
    };
    if !kind.is_some_and(is_endless) {
        return answer;
    }
    let stop = stop.clone().cancelled_owned();
    answer.map(|body| Body::from_stream(body.into_data_stream().take_until(stop)))
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, time::Duration};

    use axum::{Router, response::IntoResponse, routing::get};
    use bytes::Bytes;
    use futures_util::{StreamExt, stream};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    use super::*;
    use crate::server::{ServerOptions, serve};

    /// More than a test has.
    const GRACE: Duration = Duration::from_hours(1);

    async fn ends_with_the_node(kind: &'static str) {
        let events = move || async move {
            let first = stream::once(async { Ok::<_, Infallible>(Bytes::from_static(b"first\n")) });
            let body = Body::from_stream(first.chain(stream::pending()));
            ([(header::CONTENT_TYPE, kind)], body).into_response()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let stop = CancellationToken::new();
        let options =
            ServerOptions { tls: None, connections_max: 8, grace: GRACE, write_time: GRACE };
        let router = Router::new().route("/", get(events));
        let serving = tokio::spawn(serve(listener, router, options, stop.clone()));
        client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let mut said = Vec::new();
        while !said.ends_with(b"first\n\r\n") {
            assert_ne!(client.read_buf(&mut said).await.unwrap(), 0, "it breaks off");
        }
        stop.cancel();
        let over = async {
            client.read_to_end(&mut said).await.unwrap();
            serving.await.unwrap();
        };
        tokio::time::timeout(Duration::from_secs(30), over).await.expect(kind);
        assert!(said.ends_with(b"first\n\r\n0\r\n\r\n"), "{kind}: it is cut, not ended");
    }

    #[tokio::test]
    async fn a_content_that_is_called_events_is_not_cut() {
        let stop = CancellationToken::new();
        stop.cancel();
        for (headers, whole) in [
            (vec![(header::CONTENT_TYPE, EVENT_LINES), (header::CONTENT_LENGTH, "6")], true),
            (vec![(header::CONTENT_TYPE, "application/x-ndjson-of-ours")], true),
            (vec![(header::CONTENT_TYPE, EVENT_LINES)], false),
        ] {
            let body = stream::once(async { Ok::<_, Infallible>(Bytes::from_static(b"events")) });
            let mut answer = Response::new(Body::from_stream(body));
            for (name, value) in headers {
                answer.headers_mut().insert(name, HeaderValue::from_static(value));
            }
            let body = ended(answer, &stop).into_body();
            let read = axum::body::to_bytes(body, 64).await.unwrap();
            assert_eq!(&read[..] == b"events", whole, "{read:?}");
        }
    }

    #[tokio::test]
    async fn events_do_not_keep_a_node_that_stops() {
        for kind in [EVENT_LINES, EVENT_STREAM, "text/event-stream; charset=utf-8"] {
            ends_with_the_node(kind).await;
        }
    }
}
