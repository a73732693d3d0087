//! `ledger check` on a chain that was made by a running node: every block is executed again, and what does not
//! hold is named, though the node's own key signed for it.

use std::{fs, path::Path, process::Command, sync::Arc, thread, time::Duration};

use lucid_chain::{Block, logged::block_entries};
use lucid_core::{
    EntryIndex, Hash, Timestamp,
    block::{BlockNumber, Header},
    entry::Entry,
    merkle::EMPTY_ROOT,
};
use lucid_store::{Disk, NoCiphers, OpenOptions, Store};
use serde_json::{Value, json};

use crate::{
    client::Wallet,
    server::{Form, Server},
    support::{BINARY, copy_folder, text},
};

/// Runs a command on the folder; gives its exit code and its JSON.
fn run(data: &Path, arguments: &[&str]) -> (i32, Value) {
    let output = Command::new(BINARY)
        .env_clear()
        .args(arguments)
        .args(["--json", "--data"])
        .arg(data)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let json =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    (output.status.code().unwrap(), json)
}

/// A node's folder with a chain in which four sessions are registered.
fn made(folder: &Path) {
    let settings =
        [("LUCID_CHAIN", "true"), ("LUCID_PUBLIC_LOG", "true"), ("LUCID_BLOCK_MS", "20")];
    let server = Server::start_with(Form::One, folder, &settings);
    let owner = server.client().sign_in(&Wallet::new(1));
    for n in 0..4 {
        let session = owner.mint(&json!({"length": 3}));
        assert_eq!(owner.patch(&session, 0, &[n; 3]).unwrap().status, 204);
    }
    let registered = || server.client().got("/api/v1/chain/head").json()["sessions"] == 4;
    while !registered() {
        thread::sleep(Duration::from_millis(20));
    }
    server.stop();
}

/// The folder's log, open to append whatever is wanted.
fn store(data: &Path) -> Store {
    let (disk, ciphers) = (Disk::default(), Arc::new(NoCiphers));
    let options =
        OpenOptions { kek: None, at: Timestamp::default(), reserve_bytes: Some(0), disk, ciphers };
    Store::open(data, options).unwrap().0
}

/// Appends an empty block that follows, as `alter` leaves its header.
fn append_block(data: &Path, alter: impl FnOnce(&mut Header)) {
    let store = store(data);
    let (size, root) = store.with_log(|log| Ok((log.size(), log.root()))).unwrap();
    let last = store.with_log(|log| {
        let all = log.entries(EntryIndex(0)..EntryIndex(size))?;
        Ok(all
            .filter_map(|entry| match Entry::parse(&entry.unwrap()) {
                Ok(Entry::EvmBlock(block)) => Some(block.header),
                _ => None,
            })
            .last())
    });
    let last = last.unwrap().unwrap();
    let mut header = Header {
        gas_used: 0,
        log_root: root,
        log_size: size,
        number: BlockNumber(last.number.0 + 1),
        parent: last.hash(),
        receipts_root: EMPTY_ROOT,
        state_root: last.state_root,
        time: last.time,
        tx_root: EMPTY_ROOT,
    };
    alter(&mut header);
    store
        .append(&block_entries(&Block { header, body: Vec::new() }, Timestamp::default()))
        .unwrap();
}

#[test]
fn the_blocks_of_a_node_hold_and_what_does_not_is_named() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path());
    let sound = folder.path().join("data");
    let (status, checked) = run(&sound, &["ledger", "check"]);
    assert_eq!((status, &checked["sound"]), (0, &json!(true)), "{checked}");
    let blocks = &checked["blocks"];
    assert_eq!((&blocks["checked"], &blocks["registered"]), (&json!(true), &json!(4)));
    let count = blocks["blocks"].as_u64().unwrap();
    assert!(count >= 3 && blocks["transactions"] == 9, "{blocks}");
    assert!(!sound.join("checking").exists(), "it leaves nothing");
    // What a check that was killed left is in nobody's way.
    fs::create_dir_all(sound.join("checking/db")).unwrap();
    assert_eq!(run(&sound, &["ledger", "check"]).1["blocks"], *blocks);
    assert!(!sound.join("checking").exists());
    let (status, skipped) = run(&sound, &["ledger", "check", "--without-blocks"]);
    assert_eq!((status, &skipped["blocks"]["checked"]), (0, &json!(false)));
    assert_eq!(skipped["blocks"]["why_not"], "it was asked for without");

    let log_size = checked["log_size"].as_u64().unwrap();
    let other = Hash::of(b"another");
    let check = |name: &str, alter: &dyn Fn(&mut Header), expected: Option<&str>| {
        let data = folder.path().join(name);
        copy_folder(&sound, &data);
        append_block(&data, alter);
        let (status, checked) = run(&data, &["ledger", "check"]);
        let findings = checked["findings"].as_array().unwrap();
        match expected {
            None => assert_eq!((status, findings.len()), (0, 0), "{name}: {checked}"),
            Some(expected) => {
                assert_eq!((status, findings.len()), (1, 1), "{name}: {checked}");
                assert_eq!(findings[0]["kind"], "block", "{name}");
                let finding = text(&findings[0]["finding"]);
                // The body's entry is before the header's.
                let place = format!("block {count}, entry {} of the log: ", log_size + 1);
                assert!(
                    finding.starts_with(&place) && finding.contains(expected),
                    "{name}: {finding}"
                );
                assert_eq!(checked["blocks"]["blocks"], count, "{name}: those before it hold");
            }
        }
    };
    check("as it should be", &|_| {}, None);
    check("state", &|header| header.state_root = other, Some("its state_root does not come out"));
    check(
        "receipts",
        &|header| header.receipts_root = other,
        Some("its receipts_root does not come out"),
    );
    check("gas", &|header| header.gas_used = 1, Some("its gas_used does not come out"));
    check("parent", &|header| header.parent = other, Some("does not follow"));
    check("log", &|header| header.log_root = other, Some("its log_root is not the log's root"));
    check("later", &|header| header.log_size += 7, Some("it stands for"));
    check("time", &|header| header.time = Timestamp::default(), Some("earlier time"));
}

#[test]
fn a_session_that_was_left_out_is_found() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path());
    let data = folder.path().join("data");
    let recording = folder.path().join("recording");
    fs::write(&recording, "another").unwrap();
    let (status, sealed) = run(&data, &["ingest", recording.to_str().unwrap()]);
    assert_eq!(status, 0, "{sealed}");
    let (status, checked) = run(&data, &["ledger", "check"]);
    assert_eq!(status, 0, "it is not registered yet, and no block says so: {checked}");
    append_block(&data, |_| {});
    let (status, checked) = run(&data, &["ledger", "check"]);
    let finding = text(&checked["findings"][0]["finding"]);
    assert_eq!(status, 1, "{checked}");
    assert!(finding.contains(&text(&sealed["session_id"])), "{finding}");
    assert!(finding.contains("is not registered"), "{finding}");
}

#[test]
fn a_log_without_blocks_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (status, _) = run(&data, &["init"]);
    assert_eq!(status, 0);
    let (status, checked) = run(&data, &["ledger", "check"]);
    assert_eq!((status, &checked["blocks"]["checked"]), (0, &json!(true)));
    assert_eq!(checked["blocks"]["blocks"], 0);
}
