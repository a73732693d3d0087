//! What somebody did behind the node's back is found, named and mended.

use std::sync::Arc;

use lucid_mongo::{Collection, DifferenceKind as Kind, Sync};
use mongodb::bson::{Bson, doc, oid::ObjectId};

use crate::{
    node::{Kept, Node},
    support::Place,
};

#[tokio::test(flavor = "multi_thread")]
async fn altered_deleted_and_added_documents_are_named() {
    let place = Place::new().await;
    let (node, other) = (Node::new(1), Node::new(2));
    let (cursors, others) = (Arc::new(Kept::default()), Arc::new(Kept::default()));
    node.some_of_everything();
    other.some_of_everything();
    assert!(place.sent(&node, &cursors).await.is_right());
    assert!(place.sent(&other, &others).await.is_right());
    let me = node.id().to_string();
    let id = |rest: &str| format!("{me}/{rest}");
    let bypass = doc! { "bypassDocumentValidation": true };
    let set = async |of: Collection, id: String, change| {
        let all = place.all(of);
        let done = all.update_one(doc! { "_id": id }, doc! { "$set": change }).await.unwrap();
        assert_eq!(done.modified_count, 1);
    };
    let sealed = Node::session(0);
    let erased = Node::session(1);
    let index = |index: u64| id(&format!("{index:016}"));
    set(Collection::Entries, index(3), doc! { "entry": "{}" }).await;
    set(Collection::Sessions, id(&sealed.to_string()), doc! { "opened.log_index": 3_i64 }).await;
    set(Collection::Sessions, id(&erased.to_string()), doc! { "state": "sealed" }).await;
    set(Collection::Chunks, id(&format!("{sealed}/0000000001")), doc! { "codec": 1_i64 }).await;
    set(Collection::Users, id("alice"), doc! { "role": "admin" }).await;
    set(Collection::NodeStatus, me.clone(), doc! { "software": "another" }).await;
    set(Collection::Blocks, index(1), doc! { "more": true }).await;
    for (of, gone) in [
        (Collection::Anchors, index(10)),
        (Collection::Chunks, id(&format!("{sealed}/0000000002"))),
        (Collection::Entries, index(0)),
    ] {
        assert_eq!(place.all(of).delete_one(doc! { "_id": gone }).await.unwrap().deleted_count, 1);
    }
    let stray = ObjectId::new();
    let user = |id: Bson| {
        doc! { "_id": id, "node_id": &me, "user": "mallory", "role": "admin", "revoked": false, "log_index": 1_i64 }
    };
    let added = vec![Bson::from(user(id("mallory").into())), Bson::from(user(stray.into()))];
    let mut insert = doc! { "insert": "users", "documents": added };
    insert.extend(bypass);
    assert_eq!(place.database.run_command(insert).await.unwrap().get_i32("n").unwrap(), 2);

    let sync = place.sync(&node, &cursors);
    let report = sync.verify(&|_| ()).await.unwrap();
    let mut found: Vec<(Collection, Kind, String)> =
        report.differences.iter().map(|d| (d.collection, d.kind, d.id.clone())).collect();
    let mut wanted = vec![
        (Collection::Entries, Kind::Altered, index(3)),
        (Collection::Entries, Kind::Missing, index(0)),
        (Collection::Sessions, Kind::Altered, id(&sealed.to_string())),
        (Collection::Sessions, Kind::Altered, id(&erased.to_string())),
        (Collection::Chunks, Kind::Altered, id(&format!("{sealed}/0000000001"))),
        (Collection::Chunks, Kind::Missing, id(&format!("{sealed}/0000000002"))),
        (Collection::Users, Kind::Altered, id("alice")),
        (Collection::Users, Kind::Extra, id("mallory")),
        (Collection::Blocks, Kind::Altered, index(1)),
        (Collection::Anchors, Kind::Missing, index(10)),
        (Collection::NodeStatus, Kind::Altered, me.clone()),
    ];
    let strays: Vec<_> = found.extract_if(.., |(_, _, id)| id.contains(&stray.to_hex())).collect();
    assert_eq!(strays.len(), 1, "{strays:?}");
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
    assert_eq!((report.differences_count, report.mended), (12, 0));
    assert_ne!(report.collections[0].expected_digest, report.collections[0].stored_digest);

    let others = place.sync(&other, &others);
    mends(&sync, 12, &others).await;
}

/// All of so many differences are mended, and what the other node has is as it was.
async fn mends(sync: &Sync, differences: u64, other: &Sync) {
    let report = sync.rebuild(&|_| ()).await.unwrap();
    let counted = (report.differences_count, report.mended);
    assert_eq!(counted, (differences, differences), "{report:#?}");
    for sync in [sync, other] {
        let report = sync.verify(&|_| ()).await.unwrap();
        assert!(report.is_right(), "{report:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_puts_nothing_right_where_the_nodes_own_document_is_gone_too() {
    let (place, node, cursors) = (Place::new().await, Node::new(1), Arc::new(Kept::default()));
    node.some_of_everything();
    assert!(place.sent(&node, &cursors).await.is_right());
    let me = node.id().to_string();
    let forged = doc! { "$set": { "entry": "{}" } };
    let first = doc! { "_id": format!("{me}/{:016}", 0) };
    place.all(Collection::Entries).update_one(first.clone(), forged).await.unwrap();
    for how in [doc! { "$set": { "log_size": 1_i64 } }, doc! {}] {
        let own = doc! { "_id": &me };
        let kind = match how.is_empty() {
            false => {
                place.all(Collection::NodeStatus).update_one(own, how).await.unwrap();
                Kind::Altered
            }
            true => {
                place.all(Collection::NodeStatus).delete_one(own).await.unwrap();
                Kind::Missing
            }
        };
        // Again and again, and by a process that begins.
        for _ in 0..2 {
            let report = place.sync(&node, &cursors).verify(&|_| ()).await.unwrap();
            let found: Vec<_> = report.differences.iter().map(|d| (d.collection, d.kind)).collect();
            let wanted = [(Collection::Entries, Kind::Altered), (Collection::NodeStatus, kind)];
            assert_eq!((found, report.mended), (wanted.to_vec(), 0), "{report:#?}");
        }
        let entries = place.find(Collection::Entries, first.clone()).await;
        assert_eq!(entries[0].get_str("entry").unwrap(), "{}", "it is there to be looked at");
    }
    let sync = place.sync(&node, &cursors);
    sync.rebuild(&|_| ()).await.unwrap();
    assert!(sync.verify(&|_| ()).await.unwrap().is_right());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_puts_nothing_right_where_the_cursors_are_lost() {
    let (place, node, cursors) = (Place::new().await, Node::new(1), Arc::new(Kept::default()));
    node.some_of_everything();
    assert!(place.sent(&node, &cursors).await.is_right());
    let first = doc! { "_id": format!("{}/{:016}", node.id(), 0) };
    let forged = doc! { "$set": { "entry": "{}" } };
    place.all(Collection::Entries).update_one(first, forged).await.unwrap();
    let lost = Arc::new(Kept::default());
    for _ in 0..2 {
        let report = place.sync(&node, &lost).verify(&|_| ()).await.unwrap();
        let found: Vec<_> = report.differences.iter().map(|d| (d.collection, d.kind)).collect();
        assert_eq!(found, [(Collection::Entries, Kind::Altered)], "{report:#?}");
    }
    place.sync(&node, &lost).rebuild(&|_| ()).await.unwrap();
    assert!(place.sync(&node, &lost).verify(&|_| ()).await.unwrap().is_right());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_fills_an_empty_database_and_reports_on_the_way() {
    let (place, node, cursors) = (Place::new().await, Node::new(1), Arc::new(Kept::default()));
    node.some_of_everything();
    place.sent(&node, &cursors).await;
    let sync = place.sync(&node, &cursors);
    sync.verify(&|_| ()).await.unwrap();
    for of in Collection::ALL {
        place.all(of).delete_many(doc! {}).await.unwrap();
    }
    let told = std::sync::Mutex::new(Vec::new());
    let report = sync.rebuild(&|progress| told.lock().unwrap().push(progress.collection)).await;
    let report = report.unwrap();
    assert_eq!(report.differences_count, report.mended, "{report:#?}");
    assert_eq!(told.lock().unwrap().len(), 6, "{told:?}");
    assert!(sync.verify(&|_| ()).await.unwrap().is_right());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_node_cannot_read_any_more_stays_in_the_database() {
    let (place, node, cursors) = (Place::new().await, Node::new(1), Arc::new(Kept::default()));
    node.some_of_everything();
    place.sent(&node, &cursors).await;
    let session = Node::session(0);
    let before = place.find(Collection::Chunks, doc! {}).await;
    node.lose_manifest(session);
    let id = doc! { "session_id": session.to_string() };
    let altered = doc! { "$set": { "state": "opened" } };
    place.all(Collection::Sessions).update_one(id.clone(), altered).await.unwrap();
    let sync = place.sync(&node, &cursors);
    let report = sync.rebuild(&|_| ()).await.unwrap();
    assert_eq!((report.differences_count, report.mended), (1, 1), "{report:#?}");
    assert_eq!(report.unreadable, [session]);
    let document = &place.find(Collection::Sessions, id).await[0];
    assert_eq!(document.get_str("state").unwrap(), "anchored");
    assert!(document.get_document("manifest").is_ok(), "{document:#?}");
    assert_eq!(place.find(Collection::Chunks, doc! {}).await, before);
}
