//! A node that loses its folder and gets it back, and what is sent to support, by the real binary.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod place;

use std::{fs, process::Command};

use place::{Place, text};

/// A place with an age identity in `backup.key`, and its recipient.
fn with_identity() -> (Place, String) {
    let place = Place::with_node();
    let recipient =
        shell(&place, "age-keygen -o backup.key 2>/dev/null && age-keygen -y backup.key");
    (place, recipient.trim().to_owned())
}

fn shell(place: &Place, command: &str) -> String {
    let mut shell = Command::new("bash");
    shell.args(["-euo", "pipefail", "-c", command]).current_dir(place.path(""));
    let output = shell.output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_lost_folder_comes_back() {
    let (place, recipient) = with_identity();
    let content: Vec<u8> =
        (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
    let file = place.write("recording.bin", &content);
    let session = text(&place.json(&["ingest", &file, "--chunk-bytes", "1MiB"], 0)["session_id"]);
    let other = place.ingest(b"another one");
    let head = place.json(&["ledger", "head"], 0);
    let checkpoint = place.write("old.txt", text(&head["checkpoint"]));
    fs::create_dir(place.path("objects")).unwrap();
    let objects = format!("file://{}", place.path("objects").display());

    let sent = place.json(&["chunks", "export", &objects], 0);
    assert_eq!((&sent["chunks"], &sent["sessions_whole"]), (&4.into(), &2.into()), "{sent}");
    assert_eq!(place.json(&["chunks", "export", &objects], 0)["chunks"], 0);
    assert_eq!(place.json(&["chunks", "verify", &objects], 0)["chunks"], 4);
    let created = place.json(&["backup", "create", "node.age", "--recipient", &recipient], 0);
    assert_eq!(created["log_size"], head["log_size"]);
    place.run(&["backup", "create", "node.age", "--recipient", &recipient], 64);
    let listed = shell(&place, "age -d -i backup.key node.age | tar -t");
    assert!(listed.contains("data/secrets/master.key") && !listed.contains("chunks"), "{listed}");

    let identity = ["--identity", "backup.key"];
    let checked = place.json(&[&["backup", "check", "node.age"], &identity[..]].concat(), 0);
    assert_eq!(checked["checkpoint"], head["checkpoint"]);
    fs::remove_dir_all(place.path("lucid-data")).unwrap();
    let back =
        [&["backup", "restore", "node.age", "--newer-checkpoint", &checkpoint], &identity[..]]
            .concat();
    let told = place.run(&back, 0);
    assert!(
        told.out.contains("--newer-checkpoint") && told.out.contains("chunks import"),
        "{}",
        told.out
    );
    place.run(&back, 64);
    // Before the chunks are back, the session is known and cannot be read.
    place.run(&["verify", &session], 1);
    assert_eq!(place.json(&["chunks", "import", &objects], 0)["chunks"], 4);
    for session in [&session, &other] {
        place.run(&["verify", session], 0);
    }
    place.run(&["restore", &session, "-o", "again.bin"], 0);
    assert!(fs::read(place.path("again.bin")).unwrap() == content);
    place.run(&["ledger", "check"], 0);
    looking_signs_nothing(&place, &session, &head);

    // The log goes on, and the backup is older than what is known now.
    place.ingest(b"since then");
    let later = place.write("later.txt", text(&place.json(&["ledger", "head"], 0)["checkpoint"]));
    let older = ["backup", "check", "node.age", "--newer-checkpoint", &later];
    let refused = place.run(&[&older[..], &identity[..]].concat(), 1);
    assert!(refused.err.contains("fork"), "{}", refused.err);
    // A chunk that is gone there is named.
    fs::remove_dir_all(place.path("lucid-data/chunks").join(&session)).unwrap();
    fs::remove_dir_all(place.path("objects/chunks").join(&session)).unwrap();
    let lost = place.json(&["chunks", "import", &objects], 1);
    assert_eq!(lost["losses_count"], 3, "{lost}");
    assert_eq!(lost["chunks_there"], 3, "what is here is not asked for: {lost}");
}

/// The node may live elsewhere: only what goes on with it goes on with its log.
fn looking_signs_nothing(place: &Place, session: &str, head: &serde_json::Value) {
    let (mark, log) = (place.data("restored"), || place.files("lucid-data/log"));
    let before = log();
    place.run(&["list"], 0);
    place.run(&["show", session], 0);
    place.run(&["verify", "--all"], 0);
    place.run(&["prove", session, "-o", "looked.lucid-proof"], 0);
    let doctor = place.run(&["doctor"], 0);
    assert!(doctor.out.contains("nobody has gone on in it"), "{}", doctor.out);
    assert!(mark.exists() && log() == before, "something was signed");
    assert_eq!(place.json(&["ledger", "head"], 0)["checkpoint"], head["checkpoint"]);
    place.ingest(b"gone on with");
    assert!(!mark.exists());
    let after = place.json(&["ledger", "head"], 0)["log_size"].as_u64().unwrap();
    // That the folder was restored, and a session opened and sealed.
    assert_eq!(after, head["log_size"].as_u64().unwrap() + 3);
}

#[test]
fn keys_are_asked_for_and_wrong_ones_named() {
    let (place, recipient) = with_identity();
    place.run(&["backup", "create", "node.age"], 64);
    place.run(&["backup", "create", "node.age", "--recipient", "age1nonsense"], 64);
    shell(&place, "age-keygen -o other.key 2>&1");
    let tried = ["backup", "create", "tried.age", "--recipient", &recipient, "--identity"];
    let refused = place.run(&[&tried[..], &["other.key"]].concat(), 64);
    assert!(refused.err.contains("none of the recipients") && !place.path("tried.age").exists());
    let made = place.json(&[&tried[..], &["backup.key"]].concat(), 0);
    assert_eq!((&made["recipients"][0], &made["tried"]), (&recipient.clone().into(), &true.into()));
    let untried = place.run(&["backup", "create", "untried.age", "--recipient", &recipient], 0);
    assert!(untried.out.contains(&recipient) && untried.out.contains("NOT"), "{}", untried.out);
    place.run(&["backup", "create", "lucid-data/node.age", "--recipient", &recipient], 64);
    place.write("pass", "short\n");
    place.run(&["backup", "create", "node.age", "--passphrase-file", "pass"], 64);
    place.write("pass", "long enough to be one\n");
    place.run(&["backup", "create", "node.age", "--passphrase-file", "pass"], 0);
    place.run(&["backup", "check", "node.age", "--passphrase-file", "pass"], 0);
    let locked = place.run(&["backup", "check", "node.age", "--identity", "backup.key"], 1);
    assert!(locked.err.contains("none of the keys"), "{}", locked.err);
    let place_of = ["chunks", "export", "s3://bucket/x"];
    let keyless = place.run_with(&place_of, &[("AWS_ACCESS_KEY_ID", "")], 64);
    assert!(keyless.err.contains("AWS_ACCESS_KEY_ID"), "{}", keyless.err);
    place.run(&["chunks", "export", "file:///nowhere/at/all"], 64);
}

#[test]
fn a_support_bundle_holds_no_secret() {
    let place = Place::with_node();
    place.write("node.log", "it started\nit stopped\n");
    let secret = [("LUCID_JWT_SECRET", "a-secret-of-the-settings-long-enough")];
    let bundle =
        ["support-bundle", "-o", "s.tar.zst", "--log", "node.log", "--listen", "127.0.0.1:1"];
    let made = place.run_with(&bundle, &secret, 0);
    assert!(made.out.contains("none found"), "{}", made.out);
    shell(&place, "tar --zstd -xf s.tar.zst");
    let configuration = fs::read_to_string(place.path("lucid-support/configuration.txt")).unwrap();
    assert!(
        configuration.contains("jwt_secret") && configuration.contains("****"),
        "{configuration}"
    );
    let log = fs::read_to_string(place.path("lucid-support/log-1.txt")).unwrap();
    assert_eq!(log, "it started\nit stopped\n");
    let key = fs::read_to_string(place.data("secrets/node.key")).unwrap();
    for leak in [key.as_str(), "said: a-secret-of-the-settings-long-enough"] {
        place.write("node.log", format!("it started\n{leak}\n"));
        let refused = place.run_with(&[&bundle[..], &["--force"]].concat(), &secret, 1);
        assert!(
            refused.err.contains("log-1.txt") && !refused.err.contains(leak),
            "{}",
            refused.err
        );
    }
}
