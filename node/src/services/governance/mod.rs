//! blockchain-governance: what the nodes decide together, in words.
//!
//! It follows the logs of the chain's contracts in memory (`index`), asks the contracts how things stand now,
//! and has the node's account vote, propose and carry out, through blockchain-vm. It owns no rule of a
//! decision and no file: all of it is in the contracts' state, and the index is made anew at every start.
//!
//! Invariants:
//! - what is answered is of the newest block: the index is brought up to it before it is looked at;
//! - the time that counts is the contracts': how a proposal stands is asked of them, never computed here;
//! - nothing is on the chain that was refused, and what was answered as done is in the log.
//!
//! A crash loses nothing but who waited for an answer.

mod answers;
mod forms;
mod index;
mod propose;
mod steps;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use lucid_api::{
    Code, Problem,
    ports::{
        Acted, Answer, ChainCalls, EvmAddress, EvmBytes, EvmCall, LogsFilter, Outcome, Viewed,
    },
};
use lucid_chain::{
    alloy_primitives::{Address, Bytes},
    contracts::{
        Contracts,
        governance::{
            Event, ProposalId, ProposalState, Proposed, Question, Reply, Rules, Standing, Vote,
        },
    },
};
use lucid_core::Hash;
use tokio_util::sync::CancellationToken;

pub use self::propose::proposed;
use self::{
    forms::id_of,
    index::{Index, Record},
    steps::{Step, is_time},
};
use super::problem;

/// How often the chain is looked at while nobody asks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Open proposals are counted every so many times of looking, since time alone ends some.
const COUNT_EVERY: u64 = 5;
/// Open proposals that are looked at to be counted.
const COUNTED_MAX: usize = 300;

/// blockchain-governance.
pub struct LocalGovernance {
    chain: Arc<dyn ChainCalls>,
    index: Mutex<Index>,
    /// Whoever has it brings the index up to date.
    following: tokio::sync::Mutex<()>,
    /// Why the index is not up to date, where it is not.
    away: Mutex<Option<String>>,
    /// Proposals that something can still come of, as they were counted last.
    open: Mutex<Option<u64>>,
}

/// The chain as a question found it.
#[derive(Clone, Copy)]
struct Place {
    chain_id: u64,
    /// The node's account.
    account: Address,
    contracts: Contracts,
    block: u64,
}

impl LocalGovernance {
    /// The service over a chain. It is there once [`run`](Self::run) has read the logs.
    #[must_use]
    pub fn new(chain: Arc<dyn ChainCalls>) -> Self {
        let away = Some("the chain's decisions are being read".to_owned());
        let (index, following) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { chain, index, following, away: Mutex::new(away), open: Mutex::default() }
    }

    /// Follows the chain until `stop`, so that whoever asks finds little left to read.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        for round in 0_u64.. {
            let looking = async {
                let place = self.follow().await?;
                if round.is_multiple_of(COUNT_EVERY) {
                    self.count(&place).await?;
                }
                Ok::<_, Problem>(())
            };
            let Some(looked) = stop.run_until_cancelled(looking).await else { return };
            let why = looked.err().map(|problem| problem.detail);
            let said = std::mem::replace(&mut *lock(&self.away), why.clone());
            match why {
                Some(why) if said.as_ref() != Some(&why) => {
                    tracing::info!(why, "decisions cannot be followed");
                }
                None if said.is_some() => {
                    let proposals = self.index().proposals.len();
                    tracing::info!(proposals, "decisions are followed");
                }
                _ => {}
            }
            if stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_none() {
                return;
            }
        }
    }

    /// Why decisions cannot be followed, where they cannot.
    #[must_use]
    pub fn away(&self) -> Option<String> {
        lock(&self.away).clone()
    }

    /// How many proposals something can still come of, as they were counted some seconds ago.
    #[must_use]
    pub fn open_proposals(&self) -> Option<u64> {
        *lock(&self.open)
    }

    /// Counts the proposals that something can still come of: the newest, where there are very many.
    async fn count(&self, place: &Place) -> Answer<()> {
        let open: Vec<_> = {
            let index = self.index();
            let open = index.proposals.iter().rev().filter(|record| record.is_open());
            open.take(COUNTED_MAX).cloned().collect()
        };
        let standings = self.standings(place, &open).await?;
        let is_open = |standing: &&Standing| standing.state != ProposalState::Defeated;
        *lock(&self.open) = Some(standings.iter().filter(is_open).count() as u64);
        Ok(())
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(|poisoned| {
            // Whoever panicked may have taken up a part of a page: it is made anew.
            let mut index = poisoned.into_inner();
            *index = Index::default();
            self.index.clear_poison();
            index
        })
    }

    /// Brings the index up to the newest block.
    async fn follow(&self) -> Answer<Place> {
        let _following = self.following.lock().await;
        let at = self.chain.place().await?;
        let account = Address::from(at.account.0);
        let contracts = Contracts::of(account);
        let place = Place { chain_id: at.chain_id, account, contracts, block: at.head.number };
        let of = Some((at.chain_id, contracts));
        if self.index().of != of {
            *self.index() = Index::new(at.chain_id, contracts);
        }
        let addresses: Vec<_> =
            contracts.deciding().iter().map(|address| EvmAddress(address.0.0)).collect();
        loop {
            let known = self.index().seen;
            if known == Some((at.head.number, at.head.hash)) {
                return Ok(place);
            }
            let from = known.map_or(0, |(number, _)| number + 1);
            let filter = LogsFilter { addresses: addresses.clone(), from, to: None, known };
            let page = match self.chain.logs(filter).await {
                Ok(page) => page,
                Err(problem) if problem.code == Code::Conflict && known.is_some() => {
                    tracing::warn!(why = problem.detail, "the chain is another: it is read anew");
                    *self.index() = Index::new(at.chain_id, contracts);
                    continue;
                }
                Err(problem) => return Err(problem),
            };
            let Some(until) = page.until else { return Ok(place) };
            let mut index = self.index();
            let taken = page.logs.iter().try_for_each(|log| index.take(&contracts, log));
            if let Err(error) = taken {
                // What was taken up of the page would be taken up again.
                *index = Index::new(at.chain_id, contracts);
                return Err(problem::internal(&error));
            }
            index.seen = Some((until.number, until.hash));
            if !page.more {
                return Ok(Place { block: until.number, ..place });
            }
        }
    }

    /// Asks questions, all of one state.
    async fn ask(&self, questions: Vec<Question>) -> Answer<(Viewed, Vec<Reply>)> {
        let count = questions.len();
        let calls = questions.into_iter().map(|Question { to, input }| EvmCall {
            to: EvmAddress(to.0.0),
            input: EvmBytes(input.0),
        });
        let mut viewed = self.chain.view(calls.collect()).await?;
        let outcomes = std::mem::take(&mut viewed.outcomes);
        let replies = outcomes.into_iter().map(|outcome| match outcome {
            Outcome::Returned(bytes) => Ok(Ok(Bytes::from(bytes.0))),
            Outcome::Reverted(bytes) => Ok(Err(Bytes::from(bytes.0))),
            Outcome::Failed(why) => {
                tracing::error!(why, "a question to a contract failed");
                Err(Problem::internal())
            }
        });
        let replies = replies.collect::<Answer<Vec<_>>>()?;
        match replies.len() == count {
            true => Ok((viewed, replies)),
            false => Err(Problem::new(
                Code::BadGateway,
                "blockchain-vm answered another number of questions than it was asked",
            )),
        }
    }

    async fn rules(&self, place: &Place) -> Answer<Rules> {
        let (_, replies) = self.ask(Rules::ask(&place.contracts).to_vec()).await?;
        let replies = as_many(&replies)?;
        Rules::read(&place.contracts, replies).map_err(|error| problem::internal(&error))
    }

    /// How proposals stand, in their order. What is found to be defeated is remembered.
    async fn standings(&self, place: &Place, records: &[Record]) -> Answer<Vec<Standing>> {
        let questions = records
            .iter()
            .flat_map(|record| Standing::ask(&place.contracts, record.id, record.snapshot));
        let (_, replies) = self.ask(questions.collect()).await?;
        let mut standings = Vec::with_capacity(records.len());
        for (record, replies) in records.iter().zip(replies.chunks(Standing::QUESTIONS)) {
            let standing = Standing::read(&place.contracts, as_many(replies)?)
                .map_err(|error| problem::internal(&error))?;
            if standing.state == ProposalState::Defeated && !record.defeated {
                self.index().defeat(record.id);
            }
            standings.push(standing);
        }
        Ok(standings)
    }

    fn record(&self, id: ProposalId) -> Answer<Record> {
        let index = self.index();
        index.proposal(id).map(|(_, record)| record.clone()).ok_or_else(no_proposal)
    }

    /// A proposal's text and calls, from the log of the block it was made in.
    async fn proposed(&self, place: &Place, record: &Record) -> Answer<Proposed> {
        let block = record.created.block;
        let filter = LogsFilter {
            addresses: vec![EvmAddress(place.contracts.governor.0.0)],
            from: block,
            to: Some(block),
            known: None,
        };
        for log in self.chain.logs(filter).await?.logs {
            let event = index::event(&place.contracts, &log);
            match event.map_err(|error| problem::internal(&error))? {
                Some(Event::Proposed { id, proposed, .. }) if id == record.id => {
                    return Ok(proposed);
                }
                _ => {}
            }
        }
        tracing::error!(id = %record.id, block, "a proposal is not in the block it was made in");
        Err(Problem::internal())
    }

    /// Has the node's account call the governor.
    async fn act(&self, place: &Place, id: ProposalId, input: Bytes) -> Answer<Acted> {
        let to = EvmAddress(place.contracts.governor.0.0);
        let done = self.chain.transact(EvmCall { to, input: EvmBytes(input.0) }).await?;
        let (transaction, block) = (done.hash.to_string(), done.block.number);
        tracing::info!(proposal = %id, transaction, block, "the node acted on a proposal");
        Ok(Acted { proposal: forms::id(id), transaction, block, at: done.block.time })
    }

    /// Does something to a proposal that is there, if it is its time.
    async fn step(
        &self,
        hash: Hash,
        step: Step,
        input: impl FnOnce(&Proposed) -> Bytes,
    ) -> Answer<Acted> {
        let furthers = matches!(step, Step::Vote { for_it: true } | Step::Queue | Step::Execute);
        let place = self.follow().await?;
        let record = self.record(id_of(hash))?;
        let (id, contracts) = (record.id, &place.contracts);
        let standing = Standing::ask(contracts, id, record.snapshot);
        let vote = Vote::ask(contracts, id, record.snapshot, place.account);
        let (viewed, replies) = self.ask([standing.as_slice(), &vote].concat()).await?;
        let (standing, vote) = replies.split_at(Standing::QUESTIONS);
        let standing = Standing::read(contracts, as_many(standing)?)
            .map_err(|error| problem::internal(&error))?;
        let vote = Vote::read(contracts, as_many(vote)?);
        let vote = vote.map_err(|error| problem::internal(&error))?;
        is_time(step, &record, &standing, vote, place.account, viewed.at)?;
        let proposed = self.proposed(&place, &record).await?;
        if let Some(why) = proposed.ends_decisions(contracts).filter(|_| furthers) {
            let detail = format!("this node does nothing for this proposal: {why}");
            return Err(Problem::new(Code::Conflict, detail));
        }
        self.act(&place, id, input(&proposed)).await
    }
}

fn no_proposal() -> Problem {
    Problem::new(Code::NotFound, "there is no such proposal")
}

/// Exactly so many replies.
fn as_many<const N: usize>(replies: &[Reply]) -> Answer<&[Reply; N]> {
    replies.try_into().map_err(|_| Problem::internal())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind it is assigned whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
