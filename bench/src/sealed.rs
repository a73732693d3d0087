//! Data folders with many sealed sessions, made without recording them: the log, and of each session its manifest and its
//! index, as a node would have written them. There are no chunk files and no keys: nothing of a session can be
//! restored, and everything that is known of it can be asked for.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;
use lucid_core::{
    ChunkIndex, Hash, NodeId, Policy, SessionId,
    chunk::{ChunkSummary, Codec, Commitment, Salt, Suite},
    entry::SessionSealed,
    json,
    manifest::{Manifest, ManifestChunk, Totals},
    merkle::CompactRange,
};
use lucid_store::sessions::SessionIndex;

use crate::open;

/// Bytes of a chunk: the node's own default.
const CHUNK_BYTES: u32 = 8 << 20;

/// The data folder in `folder` with so many sessions of so many chunks: found from an earlier run, or made.
pub(crate) fn ensure(folder: &Path, sessions: u64, chunks: u32) -> Result<PathBuf> {
    let data = folder.join(format!("sessions-{sessions}-{chunks}"));
    if !data.exists() {
        let seal = |part: &Path, node, session| seal(part, node, session, chunks);
        open::make(&data, sessions * 2, &seal)?;
    }
    Ok(data)
}

/// Puts what belongs to a session into the data folder; gives the entry that says so.
fn seal(data: &Path, node: NodeId, session: SessionId, count: u32) -> Result<SessionSealed> {
    let suite = Suite::Aes256Gcm;
    let chunks: Vec<_> = (0..count).map(|index| chunk(session, index)).collect();
    let summaries: Vec<_> = chunks.iter().map(|chunk| summary(session, suite, chunk)).collect();
    let leaves = summaries.iter().map(ChunkSummary::session_leaf);
    let merkle_root = leaves.collect::<CompactRange>().root();
    let mut totals = Totals::default();
    for summary in &summaries {
        totals.add(&summary.header)?;
    }
    let sealed = SessionSealed {
        chunk_count: count,
        merkle_root,
        plain_bytes: totals.plain_bytes,
        ..open::sealed(session)
    };
    let manifest = Manifest {
        chunk_count: count,
        chunks,
        complete: true,
        created_at: sealed.at,
        media_type: "application/octet-stream".parse()?,
        merkle_root,
        node_id: node,
        owner: sealed.owner.clone(),
        plain_bytes: totals.plain_bytes,
        policy_hash: Policy::with_suite(suite).hash(),
        sealed_at: sealed.at,
        segment_bytes: 16_384,
        session_id: session,
        software: "lucid-bench".to_owned(),
        stored_bytes: totals.stored_bytes,
        suite,
        version: 1,
    };
    let bytes = json::to_canonical(&manifest);
    let folder = data.join("sessions").join(session.to_string());
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("index"), SessionIndex::file_bytes(session, &summaries))?;
    fs::write(folder.join("manifest.json"), &bytes)?;
    Ok(SessionSealed { manifest_hash: Hash::of(&bytes), ..sealed })
}

fn chunk(session: SessionId, index: u32) -> ManifestChunk {
    ManifestChunk {
        chunk_root: Hash::of_parts(&[session.as_bytes(), &index.to_be_bytes()]),
        codec: Codec::Stored,
        index: ChunkIndex(index),
        payload_bytes: CHUNK_BYTES,
        plain_bytes: CHUNK_BYTES,
    }
}

fn summary(session: SessionId, suite: Suite, chunk: &ManifestChunk) -> ChunkSummary {
    let header = chunk.header(session, suite);
    let (salt, commitment) = (Salt([1; 24]), Commitment([2; 32]));
    ChunkSummary { header, salt, commitment, chunk_root: chunk.chunk_root }
}

#[cfg(test)]
mod tests {
    use lucid_store::sessions::IndexReader;

    use super::*;

    #[test]
    fn what_is_there_is_what_a_node_takes() {
        let (node, session) = (NodeId::of_public_key(&[7; 32]), open::session(1));
        let folder = tempfile::tempdir().unwrap();
        let sealed = seal(folder.path(), node, session, 3).unwrap();
        let of_session = folder.path().join("sessions").join(session.to_string());
        let bytes = fs::read(of_session.join("manifest.json")).unwrap();
        assert_eq!(Hash::of(&bytes), sealed.manifest_hash);
        let manifest = Manifest::parse(&bytes).unwrap();
        assert_eq!((manifest.chunk_count, manifest.plain_bytes), (3, sealed.plain_bytes));
        assert_eq!(manifest.merkle_root, sealed.merkle_root);
        let index = IndexReader::open(&of_session.join("index"), session).unwrap();
        let leaves = index.map(|chunk| chunk.unwrap().session_leaf());
        assert_eq!(leaves.collect::<CompactRange>().root(), sealed.merkle_root);
    }
}
