//! A chunk's summary as it crosses the wire.

use lucid_core::{
    Hash,
    chunk::{COMMITMENT_BYTES, ChunkHeader, ChunkSummary, Commitment, SALT_BYTES, Salt},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Header, salt, commitment and chunk root, in this order.
const BYTES: usize = ChunkHeader::BYTES + SALT_BYTES + COMMITMENT_BYTES + Hash::BYTES;

/// A [`ChunkSummary`], in JSON as the hex of header ‖ salt ‖ commitment ‖ chunk root: what the session
/// leaf hashes, so that nothing can be left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Summary(pub ChunkSummary);

impl Serialize for Summary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ChunkSummary { header, salt, commitment, chunk_root } = &self.0;
        let mut bytes = [0; BYTES];
        let mut rest = bytes.as_mut_slice();
        for part in [&header.to_bytes()[..], &salt.0, &commitment.0, chunk_root.as_bytes()] {
            let (place, after) = rest.split_at_mut(part.len());
            place.copy_from_slice(part);
            rest = after;
        }
        serializer.serialize_str(&hex::encode(bytes))
    }
}

impl<'de> Deserialize<'de> for Summary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let bytes: [u8; BYTES] = lucid_core::hash::parse_lower_hex(&text)
            .ok_or_else(|| D::Error::custom("a chunk's summary is 272 lower-case hex digits"))?;
        let (header, rest) = bytes.split_first_chunk().expect("the lengths add up");
        let (salt, rest) = rest.split_first_chunk().expect("the lengths add up");
        let (commitment, rest) = rest.split_first_chunk().expect("the lengths add up");
        let (chunk_root, _) = rest.split_first_chunk().expect("the lengths add up");
        let header = ChunkHeader::parse(header).map_err(D::Error::custom)?;
        Ok(Self(ChunkSummary {
            header,
            salt: Salt(*salt),
            commitment: Commitment(*commitment),
            chunk_root: Hash(*chunk_root),
        }))
    }
}
