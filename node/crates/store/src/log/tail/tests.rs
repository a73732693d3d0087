use super::*;

fn file(records: &[&[u8]]) -> Vec<u8> {
    let mut bytes = header(512);
    for entry in records {
        encode_record(&mut bytes, entry);
    }
    bytes
}

#[test]
fn layout() {
    let bytes = file(&[b"a"]);
    assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283, "the check value of CRC-32C");
    let crc = crc32c::crc32c(&[0, 0, 0, 1, b'a']).to_be_bytes();
    let want = [b"LUCT\x01\0\0\0\0\0\0\0\0\0\x02\0\0\0\0\x01".as_slice(), &crc, b"a"].concat();
    assert_eq!(bytes, want);
    assert_ne!(crc32c::crc32c(&[0; 4]), 0, "zeros are no record");
}

/// How many whole records a file of `bytes` has, what follows, and how long that is.
fn check(bytes: &[u8], want: (usize, TailFault, u64)) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tail");
    std::fs::write(&path, bytes).unwrap();
    let scan = Tail::scan(&path).unwrap().unwrap();
    assert_eq!((scan.tail.len(), scan.fault, scan.torn_bytes), want);
    assert_eq!(scan.tail.end(), 512 + want.0 as u64);
}

#[test]
fn whole_records_are_read_up_to_the_first_fault() {
    let bytes = file(&[b"first", b"", b"third"]);
    check(&bytes, (3, TailFault::Ends, 0));
    check(&file(&[]), (0, TailFault::Ends, 0));
    for cut in 1..=12 {
        check(&bytes[..bytes.len() - cut], (2, TailFault::Short, 13 - cut as u64));
    }
    check(&bytes[..bytes.len() - 13], (2, TailFault::Ends, 0));
    let mut wrong = bytes.clone();
    wrong[25] ^= 1;
    check(&wrong, (0, TailFault::Checksum, 34));
    wrong = bytes.clone();
    wrong[17] ^= 1;
    check(&wrong, (0, TailFault::Length, 34));
    let mut zeros = bytes;
    zeros.extend([0; 4096]);
    check(&zeros, (3, TailFault::Checksum, 4096));
}

#[test]
fn headers_that_are_none_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tail");
    assert!(Tail::scan(&path).unwrap().is_none());
    for (place, says) in
        [(0, "magic"), (3, "magic"), (4, "version"), (5, "zero"), (7, "zero"), (15, "256")]
    {
        let mut bytes = header(256);
        bytes[place] ^= 0x40;
        std::fs::write(&path, &bytes).unwrap();
        let Err(error) = Tail::scan(&path) else { panic!("byte {place}") };
        assert!(error.to_string().contains(says), "{error}");
    }
    std::fs::write(&path, &header(256)[..15]).unwrap();
    assert!(matches!(Tail::scan(&path), Err(LogError::TailHeader { .. })));
}

#[test]
fn entries_come_back_and_a_change_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tail");
    let mut bytes = file(&[b"first", b"", b"third"]);
    std::fs::write(&path, &bytes).unwrap();
    let mut seen = Vec::new();
    let scan = Tail::scan_with(&path, |index, entry| seen.push((index.0, entry.to_vec())));
    let tail = scan.unwrap().unwrap().tail;
    assert_eq!(seen[2], (514, b"third".to_vec()));
    assert_eq!(tail.entries(1..3).unwrap(), [b"".to_vec(), b"third".to_vec()]);
    assert_eq!(tail.raw(2..3).unwrap().len(), 13);
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    assert!(tail.entries(0..2).is_ok());
    let changed = tail.entries(0..3);
    assert!(matches!(changed, Err(LogError::TailChanged { index: EntryIndex(514), .. })));
}
