//! Import: chunks that are not here are fetched, compared with what their session committed to, and only then named.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_util::{StreamExt, stream};
use lucid_core::chunk::ChunkSummary;
use lucid_store::{ChunkFiles, DataFolder, Disk, FolderKind, StoreError};
use object_store::{Error, ObjectStoreExt};

use super::{
    Place, Progress, Report, committed, export,
    remote::refusal,
    report::Count,
    sessions::{self, Batches, Wanted, blocking},
};
use crate::error::{ArchiveError, Doing};

/// Fetches the chunks that the sessions of the data folder `data` have by its log and are not here. The folder is locked
/// meanwhile: no node runs on it. A chunk that is here is left as it is where its length and its first 104 bytes are
/// right; with `deep`, only where all of it is, and one that is altered is fetched again.
///
/// A chunk's file gets its name when it is whole, was found to be the one committed to, and is on the disk; it is counted
/// when its name is. Chunks that are missing or altered there are in the report's losses.
///
/// # Errors
/// As [`export`](super::export()); the folder's, [`ArchiveError::NoRoom`], the disk's.
pub async fn import(
    data: &Path,
    place: &Place,
    deep: bool,
    disk: &Disk,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Report, ArchiveError> {
    let path = data.to_owned();
    let (folder, wanted) = blocking(move || {
        let folder = DataFolder::open(&path, FolderKind::Node)?;
        Ok((folder, sessions::wanted(&path)?))
    })
    .await?;
    export::reach(place).await?;
    let here = Here { folder: Arc::new(folder), disk: disk.clone(), deep };
    let mut count = Count::new(wanted.len(), progress);
    for wanted in wanted {
        let whole = here.session(place, wanted, &mut count).await?;
        count.session(whole);
    }
    Ok(count.report)
}

/// The data folder that chunks come to.
#[derive(Clone)]
struct Here {
    folder: Arc<DataFolder>,
    disk: Disk,
    deep: bool,
}

impl Here {
    /// Whether all of the session's chunks are here now.
    async fn session(
        &self,
        place: &Place,
        wanted: Wanted,
        count: &mut Count<'_>,
    ) -> Result<bool, ArchiveError> {
        let Some(mut batches) = Batches::counted(self.folder.path(), wanted, count).await? else {
            return Ok(false);
        };
        if wanted.sealed.is_none() {
            // It goes on only where it has a folder, also where it had no chunk yet.
            let this = self.clone();
            blocking(move || this.prepare(wanted, 0)).await?;
        }
        let mut whole = true;
        loop {
            let batch = batches.next().await?;
            if batch.is_empty() {
                return Ok(whole);
            }
            let (size, this) = (batch.len() as u64, self.clone());
            let missing = blocking(move || this.missing(batch)).await?;
            count.there(size - missing.len() as u64);
            if missing.is_empty() {
                continue;
            }
            let this = self.clone();
            let needed = missing.iter().map(|chunk| chunk.layout().file_bytes()).sum();
            blocking(move || this.prepare(wanted, needed)).await?;
            let fetching = missing.into_iter().map(|chunk| self.fetch(place, chunk));
            let mut fetched = stream::iter(fetching).buffer_unordered(place.at_once());
            let mut arrived = Vec::new();
            let mut failed = None;
            while let Some(bytes) = fetched.next().await {
                match bytes.map(Some).or_else(|error| count.lost(error).map(|()| None)) {
                    Ok(Some(bytes)) => arrived.push(bytes),
                    Ok(None) => whole = false,
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                }
            }
            drop(fetched);
            // Also where it ends here: what arrived is whole, and is not fetched again.
            let this = self.clone();
            blocking(move || this.sync(wanted)).await?;
            for bytes in arrived {
                count.moved(bytes);
            }
            if let Some(error) = failed {
                return Err(error);
            }
        }
    }

    fn files(&self) -> ChunkFiles {
        ChunkFiles::new(self.folder.join("chunks"), self.disk.clone())
    }

    /// Those of the chunks that are not here, or not as they should be.
    fn missing(&self, chunks: Vec<ChunkSummary>) -> Result<Vec<ChunkSummary>, ArchiveError> {
        let mut missing = Vec::new();
        for chunk in chunks {
            if !self.has(&chunk)? {
                missing.push(chunk);
            }
        }
        Ok(missing)
    }

    fn has(&self, chunk: &ChunkSummary) -> Result<bool, ArchiveError> {
        let prefix = match self.files().read_prefix(chunk.header.session, chunk.header.index) {
            Err(StoreError::ChunkMissing { .. } | StoreError::Damaged { .. }) => return Ok(false),
            prefix => prefix?,
        };
        let expected = (chunk.header, chunk.salt, chunk.commitment);
        let begins = (prefix.header, prefix.salt, prefix.commitment) == expected;
        let chunks = || self.folder.join("chunks");
        Ok(begins && (!self.deep || export::read(chunks(), chunk).is_ok()))
    }

    /// Makes the session's folder, where there is room for so many bytes.
    fn prepare(&self, wanted: Wanted, needed: u64) -> Result<(), ArchiveError> {
        let path = self.folder.join("chunks");
        let free = self.folder.free_bytes()?.saturating_sub(self.folder.reserve_bytes()?);
        if free < needed {
            return Err(ArchiveError::NoRoom { path, free, needed });
        }
        let folder = self.files().folder(wanted.session);
        self.disk.make_folder(&folder).doing("create", &folder)
    }

    /// Brings the names of the session's chunks to the disk.
    fn sync(&self, wanted: Wanted) -> Result<(), ArchiveError> {
        let folder = self.files().folder(wanted.session);
        self.disk.sync_folder(&folder).doing("sync", &folder)
    }

    /// Fetches a chunk and gives it its name, which is not yet durable. Gives the file's length.
    async fn fetch(&self, place: &Place, chunk: ChunkSummary) -> Result<u64, ArchiveError> {
        let bytes = get(place, &chunk).await?;
        let length = bytes.len() as u64;
        let path: PathBuf = self.files().path(chunk.header.session, chunk.header.index);
        let disk = self.disk.clone();
        blocking(move || disk.write_file_unsynced_name(&path, &bytes).doing("write", &path))
            .await?;
        Ok(length)
    }
}

/// A chunk's object, whole and as it was committed to.
pub(super) async fn get(place: &Place, chunk: &ChunkSummary) -> Result<bytes::Bytes, ArchiveError> {
    let (session, index) = (chunk.header.session, chunk.header.index);
    let lost = |reason: String| ArchiveError::Chunk { session, index, reason };
    let object = place.chunk(session, index, chunk.session_leaf());
    let failed = |error: &Error| match (error, refusal(place, "fetching a chunk", error)) {
        (_, refused @ (ArchiveError::NoPlace { .. } | ArchiveError::Access { .. })) => refused,
        (Error::NotFound { .. }, _) => lost(format!("it is not at {place}")),
        (_, refused) => refused,
    };
    let found = place.store().get(&object).await.map_err(|error| failed(&error))?;
    // Before it is fetched, and while it is: nobody makes this node hold more than a chunk.
    let (size, expected) = (found.meta.size, chunk.layout().file_bytes());
    if size != expected {
        return Err(lost(format!("at {place} it has {size} bytes instead of {expected}")));
    }
    let (mut pieces, mut bytes) = (found.into_stream(), Vec::with_capacity(expected as usize));
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| failed(&error))?;
        if piece.len() > expected as usize - bytes.len() {
            return Err(lost(format!("at {place} it has more than the {expected} bytes it said")));
        }
        bytes.extend_from_slice(&piece);
    }
    let bytes = bytes::Bytes::from(bytes);
    let (chunk, place) = (*chunk, place.to_string());
    blocking(move || match committed::check(&bytes, &chunk) {
        Ok(()) => Ok(bytes),
        Err(reason) => {
            let reason = format!("at {place} it was altered: {reason}");
            Err(ArchiveError::Chunk { session, index, reason })
        }
    })
    .await
}
