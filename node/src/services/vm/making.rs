//! Making blocks: registrations of what was sealed, then what the node itself has to say, then what waits in
//! the pool.

use std::{
    collections::HashMap,
    convert::Infallible,
    mem,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use lucid_api::{
    Code, Problem,
    ports::{Answer, ENTRIES_MAX, EvmWord, Transacted},
};
use lucid_chain::{
    At, Call, CallError, ChainError, LogPosition, Proposal, TxError, Unsigned,
    alloy_primitives::{Address, B256, keccak256},
    contracts::{CREATIONS, REGISTRATIONS_MAX},
    logged::{block_entries, parameters_entry},
};
use lucid_core::{
    EntryIndex, Parameters,
    entry::{Entry, SessionSealed},
};

use super::{
    PAUSE, Parts, Running, VmError,
    allowance::{LOOK_AGAIN, Offered},
    calls::refused,
    clock,
    own::{Calls, Ended, OwnCall, Said, ended},
};
use crate::context::now;

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

    /// Makes blocks while there is something to put in them, for ever. One that is made shortens the next `pause`.
    pub(super) async fn make_blocks(
        self: &Arc<Self>,
        running: &Arc<Running>,
        pause: &mut Duration,
    ) -> Result<Infallible, VmError> {
        let mut looked = running.chain.head().header.log_size;
        let mut unflushed = 0;
        let (mut looked_for_room, mut was_ahead) = (None, false);
        loop {
            if self.is_altered.load(Ordering::Relaxed) {
                return Err(VmError::Altered);
            }
            *self.looked() = Some(looked);
            self.look_for_room(&mut looked_for_room).await?;
            let ahead = clock::ahead(now(), running.chain.head().header.time);
            if let Some(why) = &ahead
                && !was_ahead
            {
                tracing::warn!(why, "blocks are dated ahead of the clock");
            }
            was_ahead = ahead.is_some();
            let Made { made, more } = self.make_block(running, &mut looked).await?;
            if made {
                *pause = PAUSE;
            }
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
        let next = self.work(move || parts.propose(&of, &news, nonce)).await?;
        let Some(Next { proposal, parameters, calls, others }) = next else {
            *self.held_back() = None;
            *looked = position.size;
            return Ok(Made { made: false, more });
        };
        if self.is_held_back(running).await? {
            tokio::time::sleep(LOOK_AGAIN).await;
            return Ok(Made { made: false, more: false });
        }
        let mut entries = block_entries(&proposal.block, now());
        let header = &proposal.block.header;
        entries.extend(parameters.map(|parameters| parameters_entry(header, parameters, now())));
        let index = self.append(&entries).await?;
        let (number, transactions) = (proposal.block.header.number.0, proposal.block.body.len());
        let (parts, of) = (Arc::clone(self), Arc::clone(running));
        let applied = self.work(move || {
            let ended = ended(&proposal, calls);
            // Before anybody can ask for it.
            of.places.put(proposal.block.header.number, index, &proposal.receipts)?;
            of.chain.apply(proposal)?;
            if let Some(parameters) = parameters {
                check_parameters(&of, parameters)?;
            }
            for (call, ended) in ended {
                parts.own.end(call.ticket, parts.told(&of, &call, &ended));
            }
            parts.allowance().charge(others, Instant::now());
            let account = |account: Address| of.chain.account(account, At::Latest);
            Ok(parts.waiting().prune::<ChainError>(account)?)
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
    fn propose(&self, running: &Running, news: &News, nonce: u64) -> Result<Option<Next>, VmError> {
        let required = self.own(running, news, nonce)?;
        let count = required.len();
        let mut candidates: Vec<_> =
            required.into_iter().map(|own| self.signer.sign(own)).collect();
        let mut said = Vec::new();
        // Before there are contracts there is nothing to say to them.
        let waiting = if nonce < CREATIONS { Vec::new() } else { self.own.waiting() };
        for (nonce, call) in (nonce + count as u64..).zip(waiting) {
            let unsigned =
                Unsigned::call(running.chain.chain_id(), nonce, call.to, call.input.clone());
            let signed = self.signer.sign(Unsigned { gas_limit: call.gas_limit, ..unsigned });
            said.push((call, signed.hash()));
            candidates.push(signed);
        }
        let others = self.of_others(running)?;
        let (others, offered): (Vec<_>, Vec<_>) = others.into_iter().unzip();
        candidates.extend(others);
        if candidates.is_empty() {
            return Ok(None);
        }
        let proposal = running.chain.propose(now(), news.position, candidates)?;
        let calls = Calls { required: count, said: self.let_go(&proposal, said) };
        self.check(&proposal, &calls)?;
        if proposal.block.body.is_empty() {
            return Ok(None);
        }
        let parameters = running.contracts.parameters_after(&running.chain, &proposal.receipts)?;
        let others = match offered.is_empty() {
            true => offered,
            false => included(offered, &proposal),
        };
        Ok(Some(Next { proposal, parameters, calls, others }))
    }

    /// Which of the node's own calls are in a proposal. One that is left out for good is told so; others
    /// wait on.
    fn let_go(&self, proposal: &Proposal, said: Vec<(OwnCall, B256)>) -> Vec<Said> {
        let said = said.into_iter().map(|(call, hash)| {
            let left_out = proposal.left_out.iter().find(|(tx, _)| tx.hash() == hash);
            if let Some((_, error)) = left_out
                && !matches!(error, TxError::BlockFull | TxError::NonceTooHigh { .. })
            {
                tracing::warn!(%hash, %error, "a call of the node's own is not taken");
                let detail = format!("the node's transaction is not taken: {error}");
                self.own.end(call.ticket, Err(Problem::new(Code::Conflict, detail)));
            }
            Said { call, hash, included: left_out.is_none() }
        });
        said.collect()
    }

    /// What to tell whoever waits for a call that is in a block which is the head now.
    fn told(&self, running: &Running, call: &OwnCall, ended: &Ended) -> Answer<Transacted> {
        let Ended { hash, block, gas_used, success } = *ended;
        if success {
            return Ok(Transacted { hash: EvmWord(hash.0), block, gas_used });
        }
        // It went well when it was tried: something in between changed that.
        let (from, to, input) = (self.signer.address(), Some(call.to), call.input.clone());
        let again = Call { from, to, input, ..Call::default() };
        match running.chain.call(&again, At::Latest) {
            Err(CallError::Reverted { data, .. }) => Err(refused(&data)),
            _ => {
                let detail = format!(
                    "the transaction failed in block {}: what it relies on changed just before it; look, \
                     and ask again",
                    block.number
                );
                Err(Problem::new(Code::Conflict, detail))
            }
        }
    }

    /// What the node itself must put into the next block: the contracts into the first, registrations into
    /// every later one.
    fn own(&self, running: &Running, news: &News, first: u64) -> Result<Vec<Unsigned>, VmError> {
        let Running { chain, contracts, .. } = running;
        let account = self.signer.address();
        if first < CREATIONS {
            let log_key = self.log_key.get().copied();
            let log_key =
                log_key.ok_or_else(|| VmError::Broken("the log has no key".to_owned()))?;
            let governance = self.governance(log_key)?;
            let creations = contracts.creations(account, &governance, &self.options.parameters)?;
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

    /// Holds a proposal to what a block must do: what the node must say is all in it, first, and went well.
    /// What of others is useless is forgotten.
    fn check(&self, proposal: &Proposal, own: &Calls) -> Result<(), VmError> {
        let account = self.signer.address();
        let mut waiting = self.waiting();
        for (tx, error) in &proposal.left_out {
            if own.said.iter().any(|said| said.hash == tx.hash()) {
                continue;
            }
            if tx.sender() == account && waiting.get(tx.hash()).is_none() {
                let why = format!("the node's own transaction {} is not taken: {error}", tx.hash());
                return Err(VmError::Broken(why));
            }
            if !error.is_temporary() {
                tracing::info!(hash = %tx.hash(), %error, "a waiting transaction is dropped");
                waiting.remove(tx.hash());
            }
        }
        let failed =
            proposal.receipts.iter().take(own.required).position(|receipt| !receipt.success);
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

/// The next block, what the parameters are after it where it changes them, and the node's own calls for it.
struct Next {
    proposal: Proposal,
    parameters: Option<Parameters>,
    calls: Calls,
    /// What of others is in it.
    others: Vec<Offered>,
}

/// Which of those that were offered are in a proposal, with what they used.
fn included(offered: Vec<Offered>, proposal: &Proposal) -> Vec<Offered> {
    let mut before = 0;
    let used = proposal.block.body.iter().zip(&proposal.receipts).map(|(raw, receipt)| {
        let until = receipt.cumulative_gas_used;
        (keccak256(raw), until.saturating_sub(mem::replace(&mut before, until)))
    });
    let used: HashMap<_, _> = used.collect();
    let used = |offered: Offered| used.get(&offered.hash).map(|gas| offered.used(*gas));
    offered.into_iter().filter_map(used).collect()
}

/// Holds what the log was told of parameters against what the state says.
fn check_parameters(running: &Running, logged: Parameters) -> Result<(), VmError> {
    match running.contracts.parameters(&running.chain)? == logged {
        true => Ok(()),
        false => {
            let number = running.chain.head().header.number;
            let why = format!("after block {number} the parameters are not what the log says");
            Err(VmError::Broken(why))
        }
    }
}

/// What came of looking for something to put in a block.
struct Made {
    made: bool,
    /// There may be more at once.
    more: bool,
}
