//! Finding sessions, by hash and by time, and how many there are: for whom they are, whatever happens.

use std::{fs, process::Command, slice};

use serde_json::{Value, json};

use crate::{
    client::{Answer, Client, Wallet},
    server::{Form, Server},
    support::{BINARY, mixed},
};

/// In both forms, with an admin of seed 9.
fn in_both_forms(test: impl Fn(&mut Server)) {
    for form in Form::BOTH {
        let folder = tempfile::tempdir().unwrap();
        let admin = Wallet::new(9);
        let settings = [("LUCID_ADMINS", admin.address.as_str()), ("LUCID_CHUNK_BYTES", "64KiB")];
        let mut server = Server::start_with(form, folder.path(), &settings);
        test(&mut server);
        server.stop();
    }
}

impl Client {
    /// Uploads and seals a session; gives it.
    fn sealed(&self, plain: &[u8]) -> Value {
        let session = self.mint(&json!({"length": plain.len()}));
        assert_eq!(self.patch(&session, 0, plain).unwrap().status, 204);
        self.got(&format!("/api/v1/sessions/{session}")).expect(200)
    }

    fn search(&self, query: &str) -> Answer {
        self.got(&format!("/api/v1/search?{query}"))
    }

    /// What is found of a hash, all of which must have been searched.
    #[track_caller]
    fn found(&self, hash: &str) -> Vec<Value> {
        let page = self.search(&format!("hash={hash}")).expect(200);
        assert_eq!((&page["complete"], &page["next"]), (&json!(true), &Value::Null), "{page}");
        page["matches"].as_array().unwrap().clone()
    }

    #[track_caller]
    fn listed(&self, query: &str) -> Vec<String> {
        let page = self.got(&format!("/api/v1/sessions?{query}")).expect(200);
        let sessions = page["sessions"].as_array().unwrap().iter();
        sessions.map(|session| text(&session["session_id"])).collect()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn what_has_a_hash_is_found_by_whom_it_is_for() {
    in_both_forms(|server| {
        let (owner, other) =
            (server.client().sign_in(&Wallet::new(1)), server.client().sign_in(&Wallet::new(2)));
        let admin = server.client().sign_in(&Wallet::new(9));
        let session = owner.sealed(&mixed(150_000, 3));
        let id = text(&session["session_id"]);
        let (root, sealed) = (text(&session["sealed"]["merkle_root"]), &session["sealed"]);
        let manifest = owner.got(&format!("/api/v1/sessions/{id}/manifest")).expect(200);
        let index = &sealed["log_index"];
        let leaf = admin.got(&format!("/api/v1/log/proof/inclusion?index={index}")).expect(200);
        let chunk = &manifest["chunks"][1]["chunk_root"];
        let of = |kind: &str, hash: &Value, chunk: Option<u32>| {
            let found = json!({"kind": kind, "hash": hash, "session_id": id, "log_index": index});
            match chunk {
                None => found,
                Some(chunk) => {
                    let mut found = found;
                    found["chunk"] = chunk.into();
                    found
                }
            }
        };
        let hashes = [
            of("merkle_root", &sealed["merkle_root"], None),
            of("manifest_hash", &sealed["manifest_hash"], None),
            of("chunk_root", chunk, Some(1)),
            of("entry", &leaf["leaf"], None),
        ];
        for restarted in [false, true] {
            for expected in &hashes {
                let hash = text(&expected["hash"]);
                for caller in [&owner, &admin] {
                    assert_eq!(caller.found(&hash), slice::from_ref(expected));
                    assert_eq!(caller.found(&hash[..12]), slice::from_ref(expected));
                }
                assert_eq!(other.found(&hash), Vec::<Value>::new(), "another's is not there");
            }
            if !restarted {
                server.kill_and_restart();
            }
        }
        // What all sessions have: one's own for a user, page by page for an admin.
        let second = text(&other.sealed(b"another's")["session_id"]);
        let policy = text(&manifest["policy_hash"]);
        let sessions = |found: &[Value]| -> Vec<String> {
            found.iter().map(|found| text(&found["session_id"])).collect()
        };
        assert_eq!(sessions(&owner.found(&policy)), slice::from_ref(&id));
        assert_eq!(sessions(&other.found(&policy)), slice::from_ref(&second));
        let page = admin.search(&format!("hash={policy}&limit=1")).expect(200);
        let (first, next) = (sessions(page["matches"].as_array().unwrap()), text(&page["next"]));
        let rest = admin.search(&format!("hash={policy}&limit=1&after={next}")).expect(200);
        let rest = sessions(rest["matches"].as_array().unwrap());
        assert_eq!([first, rest].concat(), [id.clone(), second]);
        // The other's cursor is nobody's here.
        let stolen = other.search(&format!("hash={policy}&after={next}"));
        stolen.problem(404, "not_found");
        // Erased, it is found as before.
        owner.post(&format!("/api/v1/sessions/{id}/erase"), &json!({})).expect(200);
        assert_eq!(owner.found(&root), hashes[..1]);
    });
}

#[test]
fn what_cannot_be_searched_for_is_refused() {
    in_both_forms(|server| {
        let owner = server.client().sign_in(&Wallet::new(1));
        let hash = "ab".repeat(32);
        for path in ["/api/v1/search?hash=", "/api/v1/statistics?owner="] {
            server.client().got(&format!("{path}{hash}")).problem(401, "token_missing");
        }
        let cursor = format!("{}.entry.6f1d9c1e-3a52-4c0e-9d0b-5a1f6f1f7a10.1", "cd".repeat(32));
        for query in [
            String::new(),
            "hash=".to_owned(),
            "hash=abcdef1".to_owned(),
            format!("hash={hash}0"),
            format!("hash={}", hash.to_uppercase()),
            "hash=zzzzzzzz".to_owned(),
            format!("hash={hash}&limit=0"),
            format!("hash={hash}&limit=201"),
            format!("hash={hash}&after=x"),
            format!("hash={hash}&after={cursor}"),
            format!("hash={hash}&owner=x"),
        ] {
            owner.search(&query).problem(400, "invalid_request");
        }
        let unknown = cursor.replace("cd", "ab");
        owner.search(&format!("hash={hash}&after={unknown}")).problem(404, "not_found");
        assert_eq!(owner.found(&hash), Vec::<Value>::new());
        for query in [
            "from=2026-01-01",
            "until=yesterday",
            "from=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z",
            "from=2026-01-01T00:00:00Z&until=2026-01-01T00:00:00.0000Z",
            "order=random",
            "from=2026-01-01T00:00:00Z&state=sealing",
        ] {
            let path = format!("/api/v1/sessions?{query}");
            owner.got(&path).problem(400, "invalid_request");
        }
        let other = Wallet::new(2).address;
        owner.got(&format!("/api/v1/statistics?owner={other}")).problem(403, "forbidden");
        owner.got("/api/v1/statistics?owner=%20").problem(400, "invalid_request");
    });
}

#[test]
fn sessions_are_listed_by_time_and_counted() {
    in_both_forms(|server| {
        let wallet = Wallet::new(1);
        let owner = server.client().sign_in(&wallet);
        let other = server.client().sign_in(&Wallet::new(2));
        let admin = server.client().sign_in(&Wallet::new(9));
        let mut ids = Vec::new();
        for number in 0..4_u8 {
            ids.push(text(&owner.sealed(&[number; 1000])["session_id"]));
        }
        ids.push(owner.mint(&json!({})));
        owner.patch(&ids[4], 0, b"some").unwrap();
        let theirs = other.mint(&json!({}));
        let time = |id: &str| {
            text(&admin.got(&format!("/api/v1/sessions/{id}")).expect(200)["created_at"])
        };
        let (second, fourth) = (time(&ids[1]), time(&ids[3]));
        let reversed: Vec<_> = ids.iter().rev().cloned().collect();
        assert_eq!(owner.listed(""), reversed);
        assert_eq!(owner.listed("order=newest"), reversed);
        assert_eq!(owner.listed("order=oldest"), ids);
        let between = format!("from={second}&until={fourth}");
        assert_eq!(owner.listed(&format!("{between}&order=oldest")), ids[1..3]);
        assert_eq!(owner.listed(&between), [ids[2].clone(), ids[1].clone()]);
        assert_eq!(owner.listed(&format!("from={second}&state=open")), ids[4..]);
        assert_eq!(other.listed(&format!("until={fourth}")), Vec::<String>::new());
        let all = admin.listed(&format!("from={second}&order=oldest"));
        assert_eq!(all, [&ids[1..], slice::from_ref(&theirs)].concat());
        let own = format!("from={second}&order=oldest&owner={}", wallet.address);
        assert_eq!(admin.listed(&own), ids[1..]);
        assert_eq!(other.listed(&own), Vec::<String>::new());
        // What is open says where its upload is.
        let page = owner.got(&format!("/api/v1/sessions?from={second}&limit=1")).expect(200);
        assert_eq!(page["sessions"][0]["upload"]["offset"], 4, "{page}");
        // A cursor stands though sessions are added and ended.
        let mut seen = Vec::new();
        let mut after = String::new();
        loop {
            let query = format!("/api/v1/sessions?from={second}&limit=2{after}");
            let page = owner.got(&query).expect(200);
            let sessions = page["sessions"].as_array().unwrap();
            seen.extend(sessions.iter().map(|session| text(&session["session_id"])));
            let Some(next) = page["next"].as_str() else { break };
            after = format!("&after={next}");
            owner.post(&format!("/api/v1/sessions/{next}/erase"), &json!({}));
            owner.sealed(b"more");
        }
        assert_eq!(seen, reversed[..4]);
        let strange = format!("/api/v1/sessions?from={second}&after={theirs}");
        owner.got(&strange).problem(404, "not_found");

        let own = owner.got("/api/v1/statistics").expect(200);
        let sealed = own["sessions"]["sealed"].as_u64().unwrap();
        assert_eq!(own["sessions"]["open"], 1, "{own}");
        assert!(sealed >= 4 && own["complete"] == json!(true), "{own}");
        assert!(own["stored_bytes"].as_u64() > Some(0) && own["plain_bytes"].as_u64() > Some(0));
        let days = own["sealed_by_day"].as_array().unwrap();
        assert_eq!(days.len(), 30);
        assert_eq!(days[29]["day"].as_str().map(str::len), Some(10));
        let theirs = other.got("/api/v1/statistics").expect(200);
        assert_eq!(theirs["sessions"], json!({"open": 1, "sealed": 0, "voided": 0, "erased": 0}));
        let all = admin.got("/api/v1/statistics").expect(200);
        assert_eq!(all["sessions"]["open"], 2);
        let of = admin.got(&format!("/api/v1/statistics?owner={}", wallet.address)).expect(200);
        assert_eq!(of, own);
    });
}

#[test]
fn without_its_index_a_node_records_and_an_index_that_is_damaged_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(Form::Each, folder.path());
    let owner = server.client().sign_in(&Wallet::new(1));
    server.kill_one("blockchain-sessions-data");
    let session = owner.sealed(b"while it was away");
    let root = text(&session["sealed"]["merkle_root"]);
    owner.search(&format!("hash={root}")).problem(503, "unavailable");
    assert_eq!(owner.listed("").len(), 1, "lists without times need no index");
    server.spawn_one("blockchain-sessions-data", &[]);
    server.wait_ready();
    assert_eq!(owner.found(&root).len(), 1);
    server.kill_one("blockchain-sessions-data");
    fs::write(server.index_folder().join("db"), "no database").unwrap();
    server.spawn_one("blockchain-sessions-data", &[]);
    server.wait_ready();
    assert_eq!(owner.found(&root).len(), 1);
    let aside = server.index_folder().with_extension("damaged-1");
    assert!(aside.exists(), "the old one is kept");
    let metrics = String::from_utf8(server.service(server.index()).got("/metrics").body).unwrap();
    for name in ["lucid_index_lag_entries{} 0\n", "lucid_index_unread_sessions{} 0\n"] {
        assert!(metrics.contains(name), "{metrics}");
    }
    server.stop();
}

/// What stands in the place of the index keeps a node from nothing else, and it says what is wrong.
#[test]
fn an_index_that_cannot_be_opened_keeps_nobody_from_recording() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(Form::One, folder.path());
    let owner = server.client().sign_in(&Wallet::new(1));
    let index = server.index_folder();
    let path = folder.path().to_owned();
    server.stop();
    fs::remove_dir_all(&index).unwrap();
    // Making a folder in a folder that is none, and moving it aside, fails for everybody.
    std::os::unix::fs::symlink("/dev/null/nowhere", &index).unwrap();
    let server = Server::start_unready(Form::One, &path, &[]);
    let start = std::time::Instant::now();
    let owner = loop {
        // Its accounts are there as soon as it listens.
        if let Some(answer) = server.client().get("/ready")
            && answer.status == 503
            && String::from_utf8_lossy(&answer.body).contains("does not go on")
        {
            break server.client().speaking_for(&owner);
        }
        assert!(start.elapsed() < std::time::Duration::from_mins(1), "it does not say so");
        std::thread::sleep(std::time::Duration::from_millis(10));
    };
    let session = owner.sealed(b"all the same");
    assert_eq!(session["state"], "sealed");
    let root = text(&session["sealed"]["merkle_root"]);
    owner.search(&format!("hash={root}")).problem(503, "unavailable");
    let log = server.stop();
    let says = |line: &str| {
        line.contains("the index of sessions does not go on") && line.contains("sessions-data")
    };
    assert!(log.lines().any(says), "{log}");
}

#[test]
fn the_command_line_searches_a_folder_that_is_not_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let output = Command::new(BINARY)
            .env_clear()
            .args(arguments)
            .arg("--data")
            .arg(folder.path().join("data"))
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    fs::write(folder.path().join("plain"), mixed(200_000, 5)).unwrap();
    let plain = folder.path().join("plain");
    let plain = plain.to_str().unwrap();
    let ingested = run(&["ingest", plain, "--json", "--chunk-bytes", "64KiB"]);
    let ingested: Value = serde_json::from_str(&ingested.1).unwrap();
    let id = text(&ingested["session_id"]);
    for (name, kind) in [("merkle_root", "merkle_root"), ("manifest_hash", "manifest_hash")] {
        let hash = text(&ingested[name]);
        for asked in [&hash[..], &hash[..8]] {
            let (code, out, _) = run(&["search", asked, "--json"]);
            let found: Value = serde_json::from_str(&out).unwrap();
            assert_eq!((code, &found["complete"]), (Some(0), &json!(true)), "{out}");
            let matches = found["matches"].as_array().unwrap();
            assert_eq!(matches.len(), 1);
            assert_eq!(
                (&matches[0]["kind"], &matches[0]["session_id"]),
                (&json!(kind), &json!(id))
            );
        }
        let (code, out, _) = run(&["search", &hash]);
        assert!(code == Some(0) && out.contains(&id) && out.contains(kind), "{out}");
    }
    let manifest = folder.path().join(format!("data/sessions/{id}/manifest.json"));
    let manifest: Value = serde_json::from_slice(&fs::read(manifest).unwrap()).unwrap();
    let (_, out, _) =
        run(&["search", manifest["chunks"][2]["chunk_root"].as_str().unwrap(), "--json"]);
    let found: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(found["matches"][0]["chunk"], 2);
    let (code, out, _) = run(&["search", &"00".repeat(32)]);
    assert_eq!((code, out.as_str()), (Some(1), "nothing has this hash\n"));
    for bad in [
        &["search", "1234567"][..],
        &["search", "12345678", "--limit", "0"],
        &["search", "12345678", "--after", "x"],
    ] {
        assert_eq!(run(bad).0, Some(64), "{bad:?}");
    }

    let second = run(&["ingest", plain, "--json"]);
    let second = text(&serde_json::from_str::<Value>(&second.1).unwrap()["session_id"]);
    let listed = |arguments: &[&str]| {
        let (code, out, error) = run(&[&["list", "--json"], arguments].concat());
        assert_eq!(code, Some(0), "{error}");
        serde_json::from_str::<Value>(&out).unwrap()
    };
    let all = listed(&[]);
    let time = text(&all["sessions"][1]["created_at"]);
    let ids = |page: &Value| -> Vec<String> {
        page["sessions"].as_array().unwrap().iter().map(|row| text(&row["session_id"])).collect()
    };
    assert_eq!(ids(&all), [id.clone(), second.clone()]);
    assert_eq!(ids(&listed(&["--from", &time])), slice::from_ref(&second));
    assert_eq!(ids(&listed(&["--until", &time])), slice::from_ref(&id));
    assert_eq!(ids(&listed(&["--until", "1970-01-01T00:00:01Z"])), Vec::<String>::new());
    let first = listed(&["--from", "1970-01-01T00:00:00+00:00", "--limit", "1"]);
    assert_eq!((ids(&first), &first["next"]), (vec![id.clone()], &json!(id)));
    let rest = listed(&["--from", "1970-01-01T00:00:00Z", "--after", &id]);
    assert_eq!((ids(&rest), &rest["next"]), (vec![second], &Value::Null));
    assert_eq!(run(&["list", "--from", &time, "--until", &time]).0, Some(64));
    assert_eq!(run(&["list", "--from", "yesterday"]).0, Some(64));
}
