//! A node whose log cannot be written says so, in every form, until it is restarted.

use std::fs;

use serde_json::json;

use crate::{
    client::{Client, Wallet},
    server::{Form, Server},
};

fn sign_in(client: &Client, wallet: &Wallet) -> crate::client::Answer {
    let address = json!({"address": wallet.address});
    let challenge = client.post("/api/v1/auth/challenge", &address).expect(200);
    client.post("/api/v1/auth/login", &wallet.sign(&challenge))
}

/// Has the log take entries until it has a full bundle. Each is acknowledged: it is durable, whatever
/// becomes of the bundle.
fn fill_a_bundle(client: &Client) {
    let entries = || {
        let checkpoint = client.got("/api/v1/log/checkpoint");
        assert_eq!(checkpoint.status, 200);
        let text = String::from_utf8(checkpoint.body).unwrap();
        text.lines().nth(1).unwrap().parse::<u64>().unwrap()
    };
    for _ in entries()..256 {
        let session = client.post("/api/v1/sessions", &json!({}));
        if session.status == 503 {
            break;
        }
        let id = session.expect(201)["session_id"].as_str().unwrap().to_owned();
        let voided =
            client.post(&format!("/api/v1/sessions/{id}/void"), &json!({"reason": "room"}));
        assert!([200, 503].contains(&voided.status), "{}", voided.status);
    }
    assert_eq!(entries(), 256);
}

#[test]
fn a_node_whose_log_takes_no_entries_is_not_ready_and_says_so() {
    for form in Form::BOTH {
        let folder = tempfile::tempdir().unwrap();
        let fast = [("LUCID_REQUESTS_PER_MINUTE", "100000")];
        let mut server = Server::start_with(form, folder.path(), &fast);
        let client = server.client().sign_in(&Wallet::new(1));
        // The first full bundle cannot be written: a folder stands in its way.
        let store = match form {
            Form::One => "data",
            Form::Each => "session-orchestrator",
        };
        let in_the_way = folder.path().join(store).join("log/tile/entries/000.tmp");
        fs::create_dir_all(&in_the_way).unwrap();
        fill_a_bundle(&client);
        sign_in(&client, &Wallet::new(2)).problem(503, "unavailable");
        fs::remove_dir(&in_the_way).unwrap();
        // What failed once may be half written: nothing goes in before the node looked again.
        for _ in 0..2 {
            let answer = sign_in(&client, &Wallet::new(2));
            answer.problem(503, "unavailable");
            assert!(answer.json()["detail"].as_str().unwrap().contains("restart"));
        }
        client.post("/api/v1/sessions", &json!({})).problem(503, "unavailable");
        // What was said of it a moment ago counts for half a second.
        let start = std::time::Instant::now();
        let said = loop {
            let ready = client.got("/ready");
            if ready.status != 200 {
                assert_eq!(ready.status, 503);
                break String::from_utf8_lossy(&ready.body).into_owned();
            }
            assert!(start.elapsed().as_secs() < 20, "the gateway says that all is well");
            std::thread::sleep(std::time::Duration::from_millis(20));
        };
        assert!(said.contains("ledger log") && said.contains("restart"), "{said}");
        client.got("/health").expect(200);
        client.got("/api/v1/auth/me").expect(200);
        server.kill_and_restart();
        assert_eq!(sign_in(&server.client(), &Wallet::new(2)).status, 200);
    }
}

#[test]
fn the_gateway_is_ready_when_all_the_others_are() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(Form::Each, folder.path());
    server.kill_one("session-encryptor");
    let start = std::time::Instant::now();
    let client = server.client();
    let said = loop {
        let ready = client.got("/ready");
        if ready.status == 503 {
            break String::from_utf8_lossy(&ready.body).into_owned();
        }
        assert!(start.elapsed().as_secs() < 20, "ready without its encryptor");
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    assert!(said.contains("session-encryptor"), "{said}");
    server.spawn_one("session-encryptor", &[]);
    server.wait_ready();
}
