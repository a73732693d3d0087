//! Export: what is not there yet is read, compared with what its session committed to, and sent.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use lucid_core::{ChunkIndex, Hash, SessionId, chunk::ChunkSummary, json};
use lucid_store::{ChunkFiles, Disk};
use object_store::{ObjectStoreExt, PutPayload};
use serde::Serialize;

use super::{
    Place, Progress, Report, committed,
    place::{parse_chunk, parse_whole},
    remote::refusal,
    report::Count,
    sessions::{self, Batches, Wanted, blocking},
};
use crate::error::ArchiveError;

/// Sends the chunks of the data folder `data` to `place`: those of sealed sessions, and what open ones have
/// acknowledged. What is there with its name and length is not sent again. A node may run on the folder meanwhile; a
/// session that it erases meanwhile is reported as lost.
///
/// Chunks that are missing or altered here are in the report's losses, and the others are sent all the same.
///
/// Dropped half way, it leaves whole objects, and a later export goes on from there.
///
/// # Errors
/// [`ArchiveError::Access`], [`ArchiveError::NoPlace`], [`ArchiveError::Remote`] after its retries; the log's, the
/// operating system's.
pub async fn export(
    data: &Path,
    place: &Place,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Report, ArchiveError> {
    let folder = data.to_owned();
    let wanted = blocking(move || sessions::wanted(&folder)).await?;
    let marked = marked(place, wanted.len() as u64).await?;
    let mut count = Count::new(wanted.len(), progress);
    for wanted in wanted {
        if let Some((root, chunks)) = wanted.sealed
            && marked.contains(&(wanted.session, root))
        {
            count.there(u64::from(chunks));
            count.session(true);
            continue;
        }
        let whole = export_session(data, place, wanted, &mut count).await?;
        count.session(whole);
    }
    Ok(count.report)
}

/// Asks whether the place is there and lets itself be asked, before anything else is done.
pub(super) async fn reach(place: &Place) -> Result<(), ArchiveError> {
    match place.store().list(Some(&place.wholes())).next().await {
        Some(Err(error)) => Err(refusal(place, "listing what is there", &error)),
        Some(Ok(_)) | None => Ok(()),
    }
}

/// Objects that may be in a folder beside those that should: other nodes', and what was sealed again.
const OTHERS_MAX: u64 = 1_000_000;

/// What is below `prefix`, as far as `take` makes something of its name and length. It has `expected` objects of ours at the most:
/// a listing that goes on and on is a server's that means no good.
async fn listed<T>(
    place: &Place,
    prefix: &object_store::path::Path,
    expected: u64,
    take: impl Fn(&str, u64) -> Option<T>,
) -> Result<Vec<T>, ArchiveError> {
    const DOING: &str = "listing what is there";
    let mut objects = place.store().list(Some(prefix));
    let (mut found, mut left) = (Vec::new(), expected.saturating_add(OTHERS_MAX));
    while let Some(object) = objects.next().await {
        let object = object.map_err(|error| refusal(place, DOING, &error))?;
        left = left.checked_sub(1).ok_or_else(|| ArchiveError::Remote {
            place: place.to_string(),
            doing: DOING,
            code: "it names more objects than can be there".to_owned(),
        })?;
        found.extend(object.location.filename().and_then(|name| take(name, object.size)));
    }
    Ok(found)
}

/// Sessions that were sent whole, with their roots.
async fn marked(place: &Place, sessions: u64) -> Result<HashSet<(SessionId, Hash)>, ArchiveError> {
    let names = listed(place, &place.wholes(), sessions, |name, _| parse_whole(name)).await?;
    Ok(names.into_iter().collect())
}

/// What is there of a session: chunks by place and leaf, with their lengths.
async fn there(
    place: &Place,
    wanted: Wanted,
) -> Result<HashMap<(ChunkIndex, Hash), u64>, ArchiveError> {
    let chunks = wanted.sealed.map_or(u32::MAX, |(_, chunks)| chunks);
    let prefix = place.session(wanted.session);
    let found = listed(place, &prefix, chunks.into(), |name, length| {
        parse_chunk(name).map(|name| (name, length))
    });
    Ok(found.await?.into_iter().collect())
}

/// Whether all of the session's chunks are there now.
async fn export_session(
    data: &Path,
    place: &Place,
    wanted: Wanted,
    count: &mut Count<'_>,
) -> Result<bool, ArchiveError> {
    let Some(mut batches) = Batches::counted(data, wanted, count).await? else { return Ok(false) };
    let there = there(place, wanted).await?;
    let (mut whole, mut file_bytes) = (true, 0);
    loop {
        let batch = batches.next().await?;
        if batch.is_empty() {
            break;
        }
        let size = batch.len() as u64;
        file_bytes += batch.iter().map(|chunk| chunk.layout().file_bytes()).sum::<u64>();
        let missing: Vec<_> = batch.into_iter().filter(|chunk| !is_there(&there, chunk)).collect();
        count.there(size - missing.len() as u64);
        let chunks = data.join("chunks");
        let sending = missing.into_iter().map(|chunk| send(place, chunks.clone(), chunk));
        let mut sent = stream::iter(sending).buffer_unordered(place.at_once());
        while let Some(sent) = sent.next().await {
            match sent {
                Ok(bytes) => count.moved(bytes),
                Err(error) => {
                    count.lost(error)?;
                    whole = false;
                }
            }
        }
    }
    if let (true, Some((merkle_root, chunk_count))) = (whole, wanted.sealed) {
        let session_id = wanted.session;
        let mark = Mark { chunk_count, file_bytes, merkle_root, session_id, version: 1 };
        let object = place.whole(session_id, merkle_root);
        let put = place.store().put(&object, PutPayload::from(json::to_canonical(&mark))).await;
        put.map_err(|error| refusal(place, "sending a session's mark", &error))?;
    }
    Ok(whole)
}

/// The content of `whole/…`, fields in the order of their names. Its name says as much as a program needs.
#[derive(Serialize)]
struct Mark {
    chunk_count: u32,
    file_bytes: u64,
    merkle_root: Hash,
    session_id: SessionId,
    version: u32,
}

pub(super) fn is_there(there: &HashMap<(ChunkIndex, Hash), u64>, chunk: &ChunkSummary) -> bool {
    let name = (chunk.header.index, chunk.session_leaf());
    there.get(&name) == Some(&chunk.layout().file_bytes())
}

async fn send(place: &Place, chunks: PathBuf, chunk: ChunkSummary) -> Result<u64, ArchiveError> {
    let bytes = blocking(move || read(chunks, &chunk)).await?;
    let (session, index) = (chunk.header.session, chunk.header.index);
    let (object, length) = (place.chunk(session, index, chunk.session_leaf()), bytes.len() as u64);
    let put = place.store().put(&object, PutPayload::from(Bytes::from(bytes))).await;
    put.map_err(|error| refusal(place, "sending a chunk", &error))?;
    Ok(length)
}

/// A chunk's file, if it is what was acknowledged.
pub(super) fn read(chunks: PathBuf, chunk: &ChunkSummary) -> Result<Vec<u8>, ArchiveError> {
    use std::io::Read;
    let (session, index) = (chunk.header.session, chunk.header.index);
    let lost = |reason: String| ArchiveError::Chunk { session, index, reason };
    let files = ChunkFiles::new(chunks, Disk::default());
    let (file, found) =
        files.open(session, index).map_err(|error| lost(format!("it is not here: {error}")))?;
    let expected = chunk.layout().file_bytes();
    if found != expected {
        return Err(lost(format!("its file has {found} bytes instead of {expected}")));
    }
    let mut bytes = Vec::with_capacity(expected as usize);
    let read = file.take(expected).read_to_end(&mut bytes);
    read.map_err(|error| lost(format!("it cannot be read: {error}")))?;
    committed::check(&bytes, chunk).map_err(lost)?;
    Ok(bytes)
}
