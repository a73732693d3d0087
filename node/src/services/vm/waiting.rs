//! The pool of transactions that wait, as JSON-RPC works with it.

use std::sync::{Weak, atomic::Ordering};

use lucid_chain::{
    Account, At, Intake, Transaction, TxError,
    alloy_primitives::{Address, B256},
    rpc::Host,
};
use lucid_core::Timestamp;

use super::{Parts, Running, beginning::wei};
use crate::context::now;

/// What a transfer leaves the node's account at least: registrations of 16 thousand million sessions.
const COINS_KEPT: u64 = 1_000_000;

/// The pool of transactions, as JSON-RPC works with it. What it is of holds it.
pub(super) struct PoolHost(pub(super) Weak<Parts>);

impl Host for PoolHost {
    fn submit(&self, tx: Transaction) -> Result<(), TxError> {
        let stopping = || away("the node is stopping".to_owned());
        let parts = self.0.upgrade().ok_or_else(stopping)?;
        let running = parts.running().map_err(|problem| away(problem.detail))?;
        let account = running.chain.account(tx.sender(), At::Latest);
        let account = account.map_err(|error| {
            // Who sends it is told no more than that it failed.
            tracing::error!(%error, "an account cannot be read");
            away("the node failed to read the account: try again".to_owned())
        })?;
        if !parts.has_room.load(Ordering::Relaxed) {
            return Err(TxError::DiskFull);
        }
        if tx.sender() == parts.signer.address() {
            parts.check_own(&tx, &account)?;
        }
        let intake = Intake { at: now(), reserved: running.is_members(&tx)? };
        parts.waiting().add(tx, account, intake)?;
        parts.wake.notify_one();
        Ok(())
    }

    fn waiting(&self, hash: B256) -> Option<Transaction> {
        self.0.upgrade()?.waiting().get(hash).cloned()
    }

    fn next_nonce(&self, sender: Address, account_nonce: u64) -> u64 {
        let parts = self.0.upgrade();
        parts.map_or(account_nonce, |parts| parts.waiting().next_nonce(sender, account_nonce))
    }

    fn now(&self) -> Timestamp {
        now()
    }

    fn client_version(&self) -> String {
        concat!("Lucid/v", env!("CARGO_PKG_VERSION")).to_owned()
    }
}

impl Parts {
    /// Whether the pool takes a transaction of the node's own account, which is `account` at the head. What it
    /// says to contracts is the node's alone to make: a registration that another made would keep the node from
    /// making its own, for ever. Giving coins away is what there is no other way to do, as far as enough is left.
    fn check_own(&self, tx: &Transaction, account: &Account) -> Result<(), TxError> {
        let kept = wei(COINS_KEPT);
        let is_transfer = tx.to().is_some() && tx.input().is_empty();
        let leaves = account.balance.checked_sub(tx.cost()).is_some_and(|left| left >= kept);
        // Of several that wait each would leave enough, and all together would not.
        let is_alone = tx.nonce() == account.nonce
            && self.waiting().next_nonce(tx.sender(), account.nonce) == account.nonce;
        match is_transfer && leaves && is_alone {
            true => Ok(()),
            false => Err(TxError::NodeAccount { sender: tx.sender(), kept }),
        }
    }
}

impl Running {
    /// Whether a transaction is a member's call of the governor, for which there is room whatever else waits.
    fn is_members(&self, tx: &Transaction) -> Result<bool, TxError> {
        if tx.to() != Some(self.contracts.governor) {
            return Ok(false);
        }
        self.contracts.is_node(&self.chain, tx.sender()).map_err(|error| {
            tracing::error!(%error, "whether an account is a member cannot be read");
            away("the node failed to read the members: try again".to_owned())
        })
    }
}

fn away(why: String) -> TxError {
    tracing::warn!(why, "a transaction is refused");
    TxError::Refused(why)
}
