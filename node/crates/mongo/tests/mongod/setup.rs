//! A server made ready, and made ready again.

use std::time::Duration;

use lucid_mongo::{FaultKind, MongoUrl, Options, Setup, SetupReport};
use lucid_mongo_testing::{ReplicaSet, SetOptions};
use mongodb::{
    Client,
    bson::{Document, doc},
};

fn setup(set: &ReplicaSet, password: &str, root: &str) -> Setup {
    let url = format!("{}&authSource=admin", set.url_as(&format!("lucid:{password}@")));
    let mut options = Options::new(MongoUrl::parse(&url).unwrap(), "lucid").unwrap();
    options.select = Duration::from_secs(2);
    let root_password = root.to_owned().into();
    let patience = Duration::from_mins(1);
    let at = set.servers[0].address();
    Setup { options, at, root_password, former_root_password: None, patience }
}

async fn writes(set: &ReplicaSet, password: &str, database: &str) -> mongodb::error::Result<()> {
    let url = format!("{}&authSource=admin", set.url_as(&format!("lucid:{password}@")));
    let client = Client::with_uri_str(url).await?;
    let rows = client.database(database).collection::<Document>("rows");
    rows.insert_one(doc! { "row": 1 }).await.map(drop)
}

#[tokio::test]
async fn a_server_is_made_ready_once_and_takes_up_a_new_password() {
    let with_password = SetOptions { with_password: true, ..SetOptions::default() };
    let set = ReplicaSet::start(1, &with_password).await.expect("a mongod");
    let first = setup(&set, "hush-1", "hush-root").run().await.unwrap();
    assert_eq!(first, SetupReport { administrator: true, user: true, ..SetupReport::default() });
    writes(&set, "hush-1", "lucid").await.unwrap();
    assert!(writes(&set, "hush-1", "other").await.is_err(), "it may write to one database");

    let again = setup(&set, "hush-1", "hush-root").run().await.unwrap();
    assert_eq!(again, SetupReport::default());
    setup(&set, "hush-2", "hush-root").run().await.unwrap();
    writes(&set, "hush-2", "lucid").await.unwrap();
    assert!(writes(&set, "hush-1", "lucid").await.is_err(), "the old password counts no more");

    let refused = setup(&set, "hush-3", "hush-wrong").run().await.unwrap_err();
    assert_eq!(refused.kind, FaultKind::Password, "{}", refused.text);
    assert!(!refused.text.contains("hush"), "{}", refused.text);
}

#[tokio::test]
async fn the_administrator_takes_up_a_new_password_by_the_former_one() {
    let with_password = SetOptions { with_password: true, ..SetOptions::default() };
    let set = ReplicaSet::start(1, &with_password).await.expect("a mongod");
    let with = |root: &str, former: Option<&str>| {
        let former_root_password = former.map(|former| former.to_owned().into());
        Setup { former_root_password, ..setup(&set, "hush", root) }
    };
    // Of a new server the former one is none yet.
    let first = with("hush-1", Some("hush-0")).run().await.unwrap();
    assert_eq!(first, SetupReport { administrator: true, user: true, ..SetupReport::default() });

    let changed = with("hush-2", Some("hush-1")).run().await.unwrap();
    assert_eq!(changed, SetupReport { root_password: true, ..SetupReport::default() });
    let refused = with("hush-1", None).run().await.unwrap_err();
    assert_eq!(refused.kind, FaultKind::Password, "the former one: {}", refused.text);
    // Whoever was cut off does it again.
    let again = with("hush-2", Some("hush-1")).run().await.unwrap();
    assert_eq!(again, SetupReport::default());

    let refused = with("hush-4", Some("hush-3")).run().await.unwrap_err();
    assert_eq!(refused.kind, FaultKind::Password, "{}", refused.text);
    assert!(!refused.text.contains("hush"), "{}", refused.text);
    with("hush-2", None).run().await.unwrap();
}

#[tokio::test]
async fn a_server_of_another_set_or_none_is_refused() {
    let set = ReplicaSet::start(1, &SetOptions::default()).await.expect("a mongod");
    let url = set.url_as("lucid:hush@").replace("replicaSet=rs0", "replicaSet=rs1");
    let options = Options::new(MongoUrl::parse(&url).unwrap(), "lucid").unwrap();
    let other = Setup { options, ..setup(&set, "hush", "hush-root") };
    let fault = other.run().await.unwrap_err();
    assert!(fault.kind == FaultKind::Address && fault.text.contains("rs0"), "{}", fault.text);

    let mut nobody = setup(&set, "hush", "hush-root");
    nobody.at = "127.0.0.1:1".to_owned();
    nobody.patience = Duration::ZERO;
    nobody.options.select = Duration::from_millis(200);
    let fault = nobody.run().await.unwrap_err();
    assert!(fault.kind == FaultKind::Unreachable && !fault.text.contains("hush"), "{}", fault.text);
}
