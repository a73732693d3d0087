//! Blocks, transactions and receipts.

use alloy_primitives::{B256, U64, keccak256};
use alloy_rpc_types_eth::BlockTransactions;

use super::{
    Answer, Rpc,
    error::RpcError,
    forms::{self, Before, Place},
    params::{BlockId, Params, Tag},
    write,
};
use crate::{BlockNumber, ChainError, Included, Transaction, error::damaged};

impl Rpc {
    pub(super) fn block_number(&self, params: Params) -> Result<Answer, RpcError> {
        params.end()?;
        write(&U64::from(self.chain.head().header.number.0))
    }

    pub(super) fn block_by_number(&self, mut params: Params) -> Result<Answer, RpcError> {
        let tag = params.take("block")?;
        let full = params.take("full transactions")?;
        params.end()?;
        self.block(self.existing(tag), full)
    }

    pub(super) fn block_by_hash(&self, mut params: Params) -> Result<Answer, RpcError> {
        let hash = params.take("block hash")?;
        let full = params.take("full transactions")?;
        params.end()?;
        self.block(self.number_of(hash)?, full)
    }

    /// A block's number, if there is such a block.
    fn existing(&self, tag: Tag) -> Option<BlockNumber> {
        let head = self.chain.head().header.number;
        match tag {
            Tag::Latest | Tag::Pending => Some(head),
            Tag::Number(number) => (number <= head).then_some(number),
        }
    }

    fn block(&self, number: Option<BlockNumber>, full: bool) -> Result<Answer, RpcError> {
        let Some(number) = number else { return write(&()) };
        let block = self.chain.block(number)?;
        let block_hash = block.header.hash();
        let transactions = match full {
            false => BlockTransactions::Hashes(block.body.iter().map(keccak256).collect()),
            true => {
                let transactions = self.transactions_of(number)?;
                let forms = (0_u32..).zip(&transactions).map(|(index, tx)| {
                    forms::transaction(tx, Some(Place { block_hash, number, index }))
                });
                BlockTransactions::Full(forms.collect())
            }
        };
        let coinbase = self.chain.genesis().coinbase;
        let bloom = self.chain.bloom(number)?;
        write(&forms::block(block_hash, &block, coinbase, bloom, transactions))
    }

    fn transactions_of(&self, number: BlockNumber) -> Result<Vec<Transaction>, ChainError> {
        let body = (0_u32..).zip(self.chain.block(number)?.body);
        body.map(|(index, raw)| {
            Transaction::decode(&raw, self.chain.chain_id())
                .map_err(|error| damaged(format!("block {number}, transaction {index}: {error}")))
        })
        .collect()
    }

    pub(super) fn transaction_count_by_number(
        &self,
        mut params: Params,
    ) -> Result<Answer, RpcError> {
        let tag = params.take("block")?;
        params.end()?;
        self.transaction_count(self.existing(tag))
    }

    pub(super) fn transaction_count_by_hash(&self, mut params: Params) -> Result<Answer, RpcError> {
        let hash = params.take("block hash")?;
        params.end()?;
        self.transaction_count(self.number_of(hash)?)
    }

    fn transaction_count(&self, number: Option<BlockNumber>) -> Result<Answer, RpcError> {
        let Some(number) = number else { return write(&()) };
        write(&U64::from(self.chain.block(number)?.body.len()))
    }

    pub(super) fn transaction_by_number_and_index(
        &self,
        mut params: Params,
    ) -> Result<Answer, RpcError> {
        let tag = params.take("block")?;
        let index = params.take("index")?;
        params.end()?;
        self.transaction_at(self.existing(tag), index)
    }

    pub(super) fn transaction_by_hash_and_index(
        &self,
        mut params: Params,
    ) -> Result<Answer, RpcError> {
        let hash = params.take("block hash")?;
        let index = params.take("index")?;
        params.end()?;
        self.transaction_at(self.number_of(hash)?, index)
    }

    fn transaction_at(&self, number: Option<BlockNumber>, index: u64) -> Result<Answer, RpcError> {
        let (Some(number), Ok(index)) = (number, u32::try_from(index)) else { return write(&()) };
        write(&self.chain.included_at(number, index)?.as_ref().map(included))
    }

    pub(super) fn transaction_by_hash(&self, mut params: Params) -> Result<Answer, RpcError> {
        let hash: B256 = params.take("transaction hash")?;
        params.end()?;
        if let Some(found) = self.chain.included(hash)? {
            return write(&included(&found));
        }
        if let Some(tx) = self.host.waiting(hash) {
            return write(&forms::transaction(&tx, None));
        }
        // It may have come into a block between the two questions.
        write(&self.chain.included(hash)?.as_ref().map(included))
    }

    pub(super) fn receipt(&self, mut params: Params) -> Result<Answer, RpcError> {
        let hash: B256 = params.take("transaction hash")?;
        params.end()?;
        let found = self.chain.included(hash)?;
        write(&found.map(|found| {
            let gas = found.receipt.cumulative_gas_used.saturating_sub(found.gas_used);
            let before = Before { gas, logs: found.logs_before };
            forms::receipt(&found.transaction, &found.receipt, place(&found), before)
        }))
    }

    pub(super) fn block_receipts(&self, mut params: Params) -> Result<Answer, RpcError> {
        let block = params.take("block")?;
        params.end()?;
        let number = match block {
            BlockId::Tag(tag) => self.existing(tag),
            BlockId::Hash(hash) => self.number_of(hash)?,
        };
        let Some(number) = number else { return write(&()) };
        let (block_hash, _) = self.chain.header(number)?;
        let receipts = self.chain.receipts(number)?;
        let mut before = Before { gas: 0, logs: 0 };
        let mut forms = Vec::with_capacity(receipts.len());
        for (index, (tx, receipt)) in
            (0_u32..).zip(self.transactions_of(number)?.iter().zip(&receipts))
        {
            let place = Place { block_hash, number, index };
            forms.push(forms::receipt(tx, receipt, place, before));
            before.gas = receipt.cumulative_gas_used;
            before.logs += receipt.logs.len() as u64;
        }
        write(&forms)
    }
}

fn place(found: &Included) -> Place {
    Place { block_hash: found.block_hash, number: found.number, index: found.index }
}

fn included(found: &Included) -> alloy_rpc_types_eth::Transaction {
    forms::transaction(&found.transaction, Some(place(found)))
}
