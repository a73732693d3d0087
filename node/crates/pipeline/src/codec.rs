//! Compression: one zstd frame a chunk, or none where it would not pay.

use std::convert::Infallible;

use lucid_core::chunk::Codec;
use zeroize::Zeroizing;
use zstd_safe::{CCtx, CParameter, DCtx};

/// Samples that the probe looks at, spread over the chunk.
const PROBE_SAMPLES: usize = 8;

/// Bytes of each sample: together 32 KiB, below 1 % of what sealing an 8 MiB chunk costs.
const PROBE_SAMPLE_BYTES: usize = 4 << 10;

/// A payload that is not at least 1/64 shorter than the plaintext is stored as it is: reading it
/// back then costs no decompression.
const SAVING_SHARE: usize = 64;

/// The level whose tables are made smaller, see [`TABLES`].
const TUNED_LEVEL: u8 = 3;

/// zstd's hash logs for matches of eight bytes and of five, for chunks above [`TABLES_FROM`]. Level 3's own
/// are 17 and 16: 768 KiB, which no first-level cache holds; these are 320 KiB. Measured on chunks of 8 MiB
/// (example `tables`): 1.15 times as fast with 2 % more stored (binaries), 1.07 and 1 % (source code), 1.14 and
/// 1 % less (terminal recordings).
const TABLES: (u32, u32) = (16, 14);

/// Up to here zstd chooses smaller tables by itself.
const TABLES_FROM: usize = 256 << 10;

/// Why a payload does not become the plaintext its header promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// zstd's own words.
    #[error("the payload is no zstd frame: {0}")]
    Frame(&'static str),
    /// The frame is followed by other bytes, or gives another length.
    #[error("the payload is not one zstd frame of the length its header promises")]
    Length,
}

/// A compressor whose memory is reused from chunk to chunk.
pub struct Compressor {
    context: CCtx<'static>,
    level: u8,
    prober: CCtx<'static>,
    probed: Vec<u8>,
}

impl Compressor {
    /// A compressor of this level, 1 to 9.
    ///
    /// # Panics
    /// Where memory for zstd's context cannot be had.
    #[must_use]
    pub fn new(level: u8) -> Self {
        let context = |level: u8| {
            let mut context = CCtx::create();
            let set = [
                CParameter::CompressionLevel(i32::from(level)),
                CParameter::ContentSizeFlag(true),
                CParameter::ChecksumFlag(false),
                CParameter::DictIdFlag(false),
            ];
            for parameter in set {
                let done = context.set_parameter(parameter);
                done.expect("valid parameters, before any frame was begun");
            }
            context
        };
        let probed = vec![0; zstd_safe::compress_bound(PROBE_SAMPLE_BYTES)];
        Self { context: context(level), level, prober: context(1), probed }
    }

    /// Compresses `plain` into the front of `payload` where that pays. The answer is the codec and
    /// the payload's length; with [`Codec::Stored`] the payload is `plain` itself.
    ///
    /// # Panics
    /// Where zstd refuses the sizes of its tables, which are constants.
    pub fn compress(&mut self, plain: &[u8], payload: &mut [u8]) -> (Codec, usize) {
        let limit = plain.len() - plain.len().div_ceil(SAVING_SHARE).min(plain.len());
        let limit = limit.min(payload.len());
        if limit == 0 || !self.promises(plain) {
            return (Codec::Stored, plain.len());
        }
        // Zero is the level's own.
        let tuned = self.level == TUNED_LEVEL && plain.len() > TABLES_FROM;
        let (long, short) = if tuned { TABLES } else { (0, 0) };
        for parameter in [CParameter::HashLog(long), CParameter::ChainLog(short)] {
            let done = self.context.set_parameter(parameter);
            done.expect("valid parameters, between two frames");
        }
        // An output that is too small for the frame is an error of zstd's, and here the answer.
        match self.context.compress2(&mut payload[..limit], plain) {
            Ok(count) => (Codec::Zstd, count),
            Err(_) => (Codec::Stored, plain.len()),
        }
    }

    /// Whether samples of the chunk shrink at all.
    fn promises(&mut self, plain: &[u8]) -> bool {
        let sample = |buffer: &mut [u8], offset: usize| {
            buffer.copy_from_slice(&plain[offset..offset + buffer.len()]);
            Ok::<(), Infallible>(())
        };
        match self.probe(plain.len(), sample) {
            Ok(promising) => promising,
            Err(never) => match never {},
        }
    }

    /// Whether samples of a chunk of `count` bytes shrink at all; `sample` fills a buffer with those
    /// from an offset on. A chunk of a few samples' size is simply tried.
    ///
    /// # Errors
    /// What `sample` gives.
    pub fn probe<E>(
        &mut self,
        count: usize,
        mut sample: impl FnMut(&mut [u8], usize) -> Result<(), E>,
    ) -> Result<bool, E> {
        if count < 4 * PROBE_SAMPLES * PROBE_SAMPLE_BYTES {
            return Ok(true);
        }
        let stride = count / PROBE_SAMPLES;
        let mut plain = Zeroizing::new([0; PROBE_SAMPLE_BYTES]);
        let mut compressed = 0;
        for place in 0..PROBE_SAMPLES {
            sample(&mut plain[..], place * stride)?;
            let tried = self.prober.compress2(&mut self.probed[..], &plain[..]);
            compressed += tried.unwrap_or(PROBE_SAMPLE_BYTES);
        }
        let total = PROBE_SAMPLES * PROBE_SAMPLE_BYTES;
        Ok(compressed < total - total / SAVING_SHARE)
    }
}

/// A decompressor whose memory is reused from chunk to chunk.
pub struct Decompressor {
    context: DCtx<'static>,
}

impl Default for Decompressor {
    fn default() -> Self {
        Self { context: DCtx::create() }
    }
}

impl Decompressor {
    /// Decompresses `payload`, which must be exactly one frame of exactly `plain`'s length.
    ///
    /// # Errors
    /// [`CodecError`].
    pub fn decompress(&mut self, payload: &[u8], plain: &mut [u8]) -> Result<(), CodecError> {
        let frame = zstd_safe::find_frame_compressed_size(payload).map_err(frame_error)?;
        let content = zstd_safe::get_frame_content_size(payload).map_err(|_| CodecError::Length)?;
        if frame != payload.len() || content != Some(plain.len() as u64) {
            return Err(CodecError::Length);
        }
        let count = self.context.decompress(plain, payload).map_err(frame_error)?;
        if count == plain.len() { Ok(()) } else { Err(CodecError::Length) }
    }
}

fn frame_error(code: zstd_safe::ErrorCode) -> CodecError {
    CodecError::Frame(zstd_safe::get_error_name(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(bytes: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let step = |_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u8
        };
        (0..bytes).map(step).collect()
    }

    fn check(plain: &[u8], expected: Codec) {
        let mut payload = vec![0; plain.len()];
        let (codec, count) = Compressor::new(3).compress(plain, &mut payload);
        assert_eq!(codec, expected, "{} bytes", plain.len());
        if codec == Codec::Zstd {
            assert!(count < plain.len());
            let mut back = vec![0; plain.len()];
            Decompressor::default().decompress(&payload[..count], &mut back).unwrap();
            assert_eq!(back, plain);
        } else {
            assert_eq!(count, plain.len());
        }
    }

    #[test]
    fn what_shrinks_is_compressed() {
        check(&[0; 1], Codec::Stored);
        check(&[0; 8], Codec::Stored);
        check(&[0; 1000], Codec::Zstd);
        check(&vec![7; 1 << 20], Codec::Zstd);
        check(&noise(100), Codec::Stored);
        check(&noise(1 << 20), Codec::Stored);
        let text = b"2026-11-23 the quick brown fox jumps over the lazy dog\n".repeat(9000);
        check(&text, Codec::Zstd);
        let mut mixed = noise(1 << 20);
        mixed.extend_from_slice(&vec![0; 1 << 20]);
        check(&mixed, Codec::Zstd);
    }

    #[test]
    fn what_was_compressed_before_changes_nothing() {
        let text = b"2026-11-27 23 frames of 1024 bytes, 7 of them late\n".repeat(12_000);
        let mut reused = Compressor::new(TUNED_LEVEL);
        for bytes in [text.len(), 1000, TABLES_FROM, TABLES_FROM + 1, 5000, text.len()] {
            let plain = &text[..bytes];
            let (mut one, mut other) = (vec![0; bytes], vec![0; bytes]);
            let found = reused.compress(plain, &mut one);
            assert_eq!(found, Compressor::new(TUNED_LEVEL).compress(plain, &mut other));
            assert!(found.0 == Codec::Zstd && one == other, "{bytes} bytes");
            let mut back = vec![0; bytes];
            Decompressor::default().decompress(&one[..found.1], &mut back).unwrap();
            assert_eq!(back, plain);
        }
    }

    #[test]
    fn anything_but_one_frame_of_the_right_length_is_refused() {
        let plain = vec![5; 10_000];
        let mut payload = vec![0; plain.len()];
        let (_, count) = Compressor::new(3).compress(&plain, &mut payload);
        let frame = payload[..count].to_vec();
        let open = |payload: &[u8], bytes: usize| {
            Decompressor::default().decompress(payload, &mut vec![0; bytes])
        };
        assert_eq!(open(&frame, 10_000), Ok(()));
        assert_eq!(open(&frame, 9_999), Err(CodecError::Length));
        assert_eq!(open(&frame, 10_001), Err(CodecError::Length));
        assert_eq!(open(&[frame.as_slice(), &frame].concat(), 20_000), Err(CodecError::Length));
        assert_eq!(open(&[frame.as_slice(), b"x"].concat(), 10_000), Err(CodecError::Length));
        assert!(open(&frame[..count - 1], 10_000).is_err());
        assert!(open(b"", 10).is_err());
        assert!(open(b"plain bytes that are no frame", 10).is_err());
        // A skippable frame decompresses to nothing and would hide bytes.
        let skippable = [0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9];
        assert!(open(&[skippable.as_slice(), &frame].concat(), 10_000).is_err());
    }
}
