//! Transactions that wait for a block.
//!
//! This module owns which transactions wait, in which order they are offered, and which give way when there
//! are too many. It leaves to its caller the accounts, which change with each block, and keeping the pool
//! from more than one writer. It is in memory only: after a crash a client sends again what has no receipt,
//! and the node registers again what has none.
//!
//! Invariants:
//! - a transaction is in the pool once, and at most one for each account and nonce;
//! - at most [`Limits::total`] transactions and [`Limits::bytes`] bytes wait, and at most
//!   [`Limits::account`] of one account;
//! - the order in which they are offered depends on what is in the pool and when it came, on nothing else.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use alloy_primitives::{Address, B256, U256};
use alloy_trie::TrieAccount;

use crate::{Transaction, TxError};

/// What a replacement must pay on top, per cent (geth's `txpool.pricebump`): less would let anybody make
/// the node check signatures for nothing.
const BUMP_PERCENT: u128 = 10;

/// How much waits at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Transactions of one account, and how far ahead of the account's next a nonce may be.
    pub account: usize,
    /// Transactions.
    pub total: usize,
    /// Their bytes.
    pub bytes: usize,
}

impl Default for Limits {
    /// A few blocks' worth: 64 of an account, 8,192 in all, 16 MiB.
    fn default() -> Self {
        Self { account: 64, total: 8192, bytes: 16 << 20 }
    }
}

/// What waits.
pub struct Pool {
    limits: Limits,
    accounts: BTreeMap<Address, BTreeMap<u64, Waiting>>,
    hashes: HashMap<B256, (Address, u64)>,
    bytes: usize,
    /// Counts arrivals.
    arrivals: u64,
}

struct Waiting {
    tx: Transaction,
    arrival: u64,
}

/// A place in the order of offers: who pays more goes first, then who came first. The last of an ordered
/// set is the next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    tip: u128,
    before: std::cmp::Reverse<u64>,
    sender: Address,
}

impl Waiting {
    fn rank(&self) -> Rank {
        let before = std::cmp::Reverse(self.arrival);
        Rank { tip: self.tx.tip(), before, sender: self.tx.sender() }
    }
}

impl Pool {
    /// An empty pool.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, accounts: BTreeMap::new(), hashes: HashMap::new(), bytes: 0, arrivals: 0 }
    }

    /// Transactions in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// A waiting transaction.
    #[must_use]
    pub fn get(&self, hash: B256) -> Option<&Transaction> {
        let (sender, nonce) = self.hashes.get(&hash)?;
        Some(&self.accounts.get(sender)?.get(nonce)?.tx)
    }

    /// The nonce after the account's executable transactions: what a wallet signs next ("pending").
    #[must_use]
    pub fn next_nonce(&self, sender: Address, account_nonce: u64) -> u64 {
        let mut next = account_nonce;
        while self.accounts.get(&sender).is_some_and(|waiting| waiting.contains_key(&next)) {
            next += 1;
        }
        next
    }

    /// Takes in `tx`, whose sender's account is `account` at the head, and answers the transaction that gave
    /// way to it, if one did: one with the same nonce that pays less, or the last in the order where the pool
    /// is full. A nonce may be ahead: the transaction then waits for those before it.
    ///
    /// # Errors
    /// [`TxError`]; the pool is unchanged then.
    pub fn add(
        &mut self,
        tx: Transaction,
        account: TrieAccount,
    ) -> Result<Option<Transaction>, TxError> {
        let (hash, sender, nonce) = (tx.hash(), tx.sender(), tx.nonce());
        if self.hashes.contains_key(&hash) {
            return Err(TxError::AlreadyKnown { hash });
        }
        tx.check(account, self.limits.account as u64)?;
        let empty = BTreeMap::new();
        let waiting = self.accounts.get(&sender).unwrap_or(&empty);
        let replaced = waiting.get(&nonce);
        // What waits before it is paid first.
        let owed: U256 = waiting.range(..nonce).map(|(_, before)| before.tx.cost()).sum();
        let left = account.balance.saturating_sub(owed);
        if tx.cost() > left {
            return Err(TxError::InsufficientFunds { balance: left, cost: tx.cost() });
        }
        if let Some(old) = replaced {
            check_bump(&old.tx, &tx)?;
        } else if waiting.len() >= self.limits.account {
            return Err(TxError::AccountLimit { sender, limit: self.limits.account });
        }
        let replaced_bytes = replaced.map_or(0, |old| old.tx.raw().len());
        let gone = match replaced.map(|old| old.tx.hash()) {
            Some(old) => {
                self.check_bytes(tx.raw().len().saturating_sub(replaced_bytes))?;
                self.remove(old)
            }
            None => self.make_room(&tx)?,
        };
        self.bytes += tx.raw().len();
        self.hashes.insert(hash, (sender, nonce));
        let waiting = Waiting { tx, arrival: self.arrivals };
        self.arrivals += 1;
        self.accounts.entry(sender).or_default().insert(nonce, waiting);
        Ok(gone)
    }

    /// The executable transactions, in order: of each account those that follow its nonce without a gap, of
    /// all accounts first who pays more, then who came first. `nonce` says what an account's next is.
    ///
    /// # Errors
    /// Those of `nonce`.
    pub fn candidates<E>(
        &self,
        mut nonce: impl FnMut(Address) -> Result<u64, E>,
    ) -> Result<Vec<Transaction>, E> {
        let mut next = BTreeSet::new();
        let mut nonces = HashMap::new();
        for (&sender, waiting) in &self.accounts {
            let first = nonce(sender)?;
            if let Some(tx) = waiting.get(&first) {
                next.insert(tx.rank());
                nonces.insert(sender, first);
            }
        }
        let mut candidates = Vec::new();
        while let Some(Rank { sender, .. }) = next.pop_last() {
            let (Some(waiting), Some(nonce)) =
                (self.accounts.get(&sender), nonces.get_mut(&sender))
            else {
                continue;
            };
            candidates.extend(waiting.get(nonce).map(|waiting| waiting.tx.clone()));
            *nonce += 1;
            next.extend(waiting.get(nonce).map(Waiting::rank));
        }
        Ok(candidates)
    }

    /// Takes a transaction out: it is in a block, or will never be.
    pub fn remove(&mut self, hash: B256) -> Option<Transaction> {
        let (sender, nonce) = self.hashes.remove(&hash)?;
        let waiting = self.accounts.get_mut(&sender)?;
        let gone = waiting.remove(&nonce)?.tx;
        if waiting.is_empty() {
            self.accounts.remove(&sender);
        }
        self.bytes -= gone.raw().len();
        Some(gone)
    }

    /// Drops what a block made useless: of each account what its nonce has passed. `nonce` says what an
    /// account's next is.
    ///
    /// # Errors
    /// Those of `nonce`; what was dropped before stays dropped.
    pub fn prune<E>(&mut self, mut nonce: impl FnMut(Address) -> Result<u64, E>) -> Result<(), E> {
        let mut passed = Vec::new();
        for (&sender, waiting) in &self.accounts {
            let next = nonce(sender)?;
            passed.extend(waiting.range(..next).map(|(_, waiting)| waiting.tx.hash()));
        }
        for hash in passed {
            self.remove(hash);
        }
        Ok(())
    }

    fn check_bytes(&self, more: usize) -> Result<(), TxError> {
        match self.bytes + more <= self.limits.bytes {
            true => Ok(()),
            false => Err(TxError::PoolFull),
        }
    }

    /// Makes room for `tx` where the pool is full: of the accounts' last transactions, the one that would be
    /// offered last goes, if it pays less than `tx`.
    fn make_room(&mut self, tx: &Transaction) -> Result<Option<Transaction>, TxError> {
        if self.hashes.len() < self.limits.total && self.check_bytes(tx.raw().len()).is_ok() {
            return Ok(None);
        }
        let lasts = self.accounts.values().filter_map(|waiting| waiting.values().next_back());
        let Some(last) = lasts.min_by_key(|waiting| waiting.rank()) else {
            return Err(TxError::PoolFull);
        };
        let freed = last.tx.raw().len();
        // Its own sender's last would leave a gap before it.
        let pays_more = tx.tip() > last.tx.tip() && tx.sender() != last.tx.sender();
        if !pays_more || self.bytes + tx.raw().len() > self.limits.bytes + freed {
            return Err(TxError::PoolFull);
        }
        let hash = last.tx.hash();
        Ok(self.remove(hash))
    }
}

/// A replacement pays a tenth more, in both fees.
fn check_bump(old: &Transaction, new: &Transaction) -> Result<(), TxError> {
    let bumped = |fee: u128| {
        let more = (fee / 100).saturating_mul(BUMP_PERCENT).max(1);
        fee.saturating_add(more)
    };
    let (needed_fee, needed_tip) = (bumped(old.fee_cap()), bumped(old.tip_cap()));
    if new.fee_cap() < needed_fee || new.tip_cap() < needed_tip {
        return Err(TxError::Underpriced { needed_fee, needed_tip });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
