//! Somebody writes to the tail who has no key: it is never signed, and never keeps a node from starting.

use std::{fs, path::Path};

use lucid_store::{
    disk::Disk,
    log::{Finding, Log, LogError, LogReader, Repair},
};

use crate::support::*;

/// A record as `log/tail` has it, with a CRC that is right.
fn record(entry: &[u8]) -> Vec<u8> {
    let length = u32::try_from(entry.len()).unwrap().to_be_bytes();
    let crc = crc32c::crc32c_append(crc32c::crc32c(&length), entry).to_be_bytes();
    [&length, &crc, entry].concat()
}

fn erased() -> Vec<u8> {
    let session = "6f1d9c1e-3a52-4c0e-9d0b-5a1f6f1f7a10";
    let at = "2026-02-01T00:00:06.000Z";
    format!(r#"{{"at":"{at}","kind":"session.erased","session_id":"{session}","v":1}}"#)
        .into_bytes()
}

/// Everything in the log's folder but the tail.
fn rest_of(dir: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|item| item.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path != dir.join("tail") {
                files.push((path.clone(), fs::read(path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

/// A log of `size` entries whose tail somebody lengthens by `forged`, which are `records` whole records.
fn check(size: u64, forged: &[u8], records: u64) {
    let (_folder, dir) = log_of(size);
    let (tail, before) = (fs::read(dir.join("tail")).unwrap(), rest_of(&dir));
    fs::write(dir.join("tail"), [&tail, forged].concat()).unwrap();

    assert_holds(&LogReader::open(&dir, &public()).unwrap(), &entries(0, size));
    let report = check_all(&dir);
    assert_eq!(report.entries, size);
    assert!(!report.findings.is_empty(), "{size} and {records} records");
    for finding in &report.findings {
        assert!(matches!(finding, Finding::Unfinished(_)), "{size} and {records}: {finding}");
    }

    let log = open(&dir);
    assert_holds(&log, &entries(0, size));
    let dropped = log.repairs().iter().find_map(|repair| match repair {
        Repair::Unsigned { from, count, bytes } => Some((from.0, *count, *bytes)),
        _ => None,
    });
    let torn = log.repairs().iter().map(|repair| match repair {
        Repair::TornTail { bytes, .. } => *bytes,
        _ => 0,
    });
    let bytes = dropped.map_or(0, |(.., bytes)| bytes) + torn.sum::<u64>();
    assert_eq!(bytes, forged.len() as u64, "every byte is accounted for: {:?}", log.repairs());
    assert_eq!(
        dropped.map(|(from, count, _)| (from, count)),
        (records > 0).then_some((size, records))
    );
    drop(log);
    assert_eq!(fs::read(dir.join("tail")).unwrap(), tail);
    assert_eq!(rest_of(&dir), before, "nothing is signed, no bundle is written");
    open(&dir).append(&entries(size, size + 300)).unwrap();
    assert_sound(&dir, &entries(0, size + 300));
}

#[test]
fn records_that_no_checkpoint_covers_are_not_signed() {
    let many: Vec<u8> = (0..600).flat_map(|_| record(&erased())).collect();
    let next = record(&entry(1));
    for size in [0, 1, 255, 256, 300] {
        check(size, &record(&erased()), 1);
        check(size, &record(b"junk"), 1);
        check(size, &record(b""), 1);
        check(size, &[record(&entry(size)), record(&vec![0xff; 65_535])].concat(), 2);
        check(size, &many, 600);
        check(size, &[next.as_slice(), b"torn"].concat(), 1);
        check(size, &[b"junk, and then a record: ", next.as_slice()].concat(), 0);
    }
}

/// Without a checkpoint nothing says which records were acknowledged, so none is taken.
#[test]
fn records_without_a_checkpoint_make_no_log() {
    let (_folder, dir) = log_of(0);
    let tail = fs::read(dir.join("tail")).unwrap();
    fs::write(dir.join("tail"), [tail, record(&erased())].concat()).unwrap();
    fs::remove_file(dir.join("head")).unwrap();
    for opened in
        [Log::open(&dir, key(), Disk::default()), Log::create(&dir, key(), Disk::default())]
    {
        let error = opened.map(drop).unwrap_err();
        assert!(
            matches!(error, LogError::CheckpointMissing { .. } | LogError::Exists { .. }),
            "{error}"
        );
    }
    assert!(!dir.join("head").exists());
}

/// An older checkpoint over a tail that goes on: what was settled after it gives it away.
#[test]
fn an_older_checkpoint_does_not_cut_what_was_settled() {
    let (_folder, dir) = log_of(250);
    let [checkpoint, tail] = ["head", "tail"].map(|name| fs::read(dir.join(name)).unwrap());
    open(&dir).append(&entries(250, 600)).unwrap();
    fs::write(dir.join("head"), checkpoint).unwrap();
    let longer: Vec<u8> = (250..600).flat_map(|index| record(&entry(index))).collect();
    fs::write(dir.join("tail"), [tail, longer].concat()).unwrap();
    let error = Log::open(&dir, key(), Disk::default()).map(drop).unwrap_err();
    assert!(matches!(error, LogError::RolledBack { size: 250, .. }), "{error}");
}
