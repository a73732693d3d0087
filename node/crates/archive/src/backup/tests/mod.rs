//! Backups as their callers see them: what comes back, what is refused, and what a crash leaves.

mod crash;
mod foreign;
mod golden;
mod hostile;

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use age::secrecy::SecretString;
use lucid_store::Disk;

use super::*;
use crate::{
    error::ArchiveError,
    testing::{at, checkpoint, files, fill, folder, node, open, seal, session},
};

/// An identity of these tests, and its recipient.
fn identity() -> (Opener, String) {
    let identity = age::x25519::Identity::generate();
    let recipient = identity.to_public().to_string();
    (Opener::Identities(vec![identity]), recipient)
}

fn options<'a>(recipient: &str, progress: &'a mut dyn FnMut(u64, u64)) -> WriteOptions<'a> {
    WriteOptions {
        keepers: Keepers::recipients(&[recipient]).unwrap(),
        trial: None,
        extras: Vec::new(),
        replace: false,
        at: at(1_764_140_400_123),
        software: "lucid-archive tests".into(),
        disk: Disk::default(),
        progress,
    }
}

fn backup(data: &Path, to: &Path, recipient: &str) -> Result<Written, ArchiveError> {
    write(data, to, options(recipient, &mut |_, _| ()))
}

fn put_back(from: &Path, opener: &Opener, to: &Path) -> Result<Restored, ArchiveError> {
    restore(from, opener, to, &Expected::default(), &Disk::default(), &mut |_, _| ())
}

fn looked_at(from: &Path, opener: &Opener) -> Result<Restored, ArchiveError> {
    check(from, opener, &Expected::default(), &mut |_, _| ())
}

fn shown(error: &ArchiveError) -> String {
    format!("{error} {error:?}")
}

#[test]
fn keys_are_tried_before_the_backup_has_its_name() {
    let place = folder();
    let (data, file) = (place.path().join("data"), place.path().join("b.age"));
    drop(node(&data));
    let ((ours, recipient), (others, other)) = (identity(), identity());
    let nothing = &mut |_, _| ();
    let trial = Some(others);
    let refused = write(&data, &file, WriteOptions { trial, ..options(&recipient, nothing) });
    let error = refused.unwrap_err();
    assert!(matches!(error, ArchiveError::Keys(_)) && !file.exists(), "{}", shown(&error));
    let keepers = || Keepers::recipients(&[&other, &recipient]).unwrap();
    let tried = WriteOptions { keepers: keepers(), ..options(&recipient, nothing) };
    let written = write(&data, &file, WriteOptions { trial: Some(ours), ..tried }).unwrap();
    assert!(written.is_tried && written.recipients == [other.clone(), recipient.clone()]);
    // A passphrase that is another one is met when it is tried, and nothing has the name.
    fs::remove_file(&file).unwrap();
    let passphrase = |text: &str| SecretString::from(text.to_owned());
    let keepers = Keepers::passphrase(passphrase("a passphrase of some length")).unwrap();
    let trial = Some(Opener::passphrase(passphrase("another one")).unwrap());
    let tried = WriteOptions { keepers, trial, ..options(&recipient, nothing) };
    let error = write(&data, &file, tried).unwrap_err();
    assert!(matches!(error, ArchiveError::Locked { .. }), "{}", shown(&error));
    assert_eq!(files(place.path()).iter().filter(|name| !name.starts_with("data")).count(), 0);
}

#[test]
fn everything_but_chunks_comes_back() {
    let place = folder();
    let (data, file, back) =
        (place.path().join("data"), place.path().join("b.age"), place.path().join("back"));
    let store = node(&data);
    let (text, size) = (checkpoint(&store), store.with_log(|log| Ok(log.size())).unwrap());
    drop(store);
    fs::create_dir_all(data.join("witness")).unwrap();
    fs::write(data.join("witness").join("ab".repeat(32)), "a checkpoint").unwrap();
    fs::write(data.join("secrets/witness.logs"), "one log\n").unwrap();
    fs::write(data.join("log/tail.tmp"), "never acknowledged").unwrap();
    fs::write(data.join("letter.txt"), "dear").unwrap();
    let toml = place.path().join("lucid.toml");
    fs::write(&toml, "listen = \"127.0.0.1:8080\"\n").unwrap();
    let (opener, recipient) = identity();
    let (mut told, mut last) = (0, (0, 0));
    let progress = &mut |done, total| {
        told += 1;
        last = (done, total);
    };
    let extras = vec![Extra { name: "lucid.toml".into(), path: toml.clone() }];
    let written =
        write(&data, &file, WriteOptions { extras, ..options(&recipient, progress) }).unwrap();
    assert!(told > 10 && last.0 == last.1 && last.0 == written.facts.bytes, "{told} {last:?}");
    assert_eq!(written.left_out, ["letter.txt"]);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(written.file_bytes, fs::metadata(&file).unwrap().len());

    for restored in [looked_at(&file, &opener).unwrap(), put_back(&file, &opener, &back).unwrap()] {
        assert_eq!(restored.facts, written.facts);
        assert_eq!(restored.log_size, Some(size));
        assert_eq!(
            (restored.config.as_slice(), restored.witnessed),
            (&["lucid.toml".into()][..], 1)
        );
    }
    assert_eq!(written.facts.checkpoint.as_deref(), Some(text.as_str()));
    assert_eq!(
        fs::read(back.join("config.restored/lucid.toml")).unwrap(),
        fs::read(&toml).unwrap()
    );
    for name in files(&back) {
        let path = back.join(&name);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{name:?}");
        let made = [Path::new("lock"), Path::new("restored")];
        let came_along = name.starts_with("config.restored") || made.contains(&name.as_path());
        assert!(
            came_along || fs::read(data.join(&name)).unwrap() == fs::read(&path).unwrap(),
            "{name:?}"
        );
    }
    for name in files(&data) {
        let is_left_out = ["chunks", "db", "lock", "letter.txt", "log/tail.tmp", "witness"];
        let left_out = is_left_out.iter().any(|left| name.starts_with(left));
        assert_eq!(back.join(&name).exists(), !left_out || name == Path::new("lock"), "{name:?}");
    }
    // A node starts on it: its sessions are known, and its log is the one that was.
    let (store, recovery) = open(&back);
    assert!(recovery.unknown.is_empty(), "{recovery:?}");
    let (later, root) = store.with_log(|log| Ok((log.size(), log.root_at(size)?))).unwrap();
    assert!(later >= size);
    let was = lucid_core::note::Checkpoint::verify(&text, store.log_key().verifier_key()).unwrap();
    assert_eq!(root, was.root);
    assert_eq!(store.manifest(session(3)).unwrap().manifest.chunk_count, 3);
}

#[test]
fn a_passphrase_opens_it_and_no_other() {
    let place = folder();
    let (data, file) = (place.path().join("data"), place.path().join("b.age"));
    drop(crate::testing::create(&data));
    let text = |text: &str| SecretString::from(text.to_owned());
    let keepers = Keepers::passphrase(text("correct horse battery")).unwrap();
    let nothing = &mut |_, _| ();
    let (_, recipient) = identity();
    write(&data, &file, WriteOptions { keepers, ..options(&recipient, nothing) }).unwrap();
    looked_at(&file, &Opener::passphrase(text("correct horse battery")).unwrap()).unwrap();
    let others = [Opener::passphrase(text("correct horse batterz")).unwrap(), identity().0];
    for other in others {
        let error = looked_at(&file, &other).unwrap_err();
        assert!(matches!(error, ArchiveError::Locked { .. }), "{error}");
        assert!(!shown(&error).contains("horse"), "{error}");
    }
    let short = Keepers::passphrase(text("password")).unwrap_err();
    assert!(
        short.to_string().contains("12 characters") && !shown(&short).contains("password\""),
        "{short}"
    );
}

#[test]
fn keys_that_are_none_are_named_and_not_shown() {
    let secret = "AGE-SECRET-KEY-1QQQQQQQQ";
    for error in [
        Keepers::recipients(&["age1nonsense"]).unwrap_err(),
        Keepers::recipients(&[secret]).unwrap_err(),
        Keepers::recipients::<&str>(&[]).unwrap_err(),
        Opener::identities(format!("# made by hand\n{secret}\n").as_bytes()).unwrap_err(),
        Opener::identities(b"# nothing\n").unwrap_err(),
        Opener::identities(&[0xff]).unwrap_err(),
    ] {
        assert!(matches!(error, ArchiveError::Keys(_)), "{error}");
        assert!(!shown(&error).contains("QQQQ") && !shown(&error).contains("nonsense"), "{error}");
    }
}

#[test]
fn places_that_will_not_do() {
    let place = folder();
    let (data, file) = (place.path().join("data"), place.path().join("b.age"));
    let store = node(&data);
    let (opener, recipient) = identity();
    let in_use = backup(&data, &file, &recipient).unwrap_err();
    assert!(in_use.to_string().contains("in use"), "{in_use}");
    drop(store);
    let inside = backup(&data, &data.join("b.age"), &recipient).unwrap_err();
    assert!(matches!(inside, ArchiveError::Inside { .. }), "{inside}");
    let deeper = backup(&data, &data.join("log/b.age"), &recipient).unwrap_err();
    assert!(matches!(deeper, ArchiveError::Inside { .. }), "{deeper}");

    fs::write(&file, "older").unwrap();
    let exists = backup(&data, &file, &recipient).unwrap_err();
    assert!(matches!(exists, ArchiveError::Exists { .. }), "{exists}");
    assert_eq!(fs::read(&file).unwrap(), b"older");
    let nothing = &mut |_, _| ();
    write(&data, &file, WriteOptions { replace: true, ..options(&recipient, nothing) }).unwrap();
    looked_at(&file, &opener).unwrap();

    let back = place.path().join("back");
    fs::create_dir(&back).unwrap();
    fs::write(back.join("photo.jpg"), "mine").unwrap();
    let full = put_back(&file, &opener, &back).unwrap_err();
    assert!(full.to_string().contains("photo.jpg"), "{full}");
    assert_eq!(files(&back), [Path::new("photo.jpg")]);
    fs::remove_file(back.join("photo.jpg")).unwrap();
    // Chunks that were not lost may be there.
    fs::create_dir(back.join("chunks")).unwrap();
    fs::write(back.join("chunks/left"), "x").unwrap();
    put_back(&file, &opener, &back).unwrap();
    assert!(back.join("chunks/left").exists());
    let again = put_back(&file, &opener, &back).unwrap_err();
    assert!(matches!(again, ArchiveError::NotEmpty { .. }), "{again}");
}

#[test]
fn links_and_pipes_are_in_no_backup() {
    let place = folder();
    let (data, file) = (place.path().join("data"), place.path().join("b.age"));
    drop(node(&data));
    let (_, recipient) = identity();
    let link = data.join("log/elsewhere");
    std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
    let error = backup(&data, &file, &recipient).unwrap_err();
    assert!(error.to_string().contains("log/elsewhere"), "{error}");
    assert!(!file.exists());
    fs::remove_file(&link).unwrap();
    fs::write(data.join("log/two words"), "").unwrap();
    let error = backup(&data, &file, &recipient).unwrap_err();
    assert!(matches!(error, ArchiveError::Unfit { .. }), "{error}");
}

#[test]
fn an_older_log_than_is_known_is_refused() {
    let place = folder();
    let (data, file) = (place.path().join("data"), place.path().join("b.age"));
    let store = node(&data);
    let before = checkpoint(&store);
    drop(store);
    let (opener, recipient) = identity();
    backup(&data, &file, &recipient).unwrap();
    let (store, _) = open(&data);
    let node_id = store.node_id();
    fill(&store, 6, 1);
    seal(&store, 6);
    let after = checkpoint(&store);
    drop(store);
    let ask = |expected: &Expected, name: &str| {
        let to = place.path().join(name);
        let checked = check(&file, &opener, expected, &mut |_, _| ());
        let restored = restore(&file, &opener, &to, expected, &Disk::default(), &mut |_, _| ());
        assert_eq!(restored.is_ok(), to.join("format").exists());
        [checked, restored]
    };
    let known = Expected { node: Some(node_id), checkpoints: vec![before.clone()] };
    assert!(ask(&known, "one").iter().all(Result::is_ok));
    let later = Expected { node: None, checkpoints: vec![before.clone(), after] };
    for refused in ask(&later, "two") {
        let error = refused.unwrap_err();
        assert!(matches!(error, ArchiveError::OlderThanKnown { .. }), "{error}");
        assert!(error.to_string().contains("fork"), "{error}");
    }
    let other = place.path().join("other");
    let stranger = node(&other);
    for refused in ask(&Expected { node: Some(stranger.node_id()), checkpoints: vec![] }, "three") {
        assert!(matches!(refused.unwrap_err(), ArchiveError::OtherNode { .. }));
    }
    let foreign = Expected { node: None, checkpoints: vec![checkpoint(&stranger)] };
    for refused in ask(&foreign, "four") {
        assert!(matches!(refused.unwrap_err(), ArchiveError::Checkpoint(_)));
    }
}

#[test]
fn a_damaged_log_is_not_saved_as_if_it_were_sound() {
    let place = folder();
    let (data, file) = (place.path().join("data"), place.path().join("b.age"));
    drop(node(&data));
    let tail = data.join("log/tail");
    let mut bytes = fs::read(&tail).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&tail, bytes).unwrap();
    let (_, recipient) = identity();
    let error = backup(&data, &file, &recipient).unwrap_err();
    assert!(error.to_string().contains("log/tail"), "{error}");
    assert!(!file.exists());
}
