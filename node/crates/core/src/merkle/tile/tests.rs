//! Which tiles a tree has, what they are called, and where a subtree's hash lies in them.

use proptest::prelude::*;

use super::*;
use crate::merkle::{frontier, oracle};

fn hashes(level: u8, index: u64, width: u16) -> TilePath {
    TilePath::Hashes(HashTile::new(level, index, width).unwrap())
}

fn entries(index: u64, width: u16) -> TilePath {
    TilePath::Entries(EntryBundle::new(index, width).unwrap())
}

#[test]
fn paths() {
    let check = |path: TilePath, text: &str| {
        assert_eq!(path.path(), text);
        assert_eq!(text.parse(), Ok(path), "{text}");
    };
    check(hashes(0, 0, 256), "tile/0/000");
    check(hashes(0, 0, 1), "tile/0/000.p/1");
    check(hashes(0, 1_234_067, 17), "tile/0/x001/x234/067.p/17");
    check(hashes(2, 999, 255), "tile/2/999.p/255");
    check(hashes(63, 1000, 256), "tile/63/x001/000");
    check(hashes(10, 1_000_000, 256), "tile/10/x001/x000/000");
    check(entries(0, 256), "tile/entries/000");
    check(entries(272, 112), "tile/entries/272.p/112");
    check(entries(1_234_067, 256), "tile/entries/x001/x234/067");
    let last = "tile/entries/x072/x057/x594/x037/x927/935.p/255";
    check(entries(INDEX_MAX, 255), last);
    assert!(last.len() <= PATH_BYTES_MAX);
}

#[test]
fn malformed_paths() {
    let too_long = format!("tile/0/{}", "x001/".repeat(20_000));
    for text in [
        "",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "tile//000",
        "/tile/0/000",
        "tile/0/000/",
        "tile/0/000 ",
        " tile/0/000",
        "tile/0/000\n",
        "Tile/0/000",
        // Levels have no leading zero or sign, and end at 63.
        "tile/00/000",
        "tile/+0/000",
        "tile/-1/000",
        "tile/64/000",
        "tile/256/000",
        "tile/data/000",
        "tile/Entries/000",
        "tile/entries/",
        // Indexes are groups of three digits, all but the last with an `x`, the first not zero.
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/0/+01",
        "tile/0/x000",
        "tile/0/x001",
        "tile/0/001/000",
        "tile/0/x000/001",
        "tile/0/x001/x000",
        "tile/0/xx01/000",
        "tile/0/X001/000",
        "tile/0/x1/000",
        "tile/0/x001//000",
        "tile/0/x0010/000",
        "tile/0/x999/999999",
        "tile/0/a00",
        "tile/0/٠٠٠",
        // Widths are 1 to 255.
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/65537",
        "tile/0/000.p/01",
        "tile/0/000.p/+1",
        "tile/0/000.p/",
        "tile/0/000.p",
        "tile/0/000.p/1/1",
        "tile/0/000.p/1.p/1",
        "tile/0/000.P/1",
        "tile/0/x001.p/1/000",
        // 2^56, and what no u64 holds.
        "tile/0/x072/x057/x594/x037/x927/936",
        "tile/0/x018/x446/x744/x073/x709/x551/616",
        &too_long,
    ] {
        assert_eq!(text.parse::<TilePath>(), Err(TileError::Path), "{text:?}");
    }
}

#[test]
fn coordinates_have_bounds() {
    assert_eq!(HashTile::new(64, 0, 1), Err(TileError::Level(64)));
    assert_eq!(HashTile::new(0, 1 << 56, 1), Err(TileError::Index(1 << 56)));
    assert_eq!(EntryBundle::new(1 << 56, 1), Err(TileError::Index(1 << 56)));
    for width in [0, 257, u16::MAX] {
        assert_eq!(HashTile::new(0, 0, width), Err(TileError::Width(width)));
        assert_eq!(EntryBundle::new(0, width), Err(TileError::Width(width)));
    }
}

#[test]
fn tiles_of_published_sizes() {
    let check = |size, want: &[(u8, u64, u16)]| {
        let mut partial = Vec::new();
        for tile in tiles_of(size) {
            assert_eq!(HashTile::in_tree(size, tile.level(), tile.index()), Some(tile));
            let next = HashTile::in_tree(size, tile.level(), tile.index() + 1);
            if tile.is_partial() {
                assert_eq!(tile.width(), partial_width(size, tile.level()));
                assert_eq!(next, None);
                partial.push((tile.level(), tile.index(), tile.width()));
            }
        }
        assert_eq!(partial, want, "{size}");
        let bundles = bundles_of(size).map(|bundle| (bundle.index(), bundle.width()));
        let level_0 = tiles_of(size).filter(|tile| tile.level() == 0);
        assert!(level_0.map(|tile| (tile.index(), tile.width())).eq(bundles), "{size}");
    };
    check(0, &[]);
    check(1, &[(0, 0, 1)]);
    check(255, &[(0, 0, 255)]);
    // Both examples of tlog-tiles, "Partial Tiles".
    check(256, &[(1, 0, 1)]);
    check(70_000, &[(0, 273, 112), (1, 1, 17), (2, 0, 1)]);
    assert_eq!(
        tiles_of(70_000).filter(|tile| tile.level() == 0 && !tile.is_partial()).count(),
        273
    );
    assert_eq!(tiles_of(70_000).filter(|tile| tile.level() == 1 && !tile.is_partial()).count(), 1);
    check(1 << 24, &[(3, 0, 1)]);
    assert_eq!(tiles_of(u64::MAX).next(), HashTile::new(0, 0, 256).ok());
    assert_eq!(HashTile::in_tree(u64::MAX, 7, 0), HashTile::new(7, 0, 255).ok());
    assert_eq!(HashTile::in_tree(u64::MAX, 8, 0), None);
    assert_eq!(HashTile::in_tree(u64::MAX, 63, u64::MAX), None);
    assert_eq!(EntryBundle::in_tree(256, 1), None);
    assert_eq!(EntryBundle::in_tree(257, 1), EntryBundle::new(1, 1).ok());
}

/// The bytes of `tile` in the tree over `leaves`, by the definition: hash i is the MTH of its 256^l
/// leaves.
fn tile_bytes(leaves: &[Hash], tile: HashTile) -> Vec<u8> {
    let span = 256_usize.pow(tile.level().into());
    let first = usize::try_from(tile.index()).unwrap() * 256;
    let hash = |position: usize| oracle::root(&leaves[position * span..(position + 1) * span]);
    (first..first + usize::from(tile.width())).flat_map(|position| hash(position).0).collect()
}

#[test]
fn subtrees_are_found_in_tiles() {
    let leaves = oracle::leaves(1300);
    for size in [1, 2, 255, 256, 257, 511, 512, 767, 1024, 1300] {
        let mut frontier_hashes = Vec::new();
        for tree in frontier(size) {
            let slice = TileSlice::locate(size, tree).unwrap();
            assert_eq!(
                HashTile::in_tree(size, slice.tile.level(), slice.tile.index()),
                Some(slice.tile)
            );
            frontier_hashes.push(slice.hash(&tile_bytes(&leaves, slice.tile)).unwrap());
        }
        let root =
            crate::merkle::CompactRange::from_subtrees(size, frontier_hashes).unwrap().root();
        assert_eq!(root, oracle::root(&leaves[..usize::try_from(size).unwrap()]), "{size}");
    }
    for level in 0..=10 {
        for index in 0..1300 >> level {
            let slice = TileSlice::locate(1300, Subtree { level, index }).unwrap();
            if index % 41 == 0 {
                let place = |index: u64| usize::try_from(index << level).unwrap();
                let want = oracle::root(&leaves[place(index)..place(index + 1)]);
                assert_eq!(
                    slice.hash(&tile_bytes(&leaves, slice.tile)),
                    Ok(want),
                    "{level}, {index}"
                );
            }
        }
        assert_eq!(TileSlice::locate(1300, Subtree { level, index: 1300 >> level }), None);
    }
    for level in [11, 63, 64, u32::MAX] {
        assert_eq!(TileSlice::locate(1300, Subtree { level, index: 0 }), None);
    }
}

#[test]
fn tile_bytes_have_one_length() {
    let tile = HashTile::new(0, 0, 3).unwrap();
    assert_eq!(tile.bytes(), 96);
    assert_eq!(tile.hashes(&[7; 96]).unwrap(), vec![Hash([7; 32]); 3]);
    for got in [0, 64, 95, 97, 128] {
        assert_eq!(tile.hashes(&vec![7; got]), Err(TileError::Bytes { width: 3, got }));
    }
}

proptest! {
    #[test]
    fn every_path_reads_back(level in 0_u8..=63, index in 0..=INDEX_MAX, shift in 0_u32..56,
                             width in 1_u16..=256, of_entries: bool) {
        let index = index >> shift;
        let path = if of_entries { entries(index, width) } else { hashes(level, index, width) };
        prop_assert_eq!(path.path().parse(), Ok(path));
    }

    #[test]
    fn what_reads_writes_the_same(text in "tile/(0|1|63|64|entries)/(x0|x00[01]/){0,2}[0-9]{3}(.p/[0-9]{0,3})?") {
        if let Ok(path) = text.parse::<TilePath>() {
            prop_assert_eq!(path.path(), text);
        }
    }
}
