//! A database's disk becomes full, for real: what mongod does then, and what the sync makes of it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use lucid_mongo::{Collection, FaultKind};
use lucid_mongo_testing::{Given, ReplicaSet, Server, SetOptions, SmallDisk};
use mongodb::bson::doc;

use crate::{
    node::{Kept, Node},
    support::{PATIENCE, Place, Running, is_done, open, until},
};

/// Room for a new replica set, its journal and all that is sent to it here, twice.
const DISK_KIB: u64 = 256 << 10;
/// What is left of it in the middle: less than what is still to be sent takes.
const LEFT_BYTES: u64 = 8 << 20;
/// Entries 8,000, chunks 40,000.
const SESSIONS: u64 = 4000;
const CHUNKS: u32 = 10;
/// Sessions that the node records while the database is full.
const MEANWHILE: u64 = 500;
/// What the system says, and so mongod.
const NO_ROOM: &str = "No space left on device";

/// A server on a disk of its own. The disk is to be dropped after it.
async fn on(disk: &SmallDisk, more: &[&str]) -> Place {
    // Journal files of 100 MiB that are made in advance would be room that is there and is not to be seen.
    let journal = ["--wiredTigerEngineConfigString", "log=(prealloc=false,file_max=4MB)"];
    let arguments = journal.iter().chain(more).map(|text| (*text).to_owned()).collect();
    let folder = Some(disk.path().to_owned());
    let options = SetOptions { folder, arguments, ..SetOptions::default() };
    let set = ReplicaSet::start(1, &options).await.expect("a mongod");
    Place::of(Given { url: set.url(), set: Some(set) }).await
}

fn server(place: &mut Place) -> &mut Server {
    &mut place.given.set.as_mut().unwrap().servers[0]
}

/// Waits until the server ends by itself.
async fn ended(place: &mut Place) {
    let begun = Instant::now();
    while !server(place).has_ended() {
        assert!(begun.elapsed() < PATIENCE, "it goes on: {}", server(place).log_tail());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_in_a_backlog_loses_nothing_and_doubles_nothing() {
    let disk = SmallDisk::new(DISK_KIB).expect("a disk that can be filled");
    // Data are put on the disk each second instead of each minute: sooner full.
    let mut place = on(&disk, &["--syncdelay", "1"]).await;
    let (node, cursors) = (Node::new(1), Arc::new(Kept::default()));
    node.sessions(0, SESSIONS, CHUNKS);
    let mut options = place.options();
    options.batch.documents_max = 200;
    let sync = open(options, &node, &cursors);
    let running = Running::start(&sync);
    let chunks = Collection::Chunks as usize;
    until(&sync, |status| status.collections[chunks].documents >= 4000).await;
    disk.fill_but(LEFT_BYTES).unwrap();
    // It does not answer that there is no room: it ends. So it does when it is started again and there is still none.
    ended(&mut place).await;
    assert!(server(&mut place).has_logged(NO_ROOM), "{}", server(&mut place).log_tail());
    let unreachable = FaultKind::Unreachable as usize;
    until(&sync, |status| status.faults[unreachable] > 3).await;
    disk.fill_but(0).unwrap();
    server(&mut place).start().unwrap();
    ended(&mut place).await;
    let before = sync.status();
    assert!(!is_done(&before, node.size()), "it was in the middle: {before:#?}");
    // The node goes on, and the sync knows what it owes.
    node.sessions(SESSIONS, MEANWHILE, 1);
    sync.wake();
    until(&sync, |status| status.log_size == node.size()).await;
    until(&sync, |status| status.faults[unreachable] > before.faults[unreachable]).await;
    let status = sync.status();
    assert!(status.lag_entries >= 2 * MEANWHILE, "{status:#?}");
    assert_eq!(status.is_well, Some(false));
    let fault = status.last_fault.unwrap().fault.to_string();
    assert!(fault.contains("that its disk has room"), "{fault}");
    // Room, and mongod started: the rest is the sync's own doing.
    disk.make_room().unwrap();
    server(&mut place).start().unwrap();
    until(&sync, |status| is_done(status, node.size())).await;
    running.stop().await;
    let status = sync.status();
    let permanent = [FaultKind::Foreign, FaultKind::Refused, FaultKind::Damaged];
    assert!(permanent.iter().all(|kind| status.faults[*kind as usize] == 0), "{status:#?}");
    // Whatever was claimed before was never sent again. So if it had not been durable, it would be missing now.
    assert_eq!(status.collections[Collection::Entries as usize].documents, node.size());
    let report = sync.verify(&|_| ()).await.unwrap();
    assert!(report.is_right(), "{report:#?}");
    for (of, count) in [
        (Collection::Entries, 2 * (SESSIONS + MEANWHILE)),
        (Collection::Sessions, SESSIONS + MEANWHILE),
        (Collection::Chunks, SESSIONS * u64::from(CHUNKS) + MEANWHILE),
    ] {
        assert_eq!(place.count(of, doc! {}).await, count, "{}", of.name());
    }
    println!("faults met: {:?} {:?}", FaultKind::ALL.map(FaultKind::name), status.faults);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_at_the_start_is_told_and_gone_on_from() {
    let disk = SmallDisk::new(DISK_KIB).expect("a disk that can be filled");
    // Its own diagnostics, written each second, end it where there is no room; it would have no time to answer.
    let quiet = ["--setParameter", "diagnosticDataCollectionEnabled=false"];
    let mut place = on(&disk, &quiet).await;
    let (node, cursors) = (Node::new(1), Arc::new(Kept::default()));
    node.some_of_everything();
    disk.fill_but(0).unwrap();
    let sync = place.sync(&node, &cursors);
    let running = Running::start(&sync);
    until(&sync, |status| status.faults[FaultKind::Full as usize] > 1).await;
    let status = sync.status();
    assert_eq!((status.is_well, status.lag_entries), (Some(false), node.size()), "{status:#?}");
    let fault = status.last_fault.unwrap().fault.to_string();
    assert!(fault.contains(NO_ROOM) && fault.contains("make room in the database"), "{fault}");
    disk.make_room().unwrap();
    until(&sync, |status| is_done(status, node.size())).await;
    assert!(!server(&mut place).has_ended(), "{}", server(&mut place).log_tail());
    running.stop().await;
    let report = sync.verify(&|_| ()).await.unwrap();
    assert!(report.is_right(), "{report:#?}");
}
