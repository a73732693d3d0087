//! Files of a session that somebody altered, cut, removed or exchanged: each is found and named.

use std::{fs, path::PathBuf, sync::OnceLock};

use crate::support::{Node, Rng, flip, mixed};

/// Chunk 2 ends in a segment that is not full.
const INPUT_BYTES: usize = 150_000;

/// What does not shrink: its chunks have a segment for each 16 KiB.
fn input() -> Vec<u8> {
    Rng::new(1).bytes(INPUT_BYTES)
}

/// A node with one sealed session, made once; each test gets a copy of it.
fn recorded() -> (Node, String) {
    static MADE: OnceLock<(Node, String)> = OnceLock::new();
    let (node, id) = MADE.get_or_init(|| {
        let node = Node::new();
        let id = node.ingest(&input());
        (node, id)
    });
    (Node::copy_of(&node.data()), id.clone())
}

/// What is done to a session's files.
type Harm = fn(&Node, &str);

impl Node {
    fn manifest(&self, id: &str) -> PathBuf {
        self.data().join("sessions").join(id).join("manifest.json")
    }

    fn index(&self, id: &str) -> PathBuf {
        self.data().join("sessions").join(id).join("index")
    }

    fn keys(&self, id: &str) -> PathBuf {
        self.data().join("keys").join(format!("{id}.json"))
    }
}

/// That `verify` finds something and names it.
#[track_caller]
fn finds(node: &Node, id: &str, texts: &[&str]) {
    let ran = node.run(&format!("verify {id}")).ends(1).prints(&["NOT VERIFIED", "finding"]);
    ran.prints(texts);
    node.run("verify --all").ends(1).prints(texts).prints(&["1 session checked, 1 with findings"]);
}

/// That `restore` gives nothing but what was authenticated, and no file.
#[track_caller]
fn restores_nothing(node: &Node, id: &str, texts: &[&str]) {
    let target = node.path("restored");
    let ran = node.run(&format!("restore {id} -o {}", target.display())).ends(1);
    ran.says(texts);
    let left = fs::read_dir(target.parent().unwrap()).unwrap().map(|it| it.unwrap().file_name());
    assert_eq!(left.collect::<Vec<_>>(), ["data"], "no part of it either");
    let streamed = node.run(&format!("restore {id}")).ends(1).stdout;
    assert!(input().starts_with(&streamed), "what came out is authentic");
}

#[test]
fn an_altered_chunk() {
    let (original, id) = recorded();
    let bytes = i64::try_from(fs::metadata(original.chunk(&id, 1)).unwrap().len()).unwrap();
    // Header, salt, commitment, the first segment, its tag, the second segment, the last tag.
    let rows = [
        (0, "chunk 1"),
        (9, "chunk 1"),
        (35, "chunk 1"),
        (50, "root mismatch"),
        (80, "root mismatch"),
        (48 + 24 + 32, "chunk 1: segment 0"),
        (48 + 24 + 32 + 16_384, "chunk 1: segment 0"),
        (48 + 24 + 32 + 16_400, "chunk 1: segment 1"),
        (bytes - 1, "chunk 1: segment"),
    ];
    for (offset, named) in rows {
        let node = Node::copy_of(&original.data());
        flip(&node.chunk(&id, 1), offset);
        finds(&node, &id, &[if offset < 48 { "chunk 1" } else { named }]);
        restores_nothing(&node, &id, &["chunk 1"]);
        // The others still come back.
        let range = node.run(&format!("restore {id} --range 0-65535")).ok();
        assert!(range.stdout == input()[..65_536]);
    }
}

#[test]
fn every_byte_of_a_small_chunk() {
    let node = Node::new();
    let id = node.ingest(b"sixteen letters.");
    let path = node.chunk(&id, 0);
    let whole = fs::read(&path).unwrap();
    // The lib tests flip every bit; here the command is shown to see each byte.
    for offset in (0..whole.len()).step_by(3) {
        let mut altered = whole.clone();
        altered[offset] ^= 0x40;
        fs::write(&path, altered).unwrap();
        node.run(&format!("verify {id}")).ends(1);
        let ran = node.run(&format!("restore {id}")).ends(1);
        assert!(ran.stdout.is_empty(), "byte {offset}");
    }
    fs::write(&path, whole).unwrap();
    node.run(&format!("verify {id}")).ok();
}

#[test]
fn a_chunk_that_is_cut_grown_removed_or_another() {
    let (original, id) = recorded();
    let rows: [(&str, Harm); 4] = [
        ("cut", |node, id| {
            let bytes = fs::read(node.chunk(id, 1)).unwrap();
            fs::write(node.chunk(id, 1), &bytes[..bytes.len() - 1]).unwrap();
        }),
        ("grown", |node, id| {
            let bytes = fs::read(node.chunk(id, 1)).unwrap();
            fs::write(node.chunk(id, 1), [&bytes[..], b"x"].concat()).unwrap();
        }),
        ("removed", |node, id| fs::remove_file(node.chunk(id, 1)).unwrap()),
        ("another", |node, id| {
            fs::copy(node.chunk(id, 0), node.chunk(id, 1)).unwrap();
        }),
    ];
    for (name, harm) in rows {
        let node = Node::copy_of(&original.data());
        harm(&node, &id);
        finds(&node, &id, &["chunk 1"]);
        restores_nothing(&node, &id, &["chunk 1"]);
        let proof = node.name("proof");
        let ran = node.run(&format!("prove {id} --chunk 1 --attach -o {proof}")).ends(1);
        assert!(ran.stderr.contains("chunk 1"), "{name}: {}", ran.stderr);
    }
}

#[test]
fn an_altered_index() {
    let (original, id) = recorded();
    let bytes = fs::metadata(original.index(&id)).unwrap().len();
    for offset in (0..bytes).step_by(7) {
        let node = Node::copy_of(&original.data());
        flip(&node.index(&id), i64::try_from(offset).unwrap());
        finds(&node, &id, &["index"]);
        // Proofs are made from it, content is not.
        node.run(&format!("prove {id} --chunk 0")).ends(1).says(&["index"]);
        assert!(node.restore(&id) == input());
    }
    let node = Node::copy_of(&original.data());
    fs::remove_file(node.index(&id)).unwrap();
    finds(&node, &id, &["index"]);
}

#[test]
fn an_altered_manifest() {
    let (original, id) = recorded();
    let bytes = fs::metadata(original.manifest(&id)).unwrap().len();
    for offset in (0..bytes).step_by(41) {
        let node = Node::copy_of(&original.data());
        flip(&node.manifest(&id), i64::try_from(offset).unwrap());
        finds(&node, &id, &["manifest.json"]);
        restores_nothing(&node, &id, &["manifest.json"]);
        let shown = node.run(&format!("show {id} --json")).ends(1).json();
        assert!(shown["problems"].to_string().contains("manifest.json"), "{shown}");
    }
    let node = Node::copy_of(&original.data());
    fs::remove_file(node.manifest(&id)).unwrap();
    finds(&node, &id, &["manifest.json", "missing"]);
}

#[test]
fn an_altered_key_file() {
    let (original, id) = recorded();
    let bytes = fs::metadata(original.keys(&id)).unwrap().len();
    for offset in (0..bytes).step_by(11) {
        let node = Node::copy_of(&original.data());
        flip(&node.keys(&id), i64::try_from(offset).unwrap());
        restores_nothing(&node, &id, &["key"]);
        node.run(&format!("verify {id} --decrypt")).ends(1);
        // The chunks are whole, but nobody can read them: that is damage too.
        finds(&node, &id, &["key"]);
    }
    let node = Node::copy_of(&original.data());
    fs::remove_file(node.keys(&id)).unwrap();
    restores_nothing(&node, &id, &["has no key file"]);
    finds(&node, &id, &["has no key file"]);
    let shown = node.run(&format!("show {id} --json")).ends(1).json();
    assert!(shown["problems"].to_string().contains("key file"), "{shown}");
}

#[test]
fn a_key_file_of_another_session() {
    let node = Node::new();
    let (first, second) = (node.ingest(b"first"), node.ingest(b"second"));
    fs::copy(node.keys(&first), node.keys(&second)).unwrap();
    let ran = node.run(&format!("restore {second}")).ends(1);
    assert!(ran.says(&["does not authenticate"]).stdout.is_empty());
    assert_eq!(node.restore(&first), b"first");
}

#[test]
fn chunks_of_another_session() {
    let node = Node::new();
    let (first, second) = (node.ingest(b"equal"), node.ingest(b"equal"));
    fs::copy(node.chunk(&first, 0), node.chunk(&second, 0)).unwrap();
    node.run(&format!("verify {second}")).ends(1).prints(&["chunk 0"]);
    assert!(node.run(&format!("restore {second}")).ends(1).stdout.is_empty());
}

#[test]
fn files_that_are_no_chunk_are_named_and_fail_nothing() {
    let (node, id) = recorded();
    let report = |words: &str| node.run(&format!("{words} --json")).ok().json();
    assert_eq!(report(&format!("verify {id}"))["notices"], serde_json::json!([]));
    // A chunk beyond the manifest's, one that was set aside, another spelling, and a hostile name.
    fs::copy(node.chunk(&id, 0), node.chunk(&id, 3)).unwrap();
    fs::copy(node.chunk(&id, 0), node.chunk(&id, 1).with_extension("lck.orphan")).unwrap();
    let folder = node.data().join("chunks").join(&id);
    fs::write(folder.join("1.lck"), b"").unwrap();
    fs::create_dir(folder.join("\u{1b}[2J")).unwrap();
    let said = report(&format!("verify {id}"));
    assert_eq!((&said["verified"], &said["findings"]), (&true.into(), &serde_json::json!([])));
    let notices = said["notices"].as_array().unwrap().clone();
    let names = ["00000001.lck.orphan", "00000003.lck", "1.lck", "\\u{1b}[2J"];
    assert_eq!(notices.len(), names.len(), "{said}");
    for name in names {
        let named = |notice: &serde_json::Value| notice.as_str().unwrap().contains(name);
        assert!(notices.iter().any(named), "{name}: {said}");
    }
    let text = node.run(&format!("verify {id}")).ok();
    assert!(!text.stdout.contains(&0x1b), "it does not steer the terminal");
    text.prints(&["verified", "notice", "\"00000003.lck\" is no chunk of it"]);
    node.run("verify --all").ok().prints(&["1 session checked, 0 with findings, 1 with notices"]);
    let all = report("verify --all");
    assert_eq!(all["sessions"][0]["notices"], said["notices"]);
    // What is recorded is proved and restored as before.
    assert!(node.restore(&id) == input());
    let proof = node.name("proof");
    node.run(&format!("prove {id} --chunk 2 --attach -o {proof}")).ok();
    node.run(&format!("verify {proof}")).ok();
    // Many are counted.
    for number in 0..30 {
        fs::write(folder.join(format!("extra-{number}")), b"").unwrap();
    }
    node.run(&format!("verify {id}")).ok().prints(&["14 more that are no chunk of it"]);
}

#[test]
fn chunks_of_an_erased_session_that_came_back_are_named_or_destroyed() {
    let (node, id) = recorded();
    let chunk = fs::read(node.chunk(&id, 0)).unwrap();
    node.run(&format!("erase {id} --yes")).ok();
    fs::create_dir_all(node.chunk(&id, 0).parent().unwrap()).unwrap();
    fs::write(node.chunk(&id, 0), chunk).unwrap();
    // A start that still lists the session destroys it again; any other leaves it to be named.
    let ran = node.run(&format!("verify {id}")).ok();
    let named = String::from_utf8_lossy(&ran.stdout).contains("00000000.lck");
    assert_eq!(node.chunk(&id, 0).exists(), named, "{ran:?}");
    assert!(named || ran.stderr.contains("destroyed"), "{ran:?}");
}

#[test]
fn a_damaged_open_session_stops_no_other() {
    let node = Node::new();
    let sealed = node.ingest(b"sealed");
    let mut live = crate::support::Live::start(
        node.command("ingest - --progress json --chunk-bytes 64KiB --flush-after 20ms"),
    );
    let open = live.opened();
    live.write(&mixed(140_000, 2));
    live.acknowledged(140_000);
    live.kill();
    fs::remove_file(node.chunk(&open, 1)).unwrap();
    let ran = node.run("list").ok();
    ran.says(&[
        &format!("session {open} is damaged"),
        "missing: the files of 1 acknowledged chunk",
    ]);
    assert_eq!(node.restore(&sealed), b"sealed");
    node.run(&format!("verify {open}")).ends(1).prints(&["chunk 1"]);
    node.run("verify --all").ends(1).prints(&["2 sessions checked, 1 with findings"]);
    node.ingest(b"another");
}
