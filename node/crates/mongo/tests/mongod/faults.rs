//! What a database refuses, and how it is told.

use std::sync::Arc;

use lucid_mongo::{Collection, FaultKind, Status};
use lucid_mongo_testing::{Given, ReplicaSet, SetOptions};
use mongodb::{
    Client,
    bson::{Document, doc},
};

use crate::{
    node::{Kept, Node},
    support::{Place, Running, is_done, open, options, until},
};

async fn told(place: &Place, node: &Arc<Node>, url: &str, kind: FaultKind) -> Status {
    let sync = open(options(url, &place.name), node, &Arc::new(Kept::default()));
    let running = Running::start(&sync);
    until(&sync, |status| status.faults[kind as usize] > 0).await;
    running.stop().await;
    sync.status()
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_and_rights_are_told_without_the_password() {
    let with_password = SetOptions { with_password: true, ..SetOptions::default() };
    let set = ReplicaSet::start(1, &with_password).await.expect("a mongod");
    set.make_admin("root", "of-all").await.unwrap();
    let url = |user: &str| format!("{}&authSource=admin", set.url_as(user));
    let (admin, right, wrong, reader) = (
        url("root:of-all@"),
        url("node:s3cr%40t@"),
        url("node:wr0ng%40pw@"),
        url("reader:s3cr%40t@"),
    );
    let place = Place::of(Given { url: admin.clone(), set: None }).await;
    let users = Client::with_uri_str(&admin).await.unwrap().database("admin");
    for (name, role) in [("node", "readWrite"), ("reader", "read")] {
        let roles = vec![doc! { "role": role, "db": &place.name }];
        let user = doc! { "createUser": name, "pwd": "s3cr@t", "roles": roles };
        users.run_command(user).await.unwrap();
    }
    let node = Node::new(1);
    node.some_of_everything();
    let status = told(&place, &node, &wrong, FaultKind::Password).await;
    let text = format!("{status:?}");
    assert!(!text.contains("wr0ng"), "{text}");
    let fault = status.last_fault.unwrap().fault;
    assert!(fault.to_string().contains("right user and password"), "{fault}");
    told(&place, &node, &reader, FaultKind::Unauthorised).await;
    // With readWrite alone it works; what could not be set up is told.
    place.database.create_collection("blocks").await.unwrap();
    let sync = open(options(&right, &place.name), &node, &Arc::new(Kept::default()));
    let running = Running::start(&sync);
    until(&sync, |status| is_done(status, node.size())).await;
    running.stop().await;
    assert!(sync.verify(&|_| ()).await.unwrap().is_right());
    let lacks = sync.status().not_set_up;
    assert!(
        lacks.iter().any(|what| what.starts_with("blocks has another validator")),
        "{lacks:#?}"
    );
}

/// Lets the server answer writes with an error until it is turned off.
async fn fail(place: &Place, mode: Document) {
    let client = Client::with_uri_str(&place.given.url).await.unwrap();
    client.database("admin").run_command(mode).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_and_lost_majorities_are_told_and_gone_on_from() {
    let with_failpoints = SetOptions { with_failpoints: true, ..SetOptions::default() };
    let set = ReplicaSet::start(1, &with_failpoints).await.expect("a mongod");
    let place = Place::of(Given { url: set.url(), set: Some(set) }).await;
    let (node, cursors) = (Node::new(1), Arc::new(Kept::default()));
    node.some_of_everything();
    let sync = place.sync(&node, &cursors);
    let data = doc! { "failCommands": ["insert", "update"], "errorCode": 14031 };
    let on = doc! { "configureFailPoint": "failCommand", "mode": "alwaysOn", "data": data };
    let off = doc! { "configureFailPoint": "failCommand", "mode": "off" };
    fail(&place, on).await;
    let running = Running::start(&sync);
    until(&sync, |status| status.faults[FaultKind::Full as usize] > 3).await;
    let fault = sync.status().last_fault.unwrap().fault.to_string();
    assert!(fault.contains("make room in the database"), "{fault}");
    assert_eq!(place.count(Collection::Entries, doc! {}).await, 0);
    // Acknowledged, but by no majority: the cursor stays.
    let error = doc! { "code": 64, "codeName": "WriteConcernFailed", "errmsg": "waiting for replication timed out" };
    let data = doc! { "failCommands": ["insert", "update"], "writeConcernError": error };
    let on = doc! { "configureFailPoint": "failCommand", "mode": "alwaysOn", "data": data };
    fail(&place, off.clone()).await;
    fail(&place, on).await;
    until(&sync, |status| status.faults[FaultKind::Interrupted as usize] > 3).await;
    let entries = &sync.status().collections[Collection::Entries as usize];
    assert!(entries.cursor.entry <= node.size());
    fail(&place, off).await;
    until(&sync, |status| is_done(status, node.size())).await;
    running.stop().await;
    assert!(sync.verify(&|_| ()).await.unwrap().is_right());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_that_refuses_is_named_and_the_rest_goes_on() {
    let (place, node, cursors) = (Place::new().await, Node::new(1), Arc::new(Kept::default()));
    node.some_of_everything();
    let sync = place.sync(&node, &cursors);
    let running = Running::start(&sync);
    until(&sync, |status| is_done(status, node.size())).await;
    let refuses = doc! { "collMod": "blocks", "validator": { "number": { "$lt": 0 } } };
    place.database.run_command(refuses).await.unwrap();
    node.block();
    node.sessions(50, 1, 1);
    sync.wake();
    until(&sync, |status| status.faults[FaultKind::Refused as usize] > 0).await;
    let last = sync.status().last_fault.unwrap();
    assert_eq!(last.collection, Some(Collection::Blocks));
    assert!(last.fault.text.contains(&node.id().to_string()), "{}", last.fault);
    until(&sync, |status| {
        status.collections[Collection::Chunks as usize].cursor.entry == node.size()
    })
    .await;
    running.stop().await;
}
