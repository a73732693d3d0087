//! blockchain-governance: what the nodes decide together, and how.
//!
//! These are also the API's own forms: what governance says is for people, and the same everywhere. Addresses
//! are Ethereum's, with the checksum of EIP-55.

mod forms;

use async_trait::async_trait;
use lucid_core::Hash;

pub use self::forms::{
    Acted, Ballot, GovernanceAction, GovernanceContracts, GovernanceNode, GovernanceSettings,
    GovernedChange, GovernedParameter, GovernedParameters, NewProposal, OwnVote, ParameterHistory,
    ParameterUnit, Proposal, ProposalCall, ProposalPage, ProposalState, ProposalSummary,
    ProposedAction, Support, Tally,
};
use super::Answer;

/// Items in one answer.
pub const GOVERNANCE_PAGE_MAX: u32 = 200;
/// Actions of a proposal that is made here.
pub const ACTIONS_MAX: usize = 10;
/// Characters of a proposal's title.
pub const TITLE_CHARS_MAX: usize = 200;
/// Bytes of a proposal's description.
pub const DESCRIPTION_BYTES_MAX: usize = 16 << 10;
/// Bytes of the reason that goes with a vote.
pub const REASON_BYTES_MAX: usize = 1024;

/// blockchain-governance. Acting is done by the node, with its own account.
#[async_trait]
pub trait Governance: Send + Sync {
    /// The parameters in force.
    ///
    /// # Errors
    /// `unavailable` where the chain is not there, with the reason.
    async fn parameters(&self) -> Answer<GovernedParameters>;

    /// Changes of parameters before the one with this sequence number, the newest first, at most `limit`.
    ///
    /// # Errors
    /// As [`parameters`](Self::parameters).
    async fn history(&self, before: Option<u64>, limit: u32) -> Answer<ParameterHistory>;

    /// Proposals made before `after`, the newest first, at most `limit`.
    ///
    /// # Errors
    /// `not_found` where there is no proposal `after`; as [`parameters`](Self::parameters).
    async fn proposals(&self, after: Option<Hash>, limit: u32) -> Answer<ProposalPage>;

    /// A proposal.
    ///
    /// # Errors
    /// `not_found`; as [`parameters`](Self::parameters).
    async fn proposal(&self, id: Hash) -> Answer<Proposal>;

    /// How decisions are made, and by whom.
    ///
    /// # Errors
    /// As [`parameters`](Self::parameters).
    async fn settings(&self) -> Answer<GovernanceSettings>;

    /// Proposes something. On the chain when this returns; so are the others below.
    ///
    /// # Errors
    /// `invalid_request` where it could never be carried out, with the bounds; `conflict` where it changes
    /// nothing, is there already, or the contract refuses, with the reason; `unavailable`,
    /// `service_timeout`: look whether it was done before asking again.
    async fn propose(&self, proposal: NewProposal) -> Answer<Acted>;

    /// Votes, once.
    ///
    /// # Errors
    /// `not_found`; as [`propose`](Self::propose).
    async fn vote(&self, id: Hash, support: Support, reason: String) -> Answer<Acted>;

    /// Queues what was accepted.
    ///
    /// # Errors
    /// `not_found`; as [`propose`](Self::propose).
    async fn queue(&self, id: Hash) -> Answer<Acted>;

    /// Carries out what was queued, once its delay is over.
    ///
    /// # Errors
    /// `not_found`; as [`propose`](Self::propose).
    async fn execute(&self, id: Hash) -> Answer<Acted>;

    /// Cancels a proposal of this node's whose vote has not begun.
    ///
    /// # Errors
    /// `not_found`; as [`propose`](Self::propose).
    async fn cancel(&self, id: Hash) -> Answer<Acted>;
}
