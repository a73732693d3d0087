//! From what the contracts say to what people are told.

use lucid_api::ports::{
    Ballot, GovernanceAction, GovernedChange, GovernedParameter, ParameterUnit, ProposalCall,
    ProposalState, ProposalSummary, ProposedAction, Support, Tally,
};
use lucid_chain::{
    alloy_primitives::{Address, hex},
    contracts::{
        Contracts, Unit,
        governance::{
            self, Action, Bounded, ProposalId, ProposedCall, Standing, Support as Said, about,
        },
    },
};
use lucid_core::{Hash, Timestamp};

use super::index::{Cast, Change, Index, Moment, Record};

/// A time of the contracts', which have seconds.
pub(super) fn time(seconds: u64) -> Timestamp {
    Timestamp::from_unix_millis(seconds.saturating_mul(1000))
}

/// An account or contract, as it is shown.
pub(super) fn address(address: Address) -> String {
    address.to_checksum(None)
}

/// A proposal's id, as it is passed on.
pub(super) fn id(id: ProposalId) -> Hash {
    Hash(id.0.0)
}

/// A proposal's id, as the contracts have it.
pub(super) fn id_of(hash: Hash) -> ProposalId {
    ProposalId(hash.0.into())
}

fn unit(unit: Unit) -> ParameterUnit {
    match unit {
        Unit::Count => ParameterUnit::Count,
        Unit::Bytes => ParameterUnit::Bytes,
        Unit::Seconds => ParameterUnit::Seconds,
        Unit::Level => ParameterUnit::Level,
    }
}

/// A parameter, in force since then.
pub(super) fn parameter(bounded: &Bounded, since: Moment) -> GovernedParameter {
    let Bounded { key, min, max, zero_is_none, value, .. } = bounded;
    GovernedParameter {
        name: key.clone(),
        about: about(key).unwrap_or_default().to_owned(),
        unit: unit(bounded.unit),
        min: *min,
        max: *max,
        zero_is_none: *zero_is_none,
        value: *value,
        since_block: since.block,
        since: since.at,
    }
}

/// The change with a sequence number.
pub(super) fn change(sequence: usize, change: &Change) -> GovernedChange {
    GovernedChange {
        sequence: sequence as u64,
        name: change.key.clone(),
        from: change.from,
        to: change.to,
        block: change.moment.block,
        at: change.moment.at,
        proposal: change.proposal.map(id),
    }
}

pub(super) fn state(state: governance::ProposalState) -> ProposalState {
    match state {
        governance::ProposalState::Pending => ProposalState::Pending,
        governance::ProposalState::Active => ProposalState::Active,
        governance::ProposalState::Canceled => ProposalState::Canceled,
        governance::ProposalState::Defeated => ProposalState::Defeated,
        governance::ProposalState::Succeeded => ProposalState::Succeeded,
        governance::ProposalState::Queued => ProposalState::Queued,
        governance::ProposalState::Expired => ProposalState::Expired,
        governance::ProposalState::Executed => ProposalState::Executed,
    }
}

/// A proposal as it stands. `quorum` is what it needs where its vote has not begun.
pub(super) fn summary(record: &Record, standing: &Standing, quorum: u64) -> ProposalSummary {
    use ProposalState::{
        Active, Canceled, Defeated, Executed, Expired, Pending, Queued, Succeeded,
    };
    // The governor compares with the snapshot and the deadline as the last seconds of what they end.
    let opens = time(record.snapshot + 1);
    let ends = time(standing.deadline + 1);
    let executable = standing.eta.map(time);
    let state = state(standing.state);
    let created = record.created.at;
    let ended = record.ended.map_or(created, |moment| moment.at);
    let (since, until) = match state {
        Pending => (created, Some(opens)),
        Active => (opens, Some(ends)),
        Succeeded | Defeated => (ends, None),
        Queued => (record.queued.map_or(ends, |moment| moment.at), executable),
        Canceled | Expired | Executed => (ended, None),
    };
    ProposalSummary {
        id: id(record.id),
        title: record.title.clone(),
        proposer: address(record.proposer),
        state,
        state_since: since,
        state_until: until.filter(|_| matches!(state, Pending | Active)),
        created_at: created,
        block: record.created.block,
        vote_opens_at: opens,
        vote_ends_at: ends,
        executable_at: executable,
        votes: Tally {
            r#for: standing.in_favour,
            against: standing.against,
            abstain: standing.abstain,
        },
        quorum: standing.quorum.unwrap_or(quorum),
        voters: standing.voters,
    }
}

/// A vote; nothing where it says what no vote can.
pub(super) fn ballot(cast: &Cast) -> Option<Ballot> {
    let support = match Said::of(cast.support)? {
        Said::For => Support::For,
        Said::Against => Support::Against,
        Said::Abstain => Support::Abstain,
    };
    let voter = address(cast.voter);
    Some(Ballot { voter, support, reason: cast.reason.clone(), at: cast.at })
}

/// A call, as the contract has it.
pub(super) fn call(call: &ProposedCall) -> ProposalCall {
    ProposalCall {
        target: address(call.target),
        value: call.value.to_string(),
        data: hex::encode_prefixed(&call.data),
    }
}

/// A call, in words where there are any.
pub(super) fn action(call: &ProposedCall, contracts: &Contracts) -> ProposedAction {
    let action = Action::of(call, contracts);
    let words = action.to_string();
    let action = match action {
        Action::SetParameter { key, value } => GovernanceAction::SetParameter { name: key, value },
        Action::AddNode { account, log_key_hash } => {
            GovernanceAction::AddNode { account: address(account), log_key_hash }
        }
        Action::RemoveNode { account } => {
            GovernanceAction::RemoveNode { account: address(account) }
        }
        Action::SetVotingDelay(seconds) => GovernanceAction::SetVotingDelay { seconds },
        Action::SetVotingPeriod(seconds) => GovernanceAction::SetVotingPeriod { seconds },
        Action::SetVoteExtension(seconds) => GovernanceAction::SetVoteExtension { seconds },
        Action::SetQuorumPercent(percent) => GovernanceAction::SetQuorum { percent },
        Action::SetTimelockDelay(seconds) => GovernanceAction::SetTimelockDelay { seconds },
        Action::Call(call) => GovernanceAction::Call {
            target: address(call.target),
            value: call.value.to_string(),
            selector: hex::encode_prefixed(call.data.get(..4).unwrap_or(&call.data)),
            data: hex::encode_prefixed(&call.data),
        },
    };
    ProposedAction { words, action }
}

/// Since when each parameter has its value. One of which no log tells began with the chain.
pub(super) fn since(index: &Index, key: &str) -> Moment {
    let beginning = Moment { block: 0, at: Timestamp::default() };
    index.since(key).unwrap_or(beginning)
}
