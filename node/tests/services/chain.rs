//! The chain as its users meet it: JSON-RPC for whom it is, and every sealed session registered, though
//! the node is killed.

use std::{
    process::Command,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    client::{Client, Wallet},
    server::{Form, Server},
    support::{BINARY, text},
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
    pub(crate) fn seal(&self, plain: &[u8]) -> String {
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

#[test]
fn a_chain_begins_with_the_configured_parameters_and_sessions_say_so() {
    for form in Form::BOTH {
        let folder = tempfile::tempdir().unwrap();
        let settings = [
            ("LUCID_CHAIN", "true"),
            ("LUCID_PUBLIC_LOG", "true"),
            ("LUCID_CHUNK_BYTES", "64KiB"),
            ("LUCID_ZSTD_LEVEL", "5"),
            ("LUCID_OPEN_SESSIONS_MAX", "2"),
            ("LUCID_GOVERNANCE_VOTING_PERIOD", "1"),
        ];
        let server = Server::start_with(form, folder.path(), &settings);
        let owner = server.client().sign_in(&Wallet::new(1));
        server.client().registered(0);
        let session = owner.seal(&[1; 100]);
        server.client().registered(1);
        let page = server.client().got("/api/v1/log/entries?limit=200").expect(200);
        let entries = page["entries"].as_array().unwrap().iter();
        let entries: Vec<Value> = entries
            .map(|entry| serde_json::from_str(entry["entry"].as_str().unwrap()).unwrap())
            .collect();
        let kind = |kind: &str| entries.iter().position(|entry| entry["kind"] == kind);
        let changed = kind("parameters.changed").unwrap();
        let (entry, before) = (&entries[changed], &entries[changed - 1]);
        assert_eq!((&before["kind"], &before["hash"]), (&json!("evm.block"), &entry["block_hash"]));
        let expected = json!({
            "anchor_interval_seconds": 3600, "anchor_sessions_max": 1000, "chunk_bytes": 65536,
            "open_sessions_max": 2, "retention_seconds": 0, "session_bytes_max": 0, "zstd_level": 5,
        });
        assert_eq!((&entry["block"], &entry["parameters"]), (&json!(1), &expected));
        let opened = entries.iter().find(|entry| entry["session_id"] == session.as_str()).unwrap();
        let mut policy = opened["policy"].clone();
        let suite = policy["suite"].take();
        assert!(suite == 1 || suite == 2, "{opened}");
        let mut in_policy = expected;
        in_policy["suite"] = Value::Null;
        in_policy["version"] = json!(2);
        assert_eq!(policy, in_policy);
        server.stop();
    }
}
/// The command line's answer about a running node, and its exit code.
fn command(client: &Client, arguments: &[&str]) -> (i32, String) {
    let url = client.url("");
    let output = Command::new(BINARY)
        .env_clear()
        .arg("chain")
        .args(arguments)
        .args(["--url", &url])
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(said).unwrap())
}

#[test]
fn what_is_on_the_chain_is_told_without_a_client_of_ethereum() {
    for form in Form::BOTH {
        let folder = tempfile::tempdir().unwrap();
        let settings = [("LUCID_CHAIN", "true"), ("LUCID_PUBLIC_LOG", "true")];
        let server = Server::start_with(form, folder.path(), &settings);
        let owner = server.client().sign_in(&Wallet::new(1));
        let sessions: Vec<_> = (0..3).map(|n| owner.seal(&[n; 100])).collect();
        let client = server.client();
        let head = client.registered(3);
        let get = |path: &str| client.got(&format!("/api/v1{path}")).expect(200);

        let page = get("/chain/blocks?limit=1");
        assert_eq!(page["blocks"][0]["header"]["number"], head["number"]);
        assert_eq!(page["next"], head["number"]);
        let block = get(&format!("/chain/blocks/{}", text(&head["hash"])));
        assert_eq!(block, get(&format!("/chain/blocks/{}", head["number"])));
        // As docs/chain.md says: the header's canonical JSON. serde_json sorts names, too.
        let header = serde_json::to_vec(&block["header"]).unwrap();
        assert_eq!(hex::encode(Sha256::digest(&header)), text(&head["hash"]));
        let entry = get(&format!("/chain/entries/{}", block["log_index"]));
        assert_eq!((&entry["kind"], &entry["entry"]["hash"]), (&json!("evm.block"), &head["hash"]));

        for session in &sessions {
            let found = get(&format!("/chain/sessions/{session}"));
            let path = format!("/chain/transactions/{}", text(&found["transaction"]));
            let transaction = get(&path);
            assert_eq!(transaction["success"], true);
            let action = text(&transaction["action"]);
            assert!(action.starts_with(&format!("registers session {session}")), "{action}");
            let sealed = get(&format!("/chain/entries/{}", found["log_index"]));
            assert_eq!(sealed["entry"]["session_id"], found["session_id"]);
        }
        let newest = get("/anchors?limit=2");
        let ids = newest["anchors"].as_array().unwrap().iter();
        let ids: Vec<_> = ids.map(|anchor| text(&anchor["session_id"])).collect();
        assert_eq!(ids, [sessions[2].as_str(), &sessions[1]]);
        let rest = get(&format!("/anchors?before={}", newest["next"]));
        assert_eq!(rest["anchors"][0]["session_id"], sessions[0].as_str());
        assert_eq!(rest["anchors"][0]["kind"], "registration");
        let found = get(&format!("/chain/entries?kind=session.sealed&session={}", sessions[1]));
        assert_eq!(found["entries"].as_array().unwrap().len(), 1);
        let node = get("/chain/node");
        assert_eq!((&node["network"], &node["chain_id"]), (&json!("private"), &head["chain_id"]));
        assert_eq!(node["features"], json!(["chain", "public_log"]));
        // What the contract was told of this node, which others are to be told as well.
        let member = &get("/governance/settings")["nodes"][0];
        let (account, key) = (text(&member["account"]), text(&member["log_key_hash"]));
        let (code, said) = command(&client, &["node"]);
        assert!(code == 0 && said.contains(&format!("{account} {key}")), "{said}");
        assert!(said.contains(&text(&node["log_key"])), "{said}");

        let none = "00000000-0000-4000-8000-000000000000";
        for path in [
            "/chain/blocks/999999",
            "/chain/entries/999999",
            &format!("/chain/sessions/{none}"),
            &format!("/chain/transactions/0x{}", "00".repeat(32)),
        ] {
            client.got(&format!("/api/v1{path}")).problem(404, "not_found");
        }
        for path in [
            "/chain/blocks/first",
            "/chain/blocks?limit=0",
            "/chain/blocks?before=-1",
            "/chain/blocks?after=1",
            "/chain/entries/0x1",
            "/chain/entries?session=x",
            "/chain/sessions/x",
            "/chain/transactions/1",
            "/anchors?limit=201",
        ] {
            client.got(&format!("/api/v1{path}")).problem(400, "invalid_request");
        }

        let (status, said) = command(&client, &["head", "--json"]);
        assert_eq!((status, serde_json::from_str::<Value>(&said).unwrap()), (0, head.clone()));
        let (status, said) = command(&client, &["block", &head["number"].to_string()]);
        assert!(status == 0 && said.contains(&text(&head["hash"])), "{said}");
        let hash = text(&block["transactions"][0]["hash"]);
        let (status, said) = command(&client, &["tx", &hash]);
        assert!(status == 0 && said.contains("registers session"), "{said}");
        let (status, said) = command(&client, &["entries", "--kind", "evm.block", "--limit", "2"]);
        assert!(status == 0 && said.contains("more: --from "), "{said}");
        let (status, said) = command(&client, &["block", "999999"]);
        assert!(status == 1 && said.contains("there is no block 999999"), "{said}");
        let (status, said) = command(&client, &["block", "x"]);
        assert!(status == 64 && said.contains("named by its number"), "{said}");
        server.stop();
    }
}

#[test]
fn the_chains_resources_are_for_whom_entries_are() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("LUCID_CHAIN", "true")];
    let server = Server::start_with(Form::One, folder.path(), &settings);
    let (nobody, user) = (server.client(), server.client().sign_in(&Wallet::new(2)));
    let none = "00000000-0000-4000-8000-000000000000";
    for path in [
        "/api/v1/chain/blocks",
        "/api/v1/chain/blocks/0",
        &format!("/api/v1/chain/transactions/0x{}", "00".repeat(32)),
        "/api/v1/chain/entries",
        "/api/v1/chain/entries/0",
        &format!("/api/v1/chain/sessions/{none}"),
        "/api/v1/anchors",
        "/api/v1/chain/node",
    ] {
        nobody.got(path).problem(401, "token_missing");
        user.got(path).problem(403, "forbidden");
    }
    let (status, said) = command(&nobody, &["head"]);
    assert!(status == 64 && said.contains("--token-file"), "{said}");
    server.stop();
}
