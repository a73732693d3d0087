//! The log, the manifests and the cursors of the sync, over the node's ports and its folder.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    path::Path,
    sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use lucid_api::{
    Code, Problem,
    ports::{ENTRIES_MAX, LogHead, Sessions, TransparencyLog},
};
use lucid_core::{
    ChunkIndex, EntryIndex, Hash, SessionId,
    manifest::{Manifest, ManifestChunk},
    merkle::TreeHead,
};
use lucid_mongo::{
    Collection, Cursor, Cursors, Identity, ManifestHead, Page, PortError, Source, head_of,
};
use lucid_store::{Disk, SmallFile};
use serde::{Deserialize, Serialize};
use tokio::{runtime::Handle, sync::Mutex};

use super::recordings::Recordings;
use crate::services::{cpu::Pool, problem::of_store};

/// Bytes of the file of cursors: some lines.
const CURSORS_BYTES_MAX: u64 = 64 << 10;

fn port(problem: Problem) -> PortError {
    PortError(problem.detail)
}

/// A manifest, where it is there, can be read, and is sound. What says nothing about this one, as that the other
/// service is away, is no answer.
fn parsed(session: SessionId, read: Result<Bytes, Problem>) -> Result<Option<Manifest>, Problem> {
    let error = match read {
        Ok(bytes) => match Manifest::parse(&bytes) {
            Ok(manifest) => return Ok(Some(manifest)),
            Err(error) => error.to_string(),
        },
        Err(problem) => match problem.code {
            Code::Unavailable | Code::BadGateway | Code::Timeout => return Err(problem),
            _ => problem.detail,
        },
    };
    tracing::warn!(
        %session,
        error,
        "a manifest cannot be read: put it back, then lucid-node sync rebuild sends what it says"
    );
    Ok(None)
}

/// The log and the manifests.
pub(super) struct LoggedSource {
    identity: Identity,
    log: Arc<dyn TransparencyLog>,
    sessions: Arc<dyn Sessions>,
    pool: Pool,
    /// Where the log and the manifests are read: whoever reads them has a turn, or a lock, that others wait for.
    home: Handle,
    manifests: StdMutex<Manifests>,
    recordings: Arc<Recordings>,
}

impl LoggedSource {
    /// Reads on the runtime that this is called on.
    pub(super) fn new(
        identity: Identity,
        log: Arc<dyn TransparencyLog>,
        sessions: Arc<dyn Sessions>,
        pool: Pool,
        recordings: Arc<Recordings>,
    ) -> Self {
        let (home, manifests) = (Handle::current(), StdMutex::default());
        Self { identity, log, sessions, pool, home, manifests, recordings }
    }

    /// A session's manifest; nothing where it is lost or damaged.
    async fn read(&self, session: SessionId) -> Result<Option<Arc<Manifest>>, PortError> {
        if let Some(manifest) = self.manifests().get(session) {
            return Ok(Some(manifest));
        }
        let sessions = Arc::clone(&self.sessions);
        let read = self.at_home(async move { sessions.manifest(session).await }).await?;
        let manifest = self.pool.run(move || parsed(session, read));
        let manifest = manifest.await.map_err(port)?.map(Arc::new);
        if let Some(manifest) = &manifest {
            self.manifests().put(session, Arc::clone(manifest));
        }
        Ok(manifest)
    }

    /// The heads of some sessions' manifests, each in its place; nothing where one is lost or damaged. No more of
    /// the manifests than [`Manifests`] keeps are in memory, however long they are.
    async fn heads(
        &self,
        sessions: &[(SessionId, Hash)],
    ) -> Result<Vec<Option<ManifestHead>>, PortError> {
        let mut heads: Vec<_> = {
            let kept = self.manifests();
            sessions.iter().map(|(session, _)| kept.get(*session).map(|it| head_of(&it))).collect()
        };
        let mut missing: Vec<usize> = (0..heads.len()).collect();
        missing.retain(|place| heads[*place].is_none());
        let mut rest = &missing[..];
        while !rest.is_empty() {
            let asked: Vec<_> = rest.iter().map(|place| sessions[*place]).collect();
            let from = Arc::clone(&self.sessions);
            let read = self.at_home(async move { from.manifests(&asked).await });
            let read = read.await?.map_err(port)?;
            if read.is_empty() || read.len() > rest.len() {
                let text = format!("{} manifests were read, of {}", read.len(), rest.len());
                return Err(PortError(text));
            }
            let (now, later) = rest.split_at(read.len());
            let ids: Vec<_> = now.iter().map(|place| sessions[*place].0).collect();
            let parse =
                move || ids.into_iter().zip(read).map(|(id, read)| parsed(id, read)).collect();
            let manifests: Vec<_> = self.pool.run(parse).await.map_err(port)?;
            for (place, manifest) in now.iter().zip(manifests) {
                let Some(manifest) = manifest.map(Arc::new) else { continue };
                heads[*place] = Some(head_of(&manifest));
                self.manifests().put(sessions[*place].0, manifest);
            }
            rest = later;
        }
        Ok(heads)
    }

    async fn log_head(&self) -> Result<LogHead, PortError> {
        let log = Arc::clone(&self.log);
        self.at_home(async move { log.head().await }).await?.map_err(port)
    }

    async fn at_home<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, PortError> {
        self.home.spawn(work).await.map_err(|error| PortError(format!("the log: {error}")))
    }

    fn manifests(&self) -> MutexGuard<'_, Manifests> {
        // Each change leaves a list of manifests, whatever a panic leaves out.
        self.manifests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The manifests that were read last: two collections ask for each, and for its chunks page by page.
#[derive(Default)]
struct Manifests {
    kept: HashMap<SessionId, Arc<Manifest>>,
    /// The oldest first.
    order: VecDeque<SessionId>,
    chunks: usize,
}

impl Manifests {
    /// As many as one batch has, and what another asks for ahead.
    const COUNT_MAX: usize = 1 << 10;
    /// Chunks of all of them together, some MiB; a longer one is alone.
    const CHUNKS_MAX: usize = 1 << 16;

    fn get(&self, session: SessionId) -> Option<Arc<Manifest>> {
        self.kept.get(&session).map(Arc::clone)
    }

    fn put(&mut self, session: SessionId, manifest: Arc<Manifest>) {
        let chunks = manifest.chunks.len();
        if self.kept.insert(session, manifest).is_some() {
            return;
        }
        self.order.push_back(session);
        self.chunks += chunks;
        let is_full = |it: &Self| it.order.len() > Self::COUNT_MAX || it.chunks > Self::CHUNKS_MAX;
        while self.order.len() > 1 && is_full(self) {
            let oldest = self.order.pop_front().and_then(|oldest| self.kept.remove(&oldest));
            let chunks = oldest.map_or(0, |oldest| oldest.chunks.len());
            self.chunks = self.chunks.saturating_sub(chunks);
        }
    }
}

#[async_trait]
impl Source for LoggedSource {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn is_recording(&self) -> bool {
        self.recordings.go_on()
    }

    async fn head(&self) -> Result<TreeHead, PortError> {
        let head = self.log_head().await?;
        Ok(TreeHead { size: head.size, root: head.root })
    }

    async fn root_at(&self, size: u64) -> Result<Hash, PortError> {
        let head = self.log_head().await?;
        match size {
            0 => Ok(lucid_core::merkle::root(&[])),
            at if at == head.size => Ok(head.root),
            at => {
                let log = Arc::clone(&self.log);
                let proof = self.at_home(async move { log.consistency(at, head.size).await });
                Ok(proof.await?.map_err(port)?.from_root)
            }
        }
    }

    async fn checkpoint(&self) -> Result<String, PortError> {
        Ok(self.log_head().await?.checkpoint)
    }

    async fn entries(&self, from: EntryIndex, page: Page) -> Result<Vec<Vec<u8>>, PortError> {
        let (log, count) = (Arc::clone(&self.log), page.count_max.min(ENTRIES_MAX));
        let entries = self.at_home(async move { log.entries(from, count).await });
        let entries = entries.await?.map_err(port)?;
        let (mut bytes, mut taken) = (0, Vec::with_capacity(entries.len()));
        for entry in entries {
            bytes += entry.entry.len();
            if bytes > page.bytes_max && !taken.is_empty() {
                break;
            }
            taken.push(entry.entry.into_bytes());
        }
        Ok(taken)
    }

    async fn manifest(&self, session: SessionId) -> Result<Option<ManifestHead>, PortError> {
        Ok(self.read(session).await?.map(|manifest| head_of(&manifest)))
    }

    async fn manifests(
        &self,
        sessions: &[(SessionId, Hash)],
    ) -> Result<Vec<Option<ManifestHead>>, PortError> {
        self.heads(sessions).await
    }

    async fn chunks(
        &self,
        session: SessionId,
        from: ChunkIndex,
        count_max: u32,
    ) -> Result<Vec<ManifestChunk>, PortError> {
        let gone = || PortError(format!("the manifest of session {session} is not there any more"));
        let manifest = self.read(session).await?.ok_or_else(gone)?;
        let page = manifest.chunks.iter().skip(from.0 as usize).take(count_max as usize);
        Ok(page.copied().collect())
    }
}

/// The cursors, in one file.
pub(super) struct CursorFile {
    file: SmallFile,
    pool: Pool,
    known: Mutex<Option<BTreeMap<String, Kept>>>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    entry: u64,
    chunk: u32,
}

impl CursorFile {
    pub(super) fn new(data: &Path, disk: &Disk, pool: Pool) -> Self {
        let file = SmallFile::at(data.join("sync").join("cursors"), CURSORS_BYTES_MAX, disk);
        Self { file, pool, known: Mutex::default() }
    }

    async fn load(&self) -> Result<BTreeMap<String, Kept>, PortError> {
        let file = self.file.clone();
        let bytes = self.pool.run(move || file.load().map_err(of_store)).await.map_err(port)?;
        let read = bytes.map(|bytes| serde_json::from_slice(&bytes)).transpose();
        // Sending again changes nothing: what is damaged is begun anew.
        Ok(read
            .unwrap_or_else(|error| {
                tracing::warn!(%error, "the sync's cursors are damaged: all is sent again");
                None
            })
            .unwrap_or_default())
    }
}

#[async_trait]
impl Cursors for CursorFile {
    async fn get(&self, of: Collection) -> Result<Cursor, PortError> {
        let mut known = self.known.lock().await;
        if known.is_none() {
            *known = Some(self.load().await?);
        }
        let kept = known.as_ref().and_then(|known| known.get(of.name()));
        Ok(kept
            .map_or_else(Cursor::default, |kept| Cursor { entry: kept.entry, chunk: kept.chunk }))
    }

    async fn put(&self, of: Collection, cursor: Cursor) -> Result<(), PortError> {
        let mut known = self.known.lock().await;
        let mut next = match &*known {
            Some(known) => known.clone(),
            None => self.load().await?,
        };
        let Cursor { entry, chunk } = cursor;
        next.insert(of.name().to_owned(), Kept { entry, chunk });
        let bytes = serde_json::to_vec(&next).map_err(|error| PortError(error.to_string()))?;
        let file = self.file.clone();
        self.pool.run(move || file.save(&bytes).map_err(of_store)).await.map_err(port)?;
        *known = Some(next);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_manifest_that_cannot_be_read_is_passed_over_and_a_service_that_is_away_is_not() {
        let session = "00000000-0000-4000-8000-000000000002".parse().unwrap();
        let failed = |code| parsed(session, Err(Problem::new(code, "it failed")));
        for code in [Code::Damaged, Code::NotFound, Code::Gone, Code::Internal] {
            assert_eq!(failed(code), Ok(None), "{code}");
        }
        for code in [Code::Unavailable, Code::BadGateway, Code::Timeout] {
            assert_eq!(failed(code).unwrap_err().code, code);
        }
        assert_eq!(parsed(session, Ok(Bytes::from_static(b"{}"))), Ok(None));
    }
}
