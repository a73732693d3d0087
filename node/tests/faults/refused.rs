//! What is refused before anything is written: other folders, other keys, inputs and sessions that
//! are not there.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::support::{Live, Node, copy_folder, run, snapshot};

#[test]
fn a_folder_with_other_things_in_it_is_left_alone() {
    let node = Node::new();
    fs::create_dir(node.data()).unwrap();
    fs::write(node.data().join("photo.jpg"), b"mine").unwrap();
    for words in ["init", "list", "ingest -", "ledger head", "ledger check", "record -- true"] {
        node.feed(words, b"bytes").ends(64).says(&["is not a data folder of lucid-node"]);
    }
    assert_eq!(snapshot(&node.data()), [(node.data().join("photo.jpg"), b"mine".to_vec())]);
}

#[test]
fn a_newer_format_is_left_alone() {
    let node = Node::new();
    node.ingest(b"some");
    fs::write(node.data().join("format"), "lucid-data 2\n").unwrap();
    let before = snapshot(&node.data());
    for words in ["init", "list", "ingest -", "ledger head", "ledger check"] {
        let ran = node.feed(words, b"bytes").ends(64);
        ran.says(&["has format 2; this version of lucid-node reads format 1"]);
    }
    assert!(before == snapshot(&node.data()));
}

#[test]
fn no_folder_is_not_found_and_says_how_to_make_one() {
    let node = Node::new();
    for words in ["list", "ledger head", "verify --all"] {
        node.run(words).ends(1).says(&["there is no data folder at", "lucid-node init --data"]);
    }
    assert!(!node.data().exists());
}

#[test]
fn one_process_at_a_time() {
    let node = Node::new();
    let mut live = Live::start(node.command("ingest - --progress json"));
    let id = live.opened();
    for words in ["list", "ledger head", "ledger check", "ledger rebuild", "verify --all", "init"] {
        node.run(words).ends(74).says(&["is in use by process "]);
    }
    let holder = fs::read_to_string(node.data().join("lock")).unwrap();
    node.run("list").ends(74).says(&[&format!("in use by process {}", holder.trim())]);
    live.write(b"undisturbed");
    live.close().ok();
    assert_eq!(node.restore(&id), b"undisturbed");
}

#[test]
fn a_wrong_master_key_is_found_before_anything_is_written() {
    let node = Node::new();
    let id = node.ingest(b"some");
    let key = fs::read(node.data().join("secrets/master.key")).unwrap();
    fs::write(node.data().join("secrets/master.key"), format!("{}\n", "ab".repeat(32))).unwrap();
    let mut before = snapshot(&node.data());
    for words in ["list", "ingest -", "ledger head", "ledger check", &format!("restore {id}")] {
        node.feed(words, b"bytes").ends(64).says(&["wrong master key"]);
    }
    // The lock file has the id of whoever tried.
    let lock = node.data().join("lock");
    let mut after = snapshot(&node.data());
    before.retain(|(path, _)| *path != lock);
    after.retain(|(path, _)| *path != lock);
    assert!(before == after, "not a byte has changed");
    fs::write(node.data().join("secrets/master.key"), key).unwrap();
    assert_eq!(node.restore(&id), b"some");
}

#[test]
fn a_master_key_can_be_kept_elsewhere() {
    let node = Node::new();
    let id = node.ingest(b"some");
    let secrets = node.data().join("secrets");
    fs::rename(secrets.join("master.key"), node.path("key")).unwrap();
    // What needs no key works without it; what does says which one.
    node.run(&format!("verify {id}")).ok();
    node.run(&format!("show {id}")).ok();
    for words in [format!("restore {id}"), "ingest -".into(), format!("verify {id} --decrypt")] {
        node.run(&words).ends(64).says(&["the master key", "is not here"]);
    }
    let with_key = |words: &str| {
        let mut command = node.command(words);
        command.env("LUCID_MASTER_KEY_FILE", node.path("key"));
        run(command, &[])
    };
    assert_eq!(with_key(&format!("restore {id}")).ok().stdout, b"some");
    fs::rename(node.path("key"), secrets.join("master.key")).unwrap();
    let readable = fs::Permissions::from_mode(0o644);
    fs::set_permissions(secrets.join("master.key"), readable).unwrap();
    node.run("list").ends(64).says(&["can be read by others", "chmod 600"]);
}

#[test]
fn an_input_that_cannot_be_read_makes_no_session() {
    let node = Node::new();
    let missing = node.name("missing");
    let ran = node.run(&format!("ingest {missing}")).ends(74);
    ran.says(&["the input", "missing cannot be read"]);
    assert!(!node.data().exists(), "not even a data folder");
    node.ingest(b"some");
    node.run(&format!("ingest {missing}")).ends(74);
    node.only_session();
}

/// A regular file whose first byte cannot be read, as on a disk that breaks.
#[test]
fn an_input_that_breaks_leaves_a_session_that_can_be_closed() {
    let node = Node::new();
    let ran = node.run("ingest /proc/self/mem").ends(74);
    let id = node.only_session();
    let ran = ran.says(&["the source cannot be read", &format!("lucid-node seal {id}")]);
    assert!(ran.stdout.is_empty());
    node.run(&format!("seal {id}")).ok();
    assert!(node.restore(&id).is_empty());
}

#[test]
fn a_session_that_does_not_exist_is_not_found() {
    let node = Node::new();
    let id = node.ingest(b"some");
    let other = "123e4567-e89b-42d3-a456-426614174000";
    let commands = ["show", "verify", "restore", "prove", "erase --yes", "void --yes", "seal"];
    for words in commands.into_iter().chain(["ingest - --resume"]) {
        let ran = node.run(&format!("{words} {other}")).ends(1);
        ran.says(&[&format!("there is no session {other}")]);
    }
    // What is no id at all is a file to `verify`, and a mistake to the others.
    node.run("verify nonsense").ends(1).says(&["neither a session's id nor a file"]);
    node.run("show nonsense").ends(64);
    assert_eq!(node.only_session(), id);
}

#[test]
fn a_file_that_is_there_is_not_replaced_unasked() {
    let node = Node::new();
    let id = node.ingest(b"recorded");
    let target = node.file("target", b"precious");
    for words in ["restore", "prove"] {
        let ran = node.run(&format!("{words} {id} -o {target}")).ends(64);
        ran.says(&["is there already; --force replaces it"]);
        assert_eq!(fs::read(&target).unwrap(), b"precious");
    }
    node.run(&format!("restore {id} -o {target} --force")).ok();
    assert_eq!(fs::read(&target).unwrap(), b"recorded");
    let nowhere = node.name("no/such/folder/file");
    node.run(&format!("restore {id} -o {nowhere}")).ends(74).says(&["cannot be written"]);
}

#[test]
fn a_moved_folder_is_the_same_node() {
    let node = Node::new();
    let id = node.ingest(b"some");
    let key = node.log_key();
    let moved = Node::new();
    copy_folder(&node.data(), &moved.data());
    assert_eq!(moved.restore(&id), b"some");
    assert_eq!(moved.log_key(), key);
}
