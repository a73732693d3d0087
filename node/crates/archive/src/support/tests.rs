use std::process::Command;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};

use super::*;
use crate::testing::{Script, at, folder, node};

fn part(name: &str, content: impl Into<Vec<u8>>) -> Part {
    Part { name: name.to_owned(), content: content.into() }
}

fn options() -> BundleOptions {
    let disk = Disk::default();
    BundleOptions {
        folder: "lucid-support".into(),
        replace: false,
        at: at(1_764_140_400_000),
        disk,
    }
}

#[test]
fn tar_and_zstd_read_it() {
    let place = folder();
    let file = place.path().join("s.tar.zst");
    let log = "it works\n".repeat(10_000);
    let parts = [part("log.txt", log.clone()), part("doctor.json", "{}")];
    let bundle = write(&file, &parts, &Secrets::default(), &options()).unwrap();
    assert_eq!(bundle.parts, [("log.txt".into(), 90_000), ("doctor.json".into(), 2)]);
    assert!(bundle.file_bytes < 10_000 && bundle.file_bytes == fs::metadata(&file).unwrap().len());
    let shown = place.path().display();
    let command = format!("tar --zstd -xf {shown}/s.tar.zst -C {shown}");
    assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
    assert_eq!(fs::read_to_string(place.path().join("lucid-support/log.txt")).unwrap(), log);
    let contents = fs::read_to_string(place.path().join("lucid-support/contents.txt")).unwrap();
    assert!(contents.contains(&Hash::of(log.as_bytes()).to_string()), "{contents}");
    let again = write(&file, &parts, &Secrets::default(), &options()).unwrap_err();
    assert!(matches!(again, ArchiveError::Exists { .. }), "{again}");
    write(&file, &parts, &Secrets::default(), &BundleOptions { replace: true, ..options() })
        .unwrap();
}

/// Every form in which these bytes might stand in a text.
fn forms(bytes: &[u8]) -> Vec<String> {
    let mut forms = vec![
        hex::encode(bytes),
        hex::encode_upper(bytes),
        STANDARD.encode(bytes),
        URL_SAFE_NO_PAD.encode(bytes),
    ];
    for before in [&b"x"[..], b"xy", b"xyz"] {
        let inside = [before, bytes, b"and more"].concat();
        forms.extend([STANDARD.encode(&inside), URL_SAFE_NO_PAD.encode(&inside)]);
    }
    forms
}

#[test]
fn no_secret_gets_in_in_any_form() {
    let place = folder();
    let data = place.path().join("data");
    drop(node(&data));
    let secrets = || Secrets::of_folder(&data).unwrap();
    let mut told = 0;
    let mut refused = |text: String, what: &str, secrets: &Secrets| {
        let file = place.path().join("s.tar.zst");
        let content = format!("first line\n{{\"said\": \"{text}\"}}\n");
        let parts = [part("doctor.json", "{}"), part("log.txt", content)];
        let error = write(&file, &parts, secrets, &options()).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(matches!(error, ArchiveError::SecretInside { .. }), "{shown}");
        assert!(shown.contains("log.txt") && shown.contains(what), "{shown}");
        assert!(!shown.contains(&text), "{shown}");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1, "something was written");
        told += 1;
    };
    for name in ["master.key", "node.key"] {
        let text = fs::read_to_string(data.join("secrets").join(name)).unwrap();
        let key = hex::decode(text.trim()).unwrap();
        for form in forms(&key).into_iter().chain(forms(text.trim().as_bytes())) {
            refused(form, name, &secrets());
        }
        // Half of it is as bad.
        refused(text[10..40].to_owned(), name, &secrets());
        refused(STANDARD.encode(&key[..16]), name, &secrets());
    }
    let key_file = fs::read_dir(data.join("keys")).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(&key_file).unwrap();
    let name = key_file.file_name().unwrap().to_string_lossy().into_owned();
    refused(text.replace('"', "'"), &name, &secrets());
    let ct = text.split("\"ct\":\"").nth(1).unwrap().split('"').next().unwrap();
    refused(ct[7..40].to_owned(), &name, &secrets());
    refused(hex::encode(STANDARD.decode(ct).unwrap()), &name, &secrets());

    let mut given = Secrets::default();
    assert!(given.value("the configured mongo.password", b"Tr0ub4dor"));
    assert!(!given.value("a short one", b"abc"));
    for form in forms(b"Tr0ub4dor").into_iter().chain(["Tr0ub4dor".into()]) {
        refused(form, "mongo.password", &given);
    }
    for shape in [
        "AGE-SECRET-KEY-1QQ",
        "-----BEGIN PRIVATE KEY-----",
        "Bearer eyJhbGciOiJIUzI1NiJ9.e30.x",
        "eyJ0eXAiOiJKV1QiLCJh",
    ] {
        refused(shape.to_owned(), "", &Secrets::default());
    }
    assert!(told > 50, "{told}");
}

#[test]
fn what_is_public_gets_in() {
    let place = folder();
    let data = place.path().join("data");
    let store = node(&data);
    let checkpoint = crate::testing::checkpoint(&store);
    drop(store);
    let kek_id = fs::read_to_string(data.join("secrets/kek_id")).unwrap();
    let manifest = fs::read_dir(data.join("sessions")).unwrap().next().unwrap().unwrap().path();
    let named = format!("{kek_id}{checkpoint}{}", manifest.display());
    let parts = [
        part("log.txt", named),
        part("key.txt", "{\"version\":1,\"wraps\":[{\"kind\":\"kek\",\"kek_id\""),
    ];
    let secrets = Secrets::of_folder(&data).unwrap();
    write(&place.path().join("s.tar.zst"), &parts, &secrets, &options()).unwrap();
    assert!(!format!("{secrets:?}").contains("key"));
}

#[test]
fn parts_that_will_not_do() {
    let place = folder();
    let many: Vec<_> = (0..257).map(|number| part(&format!("{number}"), "")).collect();
    for (parts, word) in [
        (vec![part("log.gz", vec![0x1f, 0x8b, 0xff])], "UTF-8"),
        (vec![part("log.txt", "a\0b")], "zero byte"),
        (vec![part("../log", "")], "a-z"),
        (vec![part("", "")], "a-z"),
        (vec![part(".hidden", "")], "a-z"),
        (vec![part(&"a".repeat(49), "")], "a-z"),
        (vec![part("a", ""), part("a", "")], "two parts"),
        (vec![part("contents.txt", "")], "two parts"),
        (many, "256"),
        (vec![part("a", vec![b' '; BYTES_MAX]), part("b", " ")], "64 MiB"),
    ] {
        let file = place.path().join("s");
        let error = write(&file, &parts, &Secrets::default(), &options()).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
        assert!(!file.exists());
    }
}

#[test]
fn a_disk_that_fails_leaves_no_file() {
    let place = folder();
    let file = place.path().join("s.tar.zst");
    for nth in 0..5 {
        let disk = Disk::with_faults(Script::dead_from(nth));
        let made = write(
            &file,
            &[part("a", "b")],
            &Secrets::default(),
            &BundleOptions { disk, ..options() },
        );
        assert!(made.is_err(), "{nth}");
        // Only the sync of its name comes after it has it.
        assert_eq!(file.exists(), nth == 4, "{nth}");
    }
}
