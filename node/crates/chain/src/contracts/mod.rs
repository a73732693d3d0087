//! The contracts that every chain begins with: where they are, how they are created, and what the node
//! itself says to them and asks of them.
//!
//! Their sources and artefacts are in `node/contracts`, and the order of creation is written down there.
//! This module encodes by their ABIs, and owns no rule of theirs.

mod abi;
mod artefact;
pub mod governance;
mod in_force;
mod parameters;
mod registered;
mod words;

use alloy_primitives::{Address, B256, Bytes, FixedBytes};
use alloy_sol_types::{SolCall, SolConstructor};
use lucid_core::{EntryIndex, Hash, Parameters, entry::SessionSealed};

use self::abi::{Anchors, Governor, Member, Members, Registry, Timelock};
pub use self::artefact::{AnchorsArtefact, anchors as anchors_artefact};
pub use self::{
    in_force::GovernanceInForce,
    parameters::{PARAMETERS, Parameter, ParameterChanges, Unit},
    registered::Registered,
};
use crate::{At, Call, CallError, Chain, ChainError, Unsigned};

/// Most gas that a registration asks for. It takes 58,471 with the longest name of an owner, 75,440 where
/// it is the first (`node/contracts/README.md`).
pub const REGISTER_GAS_MAX: u64 = 100_000;
/// Contracts that a chain begins with: the creator's first transactions, in block 1.
pub const CREATIONS: u64 = 5;
/// Most registrations in one block: what a block's gas is enough for.
pub const REGISTRATIONS_MAX: usize = 1000;

/// Where a chain's contracts are: at the addresses that follow from who created them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Contracts {
    /// `LucidAnchors`: the sealed sessions.
    pub anchors: Address,
    /// `NodeRegistry`: who votes.
    pub nodes: Address,
    /// `TimelockController`: carries decisions out.
    pub timelock: Address,
    /// `ParamRegistry`: what is decided on.
    pub parameters: Address,
    /// `LucidGovernor`: how.
    pub governor: Address,
}

/// How decisions are made on a chain, fixed when it begins; times in seconds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Governance {
    /// Who votes from the beginning: accounts, and SHA-256 of the Ed25519 keys that sign their logs.
    pub nodes: Vec<(Address, Hash)>,
    /// From a proposal to the beginning of its vote.
    pub voting_delay: u32,
    /// How long a vote is open.
    pub voting_period: u32,
    /// How long it stays open after a quorum that came late.
    pub vote_extension: u32,
    /// Per cent of the nodes, 1 to 100.
    pub quorum_percent: u8,
    /// From a decision to when it can be carried out.
    pub timelock_delay: u32,
}

impl Contracts {
    /// The contracts that `creator` creates with its first five transactions.
    #[must_use]
    pub fn of(creator: Address) -> Self {
        Self {
            anchors: creator.create(0),
            nodes: creator.create(1),
            timelock: creator.create(2),
            parameters: creator.create(3),
            governor: creator.create(4),
        }
    }

    /// Their names, in the order of their creation.
    pub const NAMES: [&'static str; CREATIONS as usize] = [
        artefact::ANCHORS.0,
        artefact::NODES.0,
        artefact::TIMELOCK.0,
        artefact::PARAMETERS.0,
        artefact::GOVERNOR.0,
    ];

    /// Whether `input` creates, with some arguments, the contract that the creator's transaction number `nonce`
    /// is to create.
    ///
    /// # Errors
    /// [`ChainError::Artefact`], as [`creations`](Self::creations).
    pub fn is_creation(&self, nonce: u64, input: &[u8]) -> Result<bool, ChainError> {
        let artefact = usize::try_from(nonce).ok().and_then(|nonce| artefact::ALL.get(nonce));
        match artefact {
            Some(artefact) => Ok(input.starts_with(&artefact::creation(*artefact, &[])?)),
            None => Ok(false),
        }
    }

    /// What creates them, in order: the creator's transactions with nonces 0 to 4. The parameters begin with
    /// the values of `parameters`.
    ///
    /// # Errors
    /// [`ChainError::Artefact`] where an artefact is none, which a build's tests rule out.
    pub fn creations(
        &self,
        creator: Address,
        governance: &Governance,
        parameters: &Parameters,
    ) -> Result<Vec<Bytes>, ChainError> {
        let nodes = governance.nodes.iter();
        let nodes =
            nodes.map(|(account, key)| Member { account: *account, logKeyHash: B256::from(key.0) });
        let declared = |parameter: &Parameter| parameter.declared(parameter.value_in(parameters));
        let (keys, parameters) = PARAMETERS.iter().map(declared).unzip();
        let seconds = alloy_primitives::Uint::<48, 1>::from::<u32>;
        Ok(vec![
            artefact::creation(
                artefact::ANCHORS,
                &Anchors::constructorCall { registrar: creator }.abi_encode(),
            )?,
            artefact::creation(
                artefact::NODES,
                &Members::constructorCall { timelock: self.timelock, nodes: nodes.collect() }
                    .abi_encode(),
            )?,
            artefact::creation(
                artefact::TIMELOCK,
                &Timelock::constructorCall {
                    delay: alloy_primitives::U256::from(governance.timelock_delay),
                    proposers: vec![self.governor],
                    executors: vec![Address::ZERO],
                    admin: Address::ZERO,
                }
                .abi_encode(),
            )?,
            artefact::creation(
                artefact::PARAMETERS,
                &Registry::constructorCall { timelock: self.timelock, keys, parameters }
                    .abi_encode(),
            )?,
            artefact::creation(
                artefact::GOVERNOR,
                &Governor::constructorCall {
                    registry: self.nodes,
                    timelock: self.timelock,
                    votingDelay: seconds(governance.voting_delay),
                    votingPeriod: governance.voting_period,
                    voteExtension: seconds(governance.vote_extension),
                    quorumPercent: alloy_primitives::U256::from(governance.quorum_percent),
                }
                .abi_encode(),
            )?,
        ])
    }

    /// The registration of a sealed session, whose entry is at `index` of the log, as the registrar's
    /// transaction number `nonce`.
    #[must_use]
    pub fn registration(
        &self,
        chain: &Chain,
        nonce: u64,
        index: EntryIndex,
        sealed: &SessionSealed,
    ) -> Unsigned {
        let call = Anchors::registerSessionCall {
            sessionId: FixedBytes(*sealed.session_id.as_bytes()),
            merkleRoot: B256::from(sealed.merkle_root.0),
            manifestHash: B256::from(sealed.manifest_hash.0),
            policyHash: B256::from(sealed.policy_hash.0),
            owner: sealed.owner.to_string(),
            plainBytes: sealed.plain_bytes,
            chunkCount: sealed.chunk_count,
            logIndex: index.0,
        };
        let input = call.abi_encode().into();
        let call = Unsigned::call(chain.chain_id(), nonce, self.anchors, input);
        Unsigned { gas_limit: REGISTER_GAS_MAX, ..call }
    }

    /// How many sessions are registered, as of the head.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn session_count(&self, chain: &Chain) -> Result<u64, CallError> {
        ask(chain, self.anchors, &Anchors::sessionCountCall {})
    }

    /// A parameter's value in force, as of the head.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn parameter(&self, chain: &Chain, parameter: &Parameter) -> Result<u64, CallError> {
        let value = ask(chain, self.parameters, &Registry::getCall { key: parameter.name() })?;
        value
            .try_into()
            .map_err(|_| CallError::from(ChainError::Answer { contract: self.parameters }))
    }
}

/// Asks a contract something, as of the head.
fn ask<C: SolCall>(chain: &Chain, to: Address, call: &C) -> Result<C::Return, CallError> {
    let call = Call { to: Some(to), input: call.abi_encode().into(), ..Call::default() };
    let called = chain.call(&call, At::Latest)?;
    C::abi_decode_returns(&called.output)
        .map_err(|_| CallError::from(ChainError::Answer { contract: to }))
}

#[cfg(test)]
pub(crate) mod tests;
