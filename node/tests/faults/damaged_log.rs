//! The ledger's files: what was altered is found and named, what can be made anew is made anew, and
//! what a crash leaves is repaired without a word from the operator.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use crate::support::{Node, flip, snapshot, text};

/// A node whose log has a full bundle: two entries a session and the one that begins it. Made once;
/// each test gets a copy.
fn long_log() -> (Node, String) {
    static MADE: OnceLock<(Node, String)> = OnceLock::new();
    let (node, id) = MADE.get_or_init(|| {
        let node = Node::new();
        let mut ids = (0..140).map(|_| node.ingest(b"tiny"));
        let first = ids.next().unwrap();
        ids.for_each(drop);
        assert!(node.data().join("log/tile/entries/000").exists());
        (node, first)
    });
    (Node::copy_of(&node.data()), id.clone())
}

/// What is done to a file or folder.
type Harm = fn(&Path);

impl Node {
    fn log(&self, name: &str) -> PathBuf {
        self.data().join("log").join(name)
    }

    fn sessions(&self) -> usize {
        let listed = self.run("list --json --limit 1000").ok().json();
        listed["sessions"].as_array().unwrap().len()
    }
}

/// That `ledger check` finds damage of this kind in the file of this name.
#[track_caller]
fn finds(node: &Node, kind: &str, name: &str) {
    let checked = node.run("ledger check --json").ends(1).json();
    assert_eq!(checked["sound"], false);
    let findings = checked["findings"].as_array().unwrap();
    let named = findings
        .iter()
        .any(|finding| finding["kind"] == kind && text(&finding["finding"]).contains(name));
    assert!(named, "no {kind} of {name}: {checked}");
    assert!(findings.iter().all(|finding| !text(&finding["remedy"]).is_empty()));
}

/// That no command works with the log as it is, and none writes.
#[track_caller]
fn is_refused(node: &Node, texts: &[&str]) {
    let log = snapshot(&node.data().join("log"));
    for words in ["list", "ingest -", "ledger head", "verify --all"] {
        node.feed(words, b"bytes").ends(1).says(texts);
    }
    node.run("doctor").ends(1);
    assert!(log == snapshot(&node.data().join("log")), "nothing was written");
}

#[test]
fn an_altered_tail() {
    let (original, _) = long_log();
    let bytes = fs::metadata(original.log("tail")).unwrap().len();
    for offset in [0, 4, 8, 15, 16, 20, 24, 300, bytes - 1] {
        let node = Node::copy_of(&original.data());
        flip(&node.log("tail"), i64::try_from(offset).unwrap());
        finds(&node, "damage", "tail");
        is_refused(&node, &["tail"]);
    }
    let node = Node::copy_of(&original.data());
    let whole = fs::read(node.log("tail")).unwrap();
    fs::write(node.log("tail"), &whole[..whole.len() - 1]).unwrap();
    finds(&node, "damage", "tail");
    is_refused(&node, &["has lost entr"]);
    fs::remove_file(node.log("tail")).unwrap();
    finds(&node, "damage", "tail");
    // A backup puts it right.
    fs::write(node.log("tail"), whole).unwrap();
    node.run("ledger check").ok();
    assert_eq!(node.sessions(), 140);
}

#[test]
fn a_torn_tail_is_repaired() {
    let (original, _) = long_log();
    // A record that was never finished, zeros as some file systems leave them, and noise.
    let rows: [&[u8]; 4] = [b"\0", &[0; 4096], b"\0\0\0\x40half a record", &[0xff; 100]];
    for torn in rows {
        let node = Node::copy_of(&original.data());
        let mut tail = OpenOptions::new().append(true).open(node.log("tail")).unwrap();
        tail.write_all(torn).unwrap();
        drop(tail);
        let checked = node.run("ledger check --json").ok().json();
        assert_eq!(checked["findings"][0]["kind"], "unfinished", "{checked}");
        node.run("list").ok().says(&["repaired: log: "]);
        let checked = node.run("ledger check --json").ok().json();
        assert_eq!(checked["findings"].as_array().unwrap().len(), 0, "{checked}");
        assert_eq!(node.sessions(), 140);
        node.ingest(b"goes on");
    }
}

#[test]
fn an_altered_bundle() {
    let (original, id) = long_log();
    let bundle = "tile/entries/000";
    let bytes = fs::metadata(original.log(bundle)).unwrap().len();
    for offset in [0, 1, 2, 500, bytes - 1] {
        let node = Node::copy_of(&original.data());
        flip(&node.log(bundle), i64::try_from(offset).unwrap());
        finds(&node, "damage", bundle);
    }
    let node = Node::copy_of(&original.data());
    fs::remove_file(node.log(bundle)).unwrap();
    finds(&node, "damage", bundle);
    // An export is a backup of it.
    let node = Node::copy_of(&original.data());
    let export = node.name("export");
    node.run(&format!("ledger export {export}")).ok();
    flip(&node.log(bundle), 400);
    finds(&node, "damage", bundle);
    fs::copy(Path::new(&export).join(bundle), node.log(bundle)).unwrap();
    node.run("ledger check").ok();
    node.run(&format!("verify {id}")).ok();
}

#[test]
fn an_altered_entry_cannot_be_proved() {
    let (node, id) = long_log();
    let bundle = node.log("tile/entries/000");
    let mut bytes = fs::read(&bundle).unwrap();
    let owner = b"\"owner\":\"local\"";
    // The second occurrence: the session's `session.sealed`.
    let places: Vec<_> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(owner)).collect();
    bytes[places[1] + 9] ^= 1;
    fs::write(&bundle, bytes).unwrap();
    finds(&node, "damage", "tile/entries/000");
    node.run(&format!("verify {id}")).ends(1);
    node.run(&format!("prove {id}")).ends(1).says(&["tile/entries/000"]);
}

#[test]
fn an_altered_tile_is_made_anew() {
    let (original, id) = long_log();
    let harms: [Harm; 3] = [
        |path| flip(path, 1000),
        |path| fs::write(path, b"short").unwrap(),
        |path| fs::remove_file(path).unwrap(),
    ];
    for harm in harms {
        let node = Node::copy_of(&original.data());
        let whole = fs::read(node.log("tile/0/000")).unwrap();
        harm(&node.log("tile/0/000"));
        finds(&node, "tile", "tile/0/000");
        let rebuilt = node.run("ledger rebuild --json").ok().json();
        assert_eq!(rebuilt["tiles_rewritten"], 1, "{rebuilt}");
        assert!(fs::read(node.log("tile/0/000")).unwrap() == whole);
        node.run("ledger check").ok();
        node.run(&format!("verify {id}")).ok();
    }
}

#[test]
fn an_altered_checkpoint() {
    let (original, _) = long_log();
    // One copy of four: it is named, and written again.
    for offset in (0..8192).step_by(331) {
        let node = Node::copy_of(&original.data());
        flip(&node.log("head"), offset);
        node.run("list").ok();
        let checked = node.run("ledger check --json").ok().json();
        assert_eq!(checked["findings"], serde_json::json!([]), "{offset}: it is mended");
        assert!(fs::read(node.log("head")).unwrap().chunks(2048).all(|copy| copy[..4] == *b"LUCH"));
    }
    // All of them.
    for offset in [0, 4, 5, 6, 8, 12, 40, 100, 150] {
        let node = Node::copy_of(&original.data());
        (0..4).for_each(|copy| flip(&node.log("head"), copy * 2048 + offset));
        finds(&node, "damage", "log/head");
        is_refused(&node, &["log/head is damaged"]);
    }
    let node = Node::copy_of(&original.data());
    fs::remove_file(node.log("head")).unwrap();
    finds(&node, "damage", "log/head");
    is_refused(&node, &["log/head is missing", "does not sign what it did not append"]);
}

#[test]
fn a_log_that_was_rolled_back() {
    let (node, _) = long_log();
    let head = node.run("ledger head --json").ok().json();
    let older = Node::copy_of(&node.data());
    node.ingest(b"later");
    let kept = node.run("ledger head --json").ok().json();
    let kept = older.file("kept", text(&kept["checkpoint"]).as_bytes());
    let words = format!("ledger check --json --against {kept}");
    node.run(&words).ok();
    // In itself the older folder is sound: only whoever kept a checkpoint can tell.
    older.run("ledger check").ok();
    let checked = older.run(&words).ends(1).json();
    assert_eq!(checked["sound"], false);
    assert_eq!(checked["against"]["consistent"], false);
    assert!(text(&checked["against"]["reason"]).contains("gone from the log"), "{checked}");
    // And where it grew again, another way.
    older.ingest(b"another");
    older.ingest(b"history");
    let checked = older.run(&words).ends(1).json();
    let reason = text(&checked["against"]["reason"]);
    assert!(reason.contains("another history was signed for"), "{reason}");
    let stranger = Node::new();
    stranger.ingest(b"some");
    stranger.run(&words).ends(1).says(&["is no checkpoint that"]);
    assert!(head["log_size"].as_u64() < checked["log_size"].as_u64());
}

/// Checkpoint and tail alone are put back: sessions that were sealed since have no entry any more.
#[test]
fn sessions_that_the_log_forgot_are_named_and_kept() {
    let node = Node::new();
    let first = node.ingest(b"first");
    let older = Node::copy_of(&node.data());
    let forgotten: Vec<String> =
        [&b"second"[..], b""].iter().map(|input| node.ingest(input)).collect();
    node.run("doctor").ok();
    let whole = Node::copy_of(&node.data());
    for name in ["head", "tail"] {
        fs::copy(older.log(name), node.log(name)).unwrap();
    }
    let kept = || ["sessions", "chunks", "keys"].map(|name| snapshot(&node.data().join(name)));
    let before = kept();
    for words in ["list", "verify --all", "doctor", "ledger rebuild", "ingest -"] {
        let ran = node.feed(words, b"later");
        let ran = if words == "doctor" { ran.ends(1) } else { ran.ok() };
        let said = format!("{}{}", ran.stderr, String::from_utf8_lossy(&ran.stdout));
        assert!(said.contains("no entry of the log knows sessions/"), "{words}: {said}");
        for id in &forgotten {
            assert!(said.contains(&format!("sessions/{id}")), "{words}: {said}");
        }
        assert!(!said.contains(&format!("sessions/{first}")), "{words}: {said}");
    }
    for (before, after) in before.iter().zip(&kept()) {
        assert!(before.iter().all(|file| after.contains(file)), "nothing was touched");
    }
    let report = node.run("doctor --json").ends(1).json();
    let checks = report["checks"].as_array().unwrap();
    let line = checks.iter().find(|line| line["check"] == "log history").unwrap();
    assert_eq!(line["status"], "fail");
    assert!(text(&line["remedy"]).contains("--against"), "{line}");
    // The log tells it too, and nothing in it says where the folder is.
    let entries = exported(&node);
    assert!(entries.contains(&format!("knows sessions/{}", forgotten.iter().min().unwrap())));
    assert!(!entries.contains(node.data().to_str().unwrap()));
    // With the log of then they are known again, and what was recorded meanwhile is not.
    for name in ["head", "tail"] {
        fs::copy(whole.log(name), node.log(name)).unwrap();
    }
    let ran = node.run("list").ok();
    assert!(ran.stderr.contains("no entry of the log knows"), "{}", ran.stderr);
    for id in &forgotten {
        assert!(!ran.stderr.contains(id), "{}", ran.stderr);
        node.run(&format!("verify {id}")).ok();
    }
}

/// All that an export of the log has, as text.
fn exported(node: &Node) -> String {
    let folder = node.path("exported");
    node.run(&format!("ledger export {}", folder.display())).ok();
    let bytes: Vec<u8> = snapshot(&folder).into_iter().flat_map(|(_, bytes)| bytes).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A database that keeps being damaged does not fill the disk.
#[test]
fn two_databases_of_each_kind_are_kept() {
    let node = Node::new();
    node.ingest(b"a recording");
    let removed = |stderr: &str, kind: &str, count: i32| {
        let oldest = format!("db.{kind}-{} is removed", count - 2);
        assert_eq!(stderr.contains("is removed"), count > 2, "{stderr}");
        assert_eq!(stderr.contains(&oldest), count > 2, "{stderr}");
    };
    for count in 1..=4 {
        fs::write(node.data().join("db/db"), [0xa5; 5000]).unwrap();
        let ran = node.run("list").ok().says(&["made anew", &format!("db.damaged-{count}")]);
        removed(&ran.stderr, "damaged", count);
        let rebuilt = node.run("ledger rebuild --json").ok();
        assert!(text(&rebuilt.json()["database_aside"]).ends_with(&format!("db.aside-{count}")));
        removed(&rebuilt.stderr, "aside", count);
    }
    let names = fs::read_dir(node.data()).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.starts_with("db.")).collect();
    names.sort_unstable();
    assert_eq!(names, ["db.aside-3", "db.aside-4", "db.damaged-3", "db.damaged-4"]);
    let entries = exported(&node);
    for name in ["db.damaged-2", "db.aside-2"] {
        assert!(entries.contains(&format!("the older {name} is removed")), "the log says so");
    }
}

#[test]
fn a_database_that_does_not_open_is_made_anew() {
    let (original, id) = long_log();
    let harms: [(&str, Harm); 5] = [
        ("gone", |db| fs::remove_dir_all(db).unwrap()),
        ("empty", |db| {
            fs::remove_dir_all(db).unwrap();
            fs::create_dir(db).unwrap();
        }),
        ("noise", |db| fs::write(db.join("db"), [0xa5; 5000]).unwrap()),
        ("cut", |db| {
            let file = OpenOptions::new().write(true).open(db.join("db")).unwrap();
            file.set_len(file.metadata().unwrap().len() / 2).unwrap();
        }),
        ("configuration", |db| fs::write(db.join("conf"), b"nonsense").unwrap()),
    ];
    for (name, harm) in harms {
        let node = Node::copy_of(&original.data());
        harm(&node.data().join("db"));
        let ran = node.run("list --json --limit 1000").ok();
        let listed = ran.json()["sessions"].as_array().unwrap().len();
        assert_eq!(listed, 140, "{name}");
        // Of the others sled makes an empty database, which catches up with the log like any.
        if ["gone", "noise"].contains(&name) {
            ran.says(&["repaired: the database was made anew from the log"]);
        }
        assert_eq!(node.restore(&id), b"tiny", "{name}");
        node.run("ledger check").ok();
        node.ingest(b"goes on");
    }
}

#[test]
fn a_database_that_cannot_even_be_looked_at() {
    let (node, id) = long_log();
    let database = node.data().join("db");
    fs::remove_dir_all(&database).unwrap();
    fs::write(&database, b"no folder").unwrap();
    node.run("list").ok().says(&["made anew from the log", "no folder", "db.damaged-1"]);
    node.run("ledger check").ok();
    let rebuilt = node.run("ledger rebuild --json").ok().json();
    assert!(text(&rebuilt["database_aside"]).ends_with("db.aside-1"), "{rebuilt}");
    assert_eq!(node.sessions(), 140);
    assert_eq!(node.restore(&id), b"tiny");
}

/// Bytes of sled's files at random places: it opens, or it is made anew, and the answers are those
/// of the log in either case.
#[test]
fn a_database_with_a_flipped_byte_gives_no_wrong_answer() {
    let (original, id) = long_log();
    let mut rng = crate::support::Rng::seeded("a_database_with_a_flipped_byte");
    let expected = original.run("list --json --limit 1000").ok().stdout;
    let database = original.data().join("db/db");
    let bytes = fs::metadata(database).unwrap().len();
    for _ in 0..30 {
        let node = Node::copy_of(&original.data());
        let offset = rng.below(bytes.min(200_000));
        flip(&node.data().join("db/db"), i64::try_from(offset).unwrap());
        let listed = node.run("list --json --limit 1000").ok().stdout;
        assert!(listed == expected, "byte {offset}");
        assert_eq!(node.restore(&id), b"tiny");
    }
}
