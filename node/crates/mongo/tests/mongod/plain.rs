//! What is in the database when nothing goes wrong.

use std::sync::Arc;

use lucid_core::EntryIndex;
use lucid_mongo::{Collection, FaultKind};
use mongodb::bson::doc;

use crate::{
    node::{Kept, Node},
    support::{Place, Running, is_done, until},
};

#[tokio::test(flavor = "multi_thread")]
async fn everything_a_node_has_is_in_the_database() {
    let (place, node, cursors) = (Place::new().await, Node::new(1), Arc::new(Kept::default()));
    node.some_of_everything();
    let report = place.sent(&node, &cursors).await;
    assert!(report.is_right(), "{report:#?}");
    for (of, count) in [
        (Collection::Entries, node.size()),
        (Collection::Sessions, 6),
        (Collection::Chunks, 8),
        (Collection::Blocks, 3),
        (Collection::Anchors, 2),
        (Collection::Users, 2),
        (Collection::NodeStatus, 1),
    ] {
        assert_eq!(place.count(of, doc! {}).await, count, "{}", of.name());
    }
    for one in &report.collections {
        assert_eq!(one.expected_digest, one.stored_digest, "{one:?}");
        assert_eq!(one.expected, one.stored, "{one:?}");
    }
    let states = ["anchored", "erased", "opened", "voided", "anchored", "sealed"];
    for (number, state) in (0..).zip(states) {
        let id = Node::session(number).to_string();
        let found = place.find(Collection::Sessions, doc! { "session_id": id }).await;
        assert_eq!(found[0].get_str("state").unwrap(), state, "{number}: {found:#?}");
    }
    let erased = doc! { "session_id": Node::session(1).to_string() };
    let erased = &place.find(Collection::Sessions, erased).await[0];
    let anchored = erased.get_document("anchored").unwrap();
    assert_eq!(anchored.get_i64("log_index").unwrap(), 10, "the first anchor that covers it");
    assert_eq!(erased.get_document("manifest").unwrap().get("chunks"), None);
    let entries = place.find(Collection::Entries, doc! {}).await;
    for (index, entry) in (0..).zip(&entries) {
        assert_eq!(entry.get_str("entry").unwrap().as_bytes(), node.entry(index));
        let id = format!("{}/{index:016}", node.id());
        assert_eq!(entry.get_str("_id").unwrap(), id, "{}", EntryIndex(index));
    }
    let alice = &place.find(Collection::Users, doc! { "user": "alice" }).await[0];
    assert_eq!(alice.get_str("role").unwrap(), "operator");
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_and_validators_are_made() {
    let (place, node, cursors) = (Place::new().await, Node::new(1), Arc::new(Kept::default()));
    node.some_of_everything();
    let sync = place.sync(&node, &cursors);
    // An older version's validator is replaced by this one's.
    place.database.create_collection("users").await.unwrap();
    sync.verify(&|_| ()).await.unwrap();
    assert_eq!(sync.status().not_set_up, Vec::<String>::new());
    let keys = place.all(Collection::Chunks).list_index_names().await.unwrap();
    assert!(keys.contains(&"session_id_1_idx_1".to_owned()), "the shard key: {keys:?}");
    for of in Collection::ALL {
        let odd = doc! { "_id": "x", "node_id": node.id().to_string(), "odd": true };
        let error = place.all(of).insert_one(odd).await.unwrap_err().to_string();
        assert!(error.contains("validation"), "{}: {error}", of.name());
    }
    // Once more: it is all there.
    let again = place.sync(&node, &cursors);
    again.verify(&|_| ()).await.unwrap();
    assert_eq!(again.status().not_set_up, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_later_follows() {
    let (place, node, cursors) = (Place::new().await, Node::new(1), Arc::new(Kept::default()));
    let sync = place.sync(&node, &cursors);
    let running = Running::start(&sync);
    for round in 0..5 {
        node.sessions(round * 10, 10, 1);
        node.anchor(node.size());
        sync.wake();
        until(&sync, |status| is_done(status, node.size())).await;
        let status = sync.status();
        assert_eq!((status.lag_entries, status.lag_seconds), (0, 0));
        let anchored = place.count(Collection::Sessions, doc! { "state": "anchored" }).await;
        assert_eq!(anchored, (round + 1) * 10);
    }
    running.stop().await;
    let report = sync.verify(&|_| ()).await.unwrap();
    assert!(report.is_right(), "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_where_it_was() {
    let (place, node, cursors) = (Place::new().await, Node::new(1), Arc::new(Kept::default()));
    node.sessions(0, 3000, 2);
    let mut options = place.options();
    options.batch.documents_max = 100;
    let mut starts = 0;
    loop {
        let sync = crate::support::open(options.clone(), &node, &cursors);
        let running = Running::start(&sync);
        let before = place.count(Collection::Entries, doc! {}).await;
        until(&sync, |status| {
            is_done(status, node.size()) || status.collections[0].documents > 1500
        })
        .await;
        starts += 1;
        if is_done(&sync.status(), node.size()) {
            running.stop().await;
            break;
        }
        // As a crash would: in the middle of whatever it does.
        running.task.abort();
        assert!(place.count(Collection::Entries, doc! {}).await > before);
        assert!(starts < 20, "it gets on: {:#?}", sync.status());
        if starts == 3 {
            options.batch.documents_max = 4000;
        }
    }
    let report = place.sync(&node, &cursors).verify(&|_| ()).await.unwrap();
    assert!(report.is_right() && starts > 1, "{starts} starts, {report:#?}");
    assert_eq!(place.count(Collection::Entries, doc! {}).await, node.size());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_sessions_batches_do_not_ask_for_the_sessions_after_it() {
    let (place, node, cursors) = (Place::new().await, Node::new(1), Arc::new(Kept::default()));
    node.sessions(0, 1, 400);
    node.sessions(1, 8, 1);
    let mut options = place.options();
    options.batch.documents_max = 10;
    let sync = crate::support::open(options, &node, &cursors);
    let running = Running::start(&sync);
    until(&sync, |status| is_done(status, node.size())).await;
    running.stop().await;
    let asked = node.asked();
    // Forty batches of one session: one for each, and for the others each collection's own.
    assert!((9..=80).contains(&asked), "{asked} manifests were asked for");
    assert!(sync.verify(&|_| ()).await.unwrap().is_right());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_replay_takes_nothing_back() {
    let (place, node, cursors) = (Place::new().await, Node::new(1), Arc::new(Kept::default()));
    node.some_of_everything();
    place.sent(&node, &cursors).await;
    let before = place.find(Collection::Sessions, doc! {}).await;
    let users = place.find(Collection::Users, doc! {}).await;
    // Cursors that are lost, small batches, so that each step is replayed by itself.
    let sync = {
        let mut options = place.options();
        options.batch.documents_max = 1;
        crate::support::open(options, &node, &Arc::new(Kept::default()))
    };
    let running = Running::start(&sync);
    until(&sync, |status| {
        status.collections[Collection::Sessions as usize].cursor.entry >= 4
            || is_done(status, node.size())
    })
    .await;
    assert_eq!(place.find(Collection::Sessions, doc! {}).await, before, "in the middle");
    until(&sync, |status| is_done(status, node.size())).await;
    running.stop().await;
    assert_eq!(place.find(Collection::Sessions, doc! {}).await, before);
    assert_eq!(place.find(Collection::Users, doc! {}).await, users);
    assert_eq!(sync.status().faults, [0; FaultKind::ALL.len()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_share_a_database() {
    let place = Place::new().await;
    let (one, two) = (Node::new(1), Node::new(2));
    let cursors = [Arc::new(Kept::default()), Arc::new(Kept::default())];
    for (node, cursors) in [&one, &two].into_iter().zip(&cursors) {
        node.some_of_everything();
        assert!(place.sent(node, cursors).await.is_right());
    }
    assert_eq!(place.count(Collection::Sessions, doc! {}).await, 12);
    // Somebody else's document under an id of the first one's is told, and stays as it is.
    let next = format!("{}/{:016}", one.id(), one.size());
    let mut theirs = place.find(Collection::Entries, doc! {}).await.remove(0);
    theirs.insert("_id", &next);
    theirs.insert("node_id", "f".repeat(16));
    place.all(Collection::Entries).insert_one(&theirs).await.unwrap();
    one.block();
    let sync = place.sync(&one, &cursors[0]);
    let running = Running::start(&sync);
    until(&sync, |status| status.faults[FaultKind::Foreign as usize] > 0).await;
    let status = sync.status();
    let text = status.last_fault.unwrap().fault.to_string();
    assert!(text.contains(&next) && text.contains("not touched"), "{text}");
    // The others go on.
    until(&sync, |s| s.collections[Collection::Blocks as usize].cursor.entry == one.size()).await;
    running.stop().await;
    assert_eq!(place.find(Collection::Entries, doc! { "_id": &next }).await, [theirs]);
    let report = sync.rebuild(&|_| ()).await.unwrap();
    assert_eq!((report.differences_count, report.mended), (1, 0), "{report:#?}");
    assert_eq!(report.differences[0].id, next);
    let report = place.sync(&two, &cursors[1]).verify(&|_| ()).await.unwrap();
    assert!(report.is_right(), "{report:#?}");
}
