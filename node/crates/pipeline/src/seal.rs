//! Seals one chunk: compress, then seal and hash its segments a window at a time while they are in
//! cache, and hand each window to the chunk file. What lies in a file and would not shrink is read a
//! window at a time, too, and never leaves the cache.

use std::{convert::Infallible, io, ops::Range};

use lucid_core::{
    ChunkIndex, Policy, SegmentIndex, SessionId,
    chunk::{
        ChunkHeader, ChunkSummary, Codec, MessageKeys, PREFIX_BYTES, SALT_BYTES, SEGMENT_BYTES,
        Salt, TAG_BYTES,
    },
    keys::{ChunkKey, Dek},
};

use zeroize::Zeroize;

use crate::{
    PortError,
    aead::SegmentCipher,
    codec::Compressor,
    pages::{ChunkBuffer, PageBuffer},
    ports::ChunkFile,
    source::Extent,
    tree,
    window::{self, WINDOW_SEGMENTS},
};

/// Plaintext bytes of a window.
const PLAIN_WINDOW_BYTES: usize = WINDOW_SEGMENTS * SEGMENT_BYTES;

/// What sealing a session's chunks needs to know.
pub struct SealContext {
    /// The session.
    pub session: SessionId,
    /// Its data key.
    pub dek: Dek,
    /// Chunk size, suite and compression level.
    pub policy: Policy,
}

/// Why what lies somewhere could not be sealed.
#[derive(Debug)]
pub enum SealError {
    /// It cannot be read.
    Source(io::Error),
    /// The chunk file failed.
    Store(PortError),
}

/// One worker's means of sealing chunks, reused from chunk to chunk.
pub struct ChunkSealer {
    compressor: Compressor,
    compressed: Vec<u8>,
    /// A window of plaintext that is read where it lies; none where nothing ever was.
    plain: Option<PageBuffer>,
    payload: PayloadSealer,
}

impl ChunkSealer {
    /// A sealer for chunks of at most the policy's size.
    #[must_use]
    pub fn new(policy: &Policy) -> Self {
        Self {
            compressor: Compressor::new(policy.zstd_level),
            compressed: vec![0; policy.chunk_bytes as usize],
            plain: None,
            payload: PayloadSealer::default(),
        }
    }

    /// Seals `plain` as the session's chunk number `index` into `file`, which is not yet committed.
    /// `salt` is random and new: a chunk sealed again after a crash gets another.
    ///
    /// # Errors
    /// The chunk file's.
    ///
    /// # Panics
    /// Where `plain` is empty or longer than the policy's chunk size.
    pub fn seal(
        &mut self,
        context: &SealContext,
        index: ChunkIndex,
        plain: &[u8],
        salt: Salt,
        file: &mut impl ChunkFile,
    ) -> Result<ChunkSummary, PortError> {
        assert!(!plain.is_empty() && plain.len() <= self.compressed.len(), "a chunk's size");
        let (codec, payload_bytes) = self.compressor.compress(plain, &mut self.compressed);
        let payload = match codec {
            Codec::Stored => plain,
            Codec::Zstd => &self.compressed[..payload_bytes],
        };
        let header = context.header(index, codec, plain.len(), payload_bytes);
        let key = context.dek.chunk_key(&context.session, index);
        self.payload.seal(&header, &key, payload, salt, file)
    }

    /// Seals as many bytes of `extent` as `buffer` has room for, like [`Self::seal`]. They pass
    /// through `buffer` only where they may be compressed.
    ///
    /// # Errors
    /// [`SealError`].
    ///
    /// # Panics
    /// Where `buffer` has no room or is longer than the policy's chunk size.
    pub fn seal_extent(
        &mut self,
        context: &SealContext,
        index: ChunkIndex,
        extent: &Extent,
        buffer: &mut ChunkBuffer,
        salt: Salt,
        file: &mut impl ChunkFile,
    ) -> Result<ChunkSummary, SealError> {
        let count = buffer.bytes();
        let read = |buffer: &mut [u8], offset| extent.read(buffer, offset as u64);
        if self.compressor.probe(count, read).map_err(SealError::Source)? {
            extent.read(buffer.whole(), 0).map_err(SealError::Source)?;
            let plain = buffer.plain(count);
            return self.seal(context, index, plain, salt, file).map_err(SealError::Store);
        }
        assert!(count <= self.compressed.len(), "a chunk's size");
        let header = context.header(index, Codec::Stored, count, count);
        let key = context.dek.chunk_key(&context.session, index);
        let plain = self.plain.get_or_insert_with(|| PageBuffer::zeroed(PLAIN_WINDOW_BYTES));
        let sealed = self.payload.seal_windows(&header, &key, Lying { extent, plain }, salt, file);
        sealed.map_err(|broken| match broken {
            Broken::Payload(error) => SealError::Source(error),
            Broken::Store(error) => SealError::Store(error),
        })
    }
}

impl Drop for ChunkSealer {
    fn drop(&mut self) {
        if let Some(plain) = &mut self.plain {
            plain.zeroize();
        }
    }
}

impl SealContext {
    fn header(
        &self,
        index: ChunkIndex,
        codec: Codec,
        plain_bytes: usize,
        payload_bytes: usize,
    ) -> ChunkHeader {
        ChunkHeader {
            suite: self.policy.suite,
            codec,
            session: self.session,
            index,
            plain_bytes: plain_bytes as u32,
            payload_bytes: payload_bytes as u32,
        }
    }
}

/// What a payload's windows come from.
trait Payload {
    type Error;

    /// The bytes of one window.
    fn window(&mut self, range: Range<usize>) -> Result<&[u8], Self::Error>;
}

impl Payload for &[u8] {
    type Error = Infallible;

    fn window(&mut self, range: Range<usize>) -> Result<&[u8], Infallible> {
        Ok(&self[range])
    }
}

/// Read where it lies, a window at a time.
struct Lying<'a> {
    extent: &'a Extent,
    plain: &'a mut PageBuffer,
}

impl Payload for Lying<'_> {
    type Error = io::Error;

    fn window(&mut self, range: Range<usize>) -> io::Result<&[u8]> {
        let plain = &mut self.plain[..range.len()];
        self.extent.read(plain, range.start as u64)?;
        Ok(plain)
    }
}

/// What failed while a payload was sealed.
enum Broken<E> {
    Payload(E),
    Store(PortError),
}

/// Seals payloads that somebody else compressed. Reused from chunk to chunk.
pub struct PayloadSealer {
    window: PageBuffer,
    leaves: Vec<[u8; 32]>,
}

impl Default for PayloadSealer {
    fn default() -> Self {
        Self { window: window::new_window(), leaves: Vec::new() }
    }
}

impl PayloadSealer {
    /// Seals `payload` under `key` into `file`, which is not yet committed. `salt` is random and new.
    ///
    /// # Errors
    /// The chunk file's.
    ///
    /// # Panics
    /// Where `payload` has not the length that `header` says.
    pub fn seal(
        &mut self,
        header: &ChunkHeader,
        key: &ChunkKey,
        payload: &[u8],
        salt: Salt,
        file: &mut impl ChunkFile,
    ) -> Result<ChunkSummary, PortError> {
        assert_eq!(payload.len(), header.payload_bytes as usize, "a payload's size");
        self.seal_windows(header, key, payload, salt, file).map_err(|broken| match broken {
            Broken::Payload(never) => match never {},
            Broken::Store(error) => error,
        })
    }

    fn seal_windows<P: Payload>(
        &mut self,
        header: &ChunkHeader,
        key: &ChunkKey,
        mut payload: P,
        salt: Salt,
        file: &mut impl ChunkFile,
    ) -> Result<ChunkSummary, Broken<P::Error>> {
        let keys = MessageKeys::of_chunk(key, &salt, header);
        let cipher = SegmentCipher::new(header.suite, &keys);
        let commitment = keys.commitment();

        self.window[..ChunkHeader::BYTES].copy_from_slice(&header.to_bytes());
        self.window[ChunkHeader::BYTES..ChunkHeader::BYTES + SALT_BYTES].copy_from_slice(&salt.0);
        self.window[ChunkHeader::BYTES + SALT_BYTES..PREFIX_BYTES].copy_from_slice(&commitment.0);
        self.leaves.clear();
        let layout = header.layout();
        let mut start = PREFIX_BYTES;
        let mut segment = 0;
        while segment < layout.segment_count() {
            let mut end = start;
            let window_end = layout.segment_count().min(segment + WINDOW_SEGMENTS as u32);
            let from = segment as usize * SEGMENT_BYTES;
            let to = (header.payload_bytes as usize).min(window_end as usize * SEGMENT_BYTES);
            let mut plain = payload.window(from..to).map_err(Broken::Payload)?;
            for counter in segment..window_end {
                let count = layout.segment_payload_bytes(SegmentIndex(counter));
                let (piece, rest) = plain.split_at(count);
                let sealed = &mut self.window[end..end + count + TAG_BYTES];
                cipher.seal(counter, piece, sealed);
                (plain, end) = (rest, end + sealed.len());
            }
            tree::hash_segments(&self.window[start..end], &mut self.leaves);
            let written = &self.window[if segment == 0 { 0 } else { start }..end];
            file.write(written).map_err(Broken::Store)?;
            segment = window_end;
            start = PREFIX_BYTES;
        }
        assert_eq!(self.leaves.len(), layout.segment_count() as usize);
        let chunk_root = tree::root_in_place(&mut self.leaves);
        Ok(ChunkSummary { header: *header, salt, commitment, chunk_root })
    }
}

/// A fresh salt from the operating system.
///
/// # Errors
/// Where it has no random bytes to give.
pub fn random_salt() -> Result<Salt, getrandom::Error> {
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt)?;
    Ok(Salt(salt))
}
