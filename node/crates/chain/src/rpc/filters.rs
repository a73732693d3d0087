//! Filters: what a client has seen of blocks, logs and pending transactions, so that it is told the rest.
//!
//! They are in memory, at most [`FILTERS_MAX`] and [`CALLER_FILTERS_MAX`] of one caller, and one that nobody
//! asks for five minutes is gone, as with geth. Where there is no room, the one that was not asked longest
//! gives way, of the caller that has the most: nobody keeps others from having one. A filter is a place in the chain, not a queue: what is told is read when it is asked for. Only
//! pending transactions are remembered, the newest [`ANNOUNCED_MAX`] once for all filters.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use alloy_primitives::{B256, keccak256};
use lucid_core::Timestamp;

use super::{caller::Caller, error::RpcError, forms::word, params::Tag};
use crate::{BlockNumber, Chain, LOG_BLOCKS_MAX, LogEntry, LogFilter, LogPlace, Patience};

/// Filters at once: with the largest that there can be, 40 MB.
pub(super) const FILTERS_MAX: usize = 256;
/// Filters of one caller: a page of a browser has a handful.
pub(super) const CALLER_FILTERS_MAX: usize = 32;
/// How long an idle filter stays, milliseconds (geth's `deadline`).
pub(super) const IDLE_MILLIS: u64 = 5 * 60 * 1000;
/// Pending transactions that are remembered: as many as the pool holds by default.
pub(super) const ANNOUNCED_MAX: usize = 8192;

/// What a filter is of, and what of it was told.
pub(super) enum Kind {
    /// New blocks.
    Blocks {
        /// The first that was not told.
        next: BlockNumber,
    },
    /// Logs in new blocks.
    Logs {
        filter: LogFilter,
        from: Option<Tag>,
        to: Option<Tag>,
        /// Where the first log that was not told is, or will be: in the middle of a block, where that has more
        /// than are told at once.
        next: LogPlace,
    },
    /// Transactions that came into the pool.
    Transactions {
        /// The first that was not told, counted from the first ever.
        next: u64,
    },
}

/// What is new.
pub(super) enum Changes {
    Hashes(Vec<B256>),
    Logs(Vec<LogEntry>),
}

pub(super) struct Filters {
    /// Makes ids that cannot be guessed.
    secret: [u8; 32],
    installed: Mutex<Installed>,
    announced: Mutex<Announced>,
}

#[derive(Default)]
struct Installed {
    /// Filters ever made.
    made: u64,
    /// Times that any was made or asked.
    uses: u64,
    filters: HashMap<u128, Filter>,
}

struct Filter {
    of: Caller,
    /// When it was made or asked last, and the how manieth use of any that was: for those of one millisecond.
    used: (Timestamp, u64),
    /// Locked while it is asked: two questions at once are not told the same.
    kind: Arc<Mutex<Kind>>,
}

/// The newest pending transactions.
#[derive(Default)]
struct Announced {
    /// The number of the oldest that is remembered.
    first: u64,
    hashes: VecDeque<B256>,
}

/// What is locked here is changed in one step: a panic leaves it whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn not_found() -> RpcError {
    RpcError::server(
        "filter not found: it was removed, not used for five minutes, or gave way to others' filters",
    )
}

impl Installed {
    fn use_at(&mut self, now: Timestamp) -> (Timestamp, u64) {
        self.uses += 1;
        (now, self.uses)
    }

    fn count_of(&self, caller: Caller) -> usize {
        self.filters.values().filter(|filter| filter.of == caller).count()
    }

    /// Makes room for one more.
    fn make_room(&mut self) {
        let mut counts: HashMap<Caller, usize> = HashMap::new();
        for filter in self.filters.values() {
            *counts.entry(filter.of).or_default() += 1;
        }
        let count = |filter: &Filter| counts.get(&filter.of).copied().unwrap_or_default();
        let order = |filter: &Filter| (std::cmp::Reverse(count(filter)), filter.used);
        let first = self.filters.iter().min_by_key(|(_, filter)| order(filter));
        if let Some(id) = first.map(|(id, _)| *id) {
            self.filters.remove(&id);
        }
    }
}

impl Filters {
    pub(super) fn new(secret: [u8; 32]) -> Self {
        Self { secret, installed: Mutex::default(), announced: Mutex::default() }
    }

    /// Makes a filter of `caller` and answers its id.
    pub(super) fn install(
        &self,
        kind: Kind,
        caller: Caller,
        now: Timestamp,
    ) -> Result<u128, RpcError> {
        let mut installed = self.fresh(now);
        if installed.count_of(caller) >= CALLER_FILTERS_MAX {
            return Err(RpcError::limit(format_args!(
                "you have {CALLER_FILTERS_MAX} filters: remove one with eth_uninstallFilter, or ask \
                 eth_getLogs"
            )));
        }
        if installed.filters.len() >= FILTERS_MAX {
            installed.make_room();
        }
        installed.made += 1;
        let hash = keccak256([self.secret.as_slice(), &installed.made.to_be_bytes()].concat());
        let id = u128::from_be_bytes(*hash.first_chunk().expect("16 of 32 bytes"));
        let used = installed.use_at(now);
        let kind = Arc::new(Mutex::new(kind));
        installed.filters.insert(id, Filter { of: caller, used, kind });
        Ok(id)
    }

    /// Removes a filter; whether there was one.
    pub(super) fn remove(&self, id: u128, now: Timestamp) -> bool {
        self.fresh(now).filters.remove(&id).is_some()
    }

    /// A new pending transaction.
    pub(super) fn announce(&self, hash: B256) {
        let mut announced = lock(&self.announced);
        announced.hashes.push_back(hash);
        if announced.hashes.len() > ANNOUNCED_MAX {
            announced.hashes.pop_front();
            announced.first += 1;
        }
    }

    /// How many pending transactions there ever were.
    pub(super) fn announced(&self) -> u64 {
        let announced = lock(&self.announced);
        announced.first + announced.hashes.len() as u64
    }

    /// What came since the filter was made or last asked.
    pub(super) fn changes(
        &self,
        id: u128,
        now: Timestamp,
        chain: &Chain,
        patience: Patience<'_>,
    ) -> Result<Changes, RpcError> {
        let kind = self.used(id, now)?;
        match &mut *lock(&kind) {
            Kind::Blocks { next } => blocks(next, chain).map(Changes::Hashes),
            Kind::Logs { filter, from, to, next } => {
                // "latest" and the like leave it open, at both ends.
                let number = |tag: &Option<Tag>| match tag {
                    Some(Tag::Number(number)) => Some(*number),
                    Some(Tag::Latest | Tag::Pending) | None => None,
                };
                let to = number(to).unwrap_or(BlockNumber(u64::MAX));
                *next = (*next).max(LogPlace::first_of(number(from).unwrap_or_default()));
                logs(filter, to, next, chain, patience).map(Changes::Logs)
            }
            Kind::Transactions { next } => {
                let told = self.transactions(next);
                if told.is_err() {
                    self.remove(id, now);
                }
                told.map(Changes::Hashes)
            }
        }
    }

    /// What a filter of logs asks for.
    pub(super) fn query(
        &self,
        id: u128,
        now: Timestamp,
    ) -> Result<(LogFilter, Option<Tag>, Option<Tag>), RpcError> {
        let kind = self.used(id, now)?;
        match &*lock(&kind) {
            Kind::Logs { filter, from, to, .. } => Ok((filter.clone(), *from, *to)),
            Kind::Blocks { .. } | Kind::Transactions { .. } => Err(RpcError::server(
                "filter not found: there is one with this id, but not of logs",
            )),
        }
    }

    /// The filters, without those that nobody asked for too long.
    fn fresh(&self, now: Timestamp) -> MutexGuard<'_, Installed> {
        let mut installed = lock(&self.installed);
        installed.filters.retain(|_, filter| {
            now.unix_millis().saturating_sub(filter.used.0.unix_millis()) <= IDLE_MILLIS
        });
        installed
    }

    fn used(&self, id: u128, now: Timestamp) -> Result<Arc<Mutex<Kind>>, RpcError> {
        let mut installed = self.fresh(now);
        let used = installed.use_at(now);
        let filter = installed.filters.get_mut(&id).ok_or_else(not_found)?;
        filter.used = used;
        Ok(filter.kind.clone())
    }

    fn transactions(&self, next: &mut u64) -> Result<Vec<B256>, RpcError> {
        let announced = lock(&self.announced);
        let Some(skip) = next.checked_sub(announced.first) else {
            return Err(RpcError::limit(format_args!(
                "more than {ANNOUNCED_MAX} transactions came since it was asked: make the filter anew"
            )));
        };
        *next = announced.first + announced.hashes.len() as u64;
        Ok(announced.hashes.iter().skip(skip as usize).copied().collect())
    }
}

/// The last block that is looked at from `next` on, if there is one: a longer range is told in parts.
fn last(next: BlockNumber, to: BlockNumber, chain: &Chain) -> Option<BlockNumber> {
    let most = BlockNumber(next.0.saturating_add(LOG_BLOCKS_MAX - 1));
    let last = chain.head().header.number.min(to).min(most);
    (next <= last).then_some(last)
}

fn blocks(next: &mut BlockNumber, chain: &Chain) -> Result<Vec<B256>, RpcError> {
    let mut hashes = Vec::new();
    if let Some(last) = last(*next, BlockNumber(u64::MAX), chain) {
        for number in (next.0..=last.0).map(BlockNumber) {
            hashes.push(word(chain.header(number)?.0));
        }
        *next = last.next();
    }
    Ok(hashes)
}

/// As many logs as are told at once; the rest when it is asked again.
fn logs(
    filter: &LogFilter,
    to: BlockNumber,
    next: &mut LogPlace,
    chain: &Chain,
    patience: Patience<'_>,
) -> Result<Vec<LogEntry>, RpcError> {
    let Some(last) = last(next.number, to, chain) else { return Ok(Vec::new()) };
    let part = chain.logs_part(*next, last, filter, patience)?;
    *next = part.next.unwrap_or(LogPlace::first_of(last.next()));
    Ok(part.logs)
}
