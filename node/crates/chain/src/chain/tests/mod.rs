mod altered;
mod crash;
mod life;
mod property;

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, U256};
use alloy_trie::{
    TrieAccount,
    root::{state_root_unhashed, storage_root_unhashed},
};

use super::Chain;
use crate::rows;

/// All accounts and slots that a chain's tree has.
#[derive(Debug, PartialEq, Eq, Clone, Default)]
pub(super) struct Everything {
    pub(super) accounts: BTreeMap<Address, TrieAccount>,
    pub(super) slots: BTreeMap<(Address, B256), U256>,
}

pub(super) fn everything(chain: &Chain) -> Everything {
    let mut all = Everything::default();
    for row in chain.tree.scan_prefix(b"a") {
        let (key, row) = row.unwrap();
        all.accounts.insert(Address::from_slice(&key[1..]), rows::account(&row).unwrap().unwrap());
    }
    for row in chain.tree.scan_prefix(b"s") {
        let (key, row) = row.unwrap();
        let slot = (Address::from_slice(&key[1..21]), B256::from_slice(&key[21..]));
        all.slots.insert(slot, rows::word(&row).unwrap());
    }
    all
}

/// The state root as the published implementation computes it from all rows.
pub(super) fn full_root(all: &Everything) -> B256 {
    state_root_unhashed(all.accounts.iter().map(|(address, account)| {
        let slots = all.slots.range((*address, B256::ZERO)..=(*address, B256::repeat_byte(0xff)));
        let storage_root = storage_root_unhashed(slots.map(|((_, slot), value)| (*slot, *value)));
        (*address, TrieAccount { storage_root, ..*account })
    }))
}
