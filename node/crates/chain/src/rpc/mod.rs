//! Ethereum's JSON-RPC (execution API specification, EIP-1474) over the chain, without a transport.
//!
//! This module owns the names and forms of JSON-RPC: reading calls strictly, and writing answers in the
//! forms that ethers, viem and web3.py read. It leaves to the [`Host`] the pool, the clock and making
//! blocks, and to whoever calls [`Rpc::answer`] the transport, who may call, and how often. It keeps
//! filters, in memory: after a crash a client gets "filter not found" and makes them anew, as with geth.
//!
//! Where this chain differs from Ethereum, the answers say so in Ethereum's terms:
//!
//! - a block's `hash` and `parentHash` are SHA-256 of the header's canonical JSON, `transactionsRoot` and
//!   `receiptsRoot` are RFC 6962 roots over SHA-256; no client recomputes them. `stateRoot` and
//!   transactions' hashes are Ethereum's;
//! - `mixHash` is the parent's hash, as `PREVRANDAO` is; there are no uncles, withdrawals or blobs;
//! - "latest", "safe" and "finalized" are the head: a block that was made stays. "pending" is the state
//!   after the head at the present time; there is no pending block, so where a block is asked for it is
//!   the head;
//! - the state is kept for recent blocks, and older ones are refused as by a node that prunes.
//!
//! Every answer is bounded: see [`BODY_BYTES_MAX`], [`BATCH_CALLS_MAX`], [`ANSWER_BYTES_MAX`],
//! [`ANSWER_MILLIS_MAX`], and the chain's own bounds on calls, logs and traces.

mod blocks;
mod call;
mod caller;
mod error;
mod fees;
mod filters;
mod forms;
mod frame;
mod json;
mod logs;
mod methods;
mod params;
mod state;
#[cfg(test)]
mod tests;
mod trace;

use std::{io::Write, sync::Arc};

use alloy_primitives::{Address, B256};
use lucid_core::Timestamp;
use serde::Serialize;
use serde_json::Value;

pub use self::caller::Caller;
use self::{
    caller::Asked,
    error::RpcError,
    filters::Filters,
    frame::Request,
    json::Json,
    params::{BlockId, Params, Tag},
};
use crate::{At, BlockNumber, Chain, ChainError, Patience, Transaction, TxError};

/// The longest text that is read, bytes: a batch of the eight largest transactions, in hex.
pub const BODY_BYTES_MAX: usize = 2 << 20;
/// Calls in a batch, as many as ethers puts into one by itself.
pub const BATCH_CALLS_MAX: usize = 100;
/// The longest answer, bytes, and all answers of a batch together: the largest are the most logs with
/// the most data, some 40 MB. A batch may exceed it by one refusal for each call that is left.
pub const ANSWER_BYTES_MAX: usize = 48 << 20;
/// How long a call or a batch is computed, milliseconds (geth's `--rpc.evmtimeout`, for one call). After that
/// no call of a batch is begun, and none goes on to its next step, such as the next block of logs.
pub const ANSWER_MILLIS_MAX: u64 = 5000;
/// The longest text that [`is_light`] looks at, bytes.
const LIGHT_BYTES_MAX: usize = 1024;

/// Room that a batch has before its next call is begun: a call that changes something answers less, so that
/// none is done and then answered as refused.
const SMALL_ANSWER_BYTES: usize = 1024;

/// What the methods need beside the chain: the pool, the clock, and the wake-up of who makes blocks.
pub trait Host: Send + Sync {
    /// Puts a transaction into the pool and wakes who makes blocks.
    ///
    /// # Errors
    /// [`TxError`], the pool's. Its words are shown to the client: what is wrong with the database is not
    /// among them.
    fn submit(&self, tx: Transaction) -> Result<(), TxError>;

    /// A transaction that waits in the pool.
    fn waiting(&self, hash: B256) -> Option<Transaction>;

    /// The nonce after the account's waiting transactions, from `account_nonce` on ("pending").
    fn next_nonce(&self, sender: Address, account_nonce: u64) -> u64;

    /// The present time.
    fn now(&self) -> Timestamp;

    /// Name and version of the node: `Lucid/v0.1.0`.
    fn client_version(&self) -> String;
}

/// The methods over a chain.
pub struct Rpc {
    chain: Arc<Chain>,
    host: Arc<dyn Host>,
    filters: Filters,
}

/// A result, written as JSON.
type Answer = Vec<u8>;

impl Rpc {
    /// The methods over `chain`. `filter_secret` is random and kept by nobody: filters' ids are derived
    /// from it, so that no client guesses another's.
    #[must_use]
    pub fn new(chain: Arc<Chain>, host: Arc<dyn Host>, filter_secret: [u8; 32]) -> Self {
        Self { chain, host, filters: Filters::new(filter_secret) }
    }

    /// [`answer_to`](Self::answer_to) somebody without a name.
    #[must_use]
    pub fn answer(&self, body: &[u8]) -> Option<Vec<u8>> {
        self.answer_to(Caller::named(""), body)
    }

    /// Answers a JSON-RPC text: one call or a batch. Nothing is answered where there are only
    /// notifications. What is wrong with the text is answered too: this never fails.
    ///
    /// It computes for up to [`ANSWER_MILLIS_MAX`] and one step more, such as one transaction: not for the
    /// threads of an async runtime.
    #[must_use]
    pub fn answer_to(&self, caller: Caller, body: &[u8]) -> Option<Vec<u8>> {
        let until = self.host.now().unix_millis().saturating_add(ANSWER_MILLIS_MAX);
        let asked = Asked { caller, until: Timestamp::from_unix_millis(until) };
        let refused = |error| Some(frame::answer(&Value::Null, Err(error)));
        if body.len() > BODY_BYTES_MAX {
            let why = format!("{} bytes, and {BODY_BYTES_MAX} is the most", body.len());
            return refused(RpcError::invalid_request(why));
        }
        match Json::parse(body) {
            Err(error) => refused(RpcError::parse(&error)),
            Ok(Json::List(calls)) if calls.is_empty() => {
                refused(RpcError::invalid_request("an empty batch"))
            }
            Ok(Json::List(calls)) if calls.len() > BATCH_CALLS_MAX => {
                let why = format!("{} calls, and {BATCH_CALLS_MAX} is the most", calls.len());
                refused(RpcError::invalid_request(format!("batch too large: {why}")))
            }
            Ok(Json::List(calls)) => self.batch(calls, asked),
            Ok(call) => one(call, |call| self.call(call, asked)),
        }
    }

    /// Tells the filters of pending transactions about one that came into the pool another way than by
    /// `eth_sendRawTransaction`.
    pub fn announce(&self, hash: B256) {
        self.filters.announce(hash);
    }

    fn batch(&self, calls: Vec<Json>, asked: Asked) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        for call in calls {
            let room = ANSWER_BYTES_MAX.saturating_sub(text.len());
            let answer = one(call, |call| {
                if self.is_over(asked) {
                    return Err(RpcError::limit(format_args!(
                        "the batch took more than {ANSWER_MILLIS_MAX} ms: send the rest again"
                    )));
                }
                let too_long = || {
                    RpcError::limit(format_args!(
                        "the batch's answers exceed {ANSWER_BYTES_MAX} bytes: send the rest again"
                    ))
                };
                if room < SMALL_ANSWER_BYTES {
                    return Err(too_long());
                }
                self.call(call, asked).and_then(|answer| match answer.len() <= room {
                    true => Ok(answer),
                    false => Err(too_long()),
                })
            });
            if let Some(answer) = answer {
                text.push(if text.is_empty() { b'[' } else { b',' });
                text.extend_from_slice(&answer);
            }
        }
        if text.is_empty() {
            return None;
        }
        text.push(b']');
        Some(text)
    }

    fn call(
        &self,
        Request { method, params, .. }: Request,
        asked: Asked,
    ) -> Result<Answer, RpcError> {
        let run = methods::find(&method).ok_or_else(|| RpcError::no_method(&method))?;
        run(self, Params::new(params, asked))
    }

    /// Whether the time for an answer is over.
    fn is_over(&self, asked: Asked) -> bool {
        self.host.now() > asked.until
    }

    /// Does what is to stop when the time for the answer is over.
    fn in_time<T>(&self, asked: Asked, work: impl FnOnce(Patience<'_>) -> T) -> T {
        work(Patience::until(&|| self.is_over(asked)))
    }

    /// The number of a block that is there or not.
    fn number(&self, tag: Tag) -> BlockNumber {
        match tag {
            Tag::Latest | Tag::Pending => self.chain.head().header.number,
            Tag::Number(number) => number,
        }
    }

    /// The number of the block with this hash.
    fn number_of(&self, hash: B256) -> Result<Option<BlockNumber>, ChainError> {
        self.chain.number_of(lucid_core::Hash(hash.0))
    }

    /// The state that a question is about.
    fn at(&self, block: BlockId) -> Result<At, RpcError> {
        Ok(match block {
            BlockId::Tag(Tag::Latest) => At::Latest,
            BlockId::Tag(Tag::Pending) => At::Pending(self.host.now()),
            BlockId::Tag(Tag::Number(number)) => At::Number(number),
            BlockId::Hash(hash) => {
                let number = self.number_of(hash)?;
                At::Number(number.ok_or_else(|| {
                    RpcError::not_found(format!("header for hash not found: {hash}"))
                })?)
            }
        })
    }
}

/// Whether a text is one call that reads a few rows and executes nothing, so that it need not wait behind
/// those that compute. It looks at short texts alone, and takes some microseconds.
#[must_use]
pub fn is_light(body: &[u8]) -> bool {
    if body.len() > LIGHT_BYTES_MAX {
        return false;
    }
    let Ok(Json::Object(fields)) = Json::parse(body) else { return false };
    fields.iter().any(|(name, value)| {
        name == "method" && matches!(value, Json::Text(method) if methods::is_light(method))
    })
}

/// Answers one value that should be a call; `run` gives the result.
fn one(call: Json, run: impl FnOnce(Request) -> Result<Answer, RpcError>) -> Option<Vec<u8>> {
    match Request::read(call) {
        Err((id, error)) => Some(frame::answer(&id, Err(error))),
        Ok(mut request) => match request.id.take() {
            Some(id) => Some(frame::answer(&id, run(request))),
            None => {
                // Nobody wants to know what became of it, good or bad (JSON-RPC 2.0, 4.1).
                let _unasked = run(request);
                None
            }
        },
    }
}

/// Writes a result.
fn write(result: &impl Serialize) -> Result<Answer, RpcError> {
    let mut text = Bounded(Vec::new());
    serde_json::to_writer(&mut text, result).map_err(|_| {
        // Every form here serialises: what fails is the room.
        RpcError::limit(format_args!("the answer exceeds {ANSWER_BYTES_MAX} bytes: ask for less"))
    })?;
    Ok(text.0)
}

/// Text that does not outgrow [`ANSWER_BYTES_MAX`].
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > ANSWER_BYTES_MAX {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
