//! The ledger log and the ends of sessions, by the real binary: what is proved, what is found where
//! something is damaged, and what is made anew.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod place;

use std::{fs, io::Write, sync::Arc};

use lucid_core::{
    EntryIndex, Timestamp,
    entry::{Entry, NodeEvent},
    merkle::{self, leaf_hash},
    note::{Checkpoint, SigningKey},
};
use lucid_store::{Disk, LogReader, NoCiphers, OpenOptions, Store};
use place::{Place, copy, damage, text};
use serde_json::{Value, json};

/// Fills the log beyond two bundles of 256 entries, which have tiles of their own.
fn fill_log(place: &Place) {
    let options = OpenOptions {
        kek: None,
        at: Timestamp::default(),
        reserve_bytes: Some(0),
        disk: Disk::default(),
        ciphers: Arc::new(NoCiphers),
    };
    let (store, _) = Store::open(&place.path("lucid-data"), options).unwrap();
    let event = |n: u32| {
        let (kind, v) = Default::default();
        let (event, detail) = ("test.filled".to_owned(), n.to_string());
        Entry::NodeEvent(NodeEvent { at: Timestamp::default(), detail, event, kind, v })
    };
    store.append(&(0..600).map(event).collect::<Vec<_>>()).unwrap();
}

/// Appends an entry the way a newer node would: to the tail, and under a checkpoint of this node's key.
fn append_newer(place: &Place, entry: &[u8]) {
    let seed = fs::read_to_string(place.data("secrets/node.key")).unwrap();
    let seed = <[u8; 32]>::try_from(hex::decode(seed.trim()).unwrap()).unwrap();
    let checkpoint = checkpoint(place);
    let name = checkpoint.lines().next().unwrap();
    let key = SigningKey::from_seed(name.parse().unwrap(), &seed);
    let reader = LogReader::open(&place.data("log"), key.verifier_key()).unwrap();
    let all = reader.entries(EntryIndex(0)..EntryIndex(reader.size())).unwrap();
    let mut leaves: Vec<_> = all.map(|entry| leaf_hash(&entry.unwrap())).collect();
    leaves.push(leaf_hash(entry));
    let (size, root) = (leaves.len() as u64, merkle::root(&leaves));
    let signed = Checkpoint { origin: key.name().clone(), size, root }.sign(&key).unwrap();
    let length = u32::try_from(entry.len()).unwrap().to_be_bytes();
    let crc = crc32c::crc32c_append(crc32c::crc32c(&length), entry).to_be_bytes();
    let record = [length.as_slice(), &crc, entry].concat();
    let mut tail = fs::OpenOptions::new().append(true).open(place.data("log/tail")).unwrap();
    tail.write_all(&record).unwrap();
    let length = u16::try_from(signed.len()).unwrap().to_be_bytes();
    let crc = crc32c::crc32c_append(crc32c::crc32c(&length), signed.as_bytes()).to_be_bytes();
    let mut copy = [b"LUCH\x01\x00".as_slice(), &length, &crc, signed.as_bytes()].concat();
    copy.resize(2048, 0);
    fs::write(place.data("log/head"), copy.repeat(4)).unwrap();
}

/// The node's checkpoint, as `ledger head` prints it.
fn checkpoint(place: &Place) -> String {
    text(&place.json(&["ledger", "head"], 0)["checkpoint"])
}

fn findings(checked: &Value) -> Vec<(String, String)> {
    let findings = checked["findings"].as_array().unwrap();
    findings.iter().map(|it| (text(&it["kind"]), text(&it["finding"]))).collect()
}

#[test]
fn the_head_is_what_was_signed() {
    let place = Place::with_node();
    place.ingest(b"a recording");
    let head = place.json(&["ledger", "head"], 0);
    assert_eq!(head["log_size"], 3);
    let checkpoint = text(&head["checkpoint"]);
    let file = fs::read(place.data("log/head")).unwrap();
    assert!(file.windows(checkpoint.len()).any(|part| part == checkpoint.as_bytes()));
    let key: lucid_core::note::VerifierKey = text(&head["log_key"]).parse().unwrap();
    let verified = lucid_core::note::Checkpoint::verify(&checkpoint, &key).unwrap();
    assert_eq!(head["root"], verified.root.to_string());
    assert_eq!(text(&head["node_id"]), key.name().as_str().strip_prefix("lucid/").unwrap());
    assert!(place.run(&["ledger", "head"], 0).out.ends_with(&checkpoint));
}

#[test]
fn a_sound_log_goes_on_from_what_was_signed_before() {
    let place = Place::with_node();
    let checkpoint = |name: &str| place.write(name, checkpoint(&place));
    let first = checkpoint("first");
    place.ingest(b"one");
    let second = checkpoint("second");
    copy(&place.path("lucid-data"), &place.path("earlier"));
    place.ingest(b"two");
    let last = checkpoint("last");
    let check = |data: &str, against: &str, code: i32| {
        let arguments = ["ledger", "check", "--data", data, "--against", against];
        let checked = place.json(&arguments, code);
        assert_eq!(checked["sound"], code == 0, "{checked}");
        checked["against"].clone()
    };
    for (against, entries) in [(&first, 1), (&second, 3), (&last, 5)] {
        let against = check("lucid-data", against, 0);
        assert_eq!((&against["consistent"], &against["log_size"]), (&json!(true), &json!(entries)));
    }
    assert!(!check("lucid-data", &second, 0)["proof"].as_array().unwrap().is_empty());
    // A copy that was put back has lost what came later, and may sign another history.
    assert!(
        text(&check("earlier", &last, 1)["reason"]).contains("gone from the log: 2 entries that")
    );
    let recording = place.path("recording").display().to_string();
    place.run(&["ingest", &recording, "--data", "earlier"], 0);
    assert!(text(&check("earlier", &last, 1)["reason"]).contains("another history"));
    place.run(&["ledger", "check", "--data", "earlier", "--against", &second], 0);

    let other = Place::with_node();
    let foreign = other.write("theirs", self::checkpoint(&other));
    let ran = place.run(&["ledger", "check", "--against", &foreign], 1);
    assert!(ran.err.contains("no checkpoint that lucid/"), "{}", ran.err);
    place.run(&["ledger", "check", "--against", "missing"], 74);
}

#[test]
fn entries_of_a_newer_node_are_kept_and_not_interpreted() {
    let place = Place::with_node();
    let session = place.ingest(b"a recording");
    let at = "2026-01-01T00:00:00.000Z";
    // What version 2 may have to say about a session is not known here.
    let erased =
        format!(r#"{{"at":"{at}","kind":"session.erased","session_id":"{session}","v":2}}"#);
    append_newer(&place, erased.as_bytes());
    append_newer(&place, format!(r#"{{"at":"{at}","kind":"Other","n":0.5,"v":3}}"#).as_bytes());
    let sound = |entries: u64| {
        let checked = place.json(&["ledger", "check"], 0);
        assert_eq!((&checked["sound"], &checked["entries"]), (&json!(true), &json!(entries)));
        assert_eq!(findings(&checked), []);
    };
    sound(5);
    assert_eq!(place.json(&["show", &session], 0)["state"], "sealed");
    let doctor = place.json(&["doctor"], 0);
    assert!(doctor.to_string().contains("5 entries, the last of 2026-01-01"), "{doctor}");
    let second = place.ingest(b"goes on");
    fill_log(&place);
    sound(607);
    // From the bundles too, and where everything is made again from them.
    place.run(&["ledger", "rebuild"], 0);
    sound(608);
    let exported = place.path("exported").display().to_string();
    place.run(&["ledger", "export", &exported], 0);
    for session in [session, second] {
        assert_eq!(place.json(&["verify", &session], 0)["verified"], true);
        let proof = place.path(&format!("{session}.lucid-proof")).display().to_string();
        place.run(&["prove", &session, "-o", &proof], 0);
        place.run(&["verify", &proof], 0);
    }
    damage(&place.data("log/tile/entries/000"), 1000);
    assert_eq!(place.json(&["ledger", "check"], 1)["sound"], false);
}

#[test]
fn damaged_tiles_are_found_and_rebuilt() {
    let place = Place::with_node();
    fill_log(&place);
    let session = place.ingest(b"a recording");
    let checked = place.json(&["ledger", "check"], 0);
    assert_eq!((&checked["sound"], &checked["entries"]), (&json!(true), &json!(603)));
    assert_eq!(findings(&checked), []);

    damage(&place.data("log/tile/0/000"), 40);
    fs::remove_file(place.data("log/tile/0/001")).unwrap();
    fs::write(place.data("log/stray"), "").unwrap();
    let checked = place.json(&["ledger", "check"], 1);
    let kinds: Vec<_> = findings(&checked).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["tile", "tile", "stray"], "{checked}");
    assert!(text(&checked["findings"][0]["remedy"]).contains("ledger rebuild"));
    let lines = place.run(&["ledger", "check"], 1).out;
    assert!(lines.contains("NOT SOUND") && lines.contains("what to do"), "{lines}");

    let rebuilt = place.json(&["ledger", "rebuild"], 0);
    assert_eq!((&rebuilt["tiles"], &rebuilt["tiles_rewritten"]), (&json!(2), &json!(2)));
    let aside = text(&rebuilt["database_aside"]);
    assert!(place.path(&aside).is_dir());
    let tail = fs::read(place.data("log/tail")).unwrap();
    let tail = String::from_utf8_lossy(&tail);
    assert!(tail.contains("made anew from the log: ledger rebuild asked for it"), "{tail}");
    assert!(!tail.contains("it was missing"), "{tail}");
    assert_eq!(place.json(&["ledger", "check"], 0)["sound"], true);
    assert_eq!(place.json(&["show", &session], 0)["state"], "sealed");
}

#[test]
fn damaged_entries_are_found_and_not_papered_over() {
    let place = Place::with_node();
    fill_log(&place);
    let bundle = place.data("log/tile/entries/000");
    damage(&bundle, 1000);
    let checked = place.json(&["ledger", "check"], 1);
    assert!(findings(&checked).iter().all(|(kind, _)| kind == "damage"), "{checked}");
    assert!(findings(&checked)[0].1.contains("entries/000"), "{checked}");
    assert!(text(&checked["findings"][0]["remedy"]).contains("backup"));
    let before = place.files("lucid-data");
    place.run(&["ledger", "rebuild"], 1);
    assert_eq!(place.files("lucid-data"), before, "a rebuild that cannot be is none");
    damage(&bundle, 1000);
    place.run(&["ledger", "check"], 0);
}

#[test]
fn a_log_that_does_not_open_is_checked_all_the_same() {
    let place = Place::with_node();
    place.ingest(b"a recording");
    let checkpoint = place.write("kept", checkpoint(&place));
    let tail = fs::read(place.data("log/tail")).unwrap();
    fs::write(place.data("log/tail"), &tail[..tail.len() - 9]).unwrap();
    place.run(&["list"], 1);
    place.run(&["ledger", "head"], 1);
    let checked = place.json(&["ledger", "check"], 1);
    assert_eq!((&checked["log_size"], &checked["entries"]), (&json!(3), &json!(2)));
    assert!(findings(&checked)[0].1.contains("has lost entries 2 to 2"), "{checked}");
    let checked = place.json(&["ledger", "check", "--against", &checkpoint], 1);
    assert_eq!(checked["against"]["consistent"], false);
    fs::remove_file(place.data("log/head")).unwrap();
    let checked = place.json(&["ledger", "check"], 1);
    assert_eq!(checked["log_size"], Value::Null);
}

#[test]
fn a_damaged_database_costs_nothing() {
    let place = Place::with_node();
    let session = place.ingest(b"a recording");
    let before = place.json(&["list"], 0)["sessions"].clone();
    fs::write(place.data("db/db"), vec![0x55; 100_000]).unwrap();
    let ran = place.run(&["list", "--json"], 0);
    assert!(ran.err.contains("made anew from the log"), "{}", ran.err);
    assert_eq!(ran.json()["sessions"], before);
    place.run(&["ledger", "rebuild"], 0);
    assert_eq!(place.json(&["list"], 0)["sessions"], before);
    fs::remove_dir_all(place.data("db")).unwrap();
    let rebuilt = place.json(&["ledger", "rebuild"], 0);
    assert_eq!(rebuilt["database_aside"], Value::Null);
    place.run(&["show", &session], 0);
}

#[test]
fn an_export_is_the_whole_log_and_is_brought_up_to_date() {
    let place = Place::with_node();
    fill_log(&place);
    let exported = place.json(&["ledger", "export", "out/log"], 0);
    assert_eq!((&exported["log_size"], &exported["kept"]), (&json!(601), &json!(0)));
    let same = |name: &str| {
        assert_eq!(
            fs::read(place.path("out/log").join(name)).unwrap(),
            fs::read(place.data("log").join(name)).unwrap(),
            "{name}"
        );
    };
    ["tile/0/000", "tile/entries/001"].into_iter().for_each(same);
    let is_current = || {
        let exported = fs::read_to_string(place.path("out/log/checkpoint")).unwrap();
        assert_eq!(exported, checkpoint(&place));
    };
    is_current();
    assert!(place.path("out/log/tile/entries/002.p/89").exists());
    place.ingest(b"a recording");
    assert_eq!(place.json(&["ledger", "export", "out/log"], 0)["kept"], 4);
    is_current();
    // Neither over the log itself, nor among other files.
    place.run(&["ledger", "export", "lucid-data/log"], 64);
    fs::create_dir(place.path("photos")).unwrap();
    fs::write(place.path("photos/a.jpg"), "").unwrap();
    place.run(&["ledger", "export", "photos"], 64);
    let other = Place::with_node();
    let out = place.path("out/log").display().to_string();
    other.run(&["ledger", "export", &out], 64);
    is_current();
}

#[test]
fn a_folder_in_use_is_a_clear_message() {
    let place = Place::with_node();
    let (mut child, session) = place.recording();
    for command in [
        &["list"][..],
        &["show", &session],
        &["seal", &session],
        &["ledger", "head"],
        &["ledger", "check"],
        &["ledger", "rebuild"],
        &["ledger", "export", "out"],
    ] {
        let ran = place.run(command, 74);
        assert!(ran.err.contains(&format!("in use by process {}", child.id())), "{}", ran.err);
    }
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert_eq!(place.json(&["show", &session], 0)["manifest"]["complete"], true);
}

#[test]
fn sessions_are_listed_by_owner_state_and_page() {
    let place = Place::with_node();
    assert_eq!(place.json(&["list"], 0), json!({"sessions": [], "next": null}));
    assert_eq!(place.run(&["list"], 0).out, "no sessions\n");
    let path = place.write("recording", "x");
    let ids: Vec<_> = ["a", "b", "a"]
        .iter()
        .map(|owner| text(&place.json(&["ingest", &path, "--owner", owner], 0)["session_id"]))
        .collect();
    let check = |arguments: &[&str], expected: &[usize], next: Option<usize>| {
        let listed = place.json(&[&["list"], arguments].concat(), 0);
        let sessions = listed["sessions"].as_array().unwrap();
        let listed_ids: Vec<_> = sessions.iter().map(|row| text(&row["session_id"])).collect();
        let expected: Vec<_> = expected.iter().map(|&n| ids[n].clone()).collect();
        assert_eq!(listed_ids, expected, "{arguments:?}");
        assert_eq!(listed["next"], json!(next.map(|n| ids[n].clone())), "{arguments:?}");
    };
    check(&[], &[0, 1, 2], None);
    check(&["--newest"], &[2, 1, 0], None);
    check(&["--owner", "a"], &[0, 2], None);
    check(&["--owner", "a", "--limit", "1"], &[0], Some(0));
    check(&["--owner", "a", "--after", &ids[0]], &[2], None);
    check(&["--limit", "3"], &[0, 1, 2], None);
    check(&["--newest", "--limit", "2"], &[2, 1], Some(1));
    check(&["--state", "open"], &[], None);
    check(&["--state", "sealed", "--owner", "b"], &[1], None);
    // An owner whose sessions are recorded is no filter.
    let listed = place.run_with(&["list", "--json"], &[("LUCID_OWNER", "b")], 0).json();
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 3);
    place.run(&["list", "--limit", "0"], 64);
    place.run(&["list", "--state", "lost"], 64);
    place.run(&["list", "--after", "2bca9b68-774c-4e9b-98be-c4256c01ed31"], 1);
    place.run(&["show", "2bca9b68-774c-4e9b-98be-c4256c01ed31"], 1);
}

#[test]
fn open_sessions_are_sealed_or_given_up() {
    let place = Place::with_node();
    let (sealed, voided) = (place.abandoned(), place.abandoned());
    let shown = place.json(&["show", &sealed], 0);
    assert_eq!(shown["state"], "open");
    let nothing = json!({"chunk_count": 0, "plain_bytes": 0, "stored_bytes": 0});
    assert_eq!((&shown["acknowledged"], &shown["manifest"]), (&nothing, &Value::Null));
    assert_eq!(shown["wraps"][0]["kind"], "kek");
    place.run(&["erase", &sealed, "--yes"], 64);

    let recorded = place.json(&["seal", &sealed], 0);
    assert_eq!((&recorded["session_id"], &recorded["complete"]), (&json!(sealed), &json!(false)));
    let shown = place.json(&["show", &sealed], 0);
    assert_eq!(shown["manifest"]["complete"], false);
    assert_eq!(shown["merkle_root"], recorded["merkle_root"]);
    assert_eq!(shown["log"]["sealed"], recorded["log_index"]);
    place.run(&["seal", &sealed], 64);
    place.run(&["void", &sealed, "--yes"], 64);

    assert!(place.run(&["void", &voided], 64).err.contains("--yes"));
    place.run(&["void", &voided, "--yes", "--reason", &"x".repeat(1025)], 64);
    let gone = place.json(&["void", &voided, "--yes", "--reason", "a test"], 0);
    assert_eq!((&gone["state"], &gone["reason"]), (&json!("voided"), &json!("a test")));
    let shown = place.json(&["show", &voided], 0);
    assert_eq!((&shown["state"], &shown["wraps"]), (&json!("voided"), &json!([])));
    assert_eq!(shown["problems"], json!([]));
}

#[test]
fn an_erased_session_is_gone_and_still_proved() {
    let place = Place::with_node();
    let session = place.ingest(b"a recording");
    let before = place.json(&["show", &session], 0);
    assert!(place.run(&["erase", &session], 64).err.contains("--yes"));
    assert_eq!(place.json(&["show", &session], 0), before, "nobody was asked, nothing is done");
    let erased = place.json(&["erase", &session, "--yes"], 0);
    assert_eq!(erased["destroyed"], json!({"wraps": 1, "chunk_count": 1, "plain_bytes": 11}));
    assert_eq!(erased["kept"]["merkle_root"], before["merkle_root"]);
    assert!(!place.data(&format!("keys/{session}.json")).exists());
    assert!(!place.data(&format!("chunks/{session}")).exists());
    let shown = place.json(&["show", &session], 0);
    assert_eq!((&shown["state"], &shown["wraps"]), (&json!("erased"), &json!([])));
    assert_eq!(shown["manifest"], before["manifest"]);
    assert_eq!(place.json(&["erase", &session, "--yes"], 0)["log_index"], erased["log_index"]);
    assert_eq!(place.json(&["ledger", "check"], 0)["sound"], true);
}

#[test]
fn damage_to_a_session_is_shown_with_the_rest() {
    let place = Place::with_node();
    let session = place.ingest(b"a recording");
    damage(&place.data(&format!("sessions/{session}/manifest.json")), 20);
    fs::remove_file(place.data(&format!("keys/{session}.json"))).unwrap();
    let shown = place.json(&["show", &session], 1);
    assert_eq!(shown["problems"].as_array().unwrap().len(), 2, "{shown}");
    assert_eq!(shown["plain_bytes"], 11);
}

#[test]
fn altered_accounts_are_found_and_made_anew() {
    use lucid_core::{access::Role, entry::UserChanged};
    use lucid_store::Accounts;
    let place = Place::with_node();
    let address = "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8";
    place.run(&["users", "grant", address, "user"], 0);
    let sound = place.json(&["ledger", "check"], 0);
    assert!(findings(&sound).is_empty(), "{sound}");
    // Somebody makes himself an admin in the database alone.
    let open = || Accounts::open(&place.data("auth"), &Disk::default()).unwrap().0;
    let accounts = open();
    let (kind, v) = Default::default();
    let (at, by, user) = (Timestamp::default(), "local".parse().unwrap(), address.parse().unwrap());
    let forged = UserChanged { at, by, kind, revoked: false, role: Role::Admin, user, v };
    accounts.apply(&[forged], accounts.applied().unwrap()).unwrap();
    drop(accounts);
    let checked = place.json(&["ledger", "check"], 1);
    assert_eq!(checked["sound"], false);
    let found = findings(&checked);
    assert!(found[0].0 == "accounts" && found[0].1.contains("the log says user"), "{found:?}");
    let examined = place.json(&["doctor"], 1);
    let lines = examined["checks"].as_array().unwrap();
    let line = lines.iter().find(|line| line["check"] == "accounts").unwrap();
    assert!(text(&line["found"]).contains("the log says user"), "{line}");
    let rebuilt = place.json(&["ledger", "rebuild"], 0);
    assert!(text(&rebuilt["accounts_aside"]).ends_with("auth.aside-1"), "{rebuilt}");
    let listed = place.json(&["users", "list"], 0);
    assert_eq!(listed["users"][0]["role"], "user");
    assert!(findings(&place.json(&["ledger", "check"], 0)).is_empty());
}
