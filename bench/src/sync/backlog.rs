//! A data folder with a long log and the manifests of its sessions, of which MongoDB has nothing yet.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;
use lucid_core::{
    ChunkIndex, Hash, NodeId, Policy, SessionId,
    chunk::{Codec, Suite},
    entry::SessionSealed,
    json,
    manifest::{Manifest, ManifestChunk, Totals},
};

use crate::open;

/// Bytes of a chunk: the node's own default.
const CHUNK_BYTES: u32 = 8 << 20;
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
        let Self { sessions, chunks } = self;
        let data = folder.join(format!("backlog-{sessions}-{chunks}"));
        if !data.exists() {
            let seal = |part: &Path, node, session| seal(part, node, session, chunks);
            open::make(&data, sessions * 2, &seal)?;
        }
        Ok(data)
    }
}

/// Puts a session's manifest into the data folder; gives the entry that says so.
fn seal(data: &Path, node: NodeId, session: SessionId, chunks: u32) -> Result<SessionSealed> {
    let (manifest, totals) = manifest(node, session, chunks)?;
    let bytes = json::to_canonical(&manifest);
    let folder = data.join("sessions").join(session.to_string());
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("manifest.json"), &bytes)?;
    Ok(SessionSealed {
        chunk_count: chunks,
        manifest_hash: Hash::of(&bytes),
        plain_bytes: totals.plain_bytes,
        ..open::sealed(session)
    })
}

fn manifest(node: NodeId, session: SessionId, count: u32) -> Result<(Manifest, Totals)> {
    let suite = Suite::Aes256Gcm;
    let chunk = |index: u32| ManifestChunk {
        chunk_root: Hash::of_parts(&[session.as_bytes(), &index.to_be_bytes()]),
        codec: Codec::Stored,
        index: ChunkIndex(index),
        payload_bytes: CHUNK_BYTES,
        plain_bytes: CHUNK_BYTES,
    };
    let chunks: Vec<_> = (0..count).map(chunk).collect();
    let mut totals = Totals::default();
    for chunk in &chunks {
        totals.add(&chunk.header(session, suite))?;
    }
    let sealed = open::sealed(session);
    let manifest = Manifest {
        chunk_count: count,
        chunks,
        complete: true,
        created_at: sealed.at,
        media_type: "application/octet-stream".parse()?,
        merkle_root: sealed.merkle_root,
        node_id: node,
        owner: sealed.owner,
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
    Ok((manifest, totals))
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

    #[test]
    fn manifests_are_what_a_node_takes() {
        let (node, session) = (NodeId::of_public_key(&[7; 32]), open::session(1));
        let folder = tempfile::tempdir().unwrap();
        let sealed = seal(folder.path(), node, session, 3).unwrap();
        let path = folder.path().join(format!("sessions/{session}/manifest.json"));
        let bytes = fs::read(path).unwrap();
        assert_eq!(Hash::of(&bytes), sealed.manifest_hash);
        let manifest = Manifest::parse(&bytes).unwrap();
        assert_eq!((manifest.chunk_count, manifest.plain_bytes), (3, sealed.plain_bytes));
    }
}
