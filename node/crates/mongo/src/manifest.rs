//! Manifests in two parts: what one says about its session, and its list of chunks.
//!
//! A list can be long, so it is kept one document a chunk. Both parts together give the manifest's bytes again,
//! which the log's `session.sealed` entry has the hash of.

use lucid_core::{
    json,
    manifest::{Manifest, ManifestChunk},
};
use mongodb::bson::{self, Bson, Document, RawDocumentBuf};

/// A manifest without its list of chunks.
pub type ManifestHead = Manifest<()>;

/// The manifest without its list.
#[must_use]
pub fn head_of(manifest: &Manifest) -> ManifestHead {
    with_list(manifest, ())
}

/// The same with another list: the one that it has is not copied.
fn with_list<A, B>(of: &Manifest<A>, chunks: B) -> Manifest<B> {
    Manifest {
        chunk_count: of.chunk_count,
        chunks,
        complete: of.complete,
        created_at: of.created_at,
        media_type: of.media_type.clone(),
        merkle_root: of.merkle_root,
        node_id: of.node_id,
        owner: of.owner.clone(),
        plain_bytes: of.plain_bytes,
        policy_hash: of.policy_hash,
        sealed_at: of.sealed_at,
        segment_bytes: of.segment_bytes,
        session_id: of.session_id,
        software: of.software.clone(),
        stored_bytes: of.stored_bytes,
        suite: of.suite,
        version: of.version,
    }
}

/// The part of a session's document that has the manifest's fields, in the manifest's own forms.
pub(crate) fn to_document(head: &ManifestHead) -> Result<RawDocumentBuf, bson::error::Error> {
    let whole = bson::serialize_to_raw_document_buf(head)?;
    let mut document = RawDocumentBuf::new();
    for field in &whole {
        let (name, value) = field?;
        if name.as_str() != "chunks" {
            document.append(name, value);
        }
    }
    Ok(document)
}

/// What [`to_document`] made.
pub(crate) fn from_document(mut document: Document) -> Result<ManifestHead, bson::error::Error> {
    document.insert("chunks", Bson::Null);
    bson::deserialize_from_document(document)
}

/// A manifest's bytes, before and after its list of chunks. Between two chunks is a comma.
pub(crate) struct Frame {
    pub(crate) before: Vec<u8>,
    pub(crate) after: Vec<u8>,
}

/// The bytes around the list. `chunks` is the second field in the order of names, after `chunk_count`, so the
/// first empty list is the one to be filled.
pub(crate) fn frame(head: &ManifestHead) -> Option<Frame> {
    let empty = json::to_canonical(&with_list(head, Vec::<ManifestChunk>::new()));
    let opened = br#""chunks":["#;
    let place = empty.windows(opened.len()).position(|part| part == opened)? + opened.len();
    let after = empty.get(place..)?.to_vec();
    Some(Frame { before: empty.get(..place)?.to_vec(), after })
}

#[cfg(test)]
pub(crate) mod tests {
    use lucid_core::{
        ChunkIndex, Hash, NodeId, SessionId, Timestamp,
        chunk::{Codec, Suite},
        manifest::Totals,
    };

    use super::*;

    pub(crate) fn sample(session: SessionId, chunks: u32) -> Manifest {
        let chunk = |index: u32| ManifestChunk {
            chunk_root: Hash::of(&index.to_be_bytes()),
            codec: Codec::Stored,
            index: ChunkIndex(index),
            payload_bytes: 65_536,
            plain_bytes: 65_536,
        };
        let chunks: Vec<_> = (0..chunks).map(chunk).collect();
        let mut totals = Totals::default();
        for chunk in &chunks {
            totals.add(&chunk.header(session, Suite::Aes256Gcm)).unwrap();
        }
        Manifest {
            chunk_count: chunks.len() as u32,
            chunks,
            complete: true,
            created_at: Timestamp::from_unix_millis(1),
            media_type: "application/octet-stream".parse().unwrap(),
            merkle_root: Hash::of(b"root"),
            node_id: NodeId::of_public_key(&[0; 32]),
            owner: "local".parse().unwrap(),
            plain_bytes: totals.plain_bytes,
            policy_hash: Hash::of(b"policy"),
            sealed_at: Timestamp::from_unix_millis(2),
            segment_bytes: 16_384,
            session_id: session,
            software: "a \"chunks\":[ in a name".into(),
            stored_bytes: totals.stored_bytes,
            suite: Suite::Aes256Gcm,
            version: 1,
        }
    }

    #[test]
    fn both_parts_give_the_manifest_again() {
        for count in [0, 1, 3] {
            let manifest = sample(SessionId::from_random([7; 16]), count);
            let raw = to_document(&head_of(&manifest)).unwrap();
            let head = from_document(Document::try_from(&raw).unwrap()).unwrap();
            assert_eq!(head, head_of(&manifest));
            let Frame { before, after } = frame(&head).unwrap();
            let list: Vec<_> = manifest.chunks.iter().map(json::to_canonical).collect();
            let bytes = [before, list.join(&b','), after].concat();
            assert_eq!(bytes, json::to_canonical(&manifest), "{count} chunks");
        }
    }
}
