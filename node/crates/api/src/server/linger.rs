//! Reading on after an answer that came before the request's body had ended.
//!
//! Who still writes when a connection is closed has it reset, and may lose the answer that says why it
//! was refused (RFC 9112 §9.6). So a body that is let go unread is read on and thrown away for a while,
//! with the answer already on its way.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio_util::sync::CancellationToken;

/// So long at the most.
const TIME: Duration = Duration::from_secs(10);
/// Until so long nothing arrives.
const PAUSE: Duration = Duration::from_secs(1);
/// So many bytes at the most: whoever has more to say sees its connection reset.
const BYTES_MAX: u64 = 64 << 20;

/// A request's body that is read on when it is let go.
pub(super) struct Lingering {
    body: Option<Incoming>,
    stop: CancellationToken,
}

impl Lingering {
    /// `body`, read on after its end here unless `stop` is cancelled.
    pub(super) fn new(body: Incoming, stop: CancellationToken) -> Self {
        Self { body: Some(body), stop }
    }
}

impl Body for Lingering {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let stop = self.stop.clone();
        runtime.spawn(async move {
            // However it ends, the connection is closed where something is left of the body.
            let _ = tokio::time::timeout(TIME, stop.run_until_cancelled(read_on(body))).await;
        });
    }
}

async fn read_on(mut body: Incoming) {
    let mut read = 0;
    while let Ok(Some(Ok(frame))) = tokio::time::timeout(PAUSE, body.frame()).await {
        read += frame.data_ref().map_or(0, |data| data.len() as u64);
        if read > BYTES_MAX {
            return;
        }
    }
}
