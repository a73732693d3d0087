//! A session's manifest, put together again.

use futures_util::TryStreamExt;
use lucid_core::{ChunkIndex, Hash, SessionId, chunk::Codec, json, manifest::ManifestChunk};
use mongodb::bson::{Document, RawDocument, doc};
use sha2::{Digest, Sha256};

use super::{ManifestState, ReadBack, ReadBackError};
use crate::{
    Collection, Fault, FaultKind,
    document::{chunk_id, session_id},
    manifest::{Frame, ManifestHead, frame, from_document},
    session::Sealed,
};

/// Where a manifest's bytes go. It is called on the runtime's threads, so it should only hand them on.
pub(super) type Sink<'a> = &'a mut (dyn FnMut(&[u8]) -> std::io::Result<()> + Send);

impl ReadBack {
    /// Puts a session's manifest together and hands its bytes to `sink`, in order. Only where this says
    /// [`ManifestState::Verified`] are they the manifest; else throw away what was handed over.
    ///
    /// # Errors
    /// [`ReadBackError`], the sink's among them.
    pub async fn manifest(
        &self,
        session: SessionId,
        sink: &mut (dyn FnMut(&[u8]) -> std::io::Result<()> + Send),
    ) -> Result<ManifestState, ReadBackError> {
        match self.sealed(session).await? {
            Some(sealed) => self.manifest_of(session, sealed, sink).await,
            None => Ok(ManifestState::Missing),
        }
    }

    /// The verified `session.sealed` entry of a session, looked up by the place its document names.
    async fn sealed(&self, session: SessionId) -> Result<Option<Sealed>, ReadBackError> {
        let Some(document) = self.session_document(session).await? else { return Ok(None) };
        let index = document.get_document("sealed").ok().and_then(|s| s.get_i64("log_index").ok());
        let Some(index) = index.and_then(|index| u64::try_from(index).ok()) else {
            return Ok(None);
        };
        let page = self.entries(lucid_core::EntryIndex(index)).await?;
        let Some(bytes) = page.first() else { return Ok(None) };
        let mut state = crate::session::Session::new(session);
        let entry = crate::build::parsed(bytes, index)?;
        if entry.session() == Some(session) {
            state.take(lucid_core::EntryIndex(index), &entry);
        }
        Ok(state.sealed)
    }

    async fn session_document(
        &self,
        session: SessionId,
    ) -> Result<Option<Document>, ReadBackError> {
        let handle = self.link.handle(Collection::Sessions).await?;
        let id = session_id(self.link.node, session);
        let find = async { handle.find_one(doc! { "_id": id }).await };
        let found = self.link.within("reading sessions", find).await?;
        let read = found.map(|raw| Document::try_from(&raw)).transpose();
        Ok(read.map_err(|error| Fault::new(FaultKind::Damaged, error.to_string()))?)
    }

    pub(super) async fn manifest_of(
        &self,
        session: SessionId,
        sealed: Sealed,
        sink: Sink<'_>,
    ) -> Result<ManifestState, ReadBackError> {
        let Some(document) = self.session_document(session).await? else {
            return Ok(ManifestState::Missing);
        };
        let Ok(head) = document.get_document("manifest") else {
            return Ok(ManifestState::Missing);
        };
        let head: Option<ManifestHead> = from_document(head.clone()).ok();
        let Some(Frame { before, after }) = head.as_ref().and_then(frame) else {
            return Ok(ManifestState::Altered);
        };
        let mut hash = Sha256::new();
        let mut put = |bytes: &[u8]| {
            hash.update(bytes);
            sink(bytes).map_err(ReadBackError::Sink)
        };
        put(&before)?;
        let handle = self.link.handle(Collection::Chunks).await?;
        let node = self.link.node;
        let bound = |index| chunk_id(node, session, ChunkIndex(index));
        let filter = doc! { "_id": { "$gte": bound(0), "$lte": bound(u32::MAX) } };
        let find = async { handle.find(filter).sort(doc! { "_id": 1 }).await };
        let mut stored = self.link.within("reading chunks", find).await?;
        let mut next = 0_u32;
        while let Some(one) = self.link.within("reading chunks", stored.try_next()).await? {
            let chunk = listed(&one).filter(|chunk| chunk.index.0 == next);
            let Some(chunk) = chunk.filter(|_| next < sealed.chunk_count) else {
                return Ok(ManifestState::Altered);
            };
            if next > 0 {
                put(b",")?;
            }
            put(&json::to_canonical(&chunk))?;
            next += 1;
        }
        if next < sealed.chunk_count {
            return Ok(ManifestState::Missing);
        }
        put(&after)?;
        let found = Hash(hash.finalize().into());
        let verified = found == sealed.manifest_hash;
        Ok(if verified { ManifestState::Verified } else { ManifestState::Altered })
    }
}

/// A chunk as the manifest lists it; `None` where the document is none.
fn listed(document: &RawDocument) -> Option<ManifestChunk> {
    let number = |name: &str| u32::try_from(document.get_i64(name).ok()?).ok();
    let codec = u8::try_from(number("codec")?).ok()?;
    Some(ManifestChunk {
        chunk_root: document.get_str("chunk_root").ok()?.parse().ok()?,
        codec: Codec::try_from(codec).ok()?,
        index: ChunkIndex(number("idx")?),
        payload_bytes: number("payload_bytes")?,
        plain_bytes: number("plain_bytes")?,
    })
}
