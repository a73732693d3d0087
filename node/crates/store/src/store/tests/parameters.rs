//! The parameters in force: found at a start without reading the log, and what they do to sessions.

use lucid_core::{Hash, Parameters, block::BlockNumber, entry::ParametersChanged};

use super::*;
use crate::testing::copy_folder;

fn changed(block: u64, parameters: Parameters) -> ParametersChanged {
    let (kind, v) = Default::default();
    let block_hash = Hash::of(&block.to_be_bytes());
    ParametersChanged { at: at(3), block: BlockNumber(block), block_hash, kind, parameters, v }
}

fn decide(store: &Store, block: u64, parameters: Parameters) {
    store.append(&[Entry::ParametersChanged(changed(block, parameters))]).unwrap();
}

fn small() -> Parameters {
    Parameters { chunk_bytes: PLAIN, ..Parameters::default() }
}

fn opened_under(seed: u8, parameters: &Parameters) -> SessionOpened {
    let policy = Policy::decided(parameters, Suite::Aes256Gcm).unwrap();
    SessionOpened { policy, ..opened(seed) }
}

fn seal_at(store: &Store, seed: u8, millis: u64) {
    store.seal(session(seed), &SealRequest { at: at(millis), ..request() }).unwrap();
}

/// The seeds of the sessions that are due.
fn due(store: &Store, now: u64) -> Vec<u8> {
    let due = store.due(at(now), None, 100).unwrap();
    due.iter().map(|due| due.session.as_bytes()[0]).collect()
}

#[test]
fn what_is_in_force_is_the_newest_wherever_the_database_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    let store = create(&path, Disk::default()).unwrap();
    assert_eq!(store.parameters(), None);
    let all = [1, 2, 3].map(|block| {
        changed(block, Parameters { anchor_sessions_max: block, ..Parameters::default() })
    });
    // More than the database may be behind: the first is in its trees, the last is not.
    let events = vec![node_event("test", String::new(), at(1)); 3000];
    let check = |store: &Store, count: usize| {
        assert_eq!(store.parameters().as_ref(), all[..count].last());
        let found = store.parameter_changes(lucid_core::EntryIndex(0), 10).unwrap();
        assert!(!found.more);
        assert!(found.changes.iter().map(|(_, changed)| changed).eq(&all[..count]));
        let page = store.parameter_changes(lucid_core::EntryIndex(0), 1).unwrap();
        assert_eq!((page.changes.len(), page.more), (count.min(1), count > 1));
        if let [(first, _)] = page.changes[..] {
            let rest = lucid_core::EntryIndex(first.0 + 1);
            let rest = store.parameter_changes(rest, 10).unwrap().changes;
            assert!(rest.iter().map(|(_, changed)| changed).eq(&all[1..count]));
        }
    };
    let mut store = store;
    for (count, one) in (1..).zip(&all) {
        store.append(&[Entry::ParametersChanged(one.clone())]).unwrap();
        check(&store, count);
        drop(store);
        store = open_clean(&path);
        check(&store, count);
        store.append(&events).unwrap();
        check(&store, count);
        drop(store);
        store = open_clean(&path);
        check(&store, count);
    }
    drop(store);
    fs::remove_dir_all(path.join("db")).unwrap();
    check(&open(&path).0, 3);
}

#[test]
fn a_database_that_names_another_entry_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    let store = create(&path, Disk::default()).unwrap();
    decide(&store, 1, small());
    // The log is put back to before that, and the database, which was written, is not.
    drop(store);
    let kept = folder.path().join("kept");
    copy_folder(&path.join("log"), &kept);
    let store = open_clean(&path);
    store.append(&vec![node_event("test", String::new(), at(1)); 4100]).unwrap();
    decide(&store, 2, Parameters::default());
    store.append(&vec![node_event("test", String::new(), at(1)); 4100]).unwrap();
    drop(store);
    fs::remove_dir_all(path.join("log")).unwrap();
    copy_folder(&kept, &path.join("log"));
    let (store, recovery) = open(&path);
    assert!(matches!(recovery.repairs[..], [Repair::Database(_)]), "{recovery:?}");
    assert_eq!(store.parameters(), Some(changed(1, small())));
}

#[test]
fn sessions_are_opened_under_what_is_in_force_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    let store = create(&path, Disk::default()).unwrap();
    let refused = |opened: SessionOpened, seed: u8| {
        let size = store.with_log(|log| Ok(log.size())).unwrap();
        let error = store.open_session(opened, Some(&key_file(seed))).unwrap_err();
        assert!(matches!(error, StoreError::PolicyChanged(_)), "{error}");
        assert_eq!(store.with_log(|log| Ok(log.size())).unwrap(), size);
        assert!(!presence(&store, seed).key_file, "nothing of it is left");
    };
    refused(opened_under(1, &small()), 1);
    store.open_session(opened(1), Some(&key_file(1))).unwrap();
    decide(&store, 1, small());
    refused(opened(2), 2);
    refused(opened_under(2, &Parameters::default()), 2);
    store.open_session(opened_under(2, &small()), Some(&key_file(2))).unwrap();
    // What was opened before goes on under its own policy.
    let chunk = put(&store, 1, 0, PLAIN).unwrap();
    store.acknowledge(session(1), &[chunk]).unwrap();
    seal_at(&store, 1, 3);
    // As a commit that was overtaken: the files are made, and the entry is refused.
    let error = store.append(&[Entry::SessionOpened(opened(3))]).unwrap_err();
    assert!(matches!(error, StoreError::PolicyChanged(_)), "{error}");
}

#[test]
fn a_session_takes_no_more_than_its_policy_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    let store = create(&path, Disk::default()).unwrap();
    let limited = Parameters { session_bytes_max: 1 << 20, ..small() };
    decide(&store, 1, limited);
    store.open_session(opened_under(1, &limited), Some(&key_file(1))).unwrap();
    // 16 chunks of 64 KiB are a MiB.
    let all: Vec<_> = (0..17).map(|i| put(&store, 1, i, PLAIN).unwrap()).collect();
    store.acknowledge(session(1), &all[..10]).unwrap();
    let error = store.acknowledge(session(1), &all[10..]).unwrap_err();
    let StoreError::SessionFull { bytes, max, .. } = error else { panic!("{error}") };
    assert_eq!((bytes, max), (17 << 16, 1 << 20));
    assert_eq!(store.totals(session(1)).unwrap().chunk_count, 16, "what fits");
    let error = store.acknowledge(session(1), &all[16..]).unwrap_err();
    assert!(matches!(error, StoreError::SessionFull { .. }), "{error}");
    drop(store);
    // Nor does a start adopt what is beyond.
    let (store, recovery) = open(&path);
    assert_eq!(store.totals(session(1)).unwrap().chunk_count, 16, "{recovery:?}");
    let stray = recovery.repairs.iter().any(|repair| {
        matches!(repair, Repair::Quarantined { reason, .. } if reason.contains("session_bytes_max"))
    });
    assert!(stray, "{recovery:?}");
}

#[test]
fn sessions_are_due_when_their_own_retention_is_over() {
    const DAY: u64 = 86_400_000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    let mut store = create(&path, Disk::default()).unwrap();
    let of = |days: u64| Parameters { retention_seconds: days * 86_400, ..small() };
    for (block, (days, seeds)) in [(2, [1, 2]), (0, [3, 4]), (1, [5, 6])].into_iter().enumerate() {
        decide(&store, block as u64 + 1, of(days));
        for seed in seeds {
            let opened = opened_under(seed, &of(days));
            store.open_session(opened, Some(&key_file(seed))).unwrap();
        }
    }
    // 2, 4 and 6 are sealed later than the others; 7 stays open.
    store.open_session(opened_under(7, &of(1)), Some(&key_file(7))).unwrap();
    for seed in 1..=6 {
        seal_at(&store, seed, 1000 + 100 * u64::from(seed.is_multiple_of(2)));
    }
    for round in 0..3 {
        assert_eq!(due(&store, 999 + DAY), [0; 0]);
        assert_eq!(due(&store, 1000 + DAY), [5]);
        assert_eq!(due(&store, 1100 + DAY), [5, 6]);
        assert_eq!(due(&store, 1000 + 2 * DAY), [5, 6, 1]);
        assert_eq!(due(&store, 1000 * DAY), [5, 6, 1, 2]);
        let first = store.due(at(1000 * DAY), None, 2).unwrap();
        let rest = store.due(at(1000 * DAY), first.last().copied(), 100).unwrap();
        let seeds = |due: &[crate::Due]| -> Vec<_> {
            due.iter().map(|due| due.session.as_bytes()[0]).collect()
        };
        assert_eq!((seeds(&first), seeds(&rest)), (vec![5, 6], vec![1, 2]));
        if round == 0 {
            // Into the trees.
            store.append(&vec![node_event("test", String::new(), at(1)); 4100]).unwrap();
        }
        drop(store);
        store = open_clean(&path);
    }
    assert!(store.retention_over(session(5), at(1000 + DAY)).unwrap());
    assert!(!store.retention_over(session(5), at(999 + DAY)).unwrap());
    assert!(!store.retention_over(session(3), at(1000 * DAY)).unwrap(), "it is kept for ever");
    store.erase(session(5), at(2 * DAY)).unwrap();
    assert!(!store.retention_over(session(5), at(1000 * DAY)).unwrap(), "it is done");
    for _ in 0..2 {
        assert_eq!(due(&store, 1000 * DAY), [6, 1, 2]);
        store.append(&vec![node_event("test", String::new(), at(1)); 4100]).unwrap();
        drop(store);
        store = open_clean(&path);
    }
    drop(store);
    fs::remove_dir_all(path.join("db")).unwrap();
    assert_eq!(due(&open(&path).0, 1000 * DAY), [6, 1, 2]);
}

#[test]
fn a_session_opened_while_parameters_change_is_in_the_log_under_the_right_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    let store = create(&path, Disk::default()).unwrap();
    decide(&store, 1, small());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for block in 2..40 {
                decide(&store, block, Parameters { anchor_sessions_max: block, ..small() });
            }
        });
        for part in 0..3_u8 {
            let store = &store;
            scope.spawn(move || {
                for seed in 0..20 {
                    let seed = 1 + 20 * part + seed;
                    loop {
                        let in_force = store.parameters().unwrap().parameters;
                        let opened = opened_under(seed, &in_force);
                        match store.open_session(opened, Some(&key_file(seed))) {
                            Ok(_) => break,
                            Err(StoreError::PolicyChanged(_)) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                }
            });
        }
    });
    let (mut in_force, mut sessions) = (None, 0);
    let size = store.with_log(|log| Ok(log.size())).unwrap();
    for index in 0..size {
        let bytes = store.with_log(|log| Ok(log.entry(lucid_core::EntryIndex(index))?)).unwrap();
        match Entry::parse(&bytes).unwrap() {
            Entry::ParametersChanged(changed) => in_force = Some(changed.parameters),
            Entry::SessionOpened(opened) => {
                sessions += 1;
                assert_eq!(opened.policy.parameters(), in_force, "entry {index}");
            }
            _ => {}
        }
    }
    assert_eq!(sessions, 60);
}
