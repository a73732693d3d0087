//! Clients that others wrote (Cloudflare's ports of golang.org/x/mod/sumdb) read an export, from its
//! files alone.

use std::{cell::Cell, collections::BTreeSet, fs, path::Path};

use lucid_core::merkle::decode_bundle;
use lucid_store::{
    disk::Disk,
    log::{Log, LogError, LogReader},
};
use signed_note::{Note, StandardVerifier, VerifierList};
use tlog_tiles::{Checkpoint, HashReader, Tile, TileHashReader, TileReader};

use crate::support::*;

/// A folder as their client fetches it.
struct Client<'a> {
    dir: &'a Path,
    fetched: Cell<u64>,
}

impl TileReader for Client<'_> {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        self.fetched.set(self.fetched.get() + tiles.len() as u64);
        // Their paths name the height, which C2SP fixed.
        let path = |tile: &Tile| self.dir.join(tile.path().replacen("tile/8/", "tile/", 1));
        Ok(tiles.iter().map(|tile| fs::read(path(tile)).unwrap()).collect())
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

/// The checkpoint in `dir`, its signature verified by their code.
fn their_checkpoint(text: &[u8]) -> Checkpoint {
    let note = Note::from_bytes(text).unwrap();
    let log_key = StandardVerifier::new(&public().to_string()).unwrap();
    let (trusted, strange) = note.verify(&VerifierList::new(vec![Box::new(log_key)])).unwrap();
    assert_eq!((trusted.len(), strange.len()), (1, 0));
    let checkpoint = Checkpoint::from_bytes(note.text()).unwrap();
    assert_eq!((checkpoint.origin(), checkpoint.extension()), (ORIGIN, ""));
    checkpoint
}

/// Every entry of the export in `dir`, each with an inclusion proof that their code made from the tiles
/// and verified; and its earlier checkpoints are prefixes.
fn their_entries(dir: &Path, earlier: &[String]) -> Vec<Vec<u8>> {
    let checkpoint = their_checkpoint(&fs::read(dir.join("checkpoint")).unwrap());
    let (size, root) = (checkpoint.size(), *checkpoint.hash());
    let client = Client { dir, fetched: Cell::new(0) };
    let reader = TileHashReader::new(size, root, &client);
    let mut entries = Vec::new();
    for index in 0..size.div_ceil(256) {
        let width = (size - index * 256).min(256);
        let mut tile = Tile::new(8, 0, index, width as u32, true);
        tile.set_is_data();
        let path = tile.path().replacen("tile/8/data/", "tile/entries/", 1);
        let bundle = fs::read(dir.join(path)).unwrap();
        let bundle = decode_bundle(&bundle, width as usize).unwrap();
        // Their reader believes no tile before it has led to the root.
        let places: Vec<u64> =
            (0..width).map(|at| tlog_tiles::stored_hash_index(0, index * 256 + at)).collect();
        let leaves = reader.read_hashes(&places).unwrap();
        for (entry, leaf) in bundle.iter().zip(leaves) {
            assert!(tlog_tiles::record_hash(entry) == leaf, "entry {}", entries.len());
            entries.push(entry.to_vec());
        }
    }
    for index in (0..size).step_by(97).chain(size.checked_sub(1)) {
        let proof = tlog_tiles::prove_record(size, index, &reader).unwrap();
        let leaf = tlog_tiles::record_hash(&entries[index as usize]);
        tlog_tiles::check_record(&proof, size, root, index, leaf).unwrap();
    }
    for old in earlier.iter().map(|text| their_checkpoint(text.as_bytes())) {
        if old.size() > 0 {
            let proof = tlog_tiles::prove_tree(size, old.size(), &reader).unwrap();
            tlog_tiles::check_tree(&proof, size, root, old.size(), *old.hash()).unwrap();
        }
    }
    assert!(size == 0 || client.fetched.get() > 0);
    entries
}

fn files(dir: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|item| item.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found
}

#[test]
fn an_export_is_a_log_for_others() {
    let (folder, dir, mut log) = new_log();
    let mut earlier = Vec::new();
    // Each export goes on from the one before: below a bundle, at its edge, across some, and a size
    // that has a full tile of level 1.
    for size in [0, 1, 200, 256, 1000, 1768, 66_000] {
        log.append(&entries(log.size(), size)).unwrap();
        let to = folder.path().join("export");
        log.export(&to, &mut |_, _| ()).unwrap();
        let want = entries(0, size);
        assert!(their_entries(&to, &earlier) == want, "{size}");
        earlier.push(log.checkpoint_text().to_owned());
        let fresh = folder.path().join(format!("export{size}"));
        let report = log.export(&fresh, &mut |_, _| ()).unwrap();
        let names = files(&fresh);
        assert_eq!((report.written, report.kept), (names.len() as u64, 0));
        assert!(files(&to).is_superset(&names));
        assert!(their_entries(&fresh, &earlier) == want);
    }
    let again = log.export(&folder.path().join("export"), &mut |_, _| ()).unwrap();
    // The partial bundle, the partial tiles of levels 0, 1 and 2, and the checkpoint.
    assert_eq!((again.written, again.kept), (5, 257 + 257 + 1));
    drop(log);
    assert_sound(&dir, &entries(0, 66_000));
    let reader = LogReader::open(&dir, &public()).unwrap();
    reader.export(&folder.path().join("by_reader"), &mut |_, _| ()).unwrap();
    assert!(their_entries(&folder.path().join("by_reader"), &earlier).len() == 66_000);
}

#[test]
fn an_export_mixes_with_nothing() {
    let (folder, dir, mut log) = new_log();
    log.append(&entries(0, 300)).unwrap();
    let refused = |log: &Log, to: &Path| match log.export(to, &mut |_, _| ()) {
        Err(LogError::ExportFolder { .. }) => "folder",
        Err(LogError::ExportDiverges { .. }) => "diverges",
        Err(other) => panic!("{other}"),
        Ok(_) => "done",
    };
    assert_eq!(refused(&log, &dir), "folder", "the log's own folder");
    let other = folder.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("notes.txt"), "mine").unwrap();
    assert_eq!(refused(&log, &other), "folder");
    assert_eq!(files(&other).len(), 1);

    let export = folder.path().join("export");
    assert_eq!(refused(&log, &export), "done");
    let (_second, _, mut second) = new_log();
    assert_eq!(refused(&second, &export), "diverges", "an export of more than the log has");
    second.append(&entries(1, 400)).unwrap();
    assert_eq!(refused(&second, &export), "diverges", "another history, with the same key");
    let stranger = SigningKeyOf::other(&folder.path().join("stranger"));
    assert_eq!(refused(&stranger, &export), "folder", "another key");

    // A file that was cut is written again.
    let bundle = export.join("tile/entries/000");
    let bytes = fs::read(&bundle).unwrap();
    fs::write(&bundle, &bytes[..100]).unwrap();
    assert_eq!(refused(&log, &export), "done");
    assert_eq!(fs::read(&bundle).unwrap(), bytes);

    // So is one that a later export, cut short, may have left without its content.
    let tile = export.join("tile/0/001");
    fs::write(&tile, [0; 8192]).unwrap();
    log.append(&entries(300, 600)).unwrap();
    assert_eq!(refused(&log, &export), "done");
    assert_eq!(fs::read(&tile).unwrap(), fs::read(dir.join("tile/0/001")).unwrap());
    assert!(their_entries(&export, &[]) == entries(0, 600));
}

struct SigningKeyOf;

impl SigningKeyOf {
    fn other(dir: &Path) -> Log {
        let key = lucid_core::note::SigningKey::from_seed(ORIGIN.parse().unwrap(), &[9; 32]);
        let mut log = Log::create(dir, key, Disk::default()).unwrap();
        log.append(&entries(0, 300)).unwrap();
        log
    }
}

#[test]
fn a_damaged_log_is_not_exported() {
    let (folder, dir) = log_of(600);
    for name in ["tile/0/000", "tile/entries/001"] {
        let mut bytes = fs::read(dir.join(name)).unwrap();
        bytes[77] ^= 1;
        fs::write(dir.join(name), &bytes).unwrap();
        if let Ok(log) = LogReader::open(&dir, &public()) {
            assert!(log.export(&folder.path().join("export"), &mut |_, _| ()).is_err(), "{name}");
            assert!(!folder.path().join("export/checkpoint").exists(), "the checkpoint is last");
        }
        bytes[77] ^= 1;
        fs::write(dir.join(name), &bytes).unwrap();
    }
}
