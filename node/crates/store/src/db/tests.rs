use std::{fs, path::Path};

use lucid_core::{
    Policy, Timestamp,
    chunk::Suite,
    entry::{SessionErased, SessionOpened, SessionSealed, SessionVoided},
    merkle::{self, leaf_hash},
};

use super::{open::Opened, *};
use crate::testing::session;

impl Database {
    /// Alters a row behind the log's back.
    pub(crate) fn alter(&self, session: SessionId, alter: impl FnOnce(&mut SessionRow)) {
        let mut row = self.session(session).unwrap().unwrap();
        alter(&mut row);
        self.recent.write().unwrap().rows.remove(&session);
        self.sessions.insert(session.as_bytes(), row.to_bytes()).unwrap();
    }
}

/// A log in memory.
#[derive(Default, Clone)]
struct Log(Vec<Vec<u8>>);

impl Source for Log {
    fn path(&self) -> &Path {
        Path::new("log")
    }

    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn root_at(&self, size: u64) -> Result<Hash, StoreError> {
        let entries = &self.0[..usize::try_from(size).unwrap()];
        Ok(merkle::root(&entries.iter().map(|entry| leaf_hash(entry)).collect::<Vec<_>>()))
    }

    fn entry(&self, index: EntryIndex) -> Result<Vec<u8>, StoreError> {
        Ok(self.0[usize::try_from(index.0).unwrap()].clone())
    }

    fn read_from(&self, from: EntryIndex, each: Each<'_>) -> Result<(), StoreError> {
        for index in from.0..self.size() {
            each(EntryIndex(index), &self.0[usize::try_from(index).unwrap()])?;
        }
        Ok(())
    }
}

fn time(millis: u64) -> Timestamp {
    Timestamp::from_unix_millis(millis)
}

#[expect(clippy::default_trait_access, reason = "the types of these fields have no public names")]
fn opened(seed: u8) -> Entry {
    Entry::SessionOpened(SessionOpened {
        at: time(seed.into()),
        kind: Default::default(),
        media_type: "video/mp4".parse().unwrap(),
        owner: if seed.is_multiple_of(2) { "even" } else { "odd" }.parse().unwrap(),
        policy: Policy::with_suite(Suite::Aes256Gcm),
        session_id: session(seed),
        v: Default::default(),
    })
}

#[expect(clippy::default_trait_access, reason = "the types of these fields have no public names")]
fn sealed(seed: u8) -> Entry {
    Entry::SessionSealed(SessionSealed {
        at: time(100),
        chunk_count: 3,
        kind: Default::default(),
        manifest_hash: Hash::of(b"m"),
        merkle_root: Hash::of(b"r"),
        owner: "odd".parse().unwrap(),
        plain_bytes: 12,
        policy_hash: Hash::of(b"p"),
        session_id: session(seed),
        v: Default::default(),
    })
}

fn voided(seed: u8) -> Entry {
    let (kind, v) = Default::default();
    let reason = "gone".to_owned();
    Entry::SessionVoided(SessionVoided {
        at: time(101),
        kind,
        reason,
        session_id: session(seed),
        v,
    })
}

fn erased(seed: u8) -> Entry {
    let (kind, v) = Default::default();
    Entry::SessionErased(SessionErased { at: time(102), kind, session_id: session(seed), v })
}

fn log(entries: impl IntoIterator<Item = Entry>) -> Log {
    Log(entries.into_iter().map(|entry| entry.to_bytes().unwrap()).collect())
}

/// Nine sessions: 1 to 6 sealed, of which 5 and 6 erased; 7 voided; 8 and 9 open.
fn lives() -> Log {
    log((1..=9).map(opened).chain((1..=6).map(sealed)).chain([erased(5), erased(6), voided(7)]))
}

/// A database whose trees are never behind.
fn open(folder: &Path, log: &Log) -> Opened {
    open_lagging(folder, log, 1)
}

fn open_lagging(folder: &Path, log: &Log, lag_entries: u64) -> Opened {
    super::open::open_lagging(&folder.join("db"), &crate::Disk::default(), log, lag_entries)
        .unwrap()
}

fn seeds(database: &Database, filter: &SessionFilter) -> Vec<u8> {
    let rows = database.list(filter, None, 100).unwrap();
    rows.iter().map(|row| row.session.as_bytes()[0]).collect()
}

fn all(database: &Database) -> Vec<SessionRow> {
    database.list(&SessionFilter::default(), None, 100).unwrap()
}

#[test]
fn rows_follow_the_log() {
    for lag_entries in [1, 2, 7, 18, 19, LAG_ENTRIES] {
        check_rows(lag_entries);
    }
}

fn check_rows(lag_entries: u64) {
    let folder = tempfile::tempdir().unwrap();
    let Opened { database, rebuilt } = open_lagging(folder.path(), &Log::default(), lag_entries);
    assert!(rebuilt.is_none(), "a new node's database is not a repair");
    database.catch_up(&lives()).unwrap();
    let filter = SessionFilter::default;
    assert_eq!(seeds(&database, &filter()), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let newest = SessionFilter { order: Order::NewestFirst, ..filter() };
    assert_eq!(seeds(&database, &newest), [9, 8, 7, 6, 5, 4, 3, 2, 1]);
    for (state, want) in [
        (State::Open, [8, 9].as_slice()),
        (State::Sealed, &[1, 2, 3, 4]),
        (State::Voided, &[7]),
        (State::Erased, &[5, 6]),
    ] {
        assert_eq!(seeds(&database, &SessionFilter { state: Some(state), ..filter() }), want);
    }
    let owner = Some("even".parse().unwrap());
    assert_eq!(seeds(&database, &SessionFilter { owner, ..filter() }), [2, 4, 6, 8]);
    check_lists(&database);
    let page = |filter: &SessionFilter, after| {
        let rows = database.list(filter, Some(session(after)), 2).unwrap();
        rows.iter().map(|row| row.session.as_bytes()[0]).collect::<Vec<_>>()
    };
    assert_eq!(page(&filter(), 4), [5, 6]);
    assert_eq!(page(&newest, 4), [3, 2]);
    assert!(page(&filter(), 9).is_empty());
    assert!(database.list(&filter(), Some(session(77)), 2).is_err());
    let mut unfinished = database.unfinished().unwrap();
    unfinished.sort();
    assert_eq!(unfinished, [5, 6, 7, 8, 9].map(session), "open, or perhaps not yet destroyed");
    let row = database.session(session(5)).unwrap().unwrap();
    assert_eq!(row.opened, EntryIndex(4));
    assert_eq!(row.sealed.map(|facts| (facts.entry, facts.chunk_count)), Some((EntryIndex(13), 3)));
    assert_eq!(row.ended, Some((EntryIndex(15), time(102))));
}

/// Every list is what looking at every session gives.
fn check_lists(database: &Database) {
    let rows = all(database);
    let owners = [None, Some("even"), Some("odd"), Some("eve"), Some("nobody")];
    let states = [None, Some(State::Open), Some(State::Sealed), Some(State::Voided)];
    for (owner, state) in owners.iter().flat_map(|owner| states.map(|state| (owner, state))) {
        for order in [Order::OldestFirst, Order::NewestFirst] {
            let owner = owner.map(|owner| owner.parse().unwrap());
            let filter = SessionFilter { owner, state, anchored: None, order };
            let mut ordered = rows.clone();
            if order == Order::NewestFirst {
                ordered.reverse();
            }
            for start in 0..=rows.len() {
                let after = start.checked_sub(1).map(|before| ordered[before].session);
                let takes = |row: &&SessionRow| {
                    filter.owner.as_ref().is_none_or(|owner| *owner == row.owner)
                        && state.is_none_or(|state| state == row.state())
                };
                let wanted: Vec<_> = ordered[start..].iter().filter(takes).cloned().collect();
                for limit in [0, 1, 2, 100] {
                    let listed = database.list(&filter, after, limit).unwrap();
                    let wanted = &wanted[..wanted.len().min(limit)];
                    assert_eq!(listed, wanted, "{filter:?} after {after:?}");
                }
            }
        }
    }
    for owner in owners.into_iter().flatten() {
        let open = |row: &&SessionRow| row.state() == State::Open && row.owner.as_str() == owner;
        let count = rows.iter().filter(open).count();
        assert_eq!(database.open_sessions(&owner.parse().unwrap()), count as u32, "{owner}");
    }
}

#[test]
fn lists_go_on_across_blocks_and_the_trees_end() {
    // Sessions in four blocks, of two owners and more, every third ended.
    let entries = (0..100).map(opened).chain((0..100).step_by(3).map(sealed));
    for lag_entries in [1, 50, 90, 120, LAG_ENTRIES] {
        let folder = tempfile::tempdir().unwrap();
        let database = open_lagging(folder.path(), &log(entries.clone()), lag_entries).database;
        check_lists(&database);
        drop(database);
        check_lists(&open_lagging(folder.path(), &log(entries.clone()), lag_entries).database);
    }
}

#[test]
fn a_list_looks_at_no_other_owner_s_rows() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(folder.path(), &lives()).database;
    for seed in [1, 3, 5, 7, 9] {
        database.sessions.insert(session(seed).as_bytes(), b"no row").unwrap();
    }
    let owner = Some("even".parse().unwrap());
    let filter = SessionFilter { owner, ..SessionFilter::default() };
    assert_eq!(seeds(&database, &filter), [2, 4, 6, 8]);
    let open = SessionFilter { state: Some(State::Open), ..filter };
    assert_eq!(seeds(&database, &open), [8]);
    assert!(database.list(&SessionFilter::default(), None, 100).is_err(), "others are damaged");
}

#[test]
fn only_possible_lives_are_let_in() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(folder.path(), &lives()).database;
    for (entry, good) in [
        (opened(10), true),
        (opened(1), false),
        (opened(7), false),
        (sealed(8), true),
        (sealed(1), false),
        (sealed(7), false),
        (sealed(5), false),
        (sealed(10), false),
        (voided(8), true),
        (voided(1), false),
        (voided(7), false),
        (erased(1), true),
        (erased(8), false),
        (erased(5), false),
        (erased(10), false),
    ] {
        let checked = database.check(&entry);
        assert_eq!(checked.is_ok(), good, "{} {:?}: {checked:?}", entry.kind(), entry.session());
    }
}

#[test]
fn replaying_gives_the_same_rows() {
    let folder = tempfile::tempdir().unwrap();
    let log = lives();
    let mut database = open(folder.path(), &log).database;
    let (rows, unfinished) = (all(&database), database.unfinished().unwrap());
    for from in (0..log.size()).rev() {
        let root = log.root_at(from).unwrap();
        database.set_applied(Applied { size: from, root }).unwrap();
        drop(database);
        database = open_lagging(folder.path(), &log, log.size() - from).database;
        assert_eq!(all(&database), rows, "replayed from {from}");
        assert_eq!(database.unfinished().unwrap(), unfinished, "replayed from {from}");
        check_lists(&database);
    }
}

#[test]
fn the_trees_are_written_once_they_are_far_enough_behind() {
    let folder = tempfile::tempdir().unwrap();
    let database = open_lagging(folder.path(), &Log::default(), 10).database;
    let mut log = Log::default();
    for (count, entry) in (1..).zip(lives().0) {
        log.0.push(entry);
        database.catch_up(&log).unwrap();
        assert_eq!(database.applied().unwrap().size, count / 10 * 10);
    }
    assert_eq!(all(&database), all(&open(tempfile::tempdir().unwrap().path(), &lives()).database));
    database.finished(session(5));
    assert!(!database.unfinished().unwrap().contains(&session(5)));
    for seed in 0..2 {
        log.0.push(opened(100 + seed).to_bytes().unwrap());
    }
    database.catch_up(&log).unwrap();
    drop(database);
    let database = open(folder.path(), &log).database;
    let unfinished = [6, 7, 8, 9, 100, 101].map(session);
    assert_eq!(database.unfinished().unwrap(), unfinished, "what was finished stays so");
}

/// Whether opening after `change` makes the database anew; its rows are the same in any case.
fn check_reopened(log: &Log, change: impl FnOnce(&Path)) -> Option<String> {
    check_reopened_after(log, change, |_| ())
}

/// The same, where `look` may find the damage only while the database is in use.
fn check_reopened_after(
    log: &Log,
    change: impl FnOnce(&Path),
    look: impl FnOnce(&Database),
) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let rows = all(&open(folder.path(), &lives()).database);
    change(&folder.path().join("db"));
    let mut opened = open(folder.path(), log);
    look(&opened.database);
    if folder.path().join("db.rebuild").exists() {
        drop(opened);
        opened = open(folder.path(), log);
    }
    let Opened { database, rebuilt } = opened;
    if log.0 == lives().0 {
        assert_eq!(all(&database), rows);
    }
    if let Some(aside) = rebuilt.as_ref().and_then(|rebuilt| rebuilt.aside.as_ref()) {
        assert!(aside.exists() && aside.ends_with("db.damaged-1"), "{aside:?}");
    }
    drop(database);
    assert!(open(folder.path(), log).rebuilt.is_none(), "once is enough");
    rebuilt.map(|rebuilt| rebuilt.to_string())
}

/// Opens after `change`, looks at everything as a start does, and opens again.
fn check_met(change: impl FnOnce(&Path)) -> Option<String> {
    check_reopened_after(&lives(), change, |database| {
        let _ = (database.unfinished(), database.list(&SessionFilter::default(), None, 100));
    })
}

/// Writes past [`Database`], once sled's threads have let go of the folder.
fn put(db: &Path, tree: &str, key: &[u8], value: &[u8]) {
    let sled = crate::sled_folder::SledFolder::open(db, 1 << 20, &crate::Disk::default()).unwrap();
    sled.tree(tree).unwrap().insert(key, value).unwrap();
    sled.flush().unwrap();
}

#[test]
fn what_cannot_be_trusted_is_made_anew() {
    assert_eq!(check_reopened(&lives(), |_| ()), None);
    let missing = check_reopened(&lives(), |db| fs::remove_dir_all(db).unwrap());
    assert!(missing.unwrap().contains("missing"));
    let condemned = check_reopened(&lives(), crate::sled_folder::condemn);
    assert!(condemned.unwrap().contains("found damaged"));
    let earlier = |db: &Path| put(db, "meta", b"version", &[3]);
    assert!(check_reopened(&lives(), earlier).unwrap().contains("another version's"));
    for (tree, key, value) in [
        ("meta", b"applied".as_slice(), b"x".as_slice()),
        ("meta", b"version", &[9]),
        ("sessions", session(8).as_bytes(), b"no row"),
        ("unfinished", b"no id", b""),
    ] {
        let met = check_met(|db| put(db, tree, key, value));
        assert!(met.is_some(), "{tree}: it is found when it is read, and made anew after that");
    }
    let mut shorter = lives();
    shorter.0.pop();
    assert!(check_reopened(&shorter, |_| ()).unwrap().contains("18 entries and the log has 17"));
    let mut other = lives();
    other.0[0] = opened(99).to_bytes().unwrap();
    assert!(check_reopened(&other, |_| ()).unwrap().contains("another log"));
    let mut longer = lives();
    longer.0.push(opened(10).to_bytes().unwrap());
    assert_eq!(check_reopened(&longer, |_| ()), None, "it catches up");
}

#[test]
fn damaged_files_are_made_anew_or_caught_up() {
    let flip = |path: &Path, at: usize| {
        let mut bytes = fs::read(path).unwrap();
        let place = at.min(bytes.len() - 1);
        bytes[place] ^= 0xff;
        fs::write(path, bytes).unwrap();
    };
    check_reopened(&lives(), |db| fs::write(db.join("db"), b"").unwrap());
    check_reopened(&lives(), |db| fs::write(db.join("db"), vec![0x5a; 200_000]).unwrap());
    check_reopened(&lives(), |db| fs::write(db.join("conf"), b"garbage, garbage").unwrap());
    check_reopened(&lives(), |db| flip(&db.join("conf"), 20));
    check_reopened(&lives(), |db| fs::write(db.join("snap.0000000000000100"), b"bad").unwrap());
    for at in [0, 4, 30, 100, 500, 1000, 2000, 3000] {
        check_reopened(&lives(), |db| flip(&db.join("db"), at));
    }
}
