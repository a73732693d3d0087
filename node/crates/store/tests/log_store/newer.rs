//! A log that a newer node wrote, with entries of another version: kept, hashed and proved like any
//! other, also when this node goes on with it.

use std::fs;

use lucid_core::{entry::Entry, merkle, note::Checkpoint};

use crate::support::*;

/// Writes a log of `entries` the way a newer node would: by the format, not by this crate's hand.
fn write_log(dir: &std::path::Path, entries: &[Vec<u8>]) {
    let mut tail = [b"LUCT".as_slice(), &[1, 0, 0, 0], &[0; 8]].concat();
    for entry in entries {
        let length = u32::try_from(entry.len()).unwrap().to_be_bytes();
        let crc = crc32c::crc32c_append(crc32c::crc32c(&length), entry).to_be_bytes();
        tail.extend([length.as_slice(), &crc, entry].concat());
    }
    fs::create_dir(dir).unwrap();
    fs::write(dir.join("tail"), tail).unwrap();
    let (size, root) = (entries.len() as u64, merkle::root(&leaves(entries)));
    let checkpoint = Checkpoint { origin: ORIGIN.parse().unwrap(), size, root };
    fs::write(dir.join("head"), head(&checkpoint.sign(&key()).unwrap())).unwrap();
}

fn check(count: u64, newer_at: &[u64]) {
    let folder = temporary();
    let dir = folder.path().join("log");
    let mut all = entries(0, count);
    for &place in newer_at {
        let place = usize::try_from(place).unwrap();
        all[place] = newer_entry(2 + place as u64);
        assert!(matches!(Entry::parse(&all[place]), Ok(Entry::Other(_))));
    }
    write_log(&dir, &all);
    let report = check_all(&dir);
    assert!(report.is_sound(), "{count} with newer ones at {newer_at:?}: {:?}", report.findings);
    assert_eq!(report.entries, count);
    // Opening settles full bundles, so that the newer entries are in those too.
    open(&dir);
    assert_sound(&dir, &all);
    all.extend(entries(count, count + 300));
    open(&dir).append(&all[usize::try_from(count).unwrap()..]).unwrap();
    assert_sound(&dir, &all);
    // They are under the root like any other.
    let bundle = dir.join(format!("tile/entries/{:03}", newer_at[0] / 256));
    let mut bytes = fs::read(&bundle).unwrap();
    let found = bytes.windows(5).position(|part| part == b"parts").unwrap();
    bytes[found] ^= 1;
    fs::write(&bundle, bytes).unwrap();
    assert!(!check_all(&dir).is_sound(), "entry {} was altered", newer_at[0]);
}

#[test]
fn entries_of_another_version_are_kept() {
    for (count, newer_at) in
        [(1, &[0][..]), (3, &[2]), (256, &[0, 255]), (600, &[1, 255, 256, 599])]
    {
        check(count, newer_at);
    }
}
