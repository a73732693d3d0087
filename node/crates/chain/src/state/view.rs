//! The state at the head, or as it was after a recent block.

use alloy_primitives::{Address, B256, U256};
use alloy_trie::TrieAccount;
use revm::{bytecode::Bytecode, database_interface::DatabaseRef, state::AccountInfo};

use super::{State, info};
use crate::{BlockNumber, ChainError, keys, rows};

/// The state after a block. In the past it is, for each account and slot, what that was before the first
/// later block that changed it, or else what it is: one look-up more than at the head, however many blocks
/// lie between.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    state: &'a State,
    /// The block, where it is not the head.
    past: Option<BlockNumber>,
}

impl<'a> View<'a> {
    /// The state as it is.
    pub(crate) fn head(state: &'a State) -> Self {
        Self { state, past: None }
    }

    /// The state after `number`, whose successors' past values must all be kept.
    pub(crate) fn past(state: &'a State, number: BlockNumber) -> Self {
        Self { state, past: Some(number) }
    }

    /// An account, if it was not empty.
    pub(crate) fn account(&self, address: Address) -> Result<Option<TrieAccount>, ChainError> {
        match self.before_next_change(|| keys::past_account(address))? {
            Some(row) => rows::account(&row),
            None => self.state.account(address),
        }
    }

    /// A slot's value.
    pub(crate) fn slot(&self, address: Address, slot: U256) -> Result<U256, ChainError> {
        match self.before_next_change(|| keys::past_slot(address, slot))? {
            Some(row) => rows::word(&row),
            None => self.state.slot(address, slot),
        }
    }

    /// The code of a hash, analysed.
    pub(crate) fn code(&self, hash: B256) -> Result<Bytecode, ChainError> {
        self.state.code(hash)
    }

    fn before_next_change(
        &self,
        key: impl FnOnce() -> Vec<u8>,
    ) -> Result<Option<sled::IVec>, ChainError> {
        let Some(number) = self.past else { return Ok(None) };
        let key = key();
        let last = keys::at(key.clone(), BlockNumber(u64::MAX));
        let row = self.state.tree.range(keys::at(key, number.next())..=last).next();
        Ok(row.transpose()?.map(|(_, row)| row))
    }
}

impl DatabaseRef for View<'_> {
    type Error = ChainError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, ChainError> {
        Ok(self.account(address)?.map(info))
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, ChainError> {
        self.code(hash)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, ChainError> {
        self.slot(address, slot)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, ChainError> {
        self.state.block_hash(BlockNumber(number))
    }
}
