//! Every file is altered in every way, and each alteration is found and named.

use std::{fs, path::Path};

use lucid_core::EntryIndex;
use lucid_store::{
    disk::Disk,
    log::{Finding, Log, LogError, LogReader, Remedy, rebuild_tiles},
};

use crate::support::*;

/// Ways to alter a file of `bytes`.
fn alterations(bytes: &[u8]) -> Vec<Option<Vec<u8>>> {
    let mut altered = vec![None, Some(Vec::new())];
    for place in [0, 1, 5, 9, 17, 25, bytes.len() / 2, bytes.len() - 1] {
        if place < bytes.len() {
            let mut flipped = bytes.to_vec();
            flipped[place] ^= 0x04;
            altered.push(Some(flipped));
        }
    }
    altered.push(Some(bytes[..bytes.len() / 2].to_vec()));
    altered.push(Some(bytes[..bytes.len() - 1].to_vec()));
    altered.push(Some([bytes, b"\0"].concat()));
    altered
}

fn set(path: &Path, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => fs::write(path, bytes).unwrap(),
        None => fs::remove_file(path).unwrap(),
    }
}

fn findings(dir: &Path) -> Vec<(Remedy, String)> {
    let report = check_all(dir);
    report.findings.iter().map(|finding| (finding.remedy(), finding.to_string())).collect()
}

#[test]
fn every_alteration_is_found_and_named() {
    let (_folder, dir) = log_of(3 * 256 + 40);
    for name in [
        "head",
        "tail",
        "tile/entries/000",
        "tile/entries/001",
        "tile/entries/002",
        "tile/0/000",
        "tile/0/001",
        "tile/0/002",
    ] {
        let path = dir.join(name);
        let whole = fs::read(&path).unwrap();
        for (case, altered) in alterations(&whole).into_iter().enumerate() {
            set(&path, altered.as_deref());
            let shown = format!("{name}, alteration {case}");
            let found = findings(&dir);
            let named = |text: &str| text.contains(path.to_str().unwrap());
            assert!(found.iter().any(|(_, text)| named(text)), "{shown}: {found:?}");
            let want = match name {
                _ if name.starts_with("tile/0") => Remedy::RebuildTiles,
                // One byte after the records is what a torn append leaves.
                "tail" if altered.as_ref().is_some_and(|bytes| bytes.len() > whole.len()) => {
                    Remedy::Open
                }
                // A copy of the checkpoint is enough.
                "head" if altered.as_ref().is_some_and(|bytes| bytes.len() >= whole.len() - 1) => {
                    Remedy::Open
                }
                _ => Remedy::Restore,
            };
            let own = found.iter().filter(|(_, text)| named(text));
            // With the newer checkpoint lost, its two copies are named by themselves as well.
            let is_copy = |text: &str| name == "head" && text.contains("a copy of the checkpoint");
            assert!(own.clone().any(|(remedy, _)| *remedy == want), "{shown}: {found:?}");
            for (remedy, text) in own.filter(|(_, text)| !is_copy(text)) {
                assert_eq!(*remedy, want, "{shown}: {text}");
            }
            // Opening finds what is wrong with what it reads: all but older bundles.
            let opened = LogReader::open(&dir, &public());
            if let Ok(log) = &opened {
                let read: Result<Vec<_>, _> =
                    log.entries(EntryIndex(0)..EntryIndex(log.size())).unwrap().collect();
                assert!(want == Remedy::Open || read.is_err(), "{shown} was read as if whole");
                assert!(read.is_err() || log.size() == 3 * 256 + 40, "{shown}: some are lost");
                assert!(want != Remedy::RebuildTiles, "{shown} was opened: it is at the edge");
            }
            if want == Remedy::RebuildTiles {
                let rebuilt =
                    rebuild_tiles(&dir, &public(), &Disk::default(), &mut |_, _| ()).unwrap();
                assert_eq!((rebuilt.tiles, rebuilt.rewritten), (3, 1), "{shown}");
                assert_eq!(fs::read(&path).unwrap(), whole);
            }
            set(&path, Some(&whole));
        }
    }
    assert_sound(&dir, &entries(0, 808));
}

#[test]
fn lost_entries_are_counted() {
    let (_folder, dir) = log_of(300);
    let tail = dir.join("tail");
    let whole = fs::read(&tail).unwrap();
    let says = |bytes: Option<&[u8]>, want: &str| {
        set(&tail, bytes);
        let error = LogReader::open(&dir, &public()).map(drop).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
        assert!(
            Log::open(&dir, key(), Disk::default()).is_err(),
            "opening to append repairs none of it"
        );
        set(&tail, Some(&whole));
    };
    says(Some(&whole[..whole.len() - 1]), "lost entries 299 to 299");
    says(Some(&whole[..16]), "lost entries 256 to 299");
    says(Some(&whole[..16]), "ends at byte 16");
    says(None, "lost entries 256 to 299");
    let mut flipped = whole.clone();
    flipped[30] ^= 1;
    says(Some(&flipped), "lost entries 256 to 299");
    says(Some(&flipped), "wrong checksum at byte 16");
    assert_sound(&dir, &entries(0, 300));
}

#[test]
fn a_missing_tail_that_held_nothing_is_made_again() {
    let (_folder, dir) = log_of(512);
    fs::remove_file(dir.join("tail")).unwrap();
    assert_eq!(LogReader::open(&dir, &public()).unwrap().repairs().len(), 1);
    open(&dir).append(&entries(512, 514)).unwrap();
    assert_sound(&dir, &entries(0, 514));
}

#[test]
fn older_files_are_not_taken_for_the_log() {
    let (folder, dir) = log_of(300);
    let older = folder.path().join("older");
    copy_folder(&dir, &older);
    open(&dir).append(&entries(300, 600)).unwrap();
    let newer = folder.path().join("newer");
    copy_folder(&dir, &newer);
    let restore = |name: &str| fs::copy(older.join(name), dir.join(name)).unwrap();
    let opened = || LogReader::open(&dir, &public()).map(drop).unwrap_err();
    restore("head");
    assert!(matches!(opened(), LogError::CheckpointBehind { size: 300, settled: 512, .. }));
    assert!(!check_all(&dir).is_sound());
    restore("tail");
    assert!(matches!(opened(), LogError::RolledBack { size: 300, .. }));
    assert!(!check_all(&dir).is_sound());
    fs::copy(newer.join("head"), dir.join("head")).unwrap();
    assert!(matches!(opened(), LogError::TailDamaged { from: EntryIndex(300), .. }));
    assert!(!check_all(&dir).is_sound());
    fs::copy(newer.join("tail"), dir.join("tail")).unwrap();
    assert_sound(&dir, &entries(0, 600));
}

#[test]
fn entries_beyond_the_checkpoint_are_dropped() {
    let (folder, dir) = log_of(258);
    let older = fs::read(dir.join("head")).unwrap();
    open(&dir).append(&entries(258, 265)).unwrap();
    fs::write(dir.join("head"), older).unwrap();
    let mut tail = fs::read(dir.join("tail")).unwrap();
    tail.truncate(tail.len() - 3);
    fs::write(dir.join("tail"), tail).unwrap();
    for leftover in ["tail.tmp", "head.tmp", "tile/0/001.tmp", "tile/entries/001.tmp"] {
        fs::write(dir.join(leftover), "half").unwrap();
    }
    copy_folder(&dir, &folder.path().join("before"));
    let reader = LogReader::open(&dir, &public()).unwrap();
    assert_holds(&reader, &entries(0, 258));
    assert_eq!(reader.repairs().len(), 6, "{:?}", reader.repairs());
    let report = check_all(&dir);
    assert!(report.is_sound() && report.findings.len() == 6, "{:?}", report.findings);
    assert!(report.findings.iter().all(|it| matches!(it, Finding::Unfinished(_))));
    assert_holds(&open(&dir), &entries(0, 258));
    assert_sound(&dir, &entries(0, 258));
    open(&dir).append(&entries(258, 600)).unwrap();
    assert_sound(&dir, &entries(0, 600));
}

/// With a full tile above, the check says which of two that disagree is right; a change in both is a
/// tile's difference above and a wrong root.
#[test]
fn damage_below_a_full_tile() {
    let (folder, dir) = log_of(65_536 + 300);
    let flip = |name: &str, place: usize| {
        let mut bytes = fs::read(dir.join(name)).unwrap();
        bytes[place] ^= 1;
        fs::write(dir.join(name), bytes).unwrap();
    };
    // Bundle 3, the start of the detail of its first entry: it parses and is another.
    let changed = "tile/entries/003";
    let detail = 2 + r#"{"at":"1970-01-01T00:00:00.001Z","detail":""#.len();
    flip(changed, detail);
    flip("tile/0/005", 33);
    fs::remove_file(dir.join("tile/0/006")).unwrap();
    flip("tile/1/000", 10);
    let report = findings(&dir);
    let text = |part: &str| report.iter().filter(|(_, text)| text.contains(part)).count();
    assert_eq!(text("tile/entries/003"), 1, "{report:?}");
    assert_eq!(text("entry 768 in"), 1, "{report:?}");
    assert_eq!((text("tile/0/005"), text("tile/0/006 is missing"), text("tile/1/000")), (1, 1, 1));
    assert!(report.iter().all(|(remedy, _)| *remedy == Remedy::Restore), "an entry is lost");
    let refused = rebuild_tiles(&dir, &public(), &Disk::default(), &mut |_, _| ());
    assert!(matches!(refused, Err(LogError::RootMismatch { .. })));
    flip(changed, detail);
    let report = findings(&dir);
    assert!(report.iter().all(|(remedy, _)| *remedy == Remedy::RebuildTiles), "{report:?}");
    assert_eq!(report.len(), 3, "{report:?}");
    let rebuilt = rebuild_tiles(&dir, &public(), &Disk::default(), &mut |_, _| ()).unwrap();
    assert_eq!((rebuilt.tiles, rebuilt.rewritten), (258, 3));
    assert!(check_all(&dir).findings.is_empty());

    // An entry and its leaf hash, changed alike.
    flip(changed, detail);
    let bundle = fs::read(dir.join(changed)).unwrap();
    let first = &lucid_core::merkle::decode_bundle(&bundle, 256).unwrap()[0];
    let mut tile = fs::read(dir.join("tile/0/003")).unwrap();
    tile[..32].copy_from_slice(&lucid_core::merkle::leaf_hash(first).0);
    fs::write(dir.join("tile/0/003"), tile).unwrap();
    let log = LogReader::open(&dir, &public()).expect("opening reads the right edge only");
    let exported = log.export(&folder.path().join("export"), &mut |_, _| ());
    assert!(matches!(exported, Err(LogError::TileDiffers { .. })));
    assert!(matches!(log.tlog_proof(EntryIndex(768)), Err(LogError::Proof { .. })));
    let report = findings(&dir);
    let says = |part: &str| report.iter().any(|(_, text)| text.contains(part));
    assert!(says("tile/1/000 is damaged: hash 3"), "{report:?}");
    assert!(says("and") && says("signs"), "{report:?}");
}

#[test]
fn strays_are_named_and_do_no_harm() {
    let (_folder, dir) = log_of(300);
    let names =
        ["notes.txt", "tile/0/007", "tile/0/001.p/44", "tile/9/000", "tile/entries/x001/000"];
    for name in names {
        fs::create_dir_all(dir.join(name).parent().unwrap()).unwrap();
        fs::write(dir.join(name), "stray").unwrap();
    }
    let report = check_all(&dir);
    assert!(report.is_sound());
    assert_eq!(report.findings.len(), names.len(), "{:?}", report.findings);
    assert!(report.findings.iter().all(|it| it.remedy() == Remedy::None));
    assert_holds(&open(&dir), &entries(0, 300));
}

/// The newest checkpoint is gone with both its copies: what it covered is not dropped as if nobody had been
/// told of it.
#[test]
fn a_lost_checkpoint_does_not_cut_entries() {
    let (_folder, dir) = log_of(256);
    let whole = fs::read(dir.join("head")).unwrap();
    open(&dir).append(&entries(256, 259)).unwrap();
    let newer = fs::read(dir.join("head")).unwrap();
    let block = (0..2).map(|block| block * 4096..(block + 1) * 4096);
    let block = block.clone().find(|block| whole[block.clone()] != newer[block.clone()]).unwrap();
    for fill in [0, 0xff] {
        let mut lost = newer.clone();
        lost[block.clone()].fill(fill);
        fs::write(dir.join("head"), lost).unwrap();
        let error = Log::open(&dir, key(), Disk::default()).map(drop).unwrap_err();
        assert!(matches!(error, LogError::HeadLost { size: 256, count: 3, .. }), "{error}");
        assert!(!check_all(&dir).is_sound());
    }
    // The one before is not needed.
    let mut older = newer.clone();
    older[4096 - block.start..][..4096].fill(0xff);
    fs::write(dir.join("head"), older).unwrap();
    assert_eq!(LogReader::open(&dir, &public()).unwrap().repairs().len(), 2);
    open(&dir).append(&entries(259, 260)).unwrap();
    assert_sound(&dir, &entries(0, 260));
}
