//! Why the chain does not go on.

use lucid_api::{Code, Problem};
use lucid_chain::{CallError, ChainError, alloy_primitives::Address};
use lucid_store::StoreError;

/// Why the chain does not go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum VmError {
    /// A port.
    #[error("{}", .0.detail)]
    Port(Problem),
    /// The chain.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A contract of it.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database has what the chain did not make: a question met it.
    #[error("the chain's database is not what the chain made of it, and is made anew from the log")]
    Altered,
    /// The chain was begun with the account of another key.
    #[error(
        "it was begun with the account {began}, and the key in secrets/evm.key is that of {account}: put the file that \
         was there when the chain began back, from a backup of secrets/; recording goes on meanwhile"
    )]
    AnotherAccount {
        /// Whose the chain is.
        began: Address,
        /// Whose key is here.
        account: Address,
    },
    /// What should not be.
    #[error("{0}")]
    Broken(String),
}

impl VmError {
    /// Whether the database has what the chain did not make, so that it has to be made anew.
    pub(super) fn is_altered(&self) -> bool {
        let damaged = |error: &ChainError| matches!(error, ChainError::Damaged { .. });
        match self {
            Self::Chain(error) | Self::Call(CallError::Chain(error)) => damaged(error),
            Self::Altered => true,
            Self::Call(_)
            | Self::Port(_)
            | Self::Store(_)
            | Self::AnotherAccount { .. }
            | Self::Broken(_) => false,
        }
    }

    /// Whether it is only that another service is not there, as at every start.
    pub(super) fn is_absence(&self) -> bool {
        matches!(self, Self::Port(Problem { code: Code::Unavailable | Code::ServiceTimeout, .. }))
    }
}

impl From<Problem> for VmError {
    fn from(problem: Problem) -> Self {
        Self::Port(problem)
    }
}
