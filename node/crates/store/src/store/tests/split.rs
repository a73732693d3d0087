//! A store whose vault is in another process: everything between them goes through JSON.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::{
    ErrorKind,
    db::State,
    vault::{RemoteVault, Transport, VaultCall, VaultFailure, VaultOptions, VaultReply, dispatch},
};

/// The wire: what crosses it is text.
struct Wire {
    vault: Arc<FolderVault>,
    is_cut: Arc<AtomicBool>,
}

fn across<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    serde_json::from_slice(&serde_json::to_vec(value).unwrap()).unwrap()
}

impl Transport for Wire {
    fn call(&self, call: VaultCall) -> Result<VaultReply, VaultFailure> {
        if self.is_cut.load(Ordering::SeqCst) {
            return Err(VaultFailure::unavailable("the wire is cut"));
        }
        assert_eq!(across(&call), call);
        match dispatch(&*self.vault, across(&call)) {
            Ok(reply) => Ok(across(&reply)),
            Err(error) => Err(across(&self.vault.failure(&error))),
        }
    }
}

/// Two folders, a process's each.
struct Split {
    vault: Arc<FolderVault>,
    store: Store,
    recovery: Recovery,
    is_cut: Arc<AtomicBool>,
}

fn vault_options() -> VaultOptions {
    VaultOptions { reserve_bytes: Some(0), disk: Disk::default(), ciphers: Arc::new(TestCiphers) }
}

fn options() -> LedgerOptions {
    LedgerOptions { at: at(50), reserve_bytes: Some(0), disk: Disk::default() }
}

fn remote(vault: &Arc<FolderVault>, is_cut: &Arc<AtomicBool>) -> Arc<dyn Vault> {
    Arc::new(RemoteVault::new(Wire { vault: Arc::clone(vault), is_cut: Arc::clone(is_cut) }))
}

fn create_split(path: &Path) -> Split {
    let kek = KekSource::Given(kek());
    let vault = Arc::new(FolderVault::create(&path.join("v"), kek, vault_options()).unwrap());
    let is_cut = Arc::default();
    let store = Store::create_with(&path.join("l"), remote(&vault, &is_cut), options()).unwrap();
    Split { vault, store, recovery: Recovery::default(), is_cut }
}

fn open_split(path: &Path) -> Split {
    let (vault, repairs) =
        FolderVault::open(&path.join("v"), Some(kek()), vault_options()).unwrap();
    assert!(repairs.is_empty());
    let (vault, is_cut) = (Arc::new(vault), Arc::default());
    let opened = Store::open_with(&path.join("l"), remote(&vault, &is_cut), options());
    let (store, recovery) = opened.unwrap();
    Split { vault, store, recovery, is_cut }
}

impl Split {
    /// Seals a chunk in the vault's process.
    fn put(&self, seed: u8, index: u32) -> ChunkSummary {
        self.store.hold(session(seed), LEASE).unwrap();
        let (summary, bytes) = chunk_bytes(session(seed), index, PLAIN);
        let mut writer = self.vault.chunk_writer(session(seed), LEASE, ChunkIndex(index)).unwrap();
        writer.write(&bytes).unwrap();
        writer.commit().unwrap();
        summary
    }

    fn begin(&self, seed: u8, chunks: u32) {
        self.store.open_session(opened(seed), None).unwrap();
        let chunks: Vec<_> = (0..chunks).map(|index| self.put(seed, index)).collect();
        self.store.acknowledge(session(seed), &chunks).unwrap();
    }
}

#[test]
fn a_life_in_two_folders_is_a_life_in_one() {
    let folder = tempfile::tempdir().unwrap();
    let split = create_split(folder.path());
    split.begin(1, 3);
    assert_eq!(split.vault.keys().get(session(1)).unwrap(), key_file(1), "the vault made it");
    let sealed = split.store.seal(session(1), &request()).unwrap();
    let one = tempfile::tempdir().unwrap();
    let store = create(one.path(), Disk::default()).unwrap();
    begin(&store, 1, 3);
    let same = store.seal(session(1), &request()).unwrap();
    assert_eq!(sealed.merkle_root, same.merkle_root);
    for index in 0..3 {
        let file = fs::read(chunk_file(&folder.path().join("v"), 1, index)).unwrap();
        assert_eq!(file, fs::read(chunk_file(one.path(), 1, index)).unwrap());
    }
    split.begin(2, 1);
    split.store.void(session(2), "asked for", at(5)).unwrap();
    split.store.erase(session(1), at(6)).unwrap();
    drop(split);
    let Split { store, vault, recovery, .. } = open_split(folder.path());
    assert!(recovery.is_clean(), "{recovery:?}");
    assert_eq!(store.session(session(1)).unwrap().state(), State::Erased);
    assert!(store.manifest(session(1)).is_ok());
    for seed in 1..=2 {
        let Presence { key_file, chunk_folder } = presence(&store, seed);
        assert!(!key_file && !chunk_folder && !vault.keys().exists(session(seed)));
    }
    assert!(matches!(store.local(), Err(StoreError::VaultElsewhere { .. })));
    let writer = store.chunk_writer(session(1), LEASE, ChunkIndex(0));
    assert!(writer.is_err());
    let names = files(folder.path());
    let of = |folder: &str| names.iter().filter(|name| name.starts_with(folder)).count();
    let key_id = names.iter().any(|name| name == "v/secrets/kek_id");
    assert!(key_id && of("v/sessions") + of("l/chunks") + of("l/keys") == 0, "{names:?}");
    assert!(!folder.path().join("l/secrets/master.key").exists());
    assert!(!folder.path().join("v/secrets/node.key").exists());
}

#[test]
fn what_a_crash_left_in_the_vault_is_repaired_and_told_without_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let split = create_split(folder.path());
    split.begin(1, 1);
    split.begin(2, 1);
    drop(split);
    let (vault, ledger) = (folder.path().join("v"), folder.path().join("l"));
    fs::write(chunk_file(&vault, 1, 1), chunk_bytes(session(1), 1, PLAIN).1).unwrap();
    fs::write(chunk_file(&vault, 1, 2), "nothing").unwrap();
    fs::write(chunk_file(&vault, 1, 3).with_extension("lck.tmp"), "half").unwrap();
    fs::remove_file(chunk_file(&vault, 2, 0)).unwrap();
    fs::write(ledger.join("opening").join(session(8).to_string()), "").unwrap();
    let reopened = open_split(folder.path());
    assert_eq!(reopened.store.totals(session(1)).unwrap().chunk_count, 2, "one is adopted");
    assert_eq!(reopened.recovery.damaged.len(), 1, "{:?}", reopened.recovery);
    let repaired = events(&reopened.store, "store.repaired");
    assert_eq!(repaired.len(), 4, "{repaired:?}");
    let aside = repaired.iter().any(|text| {
        text.contains(&format!("set aside as chunks/{}/00000002.lck.orphan", session(1)))
    });
    assert!(aside, "{repaired:?}");
    let damaged = events(&reopened.store, "store.damaged");
    for text in repaired.iter().chain(&damaged) {
        assert!(!text.contains(folder.path().to_str().unwrap()), "{text}");
    }
    drop(reopened);
    assert!(open_split(folder.path()).recovery.repairs.is_empty());
}

#[test]
fn errors_keep_their_kind_and_text() {
    let folder = tempfile::tempdir().unwrap();
    let Split { store, vault, is_cut, .. } = create_split(folder.path());
    store.open_session(opened(1), None).unwrap();
    let check = |error: StoreError, kind: ErrorKind, says: &str| {
        let text = error.to_string();
        assert!(error.kind() == kind && text.contains(says), "{says:?}: {error:?}");
        assert!(!text.contains(folder.path().to_str().unwrap()), "{text}");
    };
    let unwritten = chunk_bytes(session(1), 0, PLAIN).0;
    let missing = store.acknowledge(session(1), &[unwritten]).unwrap_err();
    check(missing, ErrorKind::Damaged, "is missing: chunks/");
    store.hold(session(1), Lease(3)).unwrap();
    check(store.hold(session(1), Lease(2)).unwrap_err(), ErrorKind::LeaseLost, "later one");
    let twice = store.vault().make(session(1), None).unwrap_err();
    check(twice, ErrorKind::Conflict, "used before");
    // A ledger that lost its memory does not take the vault's key away.
    vault.make(session(4), None).unwrap();
    let refused = store.open_session(opened(4), None).unwrap_err();
    check(refused, ErrorKind::Conflict, "used before");
    assert!(vault.keys().exists(session(4)));
    is_cut.store(true, Ordering::SeqCst);
    let cut = store.open_session(opened(2), None).unwrap_err();
    check(cut, ErrorKind::Unavailable, "cannot be reached");
    check(store.hold(session(1), Lease(4)).unwrap_err(), ErrorKind::Unavailable, "cut");
    // Nothing is sealed of which it is not known whether anybody can read it.
    check(store.seal(session(1), &request()).unwrap_err(), ErrorKind::Unavailable, "cut");
    is_cut.store(false, Ordering::SeqCst);
    store.seal(session(1), &request()).unwrap();
    is_cut.store(true, Ordering::SeqCst);
    assert!(store.erase(session(1), at(5)).is_err());
    drop(store);
    let again = || Store::open_with(&folder.path().join("l"), remote(&vault, &is_cut), options());
    check(again().err().unwrap(), ErrorKind::Unavailable, "cannot be reached");
    is_cut.store(false, Ordering::SeqCst);
    let (_, recovery) = again().unwrap();
    let destroyed = |repair: &Repair| matches!(repair, Repair::Destroyed { .. });
    assert!(recovery.repairs.iter().any(destroyed), "{recovery:?}");
    assert!(!vault.keys().exists(session(1)));
}

#[test]
fn each_folder_has_its_kind_and_its_lock() {
    let folder = tempfile::tempdir().unwrap();
    let (vault, ledger) = (folder.path().join("v"), folder.path().join("l"));
    let split = create_split(folder.path());
    let open_vault = |path: &Path| FolderVault::open(path, Some(kek()), vault_options()).err();
    let is_cut = Arc::default();
    let open_ledger =
        |path: &Path| Store::open_with(path, remote(&split.vault, &is_cut), options()).err();
    assert_eq!(open_vault(&vault).unwrap().kind(), ErrorKind::InUse);
    assert_eq!(open_ledger(&ledger).unwrap().kind(), ErrorKind::InUse);
    let mixed =
        [open_vault(&ledger), open_ledger(&vault), open_with(&vault, Disk::default()).err()];
    for error in mixed {
        assert!(matches!(error, Some(StoreError::OtherFolder { .. })), "{error:?}");
    }
    let again = FolderVault::create(&vault, KekSource::Folder, vault_options()).err().unwrap();
    assert_eq!(again.kind(), ErrorKind::InUse);
    let Split { vault: open, store, .. } = split;
    drop(store);
    drop(open);
    let again = FolderVault::create(&vault, KekSource::Folder, vault_options()).err().unwrap();
    assert!(matches!(again, StoreError::AlreadyThere { .. }));
    let other = FolderVault::open(&vault, Some(Kek::new([9; 32])), vault_options()).err().unwrap();
    assert!(matches!(other, StoreError::OtherKek { .. }));
    // A making that was cut short is finished.
    fs::remove_file(vault.join("secrets").join("kek_id")).unwrap();
    assert!(matches!(open_vault(&vault), Some(StoreError::Unfinished { .. })));
    FolderVault::create(&vault, KekSource::Given(kek()), vault_options()).unwrap();
}

/// Answers every question with the same.
struct Confused;
impl Transport for Confused {
    fn call(&self, _: VaultCall) -> Result<VaultReply, VaultFailure> {
        Ok(VaultReply::Chunks(vec![ChunkIndex(2), ChunkIndex(1)]))
    }
}
#[test]
fn what_is_no_call_and_no_reply_is_refused() {
    let check = |text: &str, good: bool| {
        assert_eq!(serde_json::from_str::<VaultCall>(text).is_ok(), good, "{text}");
    };
    let id = session(1);
    check("\"check_room\"", true);
    check(&format!(r#"{{"sync":{{"session":"{id}"}}}}"#), true);
    check(&format!(r#"{{"begin":{{"session":"{id}","lease":3,"next":4}}}}"#), true);
    for bad in [
        "\"sync\"".to_owned(),
        "\"erase\"".to_owned(),
        "{}".to_owned(),
        r#"{"sync":{"session":"1"}}"#.to_owned(),
        format!(r#"{{"sync":{{"session":"{id}","more":1}}}}"#),
        format!(r#"{{"begin":{{"session":"{id}","lease":-3,"next":4}}}}"#),
        format!(r#"{{"begin":{{"session":"{id}","next":4}}}}"#),
        format!(r#"{{"sync":{{"session":"{id}"}},"check_room":null}}"#),
    ] {
        check(&bad, false);
    }

    let vault = RemoteVault::new(Confused);
    for kind in [
        vault.sync(id).unwrap_err().kind(),
        vault.chunks(id).unwrap_err().kind(),
        vault.presence(id).unwrap_err().kind(),
        vault.examine(id, ChunkIndex(0)).unwrap_err().kind(),
    ] {
        assert_eq!(kind, ErrorKind::Unavailable);
    }
}

/// Sealed, it would be in the log for good.
#[test]
fn a_session_that_nobody_could_read_is_not_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let split = create_split(folder.path());
    split.begin(1, 1);
    split.begin(2, 1);
    let key = split.vault.keys().path(session(1));
    let kept = fs::read(&key).unwrap();
    let size = || split.store.with_log(|log| Ok(log.size())).unwrap();
    let before = size();
    let refused = |reason: &str| {
        let error = split.store.seal(session(1), &request()).unwrap_err();
        assert!(matches!(error, StoreError::Unreadable { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(reason) && text.contains("lucid-node void"), "{text}");
        assert_eq!(size(), before);
    };
    fs::remove_file(&key).unwrap();
    refused("has no key file");
    fs::copy(split.vault.keys().path(session(2)), &key).unwrap();
    refused("another session's");
    fs::write(&key, "{").unwrap();
    refused("cannot be used");
    fs::write(&key, kept).unwrap();
    split.is_cut.store(true, Ordering::SeqCst);
    let unknown = split.store.seal(session(1), &request()).unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::Unavailable, "{unknown}");
    split.is_cut.store(false, Ordering::SeqCst);
    let (more, totals) = (split.put(1, 1), split.store.totals(session(1)).unwrap());
    assert_eq!(totals.chunk_count, 1);
    split.store.acknowledge(session(1), &[more]).unwrap();
    assert_eq!(split.store.seal(session(1), &request()).unwrap().chunk_count, 2);
}

/// What is left can be sealed, and is not called whole.
#[test]
fn what_lost_chunks_is_not_sealed_as_complete() {
    let folder = tempfile::tempdir().unwrap();
    let split = create_split(folder.path());
    let file = |seed, index| chunk_file(&folder.path().join("v"), seed, index);
    let seal =
        |seed, complete| split.store.seal(session(seed), &SealRequest { complete, ..request() });
    split.begin(1, 3);
    let kept = fs::read(file(1, 1)).unwrap();
    for harm in [None, Some(&kept[..kept.len() - 1])] {
        match harm {
            None => fs::remove_file(file(1, 1)).unwrap(),
            Some(bytes) => fs::write(file(1, 1), bytes).unwrap(),
        }
        let error = seal(1, true).unwrap_err();
        assert!(matches!(error, StoreError::NotWhole { .. }), "{error}");
        assert!(error.to_string().contains("00000001.lck"), "{error}");
    }
    // Nothing was ended by what was refused, and what comes back is whole.
    fs::write(file(1, 1), &kept).unwrap();
    let more = split.put(1, 3);
    split.store.acknowledge(session(1), &[more]).unwrap();
    assert_eq!(seal(1, true).unwrap().chunk_count, 4);
    split.begin(2, 2);
    fs::remove_file(file(2, 0)).unwrap();
    assert!(seal(2, true).is_err());
    assert_eq!(seal(2, false).unwrap().chunk_count, 2);
    split.begin(3, 2);
    fs::remove_dir_all(file(3, 0).parent().unwrap()).unwrap();
    for complete in [true, false] {
        let error = seal(3, complete).unwrap_err();
        assert!(matches!(error, StoreError::Unreadable { .. }), "{error}");
    }
    split.store.void(session(3), "its chunks are lost", at(7)).unwrap();
}
