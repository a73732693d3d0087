//! What a comparison found.

use lucid_core::{Hash, SessionId};

use crate::Collection;

/// Differences that are named; more are counted.
const NAMED_MAX: usize = 1000;

/// How far a comparison is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// The collection being compared.
    pub collection: Collection,
    /// Documents of it that were compared.
    pub documents: u64,
}

/// What is wrong with a document.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum DifferenceKind {
    /// It is not there.
    Missing,
    /// It says that it is this node's, and is nothing that the node sent.
    Extra,
    /// It is not what it should be.
    Altered,
    /// A document that is not this node's has the id of one that is. It is not touched.
    Foreign,
}

/// A document that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Where.
    pub collection: Collection,
    /// Its `_id`.
    pub id: String,
    /// What is wrong with it.
    pub kind: DifferenceKind,
}

/// A collection as it was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CollectionReport {
    /// Which.
    pub collection: Collection,
    /// Documents that should be there.
    pub expected: u64,
    /// Documents of the node that are there.
    pub stored: u64,
    /// Digest over what should be there, in the order of ids: from H(empty), H(digest ‖ H(document)), fields sorted.
    pub expected_digest: Hash,
    /// The same over what is there.
    pub stored_digest: Hash,
}

/// What a comparison found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// Entries of the log on both sides.
    pub log_size: u64,
    /// Each collection that was compared.
    pub collections: Vec<CollectionReport>,
    /// The first 1,000 differences.
    pub differences: Vec<Difference>,
    /// All of them, counted.
    pub differences_count: u64,
    /// Documents that were put, put right, or taken away.
    pub mended: u64,
    /// The first 1,000 sealed sessions whose own manifest could not be read: their manifest and chunks were not
    /// compared, and are left as they are.
    pub unreadable: Vec<SessionId>,
    /// All of them, counted.
    pub unreadable_count: u64,
}

impl Report {
    pub(crate) fn new(log_size: u64) -> Self {
        Self {
            log_size,
            collections: Vec::new(),
            differences: Vec::new(),
            differences_count: 0,
            mended: 0,
            unreadable: Vec::new(),
            unreadable_count: 0,
        }
    }

    /// Whether everything that was compared is what it should be.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.differences_count == 0
    }

    pub(crate) fn differs(&mut self, collection: Collection, id: &str, kind: DifferenceKind) {
        self.differences_count += 1;
        if self.differences.len() < NAMED_MAX {
            self.differences.push(Difference { collection, id: id.to_owned(), kind });
        }
    }

    pub(crate) fn unreadable(&mut self, session: SessionId) {
        self.unreadable_count += 1;
        if self.unreadable.len() < NAMED_MAX {
            self.unreadable.push(session);
        }
    }
}
