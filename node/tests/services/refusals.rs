//! What is refused, and how a client finds its way from there.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    client::{Client, Wallet},
    server::{Form, Server},
};

fn in_both_forms(settings: &[(&str, &str)], test: impl Fn(&Server)) {
    for form in Form::BOTH {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start_with(form, folder.path(), settings);
        test(&server);
        server.stop();
    }
}

#[test]
fn a_stale_token_hinders_nobody_from_getting_a_new_one() {
    in_both_forms(&[], |server| {
        let wallet = Wallet::new(1);
        let mut stale = server.client().sign_in(&wallet);
        stale.token = Some("stale".to_owned());
        stale.got("/api/v1/auth/me").problem(401, "token_invalid");
        let token = json!({"refresh_token": stale.refresh_token});
        stale.post("/api/v1/auth/refresh", &token).expect(200);
        let again = stale.sign_in(&wallet);
        again.got("/api/v1/auth/me").expect(200);
    });
}

/// Only who recorded it knows whether it is whole, and nobody calls it so who said how long it will be and did not send it.
#[test]
fn only_its_owner_calls_a_recording_whole() {
    let admin = Wallet::new(1);
    in_both_forms(&[("LUCID_ADMINS", &admin.address)], |server| {
        let (admin, owner) =
            (server.client().sign_in(&admin), server.client().sign_in(&Wallet::new(2)));
        let half = |length: Option<u32>| {
            let id = owner.mint(&json!({"length": length}));
            assert_eq!(owner.patch(&id, 0, b"half").unwrap().status, 204);
            id
        };
        let seal = |who: &Client, id: &str, body: &str| {
            let headers = [("content-type", "application/json")];
            let path = format!("/api/v1/sessions/{id}/seal");
            who.send("POST", &path, &headers, body.as_bytes()).unwrap()
        };
        let complete = |id: &str| {
            let manifest = owner.got(&format!("/api/v1/sessions/{id}/manifest")).expect(200);
            manifest["complete"].as_bool().unwrap()
        };
        for (length, body, is_whole) in
            [(None, "{}", true), (Some(9), "{}", false), (None, r#"{"complete":false}"#, false)]
        {
            let id = half(length);
            seal(&owner, &id, body).expect(200);
            assert_eq!(complete(&id), is_whole, "{length:?} {body}");
        }
        let id = half(Some(9));
        seal(&owner, &id, r#"{"complete":true}"#).problem(409, "session_state");
        for length in [None, Some(9)] {
            let id = half(length);
            seal(&admin, &id, r#"{"complete":true}"#).problem(403, "forbidden");
            seal(&admin, &id, "{}").expect(200);
            assert!(!complete(&id), "{length:?}");
        }
    });
}

#[test]
fn what_was_destroyed_is_gone_and_not_damaged() {
    in_both_forms(&[], |server| {
        let owner = server.client().sign_in(&Wallet::new(1));
        let (erased, voided) = (owner.mint(&json!({})), owner.mint(&json!({})));
        for id in [&erased, &voided] {
            assert_eq!(owner.patch(id, 0, b"private").unwrap().status, 204);
        }
        let end = |id: &str, how: &str| {
            owner.post(&format!("/api/v1/sessions/{id}/{how}"), &json!({})).expect(200)
        };
        end(&erased, "seal");
        end(&erased, "erase");
        end(&voided, "void");
        for id in [&erased, &voided] {
            for path in [
                "/content",
                "/chunks/0",
                "/proof?chunk=0&attach=true",
                "/proof?chunk=0&disclose=true",
                "/proof?chunk=0&segment=0",
                "/proof?range=0-1",
            ] {
                owner.got(&format!("/api/v1/sessions/{id}{path}")).problem(410, "gone");
            }
        }
        owner.got(&format!("/api/v1/sessions/{voided}/proof")).problem(410, "gone");
        // A range is of what its bytes say: it is never without the keys.
        for query in
            ["range=0-1&disclose=false", "range=0-1&chunk=0", "chunk=0&range=0-1&disclose=true"]
        {
            let path = format!("/api/v1/sessions/{erased}/proof?{query}");
            owner.got(&path).problem(400, "invalid_request");
        }
        // That it was there stays provable.
        for query in ["", "?chunk=0"] {
            let proof = owner.got(&format!("/api/v1/sessions/{erased}/proof{query}"));
            assert_eq!(proof.status, 200, "{}", String::from_utf8_lossy(&proof.body));
        }
        let metrics = String::from_utf8(owner.got("/metrics").body).unwrap();
        assert!(!metrics.contains("lucid_proof_failures_total 1"), "no alarm is raised");
    });
}

#[test]
fn what_a_caller_has_is_not_sent_again() {
    in_both_forms(&[], |server| {
        let owner = server.client().sign_in(&Wallet::new(1));
        let id = owner.mint(&json!({}));
        owner.patch(&id, 0, b"hello").unwrap();
        owner.post(&format!("/api/v1/sessions/{id}/seal"), &json!({})).expect(200);
        for resource in ["content", "manifest"] {
            let path = format!("/api/v1/sessions/{id}/{resource}");
            let whole = owner.got(&path);
            assert_eq!(whole.header("cache-control"), Some("private, no-cache"));
            let tag = whole.header("etag").unwrap();
            for known in [tag, &format!("W/{tag}"), &format!("\"x\", {tag}"), "*"] {
                let same = owner.send("GET", &path, &[("if-none-match", known)], &[]).unwrap();
                assert_eq!((same.status, same.body.len()), (304, 0), "{resource} {known}");
                assert_eq!(same.header("etag"), Some(tag));
                assert_eq!(same.header("cache-control"), Some("private, no-cache"));
            }
            let other = owner.send("GET", &path, &[("if-none-match", "\"x\"")], &[]).unwrap();
            assert!(other.status == 200 && other.body == whole.body);
        }
        let path = format!("/api/v1/sessions/{id}/content");
        let beyond = owner.send("GET", &path, &[("range", "bytes=5-")], &[]).unwrap();
        beyond.problem(416, "range_not_satisfiable");
        assert_eq!(beyond.header("content-range"), Some("bytes */5"));
        let stale = [("range", "bytes=0-1"), ("if-range", "\"x\"")];
        let stale = owner.send("GET", &path, &stale, &[]).unwrap();
        assert!(stale.status == 200 && stale.body == b"hello");
    });
}

#[test]
fn every_refusal_is_a_problem_that_says_what_to_do() {
    in_both_forms(&[], |server| {
        let wallet = Wallet::new(1);
        let owner = server.client().sign_in(&wallet);
        let id = owner.mint(&json!({}));
        for path in [
            "/api/v1/sessions/%ff",
            "/api/v1/sessions/%ff/chunks/0",
            &format!("/api/v1/sessions/{id}/chunks/%ff"),
            &format!("/api/v1/sessions/{id}/chunks/-1"),
            "/api/v1/sessions?limit=many",
            "/api/v1/sessions?unknown=1",
            "/api/v1/sessions?state=lost",
        ] {
            owner.got(path).problem(400, "invalid_request");
        }
        let nothing = owner.got("/api/v1/nothing");
        nothing.problem(404, "not_found");
        assert!(nothing.header("ratelimit-policy").is_some(), "what is not there is counted too");
        let long = "x".repeat(40_000);
        let answer = owner.send("GET", "/api/v1/auth/me", &[("x-long", &long)], &[]).unwrap();
        answer.problem(431, "headers_too_large");

        // The protocol's own header is on the gateway's answers, too.
        let stranger = Client::new(owner.address());
        let refused = stranger.patch(&id, 0, b"x").unwrap();
        refused.problem(401, "token_missing");
        assert_eq!(refused.header("tus-resumable"), Some("1.0.0"));
        let upload = format!("/api/v1/sessions/{id}/upload");
        let old = owner.send("HEAD", &upload, &[("tus-resumable", "0.2.2")], &[]).unwrap();
        assert_eq!((old.status, old.header("tus-version")), (412, Some("1.0.0")));

        let wrong = [
            ("tus-resumable", "1.0.0"),
            ("upload-length", "5"),
            ("content-type", "application/offset+octet-stream"),
            ("upload-checksum", "sha1 AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ];
        let created = owner.send("POST", "/api/v1/uploads", &wrong, b"hello").unwrap();
        assert_eq!((created.status, created.header("upload-offset")), (201, Some("0")));

        let sessions =
            owner.got("/api/v1/sessions").expect(200)["sessions"].as_array().unwrap().len();
        let longer = owner.send("POST", "/api/v1/uploads", &wrong[..3], b"hello!").unwrap();
        longer.problem(413, "too_large");
        let listed = owner.got("/api/v1/sessions").expect(200);
        let listed = listed["sessions"].as_array().unwrap().len();
        assert_eq!(listed, sessions, "nothing was created for what cannot be");
        let octal = [wrong[0], ("upload-offset", "00"), wrong[2]];
        owner.send("PATCH", &upload, &octal, b"x").unwrap().problem(400, "invalid_request");
    });
}

#[test]
fn an_admin_manages_accounts_and_reads_nothing_of_theirs() {
    let (boss, wallet) = (Wallet::new(9), Wallet::new(1));
    in_both_forms(&[("LUCID_ADMINS", boss.address.as_str())], |server| {
        let (admin, owner) = (server.client().sign_in(&boss), server.client().sign_in(&wallet));
        let id = owner.mint(&json!({}));
        owner.patch(&id, 0, b"private").unwrap();
        owner.post(&format!("/api/v1/sessions/{id}/seal"), &json!({})).expect(200);
        let denied = admin.got(&format!("/api/v1/sessions/{id}/content"));
        denied.problem(403, "forbidden");
        assert!(denied.json()["detail"].as_str().unwrap().contains("owner"));
        admin.got(&format!("/api/v1/sessions/{id}")).expect(200);

        let users = |address: &str| format!("/api/v1/admin/users/{address}");
        let headers = [("content-type", "application/json")];
        let put = |client: &Client, address: &str, body: &str| {
            client.send("PUT", &users(address), &headers, body.as_bytes()).unwrap()
        };
        let wrong = put(&admin, &wallet.address, r#"{"role":"boss"}"#);
        wrong.problem(400, "invalid_request");
        let detail = wrong.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("role is one of") && detail.contains("operator"), "{detail}");
        put(&admin, "%ff", r#"{"role":"user"}"#).problem(400, "invalid_request");
        put(&admin, "TNobody", r#"{"role":"user"}"#).problem(400, "invalid_address");
        put(&owner, &wallet.address, r#"{"role":"admin"}"#).problem(403, "forbidden");
        let observer = put(&admin, &wallet.address, r#"{"role":"observer"}"#).expect(200);
        assert_eq!(observer["role"], "observer");
        let revoked = admin.send("DELETE", &users(&wallet.address), &[], &[]).unwrap();
        assert_eq!(revoked.expect(200)["revoked"], true);
        let until = Instant::now() + Duration::from_secs(10);
        while owner.got("/api/v1/auth/me").status == 200 {
            assert!(Instant::now() < until, "a revoked account goes on");
            std::thread::sleep(Duration::from_millis(500));
        }
        owner.got("/api/v1/auth/me").problem(403, "account_revoked");
    });
}

#[test]
fn events_end_with_the_sign_in() {
    in_both_forms(&[], |server| {
        let owner = server.client().sign_in(&Wallet::new(1));
        let mut stream = TcpStream::connect(owner.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let token = owner.token.as_ref().unwrap();
        let head = "GET /api/v1/events HTTP/1.1\r\nhost: node\r\nauthorization: Bearer";
        stream.write_all(format!("{head} {token}\r\n\r\n").as_bytes()).unwrap();
        let mut lines = BufReader::new(stream).lines();
        assert!(lines.next().unwrap().unwrap().contains("200"));
        let mut next = |wanted: &str| {
            let mut found = lines.by_ref().map_while(Result::ok);
            found.find(|line| line.starts_with(wanted)).is_some()
        };
        assert!(next("content-type: text/event-stream"));
        let id = owner.mint(&json!({}));
        assert!(next("event: state"), "it is told what happens");
        let token = json!({"refresh_token": owner.refresh_token});
        assert_eq!(owner.post("/api/v1/auth/logout", &token).status, 204);
        // The end of the chunked body, and not the silence after 30 seconds.
        assert!(next("0"), "the stream goes on after the sign-in's end");
        drop(id);
    });
}
