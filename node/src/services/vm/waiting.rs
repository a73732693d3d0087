//! The pool of transactions that wait, as JSON-RPC works with it.

use std::sync::Weak;

use lucid_chain::{
    At, Transaction, TxError,
    alloy_primitives::{Address, B256},
    rpc::Host,
};
use lucid_core::Timestamp;

use super::Parts;
use crate::context::now;

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
        parts.waiting().add(tx, account)?;
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

fn away(why: String) -> TxError {
    tracing::warn!(why, "a transaction is refused");
    TxError::Refused(why)
}
