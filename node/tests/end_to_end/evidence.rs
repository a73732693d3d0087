//! Evidence: made at the node, checked elsewhere by somebody who has the file and the node's key,
//! and by nobody when a byte of it was changed.

use std::fs;

use lucid_core::{evidence::Evidence, note::VerifierKey};

use crate::support::{Node, Ran, Rng, bare_command, run, text};

const INPUT_BYTES: usize = 200_000;

/// What does not shrink: its chunks have a segment for each 16 KiB.
fn input() -> Vec<u8> {
    Rng::new(1).bytes(INPUT_BYTES)
}

/// A node with one session of four chunks.
fn recorded() -> (Node, String) {
    let node = Node::new();
    let id = node.ingest(&input());
    // Others around it, so that the log's paths have more than one step.
    for _ in 0..3 {
        node.ingest(b"another");
    }
    (node, id)
}

/// Somebody else's machine: an empty folder with one file in it and nothing in the environment.
struct Auditor(Node);

impl Auditor {
    fn given(evidence: &[u8]) -> Self {
        let node = Node::new();
        fs::write(node.path("evidence"), evidence).unwrap();
        Self(node)
    }

    fn verify(&self, words: &str) -> Ran {
        let command = bare_command(&self.0.path(""), &format!("verify evidence {words}"));
        run(command, &[])
    }
}

fn prove(node: &Node, id: &str, words: &str) -> Vec<u8> {
    node.run(&format!("prove {id} {words}")).ok().stdout
}

#[test]
fn an_auditor_needs_the_file_and_the_key() {
    let (node, id) = recorded();
    let stranger = Node::new();
    stranger.run("init").ok();
    let (key, wrong) = (node.log_key(), stranger.log_key());
    let rows = [
        "",
        "--chunk 0",
        "--chunk 1 --chunk 3",
        "--chunk 2 --segment 0",
        "--chunk 1 --segment 0 --segment 4 --attach",
        "--chunk 3 --attach",
        "--chunk 0 --disclose",
        "--chunk 0 --disclose --attach",
        "--range 0-0",
        "--range 65530-131080 --attach",
        "--range 0-199999 --attach",
        "--tlog-proof",
    ];
    for words in rows {
        let auditor = Auditor::given(&prove(&node, &id, words));
        let report = auditor.verify(&format!("--json --key {key}")).ok().json();
        assert_eq!(report["verified"], true, "{words}");
        assert_eq!(report["key_pinned"], true, "{words}");
        assert_eq!(report["entry"]["session_id"], id.as_str(), "{words}");
        let ran = auditor.verify(&format!("--key {wrong}")).ends(1);
        assert!(ran.stdout.is_empty(), "{words}: no claim is made");
        if words == "--tlog-proof" {
            auditor.verify("").ends(64).says(&["--key"]);
        } else {
            auditor.verify("").ok().prints(&["NOT PINNED"]);
        }
        let left: Vec<_> = fs::read_dir(auditor.0.path("")).unwrap().collect();
        assert_eq!(left.len(), 1, "{words}: checking leaves nothing behind");
    }
}

#[test]
fn what_the_report_says_of_the_pieces() {
    let (node, id) = recorded();
    let report = |words: &str| {
        let auditor = Auditor::given(&prove(&node, &id, words));
        auditor.verify("--json").ok().json()["chunks"].clone()
    };
    let chunks = report("--range 65536-131072 --attach");
    assert_eq!(chunks.as_array().unwrap().len(), 2);
    assert_eq!(chunks[0]["index"], 1);
    assert_eq!(chunks[0]["plain_range"], serde_json::json!([65_536, 131_071]));
    assert_eq!(chunks[1]["plain_range"], serde_json::json!([131_072, 196_607]));
    assert_eq!(
        (&chunks[0]["disclosed"], &chunks[0]["content_checked"]),
        (&true.into(), &true.into())
    );
    let chunks = report("--chunk 3 --segment 0");
    assert_eq!(chunks[0]["segments"], serde_json::json!([0]));
    assert_eq!(
        (&chunks[0]["disclosed"], &chunks[0]["content_checked"]),
        (&false.into(), &false.into())
    );
    assert_eq!(report(""), serde_json::json!([]));
}

#[test]
fn what_is_disclosed_can_be_read_and_nothing_else() {
    let (node, id) = recorded();
    let input = input();
    let rows: [(&str, std::ops::Range<usize>); 4] = [
        ("--range 0-0 --attach", 0..65_536),
        ("--range 65535-65536 --attach", 0..131_072),
        ("--range 131072-199999 --attach", 131_072..200_000),
        ("--chunk 3 --disclose --attach", 196_608..200_000),
    ];
    for (words, range) in rows {
        let auditor = Auditor::given(&prove(&node, &id, words));
        let report = auditor.verify("--json --extract plain").ok().json();
        assert_eq!(report["extracted_bytes"], range.len() as u64, "{words}");
        assert!(fs::read(auditor.0.path("plain")).unwrap() == input[range], "{words}");
    }
    let sealed = Auditor::given(&prove(&node, &id, "--chunk 0 --attach"));
    sealed.verify("--extract plain").ends(64).says(&["discloses no key"]);
    assert!(!sealed.0.path("plain").exists());
}

#[test]
fn chunk_files_can_come_beside_the_evidence() {
    let (node, id) = recorded();
    let auditor = Auditor::given(&prove(&node, &id, "--chunk 1 --disclose"));
    auditor.verify("--extract plain").ends(64).says(&["--chunk-file 00000001.lck"]);
    fs::copy(node.chunk(&id, 1), auditor.0.path("00000001.lck")).unwrap();
    let report = auditor.verify("--json --chunk-file 00000001.lck --extract plain").ok().json();
    assert_eq!(report["chunks"][0]["content_checked"], true);
    assert!(fs::read(auditor.0.path("plain")).unwrap() == input()[65_536..131_072]);
    crate::support::flip(&auditor.0.path("00000001.lck"), -1);
    auditor.verify("--chunk-file 00000001.lck --extract other").ends(1);
    assert!(!auditor.0.path("other").exists());
    fs::copy(node.chunk(&id, 2), auditor.0.path("two")).unwrap();
    auditor.verify("--chunk-file two").ends(1).says(&["does not speak of chunk 2"]);
}

/// Every byte of an evidence file counts: whichever is changed, the file is not verified.
#[test]
fn no_byte_can_be_changed() {
    let node = Node::new();
    let id = node.ingest(b"sixteen letters.");
    node.ingest(b"another");
    let key: VerifierKey = node.log_key().parse().unwrap();
    for words in ["", "--chunk 0", "--chunk 0 --segment 0", "--range 0-0 --attach"] {
        let evidence = prove(&node, &id, words);
        let verifies = |bytes: &[u8]| {
            let parsed = std::str::from_utf8(bytes).ok().map(Evidence::parse);
            parsed.is_some_and(|it| it.is_ok_and(|evidence| evidence.verify(Some(&key)).is_ok()))
        };
        assert!(verifies(&evidence), "{words}");
        for offset in 0..evidence.len() {
            let mut changed = evidence.clone();
            for bit in [0x01, 0x20, 0x80] {
                changed[offset] = evidence[offset] ^ bit;
                assert!(!verifies(&changed), "{words}: byte {offset} ^ {bit}");
            }
            assert!(!verifies(&evidence[..offset]), "{words}: cut at {offset}");
        }
        assert!(!verifies(&[&evidence[..], b"\n"].concat()), "{words}: something added");
    }
}

#[test]
fn the_command_sees_it_too() {
    let (node, id) = recorded();
    let key = node.log_key();
    for words in ["--range 0-99 --attach", "--tlog-proof", ""] {
        let evidence = prove(&node, &id, words);
        for place in (0..evidence.len()).step_by(evidence.len() / 25) {
            let mut changed = evidence.clone();
            changed[place] ^= 0x04;
            let auditor = Auditor::given(&changed);
            let ran = auditor.verify(&format!("--key {key} --json")).ends(1);
            assert!(ran.stdout.is_empty(), "{words}: byte {place}");
        }
        let auditor = Auditor::given(&evidence[..evidence.len() - 1]);
        auditor.verify(&format!("--key {key}")).ends(1);
    }
    Auditor::given(b"").verify(&format!("--key {key}")).ends(1);
    Auditor::given(&[0xff; 100]).verify(&format!("--key {key}")).ends(1);
}

#[test]
fn evidence_of_another_session_is_about_that_session() {
    let node = Node::new();
    let (first, second) = (node.ingest(b"first"), node.ingest(b"second"));
    let evidence = [&first, &second].map(|id| prove(&node, id, "--chunk 0 --disclose --attach"));
    let texts = evidence.map(|bytes| String::from_utf8(bytes).unwrap());
    // The chunk of one under the entry of the other.
    let at = |text: &str| text.find("\nchunk ").unwrap();
    let mixed = format!("{}{}", &texts[0][..at(&texts[0])], &texts[1][at(&texts[1])..]);
    Auditor::given(mixed.as_bytes()).verify("").ends(1);
    let report = Auditor::given(texts[1].as_bytes()).verify("--json").ok().json();
    assert_eq!(report["entry"]["session_id"], second.as_str());
}

#[test]
fn evidence_stays_good_while_the_log_grows() {
    let (node, id) = recorded();
    let key = node.log_key();
    let early = prove(&node, &id, "--chunk 2 --disclose --attach");
    for _ in 0..130 {
        node.ingest(b"growing");
    }
    let late = prove(&node, &id, "--chunk 2 --disclose --attach");
    assert_ne!(early, late, "another checkpoint");
    for evidence in [early, late] {
        Auditor::given(&evidence).verify(&format!("--key {key}")).ok();
    }
}

#[test]
fn a_file_can_be_had_with_the_session() {
    let node = Node::new();
    let proof = node.name("session.lucid-proof");
    let words = format!("ingest - --json --proof {proof}");
    let result = node.feed(&words, b"proved at once").ok().json();
    assert_eq!(text(&result["proof"]), proof);
    let report = Auditor::given(&fs::read(&proof).unwrap()).verify("--json").ok().json();
    assert_eq!(report["entry"]["merkle_root"], result["merkle_root"]);
    assert_eq!(report["entry"]["manifest_hash"], result["manifest_hash"]);
    assert_eq!(report["complete"], true);
}

#[test]
fn what_cannot_be_proved_is_refused() {
    let (node, id) = recorded();
    let rows = [
        ("--chunk 4", "there is no chunk 4"),
        ("--chunk 0 --segment 99", "has no segment 99"),
        ("--chunk 0 --chunk 1 --segment 0", "exactly one --chunk"),
        ("--range 0-200000", "not within the session"),
        ("--chunk 0 --range 0-1", "cannot be used with"),
        ("--segment 0", "--chunk"),
        ("--disclose", "--chunk"),
    ];
    for (words, message) in rows {
        let ran = node.run(&format!("prove {id} {words}")).ends(64);
        assert!(ran.says(&[message]).stdout.is_empty(), "{words}");
    }
}
