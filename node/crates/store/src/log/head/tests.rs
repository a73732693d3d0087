use lucid_core::{Hash, note::SigningKey};

use super::*;

fn key() -> SigningKey {
    SigningKey::from_seed("lucid/0123456789abcdef".parse().unwrap(), &[7; 32])
}

fn signed(size: u64) -> String {
    let origin = key().name().clone();
    let root = Hash::of(&size.to_be_bytes());
    Checkpoint { origin, size, root }.sign(&key()).unwrap()
}

/// A file that `sizes` were written to, one after the other.
fn file_of(sizes: &[u64]) -> (tempfile::TempDir, Vec<u8>) {
    let (folder, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    let dir = folder.path();
    create(dir, &signed(0), &disk).unwrap();
    let mut head = read(dir, key().verifier_key()).unwrap().unwrap().to_write(dir, &disk).unwrap();
    for &size in sizes {
        head.write(&disk, &signed(size)).unwrap();
        let found = read(dir, key().verifier_key()).unwrap().unwrap();
        assert_eq!((found.checkpoint.size, found.text), (size, signed(size)));
        assert!(found.damaged.is_empty());
    }
    let bytes = fs::read(path(dir)).unwrap();
    assert_eq!(bytes.len(), FILE_BYTES);
    (folder, bytes)
}

#[test]
fn a_file_has_two_copies_of_each_of_two() {
    let (_folder, bytes) = file_of(&[1, 2, 3]);
    let copies: Vec<_> = bytes.chunks(COPY_BYTES).map(|copy| decode(copy).unwrap()).collect();
    assert_eq!(copies, [signed(2), signed(2), signed(3), signed(3)]);
    let head = [&b"LUCH"[..], &[1, 0], &(signed(2).len() as u16).to_be_bytes()].concat();
    assert_eq!(bytes[..8], head);
    assert_eq!(bytes[COPY_HEAD_BYTES..COPY_HEAD_BYTES + signed(2).len()], *signed(2).as_bytes());
}

/// A write that power fails in leaves each sector as it was, as it should be, or in no state at all; what
/// was there before, or what was written, is found, and the file is made whole.
#[test]
fn a_torn_write_leaves_the_one_before_or_the_new_one() {
    const SECTOR: usize = 512;
    let ((_before, before), (folder, after)) = (file_of(&[1, 2]), file_of(&[1, 2, 3]));
    let changed: Vec<_> = (0..FILE_BYTES / SECTOR)
        .map(|sector| sector * SECTOR..(sector + 1) * SECTOR)
        .filter(|sector| before[sector.clone()] != after[sector.clone()])
        .collect();
    assert_eq!(changed.len(), 2, "one sector a copy");
    for states in 0..9 {
        let mut torn = before.clone();
        for (place, state) in [(0, states % 3), (1, states / 3)] {
            let sector = changed[place].clone();
            match state {
                0 => {}
                1 => torn[sector.clone()].copy_from_slice(&after[sector]),
                _ => torn[sector].fill(0xa5),
            }
        }
        let found = newest(&torn, key().verifier_key()).unwrap();
        let new = states % 3 == 1 || states / 3 == 1;
        assert_eq!(found.checkpoint.size, if new { 3 } else { 2 }, "{states}");
        assert_eq!(found.other_lost, states == 8, "{states}");
        let (dir, disk, size) = (folder.path(), Disk::default(), found.checkpoint.size);
        fs::write(path(dir), &torn).unwrap();
        let mut head = found.to_write(dir, &disk).unwrap();
        let found = read(dir, key().verifier_key()).unwrap().unwrap();
        assert_eq!((found.checkpoint.size, found.damaged.len()), (size, 0), "{states}");
        head.write(&disk, &signed(4)).unwrap();
        let found = read(dir, key().verifier_key()).unwrap().unwrap();
        assert_eq!((found.checkpoint.size, found.damaged.len()), (4, 0), "{states}");
    }
}

#[test]
fn one_flipped_bit_loses_nothing_and_is_seen() {
    let (_folder, bytes) = file_of(&[1, 2, 3]);
    for offset in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[offset] ^= 1 << (offset % 8);
        let found = newest(&flipped, key().verifier_key()).unwrap();
        assert_eq!(found.text, signed(3), "{offset}");
        assert_eq!(found.damaged, [offset / COPY_BYTES * COPY_BYTES], "{offset}");
    }
}

#[test]
fn what_is_no_head_is_refused() {
    let (_folder, bytes) = file_of(&[1]);
    let key = key();
    let refused =
        |bytes: &[u8]| newest(bytes, key.verifier_key()).map(|found| found.text).unwrap_err();
    assert_eq!(refused(b""), NoteError::NoteShape);
    assert_eq!(refused(&[0; FILE_BYTES]), NoteError::NoteShape);
    let other = SigningKey::from_seed(key.name().clone(), &[8; 32]);
    assert_eq!(newest(&bytes, other.verifier_key()).map(drop), Err(NoteError::Untrusted));
    // The one checkpoint that there was is in the second block.
    for cut in [1, COPY_BYTES, BLOCK_BYTES, BLOCK_BYTES + COPY_HEAD_BYTES] {
        let found = newest(&bytes[..cut], key.verifier_key()).map(|found| found.checkpoint.size);
        assert_eq!(found.ok(), (cut >= COPY_BYTES).then_some(0), "{cut}");
    }
}

/// Whoever cut the file, or wrote behind its end, took nothing of the copies that are left; what is missing may have been
/// newer, which is said.
#[test]
fn a_file_of_another_length_loses_only_what_is_missing() {
    let (folder, bytes) = file_of(&[1, 2]);
    let longer = [&bytes[..], b"\0behind"].concat();
    for (given, damaged) in
        (0..FILE_BYTES).map(|cut| (&bytes[..cut], cut)).chain([(&longer[..], FILE_BYTES)])
    {
        let Ok(found) = newest(given, key().verifier_key()) else {
            assert!(damaged < COPY_BYTES, "{damaged}");
            continue;
        };
        let copies: Vec<_> =
            (0..FILE_BYTES).step_by(COPY_BYTES).filter(|at| at + COPY_BYTES > damaged).collect();
        let copies = if damaged == FILE_BYTES { vec![FILE_BYTES] } else { copies };
        assert_eq!(found.damaged, copies, "{damaged}");
        assert_eq!(found.checkpoint.size, 2, "{damaged}");
        assert_eq!(found.other_lost, damaged < BLOCK_BYTES + COPY_BYTES, "{damaged}");
        if damaged % 1000 == 192 {
            let (dir, disk) = (folder.path(), Disk::default());
            fs::write(path(dir), given).unwrap();
            let mut head = found.to_write(dir, &disk).unwrap();
            head.write(&disk, &signed(3)).unwrap();
            let found = read(dir, key().verifier_key()).unwrap().unwrap();
            assert_eq!((found.checkpoint.size, found.damaged.len()), (3, 0), "{damaged}");
            assert_eq!(fs::read(path(dir)).unwrap().len(), FILE_BYTES);
        }
    }
}
