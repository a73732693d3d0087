//! What a node has said, in MongoDB too: the sync of log and manifests to a database that many nodes share.
//!
//! This crate owns what a document is ([`Collection`] says which there are), how it is brought into the database,
//! how both sides are compared, and how a node that lost its disk reads back what it had. It leaves to others where
//! the log, the manifests and the cursors are: [`Source`] and [`Cursors`] are theirs to implement.
//!
//! How it goes: each collection has a cursor, a place in the log. A task for each reads on from there, makes
//! documents of a page of entries, writes them with majority write concern, and moves the cursor when the majority
//! has them. The log is the outbox; nothing waits for any of this.
//!
//! Invariants:
//! - a document is made of log entries and manifests alone, so sending it again changes nothing;
//! - every filter that writes names the node. A document that another node has under one of our ids is told, and
//!   never touched;
//! - a session's document keeps of each step the first entry that said it, so an old replay takes no state back;
//! - at most two batches a collection are in memory, whatever the backlog;
//! - nothing read back is believed before the log's root over it was signed by the node ([`ReadBack`]);
//! - no address of a database is printed with its password.
//!
//! A crash loses at most a cursor's last move; what is then sent again is there already.

mod anchor;
mod batch;
mod build;
mod compare;
mod document;
mod fault;
mod lane;
mod manifest;
mod options;
mod ports;
mod prepare;
mod read_back;
mod schema;
mod session;
mod setup;
mod status;
mod status_lane;
mod sync;
mod walk;
mod window;
mod write;

pub use self::{
    compare::{CollectionReport, Difference, DifferenceKind, Progress, Report},
    document::Collection,
    fault::{Fault, FaultKind, Retry},
    manifest::{ManifestHead, head_of},
    options::{BatchLimits, MongoUrl, Options, OptionsError, Pauses, Socks5},
    ports::{Cursor, Cursors, Identity, Page, PortError, Source},
    read_back::{GoneSession, Had, LossReport, ManifestState, ReadBack, ReadBackError, stored_key},
    setup::{ADMINISTRATOR, Setup, SetupReport},
    status::{CollectionStatus, LastFault, Status},
    sync::Sync,
};
