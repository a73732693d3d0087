//! The chain's contracts, as other services of the node ask them and speak to them.

use core::{fmt, str::FromStr};

use async_trait::async_trait;
use bytes::Bytes;
use lucid_core::{Hash, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::Answer;

/// Calls in one [`ChainCalls::view`].
pub const VIEW_CALLS_MAX: usize = 2048;
/// Addresses in one [`LogsFilter`].
pub const LOG_ADDRESSES_MAX: usize = 16;
/// Bytes of calldata in one transaction of the node's: what fits into a transaction of 128 KiB.
pub const CALLDATA_BYTES_MAX: usize = 120 << 10;

/// A text that is not `0x` and so many bytes in hex.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("it is written as 0x and hex digits")]
pub struct EvmTextError;

macro_rules! fixed {
    ($(#[$attribute:meta])* $name:ident, $bytes:literal) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub [u8; $bytes]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "0x{}", hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = EvmTextError;

            fn from_str(text: &str) -> Result<Self, EvmTextError> {
                let digits = text.strip_prefix("0x").ok_or(EvmTextError)?;
                let mut bytes = [0; $bytes];
                hex::decode_to_slice(digits, &mut bytes).map_err(|_| EvmTextError)?;
                Ok(Self(bytes))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(D::Error::custom)
            }
        }
    };
}

fixed! {
    /// An account or a contract.
    EvmAddress, 20
}
fixed! {
    /// A topic of a log, or a transaction's hash.
    EvmWord, 32
}

/// Calldata, what a call returned, a log's data.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct EvmBytes(pub Bytes);

impl Serialize for EvmBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("0x{}", hex::encode(&self.0)))
    }
}

impl<'de> Deserialize<'de> for EvmBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let digits = text.strip_prefix("0x").ok_or_else(|| D::Error::custom(EvmTextError))?;
        let bytes = hex::decode(digits).map_err(|_| D::Error::custom(EvmTextError))?;
        Ok(Self(bytes.into()))
    }
}

/// A block.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockPlace {
    /// Its number.
    pub number: u64,
    /// Its hash: SHA-256 of its header's canonical JSON.
    pub hash: Hash,
    /// When it was made.
    pub time: Timestamp,
}

/// Which chain it is, and how far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainPlace {
    /// The chain's id (EIP-155).
    pub chain_id: u64,
    /// The node's account, which created the chain's contracts.
    pub account: EvmAddress,
    /// The newest block.
    pub head: BlockPlace,
}

/// A call of a contract.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvmCall {
    /// What is called.
    pub to: EvmAddress,
    /// Calldata.
    pub input: EvmBytes,
}

/// What a call that changes nothing came to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It returned this.
    Returned(EvmBytes),
    /// It was reverted with this.
    Reverted(EvmBytes),
    /// It could not be carried out: why.
    Failed(String),
}

/// What calls came to, all in one state.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Viewed {
    /// The newest block, after which it was looked.
    pub head: BlockPlace,
    /// The time that the contracts were told: now, and not before the newest block.
    pub at: Timestamp,
    /// One for each call.
    pub outcomes: Vec<Outcome>,
}

/// Which logs, in the order of the blocks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogsFilter {
    /// From these, 1 to [`LOG_ADDRESSES_MAX`].
    pub addresses: Vec<EvmAddress>,
    /// The first block.
    pub from: u64,
    /// The last block; `None` for as far as there are any.
    pub to: Option<u64>,
    /// A block that the asker believes to be there.
    pub known: Option<(u64, Hash)>,
}

/// A log, and where it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvmLog {
    /// The block's number.
    pub block: u64,
    /// When the block was made.
    pub time: Timestamp,
    /// The transaction's hash.
    pub transaction: EvmWord,
    /// Who logged it.
    pub address: EvmAddress,
    /// Its topics.
    pub topics: Vec<EvmWord>,
    /// Its data.
    pub data: EvmBytes,
}

/// Logs of some blocks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogsPage {
    /// The logs.
    pub logs: Vec<EvmLog>,
    /// The last block that was looked through; `None` where there was none.
    pub until: Option<BlockPlace>,
    /// Whether there are blocks after that, of those that were asked for.
    pub more: bool,
}

/// A transaction of the node's that is in a block, and went well.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transacted {
    /// Its hash.
    pub hash: EvmWord,
    /// The block.
    pub block: BlockPlace,
    /// Gas that it used.
    pub gas_used: u64,
}

/// blockchain-vm, as the node's own services work with its contracts. Everything here is bounded: what does
/// not fit is left to a next call, or refused.
#[async_trait]
pub trait ChainCalls: Send + Sync {
    /// Which chain it is, and how far.
    ///
    /// # Errors
    /// `unavailable` while the chain is read from the log, or where it cannot be, with the reason.
    async fn place(&self) -> Answer<ChainPlace>;

    /// What calls, at most [`VIEW_CALLS_MAX`], come to now, all in the same state.
    ///
    /// # Errors
    /// `invalid_request` where there are too many; as [`place`](Self::place).
    async fn view(&self, calls: Vec<EvmCall>) -> Answer<Viewed>;

    /// Logs of as many blocks as can be looked through at once.
    ///
    /// # Errors
    /// `conflict` where [`LogsFilter::known`] is no block of this chain; `invalid_request` where the filter
    /// is none; as [`place`](Self::place).
    async fn logs(&self, filter: LogsFilter) -> Answer<LogsPage>;

    /// Calls the governor from the node's own account, and gives what came of it once the block is in the
    /// log. It is tried first: what the contract refuses never becomes a transaction. Not safe to cancel in
    /// the sense that the transaction may still come: whoever heard nothing looks before asking again, and
    /// the contract refuses what was done already.
    ///
    /// # Errors
    /// `conflict` with the contract's reason in words; `forbidden` for any other contract;
    /// `invalid_request` where it is too long; `unavailable` where too many wait, or the chain went away
    /// meanwhile; `service_timeout` where no block came in time.
    async fn transact(&self, call: EvmCall) -> Answer<Transacted>;
}
