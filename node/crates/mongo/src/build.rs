//! Making batches of a page of the log, for each collection.

use std::{
    collections::{BTreeMap, btree_map},
    sync::Arc,
};

use lucid_core::{
    ChunkIndex, EntryIndex, Hash, NodeId, SessionId,
    entry::{Entry, SessionSealed, UserChanged},
};
use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};

use crate::{
    BatchLimits, Collection, Cursor, ManifestHead, Page, Source,
    anchor::Anchor,
    batch::{Batch, Marked, Room, Work},
    document::{self, Record, long},
    fault::{Fault, FaultKind},
    session::{Session, merge_anchor},
    write::Update,
};

/// Manifests asked for at the same time.
const MANIFESTS_AT_ONCE: usize = 16;
/// What a document needs beside its entry's text, about, in bytes.
const OVERHEAD_BYTES: usize = 256;

/// What makes batches.
#[derive(Clone)]
pub(crate) struct Maker {
    pub(crate) of: Collection,
    pub(crate) node: NodeId,
    pub(crate) source: Arc<dyn Source>,
    pub(crate) limits: BatchLimits,
}

impl Maker {
    /// The batch from `from` on, within the log's first `size` entries; `None` where there is nothing left.
    pub(crate) async fn batch(&self, from: Cursor, size: u64) -> Result<Option<Batch>, Fault> {
        if from.entry >= size {
            return Ok(None);
        }
        let left = u32::try_from(size - from.entry).unwrap_or(u32::MAX);
        let page = Page {
            count_max: self.limits.documents_max.clamp(1, left),
            bytes_max: self.limits.bytes_max,
        };
        let entries = self.source.entries(EntryIndex(from.entry), page).await?;
        if entries.is_empty() || entries.len() > page.count_max as usize {
            let text =
                format!("the log gave {} entries from {} on, of {size}", entries.len(), from.entry);
            return Err(Fault::new(FaultKind::Node, text));
        }
        match self.of {
            Collection::Chunks => self.chunks(from, size, entries).await.map(Some),
            Collection::Sessions => self.sessions(from, size, entries).await.map(Some),
            _ => {
                let (of, node, limits) = (self.of, self.node, self.limits);
                let work = move || plain(of, node, limits, from, size, &entries);
                blocking(work).await?.map(Some)
            }
        }
    }

    async fn sessions(
        &self,
        from: Cursor,
        size: u64,
        entries: Vec<Vec<u8>>,
    ) -> Result<Batch, Fault> {
        let limits = self.limits;
        let folded = blocking(move || fold_sessions(limits, from, &entries)).await??;
        let Folded { mut sessions, anchor, oldest, next } = folded;
        for some in sessions.chunks_mut(MANIFESTS_AT_ONCE) {
            let sealed = some.iter().filter_map(|it| Some((it.id, it.sealed?.manifest_hash)));
            let heads = self.manifests(&sealed.collect::<Vec<_>>()).await?;
            let sealed = some.iter_mut().filter(|session| session.sealed.is_some());
            for (session, head) in sealed.zip(heads) {
                head.map_or(Ok(()), |head| session.take_manifest(&head))?;
            }
        }
        let mut work = Work::default();
        for session in sessions {
            let record = session.record(self.node);
            match session.is_whole() {
                true => work.new.push((record, session)),
                false => work.merges.push(session.update(&record)?),
            }
        }
        if let Some((index, anchor)) = &anchor {
            let pipeline = merge_anchor(*index, anchor)?;
            work.marked = Some(Marked { log_size: anchor.log_size, pipeline });
        }
        Ok(Batch { next, oldest, is_full: next.entry < size, unreadable: 0, work })
    }

    async fn chunks(&self, from: Cursor, size: u64, entries: Vec<Vec<u8>>) -> Result<Batch, Fault> {
        let mut room = Room::new(self.limits);
        let mut batch = Batch {
            next: from,
            oldest: None,
            is_full: false,
            unreadable: 0,
            work: Work::default(),
        };
        let sealed = move || {
            let sealed = (from.entry..).zip(&entries).map(|(index, bytes)| sealed_at(bytes, index));
            sealed.collect::<Result<Vec<_>, _>>()
        };
        let sealed = blocking(sealed).await??;
        // Within a session its manifest alone: others would push a long one out of what the source keeps.
        let (begun, others) = sealed.split_at(usize::from(from.chunk > 0).min(sealed.len()));
        for some in begun.chunks(1).chain(others.chunks(MANIFESTS_AT_ONCE)) {
            // Asked for together, and waited for before anything else is: what is asked may have a turn that others
            // wait for.
            let there = self.have_manifests(some).await?;
            for (sealed, has_manifest) in some.iter().zip(there) {
                let index = batch.next.entry;
                if let Some(sealed) = sealed {
                    batch.oldest.get_or_insert(sealed.at);
                    let at = EntryIndex(index);
                    if !has_manifest {
                        batch.unreadable += 1;
                    } else if !self.session_chunks(at, sealed, &mut batch, &mut room).await? {
                        batch.is_full = true;
                        return Ok(batch);
                    }
                }
                batch.next = Cursor { entry: index + 1, chunk: 0 };
            }
        }
        batch.is_full |= batch.next.entry < size;
        Ok(batch)
    }

    /// Of each session that is sealed, whether its manifest is there; which is then at hand for whoever asks for its
    /// chunks.
    async fn have_manifests(&self, sealed: &[Option<SessionSealed>]) -> Result<Vec<bool>, Fault> {
        let ids = sealed.iter().flatten().map(|it| (it.session_id, it.manifest_hash));
        let ids: Vec<_> = ids.collect();
        let mut heads = self.manifests(&ids).await?.into_iter();
        let has = |it: &Option<SessionSealed>| it.is_some() && heads.next().flatten().is_some();
        Ok(sealed.iter().map(has).collect())
    }

    /// The heads of these sessions' manifests, each in its place.
    async fn manifests(
        &self,
        sessions: &[(SessionId, Hash)],
    ) -> Result<Vec<Option<ManifestHead>>, Fault> {
        if sessions.is_empty() {
            return Ok(Vec::new());
        }
        let heads = self.source.manifests(sessions).await?;
        if heads.len() == sessions.len() {
            return Ok(heads);
        }
        let text =
            format!("{} manifests were asked for, and {} given", sessions.len(), heads.len());
        Err(Fault::new(FaultKind::Node, text))
    }

    /// Adds a session's chunks from `batch.next` on. `false` where it ended because the batch is full.
    async fn session_chunks(
        &self,
        at: EntryIndex,
        sealed: &SessionSealed,
        batch: &mut Batch,
        room: &mut Room,
    ) -> Result<bool, Fault> {
        let session = sealed.session_id;
        while batch.next.chunk < sealed.chunk_count {
            let from = ChunkIndex(batch.next.chunk);
            let chunks = self.source.chunks(session, from, room.left()).await?;
            check_chunks(session, from, sealed.chunk_count, &chunks)?;
            for chunk in &chunks {
                let record = document::chunk(self.node, session, at, chunk);
                if !room.takes(record.document.as_bytes().len()) {
                    return Ok(false);
                }
                batch.work.whole.push(record);
                batch.next.chunk += 1;
            }
        }
        Ok(true)
    }
}

/// Refuses a list of chunks that is not a piece of the manifest's.
pub(crate) fn check_chunks(
    session: SessionId,
    from: ChunkIndex,
    count: u32,
    chunks: &[lucid_core::manifest::ManifestChunk],
) -> Result<(), Fault> {
    let in_order = (from.0..count).zip(chunks).all(|(index, chunk)| chunk.index.0 == index);
    let fits = chunks.len() <= (count - from.0) as usize;
    if in_order && fits && !chunks.is_empty() {
        return Ok(());
    }
    let text = format!("the manifest of {session} gives no chunk {from}, of {count}");
    Err(Fault::new(FaultKind::Node, text))
}

/// Runs what takes the processor for some milliseconds where that disturbs nobody.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Fault::new(FaultKind::Node, format!("making documents: {error}")))
}

/// Whether an entry may be of a kind that begins so. One in canonical form that is, says so in just this way.
pub(crate) fn may_be(bytes: &[u8], kind: &str) -> bool {
    const FIELD: &[u8; 8] = b"\"kind\":\"";
    // Of a fixed length the comparison is one instruction; every collection asks this of every entry.
    let places = bytes.array_windows().enumerate().filter(|(_, part)| *part == FIELD);
    places.map(|(place, _)| &bytes[place + FIELD.len()..]).any(|r| r.starts_with(kind.as_bytes()))
}

pub(crate) fn parsed(bytes: &[u8], index: u64) -> Result<Entry, Fault> {
    Entry::parse(bytes)
        .map_err(|error| Fault::new(FaultKind::Damaged, format!("entry {index}: {error}")))
}

/// The anchor an entry is, where it is one of this version.
pub(crate) fn anchor_at(bytes: &[u8], index: u64) -> Result<Option<Anchor>, Fault> {
    if !may_be(bytes, Anchor::KIND) {
        return Ok(None);
    }
    let entry = parsed(bytes, index)?;
    let other_version = matches!(&entry, Entry::Other(entry) if entry.version() != 1);
    if entry.kind() != Anchor::KIND || other_version {
        return Ok(None);
    }
    Anchor::parse(bytes, index).map(Some).map_err(|text| Fault::new(FaultKind::Damaged, text))
}

fn sealed_at(bytes: &[u8], index: u64) -> Result<Option<SessionSealed>, Fault> {
    if !may_be(bytes, SessionSealed::KIND) {
        return Ok(None);
    }
    Ok(match parsed(bytes, index)? {
        Entry::SessionSealed(sealed) => Some(sealed),
        _ => None,
    })
}

/// Batches of documents that an entry gives by itself.
fn plain(
    of: Collection,
    node: NodeId,
    limits: BatchLimits,
    from: Cursor,
    size: u64,
    entries: &[Vec<u8>],
) -> Result<Batch, Fault> {
    let mut room = Room::new(limits);
    let (mut work, mut oldest, mut next) = (Work::default(), None, from.entry);
    let mut users = BTreeMap::new();
    for bytes in entries {
        let index = EntryIndex(next);
        if !room.takes(bytes.len() + OVERHEAD_BYTES) {
            break;
        }
        next += 1;
        if of == Collection::Users {
            if let Some(user) = user_at(bytes, index)? {
                oldest.get_or_insert(user.at);
                users.insert(user.user.to_string(), document::user(node, index, &user));
            }
        } else if let Some((record, at)) = record_at(of, node, bytes, index)? {
            oldest.get_or_insert(at);
            work.whole.push(record);
        }
    }
    for record in users.into_values() {
        work.merges.push(newest_wins(&record)?);
    }
    let next = Cursor { entry: next, chunk: 0 };
    let is_full = next.entry < size;
    Ok(Batch { next, oldest, is_full, unreadable: 0, work })
}

pub(crate) fn user_at(bytes: &[u8], index: EntryIndex) -> Result<Option<UserChanged>, Fault> {
    if !may_be(bytes, UserChanged::KIND) {
        return Ok(None);
    }
    Ok(match parsed(bytes, index.0)? {
        Entry::UserChanged(user) => Some(user),
        _ => None,
    })
}

/// The document that an entry is in a collection whose documents never change.
pub(crate) fn record_at(
    of: Collection,
    node: NodeId,
    bytes: &[u8],
    index: EntryIndex,
) -> Result<Option<(Record, lucid_core::Timestamp)>, Fault> {
    match of {
        Collection::Entries => {
            let entry = parsed(bytes, index.0)?;
            let text = std::str::from_utf8(bytes).map_err(|error| {
                Fault::new(FaultKind::Damaged, format!("entry {}: {error}", index.0))
            })?;
            Ok(Some((document::entry(node, index, &entry, text), entry.at())))
        }
        Collection::Blocks if may_be(bytes, "evm.block") => match parsed(bytes, index.0)? {
            Entry::EvmBlock(block) => Ok(Some((document::block(node, index, &block), block.at))),
            _ => Ok(None),
        },
        Collection::Anchors => Ok(anchor_at(bytes, index.0)?
            .map(|anchor| (document::anchor(node, index, &anchor), anchor.at))),
        _ => Ok(None),
    }
}

/// The update that puts a document unless one of a later entry is there.
pub(crate) fn newest_wins(record: &Record) -> Result<Update, Fault> {
    replaced_unless_later(record, "log_index")
}

/// The update that puts a document unless one with a higher `field` is there.
pub(crate) fn replaced_unless_later(record: &Record, field: &str) -> Result<Update, Fault> {
    let damaged = |text: String| Fault::new(FaultKind::Damaged, format!("{}: {text}", record.id));
    let of = |raw: &RawDocumentBuf| Document::try_from(raw).map_err(|e| damaged(e.to_string()));
    let document = of(&record.document)?;
    let place = document.get(field).cloned().unwrap_or(Bson::Int64(long(0)));
    let choice = doc! {
        "$cond": [{ "$gt": [format!("${field}"), place] }, "$$ROOT", { "$literal": document }]
    };
    let bytes = record.document.as_bytes().len();
    let pipeline = vec![doc! { "$replaceWith": choice }];
    Ok(Update { id: record.id.clone(), pipeline, bytes })
}

/// What a page says about sessions.
struct Folded {
    sessions: Vec<Session>,
    anchor: Option<(EntryIndex, Anchor)>,
    oldest: Option<lucid_core::Timestamp>,
    next: Cursor,
}

/// Folds entries by session, up to the first anchor: what it covers must be there before it is marked.
fn fold_sessions(limits: BatchLimits, from: Cursor, entries: &[Vec<u8>]) -> Result<Folded, Fault> {
    /// A session's document with its manifest's fields, and the update beside it, in bytes.
    const SESSION_BYTES: usize = 4096;
    let mut room = Room::new(limits);
    let mut sessions: BTreeMap<SessionId, Session> = BTreeMap::new();
    let (mut oldest, mut next, mut anchored) = (None, from.entry, None);
    for bytes in entries {
        let index = EntryIndex(next);
        if let Some(anchor) = anchor_at(bytes, next)? {
            oldest.get_or_insert(anchor.at);
            anchored = Some((index, anchor));
            next += 1;
            break;
        }
        if may_be(bytes, "session.") {
            let entry = parsed(bytes, next)?;
            if let Some(id) = entry.session() {
                let session = match sessions.entry(id) {
                    btree_map::Entry::Occupied(there) => there.into_mut(),
                    btree_map::Entry::Vacant(_) if !room.takes(SESSION_BYTES) => break,
                    btree_map::Entry::Vacant(place) => place.insert(Session::new(id)),
                };
                session.take(index, &entry);
                oldest.get_or_insert(entry.at());
            }
        }
        next += 1;
    }
    let next = Cursor { entry: next, chunk: 0 };
    let sessions = sessions.into_values().collect();
    Ok(Folded { sessions, anchor: anchored, oldest, next })
}
