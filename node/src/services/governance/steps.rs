//! When it is the time for what is done to a proposal.

use lucid_api::{Code, Problem, ports::Answer};
use lucid_chain::{
    alloy_primitives::Address,
    contracts::governance::{ProposalState, Standing, Vote},
};
use lucid_core::Timestamp;

use super::{
    forms::{address, time},
    index::Record,
};

/// What is done to a proposal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Vote {
        /// Whether it is a vote for it.
        for_it: bool,
    },
    Queue,
    Execute,
    Cancel,
}

/// Whether it is the time for something, with when it would be. What the contract holds against it beyond
/// that, it says itself.
pub(super) fn is_time(
    step: Step,
    record: &Record,
    standing: &Standing,
    vote: Vote,
    account: Address,
    at: Timestamp,
) -> Answer<()> {
    use ProposalState::{Active, Pending, Queued, Succeeded};
    let state = standing.state;
    let refuse = |detail: String| Err(Problem::new(Code::Conflict, detail));
    let (opens, ends) = (time(record.snapshot + 1), time(standing.deadline + 1));
    match (step, state) {
        (Step::Vote { .. }, Pending) => {
            refuse(format!("the vote on this proposal opens at {opens}"))
        }
        (Step::Vote { .. }, Active) if vote.cast => {
            refuse("this node has voted on this proposal already: a vote is final".to_owned())
        }
        (Step::Vote { .. }, Active) if vote.eligible == Some(false) => refuse(
            "this node was no member when the vote on this proposal began, and has none".to_owned(),
        ),
        (Step::Vote { .. }, Active) | (Step::Queue, Succeeded) => Ok(()),
        (Step::Vote { .. }, _) => {
            refuse(format!("the vote on this proposal is over: it is {state}; it ended at {ends}"))
        }
        (Step::Queue, Pending | Active) => {
            refuse(format!("the proposal is {state}: its vote ends at {ends}"))
        }
        (Step::Queue, _) => {
            refuse(format!("the proposal is {state}: only one that succeeded is queued"))
        }
        (Step::Execute, Queued) => match standing.eta.map(time).filter(|eta| *eta > at) {
            Some(eta) => refuse(format!("the proposal can be executed from {eta} on")),
            None => Ok(()),
        },
        (Step::Execute, Succeeded) => {
            refuse("the proposal succeeded: queue it, and execute it after its delay".to_owned())
        }
        (Step::Execute, _) => {
            refuse(format!("the proposal is {state}: only one that is queued is executed"))
        }
        (Step::Cancel, Pending) if record.proposer == account => Ok(()),
        (Step::Cancel, Pending) => {
            let proposer = address(record.proposer);
            refuse(format!("only its proposer, {proposer}, can cancel this proposal"))
        }
        (Step::Cancel, _) => refuse(format!(
            "the proposal is {state}: it can be canceled only before its vote, which opened at {opens}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use lucid_chain::contracts::governance::ProposalId;

    use super::*;
    use crate::services::governance::index::Moment;

    const OWN: Address = Address::repeat_byte(1);
    const ETA: u64 = 500;

    /// What a step on this node's proposal in a state comes to: nothing, or what is said.
    fn check(step: Step, state: ProposalState, vote: Vote, at: u64, expected: Option<&str>) {
        let moment = Moment { block: 2, at: time(90) };
        let record = Record {
            id: ProposalId([7; 32].into()),
            proposer: OWN,
            title: "T".to_owned(),
            snapshot: 100,
            created: moment,
            queued: None,
            ended: None,
            defeated: false,
            ballots: Vec::new(),
        };
        let standing = Standing {
            state,
            against: 0,
            in_favour: 1,
            abstain: 0,
            deadline: 200,
            eta: (state == ProposalState::Queued).then_some(ETA),
            quorum: Some(1),
            voters: Some(1),
        };
        let answer = is_time(step, &record, &standing, vote, OWN, time(at));
        match (answer, expected) {
            (Ok(()), None) => {}
            (Err(problem), Some(said)) => {
                assert_eq!(problem.code, Code::Conflict);
                assert!(problem.detail.contains(said), "no {said:?} in {}", problem.detail);
            }
            (answer, expected) => panic!("{state}: {answer:?}, and not {expected:?}"),
        }
        // Another's proposal is never canceled.
        if step == Step::Cancel {
            let other = Address::repeat_byte(2);
            assert!(is_time(step, &record, &standing, vote, other, time(at)).is_err(), "{state}");
        }
    }

    #[test]
    fn each_step_has_its_state_and_its_time() {
        use ProposalState::{
            Active, Canceled, Defeated, Executed, Expired, Pending, Queued, Succeeded,
        };
        let free = Vote { cast: false, eligible: Some(true) };
        let (opens, ends) = ("1970-01-01T00:01:41.000Z", "1970-01-01T00:03:21.000Z");
        for (state, vote, queue, execute, cancel) in [
            (Pending, Some(opens), Some(ends), Some("is pending"), None),
            (Active, None, Some(ends), Some("is active"), Some(opens)),
            (Canceled, Some("is over"), Some("is canceled"), Some("is canceled"), Some(opens)),
            (Defeated, Some("is over"), Some("is defeated"), Some("is defeated"), Some(opens)),
            (Succeeded, Some(ends), None, Some("queue it"), Some(opens)),
            (Queued, Some("is over"), Some("is queued"), None, Some(opens)),
            (Expired, Some("is over"), Some("is expired"), Some("is expired"), Some(opens)),
            (Executed, Some("is over"), Some("is executed"), Some("is executed"), Some(opens)),
        ] {
            check(Step::Vote { for_it: true }, state, free, ETA, vote);
            check(Step::Queue, state, free, ETA, queue);
            check(Step::Execute, state, free, ETA, execute);
            check(Step::Cancel, state, free, ETA, cancel);
        }
        let eta = "1970-01-01T00:08:20.000Z";
        check(Step::Execute, Queued, free, ETA - 1, Some(eta));
        let cast = Vote { cast: true, eligible: Some(true) };
        check(
            Step::Vote { for_it: true },
            Active,
            cast,
            150,
            Some("voted on this proposal already"),
        );
        let none = Vote { cast: false, eligible: Some(false) };
        check(Step::Vote { for_it: true }, Active, none, 150, Some("was no member"));
    }
}
