//! The way from the command line to a running node.

use std::{
    fs::File,
    io::{self, Read},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, ValueHint};
use http::Method;
use lucid_api::client::{Client, ClientError, Trust};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::runtime::Runtime;
use zeroize::Zeroizing;

use crate::{
    config::{Config, ServiceName},
    context::Context,
    failure::{Failure, Outcome},
};

/// An answer takes at most this long.
const ANSWER_TIME: Duration = Duration::from_secs(30);
/// No token's file is longer.
const TOKEN_BYTES_MAX: u64 = 64 << 10;

/// Which node.
#[derive(Args, Debug)]
pub struct NodeArg {
    /// Where the node is, such as `https://node.example` [default: where this configuration listens]
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub url: Option<String>,
    /// Believe the certificate authorities in this file, instead of those of this machine
    #[arg(long, value_name = "FILE", requires = "url", value_hint = ValueHint::FilePath)]
    pub ca_certificate: Option<PathBuf>,
}

impl NodeArg {
    /// A client of the node, by default of `service` on this machine.
    ///
    /// # Errors
    /// Where the address or a certificate is of no use.
    pub fn client(&self, context: &Context, service: ServiceName) -> Outcome<Client> {
        let (url, trust) = match (&self.url, &self.ca_certificate) {
            (None, _) => own(&context.config, service),
            (Some(url), None) => (url.clone(), Trust::System),
            (Some(url), Some(file)) => (url.clone(), Trust::Authorities(file.clone())),
        };
        Client::new(&url, &trust, ANSWER_TIME).map_err(|error| of_client(&error))
    }
}

/// Which node, and who asks it.
#[derive(Args, Debug)]
pub struct Reach {
    /// Ask with the access token in this file: alone, or as /auth/login answered it; - is standard input. Not
    /// needed for reading where the log is public
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    token_file: Option<PathBuf>,
    #[command(flatten)]
    node: NodeArg,
}

impl Reach {
    /// A way to the node's API.
    ///
    /// # Errors
    /// Those of [`NodeArg::client`] and [`read_token`].
    pub fn open(&self, context: &Context) -> Outcome<Connection> {
        let client = self.node.client(context, ServiceName::ApiGateway)?;
        let token = self.token_file.as_deref().map(read_token).transpose()?;
        Connection::new(client, token)
    }
}

/// A way to a node's API, for whoever waits for one answer after another.
pub struct Connection {
    runtime: Runtime,
    client: Client,
    token: Option<Zeroizing<String>>,
}

impl Connection {
    /// # Errors
    /// The operating system's.
    pub fn new(client: Client, token: Option<Zeroizing<String>>) -> Outcome<Self> {
        Ok(Self { runtime: runtime()?, client, token })
    }

    /// Asks, with a `body` of JSON where there is one.
    ///
    /// # Errors
    /// As [`of_client`] has them, with a way out where nobody said who asks.
    pub fn ask<R: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Outcome<R> {
        let token = self.token.as_ref().map(|token| token.as_str());
        let answer = self.runtime.block_on(self.client.ask(method, path, token, body));
        answer.map_err(|error| match &error {
            ClientError::Refused { code, .. } if code == "token_missing" => {
                let failure = of_client(&error);
                Failure::usage(format!("{}: give --token-file FILE", failure.error))
            }
            error => of_client(error),
        })
    }

    /// # Errors
    /// As [`ask`](Self::ask).
    pub fn get<R: DeserializeOwned>(&self, path: &str) -> Outcome<R> {
        self.ask(Method::GET, path, None)
    }

    /// # Errors
    /// As [`ask`](Self::ask).
    pub fn send<R: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Outcome<R> {
        let body = serde_json::to_vec(body).map_err(io::Error::from)?;
        self.ask(method, path, Some(body))
    }
}

/// Where `service` of this machine listens, and whom to believe there.
pub fn own(config: &Config, service: ServiceName) -> (String, Trust) {
    let services = &config.services;
    let default = SocketAddr::from((Ipv4Addr::LOCALHOST, service.port()));
    let mut address = services.listen.unwrap_or(default);
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    match &services.tls_certificate {
        // Its name is another than the address: what counts is that it is the one.
        Some(file) if service == ServiceName::ApiGateway => {
            (format!("https://{address}"), Trust::Exactly(file.clone()))
        }
        _ => (format!("http://{address}"), Trust::System),
    }
}

/// How a command ends that got no answer, or a refusal.
pub fn of_client(error: &ClientError) -> Failure {
    let message = error.to_string();
    match error {
        ClientError::Refused { status: 404, .. } => Failure::check(message),
        ClientError::Refused { status: 400..500, .. }
        | ClientError::Url(_)
        | ClientError::Certificate { .. }
        | ClientError::NoAuthorities(_)
        | ClientError::InTheOpen(_) => Failure::usage(message),
        ClientError::NoAnswer { .. }
        | ClientError::Untrusted { .. }
        | ClientError::Nonsense { .. }
        | ClientError::TooLong { .. }
        | ClientError::Refused { .. } => Failure::io(message),
    }
}

/// What waits for one answer after another.
///
/// # Errors
/// The operating system's.
pub fn runtime() -> Outcome<Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// What `/auth/login` answers, as far as it is needed.
#[derive(Deserialize)]
struct Tokens {
    access_token: Zeroizing<String>,
}

/// Reads an access token: alone, or in what `/auth/login` answered. `-` is standard input.
///
/// # Errors
/// Where there is none. Nothing of the file is in the message.
pub fn read_token(path: &Path) -> Outcome<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    let read = match path.as_os_str() == "-" {
        true => io::stdin().lock().take(TOKEN_BYTES_MAX).read_to_string(&mut text),
        false => File::open(path).and_then(|f| f.take(TOKEN_BYTES_MAX).read_to_string(&mut text)),
    };
    read.map_err(|error| Failure::io(format!("{}: {error}", path.display())))?;
    let token = match serde_json::from_str::<Tokens>(&text) {
        Ok(tokens) => tokens.access_token,
        Err(_) => Zeroizing::new(text.trim().to_owned()),
    };
    let is_token = |c: u8| c.is_ascii_alphanumeric() || b"-_.".contains(&c);
    match !token.is_empty() && token.bytes().all(is_token) {
        true => Ok(token),
        false => Err(Failure::usage(format!(
            "{} holds no access token, nor what /auth/login answered",
            path.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_alone_or_as_they_came() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        for (text, expected) in [
            ("a.b-c_d\n", Some("a.b-c_d")),
            (r#"{"access_token":"a.b","refresh_token":"x"}"#, Some("a.b")),
            ("", None),
            ("a b", None),
            (r#"{"refresh_token":"secret"}"#, None),
        ] {
            std::fs::write(&path, text).unwrap();
            let read = read_token(&path);
            assert_eq!(read.as_ref().ok().map(|token| token.as_str()), expected, "{text}");
            if let Err(failure) = read {
                assert!(!failure.error.to_string().contains("secret"));
            }
        }
    }
}
