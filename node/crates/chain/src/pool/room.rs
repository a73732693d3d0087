//! How much waits at most, and who gives way.

use std::collections::{BTreeSet, HashMap};

use alloy_primitives::{Address, B256};
use lucid_core::Timestamp;

use super::{Account, Pool, Rank, Waiting};
use crate::{Transaction, TxError};

/// What is not ready is gone after so long, milliseconds: who fills a gap has long done so.
pub const UNREADY_MILLIS_MAX: u64 = 10 * 60 * 1000;
/// Anything is gone after so long, milliseconds: geth's `txpool.lifetime`, 3 hours.
pub const WAITING_MILLIS_MAX: u64 = 3 * 60 * 60 * 1000;
/// Reserved transactions of one account: a member's votes on all that is open.
pub const RESERVED_OF_ACCOUNT: usize = 8;
/// Their bytes: the longest transaction, which a proposal may be, and votes.
pub const RESERVED_OF_ACCOUNT_BYTES: usize = 160 << 10;
/// Bytes of all that is reserved: of a hundred members as much as each may have.
pub const RESERVED_BYTES_MAX: usize = 16 << 20;
/// It is looked for what has waited too long so often, milliseconds: each time costs the whole pool.
const LOOK_MILLIS: u64 = 1000;
/// One part in so many of the pool is for what is not ready.
const UNREADY_PART: usize = 8;

/// How much waits at most, beside what is reserved.
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

impl Limits {
    /// What of it those may have that are not ready: an eighth.
    #[must_use]
    pub fn unready(&self) -> (usize, usize) {
        (self.total.div_ceil(UNREADY_PART), self.bytes.div_ceil(UNREADY_PART))
    }
}

/// What is taken of a room.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Room {
    pub(super) count: usize,
    pub(super) bytes: usize,
}

impl Room {
    pub(super) fn add(&mut self, tx: &Transaction) {
        self.count += 1;
        self.bytes += tx.raw().len();
    }

    pub(super) fn take(&mut self, tx: &Transaction) {
        self.count -= 1;
        self.bytes -= tx.raw().len();
    }

    /// Whether it holds `tx` too.
    fn fits(&self, tx: &Transaction, (count, bytes): (usize, usize)) -> bool {
        self.count < count && self.bytes + tx.raw().len() <= bytes
    }
}

impl Account {
    /// What of it waits and is not ready, the last first.
    fn unready(&self) -> impl Iterator<Item = &Waiting> {
        let unready = self.waiting.len() - self.ready();
        self.waiting.values().rev().take(unready).filter(|waiting| !waiting.reserved)
    }
}

impl Pool {
    /// Whether there is room for `tx` among what is reserved, in the place of `replaced`.
    pub(super) fn has_reserved(&self, tx: &Transaction, replaced: Option<B256>) -> bool {
        let (mut of_account, mut all) = (Room::default(), self.reserved);
        let account = self.accounts.get(&tx.sender());
        let waiting = account.into_iter().flat_map(|account| account.waiting.values());
        for waiting in waiting.filter(|waiting| waiting.reserved) {
            match Some(waiting.tx.hash()) == replaced {
                true => all.take(&waiting.tx),
                false => of_account.add(&waiting.tx),
            }
        }
        of_account.fits(tx, (RESERVED_OF_ACCOUNT, RESERVED_OF_ACCOUNT_BYTES))
            && all.fits(tx, (usize::MAX, RESERVED_BYTES_MAX))
    }

    /// What goes so that `tx` has room: `replaced`, and where that is not enough those that are not ready; then,
    /// of the accounts' last ready ones, the one that would be offered last, and so on, as long as they pay less.
    /// What is not ready itself takes the place of such alone.
    pub(super) fn give_way(
        &self,
        tx: &Transaction,
        replaced: Option<B256>,
        is_ready: bool,
    ) -> Result<Vec<B256>, TxError> {
        let mut gone: Vec<B256> = replaced.into_iter().collect();
        let mut room = self.common;
        if let Some(old) = replaced
            && !self.is_reserved(old)
            && let Some(old) = self.get(old)
        {
            room.take(old);
        }
        let limits = (self.limits.total, self.limits.bytes);
        if is_ready && room.fits(tx, limits) {
            return Ok(gone);
        }
        let others = || self.accounts.iter().filter(|(sender, _)| **sender != tx.sender());
        let mut unready: Vec<_> = others().flat_map(|(_, account)| account.unready()).collect();
        unready.sort_unstable_by_key(|waiting| waiting.rank());
        let mut of_unready = Room::default();
        if !is_ready {
            for waiting in &unready {
                of_unready.add(&waiting.tx);
            }
            let own = self.accounts.get(&tx.sender()).into_iter().flat_map(Account::unready);
            let own = own.filter(|waiting| Some(waiting.tx.hash()) != replaced);
            own.for_each(|waiting| of_unready.add(&waiting.tx));
        }
        let fits = |room: &Room, of_unready: &Room| {
            room.fits(tx, limits) && (is_ready || of_unready.fits(tx, self.limits.unready()))
        };
        for waiting in unready {
            if fits(&room, &of_unready) {
                return Ok(gone);
            }
            if !is_ready {
                if waiting.tx.tip() >= tx.tip() {
                    break;
                }
                of_unready.take(&waiting.tx);
            }
            room.take(&waiting.tx);
            gone.push(waiting.tx.hash());
        }
        if fits(&room, &of_unready) {
            return Ok(gone);
        }
        if !is_ready {
            return Err(TxError::PoolFull);
        }
        self.outbid(tx, room, gone)
    }

    /// What of the ready ones goes beside `gone`, where `room` is taken without that: only what is last of
    /// its account, so that no gap is made.
    fn outbid(
        &self,
        tx: &Transaction,
        mut room: Room,
        mut gone: Vec<B256>,
    ) -> Result<Vec<B256>, TxError> {
        let limits = (self.limits.total, self.limits.bytes);
        let mut lasts: BTreeSet<Rank> = BTreeSet::new();
        let mut left: HashMap<Address, usize> = HashMap::new();
        let last = |sender: Address, ready: usize| {
            let account = self.accounts.get(&sender)?;
            let waiting = account.waiting.values().nth(ready.checked_sub(1)?)?;
            (!waiting.reserved).then_some(waiting)
        };
        for (&sender, account) in self.accounts.iter().filter(|(sender, _)| **sender != tx.sender())
        {
            let ready = account.ready();
            left.insert(sender, ready);
            lasts.extend(last(sender, ready).map(Waiting::rank));
        }
        while !room.fits(tx, limits) {
            let Some(Rank { sender, tip, .. }) = lasts.pop_first() else {
                return Err(TxError::PoolFull);
            };
            let ready = left.get_mut(&sender).filter(|_| tip < tx.tip());
            let Some(ready) = ready else { return Err(TxError::PoolFull) };
            let Some(waiting) = last(sender, *ready) else { return Err(TxError::PoolFull) };
            room.take(&waiting.tx);
            gone.push(waiting.tx.hash());
            *ready -= 1;
            lasts.extend(last(sender, *ready).map(Waiting::rank));
        }
        Ok(gone)
    }

    /// Drops what has waited too long, as of `at`.
    pub fn expire(&mut self, at: Timestamp) {
        let since = |then: Timestamp| at.unix_millis().saturating_sub(then.unix_millis());
        // A clock that was set back is looked at anew.
        if at >= self.looked && since(self.looked) < LOOK_MILLIS {
            return;
        }
        self.looked = at;
        let mut old = Vec::new();
        for account in self.accounts.values() {
            let ready = account.ready();
            for (place, waiting) in account.waiting.values().enumerate() {
                let most = if place < ready { WAITING_MILLIS_MAX } else { UNREADY_MILLIS_MAX };
                if since(waiting.since) > most {
                    old.push(waiting.tx.hash());
                }
            }
        }
        for hash in old {
            self.remove(hash);
        }
    }
}
