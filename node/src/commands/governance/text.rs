//! What `governance` prints for people. Titles, reasons and descriptions come from others: what would steer
//! a terminal is shown as an escape.

use lucid_api::ports::{
    Acted, GovernanceSettings, GovernedChange, GovernedParameter, GovernedParameters, Proposal,
    ProposalState, ProposalSummary, Support,
};
use lucid_core::Timestamp;

use crate::{
    context::now,
    output::{table, without_controls},
};

/// Digits of an id that are shown in a list.
const DIGITS: usize = 12;

fn line(text: &str) -> String {
    without_controls(text).replace('\n', " ")
}

pub(super) fn parameters(found: &GovernedParameters) -> String {
    let mut lines = format!("{:24}  {:>17}  {:38}  {}\n", "PARAMETER", "VALUE", "BOUNDS", "SINCE");
    for parameter in &found.parameters {
        let GovernedParameter { name, value, since, .. } = parameter;
        let bounds = bounds(parameter);
        lines.push_str(&format!("{:24}  {value:>17}  {bounds:38}  {since}\n", line(name)));
    }
    lines
}

fn bounds(parameter: &GovernedParameter) -> String {
    let GovernedParameter { min, max, zero_is_none, .. } = parameter;
    match zero_is_none {
        true => format!("{min} to {max}, 0 for none"),
        false => format!("{min} to {max}"),
    }
}

pub(super) fn history(changes: &[GovernedChange]) -> String {
    if changes.is_empty() {
        return "no changes".to_owned();
    }
    let mut lines =
        format!("{:24}  {:24}  {:>17}  {:>17}  BY\n", "WHEN", "PARAMETER", "FROM", "TO");
    for GovernedChange { name, from, to, at, proposal, .. } in changes {
        let from = from.map_or_else(|| "-".to_owned(), |from| from.to_string());
        let by = match (proposal, from.as_str()) {
            (Some(id), _) => id.to_string().chars().take(DIGITS).collect(),
            (None, "-") => "the beginning".to_owned(),
            (None, _) => "no proposal that is known".to_owned(),
        };
        lines.push_str(&format!("{at}  {:24}  {from:>17}  {to:>17}  {by}\n", line(name)));
    }
    lines
}

fn state(state: ProposalState) -> &'static str {
    match state {
        ProposalState::Pending => "pending",
        ProposalState::Active => "active",
        ProposalState::Canceled => "canceled",
        ProposalState::Defeated => "defeated",
        ProposalState::Succeeded => "succeeded",
        ProposalState::Queued => "queued",
        ProposalState::Expired => "expired",
        ProposalState::Executed => "executed",
    }
}

pub(super) fn proposals(found: &[ProposalSummary]) -> String {
    if found.is_empty() {
        return "no proposals: lucid-node governance propose".to_owned();
    }
    let mut lines = format!(
        "{:DIGITS$}  {:9}  {:>4}  {:>7}  {:>7}  {:24}  TITLE\n",
        "ID", "STATE", "FOR", "AGAINST", "ABSTAIN", "PROPOSED"
    );
    for proposal in found {
        let id: String = proposal.id.to_string().chars().take(DIGITS).collect();
        let (state, votes) = (state(proposal.state), proposal.votes);
        lines.push_str(&format!(
            "{id}  {state:9}  {:>4}  {:>7}  {:>7}  {}  {}\n",
            votes.r#for,
            votes.against,
            votes.abstain,
            proposal.created_at,
            line(&proposal.title)
        ));
    }
    lines
}

/// A state, and what comes next, when, and by whom.
fn standing(summary: &ProposalSummary, now: Timestamp) -> String {
    let ProposalSummary { state_since: since, vote_opens_at, vote_ends_at, .. } = summary;
    match summary.state {
        ProposalState::Pending => format!("pending: the vote opens at {vote_opens_at}"),
        ProposalState::Active => format!("active: being voted on until {vote_ends_at}"),
        ProposalState::Canceled => format!("canceled at {since}"),
        ProposalState::Defeated => format!("defeated: the vote ended at {since}"),
        ProposalState::Succeeded => {
            format!("succeeded: the vote ended at {since}; anybody may queue it")
        }
        ProposalState::Queued => match summary.executable_at {
            Some(at) if at > now => format!("queued at {since}: can be executed from {at} on"),
            _ => format!("queued at {since}: anybody may execute it"),
        },
        ProposalState::Expired => format!("expired at {since}"),
        ProposalState::Executed => format!("executed at {since}: it is in force"),
    }
}

pub(super) fn proposal(proposal: &Proposal) -> String {
    let summary = &proposal.summary;
    let votes = summary.votes;
    let (r#for, against, abstain) = (votes.r#for, votes.against, votes.abstain);
    let of = summary.voters.map_or_else(String::new, |voters| format!(" of {voters} nodes"));
    let mut rows = vec![
        ("proposal", summary.id.to_string()),
        ("title", line(&summary.title)),
        ("state", standing(summary, now())),
        ("proposed", format!("{} by {}", summary.created_at, summary.proposer)),
        ("votes", format!("{for} for, {against} against, {abstain} abstaining{of}")),
        ("needs", format!("{} for or abstaining, and more for than against", summary.quorum)),
        ("this node", own(proposal)),
    ];
    rows.extend(proposal.actions.iter().map(|action| ("does", line(&action.words))));
    rows.extend(proposal.ballots.iter().map(|ballot| {
        let support = match ballot.support {
            Support::For => "for",
            Support::Against => "against",
            Support::Abstain => "abstain",
        };
        let reason = match ballot.reason.is_empty() {
            true => String::new(),
            false => format!(": {}", line(&ballot.reason)),
        };
        ("vote", format!("{} {support}, {}{reason}", ballot.voter, ballot.at))
    }));
    let mut text = table(&rows);
    if !proposal.description.is_empty() {
        text.push_str(&format!("\n{}\n", without_controls(&proposal.description)));
    }
    text
}

fn own(proposal: &Proposal) -> String {
    let vote = proposal.own_vote;
    let said = match (vote.cast, vote.eligible) {
        (true, _) => "has voted",
        (false, Some(false)) => "has no vote on it",
        (false, Some(true)) => "has not voted",
        (false, None) => "cannot vote yet",
    };
    said.to_owned()
}

pub(super) fn settings(settings: &GovernanceSettings) -> String {
    let seconds = |seconds: u64| format!("{seconds} s");
    let mut rows = vec![
        ("vote opens", format!("{} after a proposal", seconds(settings.voting_delay_seconds))),
        ("vote is open", seconds(settings.voting_period_seconds)),
        (
            "at least",
            format!("{} after a quorum that came late", seconds(settings.vote_extension_seconds)),
        ),
        (
            "quorum",
            format!(
                "{} % of {} nodes: {} for or abstaining",
                settings.quorum_percent, settings.node_count, settings.quorum
            ),
        ),
        ("delay", format!("{} after queueing", seconds(settings.timelock_delay_seconds))),
        ("chain", settings.chain_id.to_string()),
        ("governor", settings.contracts.governor.clone()),
    ];
    rows.extend(settings.nodes.iter().map(|node| {
        let this = if node.this_node { ", this node" } else { "" };
        let since = node.since.map_or_else(String::new, |since| format!(", since {since}"));
        ("node", format!("{} ({}){since}{this}", node.account, node.node_id))
    }));
    table(&rows)
}

pub(super) fn acted(did: &str, acted: &Acted) -> String {
    let Acted { proposal, transaction, block, at } = acted;
    format!("{did} {proposal}\nin block {block} of {at}, transaction {transaction}")
}
