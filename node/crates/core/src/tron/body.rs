//! What a transaction says: the part that is signed.

use core::{fmt, str::FromStr};

use prost::Message;
use serde::{Deserialize, Serialize};
use sha3::{Digest, Keccak256};

use super::{
    Address, BlockId, Contract, Sun, TRANSACTION_BYTES_MAX, TronError,
    contract::sun,
    message::{self, decode},
};
use crate::{Hash, hash::HashParseError};

const RAW: &str = "the signed part of a transaction";

/// A transaction's id: the SHA-256 of its signed part.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TransactionId(pub Hash);

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for TransactionId {
    type Err = HashParseError;

    fn from_str(text: &str) -> Result<Self, HashParseError> {
        text.parse().map(Self)
    }
}

/// A recent block that a transaction builds on (TAPOS): on a chain without it, it is in no block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reference {
    /// The last two bytes of its number.
    pub number: [u8; 2],
    /// Bytes 8 to 15 of its id.
    pub hash: [u8; 8],
}

impl Reference {
    /// The reference to a block.
    #[must_use]
    pub fn to(block: &BlockId) -> Self {
        let bytes = block.as_bytes();
        let (mut number, mut hash) = ([0; 2], [0; 8]);
        number.copy_from_slice(&bytes[6..8]);
        hash.copy_from_slice(&bytes[8..16]);
        Self { number, hash }
    }
}

/// What a transaction says: the signed part. It has one encoding, which is also tronweb's and java-tron's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Body {
    /// The block it builds on.
    pub reference: Reference,
    /// Milliseconds since 1970, after which it is in no block. At most a day after the block before it.
    pub expiration_ms: u64,
    /// Milliseconds since 1970. Nobody checks it; with it two transactions that say the same differ.
    pub timestamp_ms: u64,
    /// The memo, often empty. It has a fee of its own.
    pub memo: Vec<u8>,
    /// The most that energy may cost. Transfers have none.
    pub fee_limit: Sun,
    /// What is done.
    pub contract: Contract,
}

/// As messages have them. A time beyond them is as far away as the last one.
fn milliseconds(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

impl Body {
    /// The one encoding: the bytes that are signed.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let raw = message::Raw {
            ref_block_bytes: self.reference.number.into(),
            ref_block_num: 0,
            ref_block_hash: self.reference.hash.into(),
            expiration: milliseconds(self.expiration_ms),
            data: self.memo.clone(),
            contract: vec![self.contract.encode()],
            timestamp: milliseconds(self.timestamp_ms),
            fee_limit: self.fee_limit.signed(),
        };
        raw.encode_to_vec()
    }

    /// Reads the signed part of a transaction that this node could have made: one contract that is known,
    /// signed with the owner's permission, nothing else set.
    ///
    /// # Errors
    /// [`TronError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, TronError> {
        if bytes.len() > TRANSACTION_BYTES_MAX {
            return Err(TronError::TooLong { bytes: bytes.len() });
        }
        let field = |field, wanted| TronError::Field { what: RAW, field, wanted };
        let mut raw: message::Raw = decode(RAW, bytes)?;
        let contract = match (raw.contract.pop(), raw.contract.is_empty()) {
            (Some(contract), true) => Contract::decode(contract)?,
            _ => return Err(field("contract", "exactly one")),
        };
        let wanted = "milliseconds since 1970";
        let ms = |name, ms: i64| u64::try_from(ms).map_err(|_| field(name, wanted));
        let body = Self {
            reference: Reference {
                number: (*raw.ref_block_bytes)
                    .try_into()
                    .map_err(|_| field("ref_block_bytes", "two bytes"))?,
                hash: (*raw.ref_block_hash)
                    .try_into()
                    .map_err(|_| field("ref_block_hash", "eight bytes"))?,
            },
            expiration_ms: ms("expiration", raw.expiration)?,
            timestamp_ms: ms("timestamp", raw.timestamp)?,
            memo: raw.data,
            fee_limit: sun(RAW, "fee_limit", raw.fee_limit)?,
            contract,
        };
        // Whatever else was set (a permission, another type's name) is not in what is encoded again.
        if body.encode() != bytes {
            return Err(TronError::NotCanonical { what: RAW });
        }
        Ok(body)
    }

    /// The transaction's id.
    #[must_use]
    pub fn id(&self) -> TransactionId {
        TransactionId(Hash::of(&self.encode()))
    }

    /// The address of the contract that this transaction creates; nothing where it creates none.
    ///
    /// java-tron, `generateContractAddress`: the Keccak-256 of the transaction's id and the owner's 21 bytes.
    #[must_use]
    pub fn creates(&self) -> Option<Address> {
        let Contract::Create(creation) = &self.contract else { return None };
        let hash = Keccak256::new()
            .chain_update(self.id().0.as_bytes())
            .chain_update(creation.owner.to_bytes());
        Some(Address::of_hash(&hash.finalize().into()))
    }
}
