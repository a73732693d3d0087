//! Opening a chain, and its first block.

use std::collections::HashMap;

use alloy_trie::EMPTY_ROOT_HASH;
use lucid_core::Hash;
use revm::state::AccountInfo;
use sled::{Batch, Tree};

use super::{Chain, Head};
use crate::{
    BlockNumber, ChainError, Genesis,
    error::damaged,
    keys, rows, rules,
    state::{AccountChange, Changes, Kept, State},
};

impl Chain {
    /// Opens the chain in `tree`, which is this chain's alone; in an empty one it begins with `genesis`.
    /// The states after the last `history_blocks` blocks are kept ([`HISTORY_BLOCKS`](super::HISTORY_BLOCKS));
    /// after a change of that number they are dropped, or gathered, as blocks come.
    ///
    /// # Errors
    /// [`ChainError::GenesisDiffers`] where the tree holds another chain, [`ChainError::Layout`] and
    /// [`ChainError::Damaged`] where it has to be made anew, [`ChainError::Genesis`], and sled's.
    pub fn open(tree: Tree, genesis: Genesis, history_blocks: u64) -> Result<Self, ChainError> {
        genesis.check()?;
        let changes = allocations(&genesis);
        Self::open_over(tree, genesis, changes, history_blocks)
    }

    /// [`open`](Self::open), with what the genesis block changes.
    pub(super) fn open_over(
        tree: Tree,
        genesis: Genesis,
        changes: Changes,
        history_blocks: u64,
    ) -> Result<Self, ChainError> {
        let state = State::open(tree.clone());
        match tree.get(keys::VERSION)?.as_deref() {
            None if tree.is_empty() => begin(&state, &genesis, changes)?,
            None => return Err(damaged("it has rows and no layout version")),
            Some([keys::LAYOUT]) => {}
            Some(&[found]) => return Err(ChainError::Layout { found, expected: keys::LAYOUT }),
            Some(_) => return Err(damaged("the layout version")),
        }
        let found = rows::long(&tree, keys::GENESIS)?;
        if found != genesis.to_bytes() {
            return Err(ChainError::GenesisDiffers {
                found: Hash::of(&found),
                expected: genesis.hash(),
            });
        }
        let head = read_head(&tree)?;
        state.stands_at(Kept { number: head.header.number, oldest: head.oldest_state });
        Ok(Self {
            tree,
            state,
            config: rules::config(genesis.chain_id),
            genesis,
            history_blocks,
            head: head.into(),
        })
    }
}

/// Writes the genesis block.
fn begin(state: &State, genesis: &Genesis, changes: Changes) -> Result<(), ChainError> {
    let number = BlockNumber(0);
    let mut staged = state.stage(None, EMPTY_ROOT_HASH, changes)?;
    let header = genesis.header(Hash(staged.root.0));
    staged.batch.insert(keys::VERSION, &[keys::LAYOUT]);
    rows::put_long(&mut staged.batch, keys::GENESIS, &genesis.to_bytes());
    put_header(&mut staged.batch, &header.to_bytes(), header.hash(), number);
    put_head(&mut staged.batch, number, number);
    state.commit(staged)
}

/// The genesis block's accounts.
fn allocations(genesis: &Genesis) -> Changes {
    let mut changes = Changes::default();
    for (&address, &balance) in &genesis.allocations {
        if balance.is_zero() {
            continue;
        }
        let info = AccountInfo { balance, code: None, ..AccountInfo::default() };
        let change = AccountChange { info: Some(info), wiped: false, slots: HashMap::new() };
        changes.accounts.insert(address, change);
    }
    changes
}

/// Adds a block's header to `batch`.
pub(super) fn put_header(batch: &mut Batch, bytes: &[u8], hash: Hash, number: BlockNumber) {
    batch.insert(keys::header(number), [hash.as_bytes(), bytes].concat());
    batch.insert(keys::block_hash(hash), &number.0.to_be_bytes());
}

/// Says in `batch` which block is the head, and after which the oldest state is kept.
pub(super) fn put_head(batch: &mut Batch, number: BlockNumber, oldest_state: BlockNumber) {
    let row = [number.0.to_be_bytes(), oldest_state.0.to_be_bytes()].concat();
    batch.insert(keys::HEAD, row);
}

fn read_head(tree: &Tree) -> Result<Head, ChainError> {
    let row = tree.get(keys::HEAD)?.ok_or_else(|| damaged("there is no head"))?;
    let (number, oldest) = row.split_at_checked(8).ok_or_else(|| damaged("the head"))?;
    let (number, oldest_state) = (rows::number(number)?, rows::number(oldest)?);
    let (hash, header) = rows::header(tree, number)?
        .ok_or_else(|| damaged(format!("the header of block {number}, the head, is missing")))?;
    Ok(Head { hash, header, oldest_state })
}
