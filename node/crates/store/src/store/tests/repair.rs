use lucid_core::ChunkIndex;

use super::*;
use crate::db::State;

/// A data folder with session 1 sealed, session 2 open with two chunks, session 3 open with none.
fn folder() -> (tempfile::TempDir, Vec<ChunkSummary>) {
    let folder = tempfile::tempdir().unwrap();
    let store = create(folder.path(), Disk::default()).unwrap();
    begin(&store, 1, 2);
    store.seal(session(1), &request()).unwrap();
    let chunks = begin(&store, 2, 2);
    begin(&store, 3, 0);
    (folder, chunks)
}

/// Opens after `change`; every repair is in the log and needed once only. Gives the repairs' texts.
fn check(change: impl FnOnce(&Path)) -> (tempfile::TempDir, Store, Vec<String>) {
    let (folder, _) = folder();
    change(folder.path());
    let (store, recovery) = open(folder.path());
    let texts: Vec<String> = recovery.repairs.iter().map(ToString::to_string).collect();
    let below = |texts: &[String]| -> Vec<String> {
        texts.iter().map(|text| recover::within(folder.path(), text)).collect()
    };
    let repaired = events(&store, "store.repaired");
    assert_eq!(repaired, below(&texts));
    let told = recovery.damaged.iter().map(|(id, text)| format!("session {id}: {text}"));
    let damaged = events(&store, "store.damaged");
    assert_eq!(damaged, below(&told.collect::<Vec<_>>()));
    for text in repaired.iter().chain(&damaged) {
        assert!(!text.contains(folder.path().to_str().unwrap()), "the log is not secret: {text}");
        assert!(!text.contains(" /") && !text.starts_with('/'), "an absolute path: {text}");
    }
    let damaged = recovery.damaged.len();
    drop(store);
    let (store, again) = open(folder.path());
    assert!(again.repairs.is_empty(), "needed once only: {again:?}");
    assert_eq!(again.damaged.len(), damaged, "damage stays");
    assert_eq!(events(&store, "store.damaged").len(), damaged, "and is told once");
    let texts = texts.into_iter().chain(recovery.damaged.into_iter().map(|(_, text)| text));
    (folder, store, texts.collect())
}

fn cut(path: &Path, bytes: u64) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(length - bytes).unwrap();
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_torn_index_is_cut_and_its_chunk_adopted() {
    let (_folder, store, texts) = check(|folder| cut(&session_file(folder, 2, "index"), 1));
    assert!(
        texts[0].contains("cut off 139 bytes") && texts[1].contains("kept 1 whole chunk from 1"),
        "{texts:?}"
    );
    assert_eq!(store.totals(session(2)).unwrap().chunk_count, 2);
    let (chunk, _) = chunk_bytes(session(2), 1, PLAIN);
    assert_eq!(index_of(&store, 2)[1], chunk);
}

#[test]
fn a_damaged_record_is_made_again_from_its_file() {
    let (_folder, store, texts) = check(|folder| flip(&session_file(folder, 2, "index"), 40));
    assert!(texts[1].contains("2 whole chunks from 0"), "{texts:?}");
    assert_eq!(store.totals(session(2)).unwrap().chunk_count, 2);
}

#[test]
fn a_damaged_record_without_its_file_is_named_and_left() {
    let (folder, store, texts) = check(|folder| {
        flip(&session_file(folder, 2, "index"), 40);
        fs::remove_file(chunk_file(folder, 2, 0)).unwrap();
    });
    assert!(texts[0].contains("record 0 is not whole"), "{texts:?}");
    assert!(matches!(store.totals(session(2)), Err(StoreError::Damaged { .. })));
    assert!(chunk_file(folder.path(), 2, 1).exists(), "nothing is set aside");
    begin(&store, 4, 1);
}

#[test]
fn an_acknowledged_chunk_that_is_gone_is_named() {
    let (_folder, _store, texts) =
        check(|folder| fs::remove_file(chunk_file(folder, 2, 1)).unwrap());
    assert!(texts[0].contains("missing: the files of 1 acknowledged chunk"), "{texts:?}");
}

#[test]
fn chunk_files_beyond_the_index_are_adopted_or_set_aside() {
    let (folder, store, texts) = check(|folder| {
        let write = |index, bytes: &[u8]| fs::write(chunk_file(folder, 2, index), bytes).unwrap();
        write(2, &chunk_bytes(session(2), 2, PLAIN).1);
        write(3, &chunk_bytes(session(2), 3, PLAIN).1[..60_000]);
        write(4, &chunk_bytes(session(2), 4, PLAIN).1);
        write(9, b"nothing");
        fs::write(chunk_file(folder, 2, 5).with_extension("lck.tmp"), b"half").unwrap();
    });
    assert_eq!(texts.len(), 5, "{texts:?}");
    assert_eq!(store.totals(session(2)).unwrap().chunk_count, 3);
    assert!(!chunk_file(folder.path(), 2, 3).exists());
    assert!(chunk_file(folder.path(), 2, 4).with_extension("lck.orphan").exists());
    let next: Vec<_> = (3..5).map(|index| put(&store, 2, index, PLAIN).unwrap()).collect();
    assert_eq!(store.acknowledge(session(2), &next).unwrap().chunk_count, 5);
}

/// Brings session 2 to the point where its manifest is durable and its entry is not.
fn half_sealed(folder: &Path) {
    let store = open_clean(folder);
    let request = SealRequest { at: at(77), ..request() };
    store.seal(session(2), &request).unwrap();
    let manifest = fs::read(session_file(folder, 2, "manifest.json")).unwrap();
    drop(store);
    restore_log(folder, "log", "before");
    fs::write(session_file(folder, 2, "manifest.json"), manifest).unwrap();
}

/// Replaces the log by the copy made of it before.
fn restore_log(folder: &Path, log: &str, copy: &str) {
    fs::remove_dir_all(folder.join(log)).unwrap();
    fs::rename(folder.join(copy), folder.join(log)).unwrap();
}

fn copy_log(folder: &Path) {
    fs::create_dir(folder.join("before")).unwrap();
    for name in ["head", "tail"] {
        fs::copy(folder.join("log").join(name), folder.join("before").join(name)).unwrap();
    }
}

#[test]
fn an_interrupted_sealing_is_finished() {
    let (_folder, store, texts) = check(|folder| {
        copy_log(folder);
        half_sealed(folder);
        fs::write(chunk_file(folder, 2, 2), chunk_bytes(session(2), 2, PLAIN).1).unwrap();
    });
    assert!(
        texts[0].contains("set aside") && texts[1].contains("sealing is finished"),
        "{texts:?}"
    );
    let row = store.session(session(2)).unwrap();
    assert_eq!((row.state(), row.sealed.unwrap().at), (State::Sealed, at(77)));
    assert_eq!(store.manifest(session(2)).unwrap().manifest.chunk_count, 2);
}

#[test]
fn a_manifest_that_is_not_the_index_s_is_set_aside() {
    let (_folder, store, texts) = check(|folder| {
        copy_log(folder);
        half_sealed(folder);
        cut(&session_file(folder, 2, "index"), 140);
        fs::remove_file(chunk_file(folder, 2, 1)).unwrap();
    });
    assert!(texts[0].contains("not the manifest of what was acknowledged"), "{texts:?}");
    assert_eq!(store.session(session(2)).unwrap().state(), State::Open);
    assert_eq!(store.totals(session(2)).unwrap().chunk_count, 1);
    let (_folder, store, texts) =
        check(|folder| fs::write(session_file(folder, 2, "manifest.json"), "{").unwrap());
    assert!(texts[0].contains("damaged"), "{texts:?}");
    store.seal(session(2), &request()).unwrap();
}

#[test]
fn an_interrupted_destruction_is_finished() {
    // The entry is in the log and nothing was destroyed: put the files back after an erasure.
    let (_folder, store, texts) = check(|folder| {
        let kept = [chunk_file(folder, 1, 0), folder.join(format!("keys/{}.json", session(1)))];
        let bytes = kept.each_ref().map(|path| fs::read(path).unwrap());
        let (mark, store) = (folder.join("db.rebuild"), open_clean(folder));
        store.erase(session(1), at(5)).unwrap();
        drop(store);
        fs::create_dir(chunk_file(folder, 1, 0).parent().unwrap()).unwrap();
        for (path, bytes) in kept.iter().zip(bytes) {
            fs::write(path, bytes).unwrap();
        }
        // The database forgets that it was complete.
        fs::write(mark, "").unwrap();
    });
    assert!(texts[1].contains("is erased: its keys and chunks are destroyed"), "{texts:?}");
    assert!(!local(&store).keys().exists(session(1)));
    assert!(!local(&store).chunks().folder(session(1)).exists());
    assert!(store.manifest(session(1)).is_ok());
}

#[test]
fn an_interrupted_opening_leaves_nothing() {
    let (folder, _store, texts) = check(|folder| {
        let store = open_clean(folder);
        fs::write(folder.join("opening").join(session(8).to_string()), "").unwrap();
        fs::write(folder.join("opening").join(session(2).to_string()), "").unwrap();
        local(&store).keys().put(session(8), &key_file(8)).unwrap();
        fs::create_dir(local(&store).chunks().folder(session(8))).unwrap();
    });
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(texts[0].contains(&session(8).to_string()) && texts[0].contains("never opened"));
    let left = files(folder.path()).iter().any(|name| name.contains(&session(8).to_string()));
    assert!(!left);
}

#[test]
fn a_session_without_files_is_voided_and_one_with_chunks_is_not() {
    let (_folder, store, texts) = check(|folder| {
        fs::remove_file(folder.join(format!("keys/{}.json", session(2)))).unwrap();
        fs::remove_file(folder.join(format!("keys/{}.json", session(3)))).unwrap();
    });
    assert!(texts[0].contains("voided: it has no key file"), "{texts:?}");
    assert_eq!(store.session(session(3)).unwrap().state(), State::Voided);
    assert!(texts[1].contains("no key file"), "{texts:?}");
    assert_eq!(store.session(session(2)).unwrap().state(), State::Open);
    assert!(local(&store).chunks().open(session(2), ChunkIndex(0)).is_ok());
}

#[test]
fn a_torn_log_is_cut_and_its_repair_reported() {
    let (_folder, store, texts) = check(|folder| {
        let path = folder.join("log").join("tail");
        let bytes = [fs::read(&path).unwrap().as_slice(), b"torn"].concat();
        fs::write(path, bytes).unwrap();
    });
    assert!(texts[0].starts_with("log: cut off: 4 bytes of"), "{texts:?}");
    assert!(store.session(session(3)).is_ok());
}

#[test]
fn a_damaged_checkpoint_or_key_file_is_named() {
    let (folder, _) = folder();
    let checkpoint = folder.path().join("log").join("head");
    let whole = fs::read(&checkpoint).unwrap();
    // Not one copy is left of it.
    fs::write(&checkpoint, &whole[..20]).unwrap();
    let error = open_with(folder.path(), Disk::default()).err().unwrap();
    assert!(error.to_string().contains("log/head is damaged"), "{error}");
    // One copy is not.
    fs::write(&checkpoint, &whole[..whole.len() - 20]).unwrap();
    let (store, recovery) = open(folder.path());
    assert!(recovery.repairs[0].to_string().contains("copy of the checkpoint"), "{recovery:?}");
    drop(store);
    assert_eq!(fs::read(&checkpoint).unwrap().len(), whole.len());
    let key_file = folder.path().join(format!("keys/{}.json", session(2)));
    fs::write(&key_file, "{}").unwrap();
    let store = open_clean(folder.path());
    let error = local(&store).keys().get(session(2)).unwrap_err();
    assert!(error.to_string().contains(&session(2).to_string()), "{error}");
}

#[test]
fn a_lost_database_has_the_same_rows() {
    let (folder, _) = folder();
    let list = |store: &Store| store.sessions(&SessionFilter::default(), None, 10).unwrap();
    let rows = list(&open_clean(folder.path()));
    for change in [
        (|db: &Path| fs::remove_dir_all(db).unwrap()) as fn(&Path),
        |db| fs::write(db.join("db"), vec![0x33; 100_000]).unwrap(),
        |db| fs::write(db.join("snap.00000000FFFFFFFF"), b"no snapshot").unwrap(),
    ] {
        change(&folder.path().join("db"));
        let (store, _) = open(folder.path());
        assert_eq!(list(&store), rows);
    }
}

#[test]
fn sessions_without_an_entry_are_named_and_left() {
    let (folder, older) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let copy_log = |from: &Path, to: &Path| {
        for name in ["head", "tail"] {
            fs::copy(from.join(name), to.join(name)).unwrap();
        }
    };
    let log = folder.path().join("log");
    let store = create(folder.path(), Disk::default()).unwrap();
    begin(&store, 1, 1);
    store.seal(session(1), &request()).unwrap();
    copy_log(&log, older.path());
    // Sealed with and without chunks, open with and without.
    begin(&store, 2, 2);
    store.seal(session(2), &request()).unwrap();
    begin(&store, 3, 0);
    store.seal(session(3), &request()).unwrap();
    begin(&store, 4, 1);
    begin(&store, 5, 0);
    drop(store);
    open_clean(folder.path());
    copy_log(older.path(), &log);
    // A mark of an opening is no leave to destroy what is more than that.
    for seed in [2, 4] {
        fs::write(folder.path().join("opening").join(session(seed).to_string()), "").unwrap();
    }
    // What is not named like a session is not this node's.
    fs::create_dir(folder.path().join("sessions").join("lost+found")).unwrap();
    let before = files(folder.path());
    let (store, recovery) = open(folder.path());
    assert_eq!(recovery.unknown, [2, 3, 4].map(session));
    assert!(recovery.damaged.is_empty(), "{recovery:?}");
    let text = recovery.unknown_text().unwrap();
    for seed in [2, 3, 4] {
        assert!(text.contains(&format!("sessions/{}", session(seed))), "{text}");
    }
    assert_eq!(events(&store, "store.damaged"), [text]);
    drop(store);
    assert_eq!(files(folder.path()), before, "nothing was touched");
    let (store, again) = open(folder.path());
    assert_eq!(again.unknown, [2, 3, 4].map(session), "it is said at every start");
    assert_eq!(events(&store, "store.damaged").len(), 1, "and is in the log once");
    for _ in 0..256 {
        store.append_event("test", String::new(), Timestamp::default()).unwrap();
    }
    drop(store);
    let (store, _) = open(folder.path());
    assert_eq!(events(&store, "store.damaged").len(), 2, "until it would not be seen any more");
}

#[test]
fn many_sessions_without_an_entry_fit_into_one_event() {
    let unknown: Vec<_> = (0..=255).map(session).collect();
    let recovery = Recovery { unknown, ..Recovery::default() };
    let text = recovery.unknown_text().unwrap();
    assert!(text.len() <= 1024 && text.contains("and 246 more"), "{} {text}", text.len());
    assert_eq!(Recovery::default().unknown_text(), None);
}

#[test]
fn damage_in_the_log_keeps_no_damaged_session_from_being_found() {
    let (folder, _) = folder();
    fs::remove_file(chunk_file(folder.path(), 2, 1)).unwrap();
    let (store, recovery) = open(folder.path());
    let damaged = recovery.damaged.len();
    assert!(damaged > 0, "{recovery:?}");
    // So many that the database has all of a bundle, and a start need not read it.
    let event = node_event("test", String::new(), Timestamp::default());
    store.append(&vec![event; 4096]).unwrap();
    drop(store);
    let bundle = folder.path().join("log/tile/entries/015");
    flip(&bundle, fs::read(&bundle).unwrap().len() - 2);
    let (_, again) = open(folder.path());
    assert_eq!(again.damaged.len(), damaged);
}
