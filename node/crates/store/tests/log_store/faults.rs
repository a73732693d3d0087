//! Every operation of a scripted run fails in every way, and nothing that was acknowledged is lost.

use std::{collections::BTreeSet, path::Path};

use lucid_store::{
    disk::{Disk, Op},
    log::{Log, LogError, LogReader, Repair},
};

use crate::{
    power::{EIO, ENOSPC, Fault, Tear, faulty, until_power_cut},
    support::*,
};

/// Sizes of appends: below, onto and across the edges of bundles, and several bundles at once.
const GROUPS: [u64; 8] = [1, 254, 1, 3, 260, 5, 600, 2];

const FAULTS: [Fault; 11] = [
    Fault::Error(ENOSPC),
    Fault::Error(EIO),
    Fault::ErrorsFrom(ENOSPC),
    Fault::PowerCut,
    Fault::LoseUnsynced,
    Fault::Torn(Tear::Eighths(0)),
    Fault::Torn(Tear::Eighths(3)),
    Fault::Torn(Tear::LastByte),
    Fault::Torn(Tear::ZeroStart),
    Fault::TornError(Tear::Eighths(5)),
    Fault::TornError(Tear::LastByte),
];

/// What was promised before the disk failed.
#[derive(Default)]
struct Promised {
    entries: u64,
    checkpoints: Vec<String>,
}

/// Makes a log and appends the groups, closing and opening it in between.
fn run(dir: &Path, disk: &Disk, promised: &mut Promised) -> Result<(), LogError> {
    let mut log = Log::create(dir, key(), disk.clone())?;
    promised.checkpoints.push(log.checkpoint_text().to_owned());
    for (count, group) in GROUPS.into_iter().enumerate() {
        if count % 3 == 2 {
            drop(log);
            log = Log::open(dir, key(), disk.clone())?;
        }
        let (from, to) = (promised.entries, promised.entries + group);
        match log.append(&entries(from, to)) {
            Ok(range) => assert_eq!((range.start.0, range.end.0), (from, to)),
            Err(error) => {
                assert_refuses(&mut log);
                assert_holds(&log, &entries(0, from));
                return Err(error);
            }
        }
        promised.entries = to;
        promised.checkpoints.push(log.checkpoint_text().to_owned());
        assert_eq!(log.size(), to);
        if log.poisoned().is_some() {
            assert_refuses(&mut log);
            assert_holds(&log, &entries(0, to));
            return Ok(());
        }
    }
    Ok(())
}

fn assert_refuses(log: &mut Log) {
    let refused = log.append(&[entry(0)]);
    assert!(matches!(refused, Err(LogError::Poisoned { .. })), "{refused:?}");
}

/// The log is sound on a good disk, holds all that was promised, and goes on.
fn assert_recovers(dir: &Path, promised: &Promised) {
    let mut log = match Log::open(dir, key(), Disk::default()) {
        Err(LogError::NoLog { .. } | LogError::NotCreated { .. })
            if promised.checkpoints.is_empty() =>
        {
            Log::create(dir, key(), Disk::default()).unwrap()
        }
        opened => opened.unwrap(),
    };
    let size = log.size();
    assert!(size >= promised.entries, "{size} of {}", promised.entries);
    assert_consistent(&log, &promised.checkpoints);
    log.append(&entries(size, size + 2)).unwrap();
    drop(log);
    assert_sound(dir, &entries(0, size + 2));
}

#[test]
fn every_operation_fails_in_every_way() {
    let folder = temporary();
    let (disk, script) = faulty(u64::MAX, None);
    let mut promised = Promised::default();
    run(&folder.path().join("log"), &disk, &mut promised).unwrap();
    let history = script.history();
    assert!(history.len() > 100, "{history:?}");
    assert_recovers(&folder.path().join("log"), &promised);
    for at in 0..history.len() {
        let after_write = at > 0 && history[at - 1] == Op::Write;
        for fault in FAULTS.into_iter().filter(|fault| after_write || !fault.tears()) {
            let folder = temporary();
            let dir = folder.path().join("log");
            let (disk, _) = faulty(at as u64, Some(fault));
            let mut promised = Promised::default();
            let done = until_power_cut(|| run(&dir, &disk, &mut promised));
            let shown = format!("{fault:?} at {at}");
            if done.is_none_or(|done| done.is_err()) && !promised.checkpoints.is_empty() {
                // To read, what is promised is there before anything is repaired.
                let reader =
                    LogReader::open(&dir, &public()).unwrap_or_else(|e| panic!("{shown}: {e}"));
                assert!(reader.size() >= promised.entries, "{shown}");
            }
            assert_recovers(&dir, &promised);
        }
    }
}

/// An append of several bundles is cut at many operations, and what each leaves is repaired with cuts
/// at every operation of the repair.
#[test]
fn repairs_may_be_cut_too() {
    let (mut kinds, mut cuts) = (BTreeSet::new(), 0);
    // Before the sync of the tail, and before that of the checkpoint.
    let torn =
        [(1, Tear::Eighths(5)), (1, Tear::ZeroStart), (3, Tear::Eighths(1)), (3, Tear::ZeroStart)]
            .map(|(at, tear)| (at, Fault::Torn(tear)));
    let power = (0..100).step_by(4).map(|at| (at, Fault::PowerCut));
    for (at, fault) in torn.into_iter().chain(power) {
        let (_folder, dir) = log_of(250);
        let (disk, script) = faulty(u64::MAX, Some(fault));
        let mut log = Log::open(&dir, key(), disk).unwrap();
        script.arm(at);
        if until_power_cut(|| log.append(&entries(250, 800)).unwrap()).is_some() {
            break;
        }
        drop(log);
        let reader = LogReader::open(&dir, &public()).unwrap();
        kinds.extend(reader.repairs().iter().map(|repair| match repair {
            Repair::TornTail { .. } => "torn",
            Repair::Unsigned { .. } => "unsigned",
            Repair::Unsettled { .. } => "unsettled",
            Repair::Leftover { .. } => "leftover",
            Repair::TailRecreated { .. } => "recreated",
            Repair::HeadCopy { .. } => "head",
        }));
        let checkpoints = vec![reader.checkpoint_text().to_owned()];
        let promised = Promised { entries: reader.size(), checkpoints };
        cuts += cut_the_repair(&dir, &promised);
    }
    assert!(kinds.len() == 5 && cuts > 100, "{kinds:?}, {cuts} operations of repairs were cut");
}

/// A process is killed, the next one reads what the first wrote but did not sync, shows its checkpoint or
/// settles its entries, and then the power goes: it must have been synced anew.
#[test]
fn what_a_killed_process_left_is_made_durable_before_it_is_relied_on() {
    // With and without bundles to settle.
    for to in [253, 800] {
        for at in 0.. {
            let (_folder, dir) = log_of(250);
            let (disk, killed) = faulty(u64::MAX, Some(Fault::PowerCut));
            let mut log = Log::open(&dir, key(), disk).unwrap();
            killed.arm(at);
            let done = until_power_cut(|| log.append(&entries(250, to)).unwrap()).is_some();
            drop(log);
            let (disk, script) = killed.next_process();
            let log = Log::open(&dir, key(), disk).unwrap();
            let checkpoints = vec![log.checkpoint_text().to_owned()];
            let promised = Promised { entries: log.size(), checkpoints };
            drop(log);
            script.lose_unsynced();
            assert_recovers(&dir, &promised);
            if done {
                break;
            }
        }
    }
}

/// An append whose entries and checkpoint are durable has succeeded, whatever happens to the bundle.
#[test]
fn a_bundle_that_cannot_be_written_takes_nothing_back() {
    let (_folder, dir) = log_of(250);
    let (disk, script) = faulty(u64::MAX, Some(Fault::ErrorsFrom(ENOSPC)));
    let mut log = Log::open(&dir, key(), disk).unwrap();
    // The tail takes two operations (write, sync), and so does the checkpoint.
    script.arm(4);
    assert_eq!(log.append(&entries(250, 600)).unwrap().end.0, 600);
    assert!(log.poisoned().unwrap().contains("No space left"), "{:?}", log.poisoned());
    assert_refuses(&mut log);
    assert_holds(&log, &entries(0, 600));
    let refused = Log::open(&dir, key(), faulty(0, Some(Fault::ErrorsFrom(ENOSPC))).0).map(drop);
    assert!(matches!(refused, Err(LogError::Io { .. })), "the disk is still full");
    assert_holds(&LogReader::open(&dir, &public()).unwrap(), &entries(0, 600));
    assert!(check_all(&dir).is_sound());
    drop(log);
    open(&dir);
    assert_sound(&dir, &entries(0, 600));
}

/// Cuts the repair of the log in `dir` at each of its operations; gives how many those were.
fn cut_the_repair(dir: &Path, promised: &Promised) -> u64 {
    for at in 0.. {
        for fault in [
            Fault::Error(ENOSPC),
            Fault::PowerCut,
            Fault::LoseUnsynced,
            Fault::Torn(Tear::Eighths(4)),
        ] {
            let folder = temporary();
            let copy = folder.path().join("log");
            copy_folder(dir, &copy);
            let (disk, script) = faulty(at, Some(fault));
            let opened = until_power_cut(|| Log::open(&copy, key(), disk).map(drop));
            if script.operations() <= at {
                return at;
            }
            assert!(opened.is_none_or(|opened| opened.is_err()), "{fault:?} at {at} was swallowed");
            assert_recovers(&copy, promised);
        }
    }
    unreachable!("a repair ends")
}
