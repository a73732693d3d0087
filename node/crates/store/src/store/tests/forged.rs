//! Somebody writes to the data folder who has no key.

use lucid_core::{EntryIndex, Hash, keys::Wrap};

use super::*;
use crate::{ErrorKind, db::State, testing::chunk_bytes_under};

/// A data folder with session 1 sealed and session 2 open, with a chunk each.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let store = create(folder.path(), Disk::default()).unwrap();
    begin(&store, 1, 1);
    store.seal(session(1), &request()).unwrap();
    begin(&store, 2, 1);
    folder
}

#[test]
fn an_entry_put_into_the_tail_is_dropped_and_told() {
    let folder = folder();
    let copy = tempfile::tempdir().unwrap();
    let tail = folder.path().join("log").join("tail");
    let whole = fs::read(&tail).unwrap();
    // The bytes of a real entry, from a node that erased the session.
    let store = open_clean(folder.path());
    fs::copy(folder.path().join("log").join("head"), copy.path().join("head")).unwrap();
    let log_size = store.with_log(|log| Ok(log.size())).unwrap();
    store.append(&[erased(1)]).unwrap();
    drop(store);
    assert!(fs::read(&tail).unwrap().len() > whole.len());
    fs::copy(copy.path().join("head"), folder.path().join("log").join("head")).unwrap();

    let (store, recovery) = open(folder.path());
    let text = recovery.repairs[0].to_string();
    assert!(text.starts_with("log: dropped: 1 record of "), "{recovery:?}");
    assert_eq!((recovery.repairs.len(), recovery.damaged.len()), (1, 0), "{recovery:?}");
    assert_eq!(events(&store, "store.repaired"), [text]);
    assert_eq!(store.session(session(1)).unwrap().state(), State::Sealed);
    assert!(local(&store).keys().exists(session(1)) && store.manifest(session(1)).is_ok());
    let entry = store.with_log(|log| Ok(log.entry(EntryIndex(log_size))?)).unwrap();
    assert!(matches!(Entry::parse(&entry).unwrap(), Entry::NodeEvent(_)), "not the forged one");
}

fn erased(seed: u8) -> Entry {
    let (kind, v) = Default::default();
    let entry = lucid_core::entry::SessionErased { at: at(9), kind, session_id: session(seed), v };
    Entry::SessionErased(entry)
}

/// Puts chunk files behind the one that session 2 has, opens, and gives how many it has then.
fn check_adopted(open: impl Fn(&Path) -> (Store, Recovery), folder: &Path, files: &[&[u8]]) -> u32 {
    for (index, bytes) in (1..).zip(files) {
        fs::write(chunk_file(folder, 2, index), bytes).unwrap();
    }
    let (store, recovery) = open(folder);
    assert!(recovery.damaged.is_empty(), "{recovery:?}");
    let count = store.totals(session(2)).unwrap().chunk_count;
    for (index, _) in (1..).zip(files) {
        let path = chunk_file(folder, 2, index);
        assert_eq!(path.exists(), index < count, "chunk {index}");
        assert_eq!(path.with_extension("lck.orphan").exists(), index >= count, "chunk {index}");
    }
    let events = events(&store, "store.repaired");
    assert_eq!(events.len(), recovery.repairs.len());
    let aside = events.iter().filter(|text| text.contains("set aside")).count();
    assert_eq!(aside, files.len() - (count as usize - 1), "{events:?}");
    count
}

#[test]
fn only_chunks_sealed_under_the_session_s_key_are_adopted() {
    let real = |index| chunk_bytes(session(2), index, PLAIN).1;
    let forged = |index| chunk_bytes_under(&dek(9), session(2), index, PLAIN).1;
    let mut salted = real(1);
    salted[50] ^= 1;
    let mut shorter = chunk_bytes(session(2), 1, PLAIN - 1).1;
    // The header of the real chunk over the message of another.
    shorter[..48].copy_from_slice(&chunk_bytes(session(2), 1, PLAIN - 2).1[..48]);
    shorter.pop();
    // The beginning of the real chunk over segments of another.
    let mut segments = real(1);
    segments[104] ^= 1;
    let mut last = real(1);
    *last.last_mut().unwrap() ^= 1;
    for (files, want) in [
        (vec![segments], 1),
        (vec![last, real(2)], 1),
        (vec![real(1), real(2)], 3),
        (vec![forged(1)], 1),
        (vec![forged(1), real(2)], 1),
        (vec![real(1), forged(2), real(3)], 2),
        (vec![salted], 1),
        (vec![shorter], 1),
    ] {
        let folder = folder();
        let files: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
        assert_eq!(check_adopted(open, folder.path(), &files), want);
        open_clean(folder.path());
    }
}

#[test]
fn a_key_file_that_does_not_open_adopts_nothing() {
    let real = chunk_bytes(session(2), 1, PLAIN).1;
    let other = KeyFile::new(vec![kek().wrap(&session(1), &dek(2), [1; 12])]);
    for bytes in [other.to_bytes(), b"{}".to_vec()] {
        let folder = folder();
        fs::write(folder.path().join(format!("keys/{}.json", session(2))), bytes).unwrap();
        assert_eq!(check_adopted(open, folder.path(), &[&real]), 1);
    }
    // Of several wraps, the one that this node can open counts.
    let folder = folder();
    let wraps = [other.wraps, vec![age_wrap()], key_file(2).wraps].concat();
    local(&open_clean(folder.path())).keys().put(session(2), &KeyFile::new(wraps)).unwrap();
    assert_eq!(check_adopted(open, folder.path(), &[&real]), 2);
}

fn age_wrap() -> Wrap {
    Wrap::Age { recipient: "age1test".to_owned(), ct: vec![1; 100] }
}

#[test]
fn a_node_without_keys_adopts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let options = CreateOptions {
        kek: KekSource::None,
        at: at(1),
        reserve_bytes: Some(0),
        disk: Disk::default(),
        ciphers: Arc::new(TestCiphers),
    };
    let store = Store::create(folder.path(), options).unwrap();
    store.open_session(opened(2), Some(&KeyFile::new(vec![age_wrap()]))).unwrap();
    let chunk = put(&store, 2, 0, PLAIN).unwrap();
    store.acknowledge(session(2), &[chunk]).unwrap();
    drop(store);
    let open = |folder: &Path| {
        let options = OpenOptions {
            kek: None,
            at: at(50),
            reserve_bytes: Some(0),
            disk: Disk::default(),
            ciphers: Arc::new(TestCiphers),
        };
        Store::open(folder, options).unwrap()
    };
    let real = chunk_bytes(session(2), 1, PLAIN).1;
    assert_eq!(check_adopted(open, folder.path(), &[&real]), 1);
    let (store, recovery) = open(folder.path());
    assert!(recovery.is_clean(), "{recovery:?}");
    // What was acknowledged is sealed as before.
    assert_eq!(store.seal(session(2), &request()).unwrap().chunk_count, 1);
}

/// Alters a row; `look` then finds it, the database is named, and the next start has the right one.
fn check_row(
    seed: u8,
    alter: impl FnOnce(&mut crate::SessionRow),
    look: impl Fn(&Store) -> Result<(), StoreError>,
) {
    let folder = folder();
    let store = open_clean(folder.path());
    let right = store.session(session(seed)).unwrap();
    store.db.alter(session(seed), alter);
    assert_ne!(store.session(session(seed)).unwrap(), right);
    let log_size = store.with_log(|log| Ok(log.size())).unwrap();
    let error = look(&store).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged, "{error:?}");
    let text = error.to_string();
    let database = folder.path().join("db");
    assert!(text.starts_with(&format!("{} is damaged", database.display())), "{text}");
    assert!(text.contains("lucid-node ledger rebuild"), "{text}");
    assert!(text.contains(&session(seed).to_string()), "{text}");
    assert_eq!(store.with_log(|log| Ok(log.size())).unwrap(), log_size, "nothing was signed");
    assert!(local(&store).keys().exists(session(seed)), "nothing was destroyed");
    drop(store);
    let (store, recovery) = open(folder.path());
    assert!(recovery.repairs[0].to_string().contains("made anew"), "{recovery:?}");
    assert_eq!(store.session(session(seed)).unwrap(), right);
}

#[test]
fn an_altered_row_is_not_taken_for_the_log() {
    type Look = fn(&Store) -> Result<(), StoreError>;
    let manifest: Look = |store| store.manifest(session(1)).map(drop);
    let erase: Look = |store| store.erase(session(1), at(9));
    let void: Look = |store| store.void(session(2), "", at(9));
    for look in [manifest, erase, |store| store.sealed(session(1)).map(drop)] {
        let sealed = |row: &mut crate::SessionRow| row.sealed.unwrap();
        check_row(1, |row| row.sealed.as_mut().unwrap().manifest_hash = Hash::of(b"other"), look);
        check_row(1, |row| row.sealed.as_mut().unwrap().merkle_root = Hash::of(b"other"), look);
        check_row(1, |row| row.sealed.as_mut().unwrap().plain_bytes += 1, look);
        for entry in [0, 1, 3, 1000] {
            check_row(1, |row| row.sealed = Some(at_entry(sealed(row), entry)), look);
        }
    }
    // Nothing is destroyed because a row says that it should have been.
    check_row(1, |row| row.ended = Some((EntryIndex(2), at(3))), erase);
    check_row(2, |row| row.ended = Some((EntryIndex(3), at(2))), void);
    check_row(2, |row| row.ended = Some((EntryIndex(77), at(2))), void);
    for alter in [
        (|row| row.opened = EntryIndex(1)) as fn(&mut crate::SessionRow),
        |row| row.owner = "other".parse().unwrap(),
        |row| row.created_at = at(77),
    ] {
        check_row(2, alter, |store| store.opened(session(2)).map(drop));
        check_row(2, alter, |store| store.seal(session(2), &request()).map(drop));
    }
}

fn at_entry(mut facts: crate::SealedFacts, entry: u64) -> crate::SealedFacts {
    facts.entry = EntryIndex(entry);
    facts
}

#[test]
fn paths_are_shown_from_the_folder_on() {
    let check = |folder: &str, text: &str, want: &str| {
        assert_eq!(recover::within(Path::new(folder), text), want);
    };
    check("/srv/lucid", "cannot read /srv/lucid/log/tail: gone", "cannot read log/tail: gone");
    check("/srv/lucid/", "/srv/lucid/a (/srv/lucid/b)", "a (b)");
    check("/srv/lucid", "/mnt/srv/lucid/a, /srv/lucid-2/a", "/mnt/srv/lucid/a, /srv/lucid-2/a");
    check("data", "data/a: metadata/b", "a: metadata/b");
    check(".", "./log/tail ends.", "log/tail ends.");
    check("/", "/log/tail is /damaged", "log/tail is damaged");
}
