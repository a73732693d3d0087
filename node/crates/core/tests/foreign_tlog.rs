//! Cloudflare's `tlog_tiles` and `signed_note` (ports of golang.org/x/mod/sumdb) read what this crate
//! writes, and this crate reads what they write.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its fixtures too")]

use base64::{Engine, prelude::BASE64_STANDARD};
use lucid_core::{
    Hash,
    merkle::{
        self, CompactRange, EntryBundle, HashTile, SubtreeSource, TILE_HEIGHT, TilePath, TileSlice,
    },
    note::{Checkpoint, KeyName, NoteError, SignedNote, SigningKey, VerifierKey},
};
use signed_note::{Note, StandardSigner, StandardVerifier, VerifierList};
use tlog_tiles::{HashReader, Tile, TileHashReader, TileReader};

const ORIGIN: &str = "lucid/00112233445566ff";

fn theirs(hash: Hash) -> tlog_tiles::Hash {
    tlog_tiles::Hash(hash.0)
}

fn all_theirs(hashes: &[Hash]) -> Vec<tlog_tiles::Hash> {
    hashes.iter().copied().map(theirs).collect()
}

fn ours(hash: tlog_tiles::Hash) -> Hash {
    Hash(hash.0)
}

fn all_ours(hashes: &[tlog_tiles::Hash]) -> Vec<Hash> {
    hashes.iter().copied().map(ours).collect()
}

fn entry(index: u64) -> Vec<u8> {
    format!("entry {index}").into_bytes()
}

fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|index| merkle::leaf_hash(&entry(index))).collect()
}

/// Their storage: each record appends its hashes to one list.
struct Stored(Vec<tlog_tiles::Hash>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        Ok(indexes.iter().map(|&index| self.0[usize::try_from(index).unwrap()]).collect())
    }
}

impl Stored {
    fn of(count: u64) -> Self {
        let mut stored = Self(Vec::new());
        for index in 0..count {
            let new = tlog_tiles::stored_hashes(index, &entry(index), &stored).unwrap();
            stored.0.extend(new);
        }
        stored
    }
}

/// Their storage as a source of ours.
impl SubtreeSource for Stored {
    type Error = std::convert::Infallible;

    fn subtree(&self, level: u32, index: u64) -> Result<Hash, Self::Error> {
        let place = tlog_tiles::stored_hash_index(u8::try_from(level).unwrap(), index);
        Ok(ours(self.0[usize::try_from(place).unwrap()]))
    }
}

#[test]
fn roots_and_proofs_are_the_same() {
    let (leaves, stored) = (leaves(130), Stored::of(130));
    for size in 0..=130_u64 {
        let tree = &leaves[..usize::try_from(size).unwrap()];
        let root = merkle::root(tree);
        assert_eq!(theirs(root), tlog_tiles::tree_hash(size, &stored).unwrap(), "{size}");
        assert_eq!(merkle::root_from(&stored, size), Ok(root));
        for other in 0..size {
            let place = usize::try_from(other).unwrap();
            let path = merkle::inclusion_proof(tree, other).unwrap();
            let leaf = theirs(leaves[place]);
            tlog_tiles::check_record(&all_theirs(&path), size, theirs(root), other, leaf).unwrap();
            let foreign = tlog_tiles::prove_record(size, other, &stored).unwrap();
            assert_eq!(all_ours(&foreign), path);
            merkle::verify_inclusion(root, size, other, leaves[place], &path).unwrap();
            assert_eq!(merkle::inclusion_path_from(&stored, size, other), Ok(path));

            let (old, old_root) = (other + 1, merkle::root(&tree[..=place]));
            let path = merkle::consistency_proof(tree, old).unwrap();
            let proof = all_theirs(&path);
            tlog_tiles::check_tree(&proof, size, theirs(root), old, theirs(old_root)).unwrap();
            let foreign = tlog_tiles::prove_tree(size, old, &stored).unwrap();
            assert_eq!(all_ours(&foreign), path);
            merkle::verify_consistency(old, old_root, size, root, &path).unwrap();
            assert_eq!(merkle::consistency_path_from(&stored, old, size), Ok(path));
        }
    }
}

/// Their path of the same resource: it names the tile's height, and says `data` for `entries`.
fn their_path(path: &str) -> String {
    path.replace("tile/entries/", "tile/data/").replace("tile/", &format!("tile/{TILE_HEIGHT}/"))
}

#[test]
fn tiles_of_a_tree_are_the_same() {
    for size in [0, 1, 255, 256, 257, 65_535, 65_536, 70_000, 16_777_217] {
        let mut foreign: Vec<_> = Tile::new_tiles(8, 0, size).iter().map(Tile::path).collect();
        let mut own: Vec<_> = merkle::tiles_of(size).map(|tile| their_path(&tile.path())).collect();
        own.sort();
        foreign.sort();
        assert!(own == foreign, "{size}: {} tiles, not {}", own.len(), foreign.len());
    }
}

#[test]
fn tile_paths_are_the_same() {
    for index in [0, 1, 999, 1000, 1_234_067, 999_999_999, u64::MAX >> 8] {
        for width in [1_u16, 17, 255, 256] {
            for level in [0_u8, 1, 9, 10, 63] {
                let path = HashTile::new(level, index, width).unwrap().path();
                let tile = Tile::from_path(&their_path(&path)).unwrap();
                assert_eq!(tile, Tile::new(8, level, index, width.into(), false));
                assert_eq!(tile.path(), their_path(&path));
            }
            let path = EntryBundle::new(index, width).unwrap().path();
            let tile = Tile::from_path(&their_path(&path)).unwrap();
            assert_eq!(tile, Tile::new(8, 0, index, width.into(), true));
            assert!(path.parse::<TilePath>().is_ok());
        }
    }
}

/// A folder of tiles as this crate lays them out, for their reader, which checks each tile against
/// the root before it believes a hash.
struct Tiles {
    leaves: Vec<Hash>,
}

impl Tiles {
    fn bytes(&self, tile: HashTile) -> Vec<u8> {
        let span = 256_usize.pow(tile.level().into());
        let first = usize::try_from(tile.index()).unwrap() * 256;
        (first..first + usize::from(tile.width()))
            .flat_map(|place| merkle::root(&self.leaves[place * span..][..span]).0)
            .collect()
    }
}

impl TileReader for Tiles {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        let bytes = |tile: &Tile| {
            let width = u16::try_from(tile.width()).unwrap();
            self.bytes(HashTile::new(tile.level(), tile.level_index(), width).unwrap())
        };
        Ok(tiles.iter().map(bytes).collect())
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

/// The same tiles for our proofs.
struct InTree<'a>(&'a Tiles);

impl SubtreeSource for InTree<'_> {
    type Error = merkle::TileError;

    fn subtree(&self, level: u32, index: u64) -> Result<Hash, Self::Error> {
        let size = self.0.leaves.len() as u64;
        let slice = TileSlice::locate(size, merkle::Subtree { level, index }).unwrap();
        slice.hash(&self.0.bytes(slice.tile))
    }
}

#[test]
fn their_tile_reader_accepts_our_tiles() {
    let tiles = Tiles { leaves: leaves(70_000) };
    let size = 70_000;
    let root = tiles.leaves.iter().copied().collect::<CompactRange>().root();
    assert_eq!(merkle::root_from(&InTree(&tiles), size), Ok(root));
    let reader = TileHashReader::new(size, theirs(root), &tiles);
    for index in [0, 255, 256, 65_535, 65_536, 69_887, 69_888, 69_999] {
        let foreign = tlog_tiles::prove_record(size, index, &reader).unwrap();
        let path = merkle::inclusion_path_from(&InTree(&tiles), size, index).unwrap();
        assert_eq!(all_ours(&foreign), path, "{index}");
        let leaf = tiles.leaves[usize::try_from(index).unwrap()];
        merkle::verify_inclusion(root, size, index, leaf, &path).unwrap();
    }
    for old in [1, 256, 65_535, 65_536, 69_999, 70_000] {
        let foreign = tlog_tiles::prove_tree(size, old, &reader).unwrap();
        let path = merkle::consistency_path_from(&InTree(&tiles), old, size).unwrap();
        assert_eq!(all_ours(&foreign), path, "{old}");
    }
}

fn log_key(seed: [u8; 32]) -> SigningKey {
    SigningKey::from_seed(KeyName::new(ORIGIN).unwrap(), &seed)
}

/// The same key as their signer reads it.
fn their_signer(key: &SigningKey, seed: [u8; 32]) -> StandardSigner {
    let secret = BASE64_STANDARD.encode([&[1], seed.as_slice()].concat());
    let id = key.verifier_key().id();
    StandardSigner::new(&format!("PRIVATE+KEY+{ORIGIN}+{id}+{secret}")).unwrap()
}

fn their_verifiers(key: &SigningKey) -> VerifierList {
    let verifier = StandardVerifier::new(&key.verifier_key().to_string()).unwrap();
    VerifierList::new(vec![Box::new(verifier)])
}

#[test]
fn checkpoints_and_notes_are_the_same() {
    for size in [0, 1, 2, 109_482, u64::MAX] {
        let mut seed = [0x5a; 32];
        seed[..8].copy_from_slice(&size.to_be_bytes());
        let key = log_key(seed);
        let root = merkle::leaf_hash(&size.to_be_bytes());
        let own = Checkpoint { origin: key.name().clone(), size, root };
        let foreign = tlog_tiles::Checkpoint::new(ORIGIN, size, theirs(root), "").unwrap();
        assert_eq!(foreign.to_bytes(), own.to_body().as_bytes());
        let parsed = tlog_tiles::Checkpoint::from_bytes(own.to_body().as_bytes()).unwrap();
        assert_eq!(parsed, foreign);

        // They verify what we signed.
        let text = own.sign(&key).unwrap();
        let note = Note::from_bytes(text.as_bytes()).unwrap();
        let (verified, rest) = note.verify(&their_verifiers(&key)).unwrap();
        assert_eq!((verified.len(), rest.len()), (1, 0));
        assert_eq!(note.to_bytes(), text.as_bytes());

        // We verify what they signed; Ed25519 is deterministic, so it is the same note.
        let mut note = Note::new(&foreign.to_bytes(), &[]).unwrap();
        note.add_sigs(&[&their_signer(&key, seed)]).unwrap();
        assert_eq!(note.to_bytes(), text.as_bytes());
        assert_eq!(Checkpoint::verify(&text, key.verifier_key()), Ok(own));
    }
}

#[test]
fn what_they_refuse_we_refuse() {
    let key = log_key([1; 32]);
    let text = SignedNote::sign("a text\n\nof two parts\n", &key).unwrap().to_string();
    let verifiers = their_verifiers(&key);
    let mut refused = 0;
    for place in 0..text.len() {
        for change in [0x01, 0x20, 0x80] {
            let mut bytes = text.clone().into_bytes();
            bytes[place] ^= change;
            let foreign =
                Note::from_bytes(&bytes).ok().and_then(|note| note.verify(&verifiers).ok());
            let own = SignedNote::from_bytes(&bytes)
                .and_then(|note| note.verify(&[key.verifier_key()]).map(|_| ()));
            assert!(foreign.is_none() && own.is_err(), "byte {place}, {change:#x}");
            refused += 1;
        }
    }
    assert_eq!(refused, 3 * text.len());
}

#[test]
fn verifier_keys_are_the_same() {
    for seed in 0..20 {
        let key = log_key([seed; 32]);
        let vkey = key.verifier_key().to_string();
        let public = *key.verifier_key().public_key();
        let id = u32::from_be_bytes(key.verifier_key().id().0);
        assert_eq!(signed_note::key_id(ORIGIN, &[&[1], public.as_slice()].concat()), id);
        StandardVerifier::new(&vkey).unwrap();
        assert_eq!(vkey.parse::<VerifierKey>().as_ref(), Ok(key.verifier_key()));
    }
    // They take hex in upper case, a second spelling; we do not.
    let vkey = "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    assert!(StandardVerifier::new(vkey).is_ok());
    assert_eq!(vkey.parse::<VerifierKey>(), Err(NoteError::VerifierKey));
}
