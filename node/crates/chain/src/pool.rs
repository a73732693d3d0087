//! Transactions that wait for a block.
//!
//! This module owns which transactions wait, in which order they are offered, and which give way when there
//! are too many. It leaves to its caller the accounts, which change with each block, the time, and keeping the
//! pool from more than one writer. It is in memory only: after a crash a client sends again what has no
//! receipt, and the node registers again what has none.
//!
//! A transaction is *ready* if its account's nonce leads to it without a gap and the account can pay for it and
//! those before it. What is not ready costs its sender nothing, so it has little room ([`Limits::unready`]), gives
//! way to whatever is ready, and is gone after [`UNREADY_MILLIS_MAX`]. What the caller says is *reserved*, as a
//! member's call of the governor, has room of its own for each account, and is offered before the rest.
//!
//! Invariants:
//! - a transaction is in the pool once, and at most one for each account and nonce;
//! - beside what is reserved at most [`Limits::total`] transactions and [`Limits::bytes`] bytes wait, and at
//!   most [`Limits::account`] of one account in any case;
//! - the order in which they are offered depends on what is in the pool and when it came, on nothing else.

mod room;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use alloy_primitives::{Address, B256, U256};
use alloy_trie::TrieAccount;
use lucid_core::Timestamp;

use self::room::Room;
pub use self::room::{
    Limits, RESERVED_BYTES_MAX, RESERVED_OF_ACCOUNT, RESERVED_OF_ACCOUNT_BYTES, UNREADY_MILLIS_MAX,
    WAITING_MILLIS_MAX,
};
use crate::{Transaction, TxError};

/// What a replacement must pay on top, per cent (geth's `txpool.pricebump`): less would let anybody make
/// the node check signatures for nothing.
const BUMP_PERCENT: u128 = 10;

/// How a transaction comes in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Intake {
    /// When.
    pub at: Timestamp,
    /// Whether it may have the room that is kept for such: it has none of the others' where there is some.
    pub reserved: bool,
}

/// What waits.
pub struct Pool {
    limits: Limits,
    accounts: BTreeMap<Address, Account>,
    hashes: HashMap<B256, (Address, u64)>,
    /// What all take that is not reserved, and what is.
    common: Room,
    reserved: Room,
    /// Counts arrivals.
    arrivals: u64,
    /// When it was looked for what has waited too long.
    looked: Timestamp,
}

/// An account at the head, and what waits of it.
#[derive(Default)]
struct Account {
    at_head: TrieAccount,
    waiting: BTreeMap<u64, Waiting>,
}

struct Waiting {
    tx: Transaction,
    arrival: u64,
    since: Timestamp,
    reserved: bool,
}

/// A place in the order of offers: of each account one that is reserved, then who pays more, then who came
/// first. The last of an ordered set is the next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    reserved: bool,
    tip: u128,
    before: std::cmp::Reverse<u64>,
    sender: Address,
}

impl Waiting {
    fn rank(&self) -> Rank {
        let before = std::cmp::Reverse(self.arrival);
        Rank { reserved: false, tip: self.tx.tip(), before, sender: self.tx.sender() }
    }

    /// The rank of an account's first: no tip gets one reserved transaction before another account's.
    fn first_rank(&self) -> Rank {
        match self.reserved {
            true => Rank { reserved: true, tip: 0, ..self.rank() },
            false => self.rank(),
        }
    }
}

impl Account {
    /// How many of it are ready.
    fn ready(&self) -> usize {
        let mut left = self.at_head.balance;
        let following = (self.at_head.nonce..).zip(&self.waiting);
        let ready = following.take_while(|(nonce, (has, waiting))| {
            let paid = left.checked_sub(waiting.tx.cost());
            left = paid.unwrap_or_default();
            nonce == *has && paid.is_some()
        });
        ready.count()
    }
}

impl Pool {
    /// An empty pool.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            accounts: BTreeMap::new(),
            hashes: HashMap::new(),
            common: Room::default(),
            reserved: Room::default(),
            arrivals: 0,
            looked: Timestamp::default(),
        }
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

    fn waiting(&self, sender: Address, nonce: u64) -> Option<&Waiting> {
        self.accounts.get(&sender)?.waiting.get(&nonce)
    }

    /// A waiting transaction.
    #[must_use]
    pub fn get(&self, hash: B256) -> Option<&Transaction> {
        let (sender, nonce) = self.hashes.get(&hash)?;
        Some(&self.waiting(*sender, *nonce)?.tx)
    }

    /// Whether a transaction waits in the room that is reserved.
    #[must_use]
    pub fn is_reserved(&self, hash: B256) -> bool {
        let place = self.hashes.get(&hash);
        let waiting = place.and_then(|(sender, nonce)| self.waiting(*sender, *nonce));
        waiting.is_some_and(|waiting| waiting.reserved)
    }

    /// The nonce after the account's executable transactions: what a wallet signs next ("pending").
    #[must_use]
    pub fn next_nonce(&self, sender: Address, account_nonce: u64) -> u64 {
        let mut next = account_nonce;
        while self.waiting(sender, next).is_some() {
            next += 1;
        }
        next
    }

    /// Takes in `tx`, whose sender's account is `account` at the head, and answers the transactions that gave
    /// way to it, if any did: one with the same nonce that pays less, or where the pool is full those that are
    /// not ready, and then the last in the order. A nonce may be ahead: the transaction then waits for those
    /// before it.
    ///
    /// # Errors
    /// [`TxError`]; the pool is unchanged then, but for what has waited too long.
    pub fn add(
        &mut self,
        tx: Transaction,
        account: TrieAccount,
        intake: Intake,
    ) -> Result<Vec<Transaction>, TxError> {
        self.expire(intake.at);
        let (hash, sender, nonce) = (tx.hash(), tx.sender(), tx.nonce());
        if self.hashes.contains_key(&hash) {
            return Err(TxError::AlreadyKnown { hash });
        }
        tx.check(account, self.limits.account as u64)?;
        let empty = BTreeMap::new();
        let waiting = self.accounts.get(&sender).map_or(&empty, |account| &account.waiting);
        let replaced = waiting.get(&nonce);
        // What waits before it is paid first.
        let before = waiting.range(account.nonce..nonce);
        let owed: U256 = before.clone().map(|(_, before)| before.tx.cost()).sum();
        let left = account.balance.saturating_sub(owed);
        if tx.cost() > left {
            return Err(TxError::InsufficientFunds { balance: left, cost: tx.cost() });
        }
        let is_ready = before.count() as u64 == nonce.saturating_sub(account.nonce);
        if let Some(old) = replaced {
            check_bump(&old.tx, &tx)?;
        } else if waiting.len() >= self.limits.account {
            return Err(TxError::AccountLimit { sender, limit: self.limits.account });
        }
        let replaced = replaced.map(|old| old.tx.hash());
        let reserved = intake.reserved && self.has_reserved(&tx, replaced);
        let gone = match reserved {
            true => replaced.into_iter().collect(),
            false => self.give_way(&tx, replaced, is_ready)?,
        };
        let gone = gone.into_iter().filter_map(|hash| self.remove(hash)).collect();
        self.room(reserved).add(&tx);
        self.hashes.insert(hash, (sender, nonce));
        let waiting = Waiting { tx, arrival: self.arrivals, since: intake.at, reserved };
        self.arrivals += 1;
        let of = self.accounts.entry(sender).or_default();
        of.at_head = account;
        of.waiting.insert(nonce, waiting);
        Ok(gone)
    }

    /// The executable transactions, in order: of each account those that follow its nonce without a gap. First
    /// of each account the one it begins with, if that is reserved; then of all accounts who pays more, then who
    /// came first. `nonce` says what an account's next is.
    ///
    /// # Errors
    /// Those of `nonce`.
    pub fn candidates<E>(
        &self,
        mut nonce: impl FnMut(Address) -> Result<u64, E>,
    ) -> Result<Vec<Transaction>, E> {
        let mut next = BTreeSet::new();
        let mut nonces = HashMap::new();
        for (&sender, account) in &self.accounts {
            let first = nonce(sender)?;
            if let Some(waiting) = account.waiting.get(&first) {
                next.insert(waiting.first_rank());
                nonces.insert(sender, first);
            }
        }
        let mut candidates = Vec::new();
        while let Some(Rank { sender, .. }) = next.pop_last() {
            let (Some(account), Some(nonce)) =
                (self.accounts.get(&sender), nonces.get_mut(&sender))
            else {
                continue;
            };
            candidates.extend(account.waiting.get(nonce).map(|waiting| waiting.tx.clone()));
            *nonce += 1;
            next.extend(account.waiting.get(nonce).map(Waiting::rank));
        }
        Ok(candidates)
    }

    /// Takes a transaction out: it is in a block, or will never be.
    pub fn remove(&mut self, hash: B256) -> Option<Transaction> {
        let (sender, nonce) = self.hashes.remove(&hash)?;
        let account = self.accounts.get_mut(&sender)?;
        let Waiting { tx, reserved, .. } = account.waiting.remove(&nonce)?;
        if account.waiting.is_empty() {
            self.accounts.remove(&sender);
        }
        self.room(reserved).take(&tx);
        Some(tx)
    }

    /// Drops what a block made useless: of each account what its nonce has passed. `account` says how an
    /// account is at the head.
    ///
    /// # Errors
    /// Those of `account`; what was dropped before stays dropped.
    pub fn prune<E>(
        &mut self,
        mut account: impl FnMut(Address) -> Result<TrieAccount, E>,
    ) -> Result<(), E> {
        let mut passed = Vec::new();
        for (&sender, of) in &mut self.accounts {
            of.at_head = account(sender)?;
            let range = of.waiting.range(..of.at_head.nonce);
            passed.extend(range.map(|(_, waiting)| waiting.tx.hash()));
        }
        for hash in passed {
            self.remove(hash);
        }
        Ok(())
    }

    fn room(&mut self, reserved: bool) -> &mut Room {
        match reserved {
            true => &mut self.reserved,
            false => &mut self.common,
        }
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
