//! Sessions that cannot be read: erased ones, and all of a node that is write-only. What they were
//! stays provable.

use std::{fs, process::Command};

use lucid_pipeline::wraps::parse_identities;

use crate::support::{Node, bare_command, mixed, run};

/// An identity that is in age's own tests; it protects nothing.
const IDENTITY: &str = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";

fn recipient() -> String {
    parse_identities(IDENTITY.as_bytes()).unwrap()[0].to_public().to_string()
}

#[test]
fn an_erased_session_is_gone_and_its_history_is_not() {
    let node = Node::new();
    let (id, other) = (node.ingest(&mixed(100_000, 1)), node.ingest(b"stays"));
    let before = node.run(&format!("show {id} --json")).ok().json();
    node.run(&format!("erase {id}")).ends(64).says(&["cannot be undone", "--yes"]);
    let erased = node.run(&format!("erase {id} --yes --json")).ok().json();
    assert_eq!(erased["state"], "erased");
    assert_eq!(erased["destroyed"]["wraps"], 1);
    assert_eq!(erased["destroyed"]["chunk_count"], 2);
    assert_eq!(erased["kept"]["merkle_root"], before["merkle_root"]);
    assert!(!node.data().join("keys").join(format!("{id}.json")).exists());
    assert!(!node.data().join("chunks").join(&id).exists());
    let verified = node.run(&format!("verify {id} --json")).ok().json();
    assert_eq!(verified["state"], "erased");
    assert_eq!(verified["merkle_root"], before["merkle_root"]);
    node.run("verify --all --decrypt").ok();
    let ran = node.run(&format!("restore {id}")).ends(64);
    assert!(ran.says(&["is erased: its chunks and keys are gone"]).stdout.is_empty());
    for words in ["--chunk 0", "--range 0-9", "--chunk 0 --attach"] {
        let ran = node.run(&format!("prove {id} {words}")).ends(64);
        ran.says(&["is erased: its chunks and keys are gone", "only the session as a whole"]);
    }
    let proof = node.name("proof");
    node.run(&format!("prove {id} -o {proof}")).ok();
    node.run(&format!("verify {proof} --key {}", node.log_key())).ok();
    assert_eq!(node.restore(&other), b"stays");
    // Once more changes nothing.
    let size = node.run("ledger head --json").ok().json()["log_size"].clone();
    node.run(&format!("erase {id} --yes")).ok();
    assert_eq!(node.run("ledger head --json").ok().json()["log_size"], size);
}

#[test]
fn a_write_only_node_cannot_read_what_it_stored() {
    let node = Node::new();
    node.run("init --write-only").ok();
    assert!(!node.data().join("secrets/master.key").exists());
    node.feed("ingest -", b"nobody").ends(64).says(&["write-only", "--age-recipient"]);
    let input = mixed(200_000, 2);
    let words = format!("ingest - --json --chunk-bytes 64KiB --age-recipient {}", recipient());
    let result = node.feed(&words, &input).ok().json();
    let id = crate::support::text(&result["session_id"]);
    let (identity, stranger) = identities(&node);
    node.run(&format!("verify {id}")).ok();
    node.run("verify --all").ok();
    node.run(&format!("prove {id} --chunk 1 --attach -o {}", node.name("sealed"))).ok();
    for words in ["restore", "verify --decrypt", "prove --range 0-9", "prove --chunk 0 --disclose"]
    {
        node.run(&format!("{words} {id}")).ends(64).says(&["this node is write-only"]);
        let ran = node.run(&format!("{words} {id} --identity {stranger}"));
        assert!(ran.ends(64).says(&["none of the given identities"]).stdout.is_empty());
    }
    assert!(node.run(&format!("restore {id} --identity {identity}")).ok().stdout == input);
    node.run(&format!("verify {id} --decrypt --identity {identity}")).ok();
    let opened = node.name("opened");
    node.run(&format!("prove {id} --range 0-9 --attach --identity {identity} -o {opened}")).ok();
    let plain = node.name("plain");
    node.run(&format!("verify {opened} --extract {plain}")).ok();
    assert!(fs::read(plain).unwrap() == input[..65_536]);
    node.run(&format!("restore {id} --identity {}", node.name("none"))).ends(74);
}

/// The files of the right identity and of another.
fn identities(node: &Node) -> (String, String) {
    let identity = node.file("identity", format!("# a comment\n{IDENTITY}\n").as_bytes());
    // `age-keygen` writes one where it is installed; else there is none that fits.
    let stranger = node.path("stranger");
    let made = Command::new("age-keygen").arg("-o").arg(&stranger).output();
    if !made.is_ok_and(|made| made.status.success()) {
        fs::write(&stranger, OTHER_IDENTITY).unwrap();
    }
    (identity, node.name("stranger"))
}

/// Of the tests of rage; it protects nothing either.
const OTHER_IDENTITY: &str =
    "AGE-SECRET-KEY-1XMWWC06LY3EE5RYTXM9MFLAZ2U56JJJ36S0MYPDRWSVLUL66MV4QX3S7F6";

#[test]
fn a_write_only_node_cannot_go_on_with_a_session_but_close_it() {
    let node = Node::new();
    node.run("init --write-only").ok();
    let words = format!(
        "ingest - --progress json --chunk-bytes 64KiB --flush-after 20ms --age-recipient {}",
        recipient()
    );
    let mut live = crate::support::Live::start(node.command(&words));
    let id = live.opened();
    live.write(b"so far");
    live.acknowledged(6);
    live.kill();
    let ran = node.feed(&format!("ingest - --resume {id}"), b"so far and on").ends(64);
    ran.says(&["cannot go on", &format!("lucid-node seal {id}")]);
    node.run(&format!("seal {id}")).ok();
    let (identity, _) = identities(&node);
    assert_eq!(node.run(&format!("restore {id} --identity {identity}")).ok().stdout, b"so far");
}

#[test]
fn an_open_session_that_nobody_could_read_is_not_verified_and_not_sealed() {
    let node = Node::new();
    let words = "ingest - --progress json --chunk-bytes 64KiB --flush-after 20ms";
    let begun = || {
        let mut live = crate::support::Live::start(node.command(words));
        let id = live.opened();
        live.write(b"so far");
        live.acknowledged(6);
        live.kill();
        let key = node.data().join("keys").join(format!("{id}.json"));
        (id, key)
    };
    let ((id, key), (_, other)) = (begun(), begun());
    let kept = fs::read(&key).unwrap();
    let refused = || {
        let verified = node.run(&format!("verify {id} --json")).ends(1).json();
        assert_eq!(verified["state"], "open");
        assert_eq!(verified["verified"], false);
        let ran = node.run(&format!("seal {id}")).ends(1);
        ran.says(&[
            "nobody could read it",
            &format!("keys/{id}.json"),
            &format!("lucid-node void {id}"),
        ]);
    };
    fs::remove_file(&key).unwrap();
    refused();
    fs::copy(&other, &key).unwrap();
    refused();
    fs::write(&key, kept).unwrap();
    node.run(&format!("verify {id}")).ok();
    node.run(&format!("seal {id}")).ok();
    assert_eq!(node.restore(&id), b"so far");
}

#[test]
fn a_part_of_the_folder_that_is_lost_is_named_and_not_made_anew() {
    let node = Node::new();
    let id = node.ingest(b"kept");
    for name in ["chunks", "keys", "sessions", "opening", "secrets/kek_id"] {
        let (at, aside) = (node.data().join(name), node.path("aside"));
        fs::rename(&at, &aside).unwrap();
        node.run("list").ends(64).says(&[name, "put that back from a backup"]);
        node.run("init").ends(64);
        node.run("doctor").ends(1).prints(&[name]);
        assert!(!at.exists(), "{name} was made anew");
        fs::rename(&aside, &at).unwrap();
    }
    node.run(&format!("verify {id} --decrypt")).ok();
}

#[test]
fn both_keepers_can_read() {
    let node = Node::new();
    let words = format!("ingest - --json --age-recipient {}", recipient());
    let result = node.feed(&words, b"for both").ok().json();
    let id = crate::support::text(&result["session_id"]);
    let (identity, _) = identities(&node);
    assert_eq!(node.restore(&id), b"for both");
    assert_eq!(node.run(&format!("restore {id} --identity {identity}")).ok().stdout, b"for both");
    let shown = node.run(&format!("show {id} --json")).ok().json();
    assert_eq!(shown["wraps"].as_array().unwrap().len(), 2);
    assert_eq!(shown["wraps"][1]["recipient"], recipient());
}

/// Only the evidence leaves the node: nothing else is needed to read what it discloses.
#[test]
fn an_extract_needs_no_folder() {
    let node = Node::new();
    let id = node.ingest(b"disclosed");
    let proof = node.name("proof");
    node.run(&format!("prove {id} --range 0-8 --attach -o {proof}")).ok();
    let elsewhere = Node::new();
    fs::copy(proof, elsewhere.path("proof")).unwrap();
    let words = "verify proof --extract plain";
    run(bare_command(&elsewhere.path(""), words), &[]).ok();
    assert_eq!(fs::read(elsewhere.path("plain")).unwrap(), b"disclosed");
    assert!(!elsewhere.path("lucid-data").exists());
}
