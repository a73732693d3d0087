use super::*;
use crate::testing::{chunk_bytes, session};

fn files() -> (tempfile::TempDir, ChunkFiles) {
    let folder = tempfile::tempdir().unwrap();
    let files = ChunkFiles::new(folder.path().to_owned(), Disk::default());
    files.make_folder(session(1)).unwrap();
    (folder, files)
}

/// A hold on the session from chunk 0 on.
fn hold() -> Shared {
    let mut hold = hold::Hold::default();
    assert!(hold.take(session(1), Lease(1)).unwrap());
    hold.begun(ChunkIndex(0));
    std::sync::Arc::new(std::sync::Mutex::new(hold))
}

fn write(files: &ChunkFiles, index: u32, parts: &[&[u8]]) {
    let mut writer = files.writer(session(1), Lease(1), ChunkIndex(index), hold()).unwrap();
    for part in parts {
        writer.write(part).unwrap();
    }
    let bytes: usize = parts.iter().map(|part| part.len()).sum();
    assert_eq!(writer.commit().unwrap(), bytes as u64);
}

#[test]
fn written_read_listed_destroyed() {
    let (_folder, files) = files();
    let (summary, bytes) = chunk_bytes(session(1), 1, 100);
    write(&files, 1, &[&bytes[..50], &bytes[50..]]);
    write(&files, 0, &[]);
    let unfinished = files.writer(session(1), Lease(1), ChunkIndex(2), hold()).unwrap();
    fs::write(files.folder(session(1)).join("0.lck"), "").unwrap();
    let listing = files.list(session(1)).unwrap();
    assert_eq!(listing.chunks, [ChunkIndex(0), ChunkIndex(1)]);
    assert_eq!(listing.temporary.len(), 1);
    drop(unfinished);
    assert!(files.list(session(1)).unwrap().temporary.is_empty());
    assert_eq!(files.strays(session(1), 2).unwrap(), ["0.lck"]);
    assert_eq!(files.strays(session(1), 1).unwrap(), ["0.lck", "00000001.lck"]);
    assert_eq!(files.strays(session(1), 0).unwrap().len(), 3);
    assert!(files.strays(session(2), 1).unwrap().is_empty(), "it has no folder");
    let prefix = files.read_prefix(session(1), ChunkIndex(1)).unwrap();
    assert_eq!(prefix.header, summary.header);
    assert_eq!((prefix.salt, prefix.commitment), (summary.salt, summary.commitment));
    assert_eq!(files.open(session(1), ChunkIndex(1)).unwrap().1, bytes.len() as u64);
    files.quarantine(session(1), ChunkIndex(1)).unwrap();
    let missing = files.open(session(1), ChunkIndex(1)).unwrap_err();
    assert!(missing.to_string().contains("00000001.lck"), "{missing}");
    for _ in 0..2 {
        files.destroy(session(1)).unwrap();
        assert!(!files.folder(session(1)).exists());
    }
    assert!(files.list(session(1)).unwrap().chunks.is_empty());
}

#[test]
fn chunks_are_written_side_by_side() {
    let (_folder, files) = files();
    std::thread::scope(|scope| {
        for index in 0..8 {
            let files = &files;
            scope.spawn(move || {
                let (_, bytes) = chunk_bytes(session(1), index, 1000 + index);
                write(files, index, &[&bytes]);
            });
        }
    });
    for index in 0..8 {
        let prefix = files.read_prefix(session(1), ChunkIndex(index)).unwrap();
        assert_eq!(prefix.header.plain_bytes, 1000 + index);
    }
}

#[test]
fn damage_is_named() {
    let (_folder, files) = files();
    let (_, whole) = chunk_bytes(session(1), 3, 100);
    let other = chunk_bytes(session(2), 3, 100).1;
    let moved = chunk_bytes(session(1), 4, 100).1;
    let mut magic = whole.clone();
    magic[0] ^= 1;
    let longer = [whole.as_slice(), b"x"].concat();
    for (bytes, says) in [
        (whole[..103].to_vec(), "103 bytes"),
        (whole[..whole.len() - 1].to_vec(), "calls for"),
        (longer, "calls for"),
        (magic, "LUC1"),
        (other, "session"),
        (moved, "chunk 4"),
    ] {
        fs::write(files.path(session(1), ChunkIndex(3)), bytes).unwrap();
        let error = files.read_prefix(session(1), ChunkIndex(3)).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }));
        let message = error.to_string();
        assert!(message.contains(says) && message.contains("00000003.lck"), "{message}");
    }
}
