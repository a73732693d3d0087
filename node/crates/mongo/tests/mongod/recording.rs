//! A node that takes in recordings sends its backlog slowly, and the rest of it once they are over.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use lucid_mongo::Sync;

use crate::{
    node::{Kept, Node},
    support::{Place, Running, is_done, open, until},
};

/// 4,000 sessions' documents: 52,000.
const SESSIONS: u64 = 4000;
const CHUNKS: u32 = 10;

fn documents(sync: &Sync) -> f64 {
    sync.status().collections.iter().map(|of| of.documents).sum::<u64>() as f64
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_makes_way_for_a_recording_and_then_goes_on() {
    let place = Place::new().await;
    let (node, cursors) = (Node::new(1), Arc::new(Kept::default()));
    node.sessions(0, SESSIONS, CHUNKS);
    node.records(true);
    let mut options = place.options();
    options.batch.documents_max = 100;
    let sync = open(options, &node, &cursors);
    let running = Running::start(&sync);
    until(&sync, |status| status.collections.iter().any(|of| of.documents > 0)).await;

    let (sent, begun) = (documents(&sync), Instant::now());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let slow = (documents(&sync) - sent) / begun.elapsed().as_secs_f64();
    assert!(slow > 0.0, "it does go on: {:#?}", sync.status());
    assert!(!is_done(&sync.status(), node.size()), "there is a backlog");

    node.records(false);
    let (sent, begun) = (documents(&sync), Instant::now());
    until(&sync, |status| is_done(status, node.size())).await;
    let fast = (documents(&sync) - sent) / begun.elapsed().as_secs_f64();
    running.stop().await;
    // A sixteenth, and one collection instead of three at a time: a fourth is far from it.
    assert!(fast > 4.0 * slow, "{slow:.0} documents a second beside a recording, {fast:.0} alone");
    let report = sync.verify(&|_| ()).await.unwrap();
    assert!(report.is_right(), "{report:#?}");
}
