//! Things that somebody put into the data folder or handed over: nothing outside is touched, nothing
//! waits for ever, and what is lost is said.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod place;

use std::{fs, os::unix::fs::symlink, process::Command};

use place::Place;
use serde_json::Value;

/// A place with one sealed session of a few bytes, and its id.
fn with_session() -> (Place, String) {
    let place = Place::with_node();
    let input = place.write("input", b"some bytes that were recorded");
    let output = place.command(&["ingest", &input, "--json"]).output().unwrap();
    let recorded: Value = serde_json::from_slice(&output.stdout).unwrap();
    let id = recorded["session_id"].as_str().unwrap().to_owned();
    (place, id)
}

fn run(place: &Place, arguments: &[&str]) -> (Option<i32>, String) {
    let output = place.command(arguments).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn what_a_link_points_to_is_not_destroyed() {
    let (place, id) = with_session();
    fs::create_dir(place.path("others")).unwrap();
    fs::write(place.path("others/precious"), "x").unwrap();
    let chunks = place.data(&format!("chunks/{id}"));
    fs::remove_dir_all(&chunks).unwrap();
    symlink(place.path("others"), &chunks).unwrap();
    let forged = "6f1d9c1e-3a52-4c0e-9d0b-5a1f6f1f7a10";
    fs::write(place.data(&format!("opening/{forged}")), "").unwrap();
    symlink(place.path("others"), place.data(&format!("sessions/{forged}"))).unwrap();
    assert_eq!(run(&place, &["list"]).0, Some(0));
    let erased = place.command(&["erase", &id, "--yes", "--json"]).output().unwrap();
    assert!(erased.status.success());
    let erased: Value = serde_json::from_slice(&erased.stdout).unwrap();
    assert_eq!(
        (&erased["destroyed"]["wraps"], &erased["destroyed"]["chunk_count"]),
        (&1.into(), &0.into())
    );
    assert_eq!(erased["not_destroyed"], place.path("others").to_str().unwrap());
    assert_eq!(run(&place, &["list"]).0, Some(0), "and the node goes on");
    assert!(place.path("others/precious").exists());
    assert!(chunks.symlink_metadata().is_err(), "the link itself is gone");
}

#[test]
fn a_lost_or_foreign_key_file_is_a_finding() {
    let (place, id) = with_session();
    let key = place.data(&format!("keys/{id}.json"));
    let good = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    let (code, text) = run(&place, &["verify", &id]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("NOT VERIFIED") && text.contains("key"), "{text}");
    assert_eq!(run(&place, &["verify", "--all"]).0, Some(1));
    let input = place.write("second", b"other bytes");
    assert_eq!(run(&place, &["ingest", &input]).0, Some(0));
    let other = fs::read_dir(place.data("keys")).unwrap().next().unwrap().unwrap().path();
    fs::copy(other, &key).unwrap();
    let (code, text) = run(&place, &["verify", &id]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("another session's"), "{text}");
    fs::write(&key, good).unwrap();
    assert_eq!(run(&place, &["verify", &id]).0, Some(0));
}

#[test]
fn a_pipe_in_place_of_a_file_keeps_nobody_waiting() {
    let (place, id) = with_session();
    let chunk = place.data(&format!("chunks/{id}/00000000.lck"));
    fs::remove_file(&chunk).unwrap();
    let pipe = place.path("pipe");
    for name in [&chunk, &pipe] {
        assert!(Command::new("mkfifo").arg(name).status().unwrap().success());
    }
    let (code, text) = run(&place, &["verify", &id]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("chunk 0"), "{text}");
    let (code, text) = run(&place, &["verify", pipe.to_str().unwrap()]);
    assert_eq!(code, Some(74), "{text}");
}

#[test]
fn the_nodes_own_files_are_neither_recorded_nor_overwritten() {
    let place = Place::new();
    place.write("a", b"recorded");
    let output = place.command(&["ingest", ".", "--json"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && text.contains("left out"), "{text}");
    let recorded: Value = serde_json::from_slice(&output.stdout).unwrap();
    let id = recorded["session_id"].as_str().unwrap();
    let tar = place.command(&["restore", id]).output().unwrap().stdout;
    let contains = |needle: &[u8]| tar.windows(needle.len()).any(|window| window == needle);
    assert!(contains(b"recorded"));
    assert!(!contains(b"master.key") && !contains(b"node.key"));
    let own = place.data("secrets/node.key");
    for command in [["restore", id], ["prove", id]] {
        let arguments = [command[0], command[1], "-o", own.to_str().unwrap(), "--force"];
        let (code, text) = run(&place, &arguments);
        assert_eq!(code, Some(64), "{text}");
        assert!(text.contains("in the data folder"), "{text}");
    }
    assert_eq!(run(&place, &["verify", "--all"]).0, Some(0));
}

/// Ends a command that does not end by itself.
fn within(place: &Place, arguments: &[&str]) -> (Option<i32>, String) {
    let output = place.path("output");
    let file = fs::File::create(&output).unwrap();
    let mut command = place.command(arguments);
    let mut child = command.stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
    let start = std::time::Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed().as_secs() > 60 {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{arguments:?} waits for ever: {}", fs::read_to_string(&output).unwrap());
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    };
    (status.code(), String::from_utf8_lossy(&fs::read(&output).unwrap()).into_owned())
}

#[test]
fn a_pipe_in_the_place_of_a_file_holds_nobody_up() {
    let (place, id) = with_session();
    place.run(&["users", "grant", "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8", "user"], 0);
    let names = [
        format!("sessions/{id}/manifest.json"),
        format!("sessions/{id}/index"),
        format!("keys/{id}.json"),
        format!("chunks/{id}/00000000.lck"),
        "log/tail".to_owned(),
        "log/head".to_owned(),
        "secrets/node.key".to_owned(),
        "secrets/kek_id".to_owned(),
        "db/db".to_owned(),
        "db/conf".to_owned(),
        "auth/db".to_owned(),
        "format".to_owned(),
    ];
    for name in names {
        let (path, kept) = (place.data(&name), place.path("kept"));
        fs::rename(&path, &kept).unwrap();
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let (code, text) = within(&place, &["verify", "--all"]);
        // A database is made anew, and the index of a sealed session is not needed to verify it.
        let sound = ["db/db", "db/conf", "auth/db"].contains(&name.as_str());
        if !sound && !name.ends_with("index") {
            assert_ne!(code, Some(0), "{name}: {text}");
        }
        within(&place, &["verify", &id]);
        within(&place, &["ledger", "check"]);
        within(&place, &["restore", &id]);
        within(&place, &["users", "list"]);
        let (code, text) = within(&place, &["doctor"]);
        assert!(code.is_some(), "{name}: {text}");
        if !sound {
            fs::remove_file(&path).unwrap();
            fs::rename(&kept, &path).unwrap();
        }
        assert_eq!(within(&place, &["verify", "--all"]).0, Some(0), "{name} is back");
    }
}

#[test]
fn a_pipe_in_the_place_of_a_secrets_file_holds_nobody_up() {
    let place = Place::new();
    let pipe = place.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let pipe = pipe.to_str().unwrap();
    for setting in [
        "master_key_file",
        "jwt_secret_file",
        "service_secret_file",
        "proxy_file",
        "tor_password_file",
        "tron_api_key_file",
        "tron_private_key_file",
        "mongo_url_file",
    ] {
        let toml = place.write("lucid.toml", format!("{setting} = \"{pipe}\"\n"));
        let (code, text) = within(&place, &["config", "check", "--config", &toml]);
        assert_eq!(code, Some(64), "{text}");
        assert!(text.contains(setting) && text.contains("nobody writes"), "{text}");
    }
    let (code, text) = within(&place, &["config", "check", "--config", pipe]);
    assert!(code == Some(64) && text.contains("nobody writes"), "{text}");
    let tls =
        format!("tls_certificate = \"{pipe}\"\ntls_key = \"{pipe}\"\nlisten = \"127.0.0.1:0\"\n");
    let toml = place.write("lucid.toml", tls);
    let (code, text) = within(&place, &["run", "--config", &toml]);
    assert!(code == Some(64) && text.contains("no regular file"), "{text}");
}

#[test]
fn a_secret_may_come_through_a_pipe() {
    let place = Place::new();
    let key = "ab".repeat(32);
    let shell = format!("\"$0\" config show --master-key-file <(sleep 0.2; echo {key})");
    let mut command = Command::new("bash");
    command.args(["-c", &shell, env!("CARGO_BIN_EXE_lucid-node")]).current_dir(place.path(""));
    let output = command.env_clear().output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(!String::from_utf8_lossy(&output.stdout).contains(&key));
}
