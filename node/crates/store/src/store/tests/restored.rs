//! A folder that was made of a backup: whoever only looks leaves it as it is.

use super::*;
use crate::{data::RESTORED, db::State};

fn options() -> OpenOptions {
    OpenOptions {
        kek: Some(kek()),
        at: at(50),
        reserve_bytes: Some(0),
        disk: Disk::default(),
        ciphers: Arc::new(TestCiphers),
    }
}

fn look(path: &Path) -> (Store, Recovery) {
    Store::look_at(path, options()).unwrap()
}

fn log_size(store: &Store) -> u64 {
    store.with_log(|log| Ok(log.size())).unwrap()
}

/// A sealed session, and two open ones whose chunks are not there, as in every folder that a backup was put back into.
fn restored() -> (tempfile::TempDir, u64) {
    let folder = tempfile::tempdir().unwrap();
    let store = create(folder.path(), Disk::default()).unwrap();
    begin(&store, 1, 1);
    store.seal(session(1), &request()).unwrap();
    begin(&store, 2, 1);
    begin(&store, 3, 0);
    let size = log_size(&store);
    drop(store);
    for lost in ["db", "chunks"] {
        fs::remove_dir_all(folder.path().join(lost)).unwrap();
    }
    fs::create_dir(folder.path().join("chunks")).unwrap();
    fs::write(folder.path().join(RESTORED), "").unwrap();
    (folder, size)
}

#[test]
fn looking_signs_nothing_and_going_on_says_so() {
    let (folder, size) = restored();
    let before = files(folder.path());
    for _ in 0..2 {
        let (store, recovery) = look(folder.path());
        assert_eq!(log_size(&store), size);
        assert!(recovery.damaged.is_empty() && recovery.unknown.is_empty(), "{recovery:?}");
        assert_eq!(store.session(session(3)).unwrap().state(), State::Open);
        assert_eq!(store.manifest(session(1)).unwrap().manifest.chunk_count, 1);
    }
    assert_eq!(files(folder.path()), before);
    let (store, recovery) = open(folder.path());
    assert!(recovery.repairs.iter().any(|repair| matches!(repair, Repair::Restored)));
    assert_eq!(recovery.damaged.len(), 1, "{recovery:?}");
    assert_eq!(store.session(session(3)).unwrap().state(), State::Voided);
    assert!(events(&store, "store.repaired").iter().any(|text| text.contains("backup")));
    drop(store);
    assert!(!folder.path().join(RESTORED).exists());
    let (store, recovery) = open(folder.path());
    assert!(recovery.repairs.is_empty(), "it is said once: {recovery:?}");
    drop(store);
}

#[test]
fn elsewhere_looking_repairs_as_every_start_does() {
    let (folder, size) = restored();
    fs::remove_file(folder.path().join(RESTORED)).unwrap();
    let (store, _) = look(folder.path());
    assert!(log_size(&store) > size);
}
