//! How a transaction ended: `TransactionInfo`.

use crate::{address::Address, message};

/// An event of a contract.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Log {
    pub(crate) address: Address,
    pub(crate) topics: Vec<[u8; 32]>,
    pub(crate) data: Vec<u8>,
}

/// `TransactionInfo`, without its block.
#[derive(Clone, Default, Debug)]
pub(crate) struct Info {
    pub(crate) id: [u8; 32],
    /// All that it cost, in SUN.
    pub(crate) fee: i64,
    /// What the contract returned; nothing for what is no call.
    pub(crate) output: Vec<u8>,
    pub(crate) contract: Option<Address>,
    pub(crate) receipt: Receipt,
    pub(crate) logs: Vec<Log>,
    /// Why it failed.
    pub(crate) message: String,
    /// `contractRet` of the transaction in its block.
    pub(crate) ret: i32,
    /// Whether a contract was called or created, whose result the receipt repeats.
    pub(crate) executed: bool,
}

/// `ResourceReceipt`.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Receipt {
    /// Energy out of what was staked for.
    pub(crate) energy_usage: i64,
    /// SUN for the energy beyond.
    pub(crate) energy_fee: i64,
    /// Energy in all.
    pub(crate) energy_usage_total: i64,
    /// Bandwidth that cost nothing.
    pub(crate) net_usage: i64,
    /// SUN for bandwidth.
    pub(crate) net_fee: i64,
}

impl Info {
    /// Whether it did what it was to do.
    pub(crate) fn succeeded(&self) -> bool {
        self.ret == message::SUCCESS
    }
}
