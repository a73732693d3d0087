//! Clocks that are wrong: a board's without a battery until the network sets it, which the log says; one of a service that
//! is on another machine than the rest.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use lucid_core::merkle::decode_bundle;
use serde_json::{Value, json};

use crate::{
    client::{Client, Wallet},
    server::{Form, Server},
    support::faketime,
};

/// What takes longer hangs.
const PATIENCE: Duration = Duration::from_mins(1);

/// The `node.event` entries of that name.
fn events(client: &Client, event: &str) -> Vec<Value> {
    let checkpoint = String::from_utf8(client.got("/api/v1/log/checkpoint").body).unwrap();
    let size: usize = checkpoint.lines().nth(1).unwrap().parse().unwrap();
    let bundle = client.got(&format!("/api/v1/log/tile/entries/000.p/{size}")).body;
    let entries = decode_bundle(&bundle, size).unwrap();
    let entries = entries.iter().map(|entry| serde_json::from_slice::<Value>(entry).unwrap());
    entries.filter(|entry| entry["event"] == event).collect()
}

fn wait_for(client: &Client, event: &str) -> Value {
    let start = Instant::now();
    loop {
        if let Some(told) = events(client, event).pop() {
            return told;
        }
        assert!(start.elapsed() < PATIENCE, "{event} is not told");
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_clock_that_is_set_late_is_told_of() {
    for form in Form::BOTH {
        let folder = tempfile::tempdir().unwrap();
        let (clock, library) = (folder.path().join("clock"), faketime().display().to_string());
        fs::write(&clock, "@1970-01-01 00:00:30").unwrap();
        let file = clock.display().to_string();
        let settings = [
            ("LUCID_PUBLIC_LOG", "true"),
            ("LUCID_REQUESTS_PER_MINUTE", "100000"),
            ("LD_PRELOAD", &library),
            ("FAKETIME_TIMESTAMP_FILE", &file),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("TZ", "UTC"),
        ];
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        let server = Server::start_with(form, &data, &settings);
        let client = server.client();
        let told = wait_for(&client, "clock.unset");
        assert!(told["at"].as_str().unwrap().starts_with("1970-01-01T"), "{told}");
        assert!(events(&client, "clock.set").is_empty());
        // What is recorded meanwhile is dated by what the clock says.
        let owner = server.client().sign_in(&Wallet::new(1));
        let session = owner.mint(&json!({}));
        let shown = owner.got(&format!("/api/v1/sessions/{session}")).expect(200);
        assert!(shown["created_at"].as_str().unwrap().starts_with("1970-01-01T"), "{shown}");

        // Written whole, as it is read again and again.
        let next = folder.path().join("next");
        fs::write(&next, "+0").unwrap();
        fs::rename(&next, &clock).unwrap();
        let told = wait_for(&client, "clock.set");
        let detail = told["detail"].as_str().unwrap();
        assert!(detail.starts_with("the clock was set forward by 1"), "{detail}");
        assert!(!told["at"].as_str().unwrap().starts_with("1970"), "{told}");
        server.stop();
    }
}

#[test]
fn services_whose_clocks_differ_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let library = faketime().display().to_string();
    let mut server = Server::start(Form::Each, folder.path());
    let owner = server.client().sign_in(&Wallet::new(1));
    let session = owner.seal(b"before");
    for time in ["+600s", "-600s"] {
        let wrong = [("LD_PRELOAD", library.as_str()), ("FAKETIME", time)];
        server.restart_one("session-orchestrator", &wrong);
        let start = Instant::now();
        loop {
            let ready = server.service("merkle-builder").got("/ready");
            let said = String::from_utf8(ready.body).unwrap();
            if ready.status == 503 && said.contains("compare service_secret and the clocks") {
                break;
            }
            assert!(start.elapsed() < PATIENCE, "{} {said}", ready.status);
            thread::sleep(Duration::from_millis(50));
        }
        // Nothing is answered that was not checked, and nobody is told to sign in again for it. Until the service is there again
        // it is only away, and what merkle-builder said may be of the clock before.
        loop {
            let refused = owner.got(&format!("/api/v1/sessions/{session}")).status;
            assert!(refused >= 500 && start.elapsed() < PATIENCE, "{refused}");
            if refused == 502 {
                break;
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
    server.restart_one("session-orchestrator", &[]);
    server.wait_ready();
    let content = owner.got(&format!("/api/v1/sessions/{session}/content"));
    assert_eq!(content.body.as_slice(), b"before");
    let logs = server.stop();
    // Ten minutes; where the clock of who asks is behind, less the minute that a token is good for.
    let (asked, asking) = ("session-orchestrator", "api-server");
    for (ahead, behind) in [(asked, asking), (asking, asked)] {
        let begins = format!("the clock of {ahead} is at least ");
        let ends = format!(" s ahead of that of {behind}");
        let mut lines = logs.lines();
        let seconds = lines.find_map(|line| line.split_once(&begins)?.1.split_once(&ends));
        let (seconds, _) = seconds.unwrap_or_else(|| panic!("{ahead}, {behind}: {logs}"));
        assert!((500..=600).contains(&seconds.parse::<u64>().unwrap()), "{seconds}");
    }
}
