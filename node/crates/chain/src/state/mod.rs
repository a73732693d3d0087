//! The state of the virtual machine: accounts, slots and code, in sled.
//!
//! This module owns what the state is at the head and was at recent blocks, how a block's changes are
//! laid over it while the block is executed ([`Overlay`]), what is written for them ([`Staged`]), and that no
//! block is made of what the chain did not make ([`Remembering`]). It leaves to `chain` when that is done, and who may read meanwhile.
//!
//! Invariants:
//! - what is in memory here is what the tree has: the batch of a block and the caches change together,
//!   while nobody looks anything up;
//! - a [`View`] reads one block's state for as long as it lives, or says that it is not kept any more;
//! - a slot that is zero and an account that is empty (EIP-161) have no row;
//! - the state root is that of Ethereum's "secure" trie over exactly the rows.
//!
//! A crash loses what sled had not written yet: whole blocks, from the newest back.

mod cache;
mod overlay;
mod seen;
mod stage;
mod view;

use std::sync::{PoisonError, RwLock};

use alloy_primitives::{Address, B256, U256};
use alloy_trie::TrieAccount;
use revm::{bytecode::Bytecode, primitives::KECCAK_EMPTY, state::AccountInfo};
use sled::Tree;

use self::cache::Cache;
pub(crate) use self::{
    overlay::{AccountChange, Changes, Overlay},
    seen::Remembering,
    stage::Staged,
    view::View,
};
use crate::{BlockNumber, ChainError, error::damaged, keys, rows};

/// Accounts in memory, in each of two generations: some 150 bytes each.
const ACCOUNTS: usize = 4096;
/// Slots in memory, in each of two generations: some 100 bytes each.
const SLOTS: usize = 16_384;
/// Codes in memory, in each of two generations: at most 24,576 bytes each (EIP-170), and a jump table.
const CODES: usize = 128;

/// The state at the head, and what it was after recent blocks.
pub(crate) struct State {
    tree: Tree,
    /// Held while a row is looked up, and alone while a block's rows change: never for longer, so that a
    /// long call or trace delays no block.
    kept: RwLock<Kept>,
    accounts: Cache<Address, Option<TrieAccount>>,
    slots: Cache<(Address, U256), U256>,
    codes: Cache<B256, Bytecode>,
}

/// Which states can be read.
#[derive(Clone, Copy, Default)]
pub(crate) struct Kept {
    /// The block whose state the rows are.
    pub(crate) number: BlockNumber,
    /// The oldest block whose state they can be led back to.
    pub(crate) oldest: BlockNumber,
}

impl State {
    /// The state in `tree`, which is that after the genesis until [`State::stands_at`] says otherwise.
    pub(crate) fn open(tree: Tree) -> Self {
        Self {
            tree,
            kept: RwLock::default(),
            accounts: Cache::new(ACCOUNTS),
            slots: Cache::new(SLOTS),
            codes: Cache::new(CODES),
        }
    }

    /// Says of which block the rows are.
    pub(crate) fn stands_at(&self, kept: Kept) {
        *self.kept.write().unwrap_or_else(PoisonError::into_inner) = kept;
    }

    /// The state after a block, whatever blocks come while it is read.
    pub(crate) fn after(&self, number: BlockNumber) -> View<'_> {
        View::new(self, number)
    }

    /// An account at the head, if it is not empty. The caller keeps blocks from coming.
    pub(crate) fn account(&self, address: Address) -> Result<Option<TrieAccount>, ChainError> {
        self.accounts.get(address, || match self.tree.get(keys::account(address))? {
            Some(row) => rows::account(&row),
            None => Ok(None),
        })
    }

    /// A slot's value at the head. The caller keeps blocks from coming.
    pub(crate) fn slot(&self, address: Address, slot: U256) -> Result<U256, ChainError> {
        self.slots.get((address, slot), || match self.tree.get(keys::slot(address, slot))? {
            Some(row) => rows::word(&row),
            None => Ok(U256::ZERO),
        })
    }

    /// The code of a hash, analysed.
    pub(crate) fn code(&self, hash: B256) -> Result<Bytecode, ChainError> {
        if hash == KECCAK_EMPTY {
            return Ok(Bytecode::default());
        }
        self.codes.get(hash, || {
            let code = rows::code(&self.tree, hash)?;
            Bytecode::new_raw_checked(code.into())
                .map_err(|_| damaged(format!("the code {hash} is none")))
        })
    }

    /// The hash of a block, or zero where there is none.
    fn block_hash(&self, number: BlockNumber) -> Result<B256, ChainError> {
        let row = self.tree.get(keys::header(number))?;
        let hash = row.as_ref().and_then(|row| row.get(..32));
        Ok(hash.map_or(B256::ZERO, B256::from_slice))
    }
}

/// An account as the machine takes it; its code is read when it is called.
fn info(account: TrieAccount) -> AccountInfo {
    AccountInfo {
        balance: account.balance,
        nonce: account.nonce,
        code_hash: account.code_hash,
        account_id: None,
        code: None,
    }
}
