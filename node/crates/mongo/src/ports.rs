//! What the sync asks of the node: its log and manifests, and a place for cursors.

use async_trait::async_trait;
use lucid_core::{
    ChunkIndex, EntryIndex, Hash, NodeId, SessionId,
    manifest::ManifestChunk,
    merkle::{CompactRange, TreeHead, leaf_hash},
    note::VerifierKey,
};

use crate::{Collection, ManifestHead};

/// Something on the node's side failed. The text says what, and the way out.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct PortError(pub String);

/// Who the node is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The node's id: the beginning of every document's `_id`.
    pub node_id: NodeId,
    /// The key that checks the log's checkpoints; its name is the log's origin.
    pub key: VerifierKey,
    /// Name and version of what runs.
    pub software: String,
}

/// How much is asked for at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Page {
    /// Most entries.
    pub count_max: u32,
    /// Most bytes of entries, but at least one entry is given where there is one.
    pub bytes_max: usize,
}

/// The node's log and manifests. Nothing here may block the runtime's threads.
#[async_trait]
pub trait Source: Send + Sync {
    /// Who the node is.
    fn identity(&self) -> &Identity;

    /// Whether the node takes in a recording now. Then a backlog is sent slowly: where the database is on the same
    /// machine, what it does for the sync would be taken from the recording.
    fn is_recording(&self) -> bool {
        false
    }

    /// The log's size and root.
    ///
    /// # Errors
    /// [`PortError`].
    async fn head(&self) -> Result<TreeHead, PortError>;

    /// The root that the log had at `size`, at most its present one. As it stands here, all entries up to there are read;
    /// who has the tree knows it at once.
    ///
    /// # Errors
    /// [`PortError`].
    async fn root_at(&self, size: u64) -> Result<Hash, PortError> {
        let mut range = CompactRange::new();
        let mut next = 0;
        while next < size {
            let page = Page { count_max: 1024, bytes_max: 4 << 20 };
            let entries = self.entries(EntryIndex(next), page).await?;
            if entries.is_empty() {
                return Err(PortError(format!("the log has no entry {next}")));
            }
            for entry in entries.iter().take(usize::try_from(size - next).unwrap_or(usize::MAX)) {
                range.push(leaf_hash(entry));
                next += 1;
            }
        }
        Ok(range.root())
    }

    /// The newest signed checkpoint: the note's text. Its size may be below [`head`](Self::head)'s.
    ///
    /// # Errors
    /// [`PortError`].
    async fn checkpoint(&self) -> Result<String, PortError>;

    /// The bytes of the entries from `from` on, in order; fewer than asked for, or none at the log's end.
    ///
    /// # Errors
    /// [`PortError`].
    async fn entries(&self, from: EntryIndex, page: Page) -> Result<Vec<Vec<u8>>, PortError>;

    /// A sealed session's manifest without its list of chunks; `None` where it is lost or damaged. Then the
    /// session's chunks are passed over and counted, and the rest goes on.
    ///
    /// # Errors
    /// [`PortError`] where it may be read later.
    async fn manifest(&self, session: SessionId) -> Result<Option<ManifestHead>, PortError>;

    /// [`manifest`](Self::manifest) of several sessions, in their order, with the hashes that their entries in the
    /// log have. Reading them together, and by their hashes, may cost less.
    ///
    /// # Errors
    /// [`PortError`].
    async fn manifests(
        &self,
        sessions: &[(SessionId, Hash)],
    ) -> Result<Vec<Option<ManifestHead>>, PortError> {
        let mut heads = Vec::with_capacity(sessions.len());
        for (session, _) in sessions {
            heads.push(self.manifest(*session).await?);
        }
        Ok(heads)
    }

    /// At most `count_max` of a manifest's chunks, from `from` on, in order. None only at the list's end.
    ///
    /// # Errors
    /// [`PortError`].
    async fn chunks(
        &self,
        session: SessionId,
        from: ChunkIndex,
        count_max: u32,
    ) -> Result<Vec<ManifestChunk>, PortError>;
}

/// How far a collection is: everything before it is in the database, by majority.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Cursor {
    /// The next entry to be sent. Of `node_status`: the size of the checkpoint that is there.
    pub entry: u64,
    /// Within that entry the next chunk. Zero for all collections but `chunks`.
    pub chunk: u32,
}

/// Where cursors are kept.
#[async_trait]
pub trait Cursors: Send + Sync {
    /// The collection's cursor; the beginning where none was put.
    ///
    /// # Errors
    /// [`PortError`].
    async fn get(&self, of: Collection) -> Result<Cursor, PortError>;

    /// Puts it. It is durable before this returns.
    ///
    /// # Errors
    /// [`PortError`].
    async fn put(&self, of: Collection, cursor: Cursor) -> Result<(), PortError>;
}
