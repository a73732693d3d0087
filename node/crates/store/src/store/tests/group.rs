//! Writers that come while the log is being written to: they go into it together, and each is told.

use std::{
    io,
    panic::resume_unwind,
    path::Path,
    sync::{Condvar, atomic::AtomicU64, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use lucid_core::EntryIndex;

use super::*;
use crate::{
    disk::{Faults, Op},
    error::ErrorKind,
    testing::folder_in_memory,
};

/// What happens at an operation of the disk.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Strike {
    Fails,
    /// The writer panics: what a power cut is to a test, and a bug to a node.
    Panics,
}

/// A disk that holds the first writer's sync until the others are queued, and then strikes at an
/// operation of theirs, counted from 0.
#[derive(Default)]
struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
    tail_syncs: AtomicU64,
}

#[derive(Default)]
struct GateState {
    armed: bool,
    /// The first writer is at the gate.
    held: bool,
    /// Operations after the first writer's last, and where which strike is.
    since: Option<u64>,
    strike: Option<(u64, Strike)>,
}

/// Operations of an append of a few entries: the write and sync of the tail, then of the checkpoint.
const OPERATIONS: u64 = 4;

impl Faults for Gate {
    fn before(&self, op: Op, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        if op == Op::SyncFile && path.ends_with("log/tail") {
            self.tail_syncs.fetch_add(1, Ordering::SeqCst);
            if state.armed {
                (state.armed, state.held) = (false, true);
                self.changed.notify_all();
                state = self.changed.wait_while(state, |state| state.held).unwrap();
                // The first writer's sync and its checkpoint's operations come first.
                state.since = Some(0);
                return Ok(());
            }
        }
        let Some(since) = &mut state.since else { return Ok(()) };
        *since += 1;
        let of_group = since.checked_sub(OPERATIONS - 1);
        match state.strike.filter(|(at, _)| of_group == Some(*at)) {
            Some((_, Strike::Fails)) => Err(io::Error::other("scripted fault")),
            Some((_, Strike::Panics)) => {
                drop(state);
                resume_unwind(Box::new("the power is off"))
            }
            None => Ok(()),
        }
    }
}

impl Gate {
    /// Appends an entry, and while that is held, queues `requests` in order; gives what each was told,
    /// nothing where its thread died.
    fn append_together(
        &self,
        store: &Store,
        requests: &[Vec<Entry>],
        strike: Option<(u64, Strike)>,
    ) -> Vec<Option<Result<Committed, StoreError>>> {
        *self.state.lock().unwrap() = GateState { armed: true, strike, ..GateState::default() };
        thread::scope(|scope| {
            let first = scope.spawn(|| store.append(&[event(1000)]));
            drop(self.changed.wait_while(self.state.lock().unwrap(), |state| !state.held).unwrap());
            let mut writers = Vec::new();
            for request in requests {
                writers.push(scope.spawn(move || store.append(request)));
                let deadline = Instant::now() + Duration::from_secs(20);
                while store.queue.waiting() < writers.len() {
                    assert!(Instant::now() < deadline, "a writer does not queue");
                    thread::sleep(Duration::from_micros(50));
                }
            }
            self.state.lock().unwrap().held = false;
            self.changed.notify_all();
            first.join().unwrap().unwrap();
            writers.into_iter().map(|writer| writer.join().ok()).collect()
        })
    }
}

fn event(number: u64) -> Entry {
    node_event("test", number.to_string(), at(number))
}

/// Requests of one to three entries each, all different.
fn requests() -> Vec<Vec<Entry>> {
    (0..12).map(|n| (0..=n % 3).map(|k| event(10 * n + k)).collect()).collect()
}

fn gated(folder: &Path) -> (Arc<Gate>, Store) {
    drop(create(folder, Disk::default()).unwrap());
    let gate = Arc::new(Gate::default());
    let store = open_with(folder, Disk::with_faults(gate.clone())).unwrap().0;
    (gate, store)
}

fn entries_of(store: &Store) -> Vec<Entry> {
    let read = |log: &LogReader| {
        let all = log.entries(EntryIndex(0)..EntryIndex(log.size()))?;
        Ok(all.map(|entry| Entry::parse(&entry.unwrap()).unwrap()).collect())
    };
    store.with_log(read).unwrap()
}

#[test]
fn those_who_wait_go_in_together_in_order() {
    let folder = folder_in_memory();
    let (gate, store) = gated(folder.path());
    let before = gate.tail_syncs.load(Ordering::SeqCst);
    let requests = requests();
    let told = gate.append_together(&store, &requests, None);
    assert_eq!(gate.tail_syncs.load(Ordering::SeqCst) - before, 2, "the first, then all others");
    let told: Vec<_> = told.into_iter().map(|told| told.unwrap().unwrap()).collect();
    let size = told[0].log_size;
    let mut next = size - requests.iter().map(Vec::len).sum::<usize>() as u64;
    let entries = entries_of(&store);
    for (request, told) in requests.iter().zip(told) {
        assert_eq!((told.first.0, told.log_size), (next, size), "one after the other");
        assert!(entries[next as usize..].starts_with(request));
        assert!(told.checkpoint.contains(&format!("\n{size}\n")));
        next += request.len() as u64;
    }
    assert_eq!(store.figures().log_entries, size);
    drop(store);
    assert_eq!(entries_of(&open_clean(folder.path())), entries);
}

#[test]
fn a_group_fails_as_a_whole_and_each_is_told() {
    for strike in [Strike::Fails, Strike::Panics] {
        for at in 0..OPERATIONS {
            let folder = folder_in_memory();
            let (gate, store) = gated(folder.path());
            let what = format!("{strike:?} at operation {at}");
            let before = entries_of(&store).len();
            let told = gate.append_together(&store, &requests(), Some((at, strike)));
            let died = told.iter().filter(|told| told.is_none()).count();
            assert_eq!(died, usize::from(strike == Strike::Panics), "{what}: the one that wrote");
            for error in told.into_iter().flatten().map(|told| told.unwrap_err()) {
                let (kind, text) = (error.kind(), crate::error::chain(&error));
                assert_eq!(kind, ErrorKind::Io, "{what}: {text}");
                let expected = match strike {
                    Strike::Fails => "scripted fault",
                    Strike::Panics => "takes no more writes",
                };
                assert!(text.contains(expected), "{what}: {text}");
            }
            assert!(store.append(&[event(1)]).is_err(), "{what}: the log takes no more");
            drop(store);
            let (store, _) = open(folder.path());
            let added = entries_of(&store)[before..].to_vec();
            let whole: Vec<_> = [event(1000)].into_iter().chain(requests().concat()).collect();
            // Recovery may add entries of its own.
            let added: Vec<_> = added.into_iter().filter(|entry| whole.contains(entry)).collect();
            assert!(added == whole || added == whole[..1], "{what}: all of the group or none");
            store.append(&[event(2)]).unwrap();
        }
    }
}

#[test]
fn who_is_refused_is_alone_with_it() {
    let folder = folder_in_memory();
    let (gate, store) = gated(folder.path());
    let erased = |seed| {
        let (kind, v) = Default::default();
        let entry =
            lucid_core::entry::SessionErased { at: at(4), kind, session_id: session(seed), v };
        Entry::SessionErased(entry)
    };
    let before = gate.tail_syncs.load(Ordering::SeqCst);
    let requests = [
        vec![event(1)],
        // No such session.
        vec![event(2), erased(9)],
        vec![Entry::SessionOpened(opened(1))],
        // Each sees what those before it made of the session, whichever group they were in.
        vec![Entry::SessionOpened(opened(1))],
        vec![erased(1)],
        vec![event(3)],
    ];
    let told = gate.append_together(&store, &requests, None);
    let told: Vec<_> = told.into_iter().map(Option::unwrap).collect();
    assert!(told[0].is_ok() && told[2].is_ok() && told[5].is_ok(), "{told:?}");
    assert!(matches!(told[1], Err(StoreError::UnknownSession(_))), "{told:?}");
    assert!(matches!(told[3], Err(StoreError::SessionExists(_))), "{told:?}");
    assert!(matches!(told[4], Err(StoreError::State { .. })), "{told:?}");
    let texts: Vec<_> = events(&store, "test");
    assert!(texts.ends_with(&["1000", "1", "3"].map(str::to_owned)), "nothing of 2: {texts:?}");
    // The first, one to the second entry about session 1, the rest.
    let groups = gate.tail_syncs.load(Ordering::SeqCst) - before;
    assert_eq!(groups, 3, "what is refused costs nothing");
}

#[test]
fn many_writers_lose_nothing() {
    let folder = folder_in_memory();
    let store = create(folder.path(), Disk::default()).unwrap();
    let (writers, each) = (16, 40);
    let write = |writer: u64| {
        let store = &store;
        move || -> Vec<(u64, u64)> {
            let number = |n: u64| writer * each + n;
            let append = |n: u64| (store.append(&[event(number(n))]).unwrap().first.0, number(n));
            (0..each).map(append).collect()
        }
    };
    let told: Vec<(u64, u64)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..writers).map(|writer| scope.spawn(write(writer))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let entries = entries_of(&store);
    for (place, number) in &told {
        assert_eq!(entries[*place as usize], event(*number));
    }
    let places: std::collections::BTreeSet<_> = told.iter().map(|(place, _)| place).collect();
    assert_eq!(places.len() as u64, writers * each, "each has a place of its own");
    drop(store);
    assert_eq!(entries_of(&open_clean(folder.path())), entries);
}
