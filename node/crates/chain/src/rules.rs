//! The rules of the chain: what every node that replays it must agree on.
//!
//! The fork is Osaka, the execution part of Ethereum's Fusaka (EIP-7607): the newest one that Ethereum
//! itself runs, solc's default target, and one that revm and `@ethereumjs/vm` both implement. Of it, what
//! needs a beacon chain has no place here: there are no withdrawals, no blobs, and no calls of the
//! system contracts of EIP-4788, EIP-2935, EIP-7002 and EIP-7251, none of which is deployed. What differs
//! from Ethereum beyond that:
//!
//! - the base fee is constant: blocks are made by one node at its own pace, so demand cannot be read off
//!   how full they are, and a price that stands in the documentation can be budgeted for;
//! - several blocks may share a second: `TIMESTAMP` is in seconds and never decreases, a header's `time`
//!   is in milliseconds;
//! - `BLOCKHASH` is the SHA-256 that names a block here; `PREVRANDAO` is the parent's. It is **not
//!   random**: whoever makes blocks chooses among many;
//! - transactions of type 3 (blobs) and 4 (EIP-7702) are refused. Type 4 lets one account's transaction
//!   change another's nonce, which costs a pool its bounds, and no contract here needs it.

use alloy_primitives::{Address, B256, U256};
use lucid_core::{Hash, Timestamp};
use revm::{
    context::{BlockEnv, CfgEnv},
    context_interface::block::BlobExcessGasAndPrice,
    primitives::hardfork::SpecId,
};

use crate::{BlockNumber, ChainId};

/// The fork.
pub const FORK: SpecId = SpecId::OSAKA;
/// The most gas a transaction may ask for (EIP-7825): 2^24.
pub const TX_GAS_MAX: u64 = 1 << 24;
/// The most gas that a block may use: a thousand registrations of a session at 150,000 each, which is the
/// burst that a node must bear. What a block used so far and what the next transaction asks for must fit.
pub const BLOCK_GAS_MAX: u64 = 150_000_000;
/// The longest transaction, bytes: what other nodes' pools take (geth's `txMaxSize`), and room for the
/// largest init code (EIP-3860: 49,152 bytes) with its arguments.
pub const TX_BYTES_MAX: usize = 128 << 10;
/// The most bytes of transactions in a block: what is written for a block at once, and read for it.
pub const BLOCK_BYTES_MAX: usize = 4 << 20;
/// The most transactions in a block: what fits [`BLOCK_GAS_MAX`] at 21,000 each.
pub const BLOCK_TRANSACTIONS_MAX: usize = 7142;
/// The base fee, wei per gas: 1 gwei, as most clients display prices. It is burnt. Nobody earns from it;
/// it makes filling blocks cost what the operator gave out.
pub const BASE_FEE: u64 = 1_000_000_000;
/// The largest block number, so that it is exact in JSON (RFC 8785).
pub const NUMBER_MAX: u64 = lucid_core::json::INTEGER_MAX;

/// What the machine must know of the chain.
pub(crate) fn config(chain_id: ChainId) -> CfgEnv {
    let mut config = CfgEnv::new().with_chain_id(chain_id.0).with_spec_and_mainnet_gas_params(FORK);
    config.tx_gas_limit_cap = Some(TX_GAS_MAX);
    config
}

/// What the machine must know of a block.
pub(crate) fn block(
    number: BlockNumber,
    time: Timestamp,
    coinbase: Address,
    parent: Hash,
) -> BlockEnv {
    BlockEnv {
        number: U256::from(number.0),
        beneficiary: coinbase,
        timestamp: U256::from(time.unix_millis() / 1000),
        gas_limit: BLOCK_GAS_MAX,
        basefee: BASE_FEE,
        difficulty: U256::ZERO,
        prevrandao: Some(B256::from(parent.0)),
        // No blobs: their price is the least there is (EIP-4844).
        blob_excess_gas_and_price: Some(BlobExcessGasAndPrice {
            excess_blob_gas: 0,
            blob_gasprice: 1,
        }),
        slot_num: 0,
    }
}
