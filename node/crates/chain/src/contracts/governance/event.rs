//! What the contracts log about decisions.

use alloy_primitives::{Address, B256, Bytes, Log, U256};
use alloy_sol_types::{SolEvent, SolType, sol_data};
use lucid_core::Hash;

use super::{
    super::Contracts,
    super::abi::{Governor, Members, Registry, Timelock},
    ProposalId, Proposed, ProposedCall,
    action::key_text,
};
use crate::ChainError;

/// Something that happened. Times are seconds since 1970, as blocks have them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A proposal was made.
    Proposed {
        /// Its id.
        id: ProposalId,
        /// By whom.
        proposer: Address,
        /// The last second before its vote.
        snapshot: u64,
        /// What it is.
        proposed: Proposed,
    },
    /// A vote was cast.
    Voted {
        /// On which proposal.
        id: ProposalId,
        /// By whom.
        voter: Address,
        /// [`Support`](super::Support)'s number.
        support: u8,
        /// Why, in the voter's words.
        reason: String,
    },
    /// A proposal was queued.
    Queued {
        /// Its id.
        id: ProposalId,
        /// From when on it can be carried out.
        eta: u64,
    },
    /// A proposal was carried out, through the governor.
    Executed(ProposalId),
    /// A proposal was canceled.
    Canceled(ProposalId),
    /// A call of an operation was carried out by the timelock.
    OperationDone(B256),
    /// An operation was taken out of the timelock.
    OperationCanceled(B256),
    /// A parameter was declared.
    ParameterDeclared {
        /// Its name.
        key: String,
        /// The value it began with.
        value: u64,
    },
    /// A parameter was changed.
    ParameterChanged {
        /// Its name.
        key: String,
        /// The value before.
        from: u64,
        /// The value after.
        to: u64,
    },
    /// A node became a member.
    NodeAdmitted {
        /// The account it votes with.
        account: Address,
        /// SHA-256 of the key that signs its log.
        log_key_hash: Hash,
    },
    /// A node is a member no more.
    NodeRemoved {
        /// The account it voted with.
        account: Address,
    },
}

impl Contracts {
    /// Who logs what [`Self::event`] reads.
    #[must_use]
    pub fn deciding(&self) -> [Address; 4] {
        [self.governor, self.timelock, self.parameters, self.nodes]
    }

    /// What a log says about decisions, if it is from one of the contracts and does.
    ///
    /// # Errors
    /// [`ChainError::Answer`] where it is not of the form that the contract's ABI gives it.
    pub fn event(&self, log: &Log) -> Result<Option<Event>, ChainError> {
        let Some(topic) = log.topics().first().copied() else { return Ok(None) };
        let read = match log.address {
            from if from == self.governor => of_governor(log, topic),
            from if from == self.timelock => of_timelock(log, topic),
            from if from == self.parameters => of_parameters(log, topic),
            from if from == self.nodes => of_nodes(log, topic),
            _ => return Ok(None),
        };
        read.map_err(|Malformed| ChainError::Answer { contract: log.address })
    }
}

/// A log that its ABI does not have.
struct Malformed;

impl From<alloy_sol_types::Error> for Malformed {
    fn from(_: alloy_sol_types::Error) -> Self {
        Self
    }
}

type Read = Result<Option<Event>, Malformed>;

fn of_governor(log: &Log, topic: B256) -> Read {
    Ok(Some(match topic {
        Governor::ProposalCreated::SIGNATURE_HASH => {
            let event = Governor::ProposalCreated::decode_log(log)?.data;
            let text = last_text(&log.data.data)?;
            let same = event.targets.len() == event.values.len()
                && event.targets.len() == event.calldatas.len();
            if !same {
                return Err(Malformed);
            }
            let calls = event.targets.into_iter().zip(event.values).zip(event.calldatas);
            let calls = calls.map(|((target, value), data)| ProposedCall { target, value, data });
            Event::Proposed {
                id: event.proposalId.into(),
                proposer: event.proposer,
                snapshot: whole(event.voteStart)?,
                proposed: Proposed::of(calls.collect(), &text),
            }
        }
        Governor::VoteCast::SIGNATURE_HASH => {
            let event = Governor::VoteCast::decode_log(log)?.data;
            let (id, voter) = (event.proposalId.into(), event.voter);
            Event::Voted { id, voter, support: event.support, reason: event.reason }
        }
        Governor::VoteCastWithParams::SIGNATURE_HASH => {
            let event = Governor::VoteCastWithParams::decode_log(log)?.data;
            let (id, voter) = (event.proposalId.into(), event.voter);
            Event::Voted { id, voter, support: event.support, reason: event.reason }
        }
        Governor::ProposalQueued::SIGNATURE_HASH => {
            let event = Governor::ProposalQueued::decode_log(log)?.data;
            Event::Queued { id: event.proposalId.into(), eta: whole(event.etaSeconds)? }
        }
        Governor::ProposalExecuted::SIGNATURE_HASH => {
            Event::Executed(Governor::ProposalExecuted::decode_log(log)?.data.proposalId.into())
        }
        Governor::ProposalCanceled::SIGNATURE_HASH => {
            Event::Canceled(Governor::ProposalCanceled::decode_log(log)?.data.proposalId.into())
        }
        _ => return Ok(None),
    }))
}

/// The bytes of a `ProposalCreated`'s last field, its text, which may be no UTF-8: read as `bytes`, whose
/// encoding is that of a `string`.
fn last_text(data: &Bytes) -> Result<Bytes, Malformed> {
    type Fields = (
        sol_data::Uint<256>,
        sol_data::Address,
        sol_data::Array<sol_data::Address>,
        sol_data::Array<sol_data::Uint<256>>,
        sol_data::Array<sol_data::Bytes>,
        sol_data::Array<sol_data::Bytes>,
        sol_data::Uint<256>,
        sol_data::Uint<256>,
        sol_data::Bytes,
    );
    Ok(Fields::abi_decode_params(data)?.8)
}

fn of_timelock(log: &Log, topic: B256) -> Read {
    Ok(Some(match topic {
        Timelock::CallExecuted::SIGNATURE_HASH => {
            Event::OperationDone(Timelock::CallExecuted::decode_log(log)?.data.id)
        }
        Timelock::Cancelled::SIGNATURE_HASH => {
            Event::OperationCanceled(Timelock::Cancelled::decode_log(log)?.data.id)
        }
        _ => return Ok(None),
    }))
}

fn of_parameters(log: &Log, topic: B256) -> Read {
    Ok(Some(match topic {
        Registry::ParameterDeclared::SIGNATURE_HASH => {
            let event = Registry::ParameterDeclared::decode_log(log)?.data;
            let key = key_text(event.key).ok_or(Malformed)?;
            Event::ParameterDeclared { key, value: whole(event.value)? }
        }
        Registry::ParameterChanged::SIGNATURE_HASH => {
            let event = Registry::ParameterChanged::decode_log(log)?.data;
            let key = key_text(event.key).ok_or(Malformed)?;
            Event::ParameterChanged { key, from: whole(event.from)?, to: whole(event.to)? }
        }
        _ => return Ok(None),
    }))
}

fn of_nodes(log: &Log, topic: B256) -> Read {
    Ok(Some(match topic {
        Members::NodeAdmitted::SIGNATURE_HASH => {
            let event = Members::NodeAdmitted::decode_log(log)?.data;
            let log_key_hash = Hash(event.logKeyHash.0);
            Event::NodeAdmitted { account: event.account, log_key_hash }
        }
        Members::NodeRemoved::SIGNATURE_HASH => {
            Event::NodeRemoved { account: Members::NodeRemoved::decode_log(log)?.data.account }
        }
        _ => return Ok(None),
    }))
}

fn whole(value: U256) -> Result<u64, Malformed> {
    value.try_into().map_err(|_| Malformed)
}
