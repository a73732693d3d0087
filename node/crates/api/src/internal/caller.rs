//! One service's way to another.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream::BoxStream};
use http::{Request, Response, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{CALL, PING, REFUSED, ServiceKey};
use crate::{Code, Problem};

/// A connection is made in this time.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// A call is answered in this time, uploads excepted.
const CALL_TIME: Duration = Duration::from_mins(1);
/// A problem is a few hundred bytes, which come with its status.
const PROBLEM_TIME: Duration = Duration::from_secs(5);
/// Time for what was read to be written before a connection is cut.
const BEFORE_A_CUT: Duration = Duration::from_millis(100);
/// Whether somebody is there is known in this time.
const PING_TIME: Duration = Duration::from_secs(2);
/// Whether it is ready is known in this time: it asks others that it needs.
const READY_TIME: Duration = Duration::from_secs(5);
/// Bytes of what it says of that.
const READY_BYTES_MAX: usize = 64 << 10;
/// Bytes of an answer: a manifest of some hundred thousand chunks.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A way to a service.
#[derive(Clone)]
pub struct Caller {
    client: Client<HttpConnector, Body>,
    base: Arc<str>,
    key: ServiceKey,
    /// Who calls, and who is called.
    names: (&'static str, &'static str),
}

/// A body that is passed on while it arrives. Where it breaks off, what came before is sent on first:
/// the connection is cut with the error, and with it what still waits to be written.
pub(crate) fn passed_on<S, E>(body: S) -> Body
where
    S: Stream<Item = Result<Bytes, E>> + Send + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + Send + 'static,
{
    Body::from_stream(body.then(async |piece| {
        if piece.is_err() {
            tokio::time::sleep(BEFORE_A_CUT).await;
        }
        piece
    }))
}

/// What of a problem crosses.
#[derive(Deserialize)]
struct Crossed {
    code: Code,
    detail: String,
}

/// What `/ready` says.
#[derive(Deserialize)]
struct Said {
    checks: Vec<SaidCheck>,
}

#[derive(Deserialize)]
struct SaidCheck {
    name: String,
    ok: bool,
    detail: String,
}

impl Caller {
    /// A way from `caller` to `called`, which is at `base`.
    #[must_use]
    pub fn new(caller: &'static str, called: &'static str, base: &str, key: ServiceKey) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIME));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(20))
            .build(connector);
        Self { client, base: base.into(), key, names: (caller, called) }
    }

    /// Calls with JSON and is answered JSON.
    ///
    /// # Errors
    /// The other's problem; `unavailable`, `service_timeout`, `bad_gateway`.
    pub async fn call<A: Serialize + ?Sized, R: DeserializeOwned>(
        &self,
        method: &str,
        arguments: &A,
    ) -> Result<R, Problem> {
        let bytes = self.call_for_bytes(method, arguments).await?;
        serde_json::from_slice(&bytes).map_err(|_| self.nonsense())
    }

    /// Calls with JSON and is answered bytes.
    ///
    /// # Errors
    /// Those of [`Caller::call`].
    pub async fn call_for_bytes<A: Serialize + ?Sized>(
        &self,
        method: &str,
        arguments: &A,
    ) -> Result<Bytes, Problem> {
        self.within(method, arguments, CALL_TIME).await
    }

    /// Calls with JSON and is answered JSON, in a time that the method calls for.
    ///
    /// # Errors
    /// Those of [`Caller::call`].
    pub async fn call_within<A: Serialize + ?Sized, R: DeserializeOwned>(
        &self,
        method: &str,
        arguments: &A,
        time: Duration,
    ) -> Result<R, Problem> {
        let bytes = self.within(method, arguments, time).await?;
        serde_json::from_slice(&bytes).map_err(|_| self.nonsense())
    }

    async fn within<A: Serialize + ?Sized>(
        &self,
        method: &str,
        arguments: &A,
        time: Duration,
    ) -> Result<Bytes, Problem> {
        let arguments = serde_json::to_vec(arguments).map_err(|_| Problem::internal())?;
        let request = self.request(method, None, Body::from(arguments))?;
        self.whole(self.send(request, Some(time)), time).await
    }

    /// Who is called.
    #[must_use]
    pub fn called(&self) -> &'static str {
        self.names.1
    }

    /// Whether the other is there, and lets this service in.
    ///
    /// # Errors
    /// Those of [`Caller::call`].
    pub async fn ping(&self) -> Result<(), Problem> {
        self.call_within(PING, &(), PING_TIME).await
    }

    /// Whether the other can do its work, as it says itself.
    ///
    /// # Errors
    /// `unavailable` with what it lacks; those of [`Caller::call`].
    pub async fn ready(&self) -> Result<(), Problem> {
        let request = Request::get(format!("{}/ready", self.base)).body(Body::empty());
        let request = request.map_err(|_| Problem::internal())?;
        let late = || {
            let detail = format!("{} did not answer in time", self.names.1);
            Problem::new(Code::ServiceTimeout, detail)
        };
        let asked = async {
            let response = self.client.request(request).await;
            let response = response.map_err(|error| self.unreachable(&error))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), READY_BYTES_MAX).collect().await;
            Ok((status, body.map_err(|_| self.nonsense())?.to_bytes()))
        };
        let (status, body) =
            tokio::time::timeout(READY_TIME, asked).await.map_err(|_| late())??;
        if status.is_success() {
            return Ok(());
        }
        let said: Said = serde_json::from_slice(&body).map_err(|_| self.nonsense())?;
        let failed = said.checks.into_iter().filter(|check| !check.ok);
        let failed: Vec<_> =
            failed.map(|SaidCheck { name, detail, .. }| format!("{name}: {detail}")).collect();
        Err(Problem::new(Code::Unavailable, format!("it is not ready: {}", failed.join("; "))))
    }

    /// Calls with arguments and bytes, and is answered JSON.
    ///
    /// # Errors
    /// Those of [`Caller::call`].
    pub async fn send_bytes<A: Serialize + ?Sized, R: DeserializeOwned>(
        &self,
        method: &str,
        arguments: &A,
        body: Body,
        time: Option<Duration>,
    ) -> Result<R, Problem> {
        let arguments = serde_json::to_string(arguments).map_err(|_| Problem::internal())?;
        let request = self.request(method, Some(&arguments), body)?;
        let bytes = self.whole(self.send(request, time), CALL_TIME).await?;
        serde_json::from_slice(&bytes).map_err(|_| self.nonsense())
    }

    /// Calls with JSON and is answered a stream, with its length where that is known.
    ///
    /// # Errors
    /// Those of [`Caller::call`]; each item too.
    pub async fn call_for_stream<A: Serialize + ?Sized>(
        &self,
        method: &str,
        arguments: &A,
    ) -> Result<(Option<u64>, BoxStream<'static, Result<Bytes, Problem>>), Problem> {
        let arguments = serde_json::to_vec(arguments).map_err(|_| Problem::internal())?;
        let request = self.request(method, None, Body::from(arguments))?;
        let response = self.send(request, Some(CALL_TIME)).await?;
        let length = response.headers().get(header::CONTENT_LENGTH);
        let length =
            length.and_then(|length| length.to_str().ok()).and_then(|text| text.parse().ok());
        let called = self.names.1;
        let broken = move |_| Problem::new(Code::Unavailable, format!("{called} broke off"));
        let content = Body::new(response.into_body()).into_data_stream();
        Ok((length, content.map(move |piece| piece.map_err(broken)).boxed()))
    }

    /// Sends a request as it is, for the gateway.
    pub(super) async fn forward(
        &self,
        mut request: Request<Body>,
        path: &str,
        token: String,
    ) -> Result<Response<Incoming>, Problem> {
        let uri = format!("{}{path}", self.base);
        *request.uri_mut() =
            uri.parse().map_err(|_| Problem::new(Code::InvalidRequest, "the path is malformed"))?;
        let token = format!("Bearer {token}").parse().map_err(|_| Problem::internal())?;
        request.headers_mut().insert(header::AUTHORIZATION, token);
        let response = self.client.request(request).await;
        let response = response.map_err(|error| self.unreachable(&error))?;
        // What is wrong between services is none of the caller's doing.
        match response.headers().contains_key(REFUSED) {
            true => Err(self.refused("it does not believe this service's token")),
            false => Ok(response),
        }
    }

    fn refused(&self, detail: &str) -> Problem {
        tracing::error!(called = self.names.1, detail, "a service refuses this one's token");
        let detail = "services do not know each other: compare service_secret and the clocks";
        Problem::new(Code::BadGateway, detail)
    }

    /// A token for the called service.
    pub(super) fn token(&self, principal: Option<&lucid_core::access::Principal>) -> String {
        self.key.token(self.names.0, self.names.1, principal)
    }

    fn request(
        &self,
        method: &str,
        arguments: Option<&str>,
        body: Body,
    ) -> Result<Request<Body>, Problem> {
        let token = self.token(None);
        let kind =
            if arguments.is_some() { "application/octet-stream" } else { "application/json" };
        let mut request = Request::post(format!("{}/internal/v1/{method}", self.base))
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, kind);
        if let Some(arguments) = arguments {
            request = request.header(CALL, arguments);
        }
        request.body(body).map_err(|_| Problem::internal())
    }

    async fn send(
        &self,
        request: Request<Body>,
        time: Option<Duration>,
    ) -> Result<Response<Incoming>, Problem> {
        let sent = self.client.request(request);
        let response = match time {
            None => sent.await,
            Some(time) => tokio::time::timeout(time, sent).await.map_err(|_| {
                Problem::new(
                    Code::ServiceTimeout,
                    format!("{} did not answer in time", self.names.1),
                )
            })?,
        };
        let response = response.map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let refused = response.headers().contains_key(REFUSED);
        let body = Limited::new(response.into_body(), 64 << 10).collect();
        let body = tokio::time::timeout(PROBLEM_TIME, body).await.map_err(|_| self.nonsense())?;
        let body = body.map_err(|_| self.nonsense())?.to_bytes();
        let Crossed { code, detail } =
            serde_json::from_slice(&body).map_err(|_| self.nonsense())?;
        if refused {
            return Err(self.refused(&detail));
        }
        Err(Problem { code, detail })
    }

    /// The whole answer, whose body comes within `time` of its head.
    async fn whole(
        &self,
        sent: impl Future<Output = Result<Response<Incoming>, Problem>>,
        time: Duration,
    ) -> Result<Bytes, Problem> {
        let body = Limited::new(sent.await?.into_body(), ANSWER_BYTES_MAX).collect();
        let body = tokio::time::timeout(time, body).await.map_err(|_| self.nonsense())?;
        Ok(body.map_err(|_| self.nonsense())?.to_bytes())
    }

    fn unreachable(&self, error: &hyper_util::client::legacy::Error) -> Problem {
        let (called, base) = (self.names.1, &self.base);
        let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        tracing::warn!(called, %base, %error, cause, "a service cannot be reached");
        Problem::new(Code::Unavailable, format!("{called} cannot be reached: try again"))
    }

    pub(super) fn nonsense(&self) -> Problem {
        tracing::error!(called = self.names.1, "a service answered what it should not");
        Problem::new(Code::BadGateway, format!("{} answered what it should not", self.names.1))
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// The address of a service whose answers stand still in their middle.
    async fn standing_still(status: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let mut open = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = [0; 4096];
                assert!(stream.read(&mut head).await.unwrap() > 0);
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 100\r\n\r\n{{");
                stream.write_all(answer.as_bytes()).await.unwrap();
                open.push(stream);
            }
        });
        url
    }

    #[tokio::test]
    async fn who_stands_still_in_an_answer_is_not_waited_for() {
        for (status, longest) in [("200 OK", PING_TIME), ("503 Service Unavailable", PROBLEM_TIME)]
        {
            let url = standing_still(status).await;
            let caller = Caller::new("api-server", "session-chunker", &url, ServiceKey::new(b"x"));
            let asked = tokio::time::timeout(longest + PING_TIME, caller.ping()).await;
            assert_eq!(asked.expect("it ends").unwrap_err().code, Code::BadGateway, "{status}");
        }
    }
}
