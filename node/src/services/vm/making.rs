//! Making blocks: registrations of what was sealed, then what waits in the pool.

use std::{convert::Infallible, sync::Arc};

use lucid_api::ports::ENTRIES_MAX;
use lucid_chain::{
    At, ChainError, LogPosition, Proposal, Unsigned,
    alloy_primitives::Address,
    contracts::{Governance, REGISTRATIONS_MAX},
    logged::block_entries,
};
use lucid_core::{
    EntryIndex, Hash,
    entry::{Entry, SessionSealed},
};

use super::{Parts, Running, VmError};
use crate::context::now;

/// Contracts that a chain begins with.
const CREATIONS: u64 = 5;
/// How decisions are made unless a decision changes it. Long enough for people, and for a node that is
/// away for a night.
const VOTING_DELAY: u32 = 60;
const VOTING_PERIOD: u32 = 3 * 24 * 3600;
const VOTE_EXTENSION: u32 = 24 * 3600;
const QUORUM_PERCENT: u8 = 50;
const TIMELOCK_DELAY: u32 = 24 * 3600;
/// The database is flushed after so many blocks, and when nothing happens: what is not flushed costs a
/// start the time of its execution.
const FLUSH_BLOCKS: u32 = 64;

/// The log as a block sees it, and what was sealed in it since the block before.
struct News {
    position: LogPosition,
    sealed: Vec<(EntryIndex, SessionSealed)>,
    /// There is more, for a later block.
    more: bool,
}

impl Parts {
    /// Makes the first block, where it is not there: before it there is nothing to ask of the chain.
    pub(super) async fn create_contracts(
        self: &Arc<Self>,
        running: &Arc<Running>,
    ) -> Result<(), VmError> {
        while running.chain.head().header.number.0 == 0 {
            self.make_block(running, &mut 0).await?;
        }
        Ok(())
    }

    /// Makes blocks while there is something to put in them, for ever.
    pub(super) async fn make_blocks(
        self: &Arc<Self>,
        running: &Arc<Running>,
    ) -> Result<Infallible, VmError> {
        let mut looked = running.chain.head().header.log_size;
        let mut unflushed = 0;
        loop {
            let Made { made, more } = self.make_block(running, &mut looked).await?;
            unflushed += u32::from(made);
            if unflushed >= FLUSH_BLOCKS || (unflushed > 0 && !made) {
                let parts = Arc::clone(self);
                self.work(move || Ok(parts.database.flush()?)).await?;
                unflushed = 0;
            }
            if !more {
                self.wait().await;
            }
        }
    }

    /// Waits until it may be worth making a block: a transaction came, and others that come with it; or
    /// the log may have grown.
    async fn wait(&self) {
        let tick = self.options.block_time;
        if tokio::time::timeout(tick, self.wake.notified()).await.is_ok() {
            tokio::time::sleep(tick / 4).await;
        }
    }

    /// Makes the next block, if there is something to put in it. `looked` is how far the log is known to
    /// have nothing new.
    async fn make_block(
        self: &Arc<Self>,
        running: &Arc<Running>,
        looked: &mut u64,
    ) -> Result<Made, VmError> {
        let of = Arc::clone(running);
        let account = self.signer.address();
        let nonce = self.work(move || Ok(of.chain.account(account, At::Latest)?.nonce)).await?;
        let news = match nonce < CREATIONS {
            // Nothing is registered before there is where: the first block is of after nothing.
            true => News::none(running),
            false => self.news(running, *looked).await?,
        };
        let (position, more, registered) = (news.position, news.more, news.sealed.len());
        let (parts, of) = (Arc::clone(self), Arc::clone(running));
        let proposal = self.work(move || parts.propose(&of, &news, nonce)).await?;
        let Some(proposal) = proposal else {
            *looked = position.size;
            return Ok(Made { made: false, more });
        };
        self.append(&block_entries(&proposal.block, now())).await?;
        let (number, transactions) = (proposal.block.header.number.0, proposal.block.body.len());
        let (parts, of) = (Arc::clone(self), Arc::clone(running));
        let applied = self.work(move || {
            of.chain.apply(proposal)?;
            let nonce = |account: Address| Ok(of.chain.account(account, At::Latest)?.nonce);
            Ok(parts.waiting().prune::<ChainError>(nonce)?)
        });
        applied.await?;
        *looked = position.size;
        tracing::debug!(number, transactions, registered, "a block");
        Ok(Made { made: true, more: true })
    }

    /// What the log has since the head, from `looked` on: at most as many sessions as fit a block.
    async fn news(&self, running: &Running, looked: u64) -> Result<News, VmError> {
        let head = self.log.head().await?;
        let mut sealed = Vec::new();
        let mut next = looked.max(running.chain.head().header.log_size);
        while next < head.size {
            let left = head.size - next;
            let limit = u32::try_from(left).unwrap_or(ENTRIES_MAX).min(ENTRIES_MAX);
            let page = self.log.entries(EntryIndex(next), limit).await?;
            let Some(last) = page.last().map(|entry| entry.index) else {
                let why = format!("the log has {} entries, and none from {next} on", head.size);
                return Err(VmError::Broken(why));
            };
            for entry in page {
                // Most entries are of other kinds, which need not be understood.
                if !entry.entry.contains(SessionSealed::KIND) {
                    continue;
                }
                let index = entry.index;
                match Entry::parse(entry.entry.as_bytes()) {
                    Ok(Entry::SessionSealed(entry)) => sealed.push((EntryIndex(index), entry)),
                    Ok(_) => {}
                    Err(error) => {
                        let why = format!("entry {index} of the log: {error}");
                        return Err(VmError::Broken(why));
                    }
                }
                if sealed.len() == REGISTRATIONS_MAX {
                    let root = self.log.consistency(index + 1, head.size).await?.from_root;
                    let position = LogPosition { size: index + 1, root };
                    return Ok(News { position, sealed, more: index + 1 < head.size });
                }
            }
            next = last + 1;
        }
        let position = LogPosition { size: head.size, root: head.root };
        Ok(News { position, sealed, more: false })
    }

    /// The next block over `news`, whose own transactions begin with `nonce`; nothing where it would be
    /// empty.
    fn propose(
        &self,
        running: &Running,
        news: &News,
        nonce: u64,
    ) -> Result<Option<Proposal>, VmError> {
        let own = self.own(running, news, nonce)?;
        let count = own.len();
        let mut candidates: Vec<_> = own.into_iter().map(|own| self.signer.sign(own)).collect();
        let of = |account: Address| Ok(running.chain.account(account, At::Latest)?.nonce);
        candidates.extend(self.waiting().candidates::<ChainError>(of)?);
        if candidates.is_empty() {
            return Ok(None);
        }
        let proposal = running.chain.propose(now(), news.position, candidates)?;
        self.check(&proposal, count)?;
        Ok((!proposal.block.body.is_empty()).then_some(proposal))
    }

    /// What the node itself puts into the next block: the contracts into the first, registrations into
    /// every later one.
    fn own(&self, running: &Running, news: &News, first: u64) -> Result<Vec<Unsigned>, VmError> {
        let Running { chain, contracts, .. } = running;
        let account = self.signer.address();
        if first < CREATIONS {
            let log_key = self.log_key.get().copied();
            let log_key =
                log_key.ok_or_else(|| VmError::Broken("the log has no key".to_owned()))?;
            let creations = contracts.creations(account, &self.governance(log_key))?;
            let creations = (0..).zip(creations);
            let missing = creations.filter(|(nonce, _)| *nonce >= first);
            let creation = |(nonce, input)| {
                let call = Unsigned::call(chain.chain_id(), nonce, account, input);
                Unsigned { to: None, ..call }
            };
            return Ok(missing.map(creation).collect());
        }
        let registrations = (first..)
            .zip(&news.sealed)
            .map(|(nonce, (index, sealed))| contracts.registration(chain, nonce, *index, sealed));
        Ok(registrations.collect())
    }

    fn governance(&self, log_key: Hash) -> Governance {
        Governance {
            nodes: vec![(self.signer.address(), log_key)],
            voting_delay: VOTING_DELAY,
            voting_period: VOTING_PERIOD,
            vote_extension: VOTE_EXTENSION,
            quorum_percent: QUORUM_PERCENT,
            timelock_delay: TIMELOCK_DELAY,
        }
    }

    /// Holds a proposal to what a block must do: the node's own transactions are all in it, first, and went
    /// well. What of others is useless is forgotten.
    fn check(&self, proposal: &Proposal, own: usize) -> Result<(), VmError> {
        let account = self.signer.address();
        let mut waiting = self.waiting();
        for (tx, error) in &proposal.left_out {
            if tx.sender() == account && waiting.get(tx.hash()).is_none() {
                let why = format!("the node's own transaction {} is not taken: {error}", tx.hash());
                return Err(VmError::Broken(why));
            }
            if !error.is_temporary() {
                tracing::info!(hash = %tx.hash(), %error, "a waiting transaction is dropped");
                waiting.remove(tx.hash());
            }
        }
        let failed = proposal.receipts.iter().take(own).position(|receipt| !receipt.success);
        match failed {
            Some(place) => {
                let number = proposal.block.header.number;
                let why = format!("transaction {place} of block {number}, the node's own, fails");
                Err(VmError::Broken(why))
            }
            None => Ok(()),
        }
    }
}

impl News {
    /// None, as of the head.
    fn none(running: &Running) -> Self {
        let header = running.chain.head().header;
        let position = LogPosition { size: header.log_size, root: header.log_root };
        Self { position, sealed: Vec::new(), more: true }
    }
}

/// What came of looking for something to put in a block.
struct Made {
    made: bool,
    /// There may be more at once.
    more: bool,
}
