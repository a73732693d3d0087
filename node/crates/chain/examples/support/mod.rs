//! A host for JSON-RPC in one process: a pool, and a block for each transaction as soon as it comes.

#![allow(clippy::print_stderr, reason = "examples are programs in a terminal")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a host is where time comes from"
)]

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use lucid_chain::{
    At, Chain, ChainError, Genesis, Intake, Limits, LogPosition, Pool, Transaction, TxError,
    alloy_primitives::{Address, B256},
    rpc::Host,
};
use lucid_core::{Hash, Timestamp};

/// The chain, its pool, and who makes its blocks.
pub(crate) struct Alone {
    /// The chain.
    pub(crate) chain: Arc<Chain>,
    pool: Mutex<Pool>,
}

/// The present time.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_millis(since.as_millis() as u64)
}

impl Alone {
    /// A chain in memory.
    pub(crate) fn new(genesis: Genesis) -> Result<Self, ChainError> {
        let tree = sled::Config::new().temporary(true).open()?.open_tree("chain")?;
        let chain = Arc::new(Chain::open(tree, genesis, lucid_chain::HISTORY_BLOCKS)?);
        Ok(Self { chain, pool: Mutex::new(Pool::new(Limits::default())) })
    }

    fn take(&self, tx: Transaction) -> Result<Result<(), TxError>, ChainError> {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        let account = self.chain.account(tx.sender(), At::Latest)?;
        if let Err(error) = pool.add(tx, account, Intake { at: now(), reserved: false }) {
            return Ok(Err(error));
        }
        let nonce = |sender| Ok(self.chain.account(sender, At::Latest)?.nonce);
        let candidates = pool.candidates::<ChainError>(nonce)?;
        // There is no log here: its root is made up, and stands for one entry more each time.
        let size = self.chain.head().header.number.0 + 1;
        let log = LogPosition { size, root: Hash::of(&size.to_be_bytes()) };
        let proposal = self.chain.propose(now(), log, candidates)?;
        if !proposal.block.body.is_empty() {
            self.chain.apply(proposal)?;
        }
        pool.prune::<ChainError>(|sender| self.chain.account(sender, At::Latest))?;
        Ok(Ok(()))
    }
}

impl Host for Alone {
    fn submit(&self, tx: Transaction) -> Result<(), TxError> {
        self.take(tx).unwrap_or_else(|error| {
            eprintln!("{error}");
            Err(TxError::Refused("the node takes no transactions at present".to_owned()))
        })
    }

    fn waiting(&self, hash: B256) -> Option<Transaction> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).get(hash).cloned()
    }

    fn next_nonce(&self, sender: Address, account_nonce: u64) -> u64 {
        let pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        pool.next_nonce(sender, account_nonce)
    }

    fn now(&self) -> Timestamp {
        now()
    }

    fn client_version(&self) -> String {
        concat!("Lucid/v", env!("CARGO_PKG_VERSION")).to_owned()
    }
}
