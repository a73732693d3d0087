//! Blocks' ids and headers.

use core::{fmt, str::FromStr};

use prost::Message;
use serde::{Deserialize, Serialize};

use super::{
    Address, Signature, TronError,
    message::{BlockHeader, HeaderRaw, decode},
};
use crate::{Hash, hash::HashParseError};

const HEADER: &str = "a block header";

/// A block's number.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct BlockNumber(pub u64);

impl fmt::Display for BlockNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A block's id, 32 bytes: its number in 8, then bytes 8 to 31 of the SHA-256 of what its header signs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BlockId(Hash);

impl BlockId {
    /// The id of the block with this number, whose header's signed part hashes to `hash`.
    #[must_use]
    pub fn new(number: BlockNumber, hash: &Hash) -> Self {
        let mut bytes = hash.0;
        bytes[..8].copy_from_slice(&number.0.to_be_bytes());
        Self(Hash(bytes))
    }

    /// The id with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Hash(bytes))
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The number that it begins with.
    #[must_use]
    pub fn number(&self) -> BlockNumber {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.0.0[..8]);
        BlockNumber(u64::from_be_bytes(bytes))
    }
}

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for BlockId {
    type Err = HashParseError;

    fn from_str(text: &str) -> Result<Self, HashParseError> {
        text.parse().map(Self)
    }
}

/// What a block's header says. The first block's is none: its witness is a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeaderBody {
    /// Milliseconds since 1970.
    pub timestamp_ms: u64,
    /// The root over its transactions; all zeros where it has none.
    pub root: Hash,
    /// The block before.
    pub parent: BlockId,
    /// Its number.
    pub number: BlockNumber,
    /// Who made it.
    pub witness: Address,
    /// The rules that it was made by.
    pub version: i32,
    /// The root over accounts, on chains that have it.
    pub account_state_root: Option<Hash>,
}

impl HeaderBody {
    /// The one encoding: the bytes that are signed.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let raw = HeaderRaw {
            timestamp: self.timestamp_ms.cast_signed(),
            tx_trie_root: self.root.0.into(),
            parent_hash: (*self.parent.as_bytes()).into(),
            number: self.number.0.cast_signed(),
            witness_id: 0,
            witness_address: self.witness.to_bytes().into(),
            version: self.version,
            account_state_root: self.account_state_root.map(|r| r.0.into()).unwrap_or_default(),
        };
        raw.encode_to_vec()
    }

    fn decode(bytes: &[u8]) -> Result<Self, TronError> {
        let raw: HeaderRaw = decode(HEADER, bytes)?;
        let field = |field, wanted| TronError::Field { what: HEADER, field, wanted };
        let hash = |name, bytes: &[u8]| {
            bytes.try_into().map(Hash).map_err(|_| field(name, "a hash of 32 bytes"))
        };
        let body = Self {
            timestamp_ms: u64::try_from(raw.timestamp)
                .map_err(|_| field("timestamp", "milliseconds since 1970"))?,
            root: hash("txTrieRoot", &raw.tx_trie_root)?,
            parent: BlockId(hash("parentHash", &raw.parent_hash)?),
            number: BlockNumber(
                u64::try_from(raw.number).map_err(|_| field("number", "a block's number"))?,
            ),
            witness: Address::from_bytes(&raw.witness_address)
                .map_err(|source| TronError::Address { field: "witness_address", source })?,
            version: raw.version,
            account_state_root: match raw.account_state_root.as_slice() {
                [] => None,
                bytes => Some(hash("accountStateRoot", bytes)?),
            },
        };
        if body.encode() != bytes {
            return Err(TronError::NotCanonical { what: HEADER });
        }
        Ok(body)
    }
}

/// A block's header with its witness's signature.
///
/// Who signed it is a fact of the bytes; that they were a witness, and that the chain kept the block, is
/// not: only TRON's nodes know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    body: HeaderBody,
    id: BlockId,
    signature: Signature,
    signer: Address,
}

impl Header {
    /// Puts a header together. The signature's v becomes 0 or 1, as blocks have it: no hash is over it,
    /// so that it has one form here.
    ///
    /// # Errors
    /// [`TronError::Unrecoverable`] where the signature is no key's, [`TronError::Field`] where a number
    /// is beyond 2^63 − 1.
    pub fn new(body: HeaderBody, signature: Signature) -> Result<Self, TronError> {
        let raw = body.encode();
        if HeaderBody::decode(&raw)? != body {
            return Err(TronError::NotCanonical { what: HEADER });
        }
        let hash = Hash::of(&raw);
        let signature = signature.with_small_v();
        let signer = signature.signer(&hash)?;
        Ok(Self { id: BlockId::new(body.number, &hash), body, signature, signer })
    }

    /// Reads a header, its signature's v 0 or 1.
    ///
    /// # Errors
    /// [`TronError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, TronError> {
        let message: BlockHeader = decode(HEADER, bytes)?;
        let signature = Signature::from_bytes(&message.witness_signature)?;
        let header = Self::new(HeaderBody::decode(&message.raw_data)?, signature)?;
        match header.encode() == bytes {
            true => Ok(header),
            false => Err(TronError::NotCanonical { what: HEADER }),
        }
    }

    /// The whole message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let message = BlockHeader {
            raw_data: self.body.encode(),
            witness_signature: self.signature.as_bytes().to_vec(),
        };
        message.encode_to_vec()
    }

    /// The block's id.
    #[must_use]
    pub fn id(&self) -> BlockId {
        self.id
    }

    /// What it says.
    #[must_use]
    pub fn body(&self) -> &HeaderBody {
        &self.body
    }

    /// The witness's signature, v as 0 or 1.
    #[must_use]
    pub fn signature(&self) -> Signature {
        self.signature
    }

    /// Who signed it: the witness, or the key that the witness gave the right to.
    #[must_use]
    pub fn signer(&self) -> Address {
        self.signer
    }

    /// Whether the witness signed with the key of its own address. Where it has given the right to another,
    /// only its account on the chain says to whom.
    #[must_use]
    pub fn is_signed_by_witness(&self) -> bool {
        self.signer == self.body.witness
    }
}
