//! Servers die and primaries move while a sync goes on.

use std::{sync::Arc, time::Duration};

use lucid_mongo::{Collection, FaultKind};
use lucid_mongo_testing::{Given, ReplicaSet, SetOptions};
use mongodb::bson::doc;

use crate::{
    node::{Kept, Node},
    support::{Place, Running, is_done, until},
};

/// Entries 16,000, sessions 8,000, chunks 80,000: over 100,000 documents.
const SESSIONS: u64 = 8000;
const CHUNKS: u32 = 10;

#[tokio::test(flavor = "multi_thread")]
async fn killed_and_moved_primaries_lose_nothing_and_double_nothing() {
    let set = ReplicaSet::start(3, &SetOptions::default()).await.expect("three mongods");
    let place = Place::of(Given { url: set.url(), set: Some(set) }).await;
    let (node, cursors) = (Node::new(1), Arc::new(Kept::default()));
    node.sessions(0, SESSIONS, CHUNKS);
    let mut options = place.options();
    options.batch.documents_max = 500;
    let sync = crate::support::open(options, &node, &cursors);
    let running = Running::start(&sync);
    let mut place = place;
    let chunks = Collection::Chunks as usize;
    // A kill at a quarter, a step down at the half, and another kill at three quarters.
    for (step, at) in [(0, 20_000), (1, 40_000), (2, 60_000)] {
        until(&sync, |status| status.collections[chunks].documents >= at).await;
        let set = place.given.set.as_mut().unwrap();
        let primary = set.primary().await.unwrap();
        if step == 1 {
            set.step_down().await.unwrap();
        } else {
            set.servers[primary].kill();
            tokio::time::sleep(Duration::from_secs(1)).await;
            set.servers[primary].start().unwrap();
        }
        assert!(!is_done(&sync.status(), node.size()), "it was in the middle");
    }
    until(&sync, |status| is_done(status, node.size())).await;
    running.stop().await;
    let status = sync.status();
    assert!(status.faults.iter().sum::<u64>() > 0, "something went wrong: {status:#?}");
    let permanent = [FaultKind::Foreign, FaultKind::Refused, FaultKind::Damaged];
    assert!(permanent.iter().all(|kind| status.faults[*kind as usize] == 0), "{status:#?}");
    let report = sync.verify(&|_| ()).await.unwrap();
    assert!(report.is_right(), "{report:#?}");
    for (of, count) in [
        (Collection::Entries, 2 * SESSIONS),
        (Collection::Sessions, SESSIONS),
        (Collection::Chunks, SESSIONS * u64::from(CHUNKS)),
    ] {
        assert_eq!(place.count(of, doc! {}).await, count, "{}", of.name());
    }
    println!("faults met: {:?} {:?}", FaultKind::ALL.map(FaultKind::name), status.faults);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_down_is_caught_up_with() {
    let set = ReplicaSet::start(1, &SetOptions::default()).await.expect("a mongod");
    let mut place = Place::of(Given { url: set.url(), set: Some(set) }).await;
    let (node, cursors) = (Node::new(1), Arc::new(Kept::default()));
    node.sessions(0, 10, 1);
    let sync = place.sync(&node, &cursors);
    let running = Running::start(&sync);
    until(&sync, |status| is_done(status, node.size())).await;
    place.given.set.as_mut().unwrap().servers[0].kill();
    node.sessions(10, 500, 1);
    sync.wake();
    until(&sync, |status| status.faults[FaultKind::Unreachable as usize] > 3).await;
    let status = sync.status();
    assert_eq!((status.lag_entries, status.is_well), (1000, Some(false)), "{status:#?}");
    assert!(status.lag_seconds > 0, "{status:#?}");
    place.given.set.as_mut().unwrap().servers[0].start().unwrap();
    until(&sync, |status| is_done(status, node.size())).await;
    running.stop().await;
    assert!(sync.verify(&|_| ()).await.unwrap().is_right());
    // Started while it is down: the lag is known.
    place.given.set.as_mut().unwrap().servers[0].kill();
    node.block();
    let sync = place.sync(&node, &cursors);
    let running = Running::start(&sync);
    until(&sync, |status| status.last_fault.is_some() && status.lag_entries == 1).await;
    until(&sync, |status| status.lag_seconds > 0).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_emptied_gets_everything_again() {
    let (place, node, cursors) = (Place::new().await, Node::new(1), Arc::new(Kept::default()));
    node.some_of_everything();
    assert!(place.sent(&node, &cursors).await.is_right());
    place.database.drop().await.unwrap();
    // At a start.
    assert!(place.sent(&node, &cursors).await.is_right());
    // While it runs: noticed at the next checkpoint.
    let sync = place.sync(&node, &cursors);
    let running = Running::start(&sync);
    until(&sync, |status| is_done(status, node.size())).await;
    place.database.drop().await.unwrap();
    node.block();
    sync.wake();
    let begun = std::time::Instant::now();
    while place.count(Collection::Entries, doc! {}).await < node.size() {
        assert!(begun.elapsed() < crate::support::PATIENCE, "{:#?}", sync.status());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    until(&sync, |status| is_done(status, node.size())).await;
    running.stop().await;
    let report = sync.verify(&|_| ()).await.unwrap();
    assert!(report.is_right(), "{report:#?}");
}
