//! A server of one script: each connection takes the next answer.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{ApiKey, Client, ClientOptions};

/// What a connection gets.
#[derive(Clone)]
pub(super) enum Answer {
    /// Status and headers, each ended by a line's end, and a body.
    Http(String, String),
    /// Nothing, for ever.
    Hangs,
    /// The connection is closed once the question is read.
    Closes,
    /// It is closed in the middle of the body.
    BreaksOff,
    /// A body without an end.
    Endless,
}

/// Status 200 with JSON.
pub(super) fn ok(body: impl ToString) -> Answer {
    status("200 OK", body)
}

/// Another status, with further headers behind it if it needs any.
#[expect(clippy::needless_pass_by_value, reason = "JSON and texts, as they come")]
pub(super) fn status(line: &str, body: impl ToString) -> Answer {
    Answer::Http(line.to_owned(), body.to_string())
}

/// The server, and what it was asked: each question's head and body.
pub(super) struct Script {
    pub(super) url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

/// A client's answer time in these tests.
pub(super) const ANSWER_TIME: Duration = Duration::from_millis(300);
/// A key that must be seen nowhere.
pub(super) const KEY: &str = "key-of-this-test-8d1f";

impl Script {
    pub(super) async fn of(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/path-key", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (all, answers) = (asked.clone(), answers.into_iter().collect::<Vec<_>>());
        tokio::spawn(async move {
            let mut held = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let question = question(&mut stream).await;
                all.lock().unwrap().push(question);
                held.extend(give(stream, answer).await);
            }
            // What hangs hangs as long as the test runs.
            std::future::pending::<()>().await;
        });
        Self { url, asked }
    }

    /// A client of it with a key.
    pub(super) fn client(&self) -> Client {
        client(&self.url)
    }

    /// What it was asked.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

pub(super) fn client(url: &str) -> Client {
    let options = ClientOptions {
        api_key: Some(ApiKey::parse(KEY).unwrap()),
        connect_time: ANSWER_TIME,
        answer_time: ANSWER_TIME,
        proxy: None,
    };
    Client::new(url.parse().unwrap(), options).unwrap()
}

async fn question(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.unwrap().parse().unwrap() {
                return text;
            }
        }
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).await.unwrap();
        assert!(count > 0, "a question that breaks off");
        read.extend_from_slice(&piece[..count]);
    }
}

/// Answers, and gives back a connection that has to stay open.
async fn give(mut stream: TcpStream, answer: Answer) -> Option<TcpStream> {
    match answer {
        Answer::Http(head, body) => {
            let length = body.len();
            let head =
                format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
            // Who has read enough goes: that is for the test to judge.
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
            let _ = stream.shutdown().await;
            None
        }
        Answer::Hangs => Some(stream),
        Answer::Closes => None,
        Answer::BreaksOff => {
            let text = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"result\":";
            stream.write_all(text.as_bytes()).await.unwrap();
            None
        }
        Answer::Endless => {
            let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            while stream.write_all(&[b' '; 1 << 12]).await.is_ok() {}
            None
        }
    }
}
