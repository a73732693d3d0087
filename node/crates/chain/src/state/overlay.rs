//! What a block's transactions changed so far, over the state that they began with.

use std::collections::{BTreeMap, HashMap};

use alloy_primitives::{Address, B256, Bytes, U256, map::AddressMap};
use revm::{
    bytecode::Bytecode,
    database_interface::{Database, DatabaseCommit, DatabaseRef},
    primitives::KECCAK_EMPTY,
    state::{Account, AccountInfo},
};

use crate::ChainError;

/// What became of an account.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct AccountChange {
    /// Nonce, balance, code hash; nothing where it is gone.
    pub(crate) info: Option<AccountInfo>,
    /// Every slot that it had before is zero, but for `slots`. Only an account that was created or
    /// destroyed in the block can say so.
    pub(crate) wiped: bool,
    /// Slots that were written, with their last values.
    pub(crate) slots: HashMap<U256, U256>,
}

/// What a block changed.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// By address, in order: what is written and hashed does not depend on how a map was filled.
    pub(crate) accounts: BTreeMap<Address, AccountChange>,
    /// Code of accounts in it, new or not.
    pub(crate) codes: BTreeMap<B256, Bytes>,
}

/// A state and changes over it, for the machine to read and to write.
pub(crate) struct Overlay<D> {
    base: D,
    changes: Changes,
}

impl<D> Overlay<D> {
    /// `base` without changes.
    pub(crate) fn new(base: D) -> Self {
        Self { base, changes: Changes::default() }
    }

    /// What it lies over, and what was changed.
    pub(crate) fn into_parts(self) -> (D, Changes) {
        (self.base, self.changes)
    }

    /// What it lies over.
    pub(crate) fn base(&self) -> &D {
        &self.base
    }

    fn take(&mut self, address: Address, account: Account) {
        let change = self.changes.accounts.entry(address).or_default();
        // EIP-161: what was touched and is empty is gone.
        if account.is_selfdestructed() || account.is_empty() {
            *change = AccountChange { info: None, wiped: true, slots: HashMap::new() };
            return;
        }
        if account.is_created() {
            change.wiped = true;
            change.slots.clear();
        }
        for (&slot, value) in account.changed_storage_slots() {
            change.slots.insert(slot, value.present_value);
        }
        let mut info = account.info;
        if let Some(code) = info.code.take()
            && info.code_hash != KECCAK_EMPTY
        {
            let entry = self.changes.codes.entry(info.code_hash);
            entry.or_insert_with(|| code.original_bytes());
        }
        change.info = Some(info);
    }
}

impl<D: DatabaseRef<Error = ChainError>> Database for Overlay<D> {
    type Error = ChainError;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, ChainError> {
        match self.changes.accounts.get(&address) {
            Some(change) => Ok(change.info.clone()),
            None => self.base.basic_ref(address),
        }
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, ChainError> {
        match self.changes.codes.get(&hash) {
            Some(code) => Bytecode::new_raw_checked(code.clone())
                .map_err(|error| ChainError::Machine { what: error.to_string() }),
            None => self.base.code_by_hash_ref(hash),
        }
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, ChainError> {
        if let Some(change) = self.changes.accounts.get(&address) {
            if let Some(value) = change.slots.get(&slot) {
                return Ok(*value);
            }
            if change.wiped {
                return Ok(U256::ZERO);
            }
        }
        self.base.storage_ref(address, slot)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, ChainError> {
        self.base.block_hash_ref(number)
    }
}

impl<D> DatabaseCommit for Overlay<D> {
    fn commit(&mut self, changes: AddressMap<Account>) {
        for (address, account) in changes {
            if account.is_touched() {
                self.take(address, account);
            }
        }
    }
}
