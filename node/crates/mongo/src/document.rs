//! Collections, and the documents of those whose documents never change.
//!
//! An `_id` is text and begins with the node's id and a slash, so that a node's documents are one range of `_id`.
//! What follows is natural and sorts as the log does, or as session ids do:
//!
//! | collection | `_id` after `<node>/` |
//! | --- | --- |
//! | `entries`, `anchors` | the entry's index, 16 digits |
//! | `blocks` | the block's number, 16 digits |
//! | `sessions` | the session's id |
//! | `chunks` | the session's id, a slash, the chunk's index, 10 digits |
//! | `users` | the account |
//! | `node_status` | nothing: the `_id` is the node's id |
//!
//! Hashes are lower-case hex, times are dates, integers are 64 bits wide. An entry's text is its exact bytes.

use lucid_core::{
    ChunkIndex, EntryIndex, NodeId, SessionId, Timestamp,
    entry::{Entry, EvmBlock, UserChanged},
    manifest::ManifestChunk,
};
use mongodb::bson::{DateTime, RawDocumentBuf, raw::cstr, rawdoc};

use crate::anchor::Anchor;

/// A collection of the database.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Collection {
    /// Every entry of the log, byte for byte.
    Entries,
    /// The chain's block headers.
    Blocks,
    /// Sessions, each with the state it is in.
    Sessions,
    /// Sealed sessions' chunks. Shard key `{session_id: 1, idx: 1}`.
    Chunks,
    /// Anchors on TRON.
    Anchors,
    /// Accounts: role and standing, no secret.
    Users,
    /// One document a node: its key, its newest checkpoint.
    NodeStatus,
}

impl Collection {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Entries,
        Self::Blocks,
        Self::Sessions,
        Self::Chunks,
        Self::Anchors,
        Self::Users,
        Self::NodeStatus,
    ];

    /// Its name in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Entries => "entries",
            Self::Blocks => "blocks",
            Self::Sessions => "sessions",
            Self::Chunks => "chunks",
            Self::Anchors => "anchors",
            Self::Users => "users",
            Self::NodeStatus => "node_status",
        }
    }
}

/// A document and its `_id`.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) document: RawDocumentBuf,
}

/// An integer as documents have it. All of the node's are below 2^53.
pub(crate) fn long(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn date(at: Timestamp) -> DateTime {
    DateTime::from_millis(long(at.unix_millis()))
}

pub(crate) fn entry_id(node: NodeId, index: EntryIndex) -> String {
    format!("{node}/{:016}", index.0)
}

pub(crate) fn block_id(node: NodeId, number: u64) -> String {
    format!("{node}/{number:016}")
}

pub(crate) fn session_id(node: NodeId, session: SessionId) -> String {
    format!("{node}/{session}")
}

pub(crate) fn chunk_id(node: NodeId, session: SessionId, index: ChunkIndex) -> String {
    format!("{node}/{session}/{:010}", index.0)
}

/// The document of any entry. `text` is its bytes, which are UTF-8 or no entry.
pub(crate) fn entry(node: NodeId, index: EntryIndex, entry: &Entry, text: &str) -> Record {
    let id = entry_id(node, index);
    let mut document = rawdoc! {
        "_id": id.as_str(),
        "node_id": node.to_string(),
        "log_index": long(index.0),
        "kind": entry.kind(),
        "at": date(entry.at()),
    };
    if let Some(session) = entry.session() {
        document.append(cstr!("session_id"), session.to_string());
    }
    document.append(cstr!("entry"), text);
    Record { id, document }
}

pub(crate) fn block(node: NodeId, index: EntryIndex, block: &EvmBlock) -> Record {
    let header = &block.header;
    let id = block_id(node, header.number.0);
    let document = rawdoc! {
        "_id": id.as_str(),
        "node_id": node.to_string(),
        "number": long(header.number.0),
        "hash": block.hash.to_string(),
        "parent": header.parent.to_string(),
        "time": date(header.time),
        "gas_used": long(header.gas_used),
        "log_root": header.log_root.to_string(),
        "log_size": long(header.log_size),
        "receipts_root": header.receipts_root.to_string(),
        "state_root": header.state_root.to_string(),
        "tx_root": header.tx_root.to_string(),
        "parts": i64::from(block.parts),
        "at": date(block.at),
        "log_index": long(index.0),
    };
    Record { id, document }
}

pub(crate) fn anchor(node: NodeId, index: EntryIndex, anchor: &Anchor) -> Record {
    let id = entry_id(node, index);
    let mut document = rawdoc! {
        "_id": id.as_str(),
        "node_id": node.to_string(),
        "log_index": long(index.0),
        "at": date(anchor.at),
        "log_size": long(anchor.log_size),
        "log_root": anchor.log_root.to_string(),
        "network": anchor.network.as_str(),
        "genesis": anchor.genesis.as_str(),
        "form": anchor.form.as_str(),
        "tx_id": anchor.tx_id.as_str(),
        "block_number": long(anchor.block_number),
        "block_id": anchor.block_id.as_str(),
    };
    if let Some(contract) = &anchor.contract {
        document.append(cstr!("contract"), contract.as_str());
    }
    Record { id, document }
}

/// A chunk of the session that the entry at `sealed` is about.
pub(crate) fn chunk(
    node: NodeId,
    session: SessionId,
    sealed: EntryIndex,
    chunk: &ManifestChunk,
) -> Record {
    let id = chunk_id(node, session, chunk.index);
    let document = rawdoc! {
        "_id": id.as_str(),
        "node_id": node.to_string(),
        "session_id": session.to_string(),
        "idx": i64::from(chunk.index.0),
        "chunk_root": chunk.chunk_root.to_string(),
        "codec": i64::from(chunk.codec.number()),
        "payload_bytes": i64::from(chunk.payload_bytes),
        "plain_bytes": i64::from(chunk.plain_bytes),
        "log_index": long(sealed.0),
    };
    Record { id, document }
}

/// An account as the entry at `index` left it.
pub(crate) fn user(node: NodeId, index: EntryIndex, user: &UserChanged) -> Record {
    let id = format!("{node}/{}", user.user);
    let document = rawdoc! {
        "_id": id.as_str(),
        "node_id": node.to_string(),
        "user": user.user.as_str(),
        "role": user.role.as_str(),
        "revoked": user.revoked,
        "by": user.by.as_str(),
        "at": date(user.at),
        "log_index": long(index.0),
    };
    Record { id, document }
}
