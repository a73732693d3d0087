//! Blocks and transactions, as they are told.

use core::{fmt, str::FromStr};

use lucid_core::{Hash, SessionId, Timestamp, block::Header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A transaction's hash: Keccak-256 of its bytes, as `0x` and 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TxHash(pub [u8; 32]);

impl fmt::Display for TxHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", Hash(self.0))
    }
}

impl FromStr for TxHash {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix("0x").and_then(|digits| digits.parse().ok());
        let hash: Option<Hash> = digits;
        hash.map(|hash| Self(hash.0))
            .ok_or("a transaction's hash is 0x and 64 lower-case hex digits")
    }
}

impl Serialize for TxHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TxHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Which block.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockId {
    /// The one with this number.
    Number(u64),
    /// The one with this hash.
    Hash(Hash),
}

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Hash(hash) => hash.fmt(f),
        }
    }
}

/// A block's number in decimal digits, or its hash: 64 lower-case hex digits, with or without the `0x` that
/// clients of Ethereum write before it.
impl FromStr for BlockId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "a block is named by its number, or by its hash in 64 lower-case hex digits";
        let digits = text.strip_prefix("0x").unwrap_or(text);
        if digits.len() == 64 {
            return digits.parse().map(Self::Hash).map_err(|_| wrong);
        }
        let is_number = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
        let number = is_number.then(|| text.parse().ok()).flatten();
        number.map(Self::Number).ok_or(wrong)
    }
}

/// A block's header: what its hash is the SHA-256 of, as canonical JSON (RFC 8785).
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes `lucid_core::block::Header`")]
pub(crate) struct BlockHeader {
    /// Gas that its transactions used together.
    gas_used: u64,
    /// Root over the first `log_size` entries of the log.
    log_root: String,
    /// Entries in the log when the block was made.
    log_size: u64,
    /// Its place in the chain.
    number: u64,
    /// Hash of the block before it; of the genesis, hash of the genesis parameters.
    parent: String,
    /// Root over the receipts (RFC 6962); a leaf is a receipt's EIP-2718 bytes.
    receipts_root: String,
    /// Ethereum's state root after the block.
    state_root: String,
    /// When it was made, by the node's clock.
    #[schema(format = "date-time")]
    time: String,
    /// Root over the transactions (RFC 6962); a leaf is a transaction's EIP-2718 bytes.
    tx_root: String,
}

/// A block of the node's chain.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct BlockSummary {
    /// SHA-256 of the header's canonical JSON.
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
    pub hash: Hash,
    /// The header: these fields and no others are hashed.
    #[schema(value_type = BlockHeader)]
    pub header: Header,
    /// Index of its `evm.block` entry in the log.
    pub log_index: u64,
    /// Transactions in it.
    pub transaction_count: u32,
    /// Those of them that failed.
    pub failed_count: u32,
    /// Logs that they emitted.
    pub log_count: u32,
    /// Sessions that it registers.
    pub registered_count: u32,
}

/// A transaction of a block, and its receipt in short.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct BlockTransaction {
    /// Keccak-256 of its bytes.
    #[schema(value_type = String, pattern = "^0x[0-9a-f]{64}$")]
    pub hash: TxHash,
    /// Whether it succeeded.
    pub success: bool,
    /// Gas that it used.
    pub gas_used: u64,
    /// Logs that it emitted.
    pub log_count: u32,
}

/// A block with what is in it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct BlockDetail {
    /// The block.
    #[serde(flatten)]
    pub block: BlockSummary,
    /// Its transactions, in order.
    pub transactions: Vec<BlockTransaction>,
    /// The sessions that it registers, in the log's order.
    #[schema(value_type = Vec<String>)]
    pub registered: Vec<SessionId>,
}

/// Blocks, the newest first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct BlockPage {
    /// The blocks.
    pub blocks: Vec<BlockSummary>,
    /// What to ask for as `before` next, where there are more.
    pub next: Option<u64>,
}

/// A log that a transaction emitted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct TransactionLog {
    /// Who emitted it.
    pub address: String,
    /// Up to four topics, hex.
    pub topics: Vec<String>,
    /// Its data, hex.
    pub data: String,
}

/// The way from a transaction, and from its receipt, to the roots in its block's header (RFC 6962 §2.1.1):
/// a leaf's hash is SHA-256 of a zero byte and the bytes, and paths begin with the leaf's sibling.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct TransactionProof {
    /// Leaves of both trees.
    pub leaves: u32,
    /// The transaction's EIP-2718 bytes, hex.
    pub transaction: String,
    /// The receipt's EIP-2718 bytes, bloom included, hex.
    pub receipt: String,
    /// From the transaction to `tx_root`.
    #[schema(value_type = Vec<String>)]
    pub tx_path: Vec<Hash>,
    /// The root it leads to, which is in the block's header.
    #[schema(value_type = String)]
    pub tx_root: Hash,
    /// From the receipt to `receipts_root`.
    #[schema(value_type = Vec<String>)]
    pub receipt_path: Vec<Hash>,
    /// The root it leads to, which is in the block's header.
    #[schema(value_type = String)]
    pub receipts_root: Hash,
}

/// A transaction in a block.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct TransactionDetail {
    /// Keccak-256 of its bytes.
    #[schema(value_type = String, pattern = "^0x[0-9a-f]{64}$")]
    pub hash: TxHash,
    /// Its block's number.
    pub block_number: u64,
    /// Its block's hash.
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
    pub block_hash: Hash,
    /// When the block was made.
    #[schema(value_type = String, format = "date-time")]
    pub time: Timestamp,
    /// Its place in the block, from 0.
    pub index: u32,
    /// What it is to do, where it calls a contract that the node knows; `success` says whether it did.
    pub action: Option<String>,
    /// Who sent it.
    pub from: String,
    /// Whom it calls; absent where it creates a contract.
    pub to: Option<String>,
    /// The contract that it creates.
    pub created: Option<String>,
    /// Its place among the sender's.
    pub nonce: u64,
    /// Wei that it sends along, decimal.
    pub value: String,
    /// Most gas that it may use.
    pub gas_limit: u64,
    /// Gas that it used.
    pub gas_used: u64,
    /// What a unit of gas cost it, wei, decimal.
    pub gas_price: String,
    /// Whether it succeeded.
    pub success: bool,
    /// Why it failed, where it did, the state that says so is still kept, and it can be told in five seconds.
    pub failure: Option<String>,
    /// What it emitted.
    pub logs: Vec<TransactionLog>,
    /// That it is in the block.
    pub proof: TransactionProof,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_and_transactions_have_one_name_each() {
        let hash = Hash::of(b"block");
        for (text, expected) in [
            ("0", Some(BlockId::Number(0))),
            ("17", Some(BlockId::Number(17))),
            (hash.to_string().as_str(), Some(BlockId::Hash(hash))),
            (&format!("0x{hash}"), Some(BlockId::Hash(hash))),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("0x11", None),
            ("99999999999999999999", None),
            (&hash.to_string().to_uppercase(), None),
            (&hash.to_string()[1..], None),
        ] {
            assert_eq!(text.parse::<BlockId>().ok(), expected, "{text}");
        }
        let text = format!("0x{hash}");
        assert_eq!(text.parse(), Ok(TxHash(hash.0)));
        assert_eq!(TxHash(hash.0).to_string(), text);
        for bad in [&text[2..], &text.to_uppercase(), &text[..65], &format!("0x{text}"), ""] {
            assert!(bad.parse::<TxHash>().is_err(), "{bad}");
        }
    }
}
