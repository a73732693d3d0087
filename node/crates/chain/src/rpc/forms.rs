//! Blocks, transactions, receipts and logs in the forms that clients read.

use alloy_consensus::{
    Eip658Value, ReceiptEnvelope, ReceiptWithBloom, Transaction as _,
    constants::{EMPTY_OMMER_ROOT_HASH, EMPTY_WITHDRAWALS},
    transaction::Recovered,
};
use alloy_primitives::{Address, B64, B256, Bloom, Bytes, U256};
use alloy_rpc_types_eth as eth;
use lucid_core::Hash;

use crate::{
    Block, BlockNumber, LogEntry, Receipt, Transaction,
    rules::{BASE_FEE, BLOCK_GAS_MAX},
};

/// A hash of this project's as a hash of Ethereum's: the same 32 bytes.
pub(super) fn word(hash: Hash) -> B256 {
    B256::new(hash.0)
}

/// Where a transaction is.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) block_hash: Hash,
    pub(super) number: BlockNumber,
    pub(super) index: u32,
}

/// A transaction in a block, or one that waits.
pub(super) fn transaction(tx: &Transaction, place: Option<Place>) -> eth::Transaction {
    eth::Transaction {
        inner: Recovered::new_unchecked(tx.envelope().clone(), tx.sender()),
        block_hash: place.map(|place| word(place.block_hash)),
        block_number: place.map(|place| place.number.0),
        transaction_index: place.map(|place| u64::from(place.index)),
        // What it pays; while it waits, the most that it may.
        effective_gas_price: Some(match place {
            Some(_) => tx.effective_gas_price(),
            None => tx.fee_cap(),
        }),
        block_timestamp: None,
    }
}

/// A block; `transactions` are hashes or forms.
pub(super) fn block(
    hash: Hash,
    block: &Block,
    coinbase: Address,
    logs_bloom: Bloom,
    transactions: eth::BlockTransactions<eth::Transaction>,
) -> eth::Block {
    let header = &block.header;
    let inner = alloy_consensus::Header {
        parent_hash: word(header.parent),
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: coinbase,
        state_root: word(header.state_root),
        transactions_root: word(header.tx_root),
        receipts_root: word(header.receipts_root),
        logs_bloom,
        difficulty: U256::ZERO,
        number: header.number.0,
        gas_limit: BLOCK_GAS_MAX,
        gas_used: header.gas_used,
        timestamp: header.time.unix_millis() / 1000,
        extra_data: Bytes::new(),
        // What PREVRANDAO gives.
        mix_hash: word(header.parent),
        nonce: B64::ZERO,
        base_fee_per_gas: Some(BASE_FEE),
        // Of Shanghai and Cancun: there are none, and clients may count on the fields.
        withdrawals_root: Some(EMPTY_WITHDRAWALS),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        ..alloy_consensus::Header::default()
    };
    let bytes = header.to_bytes().len() + block.body.iter().map(|raw| raw.len()).sum::<usize>();
    eth::Block {
        header: eth::Header {
            hash: word(hash),
            inner,
            total_difficulty: Some(U256::ZERO),
            size: Some(U256::from(bytes)),
        },
        uncles: Vec::new(),
        transactions,
        withdrawals: Some(eth::Withdrawals::default()),
    }
}

/// What a receipt needs beside itself.
#[derive(Clone, Copy)]
pub(super) struct Before {
    /// Gas that the block's transactions used before it.
    pub(super) gas: u64,
    /// Logs of the block before its first.
    pub(super) logs: u64,
}

/// What a transaction in a block ended in.
pub(super) fn receipt(
    tx: &Transaction,
    receipt: &Receipt,
    place: Place,
    before: Before,
) -> eth::TransactionReceipt {
    let logs = (before.logs..).zip(&receipt.logs).map(|(log_index, inner)| {
        log(LogEntry {
            block_hash: place.block_hash,
            number: place.number,
            transaction_hash: tx.hash(),
            transaction_index: place.index,
            log_index,
            log: inner.clone(),
        })
    });
    let inner = alloy_consensus::Receipt {
        status: Eip658Value::Eip658(receipt.success),
        cumulative_gas_used: receipt.cumulative_gas_used,
        logs: logs.collect(),
    };
    let inner = ReceiptWithBloom::new(inner, receipt.bloom());
    eth::TransactionReceipt {
        inner: ReceiptEnvelope::from_typed(receipt.tx_type, inner),
        transaction_hash: tx.hash(),
        transaction_index: Some(u64::from(place.index)),
        block_hash: Some(word(place.block_hash)),
        block_number: Some(place.number.0),
        gas_used: receipt.cumulative_gas_used.saturating_sub(before.gas),
        effective_gas_price: tx.effective_gas_price(),
        blob_gas_used: None,
        blob_gas_price: None,
        from: tx.sender(),
        to: tx.envelope().to(),
        contract_address: tx.creates(),
    }
}

/// A log. A block that was made stays: none is ever removed.
pub(super) fn log(entry: LogEntry) -> eth::Log {
    eth::Log {
        inner: entry.log,
        block_hash: Some(word(entry.block_hash)),
        block_number: Some(entry.number.0),
        block_timestamp: None,
        transaction_hash: Some(entry.transaction_hash),
        transaction_index: Some(u64::from(entry.transaction_index)),
        log_index: Some(entry.log_index),
        removed: false,
    }
}
