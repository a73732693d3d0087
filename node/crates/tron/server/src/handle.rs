//! What a test does to a server while it runs.

use std::sync::Arc;

use crate::{
    Address, Energy, Fees, ForkError, Forked, Journal,
    chain::refusal::Code,
    faults::Scripted,
    world::{Shared, World},
};

/// A handle to a running server. Every method takes effect before it returns, and none waits for anything
/// but the server's lock.
#[derive(Clone)]
pub struct Handle(pub(crate) Arc<Shared>);

/// Where the chain is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Position {
    /// The head's number.
    pub head: u64,
    /// That of the last solid block.
    pub solid: u64,
    /// The head's time in milliseconds.
    pub time_ms: i64,
}

/// A broadcast that was refused.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Refused {
    /// The transaction's id in hex.
    pub id: String,
    /// The code it was refused with.
    pub code: Code,
    /// Why in full, which clients are not always told.
    pub detail: String,
}

impl Handle {
    fn with<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        change(&mut self.0.world())
    }

    /// Gives SUN to an account, which is made where it is not there.
    pub fn fund(&self, address: Address, sun: i64) {
        self.with(|world| {
            world.chain.account(address, |account| {
                account.balance = account.balance.saturating_add(sun);
            });
        });
    }

    /// Sets an account's balance, in SUN.
    pub fn set_balance(&self, address: Address, sun: i64) {
        self.with(|world| world.chain.account(address, |account| account.balance = sun));
    }

    /// What an account has, in SUN; 0 where it is not there. After the head, without what waits.
    #[must_use]
    pub fn balance(&self, address: Address) -> i64 {
        self.with(|world| world.chain.state().accounts.get(&address).map_or(0, |it| it.balance))
    }

    /// Sets the bandwidth (bytes) and energy a day that an account staked for.
    pub fn stake(&self, address: Address, bandwidth: i64, energy: i64) {
        self.with(|world| {
            world.chain.account(address, |account| {
                account.net_limit = bandwidth;
                account.energy_limit = energy;
            });
        });
    }

    /// Says who may sign for an account with permission 0: keys with their weights, and the weight it takes.
    pub fn permit(&self, address: Address, keys: &[(Address, i64)], threshold: i64) {
        self.with(|world| world.chain.permit(address, keys.to_vec(), threshold));
    }

    /// Puts a `LucidAnchors` with the registrar zero on the chain; where it is.
    #[must_use]
    pub fn put_anchors(&self) -> Address {
        self.with(|world| world.chain.put_anchors())
    }

    /// Puts a TRC-20 token of six decimals on the chain, all of it with `holder`; where it is.
    #[must_use]
    pub fn put_token(&self, holder: Address, supply: u64) -> Address {
        self.with(|world| world.chain.put_token(holder, supply))
    }

    /// Makes blocks at once, beside those that time makes.
    pub fn make_blocks(&self, count: u64) {
        self.with(|world| (0..count).for_each(|_| world.chain.make_block()));
    }

    /// Where the chain is.
    #[must_use]
    pub fn position(&self) -> Position {
        self.with(|world| Position {
            head: world.chain.head_number(),
            solid: world.chain.solid_number(),
            time_ms: world.chain.head().header.timestamp,
        })
    }

    /// Forks the last `count` blocks away. What is made in their place comes later and is by others.
    ///
    /// # Errors
    /// [`ForkError`] where some of them are solid.
    pub fn fork(&self, count: u64, forked: Forked) -> Result<(), ForkError> {
        self.with(|world| world.chain.fork(count, forked))
    }

    /// Scripts a fault, after those that are.
    pub fn fault(&self, scripted: Scripted) {
        self.with(|world| world.faults.add(scripted));
    }

    /// Forgets all faults.
    pub fn clear_faults(&self) {
        self.with(|world| world.faults.clear());
    }

    /// Empties the pool, as when what waits expired before any witness saw it.
    pub fn clear_pool(&self) {
        self.with(|world| world.chain.clear_pool());
    }

    /// Whether blocks take nothing from the pool.
    pub fn hold_pool(&self, hold: bool) {
        self.with(|world| world.chain.hold = hold);
    }

    /// How many blocks the node shows less than there are.
    pub fn set_behind(&self, blocks: u64) {
        self.with(|world| world.behind = blocks);
    }

    /// Lets time pass on the chain without blocks: milliseconds, of which whole slots of three seconds count, and
    /// at most a year.
    pub fn skip_time(&self, ms: u64) {
        self.with(|world| world.chain.skip(ms));
    }

    /// Changes prices.
    pub fn set_fees(&self, fees: Fees) {
        self.with(|world| world.chain.fees = fees);
    }

    /// Changes what calls take.
    pub fn set_energy(&self, energy: Energy) {
        self.with(|world| world.chain.energy = energy);
    }

    /// What became of every transaction that was ever accepted.
    #[must_use]
    pub fn journal(&self) -> Journal {
        self.with(|world| world.chain.journal.clone())
    }

    /// The last 1,000 broadcasts that were refused by rule, not by script.
    #[must_use]
    pub fn refusals(&self) -> Vec<Refused> {
        self.with(|world| {
            let one = |(id, code, detail): &(String, Code, String)| Refused {
                id: id.clone(),
                code: *code,
                detail: detail.clone(),
            };
            world.chain.refusals.iter().map(one).collect()
        })
    }

    /// How many requests came to a path, as `/wallet/getnowblock`; failed ones count.
    #[must_use]
    pub fn asked(&self, path: &str) -> u64 {
        self.with(|world| world.asked.get(path).copied().unwrap_or_default())
    }
}
