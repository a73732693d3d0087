//! Which sessions have chunks, and which chunks those are: the log says the one, the index the other.

use std::{collections::HashMap, path::Path};

use lucid_core::{
    EntryIndex, Hash, SessionId, chunk::ChunkSummary, entry::Entry, merkle::CompactRange,
};
use lucid_store::{Disk, IndexReader, LogReader, NodeKey, SessionFolders};

use super::report::Count;
use crate::error::ArchiveError;

/// A session whose chunks are to be somewhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Wanted {
    pub(super) session: SessionId,
    /// Root and number of its chunks, where it is sealed.
    pub(super) sealed: Option<(Hash, u32)>,
}

/// The sessions that are open or sealed by the log in `data`, in the order of their ids. A node may run on it.
///
/// # Errors
/// The log's, the operating system's.
pub(super) fn wanted(data: &Path) -> Result<Vec<Wanted>, ArchiveError> {
    let key = NodeKey::load(&data.join("secrets"))?;
    let log = LogReader::open(&data.join("log"), key.log_key().verifier_key())?;
    let mut sessions = HashMap::new();
    for bytes in log.entries(EntryIndex(0)..EntryIndex(log.size()))? {
        // What no entry of this version is says nothing about sessions.
        let Ok(entry) = Entry::parse(&bytes?) else { continue };
        match entry {
            Entry::SessionOpened(entry) => {
                sessions.insert(entry.session_id, None);
            }
            Entry::SessionSealed(entry) => {
                sessions.insert(entry.session_id, Some((entry.merkle_root, entry.chunk_count)));
            }
            Entry::SessionVoided(entry) => {
                sessions.remove(&entry.session_id);
            }
            Entry::SessionErased(entry) => {
                sessions.remove(&entry.session_id);
            }
            _ => (),
        }
    }
    let mut wanted: Vec<_> =
        sessions.into_iter().map(|(session, sealed)| Wanted { session, sealed }).collect();
    wanted.sort_unstable_by_key(|wanted| wanted.session);
    Ok(wanted)
}

/// A session's acknowledged chunks, in order. Of a sealed one they are those of the log's entry, all of them; of an
/// open one those up to the first record that is not whole.
///
/// # Errors
/// [`ArchiveError::Session`] where the index is not there, or not what was sealed.
pub(super) fn chunks(
    data: &Path,
    wanted: Wanted,
) -> Result<impl Iterator<Item = ChunkSummary> + use<>, ArchiveError> {
    let session = wanted.session;
    let refused = |reason: String| ArchiveError::Session { session, reason };
    let folders = SessionFolders::new(data.join("sessions"), Disk::default());
    let path = folders.index_path(session);
    let open = || {
        IndexReader::open(&path, session)
            .map_err(|error| refused(format!("its index cannot be read: {error}")))
    };
    if let Some((root, count)) = wanted.sealed {
        let mut tree = CompactRange::new();
        for chunk in open()? {
            let chunk = chunk.map_err(|error| refused(format!("its index: {error}")))?;
            tree.push(chunk.session_leaf());
        }
        if (tree.root(), tree.len()) != (root, u64::from(count)) {
            return Err(refused(format!(
                "its index has {} chunks under {}, the log {count} under {root}",
                tree.len(),
                tree.root()
            )));
        }
    }
    Ok(open()?.map_while(Result::ok))
}

/// Chunks read from an index at once.
const BATCH_CHUNKS: usize = 4096;

/// A session's chunks, some thousand at a time, read where it may block.
pub(super) struct Batches(Option<Box<dyn Iterator<Item = ChunkSummary> + Send>>);

impl Batches {
    /// As [`chunks`].
    async fn open(data: &Path, wanted: Wanted) -> Result<Self, ArchiveError> {
        let data = data.to_owned();
        let chunks = blocking(move || chunks(&data, wanted)).await?;
        Ok(Self(Some(Box::new(chunks))))
    }

    /// The same; a session that cannot be read is counted as lost, and the others go on.
    pub(super) async fn counted(
        data: &Path,
        wanted: Wanted,
        count: &mut Count<'_>,
    ) -> Result<Option<Self>, ArchiveError> {
        match Self::open(data, wanted).await {
            Ok(batches) => Ok(Some(batches)),
            Err(error) => count.lost(error).map(|()| None),
        }
    }

    /// The next ones; none at the end.
    pub(super) async fn next(&mut self) -> Result<Vec<ChunkSummary>, ArchiveError> {
        let Some(mut chunks) = self.0.take() else { return Ok(Vec::new()) };
        let (chunks, batch) = blocking(move || {
            let batch: Vec<_> = chunks.by_ref().take(BATCH_CHUNKS).collect();
            Ok((chunks, batch))
        })
        .await?;
        if !batch.is_empty() {
            self.0 = Some(chunks);
        }
        Ok(batch)
    }
}

/// Runs what reads or writes files where that keeps no other task waiting.
///
/// # Errors
/// Its own; where the runtime ends meanwhile, one that says so.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ArchiveError> + Send + 'static,
) -> Result<T, ArchiveError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(cancelled) => Err(ArchiveError::Io {
                doing: "go on with",
                path: "the chunks".into(),
                source: std::io::Error::other(cancelled),
            }),
        },
    }
}
