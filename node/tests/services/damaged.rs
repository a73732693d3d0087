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

/// Keys and chunks that are lost, and nobody destroyed: nothing is said to be gone for good, or to be whole.
#[test]
fn what_is_lost_is_damage_until_it_is_put_back() {
    for form in Form::BOTH {
        let folder = tempfile::tempdir().unwrap();
        let settings = [("LUCID_CHUNK_BYTES", "64KiB")];
        let mut server = Server::start_with(form, folder.path(), &settings);
        let owner = server.client().sign_in(&Wallet::new(1));
        let plain = vec![7; 2 * CHUNK];
        let vault = |name: &str| below(form, folder.path(), "session-encryptor", name);
        let aside = folder.path().join("aside");
        let path = |session: &str, what: &str| format!("/api/v1/sessions/{session}/{what}");
        let seal = |session: &str, complete: bool| {
            owner.post(&path(session, "seal"), &json!({"complete": complete}))
        };

        let (open, sealed) = (upload(&owner, &plain, false), upload(&owner, &plain, true));
        let key = |session: &str| vault("keys").join(format!("{session}.json"));
        for (session, other) in [(&open, &sealed), (&sealed, &open)] {
            let damaged = || match session == &open {
                true => {
                    owner
                        .patch(session, 2 * CHUNK as u64, b"more")
                        .unwrap()
                        .problem(500, "damaged");
                    seal(session, true).problem(500, "damaged");
                    seal(session, false).problem(500, "damaged");
                }
                false => {
                    owner.got(&path(session, "content")).problem(500, "damaged");
                    owner.got(&path(session, "proof?range=0-3")).problem(500, "damaged");
                }
            };
            fs::rename(key(session), &aside).unwrap();
            damaged();
            fs::copy(key(other), key(session)).unwrap();
            damaged();
            fs::rename(&aside, key(session)).unwrap();
        }
        assert_eq!(owner.got(&path(&sealed, "content")).body, plain);

        let chunks = vault("chunks").join(&open);
        fs::rename(chunks.join("00000001.lck"), &aside).unwrap();
        seal(&open, true).problem(500, "damaged");
        owner.post(&path(&open, "seal"), &json!({})).problem(500, "damaged");
        fs::rename(&aside, chunks.join("00000001.lck")).unwrap();
        assert_eq!(owner.patch(&open, 2 * CHUNK as u64, b"more").unwrap().status, 204);
        seal(&open, true).expect(200);

        // What is left of it can be kept, and is not called whole.
        let part = upload(&owner, &plain, false);
        fs::remove_file(vault("chunks").join(&part).join("00000000.lck")).unwrap();
        seal(&part, true).problem(500, "damaged");
        seal(&part, false).expect(200);
        assert_eq!(owner.got(&path(&part, "manifest")).expect(200)["complete"], false);
        // Nothing is left of it: it can be given up.
        let none = upload(&owner, &plain, false);
        fs::remove_dir_all(vault("chunks").join(&none)).unwrap();
        owner.patch(&none, 2 * CHUNK as u64, b"more").unwrap().problem(500, "damaged");
        seal(&none, false).problem(500, "damaged");
        owner.post(&path(&none, "void"), &json!({})).expect(200);
        owner.got(&path(&none, "content")).problem(410, "gone");

        // One that is damaged keeps nobody from the others.
        let index = below(form, folder.path(), "session-orchestrator", "sessions");
        let lost = upload(&owner, &plain, false);
        fs::remove_file(index.join(&lost).join("index")).unwrap();
        // What a process has read of it, it knows without it.
        server.kill_and_restart();
        let listed = owner.got("/api/v1/sessions?limit=2").expect(200);
        let listed = listed["sessions"].as_array().unwrap().clone();
        assert_eq!(listed.len(), 2);
        assert_eq!((&listed[0]["session_id"], &listed[0]["state"]), (&json!(lost), &json!("open")));
        assert_eq!(listed[0]["upload"], json!(null));
        let head = [("tus-resumable", "1.0.0")];
        assert_eq!(owner.send("HEAD", &path(&lost, "upload"), &head, &[]).unwrap().status, 500);
        seal(&lost, false).problem(500, "damaged");
        owner.post(&path(&lost, "void"), &json!({})).expect(200);
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
