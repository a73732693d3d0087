//! A session's life over HTTP, from minting to its evidence in somebody else's hands.

use std::{fs, process::Command};

use serde_json::json;

use crate::{
    client::{Client, Wallet},
    server::{Form, Server},
    support::{BINARY, mixed},
};

fn in_both_forms(test: impl Fn(&mut Server)) {
    for form in Form::BOTH {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Server::start(form, folder.path());
        test(&mut server);
        server.stop();
    }
}

#[test]
fn mint_upload_seal_read_prove_erase() {
    in_both_forms(|server| {
        let owner = server.client().sign_in(&Wallet::new(1));
        let plain = mixed(20_000_000, 9);
        let session = owner.mint(&json!({"media_type": "application/x-asciicast"}));
        let opened = owner.got(&format!("/api/v1/sessions/{session}")).expect(200);
        assert_eq!((&opened["state"], &opened["owner"]), (&json!("open"), &json!(me(&owner))));
        let mut offset = 0;
        for part in plain.chunks(7_000_000) {
            let answer = owner.patch(&session, offset, part).unwrap();
            assert_eq!(answer.status, 204);
            offset += part.len() as u64;
            assert_eq!(answer.header("upload-offset"), Some(offset.to_string().as_str()));
            assert_eq!(owner.offset(&session), offset);
        }
        let sealed =
            owner.post(&format!("/api/v1/sessions/{session}/seal"), &json!({})).expect(200);
        assert_eq!(
            (&sealed["state"], &sealed["sealed"]["plain_bytes"]),
            (&json!("sealed"), &json!(20_000_000))
        );

        let content = owner.got(&format!("/api/v1/sessions/{session}/content"));
        assert!(content.status == 200 && content.body == plain);
        for (range, expected) in [
            ("bytes=0-0", &plain[..1]),
            ("bytes=6999999-7000001", &plain[6_999_999..7_000_002]),
            ("bytes=-5", &plain[19_999_995..]),
            ("bytes=19999999-", &plain[19_999_999..]),
        ] {
            let path = format!("/api/v1/sessions/{session}/content");
            let part = owner.send("GET", &path, &[("range", range)], &[]).unwrap();
            assert!(part.status == 206 && part.body == expected, "{range}");
        }
        prove(&owner, &session, &plain);

        let erased =
            owner.post(&format!("/api/v1/sessions/{session}/erase"), &json!({})).expect(200);
        assert_eq!(erased["state"], "erased");
        owner.got(&format!("/api/v1/sessions/{session}/content")).problem(410, "gone");
        let whole = owner.got(&format!("/api/v1/sessions/{session}/proof"));
        assert_eq!(whole.status, 200, "that it was there stays provable");
    });
}

fn me(client: &Client) -> String {
    client.got("/api/v1/auth/me").expect(200)["address"].as_str().unwrap().to_owned()
}

/// Evidence checks in an empty folder, with the chunks fetched one by one, and gives the bytes back.
fn prove(owner: &Client, session: &str, plain: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let manifest = owner.got(&format!("/api/v1/sessions/{session}/manifest"));
    assert_eq!(manifest.json()["session_id"], session);
    for query in ["", "?chunk=0", "?chunk=1&segment=3", "?range=100-200", "?range=0-9&attach=true"]
    {
        let proof = owner.got(&format!("/api/v1/sessions/{session}/proof{query}"));
        assert_eq!(proof.status, 200, "{query}: {}", String::from_utf8_lossy(&proof.body));
        fs::write(folder.path().join("p.lucid-proof"), &proof.body).unwrap();
        let verified = Command::new(BINARY)
            .env_clear()
            .current_dir(&folder)
            .args(["verify", "p.lucid-proof", "--json"])
            .output()
            .unwrap();
        assert!(
            verified.status.success(),
            "{query}: {}",
            String::from_utf8_lossy(&verified.stderr)
        );
    }
    // The disclosed range opens with what the chunk resource gives, and nothing else.
    let proof = owner.got(&format!("/api/v1/sessions/{session}/proof?range=100-200"));
    fs::write(folder.path().join("p.lucid-proof"), &proof.body).unwrap();
    let chunk = owner.got(&format!("/api/v1/sessions/{session}/chunks/0"));
    fs::write(folder.path().join("00000000.lck"), &chunk.body).unwrap();
    let extracted = Command::new(BINARY)
        .env_clear()
        .current_dir(&folder)
        .args(["verify", "p.lucid-proof", "--chunk-file", "00000000.lck", "--extract", "out"])
        .output()
        .unwrap();
    assert!(extracted.status.success(), "{}", String::from_utf8_lossy(&extracted.stderr));
    let out = fs::read(folder.path().join("out")).unwrap();
    assert!(plain.starts_with(&out) && out.len() > 200);
}

#[test]
fn an_upload_whose_length_is_known_seals_itself() {
    in_both_forms(|server| {
        let owner = server.client().sign_in(&Wallet::new(1));
        let headers = [
            ("tus-resumable", "1.0.0"),
            ("upload-length", "11"),
            ("upload-metadata", "filetype dGV4dC9wbGFpbg==,filename YS50eHQ="),
        ];
        let created = owner.send("POST", "/api/v1/uploads", &headers, &[]).unwrap();
        assert_eq!(created.status, 201);
        let location = created.header("location").unwrap();
        let session = location.rsplit('/').nth(1).unwrap().to_owned();
        assert_eq!(owner.patch(&session, 0, b"hello").unwrap().status, 204);
        assert_eq!(owner.offset(&session), 5);
        assert_eq!(owner.patch(&session, 5, b" world").unwrap().status, 204);
        assert_eq!(owner.offset(&session), 11, "also after it is sealed");
        let view = owner.got(&format!("/api/v1/sessions/{session}")).expect(200);
        assert_eq!((&view["state"], &view["media_type"]), (&json!("sealed"), &json!("text/plain")));
        assert_eq!(owner.got(&format!("/api/v1/sessions/{session}/content")).body, b"hello world");
    });
}

#[test]
fn nobody_else_knows_of_a_session() {
    in_both_forms(|server| {
        let owner = server.client().sign_in(&Wallet::new(1));
        let other = server.client().sign_in(&Wallet::new(2));
        let session = owner.mint(&json!({}));
        owner.patch(&session, 0, b"private").unwrap();
        for path in ["", "/content", "/manifest", "/chunks/0", "/proof"] {
            let path = format!("/api/v1/sessions/{session}{path}");
            other.got(&path).problem(404, "not_found");
            server.client().got(&path).problem(401, "token_missing");
        }
        for end in ["seal", "void", "erase"] {
            let path = format!("/api/v1/sessions/{session}/{end}");
            other.post(&path, &json!({})).problem(404, "not_found");
        }
        assert_eq!(other.patch(&session, 7, b"!").unwrap().status, 404);
        let list = other.got("/api/v1/sessions").expect(200);
        assert_eq!(list["sessions"], json!([]));
        let list = owner.got("/api/v1/sessions").expect(200);
        assert_eq!(list["sessions"][0]["session_id"], json!(session));
    });
}

#[test]
fn what_is_not_allowed_is_said_with_stable_codes() {
    in_both_forms(|server| {
        let owner = server.client().sign_in(&Wallet::new(1));
        let session = owner.mint(&json!({}));
        owner.patch(&session, 4, b"late").unwrap().problem(409, "upload_offset");
        owner.post("/api/v1/sessions", &json!({"unknown": 1})).problem(400, "invalid_request");
        let broken = [("content-type", "application/json")];
        let broken = owner.send("POST", "/api/v1/sessions", &broken, b"{\"media_type\"").unwrap();
        broken.problem(400, "invalid_request");
        owner.got("/api/v1/sessions/not-an-id").problem(400, "invalid_request");
        owner.got("/api/v1/nothing").problem(404, "not_found");
        let path = format!("/api/v1/sessions/{session}/seal");
        owner.post(&path, &json!({})).expect(200);
        owner.post(&path, &json!({})).problem(409, "session_state");
        let path = format!("/api/v1/sessions/{session}/content");
        let beyond = owner.send("GET", &path, &[("range", "bytes=5-")], &[]).unwrap();
        beyond.problem(416, "range_not_satisfiable");
        let path = format!("/api/v1/sessions/{session}/upload");
        let body = [
            ("tus-resumable", "1.0.0"),
            ("content-type", "application/offset+octet-stream"),
            ("upload-offset", "0"),
            ("upload-checksum", "sha1 AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ];
        let fresh = owner.mint(&json!({}));
        let wrong = owner.send("PATCH", &path.replace(&session, &fresh), &body, b"x").unwrap();
        wrong.problem(460, "checksum_mismatch");
        assert_eq!(owner.offset(&fresh), 0);
    });
}
