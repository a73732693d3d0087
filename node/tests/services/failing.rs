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

#[test]
fn a_node_whose_log_takes_no_entries_is_not_ready_and_says_so() {
    for form in Form::BOTH {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Server::start(form, folder.path());
        let client = server.client().sign_in(&Wallet::new(1));
        // The next checkpoint cannot be written: a folder stands in its way.
        let store = match form {
            Form::One => "data",
            Form::Each => "session-orchestrator",
        };
        let in_the_way = folder.path().join(store).join("log").join("checkpoint.tmp");
        fs::create_dir(&in_the_way).unwrap();
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
