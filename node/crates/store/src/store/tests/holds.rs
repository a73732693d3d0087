use super::*;
use crate::{
    disk::Op,
    testing::{Script, chunk_bytes_under, folder_in_memory},
};

fn is_lost<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::LeaseLost { .. }))
}

fn writer(store: &Store, lease: u64, index: u32) -> Result<crate::ChunkWriter, StoreError> {
    store.chunk_writer(session(1), Lease(lease), ChunkIndex(index))
}

fn chunks(store: &Store) -> Vec<u32> {
    store.vault().chunks(session(1)).unwrap().into_iter().map(|index| index.0).collect()
}

/// A store with session 1 open and one chunk acknowledged under hold 1.
fn store() -> (tempfile::TempDir, Store) {
    let folder = folder_in_memory();
    let store = create(folder.path(), Disk::default()).unwrap();
    begin(&store, 1, 1);
    (folder, store)
}

#[test]
fn a_later_hold_ends_the_earlier_one() {
    let (folder, store) = store();
    put(&store, 1, 1, PLAIN).unwrap();
    put(&store, 1, 2, PLAIN).unwrap();
    let mut under_way = writer(&store, 1, 3).unwrap();
    under_way.write(b"half").unwrap();
    let kept = fs::read(chunk_file(folder.path(), 1, 0)).unwrap();
    assert_eq!(store.hold(session(1), Lease(5)).unwrap().chunk_count, 1);
    assert_eq!(chunks(&store), [0], "what was not acknowledged is destroyed");
    assert_eq!(fs::read(chunk_file(folder.path(), 1, 0)).unwrap(), kept);
    assert!(is_lost(&under_way.commit()));
    for earlier in [1, 4] {
        assert!(is_lost(&writer(&store, earlier, 1)), "hold {earlier}");
        assert!(is_lost(&store.hold(session(1), Lease(earlier))), "hold {earlier}");
    }
    assert!(is_lost(&writer(&store, 6, 1)), "never begun");
    let folder_files = files(&folder.path().join("chunks"));
    assert_eq!(folder_files.len(), 1, "nothing is left of the writer: {folder_files:?}");
    let (chunk, bytes) = chunk_bytes(session(1), 1, PLAIN);
    let mut writer = writer(&store, 5, 1).unwrap();
    writer.write(&bytes).unwrap();
    writer.commit().unwrap();
    assert_eq!(store.acknowledge(session(1), &[chunk]).unwrap().chunk_count, 2);
}

#[test]
fn a_writer_that_wakes_up_changes_nothing_of_its_successor() {
    let (folder, store) = store();
    let mut asleep = writer(&store, 1, 1).unwrap();
    asleep.write(b"before").unwrap();
    store.hold(session(1), Lease(2)).unwrap();
    let (_, bytes) = chunk_bytes(session(1), 1, PLAIN);
    let mut successor = writer(&store, 2, 1).unwrap();
    successor.write(&bytes[..100]).unwrap();
    asleep.write(b"after").unwrap();
    drop(asleep);
    successor.write(&bytes[100..]).unwrap();
    successor.commit().unwrap();
    assert_eq!(fs::read(chunk_file(folder.path(), 1, 1)).unwrap(), bytes);
}

#[test]
fn of_two_writers_of_a_chunk_the_later_counts() {
    let (folder, store) = store();
    let (chunk, bytes) = chunk_bytes(session(1), 1, PLAIN);
    let mut first = writer(&store, 1, 1).unwrap();
    first.write(b"an answer that was lost").unwrap();
    let mut second = writer(&store, 1, 1).unwrap();
    second.write(&bytes).unwrap();
    first.write(b"goes on").unwrap();
    assert!(is_lost(&first.commit()), "it does not replace what the second commits");
    second.commit().unwrap();
    store.acknowledge(session(1), &[chunk]).unwrap();
    assert_eq!(fs::read(chunk_file(folder.path(), 1, 1)).unwrap(), bytes);
}

#[test]
fn what_is_acknowledged_is_never_written_again_nor_destroyed() {
    let (folder, store) = store();
    let mut before = vec![fs::read(chunk_file(folder.path(), 1, 0)).unwrap()];
    for lease in 2..20 {
        let next = store.hold(session(1), Lease(lease)).unwrap().chunk_count;
        assert_eq!(next as usize, before.len(), "a hold begins where the index ends");
        for index in 0..next {
            let error = writer(&store, lease, index).err().unwrap();
            assert!(error.to_string().contains("acknowledged"), "{error}");
        }
        // Some more that nobody acknowledges, and one that is.
        let under = Lease(lease);
        for index in (next..next + 3).rev() {
            let (_, bytes) = chunk_bytes(session(1), index, PLAIN);
            let mut writer = store.chunk_writer(session(1), under, ChunkIndex(index)).unwrap();
            writer.write(&bytes).unwrap();
            writer.commit().unwrap();
        }
        let (chunk, bytes) = chunk_bytes(session(1), next, PLAIN);
        let other = writer(&store, lease, next).unwrap();
        drop(other);
        store.acknowledge(session(1), &[chunk]).unwrap();
        assert!(writer(&store, lease, next).is_err());
        before.push(bytes);
        for (index, bytes) in (0..).zip(&before) {
            assert_eq!(fs::read(chunk_file(folder.path(), 1, index)).unwrap(), *bytes);
        }
    }
}

#[test]
fn a_later_process_begins_anew() {
    let (folder, before) = store();
    before.hold(session(1), Lease(9)).unwrap();
    drop(before);
    let store = open_clean(folder.path());
    assert!(is_lost(&writer(&store, 9, 1)), "nobody has begun a hold here");
    store.hold(session(1), Lease(10)).unwrap();
    assert!(is_lost(&writer(&store, 9, 1)));
    assert!(writer(&store, 10, 1).is_ok());
}

#[test]
fn no_rename_of_an_earlier_hold_follows_a_later_ones_beginning() {
    let (folder, store) = store();
    let forged = chunk_bytes_under(&dek(9), session(1), 1, PLAIN).1;
    for lease in 2..200 {
        store.hold(session(1), Lease(lease)).unwrap();
        let writers: Vec<_> = (1..5).map(|index| writer(&store, lease, index).unwrap()).collect();
        let start = std::sync::Barrier::new(writers.len() + 1);
        std::thread::scope(|scope| {
            for mut writer in writers {
                let (start, forged) = (&start, &forged);
                scope.spawn(move || {
                    writer.write(forged).unwrap();
                    start.wait();
                    let committed = writer.commit();
                    assert!(committed.is_ok() || is_lost(&committed));
                });
            }
            start.wait();
            store.hold(session(1), Lease(lease + 1)).unwrap();
            assert_eq!(chunks(&store), [0], "hold {lease}");
        });
        assert_eq!(chunks(&store), [0], "hold {lease}");
    }
    assert_eq!(files(&folder.path().join("chunks")).len(), 1);
}

#[test]
fn a_beginning_that_failed_is_done_again() {
    let folder = folder_in_memory();
    drop(create(folder.path(), Disk::default()).unwrap());
    let script = Arc::new(Script::default());
    let (store, _) = open_with(folder.path(), Disk::with_faults(script.clone())).unwrap();
    begin(&store, 1, 1);
    put(&store, 1, 1, PLAIN).unwrap();
    let under_way = writer(&store, 1, 2).unwrap();
    for op in [Op::Remove, Op::SyncFolder] {
        script.fail(&[op]);
        assert!(matches!(store.hold(session(1), Lease(2)), Err(StoreError::Io { .. })), "{op:?}");
        assert!(is_lost(&writer(&store, 2, 1)), "it has not begun");
        assert!(is_lost(&writer(&store, 1, 1)), "and the earlier one is over");
        // A file that stands again, as one of which only the removal's sync failed may.
        fs::write(chunk_file(folder.path(), 1, 1), "left").unwrap();
    }
    script.fail(&[]);
    assert!(is_lost(&under_way.commit()));
    store.hold(session(1), Lease(2)).unwrap();
    assert_eq!(chunks(&store), [0]);
    assert!(writer(&store, 2, 1).is_ok());
}

#[test]
fn a_session_that_ended_takes_no_hold() {
    let (folder, store) = store();
    let vault = local(&store);
    let under_way = writer(&store, 1, 1).unwrap();
    store.seal(session(1), &request()).unwrap();
    let kept = fs::read(chunk_file(folder.path(), 1, 0)).unwrap();
    assert!(is_lost(&under_way.commit()));
    assert!(matches!(store.hold(session(1), Lease(2)), Err(StoreError::State { .. })));
    assert!(is_lost(&vault.chunk_writer(session(1), LEASE, ChunkIndex(0))));
    assert!(is_lost(&vault.begin(session(1), LEASE, ChunkIndex(0))), "it does not come back");
    assert_eq!(fs::read(chunk_file(folder.path(), 1, 0)).unwrap(), kept);
    begin(&store, 2, 1);
    let under_way = store.chunk_writer(session(2), LEASE, ChunkIndex(1)).unwrap();
    store.void(session(2), "asked for", at(9)).unwrap();
    assert!(is_lost(&under_way.commit()));
    let gone = vault.begin(session(2), Lease(2), ChunkIndex(0));
    assert!(matches!(gone, Err(StoreError::UnknownSession(_))));
}

#[test]
fn a_holder_that_lost_its_hold_acknowledges_nothing() {
    let (folder, store) = store();
    store.hold(session(1), Lease(5)).unwrap();
    let (mine, bytes) = chunk_bytes(session(1), 1, PLAIN);
    let mut asleep = writer(&store, 5, 1).unwrap();
    asleep.write(&bytes).unwrap();
    asleep.commit().unwrap();
    store.hold(session(1), Lease(6)).unwrap();
    let (theirs, bytes) = chunk_bytes(session(1), 1, PLAIN);
    let mut successor = writer(&store, 6, 1).unwrap();
    successor.write(&bytes).unwrap();
    successor.commit().unwrap();
    // Its file is there, as long as expected: only the number tells that it is another's.
    assert!(is_lost(&store.acknowledge_under(session(1), Lease(5), &[mine])));
    assert_eq!(store.totals(session(1)).unwrap().chunk_count, 1);
    store.acknowledge_under(session(1), Lease(6), &[theirs]).unwrap();
    drop(store);
    let store = open_clean(folder.path());
    assert!(
        is_lost(&store.acknowledge_under(session(1), Lease(6), &[])),
        "begun before the restart"
    );
}
