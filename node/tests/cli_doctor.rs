//! `doctor` on good folders, bad ones and none.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod place;

use std::{fs, os::unix::fs::PermissionsExt};

use place::{Place, damage, text};
use serde_json::Value;

/// The line about `check`: its status, what was found, and what to do.
fn line(report: &Value, check: &str) -> (String, String, String) {
    let checks = report["checks"].as_array().unwrap();
    let line = checks.iter().find(|line| line["check"] == check);
    let line = line.unwrap_or_else(|| panic!("no line about {check} in {report}"));
    (text(&line["status"]), text(&line["found"]), line["remedy"].as_str().unwrap_or("").to_owned())
}

fn statuses(report: &Value) -> Vec<String> {
    report["checks"].as_array().unwrap().iter().map(|line| text(&line["status"])).collect()
}

#[test]
fn a_sound_node_has_nothing_failing() {
    let place = Place::with_node();
    place.ingest(b"a recording");
    let before = place.files("lucid-data/log");
    let report = place.json(&["doctor"], 0);
    assert_eq!(report["ok"], true);
    assert!(!statuses(&report).contains(&"fail".to_owned()), "{report}");
    for check in [
        "configuration",
        "processor",
        "cipher",
        "hashing",
        "memory",
        "data folder",
        "permissions",
        "keys",
        "ledger log",
        "database",
        "sessions",
        "sealed sessions",
        "disk space",
        "file system",
        "disk latency",
        "clock",
    ] {
        line(&report, check);
    }
    assert!(line(&report, "ledger log").1.starts_with("3 entries"), "{report}");
    assert_eq!(place.files("lucid-data/log"), before, "it changes nothing");
    assert!(!place.data("doctor.tmp").exists());
    let lines = place.run(&["doctor"], 0).out;
    assert!(lines.starts_with("ok ") && lines.ends_with("nothing failed\n"), "{lines}");
}

#[test]
fn a_timedatectl_that_hangs_is_told_and_not_waited_for() {
    let place = Place::with_node();
    let hung = place.write("timedatectl", "#!/bin/sh\nexec sleep 1000\n");
    fs::set_permissions(&hung, fs::Permissions::from_mode(0o700)).unwrap();
    let path = format!("{}:/usr/bin:/bin", place.path("").display());
    let report = place.run_with(&["doctor", "--json"], &[("PATH", &path)], 0).json();
    let (status, found, remedy) = line(&report, "clock source");
    assert!(status == "warn" && found.contains("no answer") && !remedy.is_empty(), "{report}");
}

#[test]
fn a_bench_measures_and_leaves_nothing() {
    let place = Place::with_node();
    let before = place.files("lucid-data");
    let report = place.json(&["doctor", "--bench"], 0);
    let figures = report["figures"].as_array().unwrap();
    for what in ["AES", "ChaCha20", "SHA-256", "zstd", "fdatasync", "ingest"] {
        let named = |figure: &&Value| text(&figure["what"]).contains(what);
        let figure = figures.iter().find(named).unwrap_or_else(|| panic!("no {what}"));
        assert!(figure["median"].as_f64().unwrap() > 0.0, "{figure}");
    }
    assert!(!report.to_string().contains("lucid-data"), "it names no path: {report}");
    assert_eq!(place.files("lucid-data"), before);
    let missing = place.run(&["doctor", "--bench", "--dir", "missing"], 64);
    assert!(missing.err.contains("--dir DIR"), "{}", missing.err);
    assert!(!place.path("missing").exists());
    assert!(place.run(&["doctor", "--dir", "."], 64).err.contains("--bench"));
}

#[test]
fn without_a_folder_it_says_how_to_make_one() {
    let place = Place::new();
    let report = place.json(&["doctor"], 1);
    let (status, _, remedy) = line(&report, "data folder");
    assert_eq!(
        (status.as_str(), remedy.as_str()),
        ("fail", "make one with: lucid-node init --data lucid-data")
    );
    line(&report, "disk space");
    assert!(!place.path("lucid-data").exists());
    assert!(place.run(&["doctor"], 1).out.ends_with("something failed\n"));
}

#[test]
fn other_folders_are_left_alone() {
    let place = Place::new();
    fs::create_dir(place.path("lucid-data")).unwrap();
    for (name, content, part) in
        [("photo.jpg", "", "not a data folder"), ("format", "lucid-data 9\n", "format 9")]
    {
        fs::write(place.data(name), content).unwrap();
        let before = place.files("lucid-data");
        let report = place.json(&["doctor"], 1);
        assert!(line(&report, "data folder").1.contains(part), "{report}");
        assert_eq!(place.files("lucid-data"), before);
        assert!(!place.data("lock").exists());
    }
}

#[test]
fn exposed_keys_are_found() {
    let place = Place::with_node();
    let chmod = |name: &str, mode| {
        fs::set_permissions(place.data(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    chmod("", 0o755);
    let (status, found, remedy) = line(&place.json(&["doctor"], 0), "permissions");
    assert_eq!(status, "warn");
    assert!(found.contains("755") && remedy.starts_with("chmod go-rwx"), "{found} {remedy}");
    chmod("secrets/node.key", 0o644);
    let report = place.json(&["doctor"], 1);
    let (status, found, remedy) = line(&report, "permissions");
    assert_eq!(status, "fail");
    assert!(found.contains("node.key (mode 644)") && remedy.contains("node.key"), "{report}");
    assert_eq!(line(&report, "keys").0, "fail", "and such a key is not used");
}

#[test]
fn wrong_and_missing_master_keys_are_found() {
    let place = Place::with_node();
    let key = "ab".repeat(32);
    let ran = place.run_with(&["doctor", "--json"], &[("LUCID_MASTER_KEY", &key)], 1);
    assert!(line(&ran.json(), "keys").1.contains("wrong master key"), "{}", ran.out);
    assert!(!ran.out.contains(&key));
    fs::rename(place.data("secrets/master.key"), place.path("away")).unwrap();
    let (status, found, _) = line(&place.json(&["doctor"], 1), "keys");
    assert_eq!(status, "fail");
    assert!(found.contains("master key"), "{found}");
}

#[test]
fn a_write_only_node_is_told_from_a_broken_one() {
    let place = Place::new();
    place.run(&["init", "--write-only"], 0);
    let (status, found, _) = line(&place.json(&["doctor"], 0), "keys");
    assert_eq!(status, "warn");
    assert!(found.contains("write-only"), "{found}");
    let recipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
    let report = place.json(&["doctor", "--age-recipient", recipient], 0);
    assert_eq!(line(&report, "keys").0, "ok");
}

#[test]
fn a_damaged_log_is_found_and_nothing_is_repaired() {
    let place = Place::with_node();
    place.ingest(b"a recording");
    for copy in 0..4 {
        damage(&place.data("log/head"), copy * 2048 + 30);
    }
    let before = place.files("lucid-data");
    let report = place.json(&["doctor"], 1);
    let (status, _, remedy) = line(&report, "ledger log");
    assert_eq!(status, "fail");
    assert!(remedy.contains("lucid-node ledger check"), "{report}");
    assert_eq!(place.files("lucid-data"), before);
}

#[test]
fn repairs_open_sessions_and_damaged_ones_are_told() {
    let place = Place::with_node();
    let session = place.abandoned();
    fs::remove_dir_all(place.data("db")).unwrap();
    let report = place.json(&["doctor"], 0);
    assert!(line(&report, "repairs").1.contains("made anew"), "{report}");
    let (status, found, remedy) = line(&report, "sessions");
    assert_eq!(status, "warn");
    assert!(found.contains(&session) && remedy.contains("--resume"), "{report}");
    damage(&place.data(&format!("sessions/{session}/index")), 9);
    let report = place.json(&["doctor"], 1);
    let (status, found, _) = line(&report, "sessions");
    assert_eq!(status, "fail");
    assert!(found.contains(&session) && found.contains("damaged"), "{report}");
}

#[test]
fn an_open_session_that_nobody_could_read_is_told() {
    let place = Place::with_node();
    let (session, other) = (place.abandoned(), place.ingest(b"other"));
    let key = |id: &str| place.data(&format!("keys/{id}.json"));
    fs::copy(key(&other), key(&session)).unwrap();
    let (status, found, remedy) = line(&place.json(&["doctor"], 1), "sessions");
    assert!(status == "fail" && found.contains(&session), "{found}");
    assert!(remedy.contains("keys/") && remedy.contains("lucid-node void"), "{remedy}");
}

#[test]
fn sealed_sessions_that_nobody_can_read_are_told() {
    let place = Place::with_node();
    let ids = [b"one", b"two"].map(|bytes| place.ingest(bytes));
    let empty = place.ingest(b"");
    let (status, found, _) = line(&place.json(&["doctor"], 0), "sealed sessions");
    assert!(status == "ok" && found.starts_with("3 sessions"), "{found}");
    fs::remove_dir_all(place.data(&format!("chunks/{}", ids[1]))).unwrap();
    fs::remove_dir_all(place.data(&format!("chunks/{empty}"))).unwrap();
    let lacking = || {
        let (status, found, remedy) = line(&place.json(&["doctor"], 1), "sealed sessions");
        assert_eq!(status, "fail");
        (found, remedy)
    };
    let (found, remedy) = lacking();
    assert_eq!(
        found,
        format!("of 3, 1 without chunks: {}", ids[1]),
        "one without chunks needs no folder"
    );
    assert!(remedy.contains("chunks import"), "{remedy}");
    fs::remove_file(place.data(&format!("keys/{}.json", ids[0]))).unwrap();
    let (found, remedy) = lacking();
    let keyless = format!("1 without a key file, which nobody can read: {}", ids[0]);
    assert!(found.contains(&keyless) && found.ends_with(&ids[1]), "{found}");
    assert!(remedy.contains("keys/"), "{remedy}");
    // Erased, they lack nothing.
    for id in ids {
        place.run(&["erase", &id, "--yes"], 0);
    }
    let (status, found, _) = line(&place.json(&["doctor"], 0), "sealed sessions");
    assert!(status == "ok" && found.starts_with("1 session "), "{found}");
}

#[test]
fn a_folder_in_use_is_no_failure() {
    let place = Place::with_node();
    let (mut child, _) = place.recording();
    let report = place.json(&["doctor"], 0);
    let (status, found, _) = line(&report, "data folder");
    assert_eq!(status, "warn");
    assert!(found.contains(&format!("process {}", child.id())), "{found}");
    line(&report, "disk latency");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn too_little_room_fails() {
    let place = Place::with_node();
    let arguments = ["doctor", "--reserve-bytes", "8388608TiB"];
    let (status, _, remedy) = line(&place.json(&arguments, 1), "disk space");
    assert_eq!(status, "fail");
    assert!(remedy.contains("room"), "{remedy}");
}
