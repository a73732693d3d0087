//! Where segments lie in a chunk file.

use super::PREFIX_BYTES;
use crate::id::SegmentIndex;

/// Payload bytes in every segment but the last (C2SP chunked-encryption, "Message chunking").
pub const SEGMENT_BYTES: usize = 16 << 10;

/// Bytes an AEAD tag adds to each segment.
pub const TAG_BYTES: usize = 16;

/// Sealed bytes of every segment but the last.
pub const SEALED_SEGMENT_BYTES: usize = SEGMENT_BYTES + TAG_BYTES;

/// Why a file's length is no chunk file's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// The file is shorter or longer than its header says.
    #[error("the file has {found} bytes where its header calls for {expected}")]
    FileBytes {
        /// Length that the header calls for.
        expected: u64,
        /// Length that was found.
        found: u64,
    },
}

/// The cut of a payload into segments: all of 16,384 bytes but the last, which is always shorter and
/// may be empty. The shorter end is what marks the end of the message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PayloadLayout {
    payload_bytes: u32,
}

impl PayloadLayout {
    /// The layout of a payload of this many bytes.
    #[must_use]
    pub fn of_payload(payload_bytes: u32) -> Self {
        Self { payload_bytes }
    }

    /// Number of segments, at least 1.
    #[must_use]
    pub fn segment_count(&self) -> u32 {
        self.payload_bytes / SEGMENT_BYTES as u32 + 1
    }

    /// Bytes of the whole chunk file: header, salt, commitment and sealed segments.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        PREFIX_BYTES as u64 + self.sealed_bytes()
    }

    /// Bytes of all sealed segments together.
    #[must_use]
    pub fn sealed_bytes(&self) -> u64 {
        u64::from(self.payload_bytes) + u64::from(self.segment_count()) * TAG_BYTES as u64
    }

    /// Payload bytes of one segment.
    #[must_use]
    pub fn segment_payload_bytes(&self, segment: SegmentIndex) -> usize {
        if segment.0 + 1 < self.segment_count() {
            SEGMENT_BYTES
        } else {
            self.payload_bytes as usize % SEGMENT_BYTES
        }
    }

    /// Where a sealed segment begins, counted from the first sealed byte.
    #[must_use]
    pub fn sealed_offset(&self, segment: SegmentIndex) -> u64 {
        u64::from(segment.0) * SEALED_SEGMENT_BYTES as u64
    }

    /// Checks a file's length against the layout.
    ///
    /// # Errors
    /// [`LayoutError::FileBytes`] with both lengths.
    pub fn check_file_bytes(&self, found: u64) -> Result<(), LayoutError> {
        let expected = self.file_bytes();
        if found == expected { Ok(()) } else { Err(LayoutError::FileBytes { expected, found }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_segment_is_always_shorter() {
        // (payload, segments, last segment's payload): the edges of C2SP's own examples.
        for (payload, count, last) in [
            (1, 1, 1),
            (1024, 1, 1024),
            (16_383, 1, 16_383),
            (16_384, 2, 0),
            (16_385, 2, 1),
            (20_480, 2, 4096),
            (8 << 20, 513, 0),
            ((8 << 20) - 1, 512, 16_383),
        ] {
            let layout = PayloadLayout::of_payload(payload);
            assert_eq!(layout.segment_count(), count, "{payload}");
            assert_eq!(layout.segment_payload_bytes(SegmentIndex(count - 1)), last, "{payload}");
            let total: usize =
                (0..count).map(|i| layout.segment_payload_bytes(SegmentIndex(i))).sum();
            assert_eq!(total, payload as usize);
            let end = layout.sealed_offset(SegmentIndex(count - 1)) + last as u64 + 16;
            assert_eq!(layout.sealed_bytes(), end);
            assert_eq!(layout.file_bytes(), end + 104);
            assert!(layout.check_file_bytes(end + 104).is_ok());
            assert!(layout.check_file_bytes(end + 103).is_err());
        }
    }
}
