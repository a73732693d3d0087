//! A client: plain HTTP, every answer whole, whatever its status.

use std::{io::Read, net::SocketAddr, process::Command, time::Duration};

use serde_json::{Value, json};

use crate::support::BINARY;

/// A client, with a token once it has signed in.
#[derive(Clone)]
pub(crate) struct Client {
    agent: ureq::Agent,
    address: SocketAddr,
    pub(crate) token: Option<String>,
    pub(crate) refresh_token: Option<String>,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Its body as JSON, where the status is as expected.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{text}");
        if text.is_empty() { Value::Null } else { self.json() }
    }

    /// That it is this problem, in full form.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) {
        let problem = self.json();
        assert_eq!((self.status, problem["code"].as_str()), (status, Some(code)), "{problem}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(problem["status"], status);
        for field in ["type", "title", "detail", "request_id"] {
            assert!(problem[field].as_str().is_some_and(|text| !text.is_empty()), "{problem}");
        }
    }
}

/// A throwaway wallet.
pub(crate) struct Wallet {
    pub(crate) key: tempfile::NamedTempFile,
    pub(crate) address: String,
}

impl Wallet {
    /// A wallet whose key is this number, repeated.
    pub(crate) fn new(seed: u8) -> Self {
        let key = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&key, hex::encode([seed; 32])).unwrap();
        let output = Command::new(BINARY)
            .env_clear()
            .args(["auth", "address", "--key"])
            .arg(key.path())
            .output();
        let output = output.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let address = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        Self { key, address }
    }

    /// What `/auth/login` takes, for a challenge.
    pub(crate) fn sign(&self, challenge: &Value) -> Value {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, challenge.to_string()).unwrap();
        let output = Command::new(BINARY)
            .env_clear()
            .args(["auth", "sign", "--key"])
            .arg(self.key.path())
            .stdin(std::fs::File::open(file.path()).unwrap())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(Duration::from_mins(1)))
            .build();
        Self { agent: config.into(), address, token: None, refresh_token: None }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends a request; nothing where nobody answers.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Option<Answer> {
        let mut request = ureq::http::Request::builder().method(method).uri(self.url(path));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.agent.run(request.body(body).unwrap()).ok()?;
        let headers = answer.headers().iter().map(|(name, value)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
        let (headers, status) = (headers.collect(), answer.status().as_u16());
        let mut body = Vec::new();
        answer.into_body().into_reader().read_to_end(&mut body).ok()?;
        Some(Answer { status, headers, body })
    }

    pub(crate) fn get(&self, path: &str) -> Option<Answer> {
        self.send("GET", path, &[], &[])
    }

    #[track_caller]
    pub(crate) fn got(&self, path: &str) -> Answer {
        self.get(path).expect("an answer")
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        let headers = [("content-type", "application/json")];
        self.send("POST", path, &headers, body.to_string().as_bytes()).expect("an answer")
    }

    /// Signs in with a wallet.
    pub(crate) fn sign_in(mut self, wallet: &Wallet) -> Self {
        let address = json!({"address": wallet.address});
        let challenge = self.post("/api/v1/auth/challenge", &address).expect(200);
        let tokens = self.post("/api/v1/auth/login", &wallet.sign(&challenge)).expect(200);
        self.token = Some(tokens["access_token"].as_str().unwrap().to_owned());
        self.refresh_token = Some(tokens["refresh_token"].as_str().unwrap().to_owned());
        self
    }

    /// With the tokens of another client.
    pub(crate) fn speaking_for(mut self, other: &Self) -> Self {
        (self.token, self.refresh_token) = (other.token.clone(), other.refresh_token.clone());
        self
    }

    /// Mints a session; gives its id.
    pub(crate) fn mint(&self, body: &Value) -> String {
        let session = self.post("/api/v1/sessions", body).expect(201);
        session["session_id"].as_str().unwrap().to_owned()
    }

    /// One tus PATCH.
    pub(crate) fn patch(&self, session: &str, offset: u64, body: &[u8]) -> Option<Answer> {
        let path = format!("/api/v1/sessions/{session}/upload");
        let offset = offset.to_string();
        let headers = [
            ("tus-resumable", "1.0.0"),
            ("content-type", "application/offset+octet-stream"),
            ("upload-offset", &offset),
        ];
        self.send("PATCH", &path, &headers, body)
    }

    /// Where an upload is.
    pub(crate) fn offset(&self, session: &str) -> u64 {
        let path = format!("/api/v1/sessions/{session}/upload");
        let answer =
            self.send("HEAD", &path, &[("tus-resumable", "1.0.0")], &[]).expect("an answer");
        assert_eq!(answer.status, 200);
        answer.header("upload-offset").expect("an offset").parse().unwrap()
    }
}
