//! Configuration as a user meets it: what goes before what, what is refused, and that a refusal
//! touches nothing and gives no secret away.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod place;

use std::{fs, os::unix::fs::PermissionsExt};

use place::{Place, Ran, text};
use serde_json::Value;

const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const OTHER_KEY: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";

/// A setting's value and where `config show` says it came from.
fn setting(shown: &Value, name: &str) -> (Option<String>, String, Option<String>) {
    let settings = shown["settings"].as_array().unwrap();
    let setting = settings.iter().find(|setting| setting["name"] == name).unwrap();
    let optional = |field: &str| setting[field].as_str().map(str::to_owned);
    (optional("value"), text(&setting["origin"]), optional("source"))
}

fn no_key_in(ran: &Ran) {
    for part in [KEY, OTHER_KEY, &KEY[..16], &OTHER_KEY[..16]] {
        for text in [&ran.out, &ran.err] {
            assert!(!text.to_lowercase().contains(part), "{text}");
        }
    }
}

#[test]
fn the_nearer_source_wins() {
    let place = Place::new();
    let file = place.write("my.toml", "workers = 4\nowner = \"file\"\nflush_after = \"2s\"\n");
    let arguments = ["config", "show", "--json", "--config", &file, "--workers", "2"];
    let environment = [("LUCID_WORKERS", "3"), ("LUCID_OWNER", "env")];
    let shown = place.run_with(&arguments, &environment, 0).json();
    let check = |name: &str, value: &str, origin: &str, source: Option<&str>| {
        let want = (Some(value.to_owned()), origin.to_owned(), source.map(str::to_owned));
        assert_eq!(setting(&shown, name), want, "{name}");
    };
    check("workers", "2", "command-line", Some("--workers"));
    check("owner", "env", "environment", Some("LUCID_OWNER"));
    check("flush_after", "2s", "file", Some(&format!("{file}, line 3")));
    check("zstd_level", "3", "default", None);
    check("config", &file, "command-line", Some("--config"));
    assert_eq!(shown["problems"], Value::Array(Vec::new()));
    let words = place.run(&["config", "show"], 0).out;
    assert!(words.contains("a hundredth of the disk, 64MiB to 1GiB"), "{words}");
    assert_eq!(setting(&place.json(&["config", "show"], 0), "reserve_bytes").0, None);
    let lines = place.run_with(&arguments[..2], &environment, 0).out;
    assert!(lines.contains("environment (LUCID_OWNER)"), "{lines}");
    // The place of a global option does not matter.
    let shown = place.run(&["--owner", "a", "config", "show", "--json"], 0).json();
    assert_eq!(setting(&shown, "owner").0.as_deref(), Some("a"));
}

#[test]
fn what_is_refused_touches_nothing() {
    let place = Place::new();
    let unknown = place.write("unknown.toml", "owner = \"a\"\nchunk_byte = 65536\n");
    let no_toml = place.write("no.toml", "owner = \n");
    let check = |arguments: &[&str], environment: &[(&str, &str)], parts: &[&str]| {
        for command in [&["init"][..], &["list"], &["doctor"], &["ledger", "check"]] {
            let ran = place.run_with(&[command, arguments].concat(), environment, 64);
            for part in parts {
                assert!(ran.err.contains(part), "{part:?} in {}", ran.err);
            }
        }
        let checked =
            place.run_with(&[&["config", "check", "--json"], arguments].concat(), environment, 64);
        let checked = checked.json();
        assert_eq!(checked["ok"], false);
        assert!(text(&checked["problems"][0]).contains(parts[0]), "{checked}");
        assert!(!place.path("lucid-data").exists(), "nothing was made");
    };
    check(
        &["--config", &unknown],
        &[],
        &["chunk_byte", "line 2", "nearest is chunk_bytes", &unknown],
    );
    check(&["--config", &no_toml], &[], &["line 1", &no_toml]);
    check(&["--config", "missing.toml"], &[], &["missing.toml", "--config", "No such file"]);
    check(&[], &[("LUCID_CONFIG", "missing.toml")], &["missing.toml", "LUCID_CONFIG"]);
    check(&[], &[("LUCID_CHUNKBYTES", "1")], &["LUCID_CHUNKBYTES", "nearest is LUCID_CHUNK_BYTES"]);
    check(&[], &[("LUCID_OWNER", "a b")], &["LUCID_OWNER", "owner"]);
    check(&["--chunk-bytes", "8MB"], &[], &["--chunk-bytes", "8MB", "64KiB to 16MiB"]);
    check(&["--chunk-bytes", "32MiB"], &[], &["32MiB", "64KiB to 16MiB"]);
    check(&["--flush-after", "10"], &[], &["--flush-after", "10s or 500ms"]);
    check(&["--workers", "65"], &[], &["--workers", "1 to 64"]);
    check(&["--zstd-level", "20"], &[], &["--zstd-level", "1 to 9"]);
    check(&["--age-recipient", "age1x"], &[], &["--age-recipient", "age1"]);
    check(&["--write-only"], &[("LUCID_MASTER_KEY", KEY)], &["LUCID_MASTER_KEY", "write_only"]);
    // These are the command line's own.
    place.run(&["list", "--suite", "rot13"], 64);
    place.run(&["list", "--workers"], 64);
    place.run(&["list", "--master-key", KEY], 64);
    place.run(&[], 64);
}

#[test]
fn a_configuration_is_checked_as_a_whole() {
    let place = Place::new();
    assert_eq!(place.run(&["config", "check"], 0).out, "ok\n");
    let environment = [("LUCID_NONSENSE", "1"), ("LUCID_WORKERS", "many")];
    let checked = place.run_with(&["config", "check", "--zstd-level", "0"], &environment, 64);
    assert_eq!(checked.out.lines().count(), 3, "{}", checked.out);
    // It is shown all the same.
    let shown = place.run_with(&["config", "show", "--json"], &environment, 64).json();
    assert_eq!(shown["problems"].as_array().unwrap().len(), 2);
    assert_eq!(setting(&shown, "workers").0, None);
    assert_eq!(setting(&shown, "owner").0.as_deref(), Some("local"));
}

#[test]
fn secrets_are_masked_and_never_printed() {
    let place = Place::new();
    let key_file = place.write("kek", format!("{}\n", KEY.to_uppercase()));
    let toml = place.write("key.toml", format!("master_key = \"{KEY}\"\n"));
    for secret in [&key_file, &toml] {
        fs::set_permissions(secret, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let loud = ["--log-level", "trace"];
    for environment in [
        ("LUCID_MASTER_KEY", KEY),
        ("LUCID_MASTER_KEY_FILE", &key_file),
        ("MASTER_ENCRYPTION_KEY", KEY),
        ("MASTER_ENCRYPTION_KEY_FILE", &key_file),
        ("LUCID_CONFIG", &toml),
    ] {
        let place = Place::new();
        for command in
            [&["config", "show"][..], &["config", "show", "--json"], &["init"], &["doctor"]]
        {
            let ran = place.run_with(&[command, &loud].concat(), &[environment], 0);
            no_key_in(&ran);
            if command == ["config", "show"] && !environment.0.ends_with("_FILE") {
                assert!(ran.out.contains("********"), "{}", ran.out);
            }
        }
        assert!(!place.data("secrets/master.key").exists(), "a key from outside is not written");
    }
    let half = &KEY[..40];
    for environment in [("LUCID_MASTER_KEY", half), ("LUCID_AGE_RECIPIENTS", half)] {
        for command in [&["config", "show"][..], &["config", "check"], &["init"]] {
            no_key_in(&place.run_with(command, &[environment], 64));
        }
    }
    let broken = place.write("broken.toml", format!("master_key = \"{KEY}\nowner = \"a\"\n"));
    no_key_in(&place.run(&["init", "--config", &broken], 64));
    fs::set_permissions(&toml, fs::Permissions::from_mode(0o604)).unwrap();
    let ran = place.run(&["init", "--config", &toml], 64);
    assert!(ran.err.contains("chmod o-rwx"), "{}", ran.err);
    no_key_in(&ran);
}

#[test]
fn a_wrong_master_key_is_told_before_anything_is_written() {
    let place = Place::new();
    let right = [("MASTER_ENCRYPTION_KEY", KEY)];
    let made = place.run_with(&["init", "--json"], &right, 0).json();
    let recording = place.write("recording", "one two three");
    place.run_with(&["ingest", &recording], &right, 0);
    let before = place.files("lucid-data");
    for (command, environment) in [
        (&["ingest", recording.as_str()][..], ("LUCID_MASTER_KEY", OTHER_KEY)),
        (&["list"], ("LUCID_MASTER_KEY", OTHER_KEY)),
        (&["ledger", "rebuild"], ("LUCID_MASTER_KEY", OTHER_KEY)),
    ] {
        let ran = place.run_with(command, &[environment], 64);
        assert!(ran.err.contains("wrong master key"), "{}", ran.err);
        assert!(ran.err.contains(&text(&made["kek_id"])), "{}", ran.err);
        no_key_in(&ran);
        assert_eq!(place.files("lucid-data"), before, "{command:?}");
    }
    // Without a key, what needs none works.
    place.run(&["list"], 0);
    let ran = place.run(&["ingest", &recording], 64);
    assert!(ran.err.contains("master key"), "{}", ran.err);
}

#[test]
fn folders_that_are_no_data_folder_are_left_alone() {
    let place = Place::new();
    let check = |code: i32, parts: &[&str]| {
        let before = place.path("lucid-data").exists().then(|| place.files("lucid-data"));
        for command in
            [&["list"][..], &["ledger", "head"], &["ledger", "check"], &["ledger", "rebuild"]]
        {
            let ran = place.run(command, code);
            for part in parts {
                assert!(ran.err.contains(part), "{part:?} in {}", ran.err);
            }
        }
        let after = place.path("lucid-data").exists().then(|| place.files("lucid-data"));
        assert_eq!(after, before);
    };
    check(1, &["no data folder", "lucid-node init --data"]);
    fs::create_dir(place.path("lucid-data")).unwrap();
    fs::write(place.data("photo.jpg"), "").unwrap();
    check(64, &["not a data folder", "nothing in it was touched"]);
    place.run(&["init"], 64);
    fs::write(place.data("format"), "lucid-data 2\n").unwrap();
    check(64, &["format 2", "reads format 1"]);
    let node = Place::with_node();
    let ran = node.run(&["init"], 64);
    assert!(ran.err.contains("data folder already"), "{}", ran.err);
}

#[test]
fn what_services_could_not_start_with_is_found_by_the_check() {
    let place = Place::new();
    let certificate = place.write("certificate.pem", "none");
    let check = |environment: &[(&str, &str)], part: &str| {
        let ran = place.run_with(&["config", "check"], environment, 64);
        assert!(
            ran.out.contains(part) || ran.err.contains(part),
            "{part:?} in {}{}",
            ran.out,
            ran.err
        );
        let ran = place.run_with(&["run", "--listen", "127.0.0.1:0"], environment, 64);
        assert!(ran.err.contains(part), "{part:?} in {}", ran.err);
        assert!(!place.path("lucid-data").exists(), "nothing is made for a node that cannot start");
    };
    // Letters are not enough: the address has a checksum.
    check(&[("LUCID_ADMINS", "Tbad")], "Tbad");
    check(
        &[("LUCID_ADMINS", "TJRabPrwbZy45sbavfcjinPJC18kjpRTv9")],
        "TJRabPrwbZy45sbavfcjinPJC18kjpRTv9",
    );
    check(&[("LUCID_TLS_CERTIFICATE", &certificate)], "go together");
    check(&[("LUCID_TLS_KEY", &certificate)], "go together");
    let missing = place.path("missing.pem").display().to_string();
    check(&[("LUCID_TLS_CERTIFICATE", &missing), ("LUCID_TLS_KEY", &missing)], "missing.pem");
    check(
        &[("LUCID_TLS_CERTIFICATE", &certificate), ("LUCID_TLS_KEY", &certificate)],
        "certificate.pem",
    );
    let good = [("LUCID_ADMINS", "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8")];
    place.run_with(&["config", "check"], &good, 0);
}

#[test]
fn a_node_that_cannot_serve_makes_no_folder() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = place.run(&["run", "--listen", &address], 74);
    assert!(ran.err.contains("cannot listen"), "{}", ran.err);
    assert!(!place.path("lucid-data").exists());
    let ran = place.run(&["run", "--listen", "127.0.0.1:0", "--write-only"], 64);
    assert!(ran.err.contains("write-only"), "{}", ran.err);
    assert!(!place.path("lucid-data").exists());
}
