//! Whole sessions through a store in memory: in, checked, damaged, out.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::{io, sync::atomic::Ordering};

use lucid_core::{ChunkIndex, Hash, SegmentIndex, chunk::Suite, keys::Dek, merkle};
use lucid_pipeline::{
    ingest::{End, IngestError},
    open::{ChunkError, ChunkOpener},
    ports::ChunkShelf,
    restore::{self, RestoreContext, RestoreError},
    source::{Filled, ReadSource, Source},
    verify::{self, VerifyContext},
};
use proptest::prelude::*;
use support::*;

fn record(plain: &[u8], suite: Suite, workers: usize) -> MemoryStore {
    let store = MemoryStore::default();
    let report = ingest_into(&store, suite, &mut ReadSource(plain), workers);
    assert_eq!(report.outcome.unwrap(), End::Complete);
    assert_eq!(report.plain_bytes, plain.len() as u64);
    assert_eq!(report.chunk_count as usize, store.acknowledged.lock().unwrap().len());
    store
}

fn restored(
    store: &MemoryStore,
    suite: Suite,
    range: std::ops::Range<u64>,
    workers: usize,
) -> Result<Vec<u8>, RestoreError> {
    let chunks = store.manifest_chunks();
    let placed = chunks.iter().scan(0_u64, |at, chunk| {
        let start = *at;
        *at += u64::from(chunk.plain_bytes);
        Some((chunk, start..*at))
    });
    let pieces = restore::pieces(placed, &range);
    let context = context(suite);
    let context = RestoreContext { session: context.session, suite, dek: &context.dek };
    let mut output = Vec::new();
    with_control(workers, |c| restore::restore(&context, store, &pieces, &mut output, c))?;
    Ok(output)
}

fn verified(
    store: &MemoryStore,
    suite: Suite,
    dek: Option<&Dek>,
    decrypt: bool,
) -> verify::Verified {
    let context = VerifyContext { session: context(suite).session, suite, dek, decrypt };
    with_control(2, |control| verify::verify(&context, store, &store.manifest_chunks(), control))
}

fn findings(store: &MemoryStore, dek: Option<&Dek>, decrypt: bool) -> Vec<String> {
    let verified = verified(store, Suite::Aes256Gcm, dek, decrypt);
    verified.findings.iter().map(ToString::to_string).collect()
}

#[test]
fn sizes_around_every_edge_come_back() {
    // Edges of segments (16,384), windows (8 segments) and chunks (64 KiB here).
    let sizes =
        [0, 1, 2, 16_383, 16_384, 16_385, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 5 * CHUNK + 77];
    for suite in [Suite::Aes256Gcm, Suite::ChaCha20Poly1305] {
        for size in sizes {
            for plain in [noise(size, 3), text(size), vec![0; size]] {
                for workers in [1, 3] {
                    let store = record(&plain, suite, workers);
                    assert_eq!(store.files.lock().unwrap().len(), size.div_ceil(CHUNK));
                    let found = verified(&store, suite, None, false);
                    assert!(found.findings.is_empty(), "{:?}", found.findings);
                    let acknowledged = store.acknowledged.lock().unwrap();
                    let leaves: Vec<Hash> = acknowledged
                        .iter()
                        .map(lucid_core::chunk::ChunkSummary::session_leaf)
                        .collect();
                    drop(acknowledged);
                    assert_eq!(found.merkle_root, Some(merkle::root(&leaves)));
                    assert!(restored(&store, suite, 0..size as u64, workers).unwrap() == plain);
                }
            }
        }
    }
}

#[test]
fn files_hold_no_plaintext_and_are_as_long_as_said() {
    let plain = text(3 * CHUNK);
    let store = record(&plain, Suite::Aes256Gcm, 1);
    let needle = b"nothing to report";
    for (index, file) in store.files.lock().unwrap().iter() {
        let header = store.acknowledged.lock().unwrap()[*index as usize].header;
        assert_eq!(file.len() as u64, header.layout().file_bytes());
        assert_eq!(file[..48], header.to_bytes());
        assert!(!file.windows(needle.len()).any(|window| window == needle));
    }
}

#[test]
fn the_same_chunk_sealed_twice_differs() {
    let plain = noise(CHUNK, 9);
    let (first, second) =
        (record(&plain, Suite::Aes256Gcm, 1), record(&plain, Suite::Aes256Gcm, 1));
    let root = |store: &MemoryStore| store.acknowledged.lock().unwrap()[0].chunk_root;
    assert_ne!(root(&first), root(&second), "a fresh salt at every attempt");
}

#[test]
fn ranges_come_out_exactly() {
    let plain = noise(3 * CHUNK + 100, 4);
    let store = record(&plain, Suite::Aes256Gcm, 2);
    let size = plain.len() as u64;
    let chunk = CHUNK as u64;
    for range in [
        0..1,
        0..size,
        chunk - 1..chunk + 1,
        chunk..chunk,
        size - 1..size,
        5..2 * chunk + 9,
        size..size,
    ] {
        let expected = &plain[range.start as usize..range.end as usize];
        assert!(
            restored(&store, Suite::Aes256Gcm, range.clone(), 3).unwrap() == expected,
            "{range:?}"
        );
    }
}

#[test]
fn damage_is_found_and_named() {
    let plain = noise(2 * CHUNK + 20_000, 8);
    let dek = context(Suite::Aes256Gcm).dek;
    let check = |damage: &dyn Fn(&mut Vec<u8>), blind: &str, keyed: &str| {
        let store = record(&plain, Suite::Aes256Gcm, 1);
        damage(store.files.lock().unwrap().get_mut(&1).unwrap());
        let without = findings(&store, None, false);
        assert!(without.len() == 1 && without[0].starts_with(blind), "{without:?}");
        for decrypt in [false, true] {
            let with = findings(&store, Some(&dek), decrypt);
            assert!(with.len() == 1 && with[0].starts_with(keyed), "{with:?}");
        }
        assert!(matches!(
            restored(&store, Suite::Aes256Gcm, 0..plain.len() as u64, 2),
            Err(RestoreError::Chunk { index: ChunkIndex(1), .. })
        ));
    };
    let root = "chunk 1: root mismatch";
    check(&|f| f[104] ^= 1, root, "chunk 1: segment 0 does not");
    check(&|f| f[104 + 2 * 16_400 + 5] ^= 1, root, "chunk 1: segment 2 does not");
    check(&|f| *f.last_mut().unwrap() ^= 1, root, "chunk 1: segment 4 does not");
    check(&|f| f.swap(104, 105), root, "chunk 1: segment 0 does not");
    check(&|f| f.truncate(f.len() - 1), "chunk 1: the file has", "chunk 1: the file has");
    check(&|f| f.push(0), "chunk 1: the file has", "chunk 1: the file has");
    check(&|f| f.truncate(50), "chunk 1: the file has 50", "chunk 1: the file has 50");
    check(&|f| f.clear(), "chunk 1: the file has 0", "chunk 1: the file has 0");
    check(
        &|f| f[0] = b'X',
        "chunk 1: header: not a chunk file",
        "chunk 1: header: not a chunk file",
    );
    check(&|f| f[27] = 0, "chunk 1: header mismatch", "chunk 1: header mismatch");
    // Segments exchanged: each authenticates nowhere but in its place.
    let exchange = |f: &mut Vec<u8>| {
        let (first, second) = f[104..].split_at_mut(16_400);
        first.swap_with_slice(&mut second[..16_400]);
    };
    check(&exchange, root, "chunk 1: segment 0 does not");
}

#[test]
fn salt_and_commitment_are_held_by_the_session_root_and_the_key() {
    let plain = noise(CHUNK, 8);
    for place in [48, 72] {
        let store = record(&plain, Suite::Aes256Gcm, 1);
        let before = verified(&store, Suite::Aes256Gcm, None, false).merkle_root;
        store.files.lock().unwrap().get_mut(&0).unwrap()[place] ^= 1;
        let after = verified(&store, Suite::Aes256Gcm, None, false);
        assert_ne!(after.merkle_root, before);
        let dek = context(Suite::Aes256Gcm).dek;
        let with = findings(&store, Some(&dek), true);
        assert!(with[0].starts_with("chunk 0: the key commitment"), "{with:?}");
    }
}

#[test]
fn a_missing_file_and_a_wrong_key_are_named() {
    let store = record(&noise(2 * CHUNK, 8), Suite::Aes256Gcm, 1);
    let other = Dek::new([0; 32]);
    let with = findings(&store, Some(&other), true);
    assert_eq!(with.len(), 2);
    assert!(with[0].contains("commitment"), "{with:?}");
    store.files.lock().unwrap().remove(&0);
    assert_eq!(findings(&store, None, false), ["chunk 0: the chunk file is missing"]);
    assert_eq!(verified(&store, Suite::Aes256Gcm, None, false).merkle_root, None);
}

#[test]
fn a_failing_store_acknowledges_a_prefix_and_a_retry_goes_on() {
    let plain = noise(6 * CHUNK + 1, 2);
    for workers in [1, 2, 4] {
        for fails_after in 1..60 {
            let store = MemoryStore::default();
            store.fails_after.store(fails_after, Ordering::SeqCst);
            let report =
                ingest_into(&store, Suite::Aes256Gcm, &mut ReadSource(&plain[..]), workers);
            let count = store.acknowledged.lock().unwrap().len();
            assert_eq!(report.chunk_count as usize, count);
            match report.outcome {
                Ok(End::Complete) => assert_eq!(count, 7),
                Err(IngestError::Store(error)) => assert_eq!(error.to_string(), "the disk is full"),
                other => panic!("{other:?}"),
            }
            store.fails_after.store(0, Ordering::SeqCst);
            let mut rest = ReadSource(&plain[report.plain_bytes as usize..]);
            let report = ingest_into(&store, Suite::Aes256Gcm, &mut rest, workers);
            assert_eq!(report.outcome.unwrap(), End::Complete);
            let size = plain.len() as u64;
            assert!(restored(&store, Suite::Aes256Gcm, 0..size, 2).unwrap() == plain);
        }
    }
}

/// Gives these pieces, then fails or ends.
struct Pieces(Vec<usize>, Option<io::ErrorKind>);

impl Source for Pieces {
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<Filled> {
        match (self.0.pop(), self.1) {
            (Some(count), _) => {
                buffer[..count].fill(count as u8);
                Ok(if count == buffer.len() { Filled::Full } else { Filled::Paused(count) })
            }
            (None, Some(kind)) => Err(kind.into()),
            (None, None) => Ok(Filled::End(0)),
        }
    }
}

#[test]
fn a_pause_ends_a_chunk_and_nothing_waits_for_more() {
    let store = MemoryStore::default();
    let mut source = Pieces(vec![9, 0, CHUNK, 0, 0, 5], None);
    let report = ingest_into(&store, Suite::Aes256Gcm, &mut source, 2);
    assert_eq!(report.outcome.unwrap(), End::Complete);
    let sizes: Vec<_> = store.manifest_chunks().iter().map(|c| c.plain_bytes).collect();
    assert_eq!(sizes, [5, CHUNK as u32, 9]);
}

#[test]
fn a_failing_source_keeps_what_it_gave() {
    let store = MemoryStore::default();
    let mut source = Pieces(vec![CHUNK, CHUNK], Some(io::ErrorKind::BrokenPipe));
    let report = ingest_into(&store, Suite::Aes256Gcm, &mut source, 2);
    assert!(matches!(report.outcome, Err(IngestError::Source(_))));
    assert_eq!(report.chunk_count, 2);
}

#[test]
fn single_segments_can_be_proved() {
    let store = record(&noise(CHUNK, 1), Suite::Aes256Gcm, 1);
    let (mut reader, bytes) = store.open(ChunkIndex(0)).unwrap();
    let (prefix, leaves) = ChunkOpener::new().leaves(&mut reader, bytes, None).unwrap();
    let summary = store.acknowledged.lock().unwrap()[0];
    assert_eq!((prefix.header, prefix.salt), (summary.header, summary.salt));
    assert_eq!(leaves.len(), 5);
    assert_eq!(merkle::root(&leaves), summary.chunk_root);
    let file = &store.files.lock().unwrap()[&0];
    let offset = 104 + summary.layout().sealed_offset(SegmentIndex(3)) as usize;
    assert_eq!(leaves[3], merkle::leaf_hash(&file[offset..offset + 16_400]));
}

#[test]
fn an_error_of_the_shelf_is_not_a_missing_file() {
    let denied = ChunkError::from(io::Error::from(io::ErrorKind::PermissionDenied));
    assert!(denied.to_string().contains("cannot be read"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_stream_comes_back(
        parts in proptest::collection::vec((0_usize..40_000, any::<bool>()), 0..12),
        workers in 1_usize..4,
        from in 0_u64..300_000,
        length in 0_u64..300_000,
    ) {
        let mut plain = Vec::new();
        for (place, (size, random)) in parts.iter().enumerate() {
            plain.extend(if *random { noise(*size, place as u64) } else { text(*size) });
        }
        let store = record(&plain, Suite::ChaCha20Poly1305, workers);
        let size = plain.len() as u64;
        let (from, to) = (from.min(size), (from + length).min(size));
        let part = restored(&store, Suite::ChaCha20Poly1305, from..to, workers).unwrap();
        prop_assert!(part == plain[from as usize..to as usize]);
    }
}
