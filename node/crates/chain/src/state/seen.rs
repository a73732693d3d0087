//! What a block read of the state that it began with, to be held against what the head's header commits to.
//!
//! The rows of accounts, slots and headers are convenient, and nothing in them says who wrote them. What is
//! executed over them is right only if they are what the chain made: so a block remembers what it read, and
//! before it is one, all of it is compared with the tries, whose nodes lead to the state root, and with the
//! headers, each of which names its parent.

use std::{
    cell::RefCell,
    collections::{BTreeMap, btree_map::Entry},
};

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, TrieAccount};
use lucid_core::Hash;
use revm::{bytecode::Bytecode, database_interface::DatabaseRef, state::AccountInfo};

use super::{
    State, View, info,
    stage::{AccountNodes, StorageNodes},
};
use crate::{BlockNumber, ChainError, Head, error::damaged, rows, trie};

/// A view of the head's state that remembers what was read through it.
pub(crate) struct Remembering<'a> {
    view: View<'a>,
    seen: RefCell<Seen>,
}

/// What was read, each as it was read first.
#[derive(Default)]
struct Seen {
    accounts: BTreeMap<Address, Option<TrieAccount>>,
    slots: BTreeMap<Address, BTreeMap<U256, U256>>,
    /// Hashes of blocks.
    blocks: BTreeMap<BlockNumber, B256>,
}

impl<'a> Remembering<'a> {
    /// `view`, of which nothing is read yet.
    pub(crate) fn new(view: View<'a>) -> Self {
        Self { view, seen: RefCell::default() }
    }

    /// Holds what was read against the state root of `head`, which the view is of, and against the headers
    /// from there back.
    ///
    /// # Errors
    /// [`ChainError::Damaged`] where something is not what the chain made, and the database's.
    pub(crate) fn hold(&self, state: &State, head: &Head) -> Result<(), ChainError> {
        let mut seen = self.seen.borrow_mut();
        let Seen { accounts, slots, blocks } = &mut *seen;
        // A slot is its account's, whose root leads to it.
        for address in slots.keys() {
            if let Entry::Vacant(place) = accounts.entry(*address) {
                place.insert(self.view.account(*address)?);
            }
        }
        let leaves = accounts.iter();
        let leaves = leaves.map(|(address, of)| (keccak256(address), of.map(alloy_rlp::encode)));
        let root = B256::from(head.header.state_root.0);
        trie::hold(&AccountNodes(&state.tree), root, leaves)?;
        for (&address, slots) in &*slots {
            let account = accounts.get(&address).copied().flatten();
            let root = account.map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
            let leaves = slots.iter().map(|(slot, value)| {
                let leaf = (!value.is_zero()).then(|| alloy_rlp::encode(value));
                (keccak256(slot.to_be_bytes::<32>()), leaf)
            });
            trie::hold(&StorageNodes { tree: &state.tree, address }, root, leaves)?;
        }
        hold_blocks(state, head, blocks)
    }
}

/// Goes back from the head as far as the oldest block whose hash was read.
fn hold_blocks(
    state: &State,
    head: &Head,
    blocks: &BTreeMap<BlockNumber, B256>,
) -> Result<(), ChainError> {
    let Some(oldest) = blocks.keys().next() else { return Ok(()) };
    let (mut number, mut hash, mut header) = (head.header.number, head.hash, head.header.clone());
    loop {
        if blocks.get(&number).is_some_and(|seen| Hash(seen.0) != hash) {
            return Err(wrong(number));
        }
        if number <= *oldest || number.0 == 0 {
            return Ok(());
        }
        let parent = header.parent;
        number = BlockNumber(number.0 - 1);
        (hash, header) = rows::header(&state.tree, number)?.ok_or_else(|| wrong(number))?;
        if hash != parent {
            return Err(wrong(number));
        }
    }
}

fn wrong(number: BlockNumber) -> ChainError {
    damaged(format!("the header of block {number}"))
}

impl DatabaseRef for Remembering<'_> {
    type Error = ChainError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, ChainError> {
        let account = self.view.account(address)?;
        self.seen.borrow_mut().accounts.entry(address).or_insert(account);
        Ok(account.map(info))
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, ChainError> {
        // What has another hash is found where it is read.
        self.view.code(hash)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, ChainError> {
        let value = self.view.slot(address, slot)?;
        let mut seen = self.seen.borrow_mut();
        seen.slots.entry(address).or_default().entry(slot).or_insert(value);
        Ok(value)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, ChainError> {
        let hash = self.view.block_hash_ref(number)?;
        self.seen.borrow_mut().blocks.entry(BlockNumber(number)).or_insert(hash);
        Ok(hash)
    }
}
