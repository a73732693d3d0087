//! What proposals do: the calls that have words, and the words.

use core::fmt;

use alloy_primitives::{Address, B256, Bytes, U256, aliases::U48, hex};
use alloy_sol_types::SolCall;
use lucid_core::Hash;

use super::{
    super::Contracts,
    super::abi::{Governor, Members, Registry, Timelock},
    ProposedCall, encoded,
};

/// The longest voting delay and period: `LucidGovernor.DURATION_MAX`, 30 days. The timelock itself has no
/// bound, and one that is too long ends all decisions: what is proposed here keeps to the same.
pub const DURATION_MAX: u64 = 30 * 24 * 3600;

/// What a proposal does, if it is carried out. Times are seconds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Gives a parameter a value.
    SetParameter {
        /// The parameter's name.
        key: String,
        /// The value.
        value: u64,
    },
    /// Makes a node a member.
    AddNode {
        /// The account it votes with.
        account: Address,
        /// SHA-256 of the Ed25519 key that signs its log.
        log_key_hash: Hash,
    },
    /// Ends a node's membership.
    RemoveNode {
        /// The account it voted with.
        account: Address,
    },
    /// From a proposal to the beginning of its vote.
    SetVotingDelay(u64),
    /// How long a vote is open.
    SetVotingPeriod(u64),
    /// How long it stays open at least after a quorum.
    SetVoteExtension(u64),
    /// Per cent of the nodes that must vote for or abstain.
    SetQuorumPercent(u64),
    /// From a decision to when it can be carried out.
    SetTimelockDelay(u64),
    /// Anything else.
    Call(ProposedCall),
}

/// What a parameter is for, in a sentence.
#[must_use]
pub fn about(key: &str) -> Option<&'static str> {
    Some(match key {
        "chunk_bytes" => "Size of the chunks that a session is cut into.",
        "zstd_level" => "How hard chunks are compressed: 1 is fast, 9 is small.",
        "open_sessions_max" => "How many sessions an owner may have open at once.",
        "session_bytes_max" => "How long a session may be; 0 for any length.",
        "retention_seconds" => "How long a sealed session is kept before it is erased; 0 for ever.",
        "anchor_interval_seconds" => "How often the log is anchored, at the least.",
        "anchor_sessions_max" => "After how many sealed sessions the log is anchored in any case.",
        _ => return None,
    })
}

impl Action {
    /// The call that does it.
    ///
    /// # Errors
    /// What is too large for the contract's type, in words.
    pub fn call(&self, contracts: &Contracts) -> Result<ProposedCall, &'static str> {
        let Contracts { nodes, timelock, parameters, governor, .. } = *contracts;
        let (target, data) = match self {
            Self::SetParameter { key, value } => {
                if key.is_empty() || key.len() > 31 {
                    return Err("a parameter's name has 1 to 31 characters");
                }
                let key = B256::right_padding_from(key.as_bytes());
                (parameters, encoded(&Registry::setCall { key, value: U256::from(*value) }))
            }
            Self::AddNode { account, log_key_hash } => {
                let (account, key) = (*account, B256::from(log_key_hash.0));
                (nodes, encoded(&Members::admitCall { account, logKeyHash: key }))
            }
            Self::RemoveNode { account } => {
                (nodes, encoded(&Members::removeCall { account: *account }))
            }
            Self::SetVotingDelay(seconds) => (
                governor,
                encoded(&Governor::setVotingDelayCall { newVotingDelay: u48(*seconds)? }),
            ),
            Self::SetVotingPeriod(seconds) => {
                let seconds = u32::try_from(*seconds).map_err(|_| TOO_LONG)?;
                (governor, encoded(&Governor::setVotingPeriodCall { newVotingPeriod: seconds }))
            }
            Self::SetVoteExtension(seconds) => {
                let extension = u48(*seconds)?;
                let call = Governor::setLateQuorumVoteExtensionCall { newVoteExtension: extension };
                (governor, encoded(&call))
            }
            Self::SetQuorumPercent(percent) => {
                let percent = U256::from(*percent);
                let call = Governor::updateQuorumNumeratorCall { newQuorumNumerator: percent };
                (governor, encoded(&call))
            }
            Self::SetTimelockDelay(seconds) => {
                (timelock, encoded(&Timelock::updateDelayCall { newDelay: U256::from(*seconds) }))
            }
            Self::Call(call) => return Ok(call.clone()),
        };
        Ok(ProposedCall { target, value: U256::ZERO, data })
    }

    /// What a call does. One is known only if the same action makes exactly the same call.
    #[must_use]
    pub fn of(call: &ProposedCall, contracts: &Contracts) -> Self {
        let known = known(call.target, &call.data, contracts);
        let known = known.filter(|action| action.call(contracts).as_ref() == Ok(call));
        known.unwrap_or_else(|| Self::Call(call.clone()))
    }
}

const TOO_LONG: &str = "so many seconds are no time that the contract takes";

fn u48(seconds: u64) -> Result<U48, &'static str> {
    U48::try_from(seconds).map_err(|_| TOO_LONG)
}

fn known(target: Address, data: &Bytes, contracts: &Contracts) -> Option<Action> {
    let Contracts { nodes, timelock, parameters, governor, .. } = *contracts;
    let selector: [u8; 4] = *data.first_chunk()?;
    match selector {
        Registry::setCall::SELECTOR if target == parameters => {
            let call = Registry::setCall::abi_decode(data).ok()?;
            Some(Action::SetParameter { key: key_text(call.key)?, value: whole(call.value)? })
        }
        Members::admitCall::SELECTOR if target == nodes => {
            let call = Members::admitCall::abi_decode(data).ok()?;
            let log_key_hash = Hash(call.logKeyHash.0);
            Some(Action::AddNode { account: call.account, log_key_hash })
        }
        Members::removeCall::SELECTOR if target == nodes => {
            let call = Members::removeCall::abi_decode(data).ok()?;
            Some(Action::RemoveNode { account: call.account })
        }
        Governor::setVotingDelayCall::SELECTOR if target == governor => {
            let call = Governor::setVotingDelayCall::abi_decode(data).ok()?;
            Some(Action::SetVotingDelay(call.newVotingDelay.to()))
        }
        Governor::setVotingPeriodCall::SELECTOR if target == governor => {
            let call = Governor::setVotingPeriodCall::abi_decode(data).ok()?;
            Some(Action::SetVotingPeriod(call.newVotingPeriod.into()))
        }
        Governor::setLateQuorumVoteExtensionCall::SELECTOR if target == governor => {
            let call = Governor::setLateQuorumVoteExtensionCall::abi_decode(data).ok()?;
            Some(Action::SetVoteExtension(call.newVoteExtension.to()))
        }
        Governor::updateQuorumNumeratorCall::SELECTOR if target == governor => {
            let call = Governor::updateQuorumNumeratorCall::abi_decode(data).ok()?;
            Some(Action::SetQuorumPercent(whole(call.newQuorumNumerator)?))
        }
        Timelock::updateDelayCall::SELECTOR if target == timelock => {
            let call = Timelock::updateDelayCall::abi_decode(data).ok()?;
            Some(Action::SetTimelockDelay(whole(call.newDelay)?))
        }
        _ => None,
    }
}

fn whole(value: U256) -> Option<u64> {
    value.try_into().ok()
}

/// A parameter's name as text: ASCII, then zeros.
pub(super) fn key_text(key: B256) -> Option<String> {
    let end = key.iter().position(|byte| *byte == 0)?;
    let (name, rest) = key.split_at(end);
    let is_name = name.iter().all(|c| c.is_ascii_alphanumeric() || *c == b'_');
    let clean = !name.is_empty() && is_name && rest.iter().all(|byte| *byte == 0);
    clean.then(|| String::from_utf8_lossy(name).into_owned())
}

/// In words.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetParameter { key, value } => write!(f, "set {key} to {value}"),
            Self::AddNode { account, log_key_hash } => {
                write!(f, "add the node {account} with the log key hash {log_key_hash}")
            }
            Self::RemoveNode { account } => write!(f, "remove the node {account}"),
            Self::SetVotingDelay(seconds) => write!(f, "set the voting delay to {seconds} s"),
            Self::SetVotingPeriod(seconds) => write!(f, "set the voting period to {seconds} s"),
            Self::SetVoteExtension(seconds) => {
                write!(f, "set the extension after a late quorum to {seconds} s")
            }
            Self::SetQuorumPercent(percent) => write!(f, "set the quorum to {percent} %"),
            Self::SetTimelockDelay(seconds) => {
                write!(f, "set the delay before a decision can be carried out to {seconds} s")
            }
            Self::Call(ProposedCall { target, value, data }) => {
                write!(f, "call {target} with {}", hex::encode_prefixed(data))?;
                if *value > U256::ZERO {
                    write!(f, " and {value} wei")?;
                }
                Ok(())
            }
        }
    }
}
