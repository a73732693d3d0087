//! The database: commands, and writes that are there for good when they return.
//!
//! Documents that never change are inserted, which is some five times faster than an upsert each. What was there
//! already is read and compared, and replaced only where it differs. Every write waits for a majority, and may be
//! sent again without harm; so whoever sends retries, and no transaction is needed.

use std::{collections::HashMap, time::Duration};

use futures_util::TryStreamExt;
use lucid_core::NodeId;
use mongodb::{
    Client, Collection as Handle, Database,
    bson::{Bson, Document, RawArrayBuf, RawDocumentBuf, doc, raw::cstr, rawdoc},
    options::{ClientOptions, Socks5Proxy},
};
use tokio::sync::OnceCell;

use crate::{
    Collection, Options,
    document::Record,
    fault::{Fault, FaultKind},
};

/// The code of an error about an `_id` that is there already.
const DUPLICATE: i32 = 11000;

/// A server that does not answer is not taken leave of for longer.
const GOODBYE: Duration = Duration::from_secs(2);

/// Ends a client's tasks, see [`Link::close`].
pub(crate) async fn end(client: Client) {
    let leave = client.clone().shutdown();
    if tokio::time::timeout(GOODBYE, leave).await.is_err() {
        // The server forgets the driver's sessions by itself. What is left here is ended without asking it.
        let rest = tokio::time::timeout(GOODBYE, client.shutdown().immediate(true)).await;
        tracing::debug!(ended = rest.is_ok(), "MongoDB's driver was ended without the server");
    }
}

/// A database, connected with when it is first needed.
pub(crate) struct Link {
    pub(crate) options: Options,
    pub(crate) node: NodeId,
    database: OnceCell<Database>,
}

/// An update of one document, by `_id` and node.
pub(crate) struct Update {
    pub(crate) id: String,
    pub(crate) pipeline: Vec<Document>,
    /// Bytes of the document that it is about.
    pub(crate) bytes: usize,
}

impl Link {
    pub(crate) fn new(options: Options, node: NodeId) -> Self {
        Self { options, node, database: OnceCell::new() }
    }

    /// The database. Nothing is connected yet when it returns; the driver does that when it is asked something.
    pub(crate) async fn database(&self) -> Result<&Database, Fault> {
        self.database.get_or_try_init(|| self.connect()).await
    }

    async fn connect(&self) -> Result<Database, Fault> {
        let what = "the address of MongoDB";
        let refused = |error| self.fault(&error, what);
        let mut options = ClientOptions::parse(self.options.url.text()).await.map_err(refused)?;
        options.app_name.get_or_insert_with(|| "lucid-node".to_owned());
        options.server_selection_timeout = Some(self.options.select);
        options.connect_timeout.get_or_insert(self.options.select);
        // A primary that moved is noticed within this time.
        options.heartbeat_freq.get_or_insert(Duration::from_secs(2));
        options.socks5_proxy = self.options.proxy.as_ref().map(|proxy| {
            let (user, password) = &proxy.credentials;
            Socks5Proxy::builder()
                .host(proxy.host.clone())
                .port(proxy.port)
                .authentication((user.clone(), password.to_string()))
                .build()
        });
        let client = Client::with_options(options).map_err(refused)?;
        Ok(client.database(&self.options.database))
    }

    /// Ends the driver's tasks. A runtime that ends while the driver still says goodbye to the server drops one task
    /// that another one asks, and the driver panics: to be called before that. Nothing can be asked afterwards.
    pub(crate) async fn close(&self) {
        if let Some(database) = self.database.get() {
            end(database.client().clone()).await;
        }
    }

    /// The collection as raw documents.
    pub(crate) async fn handle(&self, of: Collection) -> Result<Handle<RawDocumentBuf>, Fault> {
        Ok(self.database().await?.collection(of.name()))
    }

    /// What the driver says, without credentials.
    pub(crate) fn fault(&self, error: &mongodb::error::Error, what: &str) -> Fault {
        self.scrub(Fault::of_driver(error, what))
    }

    fn scrub(&self, fault: Fault) -> Fault {
        fault.scrubbed(|text| self.options.url.scrubbed(text))
    }

    /// Waits for what the driver does, but not for ever.
    pub(crate) async fn within<T>(
        &self,
        what: &str,
        work: impl Future<Output = mongodb::error::Result<T>>,
    ) -> Result<T, Fault> {
        match tokio::time::timeout(self.options.command, work).await {
            Ok(done) => done.map_err(|error| self.fault(&error, what)),
            Err(_) => {
                let seconds = self.options.command.as_secs();
                let text = format!("{what}: no answer within {seconds} s");
                Err(Fault::new(FaultKind::Interrupted, text))
            }
        }
    }

    /// Runs a command on the primary.
    pub(crate) async fn command(
        &self,
        command: RawDocumentBuf,
        what: &str,
    ) -> Result<Document, Fault> {
        let database = self.database().await?;
        self.within(what, async { database.run_raw_command(command).await }).await
    }

    fn majority(&self) -> RawDocumentBuf {
        let millis = i64::try_from(self.options.command.as_millis() / 2).unwrap_or(i64::MAX);
        rawdoc! { "w": "majority", "wtimeout": millis }
    }

    /// Runs a command that writes, and gives the places of those that were there already (`insert` only).
    async fn write(
        &self,
        mut command: RawDocumentBuf,
        ids: &[&str],
        what: &str,
    ) -> Result<Written, Fault> {
        command.append(cstr!("ordered"), false);
        command.append(cstr!("writeConcern"), self.majority());
        let reply = self.command(command, what).await?;
        // Each write's own error says more than that the majority was waited for in vain.
        let mut written = Written::default();
        for error in reply.get_array("writeErrors").into_iter().flatten() {
            let error = error.as_document().unwrap_or(&EMPTY);
            let code = error.get_i32("code").unwrap_or(0);
            let place = error.get_i32("index").ok().and_then(|place| usize::try_from(place).ok());
            match place {
                Some(place) if code == DUPLICATE && place < ids.len() => written.there.push(place),
                _ => {
                    let id = place.and_then(|place| ids.get(place)).copied().unwrap_or("?");
                    let message = error.get_str("errmsg").unwrap_or("");
                    let what = format!("{what}, document {id}");
                    return Err(self.scrub(Fault::told(code, message, &what)));
                }
            }
        }
        if let Ok(error) = reply.get_document("writeConcernError") {
            let message = error.get_str("errmsg").unwrap_or("");
            return Err(self.scrub(Fault::told(
                error.get_i32("code").unwrap_or(64),
                message,
                what,
            )));
        }
        written.upserted = reply.get_array("upserted").map_or(0, Vec::len);
        Ok(written)
    }

    /// Inserts documents, and gives the places of those that are there already.
    pub(crate) async fn insert(
        &self,
        of: Collection,
        records: &[&Record],
    ) -> Result<Vec<usize>, Fault> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let mut documents = RawArrayBuf::new();
        for record in records {
            documents.push(record.document.as_ref());
        }
        let ids: Vec<&str> = records.iter().map(|record| record.id.as_str()).collect();
        let command = rawdoc! { "insert": of.name(), "documents": documents };
        let what = format!("inserting into {}", of.name());
        Ok(self.write(command, &ids, &what).await?.there)
    }

    /// Replaces documents of this node, or puts them where none is.
    pub(crate) async fn replace(&self, of: Collection, records: &[&Record]) -> Result<(), Fault> {
        if records.is_empty() {
            return Ok(());
        }
        let mut updates = RawArrayBuf::new();
        for record in records {
            let filter = self.filter(of, record)?;
            updates.push(rawdoc! { "q": filter, "u": record.document.clone(), "upsert": true });
        }
        let ids: Vec<&str> = records.iter().map(|record| record.id.as_str()).collect();
        self.update(of, updates, &ids).await.map(drop)
    }

    /// The filter that names a document of this node. A sharded collection wants its shard key too.
    fn filter(&self, of: Collection, record: &Record) -> Result<RawDocumentBuf, Fault> {
        let mut filter = rawdoc! { "_id": record.id.as_str(), "node_id": self.node.to_string() };
        if of == Collection::Chunks {
            for key in [cstr!("session_id"), cstr!("idx")] {
                let value = record.document.get(key.as_str());
                let value = value.ok().flatten().ok_or_else(|| {
                    Fault::new(FaultKind::Damaged, format!("{} has no shard key", record.id))
                })?;
                filter.append(key, value);
            }
        }
        Ok(filter)
    }

    /// Runs updates of documents by their `_id`s, and gives how many of them were not there before.
    pub(crate) async fn merge(&self, of: Collection, merges: &[Update]) -> Result<usize, Fault> {
        if merges.is_empty() {
            return Ok(0);
        }
        let node = self.node.to_string();
        let mut updates = RawArrayBuf::new();
        for merge in merges {
            let update = doc! {
                "q": { "_id": &merge.id, "node_id": &node },
                "u": merge.pipeline.clone(),
                "upsert": true,
            };
            updates.push(self.raw(&update)?);
        }
        let ids: Vec<&str> = merges.iter().map(|merge| merge.id.as_str()).collect();
        self.update(of, updates, &ids).await
    }

    async fn update(
        &self,
        of: Collection,
        updates: RawArrayBuf,
        ids: &[&str],
    ) -> Result<usize, Fault> {
        let command = rawdoc! { "update": of.name(), "updates": updates };
        let what = format!("updating {}", of.name());
        let written = self.write(command, ids, &what).await?;
        // The filter names the node: what is under the `_id` and was not found is not this node's.
        match written.there.first().and_then(|place| ids.get(*place)) {
            Some(id) => Err(foreign(of, id)),
            None => Ok(written.upserted),
        }
    }

    /// Updates all of this node's documents that a filter finds.
    pub(crate) async fn update_all(
        &self,
        of: Collection,
        mut filter: Document,
        pipeline: Vec<Document>,
    ) -> Result<(), Fault> {
        filter.insert("node_id", self.node.to_string());
        let update = self.raw(&doc! { "q": filter, "u": pipeline, "multi": true })?;
        let mut updates = RawArrayBuf::new();
        updates.push(update);
        self.update(of, updates, &[]).await.map(drop)
    }

    /// Deletes documents of this node, by their `_id`s.
    pub(crate) async fn delete(&self, of: Collection, ids: &[Bson]) -> Result<(), Fault> {
        if ids.is_empty() {
            return Ok(());
        }
        let filter = doc! { "_id": { "$in": ids }, "node_id": self.node.to_string() };
        let mut deletes = RawArrayBuf::new();
        deletes.push(self.raw(&doc! { "q": filter, "limit": 0 })?);
        let command = rawdoc! { "delete": of.name(), "deletes": deletes };
        self.write(command, &[], &format!("deleting from {}", of.name())).await.map(drop)
    }

    /// Puts documents that never change: inserts them, and replaces those that are there and differ.
    pub(crate) async fn put_whole(&self, of: Collection, records: &[Record]) -> Result<(), Fault> {
        let all: Vec<&Record> = records.iter().collect();
        let there = self.insert(of, &all).await?;
        if there.is_empty() {
            return Ok(());
        }
        let there: Vec<&Record> =
            there.into_iter().filter_map(|place| records.get(place)).collect();
        let found = self.find(of, &there).await?;
        let differs = |record: &&Record| {
            found.get(&record.id).is_none_or(|is| is.as_bytes() != record.document.as_bytes())
        };
        let differing: Vec<&Record> = there.into_iter().filter(differs).collect();
        if let Some(record) = differing.first() {
            let count = differing.len();
            tracing::warn!(collection = of.name(), count, first = record.id, "documents replaced");
        }
        self.replace(of, &differing).await
    }

    async fn find(
        &self,
        of: Collection,
        records: &[&Record],
    ) -> Result<HashMap<String, RawDocumentBuf>, Fault> {
        let ids: Vec<&str> = records.iter().map(|record| record.id.as_str()).collect();
        let handle = self.handle(of).await?;
        let what = format!("reading {}", of.name());
        let filter = doc! { "_id": { "$in": ids } };
        let work = async { handle.find(filter).await?.try_collect::<Vec<_>>().await };
        let found = self.within(&what, work).await?;
        let by_id = |document: RawDocumentBuf| {
            let id = document.get_str("_id").ok()?.to_owned();
            Some((id, document))
        };
        Ok(found.into_iter().filter_map(by_id).collect())
    }

    fn raw(&self, document: &Document) -> Result<RawDocumentBuf, Fault> {
        RawDocumentBuf::try_from(document)
            .map_err(|error| self.scrub(Fault::new(FaultKind::Damaged, error.to_string())))
    }
}

/// What a command that writes answered.
#[derive(Default)]
struct Written {
    /// Places of what was there already.
    there: Vec<usize>,
    /// Updates that found nothing and made a document.
    upserted: usize,
}

static EMPTY: std::sync::LazyLock<Document> = std::sync::LazyLock::new(Document::new);

/// Another node's document, or nobody's, stands where one of ours belongs.
pub(crate) fn foreign(of: Collection, id: &str) -> Fault {
    let text = format!("{}: a document that is not this node's has the id {id}", of.name());
    Fault::new(FaultKind::Foreign, text)
}
