//! How decisions are made at present, which decisions themselves may change.

use alloy_primitives::{Address, U256};

use super::{
    Contracts,
    abi::{Governor, Members, Timelock},
    ask,
};
use crate::{CallError, Chain, ChainError};

/// How decisions are made at present; times in seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GovernanceInForce {
    /// From a proposal to the beginning of its vote.
    pub voting_delay: u64,
    /// How long a vote is open.
    pub voting_period: u64,
    /// How long it stays open after a quorum that came late.
    pub vote_extension: u64,
    /// Per cent of the nodes.
    pub quorum_percent: u64,
    /// From a decision to when it can be carried out; 2^53 - 1 where it is more, for the timelock takes any.
    pub timelock_delay: u64,
}

impl Contracts {
    /// How decisions are made, as of the head.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn governance(&self, chain: &Chain) -> Result<GovernanceInForce, CallError> {
        let governor = self.governor;
        let extension = ask(chain, governor, &Governor::lateQuorumVoteExtensionCall {})?;
        Ok(GovernanceInForce {
            voting_delay: small(governor, ask(chain, governor, &Governor::votingDelayCall {})?)?,
            voting_period: small(governor, ask(chain, governor, &Governor::votingPeriodCall {})?)?,
            vote_extension: small(governor, U256::from(extension))?,
            quorum_percent: small(
                governor,
                ask(chain, governor, &Governor::quorumNumeratorCall {})?,
            )?,
            timelock_delay: held(ask(chain, self.timelock, &Timelock::getMinDelayCall {})?),
        })
    }

    /// Whether an account is one of the nodes that decide, as of the head.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn is_node(&self, chain: &Chain, account: Address) -> Result<bool, CallError> {
        ask(chain, self.nodes, &Members::isNodeCall { account })
    }
}

/// A number that its contract does not bound: what is larger than JSON has exactly is held at that.
pub(super) fn held(value: U256) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX).min(lucid_core::json::INTEGER_MAX)
}

fn small(contract: Address, value: U256) -> Result<u64, CallError> {
    value.try_into().map_err(|_| CallError::from(ChainError::Answer { contract }))
}
