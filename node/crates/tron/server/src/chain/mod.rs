//! The chain: blocks, the pool before them, the state after them.
//!
//! Pure: time passes when a block is made, and nothing here waits or locks.

pub(crate) mod apply;
pub(crate) mod block;
pub(crate) mod check;
pub(crate) mod contract;
pub(crate) mod info;
pub(crate) mod journal;
pub(crate) mod refusal;
pub(crate) mod script;
pub(crate) mod state;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use self::{
    apply::Place,
    block::{Block, WITNESSES_SOLID},
    check::{Action, BLOCK_MS},
    info::Info,
    journal::{Entry, Event, Journal},
    refusal::{Code, Refusal},
    state::State,
};
use crate::{
    message::{CONTRACT_RESULTS, CONTRACT_TYPES, Ret, Transaction, name},
    rules::{Energy, Fees, Rules},
};

/// Blocks there are at the start, so that some are solid.
const BLOCKS_AT_START: i64 = 30;
/// More transactions than this do not wait (java-tron, `node.maxTransactionPendingSize`).
const POOL_MAX: usize = 2_000;
/// Most bytes of transactions in a block (java-tron, `ChainConstant.BLOCK_SIZE`).
const BLOCK_BYTES_MAX: usize = 2_000_000;
/// Refusals that are remembered.
const REFUSALS_MAX: usize = 1_000;

/// The chain.
pub(crate) struct Chain {
    pub(crate) fees: Fees,
    pub(crate) energy: Energy,
    solid_after: Option<u64>,
    /// By number; never empty.
    blocks: Vec<Block>,
    solid: u64,
    /// What waits, with how it would end.
    pool: VecDeque<(Transaction, Info)>,
    /// The state after all that waits.
    pending: Arc<State>,
    /// When the next block is made, in milliseconds of the chain.
    clock_ms: i64,
    /// Whether blocks take nothing from the pool.
    pub(crate) hold: bool,
    /// Where a transaction is: block and place in it.
    places: HashMap<[u8; 32], (usize, usize)>,
    pub(crate) journal: Journal,
    /// What was refused lately: id, code, detail.
    pub(crate) refusals: VecDeque<(String, Code, String)>,
}

impl Chain {
    /// A chain whose head is of `now_ms`.
    pub(crate) fn new(rules: &Rules, now_ms: i64) -> Self {
        let now = (now_ms + rules.clock_off_ms) / BLOCK_MS * BLOCK_MS;
        let begin = now - BLOCKS_AT_START * BLOCK_MS;
        let first = Block::first(begin, State::default());
        let mut chain = Self {
            fees: rules.fees,
            energy: rules.energy,
            solid_after: rules.solid_after,
            blocks: vec![first],
            solid: 0,
            pool: VecDeque::new(),
            pending: Arc::default(),
            clock_ms: begin + BLOCK_MS,
            hold: false,
            places: HashMap::new(),
            journal: Journal::default(),
            refusals: VecDeque::new(),
        };
        for _ in 0..BLOCKS_AT_START {
            chain.make_block();
        }
        chain
    }

    /// The last block.
    pub(crate) fn head(&self) -> &Block {
        &self.blocks[self.blocks.len() - 1]
    }

    /// Its number.
    pub(crate) fn head_number(&self) -> u64 {
        self.blocks.len() as u64 - 1
    }

    /// The number of the last block that is there for good.
    pub(crate) fn solid_number(&self) -> u64 {
        self.solid
    }

    /// A block by its number.
    pub(crate) fn block(&self, number: u64) -> Option<&Block> {
        self.blocks.get(usize::try_from(number).ok()?)
    }

    /// A transaction in a block: the block, the transaction, how it ended.
    pub(crate) fn included(&self, id: &[u8; 32]) -> Option<(&Block, &Transaction, &Info)> {
        let (block, place) = *self.places.get(id)?;
        let block = &self.blocks[block];
        Some((block, &block.transactions[place], &block.infos[place]))
    }

    /// Transactions that wait.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Transaction> {
        self.pool.iter().map(|(transaction, _)| transaction)
    }

    /// The state after the head.
    pub(crate) fn state(&self) -> &State {
        self.head().after.as_deref().expect("a head is not below a solid block")
    }

    fn slot(&self, timestamp: i64) -> i64 {
        (timestamp - self.blocks[0].header.timestamp) / BLOCK_MS
    }

    fn place(&self) -> Place<'_> {
        let now_ms = self.head().header.timestamp;
        Place { slot: self.slot(now_ms), now_ms, fees: &self.fees, energy: &self.energy }
    }

    /// The slot of the head, by which what was used comes back.
    pub(crate) fn head_slot(&self) -> i64 {
        self.slot(self.head().header.timestamp)
    }

    /// Takes a transaction into the pool, or says why not. The head that references are held against can be
    /// an older one, for a node that is behind.
    pub(crate) fn broadcast(&mut self, transaction: Transaction, seen: u64) -> Result<(), Refusal> {
        let transaction = Transaction { ret: Vec::new(), ..transaction };
        let judged = self.judge(&transaction, seen);
        if let Err(refusal) = &judged {
            let id = hex::encode(transaction.id());
            self.refusals.push_back((id, refusal.code, refusal.detail.clone()));
            if self.refusals.len() > REFUSALS_MAX {
                self.refusals.pop_front();
            }
        }
        let (state, info) = judged?;
        self.pending = Arc::new(state);
        let head = self.head_number();
        self.note(&transaction, Event::Accepted { head });
        self.pool.push_back((transaction, info));
        Ok(())
    }

    /// java-tron's order: contract there, expiry, signature, reference, size, duplicate, then execution.
    fn judge(&self, transaction: &Transaction, seen: u64) -> Result<(State, Info), Refusal> {
        if self.pool.len() > POOL_MAX {
            return Err(Refusal::new(Code::ServerBusy, "too many pending"));
        }
        if transaction.raw().contract.is_empty() {
            return Err(Refusal::contract("No contract!"));
        }
        let seen = self.blocks.len().min(usize::try_from(seen).unwrap_or(usize::MAX) + 1);
        check::expiration(transaction, self.head())?;
        check::signature(transaction, &self.pending)?;
        check::reference(transaction, &self.blocks[..seen])?;
        check::size(transaction)?;
        let id = transaction.id();
        if self.places.contains_key(&id) || self.pool.iter().any(|(_, info)| info.id == id) {
            let text = format!("dup trans : {}", hex::encode(id));
            return Err(Refusal::new(Code::DupTransactionError, text));
        }
        let mut state = State::clone(&self.pending);
        let info = apply::apply(&mut state, transaction, self.place())?;
        Ok((state, info))
    }

    /// Makes the next block out of what waits.
    pub(crate) fn make_block(&mut self) {
        let mut state = State::clone(self.state());
        let (mut done, mut bytes) = (Vec::new(), 0);
        while let Some((transaction, _)) = self.pool.pop_front_if(|(next, _)| {
            !self.hold && bytes + next.bytes_without_ret() <= BLOCK_BYTES_MAX
        }) {
            bytes += transaction.bytes_without_ret();
            let mut trial = state.clone();
            match self.again(&mut trial, &transaction) {
                Ok(info) => {
                    state = trial;
                    done.push((with_ret(transaction, &info), info));
                }
                Err(refusal) => self.note(&transaction, Event::Dropped { reason: refusal.detail }),
            }
        }
        let (timestamp, slot) = (self.clock_ms, self.slot(self.clock_ms));
        self.clock_ms += BLOCK_MS;
        let block = Block::next(self.head(), timestamp, slot, done, state);
        let number = self.blocks.len();
        for (at, (transaction, info)) in block.transactions.iter().zip(&block.infos).enumerate() {
            self.places.insert(info.id, (number, at));
            let result = name(&CONTRACT_RESULTS, info.ret).unwrap_or_default().to_owned();
            self.note(transaction, Event::Included { number: number as u64, result });
        }
        self.blocks.push(block);
        self.settle();
        self.refill();
    }

    /// What is checked again when a block is made or the chain changed under the pool.
    fn again(&self, state: &mut State, transaction: &Transaction) -> Result<Info, Refusal> {
        check::expiration(transaction, self.head())?;
        check::reference(transaction, &self.blocks)?;
        apply::apply(state, transaction, self.place())
    }

    /// Executes what waits on the state after the head; what no longer can is dropped.
    fn refill(&mut self) {
        let mut state = State::clone(self.state());
        for (transaction, _) in std::mem::take(&mut self.pool) {
            let mut trial = state.clone();
            match self.again(&mut trial, &transaction) {
                Ok(info) => {
                    state = trial;
                    self.pool.push_back((transaction, info));
                }
                Err(refusal) => self.note(&transaction, Event::Dropped { reason: refusal.detail }),
            }
        }
        self.pending = Arc::new(state);
    }

    /// Moves the last solid block, and forgets the states before it.
    fn settle(&mut self) {
        let head = self.head_number();
        let solid = match self.solid_after {
            Some(after) => head.saturating_sub(after),
            None => self.solid_by_witnesses(),
        };
        for number in self.solid..solid.max(self.solid) {
            self.blocks[number as usize].after = None;
        }
        self.solid = self.solid.max(solid);
    }

    /// The last block that 19 distinct witnesses stand on, itself among them.
    fn solid_by_witnesses(&self) -> u64 {
        let mut seen: Vec<&[u8]> = Vec::new();
        for block in self.blocks[1..].iter().rev() {
            let witness = block.header.witness_address.as_slice();
            if !seen.contains(&witness) {
                seen.push(witness);
            }
            if seen.len() == WITNESSES_SOLID {
                return block.header.number.unsigned_abs();
            }
        }
        0
    }

    fn note(&mut self, transaction: &Transaction, event: Event) {
        let action = Action::of(transaction).ok();
        let owner = action.as_ref().and_then(|action| action.owner().ok());
        // What was never understood was never accepted.
        let (Some(action), Some(owner)) = (action, owner) else { return };
        let raw = transaction.raw();
        let kind = raw.contract.first().and_then(|contract| name(&CONTRACT_TYPES, contract.kind));
        let payload = match action {
            Action::Transfer(_) => raw.data,
            Action::Trigger(trigger) => trigger.data,
            Action::Create(create) => create.new_contract.unwrap_or_default().bytecode,
        };
        self.journal.add(&transaction.id(), event, |id| Entry {
            id,
            owner,
            kind: kind.unwrap_or_default().to_owned(),
            payload: hex::encode(payload),
            events: Vec::new(),
        });
    }
}

/// A transaction as it is in a block.
fn with_ret(transaction: Transaction, info: &Info) -> Transaction {
    Transaction { ret: vec![Ret { result: info.ret, ..Ret::default() }], ..transaction }
}
