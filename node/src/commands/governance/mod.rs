//! `governance`: what the nodes decide together, at a running node.
//!
//! Reading needs a token, or a node whose log is public. Acting makes that node act, for which the token is
//! an admin's; or, with `--evm-key`, this command signs the transaction itself, for a member whose own node
//! is elsewhere.

mod member;
mod node;
mod text;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand, ValueEnum, ValueHint};
use lucid_api::ports::{
    Acted, GovernanceAction, GovernedChange, NewProposal, ProposalSummary, Support,
};
use lucid_core::Hash;
use serde::Serialize;

use self::{member::Member, node::Node};
use super::remote::Reach;
use crate::{context::Context, failure::Outcome};

/// Digits of an id that are enough, if they are one proposal's alone.
const PREFIX_DIGITS_MIN: usize = 6;

/// What about decisions.
#[derive(Subcommand, Debug)]
pub enum Governance {
    /// Show the parameters that the nodes decide on, with the values in force
    Parameters(Reach),
    /// Show how the parameters came to their values, the newest change first
    History(List),
    /// List proposals, the newest first
    Proposals(List),
    /// Show a proposal: what it does, how it stands, who voted
    Show(Named),
    /// Show how decisions are made, and who makes them
    Settings(Reach),
    /// Propose something
    Propose(Box<Propose>),
    /// Vote on a proposal; a vote is final
    Vote {
        /// Which proposal
        #[command(flatten)]
        id: IdArg,
        /// for, against or abstain
        #[arg(value_name = "VOTE")]
        support: SupportArg,
        /// Why, for everybody to read and for good
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
        /// Who votes
        #[command(flatten)]
        actor: Actor,
    },
    /// Queue a proposal that succeeded: its delay begins
    Queue(Step),
    /// Carry out a proposal whose delay is over
    Execute(Step),
    /// Cancel a proposal of one's own before its vote begins
    Cancel(Step),
}

/// Who acts.
#[derive(Args, Debug)]
pub struct Actor {
    /// Act as the member whose account's key, 64 hex digits, is in this file, instead of having the node act
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    evm_key: Option<PathBuf>,
    #[command(flatten)]
    reach: Reach,
}

/// How many.
#[derive(Args, Debug)]
pub struct List {
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    #[command(flatten)]
    reach: Reach,
}

/// A proposal.
#[derive(Args, Debug)]
pub struct IdArg {
    /// The proposal's id, or its first digits, 6 or more
    #[arg(value_name = "ID", value_parser = prefix)]
    id: String,
}

/// A proposal to look at.
#[derive(Args, Debug)]
pub struct Named {
    #[command(flatten)]
    id: IdArg,
    #[command(flatten)]
    reach: Reach,
}

/// A proposal to do something with.
#[derive(Args, Debug)]
pub struct Step {
    #[command(flatten)]
    id: IdArg,
    #[command(flatten)]
    actor: Actor,
}

/// A proposal to make. Its actions are carried out in the order of this list.
#[derive(Args, Debug)]
pub struct Propose {
    /// What it is called, in one line
    #[arg(long, value_name = "TEXT")]
    title: String,
    /// Why
    #[arg(long, value_name = "TEXT", default_value = "")]
    description: String,
    /// Give a parameter a value; as often as is wanted
    #[arg(long, value_name = "NAME=VALUE", value_parser = set_parameter)]
    set: Vec<GovernanceAction>,
    /// Make a node a member: its account, and the hash of the key that signs its log
    #[arg(long, value_name = "ACCOUNT=LOG-KEY-HASH", value_parser = add_node)]
    add_node: Vec<GovernanceAction>,
    /// End a node's membership
    #[arg(long, value_name = "ACCOUNT")]
    remove_node: Vec<String>,
    /// Set the time from a proposal to its vote
    #[arg(long, value_name = "SECONDS")]
    voting_delay: Option<u64>,
    /// Set how long a vote is open
    #[arg(long, value_name = "SECONDS")]
    voting_period: Option<u64>,
    /// Set how long a vote stays open at least after a quorum
    #[arg(long, value_name = "SECONDS")]
    vote_extension: Option<u64>,
    /// Set the quorum
    #[arg(long, value_name = "PERCENT")]
    quorum: Option<u64>,
    /// Set the time from when a decision is queued to when it can be carried out
    #[arg(long, value_name = "SECONDS")]
    timelock_delay: Option<u64>,
    #[command(flatten)]
    actor: Actor,
}

/// What a vote says.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum SupportArg {
    /// For it
    For,
    /// Against it
    Against,
    /// Neither; it counts to the quorum
    Abstain,
}

impl From<SupportArg> for Support {
    fn from(support: SupportArg) -> Self {
        match support {
            SupportArg::For => Self::For,
            SupportArg::Against => Self::Against,
            SupportArg::Abstain => Self::Abstain,
        }
    }
}

fn prefix(text: &str) -> Result<String, String> {
    let is_prefix = (PREFIX_DIGITS_MIN..=2 * Hash::BYTES).contains(&text.len())
        && text.bytes().all(|c| c.is_ascii_hexdigit());
    match is_prefix {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(format!("a proposal is named by {PREFIX_DIGITS_MIN} to 64 hex digits")),
    }
}

fn set_parameter(text: &str) -> Result<GovernanceAction, String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    let value = value.parse().map_err(|_| "the value is a whole number")?;
    Ok(GovernanceAction::SetParameter { name: name.to_owned(), value })
}

fn add_node(text: &str) -> Result<GovernanceAction, String> {
    let (account, key) = text.split_once('=').ok_or("write ACCOUNT=LOG-KEY-HASH")?;
    let log_key_hash = key.parse().map_err(|error| format!("{error}"))?;
    Ok(GovernanceAction::AddNode { account: account.to_owned(), log_key_hash })
}

impl Propose {
    fn proposal(&self) -> NewProposal {
        let mut actions = self.set.clone();
        actions.extend(self.add_node.iter().cloned());
        let remove = |account: &String| GovernanceAction::RemoveNode { account: account.clone() };
        actions.extend(self.remove_node.iter().map(remove));
        let seconds =
            |seconds: Option<u64>, action: fn(u64) -> GovernanceAction| seconds.map(action);
        actions.extend(seconds(self.voting_delay, |seconds| GovernanceAction::SetVotingDelay {
            seconds,
        }));
        actions.extend(seconds(self.voting_period, |seconds| GovernanceAction::SetVotingPeriod {
            seconds,
        }));
        actions.extend(seconds(self.vote_extension, |seconds| {
            GovernanceAction::SetVoteExtension { seconds }
        }));
        actions.extend(seconds(self.quorum, |percent| GovernanceAction::SetQuorum { percent }));
        actions.extend(seconds(self.timelock_delay, |seconds| {
            GovernanceAction::SetTimelockDelay { seconds }
        }));
        let (title, description) = (self.title.clone(), self.description.clone());
        NewProposal { title, description, actions }
    }
}

#[derive(Serialize)]
struct Changes {
    changes: Vec<GovernedChange>,
}

#[derive(Serialize)]
struct Proposals {
    proposals: Vec<ProposalSummary>,
}

#[derive(Serialize)]
struct VoteBody<'a> {
    support: Support,
    reason: &'a str,
}

/// What is done to a proposal that is there.
enum Deed<'a> {
    Vote(Support, &'a str),
    Queue,
    Execute,
    Cancel,
}

impl Governance {
    /// Does it.
    ///
    /// # Errors
    /// The node's, and what is refused.
    pub fn run(&self, context: &Context) -> Outcome<ExitCode> {
        let output = context.output;
        match self {
            Self::Parameters(reach) => {
                let parameters = Node(reach.open(context)?).parameters()?;
                output.print(&parameters, text::parameters)?;
            }
            Self::History(List { limit, reach }) => {
                let changes = Node(reach.open(context)?).history(*limit)?;
                output.print(&Changes { changes }, |found| text::history(&found.changes))?;
            }
            Self::Proposals(List { limit, reach }) => {
                let proposals = Node(reach.open(context)?).proposals(*limit)?;
                output
                    .print(&Proposals { proposals }, |found| text::proposals(&found.proposals))?;
            }
            Self::Show(Named { id, reach }) => {
                let node = Node(reach.open(context)?);
                let id = node.resolve(&id.id)?;
                output.print(&node.proposal(id)?, text::proposal)?;
            }
            Self::Settings(reach) => {
                output.print(&Node(reach.open(context)?).settings()?, text::settings)?;
            }
            Self::Propose(propose) => {
                let acted = propose.actor.propose(context, &propose.proposal())?;
                output.print(&acted, |acted| text::acted("proposed", acted))?;
            }
            Self::Vote { id, support, reason, actor } => {
                let deed = Deed::Vote((*support).into(), reason);
                let acted = actor.act(context, &id.id, &deed)?;
                output.print(&acted, |acted| text::acted("voted on", acted))?;
            }
            Self::Queue(Step { id, actor }) => {
                let acted = actor.act(context, &id.id, &Deed::Queue)?;
                output.print(&acted, |acted| text::acted("queued", acted))?;
            }
            Self::Execute(Step { id, actor }) => {
                let acted = actor.act(context, &id.id, &Deed::Execute)?;
                output.print(&acted, |acted| text::acted("executed", acted))?;
            }
            Self::Cancel(Step { id, actor }) => {
                let acted = actor.act(context, &id.id, &Deed::Cancel)?;
                output.print(&acted, |acted| text::acted("canceled", acted))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Actor {
    fn propose(&self, context: &Context, new: &NewProposal) -> Outcome<Acted> {
        let node = Node(self.reach.open(context)?);
        match &self.evm_key {
            Some(key) => Member::open(&node, key)?.propose(new),
            None => node.post("/api/v1/governance/proposals", new),
        }
    }

    fn act(&self, context: &Context, id: &str, deed: &Deed<'_>) -> Outcome<Acted> {
        let node = Node(self.reach.open(context)?);
        let id = node.resolve(id)?;
        if let Some(key) = &self.evm_key {
            return Member::open(&node, key)?.act(id, deed);
        }
        let path = |last: &str| format!("/api/v1/governance/proposals/{id}/{last}");
        let nothing = serde_json::json!({});
        match deed {
            Deed::Vote(support, reason) => {
                node.post(&path("vote"), &VoteBody { support: *support, reason })
            }
            Deed::Queue => node.post(&path("queue"), &nothing),
            Deed::Execute => node.post(&path("execute"), &nothing),
            Deed::Cancel => node.post(&path("cancel"), &nothing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_strictly() {
        for good in ["abcdef", "ABCDEF12", &"0".repeat(64)] {
            assert_eq!(prefix(good), Ok(good.to_ascii_lowercase()));
        }
        for bad in ["", "abcde", "abcdeg", "0xabcdef", &"0".repeat(65)] {
            assert!(prefix(bad).is_err(), "{bad}");
        }
        let action =
            GovernanceAction::SetParameter { name: "chunk_bytes".to_owned(), value: 65_536 };
        assert_eq!(set_parameter("chunk_bytes=65536"), Ok(action));
        for bad in ["chunk_bytes", "chunk_bytes=", "chunk_bytes=-1", "chunk_bytes=64k"] {
            assert!(set_parameter(bad).is_err(), "{bad}");
        }
        let key = Hash::of(b"key");
        let action = GovernanceAction::AddNode { account: "0x1".to_owned(), log_key_hash: key };
        assert_eq!(add_node(&format!("0x1={key}")), Ok(action));
        for bad in ["0x1", "0x1=", "0x1=12"] {
            assert!(add_node(bad).is_err(), "{bad}");
        }
    }
}
