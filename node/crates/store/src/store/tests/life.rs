use lucid_core::{
    ChunkIndex, EntryIndex, Hash,
    merkle::{self, verify_inclusion},
    note::Checkpoint,
};

use super::*;
use crate::{ErrorKind, db::State};

#[test]
fn a_session_from_opening_to_erasure() {
    let folder = tempfile::tempdir().unwrap();
    let store = create(folder.path(), Disk::default()).unwrap();
    assert_eq!(events(&store, "log.created"), [store.node_id().log_origin()]);
    let committed = store.open_session(opened(1), Some(&key_file(1))).unwrap();
    assert_eq!((committed.first, committed.log_size), (EntryIndex(1), 2));
    assert_eq!(local(&store).keys().get(session(1)).unwrap(), key_file(1));
    let mut chunks: Vec<_> = (0..2).map(|i| put(&store, 1, i, PLAIN).unwrap()).collect();
    store.acknowledge(session(1), &chunks).unwrap();
    chunks.push(put(&store, 1, 2, 100).unwrap());
    let totals = store.acknowledge(session(1), &chunks[2..]).unwrap();
    assert_eq!((totals.chunk_count, totals.plain_bytes), (3, 2 * u64::from(PLAIN) + 100));
    assert_eq!(store.totals(session(1)).unwrap(), totals);

    let sealed = store.seal(session(1), &request()).unwrap();
    let leaves: Vec<Hash> = chunks.iter().map(ChunkSummary::session_leaf).collect();
    assert_eq!(sealed.merkle_root, merkle::root(&leaves));
    assert_eq!((sealed.entry, sealed.log_size, sealed.chunk_count), (EntryIndex(2), 3, 3));
    let stored: u64 = chunks.iter().map(|chunk| chunk.layout().file_bytes()).sum();
    assert_eq!((sealed.plain_bytes, sealed.stored_bytes), (totals.plain_bytes, stored));
    let key = store.log_key().verifier_key();
    let checkpoint = Checkpoint::verify(&sealed.checkpoint, key).unwrap();
    let (leaf, path) = store
        .with_log(|log| Ok((log.leaf(sealed.entry)?, log.inclusion_proof(sealed.entry, 3)?)))
        .unwrap();
    verify_inclusion(checkpoint.root, 3, 2, leaf, &path).unwrap();
    let manifest = store.manifest(session(1)).unwrap();
    assert_eq!(manifest.hash, sealed.manifest_hash);
    assert_eq!(manifest.manifest.chunks.len(), 3);
    assert_eq!(index_of(&store, 1), chunks);
    drop(store);

    let store = open_clean(folder.path());
    let row = store.session(session(1)).unwrap();
    assert_eq!(row.sealed.unwrap().manifest_hash, sealed.manifest_hash);
    assert_eq!(store.opened(session(1)).unwrap(), opened(1));
    store.erase(session(1), at(9)).unwrap();
    store.erase(session(1), at(10)).unwrap();
    assert_eq!(store.session(session(1)).unwrap().state(), State::Erased);
    assert_eq!(store.session(session(1)).unwrap().ended, Some((EntryIndex(3), at(9))));
    let (missing, chunk) = (local(&store).keys().get(session(1)).unwrap_err(), ChunkIndex(0));
    assert!(matches!(missing, StoreError::KeyFileMissing { .. }));
    assert!(local(&store).chunks().open(session(1), chunk).is_err());
    assert_eq!(store.manifest(session(1)).unwrap().hash, sealed.manifest_hash, "it stays");
    assert_eq!(store.with_log(|log| Ok(log.size())).unwrap(), 4);
    drop(store);
    open_clean(folder.path());
}

#[test]
fn an_empty_stream_is_a_session_without_chunks() {
    let folder = tempfile::tempdir().unwrap();
    let store = create(folder.path(), Disk::default()).unwrap();
    begin(&store, 1, 0);
    let sealed = store.seal(session(1), &request()).unwrap();
    assert_eq!((sealed.merkle_root, sealed.chunk_count), (merkle::EMPTY_ROOT, 0));
    drop(store);
    assert_eq!(open_clean(folder.path()).manifest(session(1)).unwrap().manifest.chunk_count, 0);
}

#[test]
fn a_voided_session_leaves_its_entry_only() {
    let folder = tempfile::tempdir().unwrap();
    let store = create(folder.path(), Disk::default()).unwrap();
    let before = files(folder.path());
    begin(&store, 1, 2);
    store.void(session(1), "the uploader asked for it", at(5)).unwrap();
    assert_eq!(store.session(session(1)).unwrap().state(), State::Voided);
    assert_eq!(files(folder.path()), before);
    assert!(matches!(store.totals(session(1)), Err(StoreError::State { .. })));
    drop(store);
    open_clean(folder.path());
}

#[test]
fn what_does_not_follow_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = create(folder.path(), Disk::default()).unwrap();
    begin(&store, 1, 1);
    let size = |store: &Store| store.with_log(|log| Ok(log.size())).unwrap();
    let log_size = size(&store);
    let check = |error: StoreError, kind: ErrorKind, says: &str| {
        let message = error.to_string();
        assert!(error.kind() == kind && message.contains(says), "{says:?}: {error:?}");
    };
    let twice = store.open_session(opened(1), Some(&key_file(1))).unwrap_err();
    check(twice, ErrorKind::Conflict, "used before");
    let unwritten = chunk_bytes(session(1), 1, PLAIN).0;
    let error = store.acknowledge(session(1), &[unwritten]).unwrap_err();
    check(error, ErrorKind::Damaged, "00000001.lck");
    let short = put(&store, 1, 1, 100).unwrap();
    let mut longer = short;
    longer.header.plain_bytes = 101;
    longer.header.payload_bytes = 101;
    let error = store.acknowledge(session(1), &[longer]).unwrap_err();
    check(error, ErrorKind::Damaged, "calls for");
    let gap = put(&store, 1, 2, 100).unwrap();
    let error = store.acknowledge(session(1), &[gap]).unwrap_err();
    check(error, ErrorKind::Conflict, "cannot follow");
    let large = put(&store, 1, 1, PLAIN + 1).unwrap();
    let error = store.acknowledge(session(1), &[large]).unwrap_err();
    check(error, ErrorKind::Conflict, "policy");
    let other = chunk_bytes(session(2), 1, PLAIN).0;
    let error = store.acknowledge(session(1), &[other]).unwrap_err();
    check(error, ErrorKind::Conflict, "names session");
    check(store.erase(session(1), at(5)).unwrap_err(), ErrorKind::Conflict, "is open");
    check(store.manifest(session(1)).unwrap_err(), ErrorKind::Conflict, "is open");
    for error in [
        store.session(session(9)).unwrap_err(),
        store.seal(session(9), &request()).unwrap_err(),
        store.void(session(9), "", at(5)).unwrap_err(),
        store.erase(session(9), at(5)).unwrap_err(),
        store.chunk_writer(session(9), LEASE, ChunkIndex(0)).err().unwrap(),
    ] {
        check(error, ErrorKind::NotFound, "no session");
    }
    assert_eq!(size(&store), log_size, "nothing of that is in the log");
    store.seal(session(1), &request()).unwrap();
    check(store.seal(session(1), &request()).unwrap_err(), ErrorKind::Conflict, "is sealed");
    check(store.void(session(1), "", at(5)).unwrap_err(), ErrorKind::Conflict, "is sealed");
    let error = store.chunk_writer(session(1), LEASE, ChunkIndex(1)).err().unwrap();
    check(error, ErrorKind::Conflict, "is sealed");
}

#[test]
fn a_nearly_full_disk_takes_no_chunks_and_still_seals() {
    let folder = tempfile::tempdir().unwrap();
    begin(&create(folder.path(), Disk::default()).unwrap(), 1, 1);
    let options = OpenOptions {
        kek: Some(kek()),
        at: at(50),
        reserve_bytes: Some(u64::MAX),
        disk: Disk::default(),
        ciphers: Arc::new(TestCiphers),
    };
    let (store, _) = Store::open(folder.path(), options).unwrap();
    let error = store.chunk_writer(session(1), LEASE, ChunkIndex(1)).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::DiskFull);
    let error = store.open_session(opened(2), Some(&key_file(2))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DiskFull);
    store.seal(session(1), &request()).unwrap();
}

#[test]
fn the_wrong_key_and_a_second_process_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = create(folder.path(), Disk::default()).unwrap();
    let error = open_with(folder.path(), Disk::default()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InUse);
    drop(store);
    fs::write(folder.path().join("secrets").join("x.tmp"), "left over").unwrap();
    let options = OpenOptions {
        kek: Some(Kek::new([2; 32])),
        at: at(50),
        reserve_bytes: None,
        disk: Disk::default(),
        ciphers: Arc::new(TestCiphers),
    };
    let before = files(folder.path());
    let error = Store::open(folder.path(), options).err().unwrap();
    assert!(matches!(error, StoreError::OtherKek { .. }));
    assert_eq!(files(folder.path()), before);
    let again = create(folder.path(), Disk::default()).err().unwrap();
    assert!(matches!(again, StoreError::AlreadyThere { .. }));
    let (_store, recovery) = open(folder.path());
    assert!(matches!(recovery.repairs[..], [Repair::Leftover(_)]), "{recovery:?}");
}

#[test]
fn sessions_live_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let store = create(folder.path(), Disk::default()).unwrap();
    std::thread::scope(|scope| {
        for seed in 1..=8 {
            let store = &store;
            scope.spawn(move || {
                begin(store, seed, u32::from(seed));
                store.seal(session(seed), &request()).unwrap();
            });
        }
        // Of four that seal the same session, one does.
        begin(&store, 9, 1);
        let seal = || scope.spawn(|| store.seal(session(9), &request()).is_ok());
        let sealed: Vec<_> = (0..4).map(|_| seal()).collect();
        let sealed = sealed.into_iter().filter_map(|thread| thread.join().ok()).filter(|ok| *ok);
        assert_eq!(sealed.count(), 1);
    });
    drop(store);
    let store = open_clean(folder.path());
    assert_eq!(store.with_log(|log| Ok(log.size())).unwrap(), 1 + 2 * 9);
    for seed in 1..=9 {
        assert_eq!(store.session(session(seed)).unwrap().state(), State::Sealed);
    }
}
