//! Uploads that are cut, and nodes that are killed.

use std::{
    io::Write,
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    client::{Client, Wallet},
    server::{Form, Server},
    support::{Rng, mixed},
};

/// Begins a PATCH that announces all of `body` and sends only `sent` of it, then drops the connection.
fn cut_patch(client: &Client, session: &str, offset: u64, body: &[u8], sent: usize) {
    let mut stream = TcpStream::connect(client.address()).unwrap();
    let head = format!(
        "PATCH /api/v1/sessions/{session}/upload HTTP/1.1\r\nHost: node\r\nAuthorization: Bearer {}\r\n\
         Tus-Resumable: 1.0.0\r\nContent-Type: application/offset+octet-stream\r\n\
         Upload-Offset: {offset}\r\nContent-Length: {}\r\n\r\n",
        client.token.as_ref().unwrap(),
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // A node that is being killed may close first.
    let _ = stream.write_all(&body[..sent]);
}

/// Waits until nobody holds the upload any more, and gives where it is.
fn settled(client: &Client, session: &str) -> u64 {
    let start = Instant::now();
    loop {
        let offset = client.offset(session);
        match client.patch(session, offset, b"").map(|answer| answer.status) {
            Some(204) => return client.offset(session),
            status => assert!(matches!(status, Some(409 | 423)), "{status:?}"),
        }
        assert!(start.elapsed() < Duration::from_secs(30), "the upload stays held");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_cut_upload_goes_on_where_it_was() {
    for form in Form::BOTH {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(form, folder.path());
        let owner = server.client().sign_in(&Wallet::new(1));
        let (session, plain) = (owner.mint(&json!({})), mixed(30_000_000, 3));
        let mut offset = 0;
        for sent in [1, 100_000, 9_000_000] {
            cut_patch(&owner, &session, offset as u64, &plain[offset..], sent);
            let before = offset;
            offset = usize::try_from(settled(&owner, &session)).unwrap();
            assert_eq!(offset, before + sent, "what arrived before the cut is kept");
        }
        assert_eq!(owner.patch(&session, offset as u64, &plain[offset..]).unwrap().status, 204);
        owner.post(&format!("/api/v1/sessions/{session}/seal"), &json!({})).expect(200);
        let content = owner.got(&format!("/api/v1/sessions/{session}/content"));
        assert!(content.body == plain);
        server.stop();
    }
}

#[test]
fn killed_at_any_moment_an_upload_goes_on_and_is_whole() {
    for (form, kills) in [(Form::One, 12), (Form::Each, 5)] {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Server::start(form, folder.path());
        let owner = server.client().sign_in(&Wallet::new(1));
        let (session, plain) = (owner.mint(&json!({})), mixed(60_000_000, 5));
        let mut rng = Rng::new(17);
        let mut acknowledged = 0;
        for _ in 0..kills {
            let from = usize::try_from(settled(&owner, &session)).unwrap();
            assert!(from as u64 >= acknowledged, "an acknowledged byte was lost");
            let (client, id, body) = (owner.clone(), session.clone(), plain[from..].to_vec());
            let upload = thread::spawn(move || client.patch(&id, from as u64, &body));
            thread::sleep(Duration::from_millis(rng.below(120)));
            acknowledged = owner.offset(&session);
            server.kill_and_restart();
            drop(upload.join().unwrap());
        }
        let from = usize::try_from(settled(&owner, &session)).unwrap();
        assert!(from as u64 >= acknowledged);
        if from < plain.len() {
            assert_eq!(owner.patch(&session, from as u64, &plain[from..]).unwrap().status, 204);
        }
        owner.post(&format!("/api/v1/sessions/{session}/seal"), &json!({})).expect(200);
        let content = owner.got(&format!("/api/v1/sessions/{session}/content"));
        assert!(content.body == plain, "the content is not what was sent");
        server.stop();
    }
}

#[test]
fn a_stop_keeps_what_arrived() {
    for form in Form::BOTH {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(form, folder.path());
        let owner = server.client().sign_in(&Wallet::new(1));
        let session = owner.mint(&json!({}));
        let mut stream = TcpStream::connect(owner.address()).unwrap();
        let head = format!(
            "PATCH /api/v1/sessions/{session}/upload HTTP/1.1\r\nHost: node\r\n\
             Authorization: Bearer {}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n\
             Content-Type: application/offset+octet-stream\r\nContent-Length: 1000000\r\n\r\n",
            owner.token.as_ref().unwrap()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&vec![7; 300_000]).unwrap();
        wait_until_held(&server, &owner, &session);
        server.stop();
        let server = Server::start(form, folder.path());
        let again = server.client().sign_in(&Wallet::new(1));
        assert_eq!(settled(&again, &session), 300_000);
        server.stop();
    }
}

/// Until another upload is refused because the first is under way.
fn wait_until_held(server: &Server, client: &Client, session: &str) {
    let start = Instant::now();
    // Not before it is under way: what asks would be the first itself, and the other the one refused.
    let chunker = server.service(server.holder());
    let metrics = || String::from_utf8(chunker.got("/metrics").body).unwrap();
    while !metrics().contains("lucid_uploads_active{} 1\n") {
        assert!(start.elapsed() < Duration::from_secs(10));
        thread::sleep(Duration::from_millis(2));
    }
    thread::sleep(Duration::from_millis(200));
    while client.patch(session, 0, b"").unwrap().status != 423 {
        assert!(start.elapsed() < Duration::from_secs(10));
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn one_uploader_at_a_time_and_no_seal_under_it() {
    for form in Form::BOTH {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(form, folder.path());
        let owner = server.client().sign_in(&Wallet::new(1));
        let session = owner.mint(&json!({}));
        let mut stream = TcpStream::connect(owner.address()).unwrap();
        let head = format!(
            "PATCH /api/v1/sessions/{session}/upload HTTP/1.1\r\nHost: node\r\n\
             Authorization: Bearer {}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n\
             Content-Type: application/offset+octet-stream\r\nContent-Length: 10\r\n\r\nhello",
            owner.token.as_ref().unwrap()
        );
        stream.write_all(head.as_bytes()).unwrap();
        wait_until_held(&server, &owner, &session);
        let path = format!("/api/v1/sessions/{session}/seal");
        owner.post(&path, &json!({})).problem(423, "upload_in_use");
        stream.write_all(b"world").unwrap();
        let start = Instant::now();
        while owner.offset(&session) < 10 {
            assert!(start.elapsed() < Duration::from_secs(10));
            thread::sleep(Duration::from_millis(2));
        }
        assert_eq!(settled(&owner, &session), 10);
        owner.post(&path, &json!({})).expect(200);
        server.stop();
    }
}
