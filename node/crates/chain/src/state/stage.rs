//! From a block's changes to rows: the new root, and one batch that makes it true.

use std::sync::PoisonError;

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount};
use sled::{Batch, Tree};

use super::{AccountChange, Changes, Kept, State};
use crate::{
    BlockNumber, ChainError,
    error::damaged,
    keys, rows,
    trie::{self, Nodes},
};

/// What a block writes, ready: the state is unchanged until [`State::commit`].
pub(crate) struct Staged {
    /// The state root after the block.
    pub(crate) root: B256,
    /// The rows, to which `chain` adds the block's own.
    pub(crate) batch: Batch,
    /// Which states can be read after it.
    pub(crate) kept: Kept,
    accounts: Vec<(Address, Option<TrieAccount>)>,
    slots: Vec<((Address, U256), U256)>,
}

/// What was before a block: nothing is kept of what was before the genesis.
struct PastRows {
    number: Option<BlockNumber>,
    /// Which rows were written: `x` with an address, `y` with an address and a slot.
    written: Vec<u8>,
}

impl PastRows {
    /// Keeps `old` as what was under `key` before the block.
    fn keep(&mut self, batch: &mut Batch, key: Vec<u8>, old: Vec<u8>) {
        if let Some(number) = self.number {
            self.written.extend_from_slice(&key);
            batch.insert(keys::at(key, number), old);
        }
    }
}

impl State {
    /// What `changes` make of the state whose root is `root`. What was before is kept as that before block
    /// `number`, if there is one.
    ///
    /// # Errors
    /// The database's, and [`ChainError::Damaged`].
    pub(crate) fn stage(
        &self,
        number: Option<BlockNumber>,
        root: B256,
        changes: Changes,
    ) -> Result<Staged, ChainError> {
        let mut staged = Staged {
            root,
            batch: Batch::default(),
            kept: Kept { number: number.unwrap_or_default(), ..Kept::default() },
            accounts: Vec::new(),
            slots: Vec::new(),
        };
        let mut past = PastRows { number, written: Vec::new() };
        let mut leaves = Vec::with_capacity(changes.accounts.len());
        for (address, change) in changes.accounts {
            let old = self.account(address)?;
            let old_root = old.map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
            let storage_root =
                self.stage_slots(&mut staged, &mut past, address, old_root, &change)?;
            let new = change.info.map(|info| TrieAccount {
                nonce: info.nonce,
                balance: info.balance,
                storage_root,
                code_hash: info.code_hash,
            });
            if new == old {
                continue;
            }
            if let Some(hash) = new.map(|account| account.code_hash)
                && old.is_none_or(|account| account.code_hash != hash)
                && let Some(code) = changes.codes.get(&hash)
            {
                rows::put_long(&mut staged.batch, &keys::code(hash), code);
            }
            let row = new.map(alloy_rlp::encode);
            match &row {
                Some(row) => staged.batch.insert(keys::account(address), row.as_slice()),
                None => staged.batch.remove(keys::account(address)),
            }
            let before = old.map(alloy_rlp::encode).unwrap_or_default();
            past.keep(&mut staged.batch, keys::past_account(address), before);
            leaves.push((keccak256(address), row));
            staged.accounts.push((address, new));
        }
        let updated = trie::update(&AccountNodes(&self.tree), root, leaves)?;
        staged.root = updated.root;
        put_nodes(&mut staged.batch, updated.nodes, keys::account_node);
        if let Some(number) = number {
            rows::put_long(&mut staged.batch, &keys::written_past(number), &past.written);
        }
        Ok(staged)
    }

    /// The slots of one account; answers the root of its storage.
    fn stage_slots(
        &self,
        staged: &mut Staged,
        past: &mut PastRows,
        address: Address,
        root: B256,
        change: &AccountChange,
    ) -> Result<B256, ChainError> {
        let mut values = change.slots.clone();
        if change.wiped && root != EMPTY_ROOT_HASH {
            for row in self.tree.scan_prefix(keys::slots(address)) {
                let slot = row?.0.get(21..).and_then(U256::try_from_be_slice);
                values.entry(slot.ok_or_else(|| damaged("a key of a slot"))?).or_default();
            }
        }
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_unstable();
        let mut leaves = Vec::with_capacity(values.len());
        for (slot, value) in values {
            let old = self.slot(address, slot)?;
            if old == value {
                continue;
            }
            let key = keys::slot(address, slot);
            let leaf = (!value.is_zero()).then(|| alloy_rlp::encode(value));
            match &leaf {
                Some(_) => staged.batch.insert(key, rows::word_bytes(value)),
                None => staged.batch.remove(key),
            }
            let key = keys::past_slot(address, slot);
            past.keep(&mut staged.batch, key, rows::word_bytes(old));
            leaves.push((keccak256(slot.to_be_bytes::<32>()), leaf));
            staged.slots.push(((address, slot), value));
        }
        if leaves.is_empty() {
            return Ok(root);
        }
        let updated = trie::update(&StorageNodes { tree: &self.tree, address }, root, leaves)?;
        put_nodes(&mut staged.batch, updated.nodes, |path| keys::storage_node(address, path));
        Ok(updated.root)
    }

    /// Adds to `batch` the removal of what block `number` kept of the past.
    ///
    /// # Errors
    /// The database's, and [`ChainError::Damaged`].
    pub(crate) fn forget(&self, batch: &mut Batch, number: BlockNumber) -> Result<(), ChainError> {
        let list = keys::written_past(number);
        let written = rows::long(&self.tree, &list)?;
        let mut rest = written.as_slice();
        while let Some(kind) = rest.first() {
            let len = match kind {
                b'x' => Some(1 + 20),
                b'y' => Some(1 + 20 + 32),
                _ => None,
            };
            let (key, after) = len
                .and_then(|len| rest.split_at_checked(len))
                .ok_or_else(|| damaged("a list of past values"))?;
            batch.remove(keys::at(key.to_vec(), number));
            rest = after;
        }
        rows::remove_long(&self.tree, batch, &list)
    }

    /// Makes `staged` the state: one batch, which sled recovers whole or not at all.
    ///
    /// # Errors
    /// The database's; the state is then the old one or, after the next start, either.
    pub(crate) fn commit(&self, staged: Staged) -> Result<(), ChainError> {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        self.tree.apply_batch(staged.batch)?;
        for (address, account) in staged.accounts {
            self.accounts.put(address, account);
        }
        for (slot, value) in staged.slots {
            self.slots.put(slot, value);
        }
        *kept = staged.kept;
        Ok(())
    }
}

fn put_nodes(
    batch: &mut Batch,
    nodes: Vec<(Nibbles, Option<Vec<u8>>)>,
    key: impl Fn(&Nibbles) -> Vec<u8>,
) {
    for (path, node) in nodes {
        match node {
            Some(rlp) => batch.insert(key(&path), rlp),
            None => batch.remove(key(&path)),
        }
    }
}

pub(super) struct AccountNodes<'a>(pub(super) &'a Tree);

impl Nodes for AccountNodes<'_> {
    fn node(&self, path: &Nibbles) -> Result<Option<Vec<u8>>, ChainError> {
        Ok(self.0.get(keys::account_node(path))?.map(|row| row.to_vec()))
    }

    fn name(&self) -> String {
        "the accounts' trie".to_owned()
    }
}

pub(super) struct StorageNodes<'a> {
    pub(super) tree: &'a Tree,
    pub(super) address: Address,
}

impl Nodes for StorageNodes<'_> {
    fn node(&self, path: &Nibbles) -> Result<Option<Vec<u8>>, ChainError> {
        Ok(self.tree.get(keys::storage_node(self.address, path))?.map(|row| row.to_vec()))
    }

    fn name(&self) -> String {
        format!("the storage trie of {}", self.address)
    }
}
