//! Every operation on the disk fails once, in a life that uses them all.

use std::sync::Arc;

use super::*;
use crate::{
    db::State,
    disk::Op,
    testing::{PowerCut, Script, folder_in_memory},
};

/// More than the life here has.
const OPERATIONS_MAX: u64 = 10_000;

/// What a caller was told.
#[derive(Default)]
struct Told {
    opened: Vec<u8>,
    acknowledged: Vec<(u8, ChunkSummary)>,
    sealed: Vec<(u8, Sealed)>,
    erased: Vec<u8>,
}

/// Creates, records two sessions, seals both and erases the first; stops at the first error.
fn live(path: &Path, disk: &Disk, told: &mut Told) -> Result<(), StoreError> {
    let store = create(path, disk.clone())?;
    for seed in 1..=2 {
        store.open_session(opened(seed), Some(&key_file(seed)))?;
        told.opened.push(seed);
        for index in 0..3 {
            let chunk = put(&store, seed, index, PLAIN)?;
            store.acknowledge(session(seed), &[chunk])?;
            told.acknowledged.push((seed, chunk));
        }
        told.sealed.push((seed, store.seal(session(seed), &request())?));
    }
    store.erase(session(1), at(5))?;
    told.erased.push(1);
    Ok(())
}

/// All that a caller was told is so.
fn check_told(store: &Store, told: &Told, what: &str) {
    for &seed in &told.opened {
        let row = store.session(session(seed)).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(row.state() != State::Voided, "{what}: session {seed} is given up");
        if row.state() != State::Erased {
            assert_eq!(local(store).keys().get(session(seed)).unwrap(), key_file(seed), "{what}");
        }
    }
    for (seed, chunk) in &told.acknowledged {
        assert!(index_of(store, *seed).contains(chunk), "{what}: chunk {}", chunk.header.index);
        if store.session(session(*seed)).unwrap().state() != State::Erased {
            let prefix = local(store).chunks().read_prefix(session(*seed), chunk.header.index);
            assert_eq!(prefix.unwrap().header, chunk.header, "{what}");
        }
    }
    for (seed, sealed) in &told.sealed {
        let row = store.session(session(*seed)).unwrap();
        assert_eq!(row.sealed.unwrap().entry, sealed.entry, "{what}");
        assert_eq!(store.manifest(session(*seed)).unwrap().hash, sealed.manifest_hash, "{what}");
    }
    for &seed in &told.erased {
        assert_eq!(store.session(session(seed)).unwrap().state(), State::Erased, "{what}");
    }
    let key = store.log_key().verifier_key();
    let report = crate::log::check(&store.path().join("log"), key, &mut |_, _| ());
    assert!(report.findings.is_empty(), "{what}: {:?}", report.findings);
}

/// Whatever was left half done can be gone on with.
fn check_goes_on(store: &Store, what: &str) {
    for seed in 1..=2 {
        let state = store.session(session(seed)).map(|row| row.state());
        match state {
            Err(_) => drop(begin(store, seed, 1)),
            Ok(State::Open) => {
                let next = store.totals(session(seed)).unwrap().chunk_count;
                let chunk = put(store, seed, next, PLAIN).unwrap();
                store.acknowledge(session(seed), &[chunk]).unwrap();
            }
            Ok(_) => continue,
        }
        let sealed = store.seal(session(seed), &request());
        assert!(sealed.is_ok(), "{what}: {sealed:?}");
    }
    if store.session(session(1)).unwrap().state() == State::Erased {
        assert!(!local(store).keys().exists(session(1)), "{what}");
        assert!(!local(store).chunks().folder(session(1)).exists(), "{what}");
    }
}

/// Fails the `nth` operation (and, where `dead`, all after it), reopens and checks. False once the
/// life has fewer operations.
fn check_fault(nth: u64, dead: bool) -> bool {
    let folder = folder_in_memory();
    let script = Arc::new(Script::default());
    let disk = Disk::with_faults(script.clone());
    script.fail_nth(nth, dead);
    let mut told = Told::default();
    let lived = live(folder.path(), &disk, &mut told);
    let what = format!("operation {nth}, dead {dead}, {:?}", lived.as_ref().err());
    let met = script.count() > nth;
    check_reopened(folder.path(), &told, &what);
    met
}

/// Cuts the power at the `nth` operation, reopens and checks.
fn check_power_cut(nth: u64) -> bool {
    let folder = folder_in_memory();
    let power = Arc::new(PowerCut::at(nth));
    let mut told = Told::default();
    let lived = live(folder.path(), &Disk::with_faults(power.clone()), &mut told);
    power.cut();
    let what = format!("power cut at operation {nth}, {:?}", lived.err());
    check_reopened(folder.path(), &told, &what);
    power.count() > nth
}

fn check_reopened(folder: &Path, told: &Told, what: &str) {
    let store = match open_with(folder, Disk::default()) {
        Ok((store, recovery)) => {
            assert!(recovery.damaged.is_empty(), "{what}: {recovery:?}");
            store
        }
        Err(error) => {
            assert!(told.opened.is_empty(), "{what}: {error:?}");
            create(folder, Disk::default())
                .unwrap_or_else(|again| panic!("{what}: {error}, then {again}"))
        }
    };
    check_told(&store, told, what);
    check_goes_on(&store, what);
    drop(store);
    open_clean(folder);
}

#[test]
fn any_one_operation_may_fail() {
    let operations = (0..OPERATIONS_MAX).take_while(|&nth| check_fault(nth, false)).count();
    assert!(operations > 100, "only {operations} operations go through the seam");
}

#[test]
fn the_process_may_die_at_any_operation() {
    let operations = (0..OPERATIONS_MAX).take_while(|&nth| check_fault(nth, true)).count();
    assert!(operations > 100, "only {operations} operations go through the seam");
}

#[test]
fn a_session_whose_sealing_failed_takes_no_more_chunks() {
    let folder = folder_in_memory();
    drop(create(folder.path(), Disk::default()).unwrap());
    let script = Arc::new(Script::default());
    let (store, _) = open_with(folder.path(), Disk::with_faults(script.clone())).unwrap();
    begin(&store, 1, 1);
    let next = put(&store, 1, 1, PLAIN).unwrap();
    script.fail(&[Op::Rename]);
    assert!(matches!(store.seal(session(1), &request()), Err(StoreError::Io { .. })));
    script.fail(&[]);
    // The manifest without this chunk might be on the disk, and a start would seal the session with it.
    let refused = store.acknowledge(session(1), &[next]).unwrap_err();
    assert!(refused.to_string().contains("its end has begun"), "{refused}");
    assert_eq!(store.seal(session(1), &request()).unwrap().chunk_count, 1);
}

#[test]
fn a_log_that_takes_no_more_says_to_restart() {
    let folder = folder_in_memory();
    drop(create(folder.path(), Disk::default()).unwrap());
    let script = Arc::new(Script::default());
    let (store, _) = open_with(folder.path(), Disk::with_faults(script.clone())).unwrap();
    begin(&store, 1, 1);
    // The tail takes two operations (write, sync) and the checkpoint five; then come the bundles.
    script.fail_nth(7, false);
    let many: Vec<Entry> = (0..300).map(|n| node_event("test", n.to_string(), at(4))).collect();
    let committed = store.append(&many).unwrap();
    let files_before = files(folder.path());
    let refused = [
        store.append(&many[..1]).map(drop),
        store.open_session(opened(2), Some(&key_file(2))).map(drop),
        store.seal(session(1), &request()).map(drop),
    ];
    for refused in refused {
        let text = refused.unwrap_err().to_string();
        assert!(text.contains("restart the node") && text.contains("scripted fault"), "{text}");
    }
    assert_eq!(store.with_log(|log| Ok(log.size())).unwrap(), committed.log_size);
    let left: Vec<_> = files(folder.path());
    let made = left.iter().filter(|name| !files_before.contains(name)).collect::<Vec<_>>();
    assert!(
        made.iter().all(|name| name.ends_with("manifest.json")),
        "of the sealing only: {made:?}"
    );
    drop(store);
    let (store, recovery) = open(folder.path());
    let texts: Vec<String> = recovery.repairs.iter().map(ToString::to_string).collect();
    assert!(texts[0].contains("1 full bundle from") && texts[1].contains("sealing"), "{texts:?}");
    store.open_session(opened(2), Some(&key_file(2))).unwrap();
}

#[test]
fn the_power_may_fail_at_any_operation() {
    let operations = (0..OPERATIONS_MAX).take_while(|&nth| check_power_cut(nth)).count();
    assert!(operations > 100, "only {operations} operations go through the seam");
}

#[test]
fn a_start_may_die_at_any_operation() {
    let mut nth = 0;
    loop {
        let folder = folder_in_memory();
        let store = create(folder.path(), Disk::default()).unwrap();
        let chunks = begin(&store, 1, 2);
        begin(&store, 2, 1);
        put(&store, 2, 1, PLAIN).unwrap();
        fs::write(local(&store).chunks().folder(session(1)).join("00000002.lck.tmp"), "half")
            .unwrap();
        fs::remove_file(local(&store).keys().path(session(2))).unwrap();
        drop(store);
        let index = folder.path().join("sessions").join(session(1).to_string()).join("index");
        let whole = fs::read(&index).unwrap();
        fs::write(&index, &whole[..whole.len() - 3]).unwrap();
        let script = Arc::new(Script::default());
        script.fail_nth(nth, true);
        let died = open_with(folder.path(), Disk::with_faults(script.clone())).is_err();
        let (store, recovery) = open(folder.path());
        assert_eq!(recovery.damaged.len(), 1, "session 2 lost its key: {recovery:?}");
        assert_eq!(index_of(&store, 1), chunks, "operation {nth}");
        if !died && script.count() <= nth {
            break;
        }
        nth += 1;
    }
    assert!(nth > 5, "only {nth} operations go through the seam");
}
