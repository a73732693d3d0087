//! The forms of decisions, between services and in the API.

use lucid_core::{Hash, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a parameter is measured in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ParameterUnit {
    /// A number of things.
    Count,
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
    /// A level of compression.
    Level,
}

/// A parameter that the nodes decide on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GovernedParameter {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub about: String,
    /// What it is measured in.
    pub unit: ParameterUnit,
    /// The least value.
    pub min: u64,
    /// The greatest value.
    pub max: u64,
    /// Whether 0 is a value too, and means none.
    pub zero_is_none: bool,
    /// The value in force.
    pub value: u64,
    /// Since which block.
    pub since_block: u64,
    /// Since when.
    #[schema(value_type = String, format = "date-time")]
    pub since: Timestamp,
}

/// The parameters in force.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GovernedParameters {
    /// As of this block.
    pub block: u64,
    /// The parameters, in the order of their declaration.
    pub parameters: Vec<GovernedParameter>,
}

/// That a parameter got a value.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GovernedChange {
    /// Counts the changes, from 0.
    pub sequence: u64,
    /// The parameter's name.
    pub name: String,
    /// The value before; nothing where it began with this one.
    pub from: Option<u64>,
    /// The value after.
    pub to: u64,
    /// The block.
    pub block: u64,
    /// When.
    #[schema(value_type = String, format = "date-time")]
    pub at: Timestamp,
    /// The proposal that did it.
    #[schema(value_type = Option<String>)]
    pub proposal: Option<Hash>,
}

/// Changes of parameters, the newest first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ParameterHistory {
    /// The changes.
    pub changes: Vec<GovernedChange>,
    /// What goes into `before` for the next page, where there is one.
    pub next: Option<u64>,
}

/// Where a proposal is in its life (OpenZeppelin's `ProposalState`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProposalState {
    /// The vote has not begun. Its proposer may still cancel it.
    Pending,
    /// It is being voted on.
    Active,
    /// It was canceled.
    Canceled,
    /// It found no quorum, or no majority.
    Defeated,
    /// It was accepted: anybody may queue it.
    Succeeded,
    /// It is queued: from `executable_at` on anybody may execute it.
    Queued,
    /// It was not executed in time. The timelock has no such time, so this is never reached.
    Expired,
    /// It was executed: what it says is in force.
    Executed,
}

/// Votes that were cast.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// For it.
    pub r#for: u64,
    /// Against it.
    pub against: u64,
    /// Neither, but they count to the quorum.
    pub abstain: u64,
}

/// A proposal in a list.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ProposalSummary {
    /// Its id (OpenZeppelin's `hashProposal`), 64 hex digits.
    #[schema(value_type = String)]
    pub id: Hash,
    /// What it is called; its first 200 characters.
    pub title: String,
    /// The account that proposed it.
    pub proposer: String,
    /// Where it is in its life.
    pub state: ProposalState,
    /// Since when it is in this state.
    #[schema(value_type = String, format = "date-time")]
    pub state_since: Timestamp,
    /// Until when, where time alone ends it.
    #[schema(value_type = Option<String>, format = "date-time")]
    pub state_until: Option<Timestamp>,
    /// When it was proposed.
    #[schema(value_type = String, format = "date-time")]
    pub created_at: Timestamp,
    /// In which block.
    pub block: u64,
    /// The first second in which it can be voted on.
    #[schema(value_type = String, format = "date-time")]
    pub vote_opens_at: Timestamp,
    /// The first second in which it can be voted on no more.
    #[schema(value_type = String, format = "date-time")]
    pub vote_ends_at: Timestamp,
    /// The first second in which it can be executed; nothing before it is queued.
    #[schema(value_type = Option<String>, format = "date-time")]
    pub executable_at: Option<Timestamp>,
    /// What was voted.
    pub votes: Tally,
    /// Votes for and abstaining that it needs together, beside more for it than against it. Before its vote
    /// begins: what it would need if the members stayed as they are.
    pub quorum: u64,
    /// How many nodes can vote on it; nothing before its vote begins.
    pub voters: Option<u64>,
}

/// Proposals, the newest first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProposalPage {
    /// The proposals.
    pub proposals: Vec<ProposalSummary>,
    /// What goes into `after` for the next page, where there is one.
    #[schema(value_type = Option<String>)]
    pub next: Option<Hash>,
}

/// What a vote says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Support {
    /// For it.
    For,
    /// Against it.
    Against,
    /// Neither; it counts to the quorum.
    Abstain,
}

/// A vote that was cast.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Ballot {
    /// Who voted.
    pub voter: String,
    /// What.
    pub support: Support,
    /// Why, in the voter's words; the first 1,024 bytes of them.
    pub reason: String,
    /// When.
    #[schema(value_type = String, format = "date-time")]
    pub at: Timestamp,
}

/// Something that a proposal does.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum GovernanceAction {
    /// Gives a parameter a value.
    SetParameter {
        /// The parameter's name.
        name: String,
        /// The value.
        value: u64,
    },
    /// Makes a node a member, with a vote.
    AddNode {
        /// The account that it votes with.
        account: String,
        /// SHA-256 of the Ed25519 key that signs its log, 64 hex digits.
        #[schema(value_type = String)]
        log_key_hash: Hash,
    },
    /// Ends a node's membership.
    RemoveNode {
        /// The account that it votes with.
        account: String,
    },
    /// Sets the time from a proposal to its vote.
    SetVotingDelay {
        /// Seconds.
        seconds: u64,
    },
    /// Sets how long a vote is open.
    SetVotingPeriod {
        /// Seconds.
        seconds: u64,
    },
    /// Sets how long a vote stays open at least after a quorum.
    SetVoteExtension {
        /// Seconds.
        seconds: u64,
    },
    /// Sets the quorum.
    SetQuorum {
        /// Per cent of the members, 1 to 100.
        percent: u64,
    },
    /// Sets the time from when a decision is queued to when it can be executed.
    SetTimelockDelay {
        /// Seconds.
        seconds: u64,
    },
    /// Any other call, as it is: only in answers.
    Call {
        /// What is called.
        target: String,
        /// Wei that go along, in decimal.
        value: String,
        /// The function's selector: the first 4 bytes of the calldata, in hex.
        selector: String,
        /// The calldata, in hex.
        data: String,
    },
}

/// Something that a proposal does, and the same in words.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProposedAction {
    /// In words.
    pub words: String,
    /// For programs.
    pub action: GovernanceAction,
}

/// A call that a proposal makes, from the timelock, as the contracts have it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProposalCall {
    /// What is called.
    pub target: String,
    /// Wei that go along, in decimal.
    pub value: String,
    /// Calldata, `0x` and hex.
    pub data: String,
}

/// What this node can do about a proposal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnVote {
    /// Whether it has voted.
    pub cast: bool,
    /// Whether it has a vote; nothing before the vote begins.
    pub eligible: Option<bool>,
}

/// A proposal.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Proposal {
    /// As in the list.
    #[serde(flatten)]
    pub summary: ProposalSummary,
    /// What its text says beside the title.
    pub description: String,
    /// What it does, in order.
    pub actions: Vec<ProposedAction>,
    /// The votes, in the order in which they were cast.
    pub ballots: Vec<Ballot>,
    /// This node's own.
    pub own_vote: OwnVote,
    /// Its whole text, as the contract has it.
    pub text: String,
    /// Its calls, as the contract has them: with the text they make its id.
    pub calls: Vec<ProposalCall>,
}

/// A node that votes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GovernanceNode {
    /// The account that it votes with.
    pub account: String,
    /// SHA-256 of the Ed25519 key that signs its log.
    #[schema(value_type = String)]
    pub log_key_hash: Hash,
    /// Its id: the beginning of that hash.
    pub node_id: String,
    /// Since when it is a member.
    #[schema(value_type = Option<String>, format = "date-time")]
    pub since: Option<Timestamp>,
    /// Whether it is the node that answers.
    pub this_node: bool,
}

/// Where the contracts of decisions are.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GovernanceContracts {
    /// `LucidGovernor`.
    pub governor: String,
    /// `TimelockController`.
    pub timelock: String,
    /// `ParamRegistry`.
    pub parameters: String,
    /// `NodeRegistry`.
    pub nodes: String,
}

/// How decisions are made, and by whom.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GovernanceSettings {
    /// As of this block.
    pub block: u64,
    /// The chain's id (EIP-155).
    pub chain_id: u64,
    /// Seconds from a proposal to the beginning of its vote.
    pub voting_delay_seconds: u64,
    /// Seconds that a vote is open.
    pub voting_period_seconds: u64,
    /// Seconds that it stays open at least after a quorum.
    pub vote_extension_seconds: u64,
    /// Per cent of the members that must vote for or abstain.
    pub quorum_percent: u64,
    /// How many votes that are, with the members as they are.
    pub quorum: u64,
    /// Seconds from when a decision is queued to when it can be executed.
    pub timelock_delay_seconds: u64,
    /// The account of the node that answers.
    pub account: String,
    /// How many members there are.
    pub node_count: u64,
    /// The first 1,000 of them.
    pub nodes: Vec<GovernanceNode>,
    /// Where the contracts are.
    pub contracts: GovernanceContracts,
}

/// A proposal to make.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewProposal {
    /// What it is called, one line of at most 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    pub title: String,
    /// Why, in at most 16 KiB.
    #[serde(default)]
    pub description: String,
    /// What it does, in order: all of it takes effect, or none.
    #[schema(min_items = 1, max_items = 10)]
    pub actions: Vec<GovernanceAction>,
}

/// That the node did something, and it is on the chain.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Acted {
    /// The proposal.
    #[schema(value_type = String)]
    pub proposal: Hash,
    /// The transaction's hash, `0x` and hex.
    pub transaction: String,
    /// The block that it is in.
    pub block: u64,
    /// When that was made.
    #[schema(value_type = String, format = "date-time")]
    pub at: Timestamp,
}
