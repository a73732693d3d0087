//! A node that takes in recordings sends its backlog slowly, and the rest of it once they are over.

use std::{sync::Arc, time::Duration};

use lucid_mongo::{Collection, Sync};

use crate::{
    node::{Kept, Node},
    support::{Place, Running, is_done, open, until},
};

/// Documents of three collections, in many batches of each.
const SESSIONS: u64 = 500;
const CHUNKS: u32 = 10;

/// Batches of all collections that a backlog is of.
fn batches(sync: &Sync) -> u64 {
    let status = sync.status();
    let of_log = status.collections.iter().filter(|of| of.collection != Collection::NodeStatus);
    of_log.map(|of| of.batches).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_makes_way_for_a_recording_and_then_goes_on() {
    let place = Place::new().await;
    let (node, cursors) = (Node::new(1), Arc::new(Kept::default()));
    node.sessions(0, SESSIONS, CHUNKS);
    node.records(true);
    let mut options = place.options();
    options.batch.documents_max = 100;
    // A rest that does not end by itself within the test.
    (options.pauses.rest, options.pauses.rest_max) = (u32::MAX, Duration::from_hours(1));
    let sync = open(options, &node, &cursors);
    let running = Running::start(&sync);
    until(&sync, |_| batches(&sync) > 0).await;
    // Long enough for all of it, did it not rest.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(batches(&sync), 1, "one batch of one collection: {:#?}", sync.status());

    // One who asks for all of it is not kept waiting by a recording.
    let report = tokio::time::timeout(Duration::from_mins(1), sync.verify(&|_| ())).await;
    assert!(report.expect("it makes way for nobody").unwrap().is_right());
    node.sessions(SESSIONS, SESSIONS, CHUNKS);
    sync.wake();
    node.records(false);
    until(&sync, |status| is_done(status, node.size())).await;
    running.stop().await;
    assert!(sync.verify(&|_| ()).await.unwrap().is_right());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_gets_through_while_recordings_go_on() {
    let place = Place::new().await;
    let (node, cursors) = (Node::new(1), Arc::new(Kept::default()));
    node.sessions(0, SESSIONS, CHUNKS);
    node.records(true);
    let sync = place.sync(&node, &cursors);
    let running = Running::start(&sync);
    until(&sync, |status| is_done(status, node.size())).await;
    running.stop().await;
    assert!(sync.verify(&|_| ()).await.unwrap().is_right());
}
