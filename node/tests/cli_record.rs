//! `record`: what the recorded command can see.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod place;

use place::Place;

#[test]
fn the_recorded_command_gets_none_of_the_nodes_secrets() {
    let key = "5e".repeat(32);
    let place = Place::new();
    let mut command = place.command(&["record", "--json", "--", "/bin/sh", "-c", "env"]);
    command.env("LUCID_MASTER_KEY", &key).env("TRON_PRIVATE_KEY", &key).env("SHOWN", "yes");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let recorded: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let id = recorded["session_id"].as_str().unwrap();
    let mut restore = place.command(&["restore", id]);
    let cast = restore.env("LUCID_MASTER_KEY", &key).output().unwrap();
    assert!(cast.status.success(), "{}", String::from_utf8_lossy(&cast.stderr));
    let cast = String::from_utf8(cast.stdout).unwrap();
    assert!(cast.contains("SHOWN=yes"), "{cast}");
    assert!(!cast.contains(&key), "a secret was recorded");
    assert!(!cast.contains("LUCID_MASTER_KEY"), "not even its name");
}
