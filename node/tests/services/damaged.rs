//! What is damaged on the disk is said, before any of it is sent.

use std::{fs, path::Path};

use serde_json::json;

use crate::{
    client::{Client, Wallet},
    server::{Form, Server},
    support::flip,
};

const CHUNK: usize = 64 << 10;

/// A folder of the service that has it.
fn below(form: Form, folder: &Path, service: &str, name: &str) -> std::path::PathBuf {
    match form {
        Form::One => folder.join("data").join(name),
        Form::Each => folder.join(service).join(name),
    }
}

fn upload(owner: &Client, bytes: &[u8], seal: bool) -> String {
    let session = owner.mint(&json!({}));
    assert_eq!(owner.patch(&session, 0, bytes).unwrap().status, 204);
    if seal {
        owner.post(&format!("/api/v1/sessions/{session}/seal"), &json!({})).expect(200);
    }
    session
}

#[test]
fn damaged_chunks_and_indexes_are_named_as_such() {
    for form in Form::BOTH {
        let folder = tempfile::tempdir().unwrap();
        let settings = [("LUCID_CHUNK_BYTES", "64KiB")];
        let server = Server::start_with(form, folder.path(), &settings);
        let owner = server.client().sign_in(&Wallet::new(1));
        let plain: Vec<u8> =
            (0..3 * CHUNK as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let session = upload(&owner, &plain, true);
        let chunks = below(form, folder.path(), "session-encryptor", "chunks").join(&session);
        let content = format!("/api/v1/sessions/{session}/content");
        let chunk = |n: u32| owner.got(&format!("/api/v1/sessions/{session}/chunks/{n}"));
        let file = |n: u32| chunks.join(format!("{n:08}.lck"));
        assert_eq!(chunk(1).body, fs::read(file(1)).unwrap());
        assert_eq!(owner.got(&content).body, plain);

        // Of a later chunk: what comes before it is sent, and the answer breaks off.
        flip(&file(1), -100);
        chunk(1).problem(500, "damaged");
        chunk(0).status.eq(&200).then_some(()).unwrap();
        let range = |bytes: &str| owner.send("GET", &content, &[("range", bytes)], &[]);
        assert_eq!(range("bytes=0-9").unwrap().body, &plain[..10]);
        range(&format!("bytes={CHUNK}-{}", CHUNK + 9)).unwrap().problem(500, "damaged");
        assert!(owner.get(&content).is_none(), "it is not whole");
        // Of the first one, and one that is cut, and one that is gone: nothing was sent yet.
        flip(&file(0), 200);
        owner.got(&content).problem(500, "damaged");
        chunk(0).problem(500, "damaged");
        fs::write(file(2), &fs::read(file(2)).unwrap()[..500]).unwrap();
        chunk(2).problem(500, "damaged");

        // An index that was altered, at sealing.
        let session = upload(&owner, &plain, false);
        let index = below(form, folder.path(), "session-orchestrator", "sessions");
        flip(&index.join(&session).join("index"), 100);
        owner.post(&format!("/api/v1/sessions/{session}/seal"), &json!({})).problem(500, "damaged");
        server.stop();
    }
}

#[test]
fn content_is_what_the_caller_expects() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(Form::One, folder.path());
    let owner = server.client().sign_in(&Wallet::new(1));
    let session = upload(&owner, b"some bytes", true);
    let path = format!("/api/v1/sessions/{session}/content");
    let etag = owner.got(&path).header("etag").unwrap().to_owned();
    let matching = |value: &str| owner.send("GET", &path, &[("if-match", value)], &[]).unwrap();
    for good in [etag.as_str(), "*", &format!("\"other\", {etag}")] {
        assert_eq!(matching(good).status, 200, "{good}");
    }
    for bad in ["\"other\"", &format!("W/{etag}"), "nonsense"] {
        matching(bad).problem(412, "precondition_failed");
    }
    // A range is of GET alone.
    let head = owner.send("HEAD", &path, &[("range", "bytes=0-3")], &[]).unwrap();
    assert_eq!((head.status, head.header("content-length")), (200, Some("10")));
    assert_eq!(owner.send("GET", &path, &[("range", "bytes=0-3")], &[]).unwrap().status, 206);
    server.stop();
}
