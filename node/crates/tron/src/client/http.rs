//! One question over HTTP, and one answer in JSON.

use std::{error::Error, time::Duration};

use reqwest::{
    Response,
    header::{HeaderValue, RETRY_AFTER},
    redirect::Policy,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use zeroize::Zeroizing;

use super::error::{ClientError, Failure, Retry, shown};
use crate::Endpoint;

/// Bytes that are read of what comes with a status that is no success.
const SAID_BYTES_MAX: usize = 4 << 10;
/// Where TronGrid looks for the key.
const API_KEY: &str = "TRON-PRO-API-KEY";
/// What java-tron says, with status 200, to whom it takes no more requests of (`RateLimiterServlet`).
const BUSY: &str = "lack of computing resources";

/// A provider's API key. Wiped when dropped; it has no `Debug`.
#[derive(Clone)]
pub struct ApiKey(Zeroizing<String>);

/// A text that is no API key. It is not repeated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("it is no API key: 1 to 128 visible ASCII characters")]
pub struct ApiKeyError;

impl ApiKey {
    /// Reads a key, white space around it.
    ///
    /// # Errors
    /// [`ApiKeyError`].
    pub fn parse(text: &str) -> Result<Self, ApiKeyError> {
        let text = text.trim();
        let is_one = (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if is_one { Ok(Self(Zeroizing::new(text.to_owned()))) } else { Err(ApiKeyError) }
    }
}

/// How a node is asked.
#[derive(Clone)]
pub struct ClientOptions {
    /// The provider's key, if it gave one.
    pub api_key: Option<ApiKey>,
    /// A connection is made in this time.
    pub connect_time: Duration,
    /// A question is answered in this time, with its connection.
    pub answer_time: Duration,
    /// A proxy to ask through, such as Tor's `socks5h://127.0.0.1:9050`. The environment's are not used.
    pub proxy: Option<String>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            api_key: None,
            connect_time: Duration::from_secs(5),
            answer_time: Duration::from_secs(15),
            proxy: None,
        }
    }
}

/// A TRON node over HTTP, asked with POST and JSON. It keeps connections, follows nobody elsewhere, and tries
/// nothing twice.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    endpoint: Endpoint,
    options: ClientOptions,
}

/// What an error looks like that comes with status 200: java-tron's `Error`, gateways' other words.
#[derive(Deserialize)]
struct Inside {
    #[serde(rename = "Error")]
    java: Option<Value>,
    error: Option<Value>,
    success: Option<Value>,
    result: Option<Value>,
    code: Option<Value>,
    message: Option<Value>,
}

impl Client {
    /// A client of the node at `endpoint`.
    ///
    /// # Errors
    /// [`Failure::Setup`] where the proxy is no address, or TLS cannot be had.
    pub fn new(endpoint: Endpoint, options: ClientOptions) -> Result<Self, ClientError> {
        let wrong = |error: reqwest::Error| ClientError {
            endpoint: endpoint.clone(),
            call: "",
            failure: Failure::Setup(cause(error)),
        };
        let mut builder = reqwest::Client::builder()
            .connect_timeout(options.connect_time)
            .timeout(options.answer_time)
            .redirect(Policy::none())
            .referer(false)
            .no_proxy()
            .user_agent(concat!("lucid-node/", env!("CARGO_PKG_VERSION")));
        if let Some(proxy) = &options.proxy {
            builder = builder.proxy(reqwest::Proxy::all(proxy.as_str()).map_err(wrong)?);
        }
        let http = builder.build().map_err(wrong)?;
        Ok(Self { http, endpoint, options })
    }

    /// Who is asked.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(super) fn error(&self, call: &'static str, failure: Failure) -> ClientError {
        ClientError { endpoint: self.endpoint.clone(), call, failure }
    }

    /// Asks, and gives the answer's bytes, at most `bytes_max` of them.
    pub(super) async fn ask(
        &self,
        call: &'static str,
        arguments: &(impl Serialize + Sync),
        bytes_max: usize,
    ) -> Result<Vec<u8>, ClientError> {
        let answer = self.asked(call, arguments, bytes_max).await;
        answer.map_err(|failure| self.error(call, failure))
    }

    async fn asked(
        &self,
        call: &'static str,
        arguments: &(impl Serialize + Sync),
        bytes_max: usize,
    ) -> Result<Vec<u8>, Failure> {
        let mut request = self.http.post(self.endpoint.call(call)).json(arguments);
        if let Some(ApiKey(key)) = &self.options.api_key {
            let mut value = HeaderValue::from_str(key)
                .map_err(|_| Failure::Setup("the API key is no header".to_owned()))?;
            value.set_sensitive(true);
            request = request.header(API_KEY, value);
        }
        let answer = request.send().await.map_err(|error| self.failed(error))?;
        let status = answer.status();
        if status.is_success() {
            let (bytes, is_whole) = self.read(answer, bytes_max).await?;
            return if is_whole { Ok(bytes) } else { Err(Failure::TooLong(bytes_max)) };
        }
        let status = status.as_u16();
        if matches!(status, 403 | 429) {
            return Err(Failure::Busy { status, after: retry_after(&answer) });
        }
        let (said, _) = self.read(answer, SAID_BYTES_MAX).await?;
        let said = self.without_key(&shown(&String::from_utf8_lossy(&said)));
        Err(Failure::Status { status, said })
    }

    /// At most so many bytes of a body, and whether that was all.
    async fn read(&self, mut answer: Response, most: usize) -> Result<(Vec<u8>, bool), Failure> {
        let mut bytes = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(|error| self.failed(error))? {
            let room = most - bytes.len();
            bytes.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.len() > room {
                return Ok((bytes, false));
            }
        }
        Ok((bytes, true))
    }

    fn failed(&self, error: reqwest::Error) -> Failure {
        match (error.is_connect(), error.is_timeout()) {
            (true, _) => Failure::Unreachable(cause(error)),
            (false, true) => Failure::TimedOut(self.options.answer_time),
            (false, false) if error.is_builder() => Failure::Setup(cause(error)),
            (false, false) => Failure::BrokenOff(cause(error)),
        }
    }

    /// A server may repeat what it was sent.
    fn without_key(&self, text: &str) -> String {
        match &self.options.api_key {
            Some(ApiKey(key)) => text.replace(key.as_str(), "(the API key)"),
            None => text.to_owned(),
        }
    }

    /// Reads an answer that is no error.
    pub(super) fn read_answer<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, Failure> {
        self.no_error_inside(bytes)?;
        let malformed = |error: serde_json::Error| {
            Failure::Malformed(self.without_key(&shown(&error.to_string())))
        };
        serde_json::from_slice(bytes).map_err(malformed)
    }

    /// Finds an error in an answer of status 200.
    fn no_error_inside(&self, bytes: &[u8]) -> Result<(), Failure> {
        // What is no such object is another's to judge.
        let Ok(inside) = serde_json::from_slice::<Inside>(bytes) else { return Ok(()) };
        let no = Some(Value::Bool(false));
        let is_refused = inside.result == no || inside.success == no;
        let said = match (inside.java.or(inside.error), inside.code, inside.message) {
            (Some(said), _, _) => plain(&said),
            (None, Some(code), Some(said)) => format!("{} {}", plain(&code), plain(&said)),
            (None, Some(said), None) | (None, None, Some(said)) if is_refused => plain(&said),
            _ if is_refused => "it refuses, and does not say why".to_owned(),
            _ => return Ok(()),
        };
        self.refused(&said)
    }

    /// The error that a node's words are.
    pub(super) fn refused<T>(&self, said: &str) -> Result<T, Failure> {
        if said.contains(BUSY) {
            return Err(Failure::Busy { status: 200, after: None });
        }
        Err(Failure::Refused(self.without_key(&shown(said))))
    }
}

/// A value as words.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What is under an error of the client, without the address, which may have a key in it.
fn cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut inner: &dyn Error = &error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    shown(&inner.to_string())
}

/// When to come again, in seconds (RFC 9110 §10.2.3). A date is not read: without the server's clock it says
/// nothing, and the pause is then one's own.
fn retry_after(answer: &Response) -> Option<Duration> {
    let seconds: u64 = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(Retry::AFTER_MAX))
}
