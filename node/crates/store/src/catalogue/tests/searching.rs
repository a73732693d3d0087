//! Searches whose answers are known.

use lucid_core::{EntryIndex, Hash, HashPrefix};

use super::{
    super::{HashKind, HashMatch},
    chunk_root, id, manifest, open, opened, owner, policy, read_chunks, root, sealed, take,
};
use crate::{error::StoreError, testing::folder_in_memory};

#[test]
fn each_kind_of_hash_leads_to_its_session_and_others_see_nothing() {
    let place = folder_in_memory();
    let (catalogue, _) = open(&place.path().join("c"));
    let log = [opened(1, 1, 5, 1), opened(2, 2, 6, 1), sealed(1, 1, 7, 3), sealed(2, 2, 8, 3)];
    take(&catalogue, &log, 2);
    let unread = catalogue.unread(EntryIndex(0), 10).unwrap();
    assert_eq!(unread.iter().map(|of| of.sealed.0).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(catalogue.unread(EntryIndex(3), 10).unwrap(), unread[1..]);
    assert_eq!(catalogue.unread(EntryIndex(0), 1).unwrap(), unread[..1]);
    read_chunks(&catalogue, |session| if session == id(1) { 1 } else { 2 }, 2);
    let leaf = |place: usize| lucid_core::entry::leaf(&log[place]);
    for (hash, kind, chunk, entry) in [
        (root(1), HashKind::MerkleRoot, None, 2),
        (manifest(1), HashKind::ManifestHash, None, 2),
        (chunk_root(1, 0), HashKind::ChunkRoot, Some(0), 2),
        (chunk_root(1, 2), HashKind::ChunkRoot, Some(2), 2),
        (leaf(0), HashKind::Entry, None, 0),
        (leaf(2), HashKind::Entry, None, 2),
    ] {
        let found = HashMatch { hash, kind, session: id(1), chunk, entry: EntryIndex(entry) };
        for text in [hash.to_string(), hash.to_string()[..8].to_owned()] {
            let of: HashPrefix = text.parse().unwrap();
            for seen_by in [None, Some(owner(1))] {
                let all = catalogue.search(&of, seen_by.as_ref(), None, 9).unwrap();
                assert_eq!(all, std::slice::from_ref(&found), "{kind:?}");
            }
            assert_eq!(catalogue.search(&of, Some(&owner(2)), None, 9).unwrap(), [], "{kind:?}");
            assert_eq!(catalogue.search(&of, Some(&owner(3)), None, 9).unwrap(), [], "{kind:?}");
        }
    }
    let of = policy(1).hash().into();
    let all = catalogue.search(&of, None, None, 9).unwrap();
    assert_eq!(all.iter().map(|found| found.session).collect::<Vec<_>>(), [id(1), id(2)]);
    let own = catalogue.search(&of, Some(&owner(2)), None, 9).unwrap();
    assert_eq!(own, all[1..]);
    // Another's match is no cursor, as if it were nobody's.
    for after in [all[0].clone(), HashMatch { session: id(77), ..all[0].clone() }] {
        let refused = catalogue.search(&of, Some(&owner(2)), Some(&after), 9);
        assert!(matches!(refused, Err(StoreError::UnknownSession(_))), "{refused:?}");
    }
    assert_eq!(catalogue.search(&Hash([9; 32]).into(), None, None, 9).unwrap(), []);
}

/// Chunks that are taken up again, as after a crash, are there once.
#[test]
fn chunks_that_come_twice_count_once() {
    let place = folder_in_memory();
    let (catalogue, _) = open(&place.path().join("c"));
    take(&catalogue, &[opened(1, 1, 5, 1), sealed(1, 1, 7, 3)], 2);
    let [of] = catalogue.unread(EntryIndex(0), 10).unwrap()[..] else { panic!("one") };
    let roots: Vec<_> = (0..3).map(|index| chunk_root(1, index)).collect();
    let read =
        |stored_bytes| super::ReadChunks { of, first: 0, roots: roots.clone(), stored_bytes };
    catalogue.take_chunks(&[read(None)]).unwrap();
    assert_eq!(catalogue.progress().unread, 1);
    for _ in 0..2 {
        catalogue.take_chunks(&[read(Some(100))]).unwrap();
        assert_eq!(catalogue.progress().unread, 0);
        assert_eq!(catalogue.totals(None).unwrap().stored_bytes, 100);
    }
    assert_eq!(catalogue.session(id(1)).unwrap().unwrap().stored_bytes, Some(100));
    let found = catalogue.search(&chunk_root(1, 1).into(), None, None, 9).unwrap();
    assert_eq!(found.len(), 1);
}
