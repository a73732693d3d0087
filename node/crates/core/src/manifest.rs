//! The manifest: the RFC 8785 JSON that lists a session's chunks and their root. Its hash is what
//! the ledger's `session.sealed` entry commits to.

use std::{
    cell::Cell,
    io::{self, Write},
    ops::Range,
};

use serde::{Deserialize, Serialize, Serializer, ser::Error as _};

use crate::{
    ChunkIndex, Hash, NodeId, SessionId, Timestamp,
    chunk::{ChunkHeader, ChunkSummary, Codec, SEGMENT_BYTES, Suite},
    id::Owner,
    json::{self, INTEGER_MAX, JsonError},
    media::MediaType,
};

/// Why bytes are no manifest, or a manifest is not sound. Each names the field.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Malformed, or not in canonical form.
    #[error("the manifest is damaged: {0}")]
    Json(#[from] JsonError),
    /// A later version.
    #[error("manifest version {0} is not known here (1 is)")]
    Version(u32),
    /// The segment size is fixed by C2SP chunked-encryption.
    #[error("segment_bytes is {0}; it must be 16384")]
    SegmentBytes(u32),
    /// The list of chunks is not as long as `chunk_count` says.
    #[error("chunk_count is {declared} but {listed} chunks are listed")]
    ChunkCount {
        /// What the field says.
        declared: u32,
        /// How many there are.
        listed: usize,
    },
    /// A chunk out of order, of a size that its place does not allow, or a false payload length.
    #[error("chunk {place} of the list is not a chunk that can stand there")]
    Chunk {
        /// Place in the list, from zero.
        place: usize,
    },
    /// A sum does not agree with the list.
    #[error("{field} is {declared} but the chunks add up to {sum}")]
    Sum {
        /// The field.
        field: &'static str,
        /// What it says.
        declared: u64,
        /// What the list gives.
        sum: u64,
    },
}

/// One chunk in the manifest's list.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestChunk {
    /// Root of the tree over the chunk's sealed segments.
    pub chunk_root: Hash,
    /// How plaintext became payload.
    pub codec: Codec,
    /// The chunk's place.
    pub index: ChunkIndex,
    /// Payload length in bytes.
    pub payload_bytes: u32,
    /// Plaintext length in bytes.
    pub plain_bytes: u32,
}

impl From<&ChunkSummary> for ManifestChunk {
    fn from(chunk: &ChunkSummary) -> Self {
        let ChunkHeader { codec, index, payload_bytes, plain_bytes, .. } = chunk.header;
        Self { chunk_root: chunk.chunk_root, codec, index, payload_bytes, plain_bytes }
    }
}

impl ManifestChunk {
    /// The header that the chunk's file must have.
    #[must_use]
    pub fn header(&self, session: SessionId, suite: Suite) -> ChunkHeader {
        let Self { codec, index, payload_bytes, plain_bytes, .. } = *self;
        ChunkHeader { suite, codec, session, index, plain_bytes, payload_bytes }
    }
}

/// A session's manifest, fields in the order of their names. `C` is the list of chunks: a `Vec`
/// where it is read, a stream where it is written, so that sealing needs no memory for it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest<C = Vec<ManifestChunk>> {
    /// Number of chunks.
    pub chunk_count: u32,
    /// The chunks in order. Each has at most the policy's chunk size; a source that paused gives
    /// shorter ones in between, so that what it sent is not kept waiting for more.
    pub chunks: C,
    /// False where the session was closed without its owner's end mark.
    pub complete: bool,
    /// When the session was opened.
    pub created_at: Timestamp,
    /// What the stream is.
    pub media_type: MediaType,
    /// Root of the session tree; RFC 6962's empty root where there is no chunk.
    pub merkle_root: Hash,
    /// The node that recorded it.
    pub node_id: NodeId,
    /// Whose it is.
    pub owner: Owner,
    /// Plaintext length of the session in bytes.
    pub plain_bytes: u64,
    /// Hash of the [`crate::policy::Policy`] in force.
    pub policy_hash: Hash,
    /// When it was sealed.
    pub sealed_at: Timestamp,
    /// 16384.
    pub segment_bytes: u32,
    /// The session.
    pub session_id: SessionId,
    /// Name and version of what recorded it.
    pub software: String,
    /// Bytes of all chunk files together.
    pub stored_bytes: u64,
    /// The AEAD of every segment.
    pub suite: Suite,
    /// 1.
    pub version: u32,
}

impl Manifest {
    /// The version this crate writes.
    pub const VERSION: u32 = 1;

    /// Reads a manifest and checks that it is sound in itself (not yet against chunk files).
    ///
    /// # Errors
    /// [`ManifestError`], naming the field.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let version = json::version_of(bytes)?;
        if version != Self::VERSION {
            return Err(ManifestError::Version(version));
        }
        let manifest: Self = json::from_canonical(bytes)?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), ManifestError> {
        if self.segment_bytes != SEGMENT_BYTES as u32 {
            return Err(ManifestError::SegmentBytes(self.segment_bytes));
        }
        let listed = self.chunks.len();
        if usize::try_from(self.chunk_count) != Ok(listed) {
            return Err(ManifestError::ChunkCount { declared: self.chunk_count, listed });
        }
        let mut totals = Totals::default();
        for (place, chunk) in self.chunks.iter().enumerate() {
            let header = chunk.header(self.session_id, self.suite);
            totals.add(&header).map_err(|_| ManifestError::Chunk { place })?;
        }
        let sums = [
            ("plain_bytes", self.plain_bytes, totals.plain_bytes),
            ("stored_bytes", self.stored_bytes, totals.stored_bytes),
        ];
        for (field, declared, sum) in sums {
            if declared != sum {
                return Err(ManifestError::Sum { field, declared, sum });
            }
        }
        Ok(())
    }

    /// Each chunk with the plaintext bytes it holds, in order.
    pub fn placed(&self) -> impl Iterator<Item = (&ManifestChunk, Range<u64>)> {
        self.chunks.iter().scan(0, |offset, chunk| {
            let start = *offset;
            *offset += u64::from(chunk.plain_bytes);
            Some((chunk, start..*offset))
        })
    }
}

impl<I: Iterator<Item = io::Result<ManifestChunk>>> Manifest<Streamed<I>> {
    /// Writes the canonical JSON to `writer`, one chunk at a time.
    ///
    /// # Errors
    /// Those of the writer and of the stream of chunks.
    pub fn write<W: Write>(&self, writer: W) -> io::Result<()> {
        serde_json::to_writer(writer, self).map_err(io::Error::from)
    }
}

/// A list of chunks that is written as it is read from somewhere; it can be written once.
pub struct Streamed<I>(Cell<Option<I>>);

impl<I: Iterator<Item = io::Result<ManifestChunk>>> Streamed<I> {
    /// A list of what `chunks` gives.
    pub fn new(chunks: I) -> Self {
        Self(Cell::new(Some(chunks)))
    }
}

impl<I: Iterator<Item = io::Result<ManifestChunk>>> Serialize for Streamed<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq;
        let chunks = self.0.take().ok_or_else(|| S::Error::custom("a stream is written once"))?;
        let mut list = serializer.serialize_seq(None)?;
        for chunk in chunks {
            list.serialize_element(&chunk.map_err(S::Error::custom)?)?;
        }
        list.end()
    }
}

/// Running sums over a session's chunks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// Chunks so far.
    pub chunk_count: u32,
    /// Plaintext bytes so far.
    pub plain_bytes: u64,
    /// Bytes of chunk files so far.
    pub stored_bytes: u64,
}

/// A chunk that cannot follow those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("chunk {index} cannot follow {chunk_count} chunks")]
pub struct OutOfPlace {
    /// The chunk's index.
    pub index: ChunkIndex,
    /// How many there are.
    pub chunk_count: u32,
}

impl Totals {
    /// Adds the next chunk. Indices count from zero without gaps.
    ///
    /// # Errors
    /// [`OutOfPlace`]; the sums are then unchanged.
    pub fn add(&mut self, header: &ChunkHeader) -> Result<(), OutOfPlace> {
        let refusal = OutOfPlace { index: header.index, chunk_count: self.chunk_count };
        let sound = header.index.0 == self.chunk_count
            && self.chunk_count < u32::MAX
            && ChunkHeader::parse(&header.to_bytes()).is_ok();
        let plain_bytes = self.plain_bytes + u64::from(header.plain_bytes);
        let stored_bytes = self.stored_bytes + header.layout().file_bytes();
        if !sound || plain_bytes > INTEGER_MAX || stored_bytes > INTEGER_MAX {
            return Err(refusal);
        }
        self.chunk_count += 1;
        self.plain_bytes = plain_bytes;
        self.stored_bytes = stored_bytes;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> SessionId {
        SessionId::from_random([1; 16])
    }

    fn chunk(index: u32, plain: u32, payload: u32) -> ManifestChunk {
        let codec = if plain == payload { Codec::Stored } else { Codec::Zstd };
        let chunk_root = Hash::of(&index.to_be_bytes());
        let index = ChunkIndex(index);
        ManifestChunk { chunk_root, codec, index, payload_bytes: payload, plain_bytes: plain }
    }

    fn manifest(chunks: Vec<ManifestChunk>) -> Manifest {
        let mut totals = Totals::default();
        for chunk in &chunks {
            let _ = totals.add(&chunk.header(session(), Suite::Aes256Gcm));
        }
        Manifest {
            chunk_count: chunks.len() as u32,
            chunks,
            complete: true,
            created_at: Timestamp::from_unix_millis(1),
            media_type: "application/octet-stream".parse().unwrap(),
            merkle_root: crate::merkle::EMPTY_ROOT,
            node_id: NodeId::of_public_key(&[0; 32]),
            owner: "local".parse().unwrap(),
            plain_bytes: totals.plain_bytes,
            policy_hash: Hash::of(b"policy"),
            sealed_at: Timestamp::from_unix_millis(2),
            segment_bytes: 16_384,
            session_id: session(),
            software: "lucid-node 0.1.0".into(),
            stored_bytes: totals.stored_bytes,
            suite: Suite::Aes256Gcm,
            version: 1,
        }
    }

    #[test]
    fn canonical_and_streamed_alike() {
        let whole =
            manifest(vec![chunk(0, 65_536, 30_000), chunk(1, 65_536, 65_536), chunk(2, 1, 1)]);
        let bytes = json::to_canonical(&whole);
        assert_eq!(bytes, serde_json_canonicalizer::to_vec(&whole).unwrap());
        assert_eq!(Manifest::parse(&bytes).unwrap(), whole);
        let places: Vec<_> = whole.placed().map(|(_, range)| range).collect();
        assert_eq!(places, [0..65_536, 65_536..131_072, 131_072..131_073]);
        let Manifest { chunks, .. } = whole.clone();
        let streamed = stream(whole, chunks);
        let mut written = Vec::new();
        streamed.write(&mut written).unwrap();
        assert_eq!(written, bytes);
        assert!(streamed.write(&mut Vec::new()).is_err(), "a stream is gone once written");
    }

    fn stream(
        m: Manifest,
        chunks: Vec<ManifestChunk>,
    ) -> Manifest<Streamed<impl Iterator<Item = io::Result<ManifestChunk>>>> {
        Manifest {
            chunk_count: m.chunk_count,
            chunks: Streamed::new(chunks.into_iter().map(Ok)),
            complete: m.complete,
            created_at: m.created_at,
            media_type: m.media_type,
            merkle_root: m.merkle_root,
            node_id: m.node_id,
            owner: m.owner,
            plain_bytes: m.plain_bytes,
            policy_hash: m.policy_hash,
            sealed_at: m.sealed_at,
            segment_bytes: m.segment_bytes,
            session_id: m.session_id,
            software: m.software,
            stored_bytes: m.stored_bytes,
            suite: m.suite,
            version: m.version,
        }
    }

    fn refused(change: impl FnOnce(&mut Manifest)) -> ManifestError {
        let mut manifest = manifest(vec![chunk(0, 65_536, 30_000), chunk(1, 100, 100)]);
        change(&mut manifest);
        Manifest::parse(&json::to_canonical(&manifest)).unwrap_err()
    }

    #[test]
    fn unsound_manifests_are_named() {
        use ManifestError as E;
        assert!(matches!(refused(|m| m.version = 2), E::Version(2)));
        assert!(matches!(refused(|m| m.segment_bytes = 1), E::SegmentBytes(1)));
        assert!(matches!(refused(|m| m.chunk_count = 3), E::ChunkCount { listed: 2, .. }));
        assert!(matches!(refused(|m| m.chunks.swap(0, 1)), E::Chunk { place: 0 }));
        assert!(matches!(refused(|m| m.chunks[1].payload_bytes = 99), E::Chunk { place: 1 }));
        assert!(matches!(refused(|m| m.chunks[0].plain_bytes = 0), E::Chunk { place: 0 }));
        assert!(matches!(refused(|m| m.plain_bytes += 1), E::Sum { field: "plain_bytes", .. }));
        assert!(matches!(refused(|m| m.stored_bytes -= 1), E::Sum { field: "stored_bytes", .. }));
    }

    #[test]
    fn chunks_follow_without_gap_or_repeat() {
        let mut totals = Totals::default();
        let mut add = |index, plain| {
            totals.add(&chunk(index, plain, plain).header(session(), Suite::Aes256Gcm)).is_ok()
        };
        assert!(!add(1, 10), "no gap");
        assert!(add(0, 10));
        assert!(!add(0, 10), "no repeat");
        assert!(add(1, 9), "a pause makes a shorter one");
        assert!(add(2, 10));
        assert!(!add(4, 10));
        assert_eq!((totals.chunk_count, totals.plain_bytes), (3, 29));
        assert_eq!(totals.stored_bytes, 29 + 3 * 120);
    }
}
