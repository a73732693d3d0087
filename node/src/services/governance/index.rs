//! What the chain's logs say about decisions, in memory: which proposals there are, who voted, what changed
//! and when.
//!
//! It follows from the logs alone, so it is made anew at every start and whenever the chain is another. Texts
//! and calls of proposals stay on the chain, and reasons are cut: a member cannot fill the memory with them.

use std::collections::HashMap;

use lucid_api::ports::{EvmLog, REASON_BYTES_MAX, TITLE_CHARS_MAX};
use lucid_chain::{
    ChainError,
    alloy_primitives::{Address, B256, Log},
    contracts::{
        Contracts,
        governance::{Event, ProposalId},
    },
};
use lucid_core::{Hash, Timestamp};

/// When, and in which block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Moment {
    pub(super) block: u64,
    pub(super) at: Timestamp,
}

/// A vote.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Cast {
    pub(super) voter: Address,
    pub(super) support: u8,
    pub(super) reason: String,
    pub(super) at: Timestamp,
}

/// A proposal, without its text and calls.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Record {
    pub(super) id: ProposalId,
    pub(super) proposer: Address,
    pub(super) title: String,
    /// The last second before its vote.
    pub(super) snapshot: u64,
    pub(super) created: Moment,
    pub(super) queued: Option<Moment>,
    /// When it was executed or canceled.
    pub(super) ended: Option<Moment>,
    /// It was seen to be defeated, which it then is for ever.
    pub(super) defeated: bool,
    pub(super) ballots: Vec<Cast>,
}

impl Record {
    /// Whether anything can still come of it.
    pub(super) fn is_open(&self) -> bool {
        self.ended.is_none() && !self.defeated
    }
}

/// That a parameter got a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Change {
    pub(super) key: String,
    pub(super) from: Option<u64>,
    pub(super) to: u64,
    pub(super) moment: Moment,
    pub(super) proposal: Option<ProposalId>,
}

/// What is known.
#[derive(Default)]
pub(super) struct Index {
    /// The chain it is of: its id and contracts.
    pub(super) of: Option<(u64, Contracts)>,
    /// The last block whose logs are in it.
    pub(super) seen: Option<(u64, Hash)>,
    /// In the order in which they were made.
    pub(super) proposals: Vec<Record>,
    places: HashMap<ProposalId, usize>,
    /// Operations of the timelock.
    operations: HashMap<B256, ProposalId>,
    /// In the order in which they took effect.
    pub(super) changes: Vec<Change>,
    /// Changes whose proposal is named by a later log of the same transaction.
    unnamed: Option<(B256, usize)>,
    pub(super) members_since: HashMap<Address, Timestamp>,
}

/// The log as `lucid_chain` has it.
fn log(log: &EvmLog) -> Log {
    let topics = log.topics.iter().map(|topic| B256::from(topic.0)).collect();
    Log::new_unchecked(log.address.0.into(), topics, log.data.0.clone().into())
}

/// What a log says.
pub(super) fn event(contracts: &Contracts, of: &EvmLog) -> Result<Option<Event>, ChainError> {
    contracts.event(&log(of))
}

impl Index {
    /// An index of a chain, with nothing in it.
    pub(super) fn new(chain_id: u64, contracts: Contracts) -> Self {
        Self { of: Some((chain_id, contracts)), ..Self::default() }
    }

    /// A proposal, and its place among them.
    pub(super) fn proposal(&self, id: ProposalId) -> Option<(usize, &Record)> {
        let place = *self.places.get(&id)?;
        self.proposals.get(place).map(|record| (place, record))
    }

    /// Remembers that a proposal was defeated.
    pub(super) fn defeat(&mut self, id: ProposalId) {
        if let Some(record) = self.record(id) {
            record.defeated = true;
        }
    }

    /// When a parameter got the value it has.
    pub(super) fn since(&self, key: &str) -> Option<Moment> {
        self.changes.iter().rev().find(|change| change.key == key).map(|change| change.moment)
    }

    /// Takes a log up, the next one in the chain's order.
    ///
    /// # Errors
    /// [`ChainError::Answer`] where it is not of its ABI's form, which no contract of the chain's logs.
    pub(super) fn take(&mut self, contracts: &Contracts, of: &EvmLog) -> Result<(), ChainError> {
        let Some(event) = event(contracts, of)? else { return Ok(()) };
        let moment = Moment { block: of.block, at: of.time };
        match event {
            Event::Proposed { id, proposer, snapshot, proposed } => {
                self.operations.insert(proposed.operation(contracts), id);
                self.places.insert(id, self.proposals.len());
                self.proposals.push(Record {
                    id,
                    proposer,
                    title: proposed.title().chars().take(TITLE_CHARS_MAX).collect(),
                    snapshot,
                    created: moment,
                    queued: None,
                    ended: None,
                    defeated: false,
                    ballots: Vec::new(),
                });
            }
            Event::Voted { id, voter, support, reason } => {
                let reason = cut(&reason, REASON_BYTES_MAX).to_owned();
                if let Some(record) = self.record(id) {
                    record.ballots.push(Cast { voter, support, reason, at: of.time });
                }
            }
            Event::Queued { id, .. } => {
                if let Some(record) = self.record(id) {
                    record.queued = Some(moment);
                }
            }
            Event::Executed(id) | Event::Canceled(id) => self.end(id, moment),
            Event::OperationDone(operation) => {
                // Anybody may also carry out an operation by the timelock itself.
                if let Some(id) = self.operations.get(&operation).copied() {
                    self.end(id, moment);
                    self.name(B256::from(of.transaction.0), id);
                }
            }
            Event::OperationCanceled(operation) => {
                if let Some(id) = self.operations.get(&operation).copied() {
                    self.end(id, moment);
                }
            }
            Event::ParameterDeclared { key, value } => {
                self.changes.push(Change { key, from: None, to: value, moment, proposal: None });
            }
            Event::ParameterChanged { key, from, to } => {
                let transaction = B256::from(of.transaction.0);
                if self.unnamed.is_none_or(|(known, _)| known != transaction) {
                    self.unnamed = Some((transaction, self.changes.len()));
                }
                self.changes.push(Change { key, from: Some(from), to, moment, proposal: None });
            }
            Event::NodeAdmitted { account, .. } => {
                self.members_since.insert(account, of.time);
            }
            Event::NodeRemoved { account } => {
                self.members_since.remove(&account);
            }
        }
        Ok(())
    }

    fn record(&mut self, id: ProposalId) -> Option<&mut Record> {
        let place = *self.places.get(&id)?;
        self.proposals.get_mut(place)
    }

    /// The first that ends it counts: the governor says it once more after the timelock did.
    fn end(&mut self, id: ProposalId, moment: Moment) {
        if let Some(record) = self.record(id) {
            record.ended.get_or_insert(moment);
        }
    }

    /// Names the proposal that made the changes of a transaction which have none yet.
    fn name(&mut self, transaction: B256, id: ProposalId) {
        let Some((known, from)) = self.unnamed else { return };
        if known == transaction {
            for change in self.changes.iter_mut().skip(from) {
                change.proposal.get_or_insert(id);
            }
        }
    }
}

/// At most so many bytes of a text, whole characters.
fn cut(text: &str, bytes_max: usize) -> &str {
    match text.len() <= bytes_max {
        true => text,
        false => &text[..text.floor_char_boundary(bytes_max)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        for (text, bytes_max, expected) in
            [("", 3, ""), ("abc", 3, "abc"), ("abcd", 3, "abc"), ("aé", 2, "a"), ("é", 1, "")]
        {
            assert_eq!(cut(text, bytes_max), expected);
        }
    }
}
