//! Seals one chunk: compress, then seal and hash its segments a window at a time while they are in
//! cache, and hand each window to the chunk file.

use lucid_core::{
    ChunkIndex, Policy, SegmentIndex, SessionId,
    chunk::{
        ChunkHeader, ChunkSummary, Codec, MessageKeys, PREFIX_BYTES, SALT_BYTES, SEGMENT_BYTES,
        Salt, TAG_BYTES,
    },
    keys::{ChunkKey, Dek},
};

use crate::{
    PortError, aead::SegmentCipher, codec::Compressor, pages::PageBuffer, ports::ChunkFile, tree,
    window, window::WINDOW_SEGMENTS,
};

/// What sealing a session's chunks needs to know.
pub struct SealContext {
    /// The session.
    pub session: SessionId,
    /// Its data key.
    pub dek: Dek,
    /// Chunk size, suite and compression level.
    pub policy: Policy,
}

/// One worker's means of sealing chunks, reused from chunk to chunk.
pub struct ChunkSealer {
    compressor: Compressor,
    compressed: Vec<u8>,
    payload: PayloadSealer,
}

impl ChunkSealer {
    /// A sealer for chunks of at most the policy's size.
    #[must_use]
    pub fn new(policy: &Policy) -> Self {
        Self {
            compressor: Compressor::new(policy.zstd_level),
            compressed: vec![0; policy.chunk_bytes as usize],
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
        let header = ChunkHeader {
            suite: context.policy.suite,
            codec,
            session: context.session,
            index,
            plain_bytes: plain.len() as u32,
            payload_bytes: payload_bytes as u32,
        };
        let key = context.dek.chunk_key(&context.session, index);
        self.payload.seal(&header, &key, payload, salt, file)
    }
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
            for counter in segment..window_end {
                let offset = counter as usize * SEGMENT_BYTES;
                let count = layout.segment_payload_bytes(SegmentIndex(counter));
                let sealed = &mut self.window[end..end + count + TAG_BYTES];
                cipher.seal(counter, &payload[offset..offset + count], sealed);
                end += sealed.len();
            }
            tree::hash_segments(&self.window[start..end], &mut self.leaves);
            file.write(&self.window[if segment == 0 { 0 } else { start }..end])?;
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
