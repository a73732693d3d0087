use lucid_core::Upload;

use super::*;
use crate::{
    disk::Op,
    testing::{Script, folder_in_memory},
};

fn facts(length: Option<u64>) -> Upload {
    Upload::new(3600, length).unwrap()
}

#[test]
fn facts_of_an_upload_are_there_until_the_session_ends() {
    let folder = tempfile::tempdir().unwrap();
    let store = create(folder.path(), Disk::default()).unwrap();
    for seed in 1..=3 {
        begin(&store, seed, 1);
        assert_eq!(store.upload(session(seed)).unwrap(), None, "nothing was said");
        store.set_upload(session(seed), facts(None)).unwrap();
        store.set_upload(session(seed), facts(Some(7))).unwrap();
    }
    drop(store);
    let store = open_clean(folder.path());
    let path = |seed| session_file(folder.path(), seed, "upload.json");
    assert_eq!(store.upload(session(1)).unwrap(), Some(facts(Some(7))));
    assert_eq!(fs::read(path(1)).unwrap(), facts(Some(7)).to_bytes());
    store.seal(session(1), &request()).unwrap();
    store.void(session(2), "asked for", at(5)).unwrap();
    for seed in 1..=2 {
        assert!(!path(seed).exists());
        assert_eq!(store.upload(session(seed)).unwrap(), None);
        let refused = store.set_upload(session(seed), facts(None));
        assert!(matches!(refused, Err(StoreError::State { .. })));
    }
    assert!(matches!(store.upload(session(9)), Err(StoreError::UnknownSession(_))));
    fs::write(path(3), "{}").unwrap();
    let damaged = store.upload(session(3)).unwrap_err().to_string();
    assert!(damaged.contains("upload.json is damaged"), "{damaged}");
    fs::write(path(3), vec![b' '; 1 << 20]).unwrap();
    assert!(matches!(store.upload(session(3)), Err(StoreError::Damaged { .. })));
    // Whatever it says, the session can be closed.
    store.seal(session(3), &request()).unwrap();
    drop(store);
    open_clean(folder.path());
}

#[test]
fn a_sealing_that_was_interrupted_leaves_no_facts_of_an_upload() {
    let folder = folder_in_memory();
    drop(create(folder.path(), Disk::default()).unwrap());
    let script = Arc::new(Script::default());
    let (store, _) = open_with(folder.path(), Disk::with_faults(script.clone())).unwrap();
    begin(&store, 1, 1);
    store.set_upload(session(1), facts(Some(7))).unwrap();
    // The manifest is durable, and nothing can be removed.
    script.fail(&[Op::Remove]);
    assert!(matches!(store.seal(session(1), &request()), Err(StoreError::Io { .. })));
    drop(store);
    let (store, recovery) = open(folder.path());
    assert!(matches!(recovery.repairs[..], [Repair::Sealed(_)]), "{recovery:?}");
    assert!(!session_file(folder.path(), 1, "upload.json").exists());
    assert_eq!(store.upload(session(1)).unwrap(), None);
}

#[test]
fn the_last_activity_is_the_last_acknowledgement() {
    let folder = tempfile::tempdir().unwrap();
    let store = create(folder.path(), Disk::default()).unwrap();
    begin(&store, 1, 1);
    let index = session_file(folder.path(), 1, "index");
    let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_millis(1_700_000_000_123);
    fs::File::options().append(true).open(&index).unwrap().set_modified(long_ago).unwrap();
    let activity = || store.last_activity(session(1)).unwrap().unix_millis();
    assert_eq!(activity(), 1_700_000_000_123);
    let chunk = put(&store, 1, 1, PLAIN).unwrap();
    assert_eq!(activity(), 1_700_000_000_123, "a chunk that is not acknowledged is none");
    store.acknowledge(session(1), &[chunk]).unwrap();
    assert!(activity() > 1_700_000_000_123);
    assert!(matches!(store.last_activity(session(2)), Err(StoreError::UnknownSession(_))));
}

/// An upload whose session nobody was told of closes itself, because it is never without what says when.
#[test]
fn whenever_opening_dies_a_session_that_is_there_has_its_facts() {
    let mut whole = 0;
    for nth in 0..100 {
        let folder = folder_in_memory();
        drop(create(folder.path(), Disk::default()).unwrap());
        let script = Arc::new(Script::default());
        let (store, _) = open_with(folder.path(), Disk::with_faults(script.clone())).unwrap();
        let before = script.count();
        script.fail_nth(before + nth, true);
        let told = store.open_upload(opened(1), facts(Some(7))).is_ok();
        let met = script.count() > before + nth;
        drop(store);
        let (store, _) = open(folder.path());
        let there = store.session(session(1)).is_ok();
        assert!(there || !told, "operation {nth}: an acknowledged session is not there");
        if there {
            assert_eq!(store.upload(session(1)).unwrap(), Some(facts(Some(7))), "operation {nth}");
            whole += 1;
        }
        if !met {
            assert!(nth > 10 && whole > 1, "{nth} operations, {whole} sessions");
            return;
        }
    }
    panic!("opening has no end");
}
