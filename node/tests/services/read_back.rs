//! A node that lost its disk gets back from a real MongoDB what it had said.

use std::{fs, process::Command};

use lucid_mongo_testing::{Given, given};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::support::{Node, Ran, mixed, run};

/// A node whose database is the tests' own.
struct Synced {
    node: Node,
    url: String,
    database: String,
}

impl Synced {
    fn new(given: &Given, name: &str) -> Self {
        let database = format!("read_back_{name}_{}", std::process::id());
        Self { node: Node::on_disk(), url: given.url.clone(), database }
    }

    fn command(&self, words: &str) -> Command {
        let mut command = self.node.command(words);
        command.env("LUCID_MONGO_URL", &self.url).env("LUCID_MONGO_DATABASE", &self.database);
        command
    }

    fn run(&self, words: &str) -> Ran {
        run(self.command(words), &[])
    }

    /// All but `left` of the data folder is gone.
    fn lose_all_but(&self, left: &[&str]) {
        for entry in fs::read_dir(self.node.data()).unwrap() {
            let path = entry.unwrap().path();
            if left.iter().any(|name| path.ends_with(name)) {
                continue;
            }
            match path.is_dir() {
                true => fs::remove_dir_all(path).unwrap(),
                false => fs::remove_file(path).unwrap(),
            }
        }
    }
}

fn found<'a>(gone: &'a Value, id: &str) -> &'a Value {
    let gone = gone["gone"].as_array().unwrap();
    gone.iter().find(|session| session["session"] == id).unwrap()
}

#[test]
fn a_lost_disk_comes_back_from_mongodb() {
    let runtime = Runtime::new().unwrap();
    let given = runtime.block_on(given()).unwrap();
    let synced = Synced::new(&given, "lost");
    let node = &synced.node;
    let (kept, short, erased) = (mixed(300_000, 1), mixed(200_000, 2), mixed(1, 3));
    let (kept_id, short_id, erased_id) =
        (node.ingest(&kept), node.ingest(&short), node.ingest(&erased));
    node.run(&format!("erase {erased_id} --yes")).ok();
    synced.run("sync rebuild").ok();
    let head = node.run("ledger head --json").ok().json();
    let shown = node.run(&format!("show {kept_id} --json")).ok().json();
    let node_id = head["node_id"].as_str().unwrap();

    // While it has its log nothing is made.
    let refused = synced.run("sync read-back").ends(64);
    assert!(refused.stderr.contains("has a log"), "{}", refused.stderr);
    synced.lose_all_but(&["secrets", "keys", "chunks"]);
    fs::remove_file(node.chunk(&short_id, 1)).unwrap();

    // Without its key it is looked at only; with the log's folder empty the node does not begin another one.
    let seen = synced.run(&format!("sync read-back --node {node_id} --json")).ok().json();
    assert_eq!((&seen["made"], &seen["log_size"]), (&json!(false), &head["log_size"]));
    assert!(!node.data().join("log").exists());

    let back = synced.run("sync read-back --json").ok().json();
    assert_eq!((&back["made"], &back["root"]), (&json!(true), &head["root"]), "{back}");
    assert_eq!((&back["node_id"], &back["unsigned_entries"]), (&json!(node_id), &json!(0)));
    assert_eq!((&back["sessions"], &back["manifests"]), (&json!(3), &json!(3)), "{back}");
    assert_eq!((&back["chunks_gone"], &back["gone_count"]), (&json!(1), &json!(1)), "{back}");
    assert_eq!(found(&back, &short_id)["chunks"], json!([[1, 1]]));

    node.run("ledger check").ok();
    assert_eq!(node.run(&format!("show {kept_id} --json")).ok().json(), shown);
    node.run(&format!("verify {kept_id} --decrypt")).ok();
    assert_eq!(node.restore(&kept_id), kept);
    let damaged = node.run(&format!("verify {short_id}")).ends(1);
    let said = String::from_utf8_lossy(&damaged.stdout).into_owned() + &damaged.stderr;
    assert!(said.contains("chunk 1"), "{said}");
    assert_eq!(node.run(&format!("show {erased_id} --json")).ok().json()["state"], "erased");
    // It goes on.
    let more = node.ingest(&short);
    assert_eq!(node.restore(&more), short);
}

#[test]
fn nothing_comes_back_without_the_key_or_to_a_node_that_was_never_there() {
    let runtime = Runtime::new().unwrap();
    let given = runtime.block_on(given()).unwrap();
    let synced = Synced::new(&given, "strange");
    synced.node.ingest(b"a");
    synced.run("sync rebuild").ok();
    synced.lose_all_but(&["secrets"]);
    fs::rename(synced.node.data().join("secrets/node.key"), synced.node.path("aside")).unwrap();
    let refused = synced.run("sync read-back").ends(64);
    assert!(refused.stderr.contains("secrets/node.key is not there"), "{}", refused.stderr);
    assert!(!synced.node.data().join("format").exists());
    // Another node's key.
    let other = Synced::new(&given, "strange");
    other.node.ingest(b"b");
    fs::copy(
        other.node.data().join("secrets/node.key"),
        synced.node.data().join("secrets/node.key"),
    )
    .unwrap();
    let unknown = synced.run("sync read-back").ends(1);
    assert!(unknown.stderr.contains("node_status has no document"), "{}", unknown.stderr);
    // A key file of the wrong kind of folder is no reason to write into it.
    fs::rename(synced.node.path("aside"), synced.node.data().join("secrets/node.key")).unwrap();
    synced.run("sync read-back").ok();
    synced.node.run("ledger check").ok();
}

#[test]
fn a_session_without_its_manifest_is_named_and_hinders_no_other() {
    let runtime = Runtime::new().unwrap();
    let given = runtime.block_on(given()).unwrap();
    let synced = Synced::new(&given, "manifest");
    let node = &synced.node;
    let (without, whole) = (node.ingest(b"a"), node.ingest(&mixed(200_000, 2)));
    let manifest = node.data().join("sessions").join(&without).join("manifest.json");
    fs::rename(&manifest, node.path("aside")).unwrap();

    let found = synced.run("sync verify --json").ends(1).json();
    assert_eq!(found["unreadable"], json!([without]), "{found}");
    assert_eq!((&found["unreadable_count"], &found["differences_count"]), (&json!(1), &json!(0)));
    let chunks = node.run(&format!("show {whole} --json")).ok().json()["chunk_count"].clone();
    let of_chunks = |found: &Value| {
        let all = found["collections"].as_array().unwrap().clone();
        all.into_iter().find(|of| of["collection"] == "chunks").unwrap()["stored"].clone()
    };
    assert_eq!(of_chunks(&found), chunks);
    let said = String::from_utf8(synced.run("sync verify").ends(1).stdout).unwrap();
    assert!(said.contains(&format!("not compared: session {without}")), "{said}");

    fs::rename(node.path("aside"), &manifest).unwrap();
    synced.run("sync rebuild").ok();
    let found = synced.run("sync verify --json").ok().json();
    assert_eq!(of_chunks(&found), json!(chunks.as_u64().unwrap() + 1));
}
