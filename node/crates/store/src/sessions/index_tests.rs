use std::{fs, sync::Arc};

use super::*;
use crate::{
    disk::Op,
    testing::{Script, session, summary},
};

const PLAIN: u32 = 65_536;

fn chunks(count: u32) -> Vec<ChunkSummary> {
    (0..count).map(|index| summary(session(1), index, PLAIN)).collect()
}

fn made(count: u32) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    SessionIndex::create(&path, session(1), &Disk::default()).unwrap();
    open(&path).append(&chunks(count)).unwrap();
    (folder, path)
}

fn open(path: &Path) -> SessionIndex {
    SessionIndex::open(path, session(1), &Disk::default()).unwrap()
}

fn read(path: &Path) -> Vec<ChunkSummary> {
    IndexReader::open(path, session(1)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn what_is_appended_is_read_and_summed() {
    for count in [0, 1, 3, 64, 65, 200] {
        let (_folder, path) = made(count);
        assert_eq!(read(&path), chunks(count));
        assert_eq!(fs::metadata(&path).unwrap().len(), 32 + 140 * u64::from(count));
        let index = open(&path);
        assert_eq!(index.totals().chunk_count, count);
        assert_eq!(index.totals().plain_bytes, u64::from(count) * u64::from(PLAIN));
        let leaves: Vec<Hash> = chunks(count).iter().map(ChunkSummary::session_leaf).collect();
        assert_eq!(index.root(), lucid_core::merkle::root(&leaves));
    }
}

#[test]
fn records_are_passed_over_and_the_next_one_is_in_its_place() {
    let (_folder, path) = made(200);
    for skip in [0, 1, 63, 64, 199, 200, 201, 10_000] {
        let reader = IndexReader::open(&path, session(1)).unwrap();
        let page: Vec<_> = reader.skip(skip).take(3).map(Result::unwrap).collect();
        let all = chunks(200);
        assert_eq!(page, all.into_iter().skip(skip).take(3).collect::<Vec<_>>(), "{skip}");
    }
    // What is passed over is not looked at; what is read is.
    let mut bytes = fs::read(&path).unwrap();
    bytes[32 + 140 * 50] ^= 1;
    fs::write(&path, bytes).unwrap();
    let read = |skip| IndexReader::open(&path, session(1)).unwrap().nth(skip);
    assert!(read(50).unwrap().is_err());
    assert_eq!(read(51).unwrap().unwrap(), chunks(200)[51]);
}

#[test]
fn layout_is_the_documented_one() {
    let (_folder, path) = made(1);
    let bytes = fs::read(path).unwrap();
    assert_eq!(bytes[..8], *b"LUCI\x01\0\0\0");
    assert_eq!(bytes[8..24], *session(1).as_bytes());
    let chunk = summary(session(1), 0, PLAIN);
    assert_eq!(bytes[32..80], chunk.header.to_bytes());
    assert_eq!(lucid_core::merkle::leaf_hash(&bytes[32..168]), chunk.session_leaf());
    assert_eq!(bytes[168..], crc32c::crc32c(&bytes[32..168]).to_be_bytes());
}

#[test]
fn chunks_out_of_place_are_refused_whole() {
    let (_folder, path) = made(2);
    let mut index = open(&path);
    let gap = [summary(session(1), 2, PLAIN), summary(session(1), 4, PLAIN)];
    assert!(matches!(index.append(&gap), Err(StoreError::Chunk { .. })));
    assert!(matches!(index.append(&chunks(1)), Err(StoreError::Chunk { .. })));
    assert_eq!(read(&path), chunks(2), "nothing of a refused batch is written");
}

/// The tail after the file was cut to `bytes`.
#[test]
fn a_cut_anywhere_leaves_the_whole_records() {
    for bytes in 32..32 + 140 * 3 {
        let (_folder, path) = made(3);
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(bytes).unwrap();
        let found = scan(&path, session(1)).unwrap();
        let whole = u32::try_from((bytes - 32) / 140).unwrap();
        assert_eq!(found.totals.chunk_count, whole);
        let torn = (bytes - 32) % 140;
        let tail = (torn > 0).then_some(Tail { bytes: torn, later_records: 0 });
        assert_eq!(found.tail, tail, "{bytes} bytes");
        if tail.is_some() {
            assert!(SessionIndex::open(&path, session(1), &Disk::default()).is_err());
        }
        found.cut(&path, &Disk::default()).unwrap();
        let mut index = open(&path);
        index.append(&chunks(3)[whole as usize..]).unwrap();
        assert_eq!(read(&path), chunks(3));
    }
}

#[test]
fn a_flipped_bit_is_found_wherever_it_is() {
    let (_folder, path) = made(3);
    let whole = fs::read(&path).unwrap();
    for place in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << (place % 8);
        fs::write(&path, bytes).unwrap();
        if place < 32 {
            let error = scan(&path, session(1)).err().expect("a damaged header");
            assert!(matches!(error, StoreError::Damaged { .. }));
            continue;
        }
        let record = (place as u64 - 32) / 140;
        let found = scan(&path, session(1)).unwrap();
        assert_eq!(u64::from(found.totals.chunk_count), record);
        assert_eq!(found.tail.unwrap().later_records, 2 - record);
        let mut reader = IndexReader::open(&path, session(1)).unwrap();
        let error = reader.find_map(Result::err).unwrap().to_string();
        assert!(error.contains(&format!("record {record}")), "{error}");
    }
}

#[test]
fn an_index_of_another_session_is_noticed() {
    let (_folder, path) = made(0);
    let error = scan(&path, session(2)).err().unwrap();
    assert!(error.to_string().contains("another session"), "{error}");
}

/// `append` under a disk that fails one operation: the index then goes on, or says that it cannot.
fn check_failed_append(fail: &[Op], goes_on: bool) {
    let (_folder, path) = made(1);
    let script = Arc::new(Script::default());
    let disk = Disk::with_faults(script.clone());
    let mut index = SessionIndex::open(&path, session(1), &disk).unwrap();
    script.fail(fail);
    assert!(matches!(index.append(&chunks(3)[1..]), Err(StoreError::Io { .. })), "{fail:?}");
    script.fail(&[]);
    assert_eq!(index.totals().chunk_count, 1);
    let again = index.append(&chunks(3)[1..]);
    assert_eq!(again.is_ok(), goes_on, "{fail:?}: {again:?}");
    if goes_on {
        assert_eq!(read(&path), chunks(3));
    }
}

#[test]
fn a_failed_append_is_cut_off_or_final() {
    check_failed_append(&[Op::Write], true);
    check_failed_append(&[Op::SyncFile], true);
    check_failed_append(&[Op::SyncFile, Op::Truncate], false);
}
