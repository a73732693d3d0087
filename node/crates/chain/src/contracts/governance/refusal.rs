//! Why the contracts refuse, in words.

use std::{collections::HashMap, sync::OnceLock};

use alloy_primitives::{B256, Bytes, U256, hex, keccak256};
use alloy_sol_types::SolInterface;
use serde::Deserialize;

use super::{
    super::{
        abi::Refusals::{self, RefusalsErrors as Error},
        artefact,
    },
    ProposalId, ProposalState,
    action::key_text,
};
use crate::Revert;

/// Why a call to one of the contracts was refused, from what it returned: its own errors in words
/// or by name, Solidity's as [`Revert`] has them, anything else as its first bytes.
#[must_use]
pub fn refusal(data: &Bytes) -> String {
    match Refusals::RefusalsErrors::abi_decode(data) {
        Ok(error) => words(&error),
        Err(_) => match Revert::decode(data) {
            Revert::Custom(data) => match error_name(&data) {
                Some(name) => format!("the contract refuses: {name}"),
                None => {
                    let shown = data.get(..data.len().min(68)).unwrap_or_default();
                    let shown = hex::encode_prefixed(shown);
                    format!("the contract refuses with an error that is not known here: {shown}")
                }
            },
            Revert::Empty => "the contract refuses, and does not say why".to_owned(),
            known => format!("the contract refuses: {known}"),
        },
    }
}

fn words(error: &Error) -> String {
    match error {
        Error::AlreadyAdmitted(e) => format!("{} is a member already", e.account),
        Error::DurationTooLong(e) => {
            format!("{} s is too long: at most {} s", e.duration, e.max)
        }
        Error::FailedCall(_) => "a call of the proposal failed without saying why".to_owned(),
        Error::GovernorAlreadyCastVote(e) => {
            format!("{} has voted on this proposal already: a vote is final", e.voter)
        }
        Error::GovernorInsufficientProposerVotes(e) => {
            format!("{} is no member, and only members propose", e.proposer)
        }
        Error::GovernorInvalidProposalLength(_) => {
            "a proposal needs at least one action".to_owned()
        }
        Error::GovernorInvalidQuorumFraction(e) => {
            format!("a quorum of {} % is none: it is from 1 to 100", e.quorumNumerator)
        }
        Error::GovernorInvalidVoteType(_) => {
            "a vote is for, against or abstain, and nothing else".to_owned()
        }
        Error::GovernorInvalidVotingPeriod(e) => {
            format!("a voting period of {} s is none: it is at least 1 s", e.votingPeriod)
        }
        Error::GovernorNonexistentProposal(e) => {
            format!("there is no proposal {}", ProposalId::from(e.proposalId))
        }
        Error::GovernorOnlyExecutor(e) => {
            format!("only a decision changes this, and {} is no decision", e.account)
        }
        Error::GovernorPreventLateQuorumVoteExtensionTooLarge(e) => format!(
            "an extension of {} s is too long: at most the voting period, {} s",
            e.newVoteExtension, e.maxVoteExtension
        ),
        Error::GovernorRestrictedProposer(e) => format!(
            "the text ends with #proposer= and another account than {}: leave that out",
            e.proposer
        ),
        Error::GovernorUnableToCancel(e) => format!(
            "{} cannot cancel this proposal: only who proposed it can, and only until the vote begins",
            e.account
        ),
        Error::GovernorUnexpectedProposalState(e) => unexpected(e.current, e.expectedStates),
        Error::InvalidNode(_) => {
            "a node has an account and a log key hash, and zero is neither".to_owned()
        }
        Error::LastNode(_) => "the last member cannot be removed".to_owned(),
        Error::LogKeyInUse(e) => {
            format!("the member {} has the log key hash {} already", e.account, e.logKeyHash)
        }
        Error::NotAdmitted(e) => format!("{} is no member", e.account),
        Error::NotEligible(e) => {
            format!(
                "{} was no member when the vote on this proposal began, and has none",
                e.account
            )
        }
        Error::OnlyTimelock(e) => {
            format!("only a decision changes this, and {} is no decision", e.caller)
        }
        Error::ParameterOutOfBounds(e) => {
            format!("{} cannot be {}: it is from {} to {}", name(e.key), e.value, e.min, e.max)
        }
        Error::ParameterUnchanged(e) => format!("{} is {} already", name(e.key), e.value),
        Error::ThresholdIsOne(_) => "the proposal threshold is one vote, for ever".to_owned(),
        Error::TimelockInsufficientDelay(e) => {
            format!("a delay of {} s is too short: at least {} s", e.delay, e.minDelay)
        }
        Error::TimelockIsFixed(_) => "the timelock is the same for ever".to_owned(),
        Error::TimelockUnauthorizedCaller(e) => {
            format!("only a decision changes this, and {} is no decision", e.caller)
        }
        Error::TimelockUnexpectedOperationState(e) => operation(e.expectedStates),
        Error::UnknownParameter(e) => format!("there is no parameter {}", name(e.key)),
    }
}

/// A state that does not allow what was asked; the expected ones are bits.
fn unexpected(current: u8, expected: B256) -> String {
    let current =
        ProposalState::of(current).map_or("in no state that is known", ProposalState::as_str);
    let expected: U256 = expected.into();
    let states = ProposalState::ALL.into_iter().filter(|state| expected.bit(*state as usize));
    let states: Vec<_> = states.map(ProposalState::as_str).collect();
    match states.as_slice() {
        [] => format!(
            "the same proposal is there already, and is {current}: the same actions need another text"
        ),
        states => {
            format!("the proposal is {current}, and this needs one that is {}", states.join(" or "))
        }
    }
}

/// A state of the timelock's (`OperationState`) that does not allow what was asked.
fn operation(expected: B256) -> String {
    let expected: U256 = expected.into();
    match (0..4_usize).find(|state| expected.bit(*state)) {
        Some(0) => "the same calls are queued already".to_owned(),
        Some(2) => "the delay is not over: it cannot be carried out yet".to_owned(),
        _ => "the timelock has it in another state than this needs".to_owned(),
    }
}

fn name(key: B256) -> String {
    key_text(key).unwrap_or_else(|| key.to_string())
}

/// The signature of the error of one of the chain's contracts that begins with this selector.
fn error_name(data: &[u8]) -> Option<&'static str> {
    static NAMES: OnceLock<HashMap<[u8; 4], String>> = OnceLock::new();
    let selector = data.first_chunk::<4>()?;
    NAMES.get_or_init(errors).get(selector).map(String::as_str)
}

/// What is read of an artefact's ABI.
#[derive(Deserialize)]
struct Abi {
    abi: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    inputs: Vec<Input>,
}

#[derive(Deserialize)]
struct Input {
    #[serde(rename = "type")]
    kind: String,
}

fn errors() -> HashMap<[u8; 4], String> {
    let texts = artefact::ALL.iter().map(|(_, text)| *text);
    // An artefact that is none has no errors; a build's tests rule that out.
    let items = texts.filter_map(|text| serde_json::from_str::<Abi>(text).ok());
    let errors = items.flat_map(|abi| abi.abi).filter(|item| item.kind == "error");
    errors
        .map(|error| {
            let inputs: Vec<_> = error.inputs.iter().map(|input| input.kind.as_str()).collect();
            let signature = format!("{}({})", error.name, inputs.join(","));
            let [a, b, c, d, ..] = keccak256(&signature).0;
            ([a, b, c, d], signature)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_without_words_have_names() {
        let data = |signature: &str| Bytes::from([&keccak256(signature)[..4], &[0; 32]].concat());
        for signature in [
            "OnlyRegistrar(address)",
            "AccessControlBadConfirmation()",
            "GovernorDisabledDeposit()",
        ] {
            assert_eq!(refusal(&data(signature)), format!("the contract refuses: {signature}"));
        }
        let unheard = refusal(&data("Unheard(address)"));
        assert!(unheard.contains("not known here: 0x"), "{unheard}");
        assert_eq!(refusal(&Bytes::new()), "the contract refuses, and does not say why");
    }
}
