//! What the node asks of TRON's nodes: [`Tron`]. Over HTTP it is [`Client`].
//!
//! What is answered is held against what can be computed: a transaction's id against its bytes, a block's id
//! and root against its header and transactions. Nothing here tries again: an error says what to do
//! ([`ClientError::retry`]), and [`Backoff`] how long to wait.

mod answers;
mod block;
mod broadcast;
mod calls;
mod error;
mod http;

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use lucid_core::tron::{
    Address, BlockId, BlockNumber, Call, Creation, Header, Sun, Transaction, TransactionId,
    message::Envelope,
};

use crate::{ChainParameters, Resources};

pub use block::Block;
pub use broadcast::{Broadcast, Code, Next};
pub use error::{Backoff, ClientError, Failure, Retry};
pub use http::{ApiKey, ApiKeyError, Client, ClientOptions};

/// A TRON node, as this node sees it. Every method asks once; dropping its future ends the asking, and for
/// [`Tron::broadcast`] leaves open whether the transaction was sent.
///
/// # Errors
/// All methods: [`ClientError`], which says whether to ask again.
#[async_trait]
pub trait Tron: Send + Sync {
    /// The first block's id, which tells networks apart.
    async fn genesis(&self) -> Result<BlockId, ClientError>;

    /// The newest block.
    async fn head(&self) -> Result<Header, ClientError>;

    /// The newest block that is solid: 19 of 27 witnesses built on it.
    async fn solid_head(&self) -> Result<Header, ClientError>;

    /// A block with its transactions; nothing where there is none yet.
    async fn block(&self, number: BlockNumber) -> Result<Option<Block>, ClientError>;

    /// An account; nothing where there is none.
    async fn account(&self, address: Address) -> Result<Option<Account>, ClientError>;

    /// Bandwidth and energy that an account has left; none where there is no account.
    async fn resources(&self, address: Address) -> Result<Resources, ClientError>;

    /// The prices in force.
    async fn parameters(&self) -> Result<ChainParameters, ClientError>;

    /// A contract; nothing where there is none.
    async fn contract(&self, address: Address) -> Result<Option<DeployedContract>, ClientError>;

    /// What a call would give, without sending it.
    async fn constant_call(&self, asked: &Asked) -> Result<ConstantCall, ClientError>;

    /// The energy that a call or creation would take. Fails with [`Failure::Reverted`] where it would fail.
    async fn energy(&self, asked: &Asked) -> Result<Energy, ClientError>;

    /// Sends a transaction. What the node says of it is in the [`Broadcast`]; where nothing was understood, the
    /// error says whether it may have been sent.
    async fn broadcast(&self, transaction: &Transaction) -> Result<Broadcast, ClientError>;

    /// A transaction in a block, or waiting for one; nothing where the node has none.
    async fn transaction(&self, id: TransactionId) -> Result<Option<Envelope>, ClientError>;

    /// A transaction in a solid block; nothing where there is none.
    async fn solid_transaction(&self, id: TransactionId) -> Result<Option<Envelope>, ClientError>;

    /// Where a transaction is and what it cost, once it is in a block, which may still be forked away.
    async fn info(&self, id: TransactionId) -> Result<Option<Info>, ClientError>;

    /// Where a transaction is and what it cost, once its block is solid: it stays.
    async fn solid_info(&self, id: TransactionId) -> Result<Option<Info>, ClientError>;
}

/// An account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Account {
    /// Its address.
    pub address: Address,
    /// What it has.
    pub balance: Sun,
    /// Whether it is a contract's.
    pub is_contract: bool,
}

/// A contract that is deployed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeployedContract {
    /// Its address.
    pub address: Address,
    /// Who created it.
    pub owner: Address,
    /// Its name for explorers; whoever created it chose it.
    pub name: String,
    /// The init code that it was created with, arguments included.
    pub bytecode: Vec<u8>,
    /// 0 to 100: the part of a call's energy that the caller pays.
    pub caller_percent: u64,
}

/// A call that is not sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    /// Who would call.
    pub owner: Address,
    /// What would be called; nothing where a contract would be created.
    pub contract: Option<Address>,
    /// TRX that would be sent along.
    pub value: Sun,
    /// Calldata, or init code.
    pub data: Vec<u8>,
}

impl From<&Call> for Asked {
    fn from(call: &Call) -> Self {
        let Call { owner, contract, value, data } = call.clone();
        Self { owner, contract: Some(contract), value, data }
    }
}

impl From<&Creation> for Asked {
    fn from(creation: &Creation) -> Self {
        let Creation { owner, value, bytecode, .. } = creation.clone();
        Self { owner, contract: None, value, data: bytecode }
    }
}

/// What a call gave that was not sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConstantCall {
    /// What it returned, or the encoded reason of its failure.
    pub returned: Vec<u8>,
    /// Energy that it took.
    pub energy: u64,
    /// Why it failed; nothing where it did not.
    pub failed: Option<String>,
}

/// Energy that a call would take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Energy {
    /// How much.
    pub units: u64,
    /// How it is known.
    pub from: EnergyFrom,
}

/// How energy is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EnergyFrom {
    /// `estimateenergy`: the least limit that it ends well with.
    Estimate,
    /// `triggerconstantcontract`: what it took. Where it calls others, it may need a higher limit than that.
    Call,
}

/// A transaction in a block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Info {
    /// Which.
    pub id: TransactionId,
    /// Its block.
    pub block: BlockNumber,
    /// Its block's time, milliseconds since 1970.
    pub block_ms: u64,
    /// All that was burned for it.
    pub fee: Sun,
    /// Why it failed; nothing where it did what it says. One that failed is in its block, and is paid.
    pub failed: Option<String>,
    /// Energy that it took.
    pub energy: u64,
    /// The contract that it called or created.
    pub contract: Option<Address>,
}
