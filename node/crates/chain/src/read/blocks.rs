//! Blocks, transactions and receipts, by number and by hash; accounts and slots.

use alloy_primitives::{Address, B256, Bloom, Bytes, U256};
use alloy_rlp::Decodable;
use alloy_trie::TrieAccount;
use lucid_core::Hash;

use super::At;
use crate::{
    Block, BlockNumber, Chain, ChainError, Head, Header, Receipt, Transaction, error::damaged,
    keys, rows,
};

/// A transaction in a block, and what it ended in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Included {
    /// The block's hash.
    pub block_hash: Hash,
    /// The block's number.
    pub number: BlockNumber,
    /// The transaction's place in the block, from 0.
    pub index: u32,
    /// The transaction.
    pub transaction: Transaction,
    /// What it ended in.
    pub receipt: Receipt,
    /// Gas that it used.
    pub gas_used: u64,
    /// Logs of the block before its first.
    pub logs_before: u64,
}

impl Chain {
    /// An account at `at`; an empty one is the default.
    ///
    /// # Errors
    /// [`ChainError::NoSuchBlock`], [`ChainError::StateNotKept`], and the database's.
    pub fn account(&self, address: Address, at: At) -> Result<TrieAccount, ChainError> {
        let head = self.head();
        Ok(self.view(&head, at)?.account(address)?.unwrap_or_default())
    }

    /// The code of an account at `at`, empty where it has none.
    ///
    /// # Errors
    /// As [`account`](Self::account).
    pub fn code(&self, address: Address, at: At) -> Result<Bytes, ChainError> {
        let head = self.head();
        let view = self.view(&head, at)?;
        let account = view.account(address)?.unwrap_or_default();
        Ok(view.code(account.code_hash)?.original_bytes())
    }

    /// A slot of an account at `at`.
    ///
    /// # Errors
    /// As [`account`](Self::account).
    pub fn slot(&self, address: Address, slot: U256, at: At) -> Result<U256, ChainError> {
        let head = self.head();
        self.view(&head, at)?.slot(address, slot)
    }

    /// A block's hash and header.
    ///
    /// # Errors
    /// [`ChainError::NoSuchBlock`], and the database's.
    pub fn header(&self, number: BlockNumber) -> Result<(Hash, Header), ChainError> {
        let head = self.head();
        self.header_below(&head, number)
    }

    /// The bloom of a block's logs; zero where there are none.
    ///
    /// # Errors
    /// The database's.
    pub fn bloom(&self, number: BlockNumber) -> Result<Bloom, ChainError> {
        let Some(row) = self.tree.get(keys::bloom(number))? else { return Ok(Bloom::ZERO) };
        let wrong = |_| damaged(format!("the bloom of block {number}"));
        Ok(Bloom::from(<[u8; 256]>::try_from(row.as_ref()).map_err(wrong)?))
    }

    /// The number of the block with this hash, if there is one.
    ///
    /// # Errors
    /// The database's.
    pub fn number_of(&self, hash: Hash) -> Result<Option<BlockNumber>, ChainError> {
        self.tree.get(keys::block_hash(hash))?.map(|row| rows::number(&row)).transpose()
    }

    /// A block.
    ///
    /// # Errors
    /// [`ChainError::NoSuchBlock`], and the database's.
    pub fn block(&self, number: BlockNumber) -> Result<Block, ChainError> {
        let (_, header) = self.header(number)?;
        Ok(Block { header, body: self.body_of(number)? })
    }

    /// The transactions of a block that is there.
    pub(crate) fn body_of(&self, number: BlockNumber) -> Result<Vec<Bytes>, ChainError> {
        let mut body = Vec::new();
        for group in 0_u32.. {
            let texts = rows::long(&self.tree, &keys::transactions(number, group))?;
            if texts.is_empty() {
                break;
            }
            body.extend(raws(&texts)?);
        }
        Ok(body)
    }

    /// The receipts of a block, one for each transaction.
    ///
    /// # Errors
    /// [`ChainError::NoSuchBlock`], and the database's.
    pub fn receipts(&self, number: BlockNumber) -> Result<Vec<Receipt>, ChainError> {
        self.header(number)?;
        self.receipts_of(number)
    }

    /// The receipts of a block that is there.
    pub(crate) fn receipts_of(&self, number: BlockNumber) -> Result<Vec<Receipt>, ChainError> {
        let mut receipts = Vec::new();
        for group in 0_u32.. {
            let more = self.receipt_group(number, group)?;
            if more.is_empty() {
                break;
            }
            receipts.extend(more);
        }
        Ok(receipts)
    }

    /// Where a transaction is, if it is in a block.
    ///
    /// # Errors
    /// The database's.
    pub fn place_of(&self, hash: B256) -> Result<Option<(BlockNumber, u32)>, ChainError> {
        self.tree.get(keys::transaction_hash(hash))?.map(|row| rows::place(&row)).transpose()
    }

    /// A transaction in a block, by its hash.
    ///
    /// # Errors
    /// The database's.
    pub fn included(&self, hash: B256) -> Result<Option<Included>, ChainError> {
        match self.place_of(hash)? {
            Some((number, index)) => self.included_at(number, index),
            None => Ok(None),
        }
    }

    /// The transaction at a place of a block, if the block has so many.
    ///
    /// # Errors
    /// [`ChainError::NoSuchBlock`], and the database's.
    pub fn included_at(
        &self,
        number: BlockNumber,
        index: u32,
    ) -> Result<Option<Included>, ChainError> {
        let (block_hash, _) = self.header(number)?;
        let (group, within) = (index / keys::GROUP as u32, index as usize % keys::GROUP);
        let texts = rows::long(&self.tree, &keys::transactions(number, group))?;
        let Some(raw) = raws(&texts)?.into_iter().nth(within) else { return Ok(None) };
        let transaction = Transaction::decode(&raw, self.chain_id())
            .map_err(|error| damaged(format!("block {number}, transaction {index}: {error}")))?;
        let mut receipts = Vec::new();
        for group in 0..=group {
            receipts.extend(self.receipt_group(number, group)?);
        }
        let missing = || damaged(format!("block {number}, the receipt of transaction {index}"));
        let before = receipts.get(..index as usize).ok_or_else(missing)?;
        let receipt = receipts.get(index as usize).ok_or_else(missing)?.clone();
        let gas_before = before.last().map_or(0, |receipt| receipt.cumulative_gas_used);
        Ok(Some(Included {
            block_hash,
            number,
            index,
            transaction,
            gas_used: receipt.cumulative_gas_used.saturating_sub(gas_before),
            logs_before: before.iter().map(|receipt| receipt.logs.len() as u64).sum(),
            receipt,
        }))
    }

    pub(crate) fn header_below(
        &self,
        head: &Head,
        number: BlockNumber,
    ) -> Result<(Hash, Header), ChainError> {
        let no_such = || ChainError::NoSuchBlock { number, head: head.header.number };
        if number > head.header.number {
            return Err(no_such());
        }
        rows::header(&self.tree, number)?
            .ok_or_else(|| damaged(format!("the header of block {number} is missing")))
    }

    fn receipt_group(&self, number: BlockNumber, group: u32) -> Result<Vec<Receipt>, ChainError> {
        let texts = rows::long(&self.tree, &keys::receipts(number, group))?;
        let mut rest = texts.as_slice();
        let mut receipts = Vec::new();
        while !rest.is_empty() {
            receipts.push(Receipt::decode_row(&mut rest)?);
        }
        Ok(receipts)
    }
}

/// The raw transactions of a group.
fn raws(mut texts: &[u8]) -> Result<Vec<Bytes>, ChainError> {
    let mut raws = Vec::new();
    while !texts.is_empty() {
        let raw = Bytes::decode(&mut texts)
            .map_err(|error| damaged(format!("a group of transactions: {error}")))?;
        raws.push(raw);
    }
    Ok(raws)
}
