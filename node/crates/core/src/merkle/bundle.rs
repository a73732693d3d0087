//! Entry bundles: the log's entries themselves, beside the tiles that hash them.

use super::TILE_WIDTH;

/// Bytes an entry may have: its length is a u16 in a bundle (C2SP tlog-tiles, "Log entries").
pub const ENTRY_BYTES_MAX: usize = u16::MAX as usize;

/// Bytes before each entry.
const LENGTH_BYTES: usize = 2;

/// Why bytes are no entry bundle, or entries do not make one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// An entry is longer than its length field can say.
    #[error("entry {position} has {bytes} bytes, more than {ENTRY_BYTES_MAX}")]
    EntryTooLong {
        /// Its position in the bundle.
        position: usize,
        /// Its length.
        bytes: usize,
    },
    /// A bundle has 1 to 256 entries.
    #[error("a bundle has 1 to {TILE_WIDTH} entries, not {count}")]
    Count {
        /// Entries given or expected.
        count: usize,
    },
    /// The bytes end inside an entry or its length.
    #[error("the bundle ends inside entry {position}")]
    Truncated {
        /// The entry's position in the bundle.
        position: usize,
    },
    /// Bytes follow the last entry.
    #[error("{bytes} bytes follow the last entry of the bundle")]
    Trailing {
        /// How many.
        bytes: usize,
    },
}

fn check_count(count: usize) -> Result<(), BundleError> {
    if count == 0 || count as u64 > TILE_WIDTH {
        return Err(BundleError::Count { count });
    }
    Ok(())
}

/// The bundle of `entries`, in order: for each a big-endian u16 length, then its bytes.
///
/// # Errors
///
/// [`BundleError::Count`] unless there are 1 to 256 entries, [`BundleError::EntryTooLong`].
pub fn encode_bundle<E: AsRef<[u8]>>(entries: &[E]) -> Result<Vec<u8>, BundleError> {
    check_count(entries.len())?;
    let bytes = entries.iter().map(|entry| LENGTH_BYTES + entry.as_ref().len()).sum();
    let mut bundle = Vec::with_capacity(bytes);
    for (position, entry) in entries.iter().enumerate() {
        let entry = entry.as_ref();
        let length = u16::try_from(entry.len())
            .map_err(|_| BundleError::EntryTooLong { position, bytes: entry.len() })?;
        bundle.extend_from_slice(&length.to_be_bytes());
        bundle.extend_from_slice(entry);
    }
    Ok(bundle)
}

/// The entries of a bundle that holds exactly `count` of them, the width its path names.
///
/// # Errors
///
/// [`BundleError::Count`] unless `count` is 1 to 256, [`BundleError::Truncated`],
/// [`BundleError::Trailing`].
pub fn decode_bundle(bundle: &[u8], count: usize) -> Result<Vec<&[u8]>, BundleError> {
    check_count(count)?;
    let mut rest = bundle;
    let entries = (0..count)
        .map(|position| {
            let (entry, after) = split_entry(rest).ok_or(BundleError::Truncated { position })?;
            rest = after;
            Ok(entry)
        })
        .collect::<Result<_, _>>()?;
    if rest.is_empty() { Ok(entries) } else { Err(BundleError::Trailing { bytes: rest.len() }) }
}

fn split_entry(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH_BYTES>()?;
    rest.split_at_checked(u16::from_be_bytes(*length).into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn layout() {
        let check = |entries: &[&[u8]], bundle: &[u8]| {
            assert_eq!(encode_bundle(entries).as_deref(), Ok(bundle));
            assert_eq!(decode_bundle(bundle, entries.len()).as_deref(), Ok(entries));
        };
        check(&[b""], b"\0\0");
        check(&[b"abc"], b"\0\x03abc");
        check(&[b"abc", b"", b"d"], b"\0\x03abc\0\0\0\x01d");
        let longest = vec![9; ENTRY_BYTES_MAX];
        check(&[&longest], &[&b"\xff\xff"[..], &longest].concat());
        check(&vec![&b""[..]; 256], &[0; 512]);
    }

    #[test]
    fn malformed() {
        let check = |bundle: &[u8], count, want| {
            assert_eq!(decode_bundle(bundle, count), Err(want), "{bundle:?} of {count}");
        };
        check(b"", 0, BundleError::Count { count: 0 });
        check(&[0; 514], 257, BundleError::Count { count: 257 });
        check(b"", 1, BundleError::Truncated { position: 0 });
        check(b"\0", 1, BundleError::Truncated { position: 0 });
        check(b"\0\x03ab", 1, BundleError::Truncated { position: 0 });
        check(b"\0\x01a", 2, BundleError::Truncated { position: 1 });
        check(b"\0\x01a\0", 2, BundleError::Truncated { position: 1 });
        check(b"\xff\xffa", 1, BundleError::Truncated { position: 0 });
        check(b"\0\x01a\0\x01b", 1, BundleError::Trailing { bytes: 3 });
        check(b"\0\0\0", 1, BundleError::Trailing { bytes: 1 });

        let none: [&[u8]; 0] = [];
        assert_eq!(encode_bundle(&none), Err(BundleError::Count { count: 0 }));
        assert_eq!(encode_bundle(&[b""; 257]), Err(BundleError::Count { count: 257 }));
        let too_long = vec![0; ENTRY_BYTES_MAX + 1];
        let refused = BundleError::EntryTooLong { position: 1, bytes: 65_536 };
        assert_eq!(encode_bundle(&[&b""[..], &too_long]), Err(refused));
    }

    proptest! {
        #[test]
        fn what_decodes_encodes_to_the_same_bytes(
            bundle in prop::collection::vec(0_u8..4, 0..40), count in 1_usize..8,
        ) {
            if let Ok(entries) = decode_bundle(&bundle, count) {
                prop_assert_eq!(encode_bundle(&entries), Ok(bundle));
            }
        }
    }
}
