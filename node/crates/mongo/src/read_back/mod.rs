//! What a node that lost its disk reads back from the database, and believes.
//!
//! A database is anybody's who has its password, so nothing in it is believed for being there. What is: the
//! checkpoint in `node_status`, if the node's key signed it; the entries, if all of them together have that
//! checkpoint's root (RFC 6962); a session's manifest, if its bytes have the hash that its `session.sealed` entry
//! says. What the database cannot show is that there was nothing newer: whoever took away the last checkpoints and
//! their entries leaves an older log that verifies. An anchor, or a witness, knows better.
//!
//! The entries are read twice. The first time their root is computed, and a hash is kept for each page of 1,024;
//! the second time each page is held against its hash. So the log is never in memory, and nothing is handed out
//! that the first reading did not verify, whoever changes the database in between.

mod gone;
mod manifest;

pub use gone::{GoneSession, Had, LossReport, ManifestState};

use async_trait::async_trait;
use futures_util::TryStreamExt;
use lucid_core::{
    EntryIndex, Hash, NodeId,
    entry::{ENTRY_BYTES_MAX, leaf},
    merkle::{CompactRange, TreeHead},
    note::{Checkpoint, NoteError, SignatureType, VerifierKey},
};
use mongodb::bson::{RawDocumentBuf, doc};

use crate::{
    Collection, Fault, FaultKind, Options, document::entry_id, walk::Entries, write::Link,
};

/// Entries in a page: the least that is verified by itself the second time.
const PAGE: u64 = 1024;

/// Why something cannot be read back, or is not believed.
#[derive(Debug, thiserror::Error)]
pub enum ReadBackError {
    /// The database cannot be read.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The node never wrote there, or what it wrote is gone.
    #[error("node_status has no document of node {0}: is it the right database?")]
    NoNode(NodeId),
    /// The key that is stored is not the node's.
    #[error("the key stored for node {0} is not its key: its hash is not the node's id")]
    Key(NodeId),
    /// The stored checkpoint is not one that this key signed.
    #[error("the checkpoint stored for node {node} is not believed: {error}")]
    Checkpoint {
        /// The node.
        node: NodeId,
        /// Why.
        error: NoteError,
    },
    /// An entry that the checkpoint signs is not there.
    #[error("entry {0} is missing in the database: the log cannot be read back from it")]
    Missing(u64),
    /// A document of `entries` is not one.
    #[error("entry {0} in the database is not an entry: it was altered")]
    Altered(u64),
    /// The entries are not those that were signed.
    #[error(
        "the {size} entries in the database give the root {found}, the node signed {signed}: at least one is forged or altered"
    )]
    Root {
        /// Entries.
        size: u64,
        /// Their root.
        found: Hash,
        /// The root that was signed.
        signed: Hash,
    },
    /// Entries changed between the two readings.
    #[error("entries {0} to {1} changed in the database while they were read: read it back again")]
    Changed(u64, u64),
    /// Whoever was given something did not take it.
    #[error("what was read back could not be put: {0}")]
    Sink(std::io::Error),
}

/// A log in the database, verified whole.
pub struct ReadBack {
    link: Link,
    text: String,
    head: TreeHead,
    /// The root over each page's leaves.
    pages: Vec<Hash>,
    unsigned_entries: u64,
}

/// The key that the database has for a node, if it is the node's: its hash begins with the node's id. That is 64
/// bits; whoever has the key itself should use it.
///
/// # Errors
/// [`ReadBackError::NoNode`], [`ReadBackError::Key`], [`ReadBackError::Fault`].
pub async fn stored_key(options: Options, node: NodeId) -> Result<VerifierKey, ReadBackError> {
    let link = Link::new(options, node);
    let document = status_of(&link).await;
    link.close().await;
    let document = document?;
    let key: Option<VerifierKey> = document.get_str("public_key").ok().and_then(|k| k.parse().ok());
    let is_its = |key: &VerifierKey| {
        NodeId::of_public_key(key.public_key()) == node
            && key.name().as_str() == node.log_origin()
            && key.kind() == SignatureType::Ed25519
    };
    key.filter(is_its).ok_or(ReadBackError::Key(node))
}

async fn status_of(link: &Link) -> Result<RawDocumentBuf, ReadBackError> {
    let handle = link.handle(Collection::NodeStatus).await?;
    let find = async { handle.find_one(doc! { "_id": link.node.to_string() }).await };
    let found = link.within("reading node_status", find).await?;
    found.ok_or(ReadBackError::NoNode(link.node))
}

impl ReadBack {
    /// Reads all entries that the newest stored checkpoint signs, and verifies them. `tell` hears how many it has
    /// read, of how many.
    ///
    /// # Errors
    /// [`ReadBackError`]: one wrong entry and none is believed.
    pub async fn open(
        options: Options,
        key: &VerifierKey,
        tell: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<Self, ReadBackError> {
        let node = NodeId::of_public_key(key.public_key());
        let mut back = Self {
            link: Link::new(options, node),
            text: String::new(),
            head: TreeHead { size: 0, root: lucid_core::merkle::root(&[]) },
            pages: Vec::new(),
            unsigned_entries: 0,
        };
        match back.first_reading(key, tell).await {
            Ok(()) => Ok(back),
            Err(error) => {
                back.close().await;
                Err(error)
            }
        }
    }

    /// Ends the connection and the driver's tasks: to be called before the runtime ends. Nothing can be read
    /// afterwards.
    pub async fn close(&self) {
        self.link.close().await;
    }

    async fn first_reading(
        &mut self,
        key: &VerifierKey,
        tell: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<(), ReadBackError> {
        let document = status_of(&self.link).await?;
        document.get_str("checkpoint").unwrap_or("").clone_into(&mut self.text);
        let checkpoint = Checkpoint::verify(&self.text, key)
            .map_err(|error| ReadBackError::Checkpoint { node: self.link.node, error })?;
        let Checkpoint { size, root, .. } = checkpoint;
        self.head = TreeHead { size, root };
        let mut range = CompactRange::new();
        for from in (0..size).step_by(PAGE as usize) {
            let page = self.stored_page(from).await?;
            let leaves: Vec<Hash> = page.iter().map(|entry| leaf(entry)).collect();
            for leaf in &leaves {
                range.push(*leaf);
            }
            self.pages.push(lucid_core::merkle::root(&leaves));
            tell(from + leaves.len() as u64, size);
        }
        if range.root() != root {
            return Err(ReadBackError::Root { size, found: range.root(), signed: root });
        }
        let (first, end) =
            (entry_id(self.link.node, EntryIndex(size)), format!("{}0", self.link.node));
        let handle = self.link.handle(Collection::Entries).await?;
        let filter = doc! { "_id": { "$gte": first, "$lt": end } };
        let count = async { handle.count_documents(filter).await };
        self.unsigned_entries = self.link.within("counting entries", count).await?;
        Ok(())
    }

    /// The entries of the page that begins with `from`, as the database has them.
    async fn stored_page(&self, from: u64) -> Result<Vec<Vec<u8>>, ReadBackError> {
        let node = self.link.node;
        let end = (from + PAGE).min(self.head.size);
        let bound = |index| entry_id(node, EntryIndex(index));
        let filter = doc! { "_id": { "$gte": bound(from), "$lt": bound(end) } };
        let handle = self.link.handle(Collection::Entries).await?;
        let limit = i64::try_from(PAGE).unwrap_or(i64::MAX);
        // What others put beside an entry is not sent here, and of the entries no more are held than one answer has
        // (MongoDB's are at most 16 MiB and a document): whoever can write there decides on their length.
        let find = async {
            let wanted = doc! { "_id": 1, "entry": 1 };
            handle.find(filter).projection(wanted).sort(doc! { "_id": 1 }).limit(limit).await
        };
        let mut found = self.link.within("reading entries", find).await?;
        let mut entries = Vec::new();
        for index in from..end {
            let next = self.link.within("reading entries", found.try_next()).await?;
            let document = next.ok_or(ReadBackError::Missing(index))?;
            let id = document.get_str("_id").map_err(|_| ReadBackError::Altered(index))?;
            if id != bound(index) {
                return Err(ReadBackError::Missing(index));
            }
            let text = document.get_str("entry").map_err(|_| ReadBackError::Altered(index))?;
            if text.len() > ENTRY_BYTES_MAX {
                return Err(ReadBackError::Altered(index));
            }
            entries.push(text.as_bytes().to_vec());
        }
        Ok(entries)
    }

    /// The log's size and root.
    #[must_use]
    pub fn head(&self) -> TreeHead {
        self.head
    }

    /// The signed checkpoint: the note's text, as the node made it.
    #[must_use]
    pub fn checkpoint(&self) -> &str {
        &self.text
    }

    /// Entries that are in the database beyond the checkpoint. They are not believed, and not read.
    #[must_use]
    pub fn unsigned_entries(&self) -> u64 {
        self.unsigned_entries
    }

    /// Verified entries, from `from` on: the rest of its page of 1,024. None at the log's end.
    ///
    /// # Errors
    /// [`ReadBackError`].
    pub async fn entries(&self, from: EntryIndex) -> Result<Vec<Vec<u8>>, ReadBackError> {
        if from.0 >= self.head.size {
            return Ok(Vec::new());
        }
        let first = from.0 - from.0 % PAGE;
        let mut page = self.stored_page(first).await?;
        let leaves: Vec<Hash> = page.iter().map(|entry| leaf(entry)).collect();
        let number = usize::try_from(first / PAGE).unwrap_or(usize::MAX);
        if self.pages.get(number) != Some(&lucid_core::merkle::root(&leaves)) {
            return Err(ReadBackError::Changed(first, first + page.len() as u64 - 1));
        }
        Ok(page.split_off((from.0 - first) as usize))
    }
}

#[async_trait]
impl Entries for ReadBack {
    async fn page(&self, from: u64, _size: u64) -> Result<Vec<Vec<u8>>, Fault> {
        self.entries(EntryIndex(from)).await.map_err(|error| match error {
            ReadBackError::Fault(fault) => fault,
            other => Fault::new(FaultKind::Damaged, other.to_string()),
        })
    }
}
