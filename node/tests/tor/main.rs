//! A node behind Tor as its users meet it: the real binary, Debian's tor in a network of its own on loopback, curl.
//!
//! Without tor this fails, and says how to install it. One network serves all of it, since it takes half a minute to make.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed, and says what it measured"
)]

mod client;
mod node;
#[path = "../support/mod.rs"]
mod support;

use std::{
    io::Write,
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};

use lucid_tunnel_testing::{Network, NetworkOptions};
use serde_json::Value;

use crate::{client::Client, node::Node};

/// Larger than a buffer on the way, smaller than a chunk.
const RECORDED_BYTES: usize = 3_000_000;

#[test]
fn a_node_behind_tor() {
    let begun = Instant::now();
    let passed = |what: &str| println!("{what}: {:.1} s", begun.elapsed().as_secs_f64());
    // Pairs of circuits, which tor makes ahead of need, keep relays busy that have two cores between them.
    let cookie = "CookieAuthentication 1\nConfluxEnabled 0\n".to_owned();
    let options =
        NetworkOptions { clients: vec![cookie.clone(), cookie], ..NetworkOptions::default() };
    let mut network = Network::start(&options).unwrap();
    passed("the network is there");
    // Whoever asks does so through another tor than the node's.
    let client = Client::through(&network.clients[1]);
    let mut node = Node::start(&network.clients[0]);
    let address = node.published("gateway");
    passed("the gateway is published");

    recorded_and_proved(&client, &node, &address);
    passed("recorded, sealed and proved through it");
    verified(&network, &node, &address);
    passed("verified from outside");
    tor_is_killed(&mut network, &client, &node, &address);
    passed("tor was killed, and is back");
    node.kill_and_start();
    assert_eq!(node.published("gateway"), address, "the address is that of its key");
    client.reached(&address);
    passed("the node was killed, and is back");
    others_are_made_and_ended(&network, &node);
    passed("ssh, clients and an end");
    rotated(&client, &mut node, &address);
    passed("rotated");
    kept_by_a_process_of_its_own(&network, &client, &node);
    passed("tor-proxy");
    node.stop();
}

/// What a recorder does, all of it through the onion service.
fn recorded_and_proved(client: &Client, node: &Node, address: &str) {
    client.reached(address);
    let owner = client.signed_in(address);
    let content: Vec<u8> = (0..RECORDED_BYTES).map(|at| (at * at / 7) as u8).collect();
    let session = owner.json("POST", "/api/v1/sessions", Some(b"{}"), 201);
    let session = session["session_id"].as_str().unwrap();
    let upload = format!("/api/v1/sessions/{session}/upload");
    let half = RECORDED_BYTES / 2;
    owner.patch(&upload, 0, &content[..half]);
    owner.patch(&upload, half, &content[half..]);
    let sealed = owner.json("POST", &format!("/api/v1/sessions/{session}/seal"), Some(b"{}"), 200);
    assert_eq!(sealed["sealed"]["plain_bytes"], RECORDED_BYTES, "{sealed}");
    assert_eq!(owner.bytes(&format!("/api/v1/sessions/{session}/content")), content);
    let proof = owner.bytes(&format!("/api/v1/sessions/{session}/proof"));
    let file = node.file("session.lucid-proof");
    std::fs::write(&file, proof).unwrap();
    let verified = node.run(&["verify", file.to_str().unwrap()], 0);
    assert!(verified.contains(session), "{verified}");
}

/// What the operator sees, and what is measured from outside.
fn verified(network: &Network, node: &Node, address: &str) {
    let socks = network.clients[1].socks();
    let found = node.json(&["tunnel", "verify", "--socks", &socks], 0);
    println!("verify: {found}");
    assert_eq!((&found["address"], &found["port"]), (&address.into(), &80.into()));
    assert_eq!(found["checked"], "GET /health answers 200");
    assert!(found["connect_ms"].as_u64().unwrap() > 0 && found["round_trip_ms"].is_u64());
    let descriptor = found["descriptor"].as_str().unwrap_or("none");
    assert!(["ours", "other-period", "missing"].contains(&descriptor), "{found}");
    let status = node.run(&["tunnel", "status"], 0);
    assert!(status.contains("ready 0.4.") && status.contains(address), "{status}");
    let status = node.run(&["status"], 0);
    assert!(status.contains("1 of 1 published"), "{status}");
    let listed = node.run(&["tunnel", "list", "--qr"], 0);
    assert!(listed.contains(&format!("http://{address}/")) && listed.contains('▀'), "{listed}");
}

fn tor_is_killed(network: &mut Network, client: &Client, node: &Node, address: &str) {
    network.clients[0].kill();
    let state = node.until("tor is gone", |state| state["tor"] == "down");
    let problem = state["problem"].as_str().unwrap();
    assert!(problem.contains("tor"), "{problem}");
    node.run(&["tunnel", "status"], 1);
    // The one way in is closed, and the node lives.
    let ready = node.run(&["healthcheck", "--ready"], 1);
    assert!(ready.contains("\"tor\""), "{ready}");
    node.run(&["healthcheck"], 0);
    network.clients[0].start().unwrap();
    assert_eq!(node.published("gateway"), address);
    client.reached(address);
    assert!(node.state()["losses"].as_u64().unwrap() > 0);
}

/// A server that greets as one of SSH does.
fn greeting_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Who asked may be gone.
            let _ = { stream }.write_all(b"SSH-2.0-lucid_test\r\n");
        }
    });
    address
}

fn others_are_made_and_ended(network: &Network, node: &Node) {
    let (server, socks) = (greeting_server(), network.clients[1].socks());
    let made = node.json(&["tunnel", "create", "ssh", "--to", &server, "--port", "22"], 0);
    assert!(made["published"] == true, "{made}");
    let found = node.json(&["tunnel", "verify", "ssh", "--socks", &socks], 0);
    assert_eq!(found["checked"], "it greets with SSH-2.0-lucid_test");
    let again = node.run(&["tunnel", "create", "ssh", "--to", &server], 64);
    assert!(again.contains("there already"), "{again}");
    node.json(&["tunnel", "refresh", "ssh"], 0);

    let asked = node.run(&["tunnel", "teardown", "ssh"], 64);
    let address = made["address"].as_str().unwrap();
    assert!(asked.contains(address) && asked.contains("--yes"), "{asked}");
    let key = node.data("secrets/onion-ssh-1.key");
    assert!(key.exists());
    node.json(&["tunnel", "teardown", "ssh", "--yes"], 0);
    assert!(!key.exists(), "its key is destroyed");
    node.run(&["tunnel", "verify", "ssh", "--socks", &socks], 1);

    // Whoever has no key does not get in.
    let keys = node.file("");
    let mut command = vec!["tunnel", "create", "private", "--to", &server, "--ephemeral"];
    command.extend(["--client", "phone", "--client-keys", keys.to_str().unwrap()]);
    let made = node.json(&command, 0);
    let (label, key) = (made["address"].as_str().unwrap(), node.file("phone.auth_private"));
    let line = std::fs::read_to_string(&key).unwrap();
    let head = format!("{}:descriptor:x25519:", label.strip_suffix(".onion").unwrap());
    assert!(line.starts_with(&head) && made["clients"][0]["auth_private"].is_null(), "{made}");
    let refused = node.run(&["tunnel", "verify", "private", "--socks", &socks, "--wait", "20"], 1);
    assert!(refused.contains("key"), "{refused}");
    let added = node.json(&["tunnel", "client", "add", "private", "desk"], 0);
    assert!(added["clients"][0]["auth_private"].as_str().unwrap().starts_with(&head), "{added}");
    node.json(&["tunnel", "client", "remove", "private", "phone"], 0);
    let listed = node.json(&["tunnel", "client", "list", "private"], 0);
    assert_eq!(listed["clients"], serde_json::json!(["desk"]));
    assert_eq!(node.published("private"), label, "the address stays");
    node.json(&["tunnel", "teardown", "private", "--yes"], 0);
}

fn rotated(client: &Client, node: &mut Node, old: &str) {
    let made = node.json(&["tunnel", "rotate", "--grace", "1h"], 0);
    let new = made["address"].as_str().unwrap();
    assert!(new != old && made["published"] == true, "{made}");
    let state = node.state();
    let addresses = &state["services"][0]["addresses"];
    let of = |place: usize| (&addresses[place]["address"], addresses[place]["until"].is_string());
    assert_eq!((of(0), of(1)), ((&new.into(), false), (&old.into(), true)));
    for address in [old, new] {
        client.reached(address);
    }
    let again = node.run(&["tunnel", "rotate"], 64);
    assert!(again.contains("grace time"), "{again}");
    a_clock_that_jumped_ends_no_grace_time(node, new);
    node.json(&["tunnel", "teardown", "--yes"], 0);
    assert_eq!(node.state()["services"], Value::Array(Vec::new()));
    assert!(!node.data("secrets/onion-gateway-2.key").exists());
}

/// By its own clock the former address is over for a day. By the network's it is not, and no key is destroyed.
fn a_clock_that_jumped_ends_no_grace_time(node: &mut Node, new: &str) {
    let library = support::faketime().display().to_string();
    let clock = ["LD_PRELOAD", "FAKETIME", "FAKETIME_DONT_FAKE_MONOTONIC"].into_iter();
    let clock = clock.zip([library, "+1d".to_owned(), "1".to_owned()]);
    node.kill_and_start_with(clock.collect());
    assert_eq!(node.published("gateway"), new);
    // What is over would be ended within seconds.
    thread::sleep(Duration::from_secs(15));
    assert_eq!(node.state()["services"][0]["addresses"].as_array().unwrap().len(), 2);
    assert!(node.data("secrets/onion-gateway-1.key").exists());
    node.kill_and_start();
    assert_eq!(node.published("gateway"), new);
}

/// As in the stack of containers, where the gateway is another process.
fn kept_by_a_process_of_its_own(network: &Network, client: &Client, node: &Node) {
    let proxy = Node::start_proxy(&network.clients[0], node);
    // It is ready once what is to be published is.
    proxy.run(&["healthcheck", "tor-proxy", "--ready", "--wait", "90"], 0);
    let address = proxy.published("gateway");
    client.reached(&address);
    assert!(proxy.data("secrets/onion-gateway-1.key").exists());
    looked_at_from_outside(network, &proxy);
    proxy.stop();
}

/// By tunnel-tools, which is ready while what is published is reached, too.
fn looked_at_from_outside(network: &Network, proxy: &Node) {
    let tools = Node::start_tools(&network.clients[1], proxy);
    let ready = ["healthcheck", "tunnel-tools", "--ready", "--wait", "180"];
    tools.run(&ready, 0);
    assert!(!tools.data("").exists(), "it keeps nothing");
    // Published it is, and nobody is behind it; of one for clients nothing is seen.
    let nobody = lucid_tunnel_testing::free_port(std::net::Ipv4Addr::LOCALHOST);
    let to = format!("127.0.0.1:{nobody}");
    let create = |name: &str, more: &[&str]| {
        proxy.json(&[&["tunnel", "create", name, "--to", &to, "--ephemeral"], more].concat(), 0);
    };
    create("private", &["--client", "phone"]);
    create("empty", &[]);
    let seen = tools.until_said(&ready[..3], "1 of 2 were reached");
    assert!(seen.contains("1 with clients are not looked at"), "{seen}");
    assert!(!seen.contains("empty") && !seen.contains(".onion"), "{seen}");
    proxy.json(&["tunnel", "teardown", "empty", "--yes"], 0);
    tools.run(&ready, 0);
    let metrics = tools.metrics();
    let value = |name: &str| {
        let line =
            metrics.lines().find_map(|l| l.strip_prefix(&format!("lucid_tor_onion_{name}{{}} ")));
        line.unwrap_or_else(|| panic!("{name}: {metrics}")).parse::<f64>().unwrap()
    };
    assert_eq!((value("services_looked_at"), value("services_reached")), (1.0, 1.0));
    assert!(value("connect_seconds") > 0.0, "{metrics}");
    tools.stop();
}

#[test]
fn whoever_comes_through_tor_is_no_trusted_proxy() {
    for arguments in [["run", "--listen", "127.0.0.1:0"].as_slice(), &["serve", "tor-proxy"]] {
        let folder = tempfile::tempdir().unwrap();
        let refused = node::command(folder.path(), arguments)
            .env("LUCID_ONION", "true")
            .env("LUCID_ONION_TARGET", "127.0.0.1:8080")
            .env("LUCID_SERVICE_SECRET", "service-secret-of-the-tests-0123456789")
            .env("LUCID_TRUSTED_PROXIES", "127.0.0.0/8")
            .output()
            .unwrap();
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(64), "{said}");
        assert!(said.contains("trusted_proxies") && said.contains("onion"), "{said}");
    }
}

#[test]
fn a_gateway_for_tor_alone_listens_to_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let refused = node::command(folder.path(), &["run", "--listen", "0.0.0.0:0"])
        .env("LUCID_ONION_ONLY", "true")
        .output()
        .unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(64), "{said}");
    assert!(said.contains("onion_only") && said.contains("127.0.0.1"), "{said}");
    assert!(!folder.path().join("data").exists(), "nothing is made");
}

/// What keeps the socket from being made is told where it is looked, not only when the node starts.
#[test]
fn services_that_are_not_kept_are_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let output = node::command(folder.path(), arguments).env("LUCID_ONION", "true").output();
        let output = output.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    run(&["init"]);
    std::fs::create_dir(folder.path().join("data/tunnel.socket")).unwrap();
    let port = lucid_tunnel_testing::free_port(std::net::Ipv4Addr::LOCALHOST);
    let listen = format!("127.0.0.1:{port}");
    let mut child = node::command(folder.path(), &["run", "--listen", &listen])
        .env("LUCID_ONION", "true")
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let stopped = std::panic::catch_unwind(|| {
        run(&["healthcheck", "--ready", "--wait", "60", "--listen", &listen]);
        let status = run(&["status", "--listen", &listen]);
        assert!(status.contains("onion services are not kept"), "{status}");
    });
    child.kill().unwrap();
    child.wait().unwrap();
    stopped.unwrap();
}

/// A key is shown once: where it cannot be, nothing is made that needs it, and one that is lost is made anew.
#[test]
fn keys_of_clients_are_not_lost() {
    let node = node::Node::without_tor();
    let create =
        ["tunnel", "create", "private", "--to", "127.0.0.1:22", "--wait", "0", "--client", "phone"];
    let count = |state: &Value| state["services"].as_array().unwrap().len();
    let services = || count(&node.state());
    // The gateway's is made once the node answers.
    node.until("the gateway has a service", |state| count(state) == 1);
    for json in [&[][..], &["--json"]] {
        let command = [&create[..], json].concat();
        let said = node.run_into("/dev/full", &command, 74);
        assert!(said.contains("was not made"), "{said}");
        let said = node.run_into("/dev/null", &command, 64);
        assert!(said.contains("--client-keys"), "{said}");
        assert_eq!(services(), 1, "{said}");
    }
    let made = node.json(&create, 0);
    let key = |made: &Value| made["clients"][0]["auth_private"].as_str().unwrap().to_owned();
    let clients = || node.json(&["tunnel", "client", "list", "private"], 0)["clients"].clone();

    let add = ["tunnel", "client", "add", "private"];
    let again = node.run(&[&add[..], &["phone"]].concat(), 64);
    assert!(again.contains("--replace"), "{again}");
    let lost = node.run_into("/dev/full", &[&add[..], &["desk", "--json"]].concat(), 74);
    assert!(lost.contains("as it was") && clients() == serde_json::json!(["phone"]), "{lost}");
    let anew = node.json(&[&add[..], &["phone", "--replace"]].concat(), 0);
    assert_ne!(key(&anew), key(&made));
    let keys = node.file("");
    let text =
        node.run(&[&add[..], &["desk", "--client-keys", keys.to_str().unwrap()]].concat(), 0);
    assert!(text.contains("desk.auth_private") && node.file("desk.auth_private").exists());

    node.run(&["tunnel", "client", "remove", "private", "phone"], 0);
    assert_eq!(clients(), serde_json::json!(["desk"]));
    let last = node.run(&["tunnel", "client", "remove", "private", "desk"], 64);
    assert!(last.contains("--open-to-all"), "{last}");
    node.run(&["tunnel", "client", "remove", "private", "nobody"], 1);
    node.run(&["tunnel", "client", "remove", "private", "desk", "--open-to-all"], 0);
    assert_eq!(clients(), serde_json::json!([]));
    let opened = node.run(&[&add[..], &["desk"]].concat(), 0);
    assert!(opened.contains("nobody else"), "{opened}");
    node.stop();
}
