//! Round trips at the sizes where something changes.

use lucid_core::{
    EntryIndex, Hash,
    merkle::{self, CompactRange, TilePath, bundles_of, tiles_of},
};
use lucid_store::{
    disk::Disk,
    log::{Log, LogError},
};

use crate::support::*;

#[test]
fn around_the_edges_of_bundles() {
    let (_folder, dir, mut log) = new_log();
    let mut want = Vec::new();
    assert_sound(&dir, &want);
    for size in [1, 2, 255, 256, 257, 511, 512, 513, 767, 768, 1100] {
        let more = entries(want.len() as u64, size);
        let from = EntryIndex(want.len() as u64);
        assert_eq!(log.append(&more).unwrap(), from..EntryIndex(size));
        want.extend(more);
        assert_holds(&log, &want);
        drop(log);
        assert_sound(&dir, &want);
        log = open(&dir);
    }
    assert!(log.append::<Vec<u8>>(&[]).unwrap().is_empty());
    assert_holds(&log, &want);
}

#[test]
fn one_at_a_time() {
    let (_folder, dir, mut log) = new_log();
    let want = entries(0, 520);
    let mut range = CompactRange::new();
    for entry in &want {
        log.append(&[entry]).unwrap();
        range.push(merkle::leaf_hash(entry));
        assert_eq!(log.root(), range.root(), "{}", range.len());
    }
    drop(log);
    assert_sound(&dir, &want);
}

/// 65,536 entries fill a tile of level 1, which appears at their end and not before.
#[test]
fn around_a_full_tile_of_tiles() {
    let (_folder, dir, mut log) = new_log();
    let want = entries(0, 65_537);
    log.append(&want[..65_535]).unwrap();
    for size in [65_535, 65_536, 65_537] {
        assert_eq!(dir.join("tile/1/000").exists(), size > 65_535);
        assert_holds(&open(&dir), &want[..size]);
        if size < want.len() {
            log.append(&want[size..=size]).unwrap();
        }
    }
    assert_sound(&dir, &want);
    let leaves = leaves(&want);
    for size in [1, 255, 256, 300, 512, 65_280, 65_535, 65_536, 65_537] {
        assert_eq!(log.root_at(size).unwrap(), merkle::root(&leaves[..size as usize]), "{size}");
        for index in [0, size / 3, size - 1] {
            let path = log.inclusion_proof(EntryIndex(index), size).unwrap();
            assert_eq!(path, merkle::inclusion_proof(&leaves[..size as usize], index).unwrap());
        }
        let path = log.consistency_proof(size, 65_537).unwrap();
        assert_eq!(path, merkle::consistency_proof(&leaves, size).unwrap());
    }
}

#[test]
fn resources_are_those_of_every_earlier_tree() {
    let (_folder, _dir, mut log) = new_log();
    let want = entries(0, 700);
    log.append(&want).unwrap();
    let leaves = leaves(&want);
    let hash = |level: u8, place: u64| {
        let span = 256_u64.pow(level.into());
        merkle::root(&leaves[(place * span) as usize..((place + 1) * span) as usize])
    };
    for size in [1, 255, 256, 257, 600, 700] {
        for tile in tiles_of(size) {
            let bytes = log.resource(TilePath::Hashes(tile)).unwrap().unwrap();
            let first = tile.index() * 256;
            let want: Vec<Hash> =
                (first..first + u64::from(tile.width())).map(|at| hash(tile.level(), at)).collect();
            assert_eq!(tile.hashes(&bytes).unwrap(), want, "{tile}");
        }
        for bundle in bundles_of(size) {
            let bytes = log.resource(TilePath::Entries(bundle)).unwrap().unwrap();
            let first = bundle.index() as usize * 256;
            let got = merkle::decode_bundle(&bytes, bundle.width().into()).unwrap();
            assert_eq!(got, want[first..first + usize::from(bundle.width())], "{bundle}");
        }
    }
    for beyond in
        ["tile/0/002.p/189", "tile/0/002", "tile/1/000.p/3", "tile/2/000.p/1", "tile/0/003.p/1"]
    {
        assert_eq!(log.resource(beyond.parse().unwrap()).unwrap(), None, "{beyond}");
    }
}

#[test]
fn what_is_beyond_the_log_is_an_error() {
    let (_folder, _dir, mut log) = new_log();
    log.append(&entries(0, 300)).unwrap();
    let beyond =
        |result: Result<(), LogError>| assert!(matches!(result, Err(LogError::Beyond { .. })));
    for index in [300, 301, u64::MAX] {
        beyond(log.entry(EntryIndex(index)).map(drop));
        beyond(log.leaf(EntryIndex(index)).map(drop));
        beyond(log.inclusion_proof(EntryIndex(0), index.max(301)).map(drop));
        beyond(log.consistency_proof(1, index.max(301)).map(drop));
        beyond(log.entries(EntryIndex(0)..EntryIndex(index.max(301))).map(drop));
    }
    let no_proof = |result| assert!(matches!(result, Err(LogError::Proof { .. })));
    no_proof(log.inclusion_proof(EntryIndex(200), 200));
    no_proof(log.consistency_proof(0, 300));
    no_proof(log.consistency_proof(3, 2));
    let some = log.entries(EntryIndex(250)..EntryIndex(260)).unwrap();
    assert!(some.map(Result::unwrap).eq(entries(250, 260)));
    assert_eq!(log.entries(EntryIndex(5)..EntryIndex(5)).unwrap().count(), 0);
}

#[test]
fn what_is_no_entry_is_refused_and_nothing_of_its_group_is_kept() {
    let (_folder, dir, mut log) = new_log();
    log.append(&entries(0, 2)).unwrap();
    // One of another version is an entry to read, and none to write.
    let newer = newer_entry(2);
    for bad in [b"{}".to_vec(), Vec::new(), b"text".to_vec(), vec![b' '; 70_000], newer] {
        let group = [entry(2), bad];
        let refused = log.append(&group);
        assert!(matches!(refused, Err(LogError::Refused { position: 1, .. })));
    }
    assert!(log.poisoned().is_none());
    log.append(&[entry(2)]).unwrap();
    assert_sound(&dir, &entries(0, 3));
}

#[test]
fn the_longest_entries_fill_a_bundle() {
    let (_folder, dir, mut log) = new_log();
    let shell = r#"{"at":"1970-01-01T00:00:00.001Z","kind":"a.b","t":"","v":1}"#;
    let text = format!(r#""t":"{}""#, "x".repeat(65_535 - shell.len()));
    let longest = shell.replace(r#""t":"""#, &text).into_bytes();
    assert_eq!(longest.len(), 65_535);
    let want = vec![longest; 257];
    log.append(&want).unwrap();
    assert_sound(&dir, &want);
}

#[test]
fn a_log_is_made_once_and_never_by_opening() {
    let folder = temporary();
    let dir = folder.path().join("log");
    let open = || Log::open(&dir, key(), Disk::default()).map(drop);
    let create = || Log::create(&dir, key(), Disk::default()).map(drop);
    assert!(matches!(open(), Err(LogError::NoLog { .. })));
    assert!(!dir.exists(), "a failed opening leaves no trace");
    create().unwrap();
    assert!(matches!(create(), Err(LogError::Exists { .. })));
    // Cut after the tail was written: nothing of the log was given out yet.
    std::fs::remove_file(dir.join("head")).unwrap();
    assert!(matches!(open(), Err(LogError::NotCreated { .. })));
    create().unwrap();
    let mut log = Log::open(&dir, key(), Disk::default()).unwrap();
    log.append(&[entry(0)]).unwrap();
    // The same with an entry is no cut creation, and signing it anew could contradict what was signed.
    std::fs::remove_file(dir.join("head")).unwrap();
    assert!(matches!(open(), Err(LogError::CheckpointMissing { entries: 1, .. })));
    assert!(matches!(create(), Err(LogError::Exists { .. })));
}

#[test]
fn another_nodes_log_is_refused() {
    let (_folder, dir) = log_of(3);
    for other in [
        lucid_core::note::SigningKey::from_seed(ORIGIN.parse().unwrap(), &[8; 32]),
        lucid_core::note::SigningKey::from_seed("lucid/other".parse().unwrap(), &[7; 32]),
    ] {
        let refused = Log::open(&dir, other, Disk::default()).map(drop);
        assert!(matches!(refused, Err(LogError::CheckpointRefused { .. })));
    }
}
