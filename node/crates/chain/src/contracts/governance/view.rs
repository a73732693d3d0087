//! What is asked of the contracts without changing anything: questions, and what their answers say.
//!
//! Questions that belong together are asked of one state: a list of them goes out, and a list of replies
//! comes back.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolCall;
use lucid_core::Hash;

use super::{
    super::abi::{Governor, Members, Registry, Timelock},
    super::{Contracts, Unit, in_force::held},
    ProposalId, ProposalState,
    action::key_text,
    encoded,
};

/// Most members that are asked for at once.
pub const MEMBERS_MAX: u32 = 1000;

/// A call that changes nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    /// What is called.
    pub to: Address,
    /// Calldata.
    pub input: Bytes,
}

/// What a question came to: what was returned, or what it was reverted with.
pub type Reply = Result<Bytes, Bytes>;

/// A reply that is not of the form that the ABI gives it, or a refusal where there is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the contract {contract} does not answer as its ABI says")]
pub struct Unreadable {
    /// Which.
    pub contract: Address,
}

/// How a proposal stands. Times are seconds since 1970.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Its state.
    pub state: ProposalState,
    /// Votes against it.
    pub against: u64,
    /// Votes for it.
    pub in_favour: u64,
    /// Votes that count to the quorum alone.
    pub abstain: u64,
    /// The last second of its vote.
    pub deadline: u64,
    /// From when on it can be carried out; nothing while it is not queued.
    pub eta: Option<u64>,
    /// For and abstain that it needs together; nothing before its vote, when who votes is not known.
    pub quorum: Option<u64>,
    /// Who can vote on it, as many; nothing before its vote.
    pub voters: Option<u64>,
}

/// One account and one proposal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Vote {
    /// Whether it has voted.
    pub cast: bool,
    /// Whether it has a vote; nothing before the vote begins.
    pub eligible: Option<bool>,
}

/// A parameter as it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bounded {
    /// Its name.
    pub key: String,
    /// What it is measured in.
    pub unit: Unit,
    /// The least value.
    pub min: u64,
    /// The greatest value.
    pub max: u64,
    /// Whether 0 is a value too, and means none.
    pub zero_is_none: bool,
    /// The value in force.
    pub value: u64,
}

/// A member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Member {
    /// The account it votes with.
    pub account: Address,
    /// SHA-256 of the Ed25519 key that signs its log.
    pub log_key_hash: Hash,
}

/// How decisions are made, by whom, and about what. Times are seconds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rules {
    /// From a proposal to the beginning of its vote.
    pub voting_delay: u64,
    /// How long a vote is open.
    pub voting_period: u64,
    /// How long it stays open at least after a quorum.
    pub vote_extension: u64,
    /// Per cent of the members that must vote for or abstain.
    pub quorum_percent: u64,
    /// From a decision to when it can be carried out; 2^53 - 1 where it is more, for the timelock takes any.
    pub timelock_delay: u64,
    /// How many members there are.
    pub member_count: u64,
    /// The first [`MEMBERS_MAX`] of them, in no order that means anything.
    pub members: Vec<Member>,
    /// The parameters, in the order of their declaration.
    pub parameters: Vec<Bounded>,
}

impl Rules {
    /// Votes for and abstain that a proposal needs together, with the members as they are.
    #[must_use]
    pub fn quorum(&self) -> u64 {
        (self.member_count * self.quorum_percent).div_ceil(100)
    }
}

impl Standing {
    /// What is asked to know how a proposal stands.
    pub const QUESTIONS: usize = 6;

    /// The questions.
    #[must_use]
    pub fn ask(contracts: &Contracts, id: ProposalId, snapshot: u64) -> [Question; 6] {
        let Contracts { governor, nodes, .. } = *contracts;
        let (id, timepoint) = (id.number(), U256::from(snapshot));
        [
            question(governor, &Governor::stateCall { proposalId: id }),
            question(governor, &Governor::proposalVotesCall { proposalId: id }),
            question(governor, &Governor::proposalDeadlineCall { proposalId: id }),
            question(governor, &Governor::proposalEtaCall { proposalId: id }),
            question(governor, &Governor::quorumCall { timepoint }),
            question(nodes, &Members::getPastTotalSupplyCall { timepoint }),
        ]
    }

    /// What the replies say.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn read(contracts: &Contracts, replies: &[Reply; 6]) -> Result<Self, Unreadable> {
        let unreadable = Unreadable { contract: contracts.governor };
        let of = |place: usize| replies[place].as_ref().map_err(|_| unreadable);
        let state = decoded::<Governor::stateCall>(of(0)?, unreadable)?;
        let votes = decoded::<Governor::proposalVotesCall>(of(1)?, unreadable)?;
        let deadline = decoded::<Governor::proposalDeadlineCall>(of(2)?, unreadable)?;
        let eta = decoded::<Governor::proposalEtaCall>(of(3)?, unreadable)?;
        // Before the vote these are refused: `ERC5805FutureLookup`.
        let known = |place: usize| replies[place].as_ref().ok();
        let quorum = known(4).map(|reply| decoded::<Governor::quorumCall>(reply, unreadable));
        let voters =
            known(5).map(|reply| decoded::<Members::getPastTotalSupplyCall>(reply, unreadable));
        let whole = |value: U256| whole(value, unreadable);
        Ok(Self {
            state: ProposalState::of(state).ok_or(unreadable)?,
            against: whole(votes.againstVotes)?,
            in_favour: whole(votes.forVotes)?,
            abstain: whole(votes.abstainVotes)?,
            deadline: whole(deadline)?,
            eta: Some(whole(eta)?).filter(|eta| *eta > 0),
            quorum: quorum.transpose()?.map(whole).transpose()?,
            voters: voters.transpose()?.map(whole).transpose()?,
        })
    }
}

impl Vote {
    /// The questions.
    #[must_use]
    pub fn ask(
        contracts: &Contracts,
        id: ProposalId,
        snapshot: u64,
        account: Address,
    ) -> [Question; 2] {
        let (id, timepoint) = (id.number(), U256::from(snapshot));
        [
            question(contracts.governor, &Governor::hasVotedCall { proposalId: id, account }),
            question(contracts.governor, &Governor::getVotesCall { account, timepoint }),
        ]
    }

    /// What the replies say.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn read(contracts: &Contracts, replies: &[Reply; 2]) -> Result<Self, Unreadable> {
        let unreadable = Unreadable { contract: contracts.governor };
        let cast = replies[0].as_ref().map_err(|_| unreadable)?;
        let cast = decoded::<Governor::hasVotedCall>(cast, unreadable)?;
        let votes = replies[1].as_ref().ok();
        let votes = votes.map(|reply| decoded::<Governor::getVotesCall>(reply, unreadable));
        Ok(Self { cast, eligible: votes.transpose()?.map(|votes| votes > U256::ZERO) })
    }
}

impl Rules {
    /// The questions.
    #[must_use]
    pub fn ask(contracts: &Contracts) -> [Question; 8] {
        let Contracts { governor, timelock, nodes, parameters, .. } = *contracts;
        let page = Members::nodesCall { offset: U256::ZERO, limit: U256::from(MEMBERS_MAX) };
        [
            question(governor, &Governor::votingDelayCall {}),
            question(governor, &Governor::votingPeriodCall {}),
            question(governor, &Governor::lateQuorumVoteExtensionCall {}),
            question(governor, &Governor::quorumNumeratorCall {}),
            question(timelock, &Timelock::getMinDelayCall {}),
            question(nodes, &Members::nodeCountCall {}),
            question(nodes, &page),
            question(parameters, &Registry::allCall {}),
        ]
    }

    /// What the replies say.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn read(contracts: &Contracts, replies: &[Reply; 8]) -> Result<Self, Unreadable> {
        let Contracts { governor, timelock, nodes, parameters, .. } = *contracts;
        let of = |contract, place: usize| {
            let unreadable = Unreadable { contract };
            replies[place].as_ref().map(|reply| (reply, unreadable)).map_err(|_| unreadable)
        };
        let (extension, unreadable) = of(governor, 2)?;
        let extension =
            decoded::<Governor::lateQuorumVoteExtensionCall>(extension, unreadable)?.to();
        let (delay, unreadable) = of(timelock, 4)?;
        let timelock_delay = held(decoded::<Timelock::getMinDelayCall>(delay, unreadable)?);
        let (page, unreadable) = of(nodes, 6)?;
        let page = decoded::<Members::nodesCall>(page, unreadable)?.into_iter();
        let members = page
            .map(|node| Member { account: node.account, log_key_hash: Hash(node.logKeyHash.0) });
        let (all, unreadable) = of(parameters, 7)?;
        let all = decoded::<Registry::allCall>(all, unreadable)?;
        let all = all.names.into_iter().zip(all.parameters);
        Ok(Self {
            voting_delay: number::<Governor::votingDelayCall>(of(governor, 0)?)?,
            voting_period: number::<Governor::votingPeriodCall>(of(governor, 1)?)?,
            vote_extension: extension,
            quorum_percent: number::<Governor::quorumNumeratorCall>(of(governor, 3)?)?,
            timelock_delay,
            member_count: number::<Members::nodeCountCall>(of(nodes, 5)?)?,
            members: members.collect(),
            parameters: all
                .map(|(key, kept)| bounded(key, &kept).ok_or(unreadable))
                .collect::<Result<_, _>>()?,
        })
    }
}

fn bounded(key: B256, kept: &crate::contracts::abi::Kept) -> Option<Bounded> {
    let unit = match kept.unit {
        0 => Unit::Count,
        1 => Unit::Bytes,
        2 => Unit::Seconds,
        3 => Unit::Level,
        _ => return None,
    };
    let crate::contracts::abi::Kept { min, max, value, zeroIsNone: zero_is_none, .. } = *kept;
    Some(Bounded { key: key_text(key)?, unit, min, max, zero_is_none, value })
}

fn question(to: Address, call: &impl SolCall) -> Question {
    Question { to, input: encoded(call) }
}

fn decoded<C: SolCall>(reply: &Bytes, unreadable: Unreadable) -> Result<C::Return, Unreadable> {
    C::abi_decode_returns(reply).map_err(|_| unreadable)
}

fn whole(value: U256, unreadable: Unreadable) -> Result<u64, Unreadable> {
    value.try_into().map_err(|_| unreadable)
}

/// A number that is all of a reply.
fn number<C: SolCall<Return = U256>>(
    (reply, unreadable): (&Bytes, Unreadable),
) -> Result<u64, Unreadable> {
    whole(decoded::<C>(reply, unreadable)?, unreadable)
}
