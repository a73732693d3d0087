//! Checks what an evidence file claims.

use core::ops::Range;

use super::{ChunkEvidence, Evidence};
use crate::{
    ChunkIndex, Hash, NodeId, SegmentIndex,
    chunk::{MessageKeys, SEALED_SEGMENT_BYTES, Suite},
    counted,
    entry::{Entry, EntryError, SessionSealed},
    manifest::{Manifest, ManifestChunk, ManifestError},
    merkle::{self, ProofError},
    note::{Checkpoint, NoteError, VerifierKey},
    tron::anchor::{AnchorClaims, AnchorFinding, AnchorPins},
};

/// Why evidence does not hold. Each names what fails.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceFinding {
    /// The file names another key than the one it is held against.
    #[error("the evidence is signed by {found}, not by the key it was checked against, {wanted}")]
    OtherKey {
        /// The key in the file.
        found: String,
        /// The key that was asked for.
        wanted: String,
    },
    /// The key's name is not that of a node's log with this key.
    #[error("the key {0} is not named after itself: a node's log key is lucid/<id of the key>")]
    KeyName(String),
    /// The entry is malformed.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// The entry is of another kind.
    #[error("the entry is a {0}; evidence needs a session.sealed")]
    Kind(String),
    /// The entry is not in the log, or the checkpoint is not the node's.
    #[error("the log proof does not hold: {0}")]
    Log(#[from] NoteError),
    /// The manifest is malformed.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The manifest is not the one that the entry commits to.
    #[error("the manifest is not the one that the entry commits to: {0} differs")]
    OtherManifest(&'static str),
    /// A chunk of another session.
    #[error("chunk {0} is of another session than the entry")]
    OtherSession(ChunkIndex),
    /// A chunk is not in the session tree.
    #[error("chunk {index} is not in the session: {error}")]
    Chunk {
        /// Which.
        index: ChunkIndex,
        /// What the path says.
        error: ProofError,
    },
    /// A chunk that the manifest lists differently.
    #[error("chunk {0} is not as the manifest lists it")]
    ChunkDiffers(ChunkIndex),
    /// The chunks' lengths do not go with the entry's.
    #[error(
        "the session has {session} bytes by its entry, which is at odds with the {chunks} bytes of the {} that this speaks \
         of, and {} more",
        counted(*spoken, "chunk"),
        counted(*others, "chunk")
    )]
    Lengths {
        /// Plaintext bytes of the session, by its entry.
        session: u64,
        /// Plaintext bytes of the chunks that it speaks of.
        chunks: u64,
        /// Chunks that it speaks of.
        spoken: u64,
        /// Chunks that the session has besides, of at least one byte each.
        others: u64,
    },
    /// A segment is not in its chunk's tree.
    #[error("segment {segment} is not in chunk {index}: {error}")]
    Segment {
        /// Which chunk.
        index: ChunkIndex,
        /// Which segment.
        segment: SegmentIndex,
        /// What the path says.
        error: ProofError,
    },
    /// A disclosed key is not the chunk's.
    #[error("the disclosed key is not the key of chunk {0}: the commitment does not match")]
    Key(ChunkIndex),
    /// The attached segments are not the chunk's.
    #[error("the attached segments of chunk {index} hash to {found}, its root is {expected}")]
    Sealed {
        /// Which chunk.
        index: ChunkIndex,
        /// The chunk's root.
        expected: Hash,
        /// What the attached bytes hash to.
        found: Hash,
    },
    /// The TRON part does not hold.
    #[error("the anchor does not hold: {0}")]
    Anchor(AnchorFinding),
    /// Something was asked of an anchor that is not there.
    #[error(
        "the evidence has no TRON part, so nothing can be said of who anchored it, by which contract, or \
         on which network: ask for a file that has one, or leave those options out"
    )]
    NoAnchor,
}

/// What a piece of evidence proves, once it was verified.
#[derive(Debug)]
pub struct Claims {
    /// The entry: session, owner, root, sizes and the node's time.
    pub sealed: SessionSealed,
    /// The entry's place in the log.
    pub log_index: u64,
    /// The checkpoint that covers it.
    pub checkpoint: Checkpoint,
    /// Whether the session had its owner's end mark; known where the manifest is there.
    pub complete: Option<bool>,
    /// The chunks it speaks of.
    pub chunks: Vec<ChunkClaim>,
    /// What its TRON part proves, where it has one.
    pub anchor: Option<AnchorClaims>,
}

/// What is proved of one chunk.
#[derive(Debug, PartialEq, Eq)]
pub struct ChunkClaim {
    /// Which chunk.
    pub index: ChunkIndex,
    /// The plaintext bytes it holds, where the evidence can say: with the manifest, and for the
    /// first and the last chunk also without.
    pub plain_range: Option<Range<u64>>,
    /// Length of its plaintext.
    pub plain_bytes: u32,
    /// Whether its key is disclosed and is the right one.
    pub disclosed: bool,
    /// Whether its sealed segments are attached and are the right ones.
    pub attached: bool,
    /// The segments that are proved one by one.
    pub segments: Vec<SegmentClaim>,
}

/// What is proved of one segment.
#[derive(Debug, PartialEq, Eq)]
pub struct SegmentClaim {
    /// Which segment.
    pub index: SegmentIndex,
    /// H(0x00 ‖ sealed segment).
    pub leaf: Hash,
}

impl Evidence {
    /// Checks every claim. `pinned` is the node's key as the verifier knows it; without it, the
    /// evidence proves only what the key named in the file says. Of an anchor nothing is pinned.
    ///
    /// # Errors
    /// [`EvidenceFinding`], the first thing that does not hold.
    pub fn verify(&self, pinned: Option<&VerifierKey>) -> Result<Claims, EvidenceFinding> {
        self.verify_anchored(pinned, &AnchorPins::default())
    }

    /// Checks every claim, as [`verify`](Self::verify), and the anchor against what the verifier knows of
    /// it.
    ///
    /// # Errors
    /// [`EvidenceFinding`], the first thing that does not hold; [`EvidenceFinding::NoAnchor`] where something
    /// is pinned of an anchor that is not there.
    pub fn verify_anchored(
        &self,
        pinned: Option<&VerifierKey>,
        pins: &AnchorPins,
    ) -> Result<Claims, EvidenceFinding> {
        if let Some(wanted) = pinned.filter(|key| **key != self.key) {
            let (found, wanted) = (self.key.to_string(), wanted.to_string());
            return Err(EvidenceFinding::OtherKey { found, wanted });
        }
        let origin = NodeId::of_public_key(self.key.public_key()).log_origin();
        if self.key.name().as_str() != origin {
            return Err(EvidenceFinding::KeyName(self.key.to_string()));
        }
        let sealed = match Entry::parse(&self.entry)?.of_this_version()? {
            Entry::SessionSealed(sealed) => sealed,
            other => return Err(EvidenceFinding::Kind(other.kind().to_owned())),
        };
        let checkpoint = self.proof.verify(merkle::leaf_hash(&self.entry), &self.key)?;
        let manifest = self.check_manifest(&sealed)?;
        let listed = manifest
            .as_ref()
            .map(|manifest| Listed { suite: manifest.suite, placed: manifest.placed().collect() });
        let check = |chunk| check_chunk(chunk, &sealed, listed.as_ref());
        let chunks = self.chunks.iter().map(check).collect::<Result<Vec<_>, _>>()?;
        check_lengths(&chunks, &sealed)?;
        let complete = manifest.as_ref().map(|manifest| manifest.complete);
        let anchor = match &self.anchor {
            Some(anchor) => {
                Some(anchor.verify(&checkpoint, pins).map_err(EvidenceFinding::Anchor)?)
            }
            None if *pins == AnchorPins::default() => None,
            None => return Err(EvidenceFinding::NoAnchor),
        };
        Ok(Claims { sealed, log_index: self.proof.index(), checkpoint, complete, chunks, anchor })
    }

    fn check_manifest(&self, sealed: &SessionSealed) -> Result<Option<Manifest>, EvidenceFinding> {
        let Some(bytes) = &self.manifest else { return Ok(None) };
        if Hash::of(bytes) != sealed.manifest_hash {
            return Err(EvidenceFinding::OtherManifest("its hash"));
        }
        let manifest = Manifest::parse(bytes)?;
        manifest.check_against(sealed).map_err(EvidenceFinding::OtherManifest)?;
        if manifest.node_id != NodeId::of_public_key(self.key.public_key()) {
            return Err(EvidenceFinding::OtherManifest("node_id"));
        }
        Ok(Some(manifest))
    }
}

impl Manifest {
    /// Checks that the manifest says what the ledger's entry says; its hash is not looked at here.
    ///
    /// # Errors
    /// The name of the first field that differs.
    pub fn check_against(&self, sealed: &SessionSealed) -> Result<(), &'static str> {
        let same = [
            ("session_id", self.session_id == sealed.session_id),
            ("owner", self.owner == sealed.owner),
            ("merkle_root", self.merkle_root == sealed.merkle_root),
            ("chunk_count", self.chunk_count == sealed.chunk_count),
            ("plain_bytes", self.plain_bytes == sealed.plain_bytes),
            ("policy_hash", self.policy_hash == sealed.policy_hash),
            ("sealed_at", self.sealed_at == sealed.at),
        ];
        same.iter().find(|(_, same)| !same).map_or(Ok(()), |(field, _)| Err(*field))
    }
}

/// What the manifest says of all chunks.
struct Listed<'a> {
    suite: Suite,
    placed: Vec<(&'a ManifestChunk, Range<u64>)>,
}

fn check_chunk(
    chunk: &ChunkEvidence,
    sealed: &SessionSealed,
    listed: Option<&Listed<'_>>,
) -> Result<ChunkClaim, EvidenceFinding> {
    let summary = &chunk.summary;
    let header = &summary.header;
    let index = header.index;
    if header.session != sealed.session_id {
        return Err(EvidenceFinding::OtherSession(index));
    }
    let (root, size, place) = (sealed.merkle_root, sealed.chunk_count.into(), index.0.into());
    merkle::verify_inclusion(root, size, place, summary.session_leaf(), &chunk.path)
        .map_err(|error| EvidenceFinding::Chunk { index, error })?;
    let plain_range = plain_range(chunk, sealed, listed)?;
    if let Some(key) = &chunk.disclosed {
        let keys = MessageKeys::of_chunk(key, &summary.salt, header);
        if !keys.commits_to(&summary.commitment) {
            return Err(EvidenceFinding::Key(index));
        }
    }
    let mut segments = Vec::with_capacity(chunk.segments.len());
    for segment in &chunk.segments {
        let (size, place) = (summary.layout().segment_count().into(), segment.index.0.into());
        merkle::verify_inclusion(summary.chunk_root, size, place, segment.leaf, &segment.path)
            .map_err(|error| EvidenceFinding::Segment { index, segment: segment.index, error })?;
        segments.push(SegmentClaim { index: segment.index, leaf: segment.leaf });
    }
    if let Some(bytes) = &chunk.sealed {
        let leaves = bytes.chunks(SEALED_SEGMENT_BYTES).map(merkle::leaf_hash);
        let (found, expected) = (merkle::root(&leaves.collect::<Vec<_>>()), summary.chunk_root);
        if found != expected {
            return Err(EvidenceFinding::Sealed { index, expected, found });
        }
    }
    Ok(ChunkClaim {
        index,
        plain_range,
        plain_bytes: header.plain_bytes,
        disclosed: chunk.disclosed.is_some(),
        attached: chunk.sealed.is_some(),
        segments,
    })
}

/// What the manifest's rows show of lengths, where it is not there: no chunk is empty.
fn check_lengths(chunks: &[ChunkClaim], sealed: &SessionSealed) -> Result<(), EvidenceFinding> {
    let (session, spoken) = (sealed.plain_bytes, chunks.len() as u64);
    // More than there are cannot be in the session's tree.
    let others = u64::from(sealed.chunk_count).saturating_sub(spoken);
    let bytes: u64 = chunks.iter().map(|chunk| u64::from(chunk.plain_bytes)).sum();
    let fits = if others == 0 { bytes == session } else { bytes.saturating_add(others) <= session };
    match fits {
        true => Ok(()),
        false => Err(EvidenceFinding::Lengths { session, chunks: bytes, spoken, others }),
    }
}

fn plain_range(
    chunk: &ChunkEvidence,
    sealed: &SessionSealed,
    listed: Option<&Listed<'_>>,
) -> Result<Option<Range<u64>>, EvidenceFinding> {
    let header = &chunk.summary.header;
    let index = header.index;
    if let Some(Listed { suite, placed }) = listed {
        let same = placed.get(index.0 as usize).filter(|(listed, _)| {
            **listed == ManifestChunk::from(&chunk.summary) && *suite == header.suite
        });
        let (_, range) = same.ok_or(EvidenceFinding::ChunkDiffers(index))?;
        return Ok(Some(range.clone()));
    }
    let plain_bytes = u64::from(header.plain_bytes);
    if index.0 == 0 {
        return Ok(Some(0..plain_bytes));
    }
    let last = index.0 + 1 == sealed.chunk_count;
    // Also a sealed entry that is at odds with its own chunks must not make this underflow.
    let start = sealed.plain_bytes.checked_sub(plain_bytes);
    Ok(start.filter(|_| last).map(|start| start..sealed.plain_bytes))
}
