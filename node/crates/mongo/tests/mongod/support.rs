//! A database, a sync on it, and questions to the database.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::TryStreamExt;
use lucid_mongo::{Collection, MongoUrl, Options, Pauses, Report, Status, Sync};
use lucid_mongo_testing::{Given, given};
use mongodb::{
    Client, Database,
    bson::{Document, doc},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::node::{Kept, Node};

/// How long something may take before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// A database of a test's own.
pub(crate) struct Place {
    pub(crate) given: Given,
    pub(crate) name: String,
    pub(crate) database: Database,
}

impl Place {
    pub(crate) async fn new() -> Self {
        Self::of(given().await.expect("a mongod")).await
    }

    pub(crate) async fn of(given: Given) -> Self {
        let name = format!("lucid_test_{:08x}", getrandom::u32().unwrap());
        let client = Client::with_uri_str(&given.url).await.unwrap();
        Self { given, database: client.database(&name), name }
    }

    pub(crate) fn options(&self) -> Options {
        options(&self.given.url, &self.name)
    }

    pub(crate) fn sync(&self, node: &Arc<Node>, cursors: &Arc<Kept>) -> Arc<Sync> {
        open(self.options(), node, cursors)
    }

    /// Sends all that the node has, and compares.
    pub(crate) async fn sent(&self, node: &Arc<Node>, cursors: &Arc<Kept>) -> Report {
        let sync = self.sync(node, cursors);
        let running = Running::start(&sync);
        until(&sync, |status| is_done(status, node.size())).await;
        running.stop().await;
        sync.verify(&|_| ()).await.unwrap()
    }

    pub(crate) async fn count(&self, of: Collection, filter: Document) -> u64 {
        self.all(of).count_documents(filter).await.unwrap()
    }

    pub(crate) async fn find(&self, of: Collection, filter: Document) -> Vec<Document> {
        self.all(of)
            .find(filter)
            .sort(doc! { "_id": 1 })
            .await
            .unwrap()
            .try_collect()
            .await
            .unwrap()
    }

    pub(crate) fn all(&self, of: Collection) -> mongodb::Collection<Document> {
        self.database.collection(of.name())
    }
}

pub(crate) fn options(url: &str, name: &str) -> Options {
    let mut options = Options::new(MongoUrl::parse(url).unwrap(), name).unwrap();
    let millis = Duration::from_millis;
    options.pauses = Pauses {
        first: millis(50),
        longest: millis(500),
        permanent: millis(500),
        look: millis(50),
        status: millis(50),
        cursor: millis(0),
        ..Pauses::default()
    };
    options.batch.age_max = millis(10);
    options.select = Duration::from_secs(2);
    options
}

pub(crate) fn open(options: Options, node: &Arc<Node>, cursors: &Arc<Kept>) -> Arc<Sync> {
    Arc::new(Sync::open(options, Arc::clone(node) as _, Arc::clone(cursors) as _))
}

/// A sync that runs.
pub(crate) struct Running {
    stop: CancellationToken,
    pub(crate) task: JoinHandle<()>,
}

impl Running {
    pub(crate) fn start(sync: &Arc<Sync>) -> Self {
        let (stop, sync) = (CancellationToken::new(), Arc::clone(sync));
        let token = stop.clone();
        Self { stop, task: tokio::spawn(async move { sync.run(&token).await }) }
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.expect("it stops").unwrap();
    }
}

/// Waits until the status is as wanted.
pub(crate) async fn until(sync: &Sync, wanted: impl Fn(&Status) -> bool) {
    let begun = Instant::now();
    while !wanted(&sync.status()) {
        assert!(begun.elapsed() < PATIENCE, "{:#?}", sync.status());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whether everything is sent, checkpoint included.
pub(crate) fn is_done(status: &Status, size: u64) -> bool {
    status.collections.iter().all(|of| of.cursor.entry == size)
}
