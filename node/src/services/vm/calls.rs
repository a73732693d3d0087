//! What services of the node ask of the chain's contracts, and say to them.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use lucid_api::{
    Code, Problem,
    ports::{
        Answer, BlockPlace, CALLDATA_BYTES_MAX, ChainCalls, ChainPlace, EvmAddress, EvmBytes,
        EvmCall, EvmLog, EvmWord, LOG_ADDRESSES_MAX, LogsFilter, LogsPage, Outcome, Transacted,
        VIEW_CALLS_MAX, Viewed,
    },
};
use lucid_chain::{
    At, BlockNumber, CALL_GAS_MAX, Call, CallError, Chain, ChainError, Head, Header,
    LOG_BLOCKS_MAX, LogEntry, LogFilter, LogPlace, Patience,
    alloy_primitives::{Address, Bytes},
    contracts::governance::refusal,
};
use lucid_core::{Hash, Timestamp};

use super::{LocalVm, Running};
use crate::{context::now, services::problem};

/// Gas of one call that changes nothing: the largest, all parameters or a thousand members, takes a tenth.
const VIEW_GAS_MAX: u64 = 30_000_000;
/// A transaction is in a block in this time, or whoever waits is told to look later.
const BLOCK_TIME_MAX: Duration = Duration::from_secs(30);
/// So long logs are looked for, for one answer.
const LOGS_TIME: Duration = Duration::from_secs(5);
/// Gas beyond the estimate: the state may change before the block, as when the vote before it makes the
/// quorum, which costs the next one some thousands more.
const GAS_MARGIN: u64 = 100_000;

pub(super) fn place_of(hash: Hash, header: &Header) -> BlockPlace {
    BlockPlace { number: header.number.0, hash, time: header.time }
}

fn place(head: &Head) -> BlockPlace {
    place_of(head.hash, &head.header)
}

fn bytes(bytes: Bytes) -> EvmBytes {
    EvmBytes(bytes.0)
}

/// A call's problem where it is not its contract's refusal.
fn of_chain(error: &ChainError) -> Problem {
    problem::internal(error)
}

/// A call that somebody makes at a time, in what would be the next block.
fn asked(from: Address, call: EvmCall) -> Call {
    let to = Some(Address::from(call.to.0));
    Call { from, to, input: call.input.0.into(), ..Call::default() }
}

/// A contract's refusal of the node's own call, in words.
pub(super) fn refused(data: &Bytes) -> Problem {
    Problem::new(Code::Conflict, refusal(data))
}

impl Running {
    fn view(&self, calls: Vec<EvmCall>, at: Timestamp) -> Answer<Viewed> {
        let asked = calls.into_iter().map(|call| {
            let gas = Some(VIEW_GAS_MAX.min(CALL_GAS_MAX));
            Call { gas, ..asked(Address::ZERO, call) }
        });
        let asked: Vec<_> = asked.collect();
        let called = self.chain.call_all(&asked, At::Pending(at));
        let (head, outcomes) = called.map_err(|error| of_chain(&error))?;
        let outcomes = outcomes.into_iter().map(|outcome| match outcome {
            Ok(called) => Outcome::Returned(bytes(called.output)),
            Err(CallError::Reverted { data, .. }) => Outcome::Reverted(bytes(data)),
            Err(error) => Outcome::Failed(error.to_string()),
        });
        let outcomes = outcomes.collect();
        Ok(Viewed { at: at.max(head.header.time), head: place(&head), outcomes })
    }

    fn logs(&self, filter: &LogsFilter) -> Answer<LogsPage> {
        let head = self.chain.head().header.number.0;
        if let Some((number, hash)) = filter.known
            && (number > head || header(&self.chain, number)?.0 != hash)
        {
            let detail = format!("block {number} of this chain is not {hash}");
            return Err(Problem::new(Code::Conflict, detail));
        }
        let last = filter.to.unwrap_or(head).min(head);
        if filter.from > last {
            return Ok(LogsPage { logs: Vec::new(), until: None, more: false });
        }
        let mut to = last.min(filter.from.saturating_add(LOG_BLOCKS_MAX - 1));
        let addresses = filter.addresses.iter().map(|address| Address::from(address.0)).collect();
        let wanted = LogFilter { addresses, topics: Vec::new() };
        let began = Instant::now();
        let is_over = || began.elapsed() > LOGS_TIME;
        let mut patience = Patience::until(&is_over);
        let found = loop {
            let (from, last) = (BlockNumber(filter.from), BlockNumber(to));
            match self.chain.logs_within(from, last, &wanted, patience) {
                Ok(found) => break found,
                // Fewer blocks, then; of one that has more alone, all.
                Err(
                    ChainError::TooManyLogs { number, .. } | ChainError::LogsTooLong { number, .. },
                ) if number.0 > filter.from => to = number.0 - 1,
                Err(ChainError::TooManyLogs { .. } | ChainError::LogsTooLong { .. }) => {
                    to = filter.from;
                    break self.logs_of(BlockNumber(to), &wanted)?;
                }
                Err(ChainError::OutOfTime { number }) => {
                    // Half as much takes no more than the time that there was.
                    to = filter.from + number.0.saturating_sub(filter.from) / 2;
                    patience = Patience::ENDLESS;
                }
                Err(error) => return Err(of_chain(&error)),
            }
        };
        let logs = self.timed(found)?;
        let (hash, header) = header(&self.chain, to)?;
        Ok(LogsPage { logs, until: Some(place_of(hash, &header)), more: to < last })
    }

    /// All logs of a block, whose gas bounds them.
    fn logs_of(&self, number: BlockNumber, wanted: &LogFilter) -> Answer<Vec<LogEntry>> {
        let (mut found, mut next) = (Vec::new(), Some(LogPlace::first_of(number)));
        while let Some(place) = next {
            let part = self.chain.logs_part(place, number, wanted, Patience::ENDLESS);
            let part = part.map_err(|error| of_chain(&error))?;
            found.extend(part.logs);
            next = part.next;
        }
        Ok(found)
    }

    /// Logs with the times of their blocks.
    fn timed(&self, found: Vec<LogEntry>) -> Answer<Vec<EvmLog>> {
        let mut times = BTreeMap::new();
        let mut logs = Vec::with_capacity(found.len());
        for entry in found {
            let block = entry.number.0;
            let time = match times.get(&block) {
                Some(time) => *time,
                None => {
                    let time = header(&self.chain, block)?.1.time;
                    times.insert(block, time);
                    time
                }
            };
            let (topics, data) = entry.log.data.split();
            logs.push(EvmLog {
                block,
                time,
                transaction: EvmWord(entry.transaction_hash.0),
                address: EvmAddress(entry.log.address.0.0),
                topics: topics.into_iter().map(|topic| EvmWord(topic.0)).collect(),
                data: bytes(data),
            });
        }
        Ok(logs)
    }

    /// Tries a call of the node's; gives how much gas it is to have.
    fn tried(&self, call: &Call, at: Timestamp) -> Answer<u64> {
        match self.chain.estimate_gas(call, At::Pending(at)) {
            Ok(gas) => Ok((gas + gas / 4 + GAS_MARGIN).min(CALL_GAS_MAX)),
            Err(CallError::Reverted { data, .. }) => Err(refused(&data)),
            Err(CallError::Chain(error)) => Err(of_chain(&error)),
            Err(error) => {
                let detail = format!("it cannot be carried out: {error}");
                Err(Problem::new(Code::Conflict, detail))
            }
        }
    }
}

fn header(chain: &Chain, number: u64) -> Answer<(Hash, Header)> {
    chain.header(BlockNumber(number)).map_err(|error| of_chain(&error))
}

#[async_trait]
impl ChainCalls for LocalVm {
    async fn place(&self) -> Answer<ChainPlace> {
        let running = self.parts.running()?;
        Ok(ChainPlace {
            chain_id: running.chain.chain_id().0,
            account: EvmAddress(self.parts.signer.address().0.0),
            head: place(&running.chain.head()),
        })
    }

    async fn view(&self, calls: Vec<EvmCall>) -> Answer<Viewed> {
        if calls.len() > VIEW_CALLS_MAX {
            let detail = format!("at most {VIEW_CALLS_MAX} calls are made at once");
            return Err(Problem::new(Code::InvalidRequest, detail));
        }
        let running = self.parts.running()?;
        self.pool.run(move || running.view(calls, now())).await
    }

    async fn logs(&self, filter: LogsFilter) -> Answer<LogsPage> {
        if !(1..=LOG_ADDRESSES_MAX).contains(&filter.addresses.len()) {
            let detail = format!("logs are asked of 1 to {LOG_ADDRESSES_MAX} addresses");
            return Err(Problem::new(Code::InvalidRequest, detail));
        }
        let running = self.parts.running()?;
        self.pool.run(move || running.logs(&filter)).await
    }

    async fn transact(&self, call: EvmCall) -> Answer<Transacted> {
        let running = self.parts.running()?;
        if call.to.0 != running.contracts.governor.0.0 {
            let detail = "the node's account speaks to the governor, and to nobody else";
            return Err(Problem::new(Code::Forbidden, detail));
        }
        if call.input.0.len() > CALLDATA_BYTES_MAX {
            let detail =
                format!("it is too long: a transaction has at most {CALLDATA_BYTES_MAX} bytes");
            return Err(Problem::new(Code::InvalidRequest, detail));
        }
        let call = asked(self.parts.signer.address(), call);
        let (to, input) = (running.contracts.governor, call.input.clone());
        let gas_limit = self.pool.run(move || running.tried(&call, now())).await?;
        let ended = self.parts.own.push(to, input, gas_limit)?;
        self.parts.wake.notify_one();
        match tokio::time::timeout(BLOCK_TIME_MAX, ended).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Problem::new(Code::Unavailable, "the node is stopping")),
            Err(_) => Err(Problem::new(
                Code::ServiceTimeout,
                "the transaction is in no block yet: look whether it was done before you ask again",
            )),
        }
    }
}
