//! What others make of what the node writes: a verifier and decryptor in Python that was written from
//! `docs/format.md` alone, and the `age` command.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "foreign/python.rs"]
mod python;
#[path = "golden/rule.rs"]
#[allow(dead_code, reason = "the golden test uses the rest")]
mod rule;
mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use lucid_core::{
    SessionId, Timestamp,
    entry::{Entry, NodeEvent},
    keys::{Kek, KeyFile, Wrap},
};
use lucid_store::{Disk, NoCiphers, OpenOptions, Store};
use python::Verifier;
use rule::{End, GOLDEN, LOG_KEY, PIECE};
use support::{Node, Rng, flip, mixed, text, text_of};

const SUITES: [&str; 2] = ["aes-256-gcm", "chacha20-poly1305"];

/// About 3 MB, so that a session has dozens of chunks of 64 KiB and a short last one.
const INPUT_BYTES: usize = 3_000_017;

fn ingest(node: &Node, suite: &str, input: &[u8]) -> String {
    let words = format!("ingest - --json --chunk-bytes 64KiB --suite {suite}");
    text(&node.feed(&words, input).ok().json()["session_id"])
}

#[test]
fn the_golden_folder() {
    let Some(verifier) = Verifier::find("foreign: the_golden_folder") else { return };
    let node = Node::new();
    rule::lay_out(&node.data());
    let (data, out) = (text_of(&node.data()), node.name("out"));
    for golden in rule::sessions() {
        match golden.end {
            End::Sealed { complete } => {
                let words = ["session", &data, golden.id, "--key", LOG_KEY, "--decrypt", &out];
                assert_eq!(verifier.accepts(&words)["complete"], complete);
                assert!(fs::read(&out).unwrap() == golden.plaintext(), "{}", golden.id);
            }
            End::Erased => {
                let said = verifier.accepts(&["session", &data, golden.id]);
                assert_eq!(said["erased"], true);
                verifier.refuses(&["session", &data, golden.id, "--decrypt", &node.name("none")]);
            }
            End::Voided => drop(verifier.refuses(&["session", &data, golden.id])),
        }
    }
    assert!(!node.path("none").exists(), "what is not verified leaves nothing");

    let file = |name: &str| text_of(&Path::new(GOLDEN).join(name));
    let words = ["evidence", &file("piece.lucid-proof"), "--key", LOG_KEY, "--extract", &out];
    assert_eq!(verifier.accepts(&words)["chunks"], serde_json::json!([1, PIECE.1]));
    assert!(fs::read(&out).unwrap() == rule::sessions()[PIECE.0].chunks[PIECE.1]);
    verifier.accepts(&["tlog-proof", &file("entry.tlog-proof"), "--key", LOG_KEY]);
}

/// The page promises that its example can be tested against.
#[test]
fn the_example_on_the_page() {
    let Some(verifier) = Verifier::find("foreign: the_example_on_the_page") else { return };
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/format.md");
    let page = fs::read_to_string(page).unwrap();
    let example = page.split("```").find(|block| block.starts_with("text\nlucid-evidence/v1\n"));
    let node = Node::new();
    let file = node.file("page.lucid-proof", &example.unwrap().as_bytes()["text\n".len()..]);
    let out = node.name("out");
    verifier.accepts(&["evidence", &file, "--key", LOG_KEY, "--extract", &out]);
    assert_eq!(fs::read_to_string(out).unwrap(), "The end.\n");
}

#[test]
fn a_fresh_session_of_each_suite() {
    let Some(verifier) = Verifier::find("foreign: a_fresh_session_of_each_suite") else { return };
    let node = Node::new();
    for (seed, suite) in (1..).zip(SUITES) {
        let input = mixed(INPUT_BYTES, seed);
        let id = ingest(&node, suite, &input);
        let (data, out, key) = (text_of(&node.data()), node.name("out"), node.log_key());
        let words = ["session", &data, &id, "--key", &key, "--decrypt", &out];
        assert_eq!(verifier.accepts(&words)["plain_bytes"], INPUT_BYTES);
        assert!(fs::read(&out).unwrap() == input, "{suite}");
    }
}

#[test]
fn evidence_about_a_range() {
    let Some(verifier) = Verifier::find("foreign: evidence_about_a_range") else { return };
    let (node, other) = (Node::new(), Node::new());
    node.run("init").ok();
    other.run("init").ok();
    let (key, other_key) = (node.log_key(), other.log_key());
    for (seed, suite) in (3..).zip(SUITES) {
        // Chunk 0 does not shrink, so that it has five segments; the last one is empty.
        let input = [Rng::new(seed).bytes(65_536), mixed(INPUT_BYTES, seed)].concat();
        let id = ingest(&node, suite, &input);
        let (file, out) = (node.name(&format!("{suite}.lucid-proof")), node.name("out"));
        node.run(&format!("prove {id} --range 1000000-1199999 --attach -o {file}")).ok();
        verifier.accepts(&["evidence", &file, "--key", &key, "--extract", &out]);
        // The chunks that cover the range, whole.
        let covered = 1_000_000 / 65_536 * 65_536..1_200_000_usize.next_multiple_of(65_536);
        assert!(fs::read(&out).unwrap() == input[covered], "{suite}");
        verifier.accepts(&["evidence", &file]);
        verifier.refuses(&["evidence", &file, "--key", &other_key]);

        let file = node.name(&format!("{suite}-segments.lucid-proof"));
        node.run(&format!("prove {id} --chunk 0 --segment 1 --segment 4 -o {file}")).ok();
        verifier.accepts(&["evidence", &file, "--key", &key]);
        verifier.refuses(&["evidence", &file, "--key", &key, "--extract", &out]);

        let file = node.name(&format!("{suite}.tlog-proof"));
        node.run(&format!("prove {id} --tlog-proof -o {file}")).ok();
        let said = verifier.accepts(&["tlog-proof", &file, "--key", &key]);
        assert_eq!(text(&said["entry"]["session_id"]), id);
        verifier.refuses(&["tlog-proof", &file, "--key", &other_key]);
    }
}

/// Places in a file that are about evenly spread, its first and its last byte among them.
fn places(path: &Path, count: u64) -> Vec<i64> {
    let last = fs::metadata(path).unwrap().len() - 1;
    (0..count).map(|at| i64::try_from(last * at / (count - 1)).unwrap()).collect()
}

#[test]
fn an_altered_byte_is_refused() {
    let Some(verifier) = Verifier::find("foreign: an_altered_byte_is_refused") else { return };
    let node = Node::new();
    let id = ingest(&node, SUITES[0], &mixed(200_000, 5));
    let (data, out, proof) = (text_of(&node.data()), node.name("out"), node.name("p.lucid-proof"));
    node.run(&format!("prove {id} --range 0-199999 --attach -o {proof}")).ok();
    let (session, evidence) = (["session", &data, &id], ["evidence", &proof]);
    verifier.accepts(&session);
    verifier.accepts(&evidence);
    let refused_altered = |path: PathBuf, offset: i64, words: &[&str]| {
        flip(&path, offset);
        let why = verifier.refuses(words);
        assert!(!why.is_empty(), "{}, byte {offset}", path.display());
        flip(&path, offset);
    };
    // Each field of a chunk's header, its salt and commitment, its segments.
    for offset in [0, 4, 5, 6, 7, 8, 27, 31, 39, 47, 48, 72, 104, -1] {
        refused_altered(node.chunk(&id, 1), offset, &session);
    }
    let sessions = node.data().join("sessions").join(&id);
    let log = node.data().join("log");
    for path in [sessions.join("manifest.json"), sessions.join("index"), log.join("head")] {
        for offset in places(&path, 5) {
            refused_altered(path.clone(), offset, &session);
        }
    }
    for offset in places(&log.join("tail"), 6) {
        refused_altered(log.join("tail"), offset, &session);
    }
    for offset in places(Path::new(&proof), 14) {
        refused_altered(proof.clone().into(), offset, &evidence);
    }
    let keys = node.data().join("keys").join(format!("{id}.json"));
    for offset in places(&keys, 4) {
        refused_altered(keys.clone(), offset, &["session", &data, &id, "--decrypt", &out]);
    }
    assert!(!Path::new(&out).exists(), "what is not verified leaves nothing");
    verifier.accepts(&session);
    verifier.accepts(&evidence);
}

/// One level of tiles is full of tiles here, and the tail begins after them.
#[test]
fn a_log_with_two_levels_of_tiles() {
    let Some(verifier) = Verifier::find("foreign: a_log_with_two_levels_of_tiles") else { return };
    let node = Node::new();
    let id = node.ingest(b"early");
    append_events(&node, 66_000);
    let late = node.ingest(b"late");
    let data = text_of(&node.data());
    for id in [&id, &late] {
        assert_eq!(verifier.accepts(&["session", &data, id])["log_size"], 3 + 66_000 + 2);
    }
    let tiles = node.data().join("log/tile");
    for name in ["entries/000", "entries/256", "0/100", "1/000"] {
        let path = tiles.join(name);
        flip(&path, -1);
        verifier.refuses(&["session", &data, &id]);
        flip(&path, -1);
    }
    verifier.accepts(&["session", &data, &id]);
}

fn append_events(node: &Node, count: u32) {
    let options = OpenOptions {
        kek: None,
        at: Timestamp::default(),
        reserve_bytes: Some(0),
        disk: Disk::default(),
        ciphers: Arc::new(NoCiphers),
    };
    let (store, _) = Store::open(&node.data(), options).unwrap();
    let event = |n: u32| {
        let (kind, v) = Default::default();
        let (event, detail) = ("test.filled".to_owned(), n.to_string());
        Entry::NodeEvent(NodeEvent { at: Timestamp::default(), detail, event, kind, v })
    };
    store.append(&(0..count).map(event).collect::<Vec<_>>()).unwrap();
}

#[test]
fn age_opens_a_wrap() {
    let has = |tool: &str| Command::new(tool).arg("--version").output().is_ok();
    if !has("age") || !has("age-keygen") {
        let why = "age and age-keygen are not installed: apt-get install age";
        return support::not_run("foreign: age_opens_a_wrap", why);
    }
    let node = Node::new();
    let (identity, sealed) = (node.path("identity"), node.path("dek.age"));
    let made = Command::new("age-keygen").arg("-o").arg(&identity).output().unwrap();
    assert!(made.status.success());
    let said = Command::new("age-keygen").arg("-y").arg(&identity).output().unwrap();
    let recipient = String::from_utf8(said.stdout).unwrap();
    let recipient = recipient.trim();
    let words = format!("ingest - --json --age-recipient {recipient}");
    let id = text(&node.feed(&words, b"for two readers").ok().json()["session_id"]);

    let file = fs::read(node.data().join("keys").join(format!("{id}.json"))).unwrap();
    let file = KeyFile::parse(&file).unwrap();
    let age = file.wraps.iter().find_map(|wrap| match wrap {
        Wrap::Age { recipient: to, ct } => Some((to, ct)),
        Wrap::Kek { .. } => None,
    });
    let (to, ct) = age.unwrap();
    assert_eq!(to, recipient);
    fs::write(&sealed, ct).unwrap();
    let opened = Command::new("age").arg("-d").arg("-i").arg(&identity).arg(&sealed).output();
    let opened = opened.unwrap();
    assert!(opened.status.success(), "{}", String::from_utf8_lossy(&opened.stderr));

    // The same key as by the node's own wrap, and so the one that the chunks were sealed under.
    let kek = fs::read_to_string(node.data().join("secrets/master.key")).unwrap();
    let session: SessionId = id.parse().unwrap();
    let dek = file.unwrap_with(&Kek::from_hex(kek.trim()).unwrap(), &session).unwrap();
    assert_eq!(opened.stdout, dek.as_bytes());
}
