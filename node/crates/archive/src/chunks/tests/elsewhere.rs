//! A server that answers with another one's address.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc::{Receiver, channel},
    thread,
};

use super::*;

const TOKEN: &str = "token-of-a-session";

/// Answers each connection with the same, and hands on what it was asked.
fn answering(answer: String) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (asked, heard) = channel();
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let head = head(&mut client);
            // Who asked may be gone, and the test with it.
            let _ = client.write_all(answer.as_bytes());
            let _ = asked.send(head);
        }
    });
    (address, heard)
}

/// A request's first lines; its body is nobody's concern here.
fn head(client: &mut TcpStream) -> String {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    while !bytes.windows(4).any(|part| part == b"\r\n\r\n") {
        match client.read(&mut buffer) {
            Ok(count @ 1..) => bytes.extend_from_slice(&buffer[..count]),
            _ => break,
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn s3_at(address: SocketAddr) -> Place {
    let endpoint = format!("http://{address}");
    let setting = move |name: &str| match name {
        "AWS_ACCESS_KEY_ID" => Some("AKIDLUCIDTESTS".to_owned()),
        "AWS_SECRET_ACCESS_KEY" => Some("c29tZSBrZXk".to_owned()),
        "AWS_SESSION_TOKEN" => Some(TOKEN.to_owned()),
        "AWS_ENDPOINT_URL" => Some(endpoint.clone()),
        _ => None,
    };
    let limits = Limits { at_once: 1, retries_max: 0, ..Limits::default() };
    Place::open("s3://chunks-of-a-node/home", &setting, None, limits).unwrap()
}

#[test]
fn nobody_is_followed_elsewhere() {
    let (_keep, data, _, _) = places();
    let (other, followed) = answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned());
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect"] {
        let answer = format!(
            "HTTP/1.1 {status}\r\nlocation: http://{other}/chunks\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        let (first, asked) = answering(answer);
        let error = sent(&data, &s3_at(first)).unwrap_err();
        assert!(matches!(error, ArchiveError::Elsewhere { .. }), "{status}: {error:?}");
        let said = error.to_string();
        assert!(said.contains(&status[..3]) && said.contains("AWS_ENDPOINT_URL"), "{said}");
        assert!(!said.contains(TOKEN), "{said}");
        assert!(asked.recv().unwrap().contains(TOKEN), "it is asked with the token");
        assert_eq!(followed.try_recv().ok(), None, "{status} was followed");
    }
}
