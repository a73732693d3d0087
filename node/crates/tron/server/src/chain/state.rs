//! Accounts and what they have left: balances, bandwidth, energy, permissions.

use std::{collections::BTreeMap, sync::Arc};

use super::contract::Contract;
use crate::address::Address;

/// Slots of three seconds in a day, over which used bandwidth and energy come back.
const WINDOW: i64 = 28_800;
/// What java-tron scales averages by (`ResourceProcessor.precision`).
const PRECISION: i64 = 1_000_000;

/// Everything that transactions change.
#[derive(Clone, Default)]
pub(crate) struct State {
    pub(crate) accounts: BTreeMap<Address, Account>,
    pub(crate) contracts: BTreeMap<Address, Contract>,
}

/// An account.
#[derive(Clone, Default)]
pub(crate) struct Account {
    /// In SUN.
    pub(crate) balance: i64,
    /// When it was made, in milliseconds of the chain.
    pub(crate) created_ms: i64,
    /// Whether it is a contract's.
    pub(crate) contract: bool,
    /// Of the bandwidth that every account has.
    pub(crate) free_net: Usage,
    /// Of the bandwidth staked for, and how much that is.
    pub(crate) net: Usage,
    pub(crate) net_limit: i64,
    /// Of the energy staked for, and how much that is.
    pub(crate) energy: Usage,
    pub(crate) energy_limit: i64,
    /// Who may sign for it; `None`: its own key.
    pub(crate) permission: Option<Arc<Permission>>,
}

/// Who may sign, and how many it takes.
#[derive(Clone, Debug)]
pub(crate) struct Permission {
    pub(crate) keys: Vec<(Address, i64)>,
    pub(crate) threshold: i64,
}

/// What was used of something that comes back over a day.
#[derive(Clone, Copy, Default)]
pub(crate) struct Usage {
    used: i64,
    slot: i64,
}

impl Usage {
    /// What still counts as used at a slot (`ResourceProcessor.increase`, nothing added).
    pub(crate) fn at(self, slot: i64) -> i64 {
        let average = average(self.used);
        let passed = slot - self.slot;
        let left = match passed {
            0 => average,
            1..WINDOW => (average * (WINDOW - passed) + WINDOW / 2) / WINDOW,
            _ => 0,
        };
        left * WINDOW / PRECISION
    }

    /// Uses more at a slot.
    pub(crate) fn add(&mut self, amount: i64, slot: i64) {
        let used = (average(self.at(slot)) + average(amount)) * WINDOW / PRECISION;
        *self = Self { used, slot };
    }
}

/// An amount in units of a slot, rounded up.
fn average(amount: i64) -> i64 {
    (amount * PRECISION + WINDOW - 1) / WINDOW
}

impl Account {
    /// Takes SUN where there are so many.
    pub(crate) fn take(&mut self, sun: i64) -> bool {
        let covered = (0..=self.balance).contains(&sun);
        if covered {
            self.balance -= sun;
        }
        covered
    }

    /// Energy staked for that is left.
    pub(crate) fn energy_left(&self, slot: i64) -> i64 {
        self.energy_limit.saturating_sub(self.energy.at(slot)).max(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_comes_back_within_a_day() {
        let mut usage = Usage::default();
        usage.add(300, 1_000);
        assert_eq!(usage.at(1_000), 300);
        assert_eq!(usage.at(1_000 + WINDOW / 2), 150);
        assert_eq!(usage.at(1_000 + WINDOW), 0);
        usage.add(100, 1_000 + WINDOW / 2);
        assert_eq!(usage.at(1_000 + WINDOW / 2), 250);
    }

    #[test]
    fn no_more_is_taken_than_there_is() {
        let mut account = Account { balance: 10, ..Account::default() };
        assert!(!account.take(11) && !account.take(-1) && account.balance == 10);
        assert!(account.take(10) && account.balance == 0);
    }
}
