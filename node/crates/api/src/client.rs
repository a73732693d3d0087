//! A client of a running node, for the command line: one request a connection, bounded in time and bytes.
//!
//! It follows nobody: no redirects, no proxies of the environment. A token goes over TLS, or to this machine.

use std::{path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

mod pinned;
mod trust;

pub use self::trust::Trust;
use self::trust::connector;

/// A connection is made in this time, TLS included.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// The same where somebody else makes it: onion services take their time.
const DIAL_TIME: Duration = Duration::from_mins(1);
/// Most bytes of an answer.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// A node.
pub struct Client {
    base: String,
    host: String,
    port: u16,
    tls: Option<TlsConnector>,
    time: Duration,
    /// How connections are made; directly where nobody says.
    dial: Option<Arc<dyn Dial>>,
}

/// What a node answered.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The body, whole.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// It is no address of a node.
    #[error("{0:?} is no address of a node: it is of the form http://HOST:PORT or https://HOST")]
    Url(String),
    /// A file with certificates is of no use.
    #[error("{path} holds no certificate in PEM form: {why}")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// This machine's own authorities cannot be read.
    #[error(
        "this machine has no certificate authorities: {0}; name yours with --ca-certificate FILE"
    )]
    NoAuthorities(String),
    /// A token would go where everybody can read it.
    #[error("a token is sent only over https or to this machine, and {0} is neither")]
    InTheOpen(String),
    /// Nobody answers.
    #[error("nobody answers at {url}: {why}")]
    NoAnswer {
        /// Where.
        url: String,
        /// Why.
        why: String,
    },
    /// Somebody answers whose certificate is not believed.
    #[error(
        "something answers at {url}, and its certificate is not believed: {why}; name its \
             authority with --ca-certificate FILE"
    )]
    Untrusted {
        /// Where.
        url: String,
        /// Why.
        why: String,
    },
    /// What answers is no Lucid node, or one of another version.
    #[error("what answers at {url} is no node of this version: {why}")]
    Nonsense {
        /// Where.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// An answer that does not end.
    #[error(
        "what answers at {url} sent more than {bytes_max} bytes in one answer, which is longer than any should be, and was \
         not read on: something else listens there; give the right address"
    )]
    TooLong {
        /// Where.
        url: String,
        /// The most that is read.
        bytes_max: usize,
    },
    /// The node refuses.
    #[error("{url} answers {status}, {code}: {detail}")]
    Refused {
        /// Where.
        url: String,
        /// The status.
        status: u16,
        /// The problem's code.
        code: String,
        /// The problem's detail.
        detail: String,
    },
}

/// A problem, as far as it is told on.
#[derive(Deserialize)]
struct Told {
    code: String,
    detail: String,
}

impl Client {
    /// A client of the node at `url`, each of whose answers takes at most `time`.
    ///
    /// # Errors
    /// [`ClientError::Url`] and those of certificates.
    pub fn new(url: &str, trust: &Trust, time: Duration) -> Result<Self, ClientError> {
        let wrong = || ClientError::Url(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let authority = uri.authority().ok_or_else(wrong)?;
        let path = uri.path_and_query().map(http::uri::PathAndQuery::as_str);
        let plain = matches!(path, None | Some("/" | ""));
        if !plain || authority.as_str().contains('@') {
            return Err(wrong());
        }
        let (tls, port) = match uri.scheme_str() {
            Some("http") => (None, 80),
            Some("https") => (Some(connector(trust)?), 443),
            _ => return Err(wrong()),
        };
        // An IPv6 address is in brackets, which are not its own.
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let base = url.trim_end_matches('/').to_owned();
        let port = authority.port_u16().unwrap_or(port);
        Ok(Self { base, host, port, tls, time, dial: None })
    }

    /// The same, whose connections are made by `dial`: through a proxy, say.
    #[must_use]
    pub fn dialled_by(self, dial: Arc<dyn Dial>) -> Self {
        Self { dial: Some(dial), ..self }
    }

    /// Where the node is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.base
    }

    /// Sends a request without a token, and gives the answer whatever its status.
    ///
    /// # Errors
    /// [`ClientError::NoAnswer`], [`ClientError::TooLong`].
    pub async fn get(&self, path: &str) -> Result<Reply, ClientError> {
        self.send(Method::GET, path, None, None).await
    }

    /// Calls the API, with a token where there is one; gives the answer's JSON.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn ask<R: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<Vec<u8>>,
    ) -> Result<R, ClientError> {
        let reply = self.send(method, path, token, body).await?;
        let nonsense = |why: String| ClientError::Nonsense { url: self.base.clone(), why };
        if reply.status.is_success() {
            return serde_json::from_slice(&reply.body)
                .map_err(|error| nonsense(error.to_string()));
        }
        let told: Told = serde_json::from_slice(&reply.body)
            .map_err(|_| nonsense(format!("status {}", reply.status)))?;
        let (url, status) = (self.base.clone(), reply.status.as_u16());
        Err(ClientError::Refused { url, status, code: told.code, detail: told.detail })
    }

    /// Posts a text without a token, and gives the answer whatever its status, if it has at most
    /// `bytes_max` bytes.
    ///
    /// # Errors
    /// [`ClientError::NoAnswer`], [`ClientError::TooLong`].
    pub async fn post_text(
        &self,
        path: &str,
        body: String,
        bytes_max: usize,
    ) -> Result<Reply, ClientError> {
        let request = self.request(Method::POST, path);
        let request = request.header(header::CONTENT_TYPE, "text/plain; charset=utf-8");
        self.exchange(path, request, body.into_bytes(), bytes_max).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<Vec<u8>>,
    ) -> Result<Reply, ClientError> {
        let here = self.host == "localhost"
            || self.host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
        if token.is_some() && self.tls.is_none() && !here {
            return Err(ClientError::InTheOpen(self.base.clone()));
        }
        let mut request = self.request(method, path);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        self.exchange(path, request, body.unwrap_or_default(), ANSWER_BYTES_MAX).await
    }

    fn request(&self, method: Method, path: &str) -> http::request::Builder {
        // The authority, as it was given.
        let host = self.base.split_once("://").map_or("", |(_, host)| host);
        Request::builder().method(method).uri(path).header(header::HOST, host)
    }

    async fn exchange(
        &self,
        path: &str,
        request: http::request::Builder,
        body: Vec<u8>,
        bytes_max: usize,
    ) -> Result<Reply, ClientError> {
        let no_answer = |why: String| ClientError::NoAnswer { url: self.base.clone(), why };
        let request = request.body(Full::new(Bytes::from(body)));
        let request = request.map_err(|_| ClientError::Url(format!("{}{path}", self.base)))?;
        let time = if self.dial.is_some() { DIAL_TIME } else { CONNECT_TIME };
        let connecting = tokio::time::timeout(time, self.connect()).await;
        let stream = connecting.map_err(|_| no_answer("no connection in time".to_owned()))?;
        let stream = stream.map_err(|error| match error.get_ref().is_some_and(is_of_tls) {
            true => ClientError::Untrusted { url: self.base.clone(), why: error.to_string() },
            false => no_answer(error.to_string()),
        })?;
        let answered = tokio::time::timeout(self.time, exchange(stream, request, bytes_max)).await;
        let answered = answered.map_err(|_| no_answer("no answer in time".to_owned()))?;
        answered.map_err(|error| match error.is::<LengthLimitError>() {
            true => ClientError::TooLong { url: self.base.clone(), bytes_max },
            false => no_answer(error.to_string()),
        })
    }

    async fn connect(&self) -> std::io::Result<Box<dyn Stream>> {
        let stream = match &self.dial {
            Some(dial) => dial.dial(&self.host, self.port).await?,
            None => TcpStream::connect((self.host.as_str(), self.port)).await?,
        };
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let name = ServerName::try_from(self.host.clone()).map_err(std::io::Error::other)?;
        Ok(Box::new(tls.connect(name, stream).await?))
    }
}

/// Whether it is the handshake that failed, and not the connection.
fn is_of_tls(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    matches!(
        error.downcast_ref(),
        Some(
            tokio_rustls::rustls::Error::InvalidCertificate(_)
                | tokio_rustls::rustls::Error::General(_)
        )
    )
}

/// Makes connections in another way than by looking a name up and connecting.
#[async_trait::async_trait]
pub trait Dial: Send + Sync {
    /// A connection with this host: a name, or an address without brackets.
    ///
    /// # Errors
    /// Why there is none.
    async fn dial(&self, host: &str, port: u16) -> std::io::Result<TcpStream>;
}

/// A connection, plain or not.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

async fn exchange(
    stream: Box<dyn Stream>,
    request: Request<Full<Bytes>>,
    bytes_max: usize,
) -> Result<Reply, Box<dyn std::error::Error + Send + Sync>> {
    let shaken = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken?;
    let answering = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, bytes_max).collect().await?.to_bytes();
        Ok(Reply { status: head.status, body })
    };
    let mut answering = std::pin::pin!(answering);
    // The connection is served until there is an answer; how it ends after that is nobody's concern.
    tokio::select! {
        biased;
        reply = &mut answering => reply,
        _ = connection => answering.await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(url: &str) -> Result<Client, ClientError> {
        Client::new(url, &Trust::System, Duration::from_secs(5))
    }

    #[test]
    fn addresses_of_nodes() {
        for (url, host, port) in [
            ("http://127.0.0.1:8080", "127.0.0.1", 8080),
            ("http://node.example/", "node.example", 80),
            ("http://[::1]:8080", "::1", 8080),
        ] {
            let client = client(url).unwrap();
            assert_eq!((client.host.as_str(), client.port), (host, port), "{url}");
        }
        for url in ["", "node", "ftp://node", "http://", "http://a/b", "http://u:p@a", "http://a?b"]
        {
            assert!(matches!(client(url), Err(ClientError::Url(_))), "{url}");
        }
        let missing = Trust::Authorities("/nonexistent.pem".into());
        let missing = Client::new("https://a", &missing, Duration::from_secs(5));
        assert!(matches!(missing, Err(ClientError::Certificate { .. })));
    }

    #[tokio::test]
    async fn an_answer_without_an_end_is_named() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; 1024];
            assert!(stream.read(&mut asked).await.unwrap() > 0);
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            // Until whoever asked has had enough.
            while stream.write_all(&[b' '; 4096]).await.is_ok() {}
        });
        let asked = client(&url).unwrap().ask::<()>(Method::GET, "/", None, None).await;
        let error = asked.unwrap_err();
        assert!(matches!(error, ClientError::TooLong { .. }), "{error}");
        let said = error.to_string();
        assert!(said.contains(&url) && said.contains("address"), "{said}");
        server.await.unwrap();
    }

    #[tokio::test]
    async fn a_token_is_not_sent_in_the_open() {
        // 192.0.2.0/24 is for documentation (RFC 5737): nobody is asked.
        let client = client("http://192.0.2.1:8080").unwrap();
        let sent = client.ask::<()>(Method::GET, "/", Some("secret"), None).await;
        assert!(matches!(sent, Err(ClientError::InTheOpen(_))));
    }
}
