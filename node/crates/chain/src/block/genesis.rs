//! How a chain begins.

use std::collections::BTreeMap;

use alloy_primitives::{Address, U256};
use lucid_core::{Hash, Timestamp, json};
use serde::{Deserialize, Serialize};

use super::{BlockNumber, ChainId, Header};
use crate::{ChainError, rules};

/// What is fixed for a chain's life. The genesis block's `parent` is the SHA-256 of its canonical JSON, so
/// that every block commits to it: two chains that differ in anything here have no block in common.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Genesis {
    /// Who has how much at the beginning, in wei.
    pub allocations: BTreeMap<Address, U256>,
    /// EIP-155's chain id: not 0, and exact in JSON.
    pub chain_id: ChainId,
    /// The node's address, to which priority fees go.
    pub coinbase: Address,
    /// The genesis block's time.
    pub time: Timestamp,
}

/// The form that is hashed and kept: texts, because a balance is no JSON number.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Canonical {
    allocations: BTreeMap<String, String>,
    base_fee: u64,
    block_gas_max: u64,
    chain_id: ChainId,
    coinbase: String,
    fork: String,
    time: Timestamp,
    v: u8,
}

fn fork() -> String {
    let name: &str = rules::FORK.into();
    name.to_owned()
}

fn hex(address: Address) -> String {
    format!("{address:#x}")
}

impl Genesis {
    /// Its canonical JSON (RFC 8785): addresses are lower-case hex with `0x`, balances decimal texts.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let allocations =
            self.allocations.iter().map(|(address, wei)| (hex(*address), wei.to_string()));
        json::to_canonical(&Canonical {
            allocations: allocations.collect(),
            base_fee: rules::BASE_FEE,
            block_gas_max: rules::BLOCK_GAS_MAX,
            chain_id: self.chain_id,
            coinbase: hex(self.coinbase),
            fork: fork(),
            time: self.time,
            v: 1,
        })
    }

    /// Reads [`to_bytes`](Self::to_bytes), of a chain whose rules are those of this version.
    ///
    /// # Errors
    /// [`ChainError::Malformed`], [`ChainError::Genesis`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ChainError> {
        let malformed = |why: String| ChainError::Malformed { what: "a genesis document", why };
        let read: Canonical =
            json::from_canonical(bytes).map_err(|error| malformed(error.to_string()))?;
        let rules = (read.base_fee, read.block_gas_max, read.fork.as_str(), read.v);
        if rules != (rules::BASE_FEE, rules::BLOCK_GAS_MAX, fork().as_str(), 1) {
            let what = "its fork, fees or limits are not those of this version".to_owned();
            return Err(ChainError::Genesis { what });
        }
        let address = |text: &str| text.parse::<Address>().ok();
        let allocations = read
            .allocations
            .iter()
            .map(|(to, wei)| Some((address(to)?, U256::from_str_radix(wei, 10).ok()?)));
        let allocations: Option<BTreeMap<_, _>> = allocations.collect();
        let genesis = allocations.zip(address(&read.coinbase)).map(|(allocations, coinbase)| {
            Self { allocations, chain_id: read.chain_id, coinbase, time: read.time }
        });
        let genesis = genesis.filter(|genesis| genesis.to_bytes() == bytes);
        let genesis = genesis.ok_or_else(|| malformed("an address or a balance".to_owned()))?;
        genesis.check()?;
        Ok(genesis)
    }

    /// SHA-256 of [`to_bytes`](Self::to_bytes).
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash::of(&self.to_bytes())
    }

    /// # Errors
    /// [`ChainError::Genesis`], naming the field.
    pub(crate) fn check(&self) -> Result<(), ChainError> {
        let no = |what: &str| Err(ChainError::Genesis { what: what.to_owned() });
        if self.chain_id.0 == 0 || self.chain_id.0 > rules::NUMBER_MAX {
            return no("a chain id is between 1 and 2^53 - 1");
        }
        let sum = self.allocations.values().try_fold(U256::ZERO, |sum, wei| sum.checked_add(*wei));
        if sum.is_none_or(|sum| sum > U256::MAX >> 1) {
            return no("the allocations exceed 2^255 wei");
        }
        Ok(())
    }

    /// The genesis block's header, over the state of the allocations.
    pub(crate) fn header(&self, state_root: Hash) -> Header {
        let empty = lucid_core::merkle::EMPTY_ROOT;
        Header {
            gas_used: 0,
            log_root: empty,
            log_size: 0,
            number: BlockNumber(0),
            parent: self.hash(),
            receipts_root: empty,
            state_root,
            time: self.time,
            tx_root: empty,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn comes_back_from_its_one_form() {
        let genesis = testing::genesis();
        let bytes = genesis.to_bytes();
        assert_eq!(Genesis::from_bytes(&bytes).unwrap(), genesis);
        let text = String::from_utf8(bytes).unwrap();
        for bad in [
            text.replace(&fork(), "Frontier"),
            text.replace("\"base_fee\":1000000000", "\"base_fee\":1"),
            text.replace("\"v\":1", "\"v\":2"),
            text.replace("\"chain_id\":7197", "\"chain_id\":0"),
            text.replace("\"1000000000000000000000\"", "\"01\""),
            text.replace("\"1000000000000000000000\"", "\"-1\""),
            text.replace("0x", "0X"),
            text.replacen("0x", "", 1),
            text.to_uppercase(),
            text.replacen('{', "{ ", 1),
            String::new(),
        ] {
            assert_ne!(bad, text);
            assert!(Genesis::from_bytes(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
