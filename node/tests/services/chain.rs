//! The chain as its users meet it: JSON-RPC for whom it is, and every sealed session registered, though
//! the node is killed.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    client::{Client, Wallet},
    server::{Form, Server},
};

/// What takes longer hangs.
const PATIENCE: Duration = Duration::from_mins(1);

fn ask(method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
}

impl Client {
    /// The result of a call.
    fn rpc(&self, method: &str, params: &Value) -> Value {
        let answer = self.post("/rpc", &ask(method, params)).expect(200);
        assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!(7)), "{answer}");
        answer["result"].clone()
    }

    /// The chain's head once so many sessions are registered.
    fn registered(&self, sessions: u64) -> Value {
        let start = Instant::now();
        loop {
            let answer = self.got("/api/v1/chain/head");
            if answer.status == 200 {
                let head = answer.expect(200);
                if head["sessions"] == sessions {
                    return head;
                }
                assert!(head["sessions"].as_u64().unwrap() < sessions, "{head}");
            }
            assert!(start.elapsed() < PATIENCE, "{sessions} sessions are not registered");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Uploads and seals a session; gives its id.
    fn seal(&self, plain: &[u8]) -> String {
        let session = self.mint(&json!({"length": plain.len()}));
        assert_eq!(self.patch(&session, 0, plain).unwrap().status, 204);
        session
    }
}

#[test]
fn every_sealed_session_is_registered_though_the_node_is_killed() {
    for form in Form::BOTH {
        let folder = tempfile::tempdir().unwrap();
        let settings = [("LUCID_CHAIN", "true"), ("LUCID_PUBLIC_LOG", "true")];
        let mut server = Server::start_with(form, folder.path(), &settings);
        let owner = server.client().sign_in(&Wallet::new(1));
        let mut sessions: Vec<_> = (0..3).map(|n| owner.seal(&[n; 100])).collect();
        server.client().registered(3);
        for round in 0..3 {
            sessions.push(owner.seal(&[round; 200]));
            // In the middle of the block, or before it, or after.
            thread::sleep(Duration::from_millis(u64::from(round) * 120));
            server.kill_and_restart();
        }
        let client = server.client();
        let head = client.registered(sessions.len() as u64);
        let events = json!([{"address": head["anchors"], "fromBlock": "0x0"}]);
        let events = client.rpc("eth_getLogs", &events);
        let topics = events.as_array().unwrap().iter().map(|event| &event["topics"][1]);
        let registered: Vec<_> = topics.map(|id| id.as_str().unwrap()[2..34].to_owned()).collect();
        let expected: Vec<_> = sessions.iter().map(|id| id.replace('-', "")).collect();
        assert_eq!(registered, expected, "once each, in the log's order");
        let number = client.rpc("eth_blockNumber", &json!([]));
        assert_eq!(number, format!("{:#x}", head["number"].as_u64().unwrap()));
        let metrics = String::from_utf8(server.service(server.chain()).got("/metrics").body);
        let count = format!("lucid_chain_blocks{{}} {}\n", head["number"]);
        assert!(metrics.unwrap().contains(&count));
        // While others start, requests fail; the chain has no other reason to.
        let log = server.stop();
        let of_chain = |line: &&str| line.contains("ERROR") && line.contains("services::vm");
        assert_eq!(log.lines().find(of_chain), None);
    }
}

#[test]
fn the_chain_is_for_whom_the_log_is() {
    for form in Form::BOTH {
        let folder = tempfile::tempdir().unwrap();
        let admin = Wallet::new(1);
        let settings = [("LUCID_CHAIN", "true"), ("LUCID_ADMINS", admin.address.as_str())];
        let server = Server::start_with(form, folder.path(), &settings);
        let (nobody, user) = (server.client(), server.client().sign_in(&Wallet::new(2)));
        let call = ask("eth_chainId", &json!([]));
        for path in ["/rpc", "/api/v1/rpc"] {
            nobody.post(path, &call).problem(401, "token_missing");
            user.post(path, &call).problem(403, "forbidden");
        }
        nobody.got("/api/v1/chain/head").problem(401, "token_missing");
        user.got("/api/v1/chain/head").problem(403, "forbidden");
        let admin = server.client().sign_in(&admin);
        let head = admin.registered(0);
        assert_eq!(
            admin.rpc("eth_chainId", &json!([])),
            format!("{:#x}", head["chain_id"].as_u64().unwrap())
        );
        // What is wrong with a call is in the answer; what is wrong with the request is a problem.
        let unknown = admin.post("/rpc", &ask("eth_mine", &json!([]))).expect(200);
        assert_eq!(unknown["error"]["code"], -32601);
        let kind = [("content-type", "text/plain")];
        admin.send("POST", "/rpc", &kind, b"{}").unwrap().problem(415, "media_type");
        let large = json!([format!("0x{}", "00".repeat(10 << 20))]);
        let large = ask("eth_sendRawTransaction", &large);
        admin.post("/rpc", &large).problem(413, "too_large");
        let notification = json!({"jsonrpc": "2.0", "method": "eth_chainId"});
        assert_eq!(admin.post("/rpc", &notification).status, 204);
        assert_eq!(admin.got("/rpc").status, 405);
        server.stop();
    }
}

#[test]
fn a_node_without_a_chain_says_so() {
    for form in Form::BOTH {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start_with(form, folder.path(), &[("LUCID_PUBLIC_LOG", "true")]);
        let client = server.client();
        client.post("/rpc", &ask("eth_chainId", &json!([]))).problem(404, "not_found");
        client.got("/api/v1/chain/head").problem(404, "not_found");
        server.stop();
    }
}
