//! Decisions of the nodes: what is said to `LucidGovernor`, `TimelockController`, `ParamRegistry` and
//! `NodeRegistry`, what they answer and log, and both in words.
//!
//! This module encodes and decodes, and owns no rule of the contracts: whether something may be done now is
//! theirs to say. What a proposal calls that has no words here is shown as it is, never left out.
//!
//! | module | owns |
//! | --- | --- |
//! | `action` | what proposals do: calls, and words for them |
//! | `event` | what the contracts log |
//! | `refusal` | why they refuse, in words |
//! | `view` | what is asked of them without changing anything |

mod action;
mod event;
mod refusal;
mod view;

#[cfg(test)]
mod tests;

use core::{fmt, str::FromStr};

use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use alloy_sol_types::{SolCall, SolValue};

pub use self::{
    action::{Action, DURATION_MAX, about},
    event::Event,
    refusal::refusal,
    view::{Bounded, MEMBERS_MAX, Member, Question, Reply, Rules, Standing, Unreadable, Vote},
};
use super::{Contracts, abi};

/// A proposal's id (OpenZeppelin's `hashProposal`), written as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ProposalId(pub B256);

/// A text that is no proposal's id.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a proposal's id is 64 hex digits")]
pub struct ProposalIdError;

impl fmt::Display for ProposalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for ProposalId {
    type Err = ProposalIdError;

    fn from_str(text: &str) -> Result<Self, ProposalIdError> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| ProposalIdError)?;
        Ok(Self(bytes.into()))
    }
}

impl From<U256> for ProposalId {
    fn from(number: U256) -> Self {
        Self(number.into())
    }
}

impl ProposalId {
    /// As the contracts have it.
    #[must_use]
    pub fn number(self) -> U256 {
        self.0.into()
    }
}

/// The states of a proposal, with `IGovernor.ProposalState`'s numbers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum ProposalState {
    /// The vote has not begun.
    Pending = 0,
    /// It is being voted on.
    Active = 1,
    /// It was canceled.
    Canceled = 2,
    /// It found no quorum, or no majority.
    Defeated = 3,
    /// It was accepted, and waits to be queued.
    Succeeded = 4,
    /// It waits for the timelock's delay, or to be carried out after it.
    Queued = 5,
    /// It was not carried out in time. OpenZeppelin's timelock has no such time, so this is never reached.
    Expired = 6,
    /// It was carried out.
    Executed = 7,
}

impl ProposalState {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::Active,
        Self::Canceled,
        Self::Defeated,
        Self::Succeeded,
        Self::Queued,
        Self::Expired,
        Self::Executed,
    ];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Canceled => "canceled",
            Self::Defeated => "defeated",
            Self::Succeeded => "succeeded",
            Self::Queued => "queued",
            Self::Expired => "expired",
            Self::Executed => "executed",
        }
    }

    /// The state with a number.
    #[must_use]
    pub fn of(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

impl fmt::Display for ProposalState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a vote says, with `GovernorCountingSimple.VoteType`'s numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Support {
    /// Against it.
    Against = 0,
    /// For it.
    For = 1,
    /// Counts to the quorum, and for neither side.
    Abstain = 2,
}

impl Support {
    /// What a number says.
    #[must_use]
    pub fn of(number: u8) -> Option<Self> {
        [Self::Against, Self::For, Self::Abstain].get(usize::from(number)).copied()
    }
}

/// A call that a proposal makes, from the timelock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProposedCall {
    /// What is called.
    pub target: Address,
    /// Wei that go along.
    pub value: U256,
    /// Calldata.
    pub data: Bytes,
}

/// A proposal: what it calls, in order, and its text. The two make its id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proposed {
    /// What it calls.
    pub calls: Vec<ProposedCall>,
    /// Its text. The contracts take any bytes for one: what of them is no UTF-8 is shown as U+FFFD.
    pub text: String,
    /// Keccak-256 of the text's bytes as they are, by which the contracts know it.
    text_hash: B256,
}

impl Proposed {
    /// A proposal with a title and a description, in the form that other tools show: a heading, an empty
    /// line, the rest.
    #[must_use]
    pub fn new(title: &str, description: &str, calls: Vec<ProposedCall>) -> Self {
        let text = match description.is_empty() {
            true => format!("# {title}"),
            false => format!("# {title}\n\n{description}"),
        };
        Self::of(calls, text.as_bytes())
    }

    /// The proposal that makes these calls, with a text that has these bytes.
    #[must_use]
    pub fn of(calls: Vec<ProposedCall>, text: &[u8]) -> Self {
        let text_hash = keccak256(text);
        Self { calls, text: String::from_utf8_lossy(text).into_owned(), text_hash }
    }

    /// Its title: the first line, without the mark of a heading.
    #[must_use]
    pub fn title(&self) -> &str {
        let first = self.text.lines().next().unwrap_or_default();
        first.trim_start_matches('#').trim()
    }

    /// What its text says beside the title.
    #[must_use]
    pub fn description(&self) -> &str {
        self.text.split_once('\n').map_or("", |(_, rest)| rest).trim()
    }

    /// Its id: Keccak-256 over `abi.encode(targets, values, calldatas, keccak256(text))`.
    #[must_use]
    pub fn id(&self) -> ProposalId {
        let (targets, values, calldatas) = self.parts();
        let encoded = (targets, values, calldatas, self.text_hash()).abi_encode_params();
        ProposalId(keccak256(encoded))
    }

    /// The calldata that proposes it.
    #[must_use]
    pub fn propose(&self) -> Bytes {
        let (targets, values, calldatas) = self.parts();
        let description = self.text.clone();
        encoded(&abi::Governor::proposeCall { targets, values, calldatas, description })
    }

    /// The calldata that queues it.
    #[must_use]
    pub fn queue(&self) -> Bytes {
        let (targets, values, calldatas) = self.parts();
        let text = self.text_hash();
        encoded(&abi::Governor::queueCall { targets, values, calldatas, descriptionHash: text })
    }

    /// The calldata that carries it out.
    #[must_use]
    pub fn execute(&self) -> Bytes {
        let (targets, values, calldatas) = self.parts();
        let text = self.text_hash();
        encoded(&abi::Governor::executeCall { targets, values, calldatas, descriptionHash: text })
    }

    /// The calldata that cancels it.
    #[must_use]
    pub fn cancel(&self) -> Bytes {
        let (targets, values, calldatas) = self.parts();
        let text = self.text_hash();
        encoded(&abi::Governor::cancelCall { targets, values, calldatas, descriptionHash: text })
    }

    /// Why carrying it out would end all decisions, where it would: the timelock takes any delay, and after one
    /// that is longer than [`DURATION_MAX`] no decision, not even one to shorten it, comes to be carried out.
    #[must_use]
    pub fn ends_decisions(&self, contracts: &Contracts) -> Option<String> {
        self.calls.iter().find_map(|call| {
            let selector = abi::Timelock::updateDelayCall::SELECTOR;
            let arguments = call.data.strip_prefix(&selector)?;
            // As the contract reads it: whatever follows the first word is nothing to it.
            let delay = U256::from_be_bytes(*arguments.first_chunk::<32>()?);
            let too_long = call.target == contracts.timelock && delay > U256::from(DURATION_MAX);
            too_long.then(|| {
                format!(
                    "it sets the delay before a decision can be carried out to {delay} s; with more than \
                     {DURATION_MAX} s no decision, not even one to shorten it, would be carried out any more"
                )
            })
        })
    }

    /// The id of its operation in the timelock: Keccak-256 over
    /// `abi.encode(targets, values, calldatas, 0, bytes20(governor) ^ keccak256(text))`.
    #[must_use]
    pub fn operation(&self, contracts: &Contracts) -> B256 {
        let (targets, values, calldatas) = self.parts();
        let salt = B256::right_padding_from(contracts.governor.as_slice()) ^ self.text_hash();
        keccak256((targets, values, calldatas, B256::ZERO, salt).abi_encode_params())
    }

    fn text_hash(&self) -> B256 {
        self.text_hash
    }

    fn parts(&self) -> (Vec<Address>, Vec<U256>, Vec<Bytes>) {
        let targets = self.calls.iter().map(|call| call.target).collect();
        let values = self.calls.iter().map(|call| call.value).collect();
        (targets, values, self.calls.iter().map(|call| call.data.clone()).collect())
    }
}

/// The calldata of a vote.
#[must_use]
pub fn vote(id: ProposalId, support: Support, reason: &str) -> Bytes {
    encoded(&abi::Governor::castVoteWithReasonCall {
        proposalId: id.number(),
        support: support as u8,
        reason: reason.to_owned(),
    })
}

fn encoded(call: &impl SolCall) -> Bytes {
    call.abi_encode().into()
}
