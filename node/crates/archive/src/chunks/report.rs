//! What moved, what did not, and how fast.

use std::time::Instant;

use lucid_core::{ChunkIndex, SessionId};

use crate::error::ArchiveError;

/// Losses that are named; more are only counted.
const NAMED_MAX: usize = 1000;

/// A chunk, or all of a session where no chunk is named, that is not as it should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loss {
    /// The session.
    pub session: SessionId,
    /// The chunk.
    pub index: Option<ChunkIndex>,
    /// What is wrong.
    pub reason: String,
}

/// How far it is.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Sessions done.
    pub sessions: u64,
    /// Sessions in all.
    pub sessions_total: u64,
    /// Chunks that were moved, or read back.
    pub chunks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Chunks that were there already.
    pub chunks_there: u64,
    /// Bytes moved in a second, since the beginning.
    pub bytes_per_second: u64,
}

/// What came of it. Only what is whole, and durable where it was sent, is counted as moved.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Report {
    /// Sessions that were looked at.
    pub sessions: u64,
    /// Of these, those all of whose chunks are where they should be.
    pub sessions_whole: u64,
    /// Chunks moved, or read back.
    pub chunks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Chunks that were there already.
    pub chunks_there: u64,
    /// The first thousand of what is missing or altered.
    pub losses: Vec<Loss>,
    /// All of them.
    pub losses_count: u64,
}

/// Counts, and tells.
pub(super) struct Count<'a> {
    pub(super) report: Report,
    sessions_total: u64,
    begun: Instant,
    progress: &'a mut (dyn FnMut(Progress) + Send),
}

impl<'a> Count<'a> {
    pub(super) fn new(
        sessions_total: usize,
        progress: &'a mut (dyn FnMut(Progress) + Send),
    ) -> Self {
        let (report, begun) = (Report::default(), Instant::now());
        Self { report, sessions_total: sessions_total as u64, begun, progress }
    }

    pub(super) fn moved(&mut self, bytes: u64) {
        self.report.chunks += 1;
        self.report.bytes += bytes;
        self.tell();
    }

    pub(super) fn there(&mut self, chunks: u64) {
        self.report.chunks_there += chunks;
        self.tell();
    }

    pub(super) fn session(&mut self, whole: bool) {
        self.report.sessions += 1;
        self.report.sessions_whole += u64::from(whole);
        self.tell();
    }

    /// Takes up what is wrong with one chunk or session, so that the others go on; any other error ends it all.
    pub(super) fn lost(&mut self, error: ArchiveError) -> Result<(), ArchiveError> {
        let loss = match error {
            ArchiveError::Chunk { session, index, reason } => {
                Loss { session, index: Some(index), reason }
            }
            ArchiveError::Session { session, reason } => Loss { session, index: None, reason },
            error => return Err(error),
        };
        self.report.losses_count += 1;
        if self.report.losses.len() < NAMED_MAX {
            self.report.losses.push(loss);
        }
        Ok(())
    }

    fn tell(&mut self) {
        let Report { sessions, chunks, bytes, chunks_there, .. } = self.report;
        let millis = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        let bytes_per_second = bytes.saturating_mul(1000) / millis;
        let sessions_total = self.sessions_total;
        (self.progress)(Progress {
            sessions,
            sessions_total,
            chunks,
            bytes,
            chunks_there,
            bytes_per_second,
        });
    }
}
