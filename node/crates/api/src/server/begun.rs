//! The first bytes of a connection, which say what it speaks: in so much time, as hyper has none for it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// What a client of HTTP/2 begins with, who knows that it is spoken here (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection of which the first bytes were read, and are read once more.
pub(super) struct Begun<S> {
    seen: Vec<u8>,
    given: usize,
    stream: S,
    pub(super) is_http2: bool,
}

impl<S: AsyncRead + Unpin> Begun<S> {
    /// Reads until it is known what a client speaks; nothing where it ends before it said anything.
    pub(super) async fn read(mut stream: S) -> io::Result<Option<Self>> {
        let mut seen = Vec::with_capacity(PREFACE.len());
        while PREFACE.starts_with(&seen) && seen.len() < PREFACE.len() {
            let left = PREFACE.len() - seen.len();
            if (&mut stream).take(left as u64).read_buf(&mut seen).await? == 0 {
                break;
            }
        }
        let is_http2 = seen == PREFACE;
        Ok((!seen.is_empty()).then_some(Self { seen, given: 0, stream, is_http2 }))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Begun<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { seen, given, stream, .. } = self.get_mut();
        let left = &seen[*given..];
        if left.is_empty() {
            return Pin::new(stream).poll_read(context, buffer);
        }
        let count = left.len().min(buffer.remaining());
        buffer.put_slice(&left[..count]);
        *given += count;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Begun<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    /// However it comes in parts, it is read as it was sent.
    #[tokio::test]
    async fn what_is_spoken_is_told_and_nothing_is_lost() {
        let longer = [PREFACE, b"\0\0\0"].concat();
        for (sent, is_http2) in [
            (&b"GET / HTTP/1.1\r\n"[..], false),
            (b"P", false),
            (b"PRI * HTTP/1.1\r\n", false),
            (&PREFACE[..20], false),
            (PREFACE, true),
            (&longer, true),
        ] {
            for part in [1, 7, sent.len()] {
                let (mut client, server) = tokio::io::duplex(part);
                let sends = async move { client.write_all(sent).await.unwrap() };
                let read = async {
                    let mut begun = Begun::read(server).await.unwrap().expect("it says something");
                    assert_eq!(begun.is_http2, is_http2, "{sent:?}");
                    let mut all = Vec::new();
                    begun.read_to_end(&mut all).await.unwrap();
                    assert_eq!(all, sent);
                };
                tokio::join!(sends, read);
            }
        }
        let (client, server) = tokio::io::duplex(8);
        drop(client);
        assert!(Begun::read(server).await.unwrap().is_none());
    }
}
