//! A folder that lost its log is made anew from what another place kept of it.

use lucid_core::merkle::TreeHead;

use super::*;
use crate::{Remake, SealedFacts, db::State, testing::Script};

/// What a node said, as it would be kept elsewhere.
struct Kept {
    head: TreeHead,
    entries: Vec<Vec<u8>>,
    manifests: Vec<(u8, Vec<u8>, SealedFacts)>,
}

/// Three sealed sessions, one that is open, and one that was erased; then all but secrets, keys and chunks is gone.
fn lost(folder: &Path) -> Kept {
    lost_but(folder, |_| ())
}

/// The same, after `look`.
fn lost_but(folder: &Path, look: impl FnOnce(&Path)) -> Kept {
    let store = create(folder, Disk::default()).unwrap();
    for seed in 1..=5 {
        begin(&store, seed, u32::from(seed));
        if seed != 4 {
            store.seal(session(seed), &request()).unwrap();
        }
    }
    store.erase(session(5), at(9)).unwrap();
    let read = |log: &LogReader| {
        let entries = (0..log.size()).map(|i| Ok(log.entry(lucid_core::EntryIndex(i))?));
        let head = TreeHead { size: log.size(), root: log.root() };
        Ok((head, entries.collect::<Result<Vec<_>, StoreError>>()?))
    };
    let (head, entries) = store.with_log(read).unwrap();
    let manifest = |seed| {
        let facts = store.session(session(seed)).unwrap().sealed.unwrap();
        (seed, store.manifest(session(seed)).unwrap().bytes, facts)
    };
    let manifests = [1, 2, 3, 5].map(manifest).into();
    drop(store);
    look(folder);
    for name in ["log", "db", "sessions", "opening"] {
        fs::remove_dir_all(folder.join(name)).unwrap();
    }
    Kept { head, entries, manifests }
}

fn remade(folder: &Path, kept: &Kept, disk: &Disk) -> Result<Vec<(u8, bool)>, StoreError> {
    let mut remake = Remake::begin(folder, disk)?;
    for entries in kept.entries.chunks(4) {
        remake.push(entries)?;
    }
    let mut indexes = Vec::new();
    for (seed, bytes, facts) in &kept.manifests {
        let mut draft = remake.manifest(session(*seed))?;
        for part in bytes.chunks(100) {
            draft.put(part)?;
        }
        draft.keep()?;
        indexes.push((*seed, remake.index(session(*seed), facts.manifest_hash)?));
    }
    remake.reopen(session(4))?;
    remake.finish(kept.head)?;
    Ok(indexes)
}

#[test]
fn a_lost_log_comes_back_with_its_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let kept = lost(folder.path());
    // No other log is begun under the same key.
    let begun = create(folder.path(), Disk::default()).err().unwrap();
    assert!(matches!(begun, StoreError::LogLost { .. }), "{begun}");
    // One session has lost a chunk, too.
    fs::remove_file(chunk_file(folder.path(), 3, 1)).unwrap();
    let indexes = remade(folder.path(), &kept, &Disk::default()).unwrap();
    assert_eq!(indexes, [(1, true), (2, true), (3, false), (5, false)]);
    let (store, recovery) = open(folder.path());
    let (size, root) =
        store.with_log(|log| Ok((kept.head.size, log.root_at(kept.head.size)?))).unwrap();
    assert_eq!(TreeHead { size, root }, kept.head);
    assert!(recovery.damaged.is_empty() && recovery.unknown.is_empty(), "{recovery:?}");
    for (seed, bytes, facts) in &kept.manifests {
        assert_eq!(store.manifest(session(*seed)).unwrap().bytes, *bytes);
        assert_eq!(store.session(session(*seed)).unwrap().sealed.as_ref(), Some(facts));
    }
    assert_eq!(index_of(&store, 2).len(), 2);
    assert!(store.index(session(3)).is_err());
    // What an open session had was in no log; its chunk files are taken up.
    assert_eq!(store.session(session(4)).unwrap().state(), State::Open);
    assert_eq!(store.totals(session(4)).unwrap().chunk_count, 4);
    store.seal(session(4), &request()).unwrap();
    assert_eq!(store.session(session(5)).unwrap().state(), State::Erased);
    drop(store);
    let again = Remake::begin(folder.path(), &Disk::default()).err().unwrap();
    assert!(matches!(again, StoreError::AlreadyThere { .. }), "{again}");
    open_clean(folder.path());
}

#[test]
fn secrets_alone_are_enough_and_their_absence_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let kept = lost(folder.path());
    for name in ["keys", "chunks"] {
        fs::remove_dir_all(folder.path().join(name)).unwrap();
    }
    for name in ["format", "lock"] {
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    let indexes = remade(folder.path(), &kept, &Disk::default()).unwrap();
    assert!(indexes.iter().all(|(_, made)| !made), "{indexes:?}");
    let (store, recovery) = open(folder.path());
    assert!(recovery.damaged.is_empty(), "{recovery:?}");
    assert_eq!(store.session(session(1)).unwrap().state(), State::Sealed);
    assert_eq!(store.session(session(4)).unwrap().state(), State::Voided);
    drop(store);

    let other = tempfile::tempdir().unwrap();
    assert!(Remake::begin(other.path(), &Disk::default()).is_err());
    assert_eq!(fs::read_dir(other.path()).unwrap().count(), 0);
    fs::create_dir(other.path().join("secrets")).unwrap();
    fs::copy(folder.path().join("secrets/node.key"), other.path().join("secrets/node.key"))
        .unwrap();
    fs::write(other.path().join("letter.txt"), "dear").unwrap();
    let foreign = Remake::begin(other.path(), &Disk::default()).err().unwrap();
    assert!(matches!(foreign, StoreError::NotADataFolder { .. }), "{foreign}");
}

#[test]
fn another_log_gets_no_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut kept = lost(folder.path());
    kept.entries.pop();
    let short = remade(folder.path(), &kept, &Disk::default()).unwrap_err();
    assert!(matches!(short, StoreError::Damaged { .. }), "{short}");
    assert_eq!(fs::read_dir(folder.path().join("log")).unwrap().count(), 0);
    assert!(open_with(folder.path(), Disk::default()).is_err());
}

#[test]
fn an_interrupted_remaking_is_begun_again() {
    let folder = crate::testing::folder_in_memory();
    let kept = lost(folder.path());
    let counted = Arc::new(Script::default());
    remade(folder.path(), &kept, &Disk::with_faults(counted.clone())).unwrap();
    let operations = counted.count();
    assert!(operations > 40, "{operations}");
    for nth in 0..operations {
        for name in ["log", "sessions"] {
            fs::remove_dir_all(folder.path().join(name)).unwrap();
        }
        let script = Arc::new(Script::default());
        script.fail_nth(nth, true);
        let cut = remade(folder.path(), &kept, &Disk::with_faults(script));
        assert!(cut.is_err(), "operation {nth} of {operations} failed and nobody said so");
        let there = folder.path().join("log/head").exists();
        // Only the sync of the log's new name comes after it has it.
        assert!(!there || nth + 1 == operations, "a log after operation {nth}");
        if !there {
            remade(folder.path(), &kept, &Disk::default()).unwrap();
        }
        let (store, recovery) = open(folder.path());
        assert!(recovery.damaged.is_empty() && recovery.unknown.is_empty(), "{nth}: {recovery:?}");
        assert_eq!(store.manifest(session(1)).unwrap().bytes, kept.manifests[0].1);
        drop(store);
        fs::remove_dir_all(folder.path().join("db")).unwrap();
    }
}

/// What is left of `sessions/` is worth more than what can be made again.
#[test]
fn indexes_that_are_left_stay() {
    let folder = tempfile::tempdir().unwrap();
    let saved = tempfile::tempdir().unwrap();
    let kept = lost_but(folder.path(), |data| {
        for seed in [3, 4] {
            let name = format!("{seed}");
            fs::copy(session_file(data, seed, "index"), saved.path().join(name)).unwrap();
        }
    });
    for seed in [3, 4] {
        let index = session_file(folder.path(), seed, "index");
        fs::create_dir_all(index.parent().unwrap()).unwrap();
        fs::copy(saved.path().join(format!("{seed}")), index).unwrap();
    }
    fs::remove_file(chunk_file(folder.path(), 3, 1)).unwrap();
    let indexes = remade(folder.path(), &kept, &Disk::default()).unwrap();
    assert!(indexes.contains(&(3, false)));
    for seed in [3, 4] {
        let index = fs::read(session_file(folder.path(), seed, "index")).unwrap();
        assert_eq!(index, fs::read(saved.path().join(format!("{seed}"))).unwrap());
    }
    assert!(!session_file(folder.path(), 3, "index.remade").exists());
    let (store, recovery) = open(folder.path());
    assert!(recovery.damaged.is_empty(), "{recovery:?}");
    assert_eq!(index_of(&store, 3).len(), 3);
}

/// A making that was cut short is no reason for another log under the same key.
#[test]
fn a_log_that_was_being_read_back_keeps_another_from_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let kept = lost(folder.path());
    for name in ["keys", "chunks"] {
        fs::remove_dir_all(folder.path().join(name)).unwrap();
    }
    let mut remake = Remake::begin(folder.path(), &Disk::default()).unwrap();
    remake.push(&kept.entries[..2]).unwrap();
    drop(remake);
    let begun = create(folder.path(), Disk::default()).err().unwrap();
    assert!(matches!(begun, StoreError::LogLost { .. }), "{begun}");
    remade(folder.path(), &kept, &Disk::default()).unwrap();
}
