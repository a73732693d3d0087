//! The state at the head, or as it was after a recent block.

use std::sync::PoisonError;

use alloy_primitives::{Address, B256, U256};
use alloy_trie::TrieAccount;
use revm::{bytecode::Bytecode, database_interface::DatabaseRef, state::AccountInfo};

use super::{State, info};
use crate::{BlockNumber, ChainError, keys, rows};

/// The state after a block. Where that is not the head it is, for each account and slot, what that was
/// before the first later block that changed it, or else what it is: one look-up more, however many blocks
/// lie between. Blocks may come while a view is in use: each look-up asks which block the rows are of.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    state: &'a State,
    number: BlockNumber,
}

impl<'a> View<'a> {
    pub(super) fn new(state: &'a State, number: BlockNumber) -> Self {
        Self { state, number }
    }

    /// An account, if it was not empty.
    ///
    /// # Errors
    /// [`ChainError::StateNotKept`], and the database's.
    pub(crate) fn account(&self, address: Address) -> Result<Option<TrieAccount>, ChainError> {
        let past = || keys::past_account(address);
        self.look_up(past, rows::account, || self.state.account(address))
    }

    /// A slot's value.
    ///
    /// # Errors
    /// As [`account`](Self::account).
    pub(crate) fn slot(&self, address: Address, slot: U256) -> Result<U256, ChainError> {
        let past = || keys::past_slot(address, slot);
        self.look_up(past, rows::word, || self.state.slot(address, slot))
    }

    /// The code of a hash, analysed.
    pub(crate) fn code(&self, hash: B256) -> Result<Bytecode, ChainError> {
        self.state.code(hash)
    }

    /// What was before the next change, if there was one; or else what is.
    fn look_up<T>(
        &self,
        past: impl FnOnce() -> Vec<u8>,
        read: impl FnOnce(&[u8]) -> Result<T, ChainError>,
        now: impl FnOnce() -> Result<T, ChainError>,
    ) -> Result<T, ChainError> {
        // Held until the row is read: it is true of one block.
        let kept = self.state.kept.read().unwrap_or_else(PoisonError::into_inner);
        let number = self.number;
        if number == kept.number {
            return now();
        }
        if number < kept.oldest {
            return Err(ChainError::StateNotKept {
                number,
                oldest: kept.oldest,
                head: kept.number,
            });
        }
        let key = past();
        let last = keys::at(key.clone(), BlockNumber(u64::MAX));
        match self.state.tree.range(keys::at(key, number.next())..=last).next().transpose()? {
            Some((_, row)) => read(&row),
            None => now(),
        }
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
