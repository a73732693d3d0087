//! Reads one chunk file back: checks it against what it should be, hashes it, and, with its key,
//! opens it.

use std::io::{self, Read};

use lucid_core::{
    Hash, SegmentIndex,
    chunk::{
        COMMITMENT_BYTES, ChunkHeader, ChunkSummary, Codec, Commitment, HeaderError, LayoutError,
        MessageKeys, PREFIX_BYTES, SALT_BYTES, SEALED_SEGMENT_BYTES, SEGMENT_BYTES, Salt,
        TAG_BYTES,
    },
    keys::ChunkKey,
};

use crate::{
    aead::{SegmentCipher, Unauthentic},
    codec::{CodecError, Decompressor},
    pages::PageBuffer,
    tree,
    window::{SCAN_SEGMENTS, WINDOW_SEGMENTS},
};

/// What is wrong with a chunk file.
#[derive(Debug, thiserror::Error)]
pub enum ChunkError {
    /// It is not there.
    #[error("the chunk file is missing")]
    Missing,
    /// It cannot be read.
    #[error("the chunk file cannot be read: {0}")]
    Read(io::Error),
    /// Its header is malformed.
    #[error("header: {0}")]
    Header(#[from] HeaderError),
    /// Its header is not the one that the manifest calls for.
    #[error("header mismatch: it is not the header that the manifest calls for")]
    HeaderDiffers,
    /// It is too short or too long.
    #[error(transparent)]
    Length(#[from] LayoutError),
    /// It was sealed under another key, or salt or header were altered.
    #[error("the key commitment does not match: altered, or sealed under another key")]
    Commitment,
    /// A segment was altered or moved.
    #[error("segment {0} does not authenticate")]
    Segment(SegmentIndex),
    /// Its segments hash to another root than recorded.
    #[error("root mismatch: the segments hash to {found}, recorded is {expected}")]
    Root {
        /// What the manifest or index says.
        expected: Hash,
        /// What the file gives.
        found: Hash,
    },
    /// What was sealed is not what its header promises.
    #[error("payload: {0}")]
    Payload(#[from] CodecError),
}

/// The bytes of a chunk file before its first segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prefix {
    /// The header.
    pub header: ChunkHeader,
    /// The message's salt.
    pub salt: Salt,
    /// The message's key commitment.
    pub commitment: Commitment,
}

impl Prefix {
    /// Reads a chunk file's first 104 bytes.
    ///
    /// # Errors
    /// [`HeaderError`].
    pub fn parse(bytes: &[u8; PREFIX_BYTES]) -> Result<Self, HeaderError> {
        let mut header = [0; ChunkHeader::BYTES];
        let mut salt = Salt([0; SALT_BYTES]);
        let mut commitment = Commitment([0; COMMITMENT_BYTES]);
        header.copy_from_slice(&bytes[..ChunkHeader::BYTES]);
        salt.0.copy_from_slice(&bytes[ChunkHeader::BYTES..ChunkHeader::BYTES + SALT_BYTES]);
        commitment.0.copy_from_slice(&bytes[ChunkHeader::BYTES + SALT_BYTES..]);
        Ok(Self { header: ChunkHeader::parse(&header)?, salt, commitment })
    }

    fn summary(self, chunk_root: Hash) -> ChunkSummary {
        let Self { header, salt, commitment } = self;
        ChunkSummary { header, salt, commitment, chunk_root }
    }
}

/// One worker's means of reading chunks, reused from chunk to chunk. Its buffers grow to the largest
/// chunk it meets, at most 16 MiB each.
pub struct ChunkOpener {
    window: PageBuffer,
    leaves: Vec<[u8; 32]>,
    payload: Vec<u8>,
    plain: Vec<u8>,
    decompressor: Decompressor,
}

impl Default for ChunkOpener {
    fn default() -> Self {
        Self {
            // What only `scan` uses of it costs no memory where nothing is scanned.
            window: PageBuffer::zeroed(PREFIX_BYTES + SCAN_SEGMENTS * SEALED_SEGMENT_BYTES),
            leaves: Vec::new(),
            payload: Vec::new(),
            plain: Vec::new(),
            decompressor: Decompressor::default(),
        }
    }
}

impl ChunkOpener {
    /// An opener.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Hashes a chunk file without opening it. `expected` is the header it must have, where that is
    /// known.
    ///
    /// # Errors
    /// [`ChunkError`], the first thing that is wrong.
    pub fn scan(
        &mut self,
        reader: &mut impl Read,
        file_bytes: u64,
        expected: Option<&ChunkHeader>,
    ) -> Result<ChunkSummary, ChunkError> {
        let prefix = read_prefix(reader, file_bytes, expected)?;
        self.leaves.clear();
        self.segments(reader, &prefix.header, SCAN_SEGMENTS, |_, _, _| Ok(()))?;
        Ok(prefix.summary(tree::root_in_place(&mut self.leaves)))
    }

    /// Hashes a chunk file like [`Self::scan`], and gives the leaf of every segment instead of the
    /// root over them: what the path of a single segment is made from.
    ///
    /// # Errors
    /// [`ChunkError`].
    pub fn leaves(
        &mut self,
        reader: &mut impl Read,
        file_bytes: u64,
        expected: Option<&ChunkHeader>,
    ) -> Result<(Prefix, Vec<Hash>), ChunkError> {
        let prefix = read_prefix(reader, file_bytes, expected)?;
        self.leaves.clear();
        self.segments(reader, &prefix.header, SCAN_SEGMENTS, |_, _, _| Ok(()))?;
        Ok((prefix, self.leaves.iter().copied().map(Hash).collect()))
    }

    /// Opens a chunk file: the commitment is checked before anything is decrypted, every segment's
    /// tag before its plaintext counts. Gives the summary, and the plaintext until the next call.
    ///
    /// # Errors
    /// [`ChunkError`], the first thing that is wrong.
    pub fn open(
        &mut self,
        reader: &mut impl Read,
        file_bytes: u64,
        expected: Option<&ChunkHeader>,
        key_of: impl FnOnce(&ChunkHeader) -> ChunkKey,
    ) -> Result<(ChunkSummary, &[u8]), ChunkError> {
        let prefix = read_prefix(reader, file_bytes, expected)?;
        let header = prefix.header;
        let keys = MessageKeys::of_chunk(&key_of(&header), &prefix.salt, &header);
        if !keys.commits_to(&prefix.commitment) {
            return Err(ChunkError::Commitment);
        }
        let cipher = SegmentCipher::new(header.suite, &keys);
        self.leaves.clear();
        let mut payload = std::mem::take(&mut self.payload);
        payload.resize(header.payload_bytes as usize, 0);
        let visit = |counter: u32, offset: usize, sealed: &[u8]| {
            let plain = &mut payload[offset..offset + sealed.len() - TAG_BYTES];
            cipher.open(counter, sealed, plain)
        };
        let opened = self.segments(reader, &header, WINDOW_SEGMENTS, visit);
        self.payload = payload;
        opened?;
        let summary = prefix.summary(tree::root_in_place(&mut self.leaves));
        match header.codec {
            Codec::Stored => Ok((summary, &self.payload)),
            Codec::Zstd => {
                self.plain.resize(header.plain_bytes as usize, 0);
                self.decompressor.decompress(&self.payload, &mut self.plain)?;
                Ok((summary, &self.plain))
            }
        }
    }

    /// Reads the sealed segments so many at a time, hashes them, and gives each to `visit` with its
    /// counter and its payload's offset.
    fn segments(
        &mut self,
        reader: &mut impl Read,
        header: &ChunkHeader,
        at_once: usize,
        mut visit: impl FnMut(u32, usize, &[u8]) -> Result<(), Unauthentic>,
    ) -> Result<(), ChunkError> {
        let mut rest = header.layout().sealed_bytes();
        let mut counter = 0;
        while rest > 0 {
            let full = at_once * SEALED_SEGMENT_BYTES;
            let count = usize::try_from(rest).map_or(full, |rest| rest.min(full));
            // Where the file has them, so that the kernel copies from and to places of one alignment:
            // the first lie behind the prefix, and a window's length is a multiple of 64 bytes.
            let window = &mut self.window[PREFIX_BYTES..PREFIX_BYTES + count];
            reader.read_exact(window).map_err(ChunkError::Read)?;
            for segments in window.chunks(WINDOW_SEGMENTS * SEALED_SEGMENT_BYTES) {
                tree::hash_segments(segments, &mut self.leaves);
            }
            for sealed in window.chunks(SEALED_SEGMENT_BYTES) {
                let visited = visit(counter, counter as usize * SEGMENT_BYTES, sealed);
                visited.map_err(|Unauthentic| ChunkError::Segment(SegmentIndex(counter)))?;
                counter += 1;
            }
            rest -= count as u64;
        }
        Ok(())
    }
}

fn read_prefix(
    reader: &mut impl Read,
    file_bytes: u64,
    expected: Option<&ChunkHeader>,
) -> Result<Prefix, ChunkError> {
    if file_bytes < PREFIX_BYTES as u64 {
        let expected = expected.map_or(PREFIX_BYTES as u64, |header| header.layout().file_bytes());
        return Err(LayoutError::FileBytes { expected, found: file_bytes }.into());
    }
    let mut bytes = [0; PREFIX_BYTES];
    reader.read_exact(&mut bytes).map_err(ChunkError::Read)?;
    let prefix = Prefix::parse(&bytes)?;
    if expected.is_some_and(|expected| *expected != prefix.header) {
        return Err(ChunkError::HeaderDiffers);
    }
    prefix.header.layout().check_file_bytes(file_bytes)?;
    Ok(prefix)
}

impl From<io::Error> for ChunkError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound { Self::Missing } else { Self::Read(error) }
    }
}
