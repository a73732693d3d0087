//! A data folder with a long log and the manifests of its sessions, of which MongoDB has nothing yet.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::sealed;

/// Of a session: the two entries of the log and its own.
const DOCUMENTS: u64 = 3;

/// How long a backlog is.
#[derive(Clone, Copy)]
pub(super) struct Backlog {
    /// Sessions, all sealed.
    pub(super) sessions: u64,
    /// Chunks of each.
    pub(super) chunks: u32,
}

impl Backlog {
    /// The shortest one of so many documents or more.
    pub(super) fn of(documents: u64, chunks: u32) -> Self {
        Self { sessions: documents.div_ceil(DOCUMENTS + u64::from(chunks)), chunks }
    }

    /// Documents that it makes, but for what the node says of itself.
    pub(super) fn documents(self) -> u64 {
        self.sessions * (DOCUMENTS + u64::from(self.chunks))
    }

    /// Its data folder in `folder`: found from an earlier run, or made.
    pub(super) fn ensure(self, folder: &Path) -> Result<PathBuf> {
        sealed::ensure(folder, self.sessions, self.chunks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_the_documents_that_were_asked_for() {
        for (documents, chunks, sessions, found) in
            [(1_000_000, 12, 66_667, 1_000_005), (1_000_000, 1, 250_000, 1_000_000)]
        {
            let backlog = Backlog::of(documents, chunks);
            assert_eq!((backlog.sessions, backlog.documents()), (sessions, found));
        }
    }
}
