//! The chain's part of `ledger check`: every block in the log is executed again, from the first one on, and
//! held to what it commits to.
//!
//! It needs the log and nothing else: no server, no key, and none of the state that the node keeps of the chain.
//! The state is made anew in a folder of its own, which is gone afterwards.

use std::{fs, path::PathBuf, sync::atomic::Ordering};

use lucid_chain::{
    Block, CallError, Chain, ChainError, Genesis, Receipt, Transaction,
    contracts::{CREATIONS, Contracts, Registered},
    logged::{ExpectedParameters, Gathering, Logged},
};
use lucid_core::{
    EntryIndex, Hash,
    block::Header,
    entry::{Entry, SessionSealed},
};
use lucid_store::{Disk, LogReader, Projection};
use serde::Serialize;

use super::Locked;
use crate::{
    context::Context,
    failure::{Failure, Outcome},
    progress::Unit,
};

/// The folder, in the data folder, whose lock is held. One that is there was left by a check that was killed.
const FOLDER: &str = "checking";
/// What its database is called to whoever opens it.
const LAYOUT: &str = "lucid-check 1";
const CACHE_BYTES: u64 = 32 << 20;
/// States before the newest are of no use to it.
const HISTORY_BLOCKS: u64 = 1;
/// The database is flushed after so many blocks, so that what waits in memory stays small.
const FLUSH_BLOCKS: u64 = 4096;

/// What the blocks came to.
#[derive(Serialize, Default)]
pub(super) struct Replayed {
    /// Whether they were executed again.
    pub(super) checked: bool,
    /// Why they were not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) why_not: Option<&'static str>,
    /// Replayed that are right, the first one included.
    pub(super) blocks: u64,
    /// Transactions in them.
    pub(super) transactions: u64,
    /// Sessions that they register.
    pub(super) registered: u64,
    /// Entries of the log whose sessions are registered.
    pub(super) log_size: u64,
    /// The newest of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) head: Option<Hash>,
}

impl Replayed {
    /// They were not looked at.
    pub(super) fn skipped(why: &'static str) -> Self {
        Self { why_not: Some(why), ..Self::default() }
    }
}

/// Why a block is wrong, or cannot be looked at.
enum Stop {
    /// It is wrong: how.
    Wrong(String),
    /// The check itself failed.
    Failed(Failure),
}

impl From<ChainError> for Stop {
    fn from(error: ChainError) -> Self {
        match error {
            ChainError::Database(_) | ChainError::Damaged { .. } | ChainError::Artefact { .. } => {
                Self::Failed(Failure::io(format!(
                    "the state that the blocks are checked in: {error}"
                )))
            }
            error => Self::Wrong(error.to_string()),
        }
    }
}

/// A failure of the check itself, not of what it looks at.
fn failed(error: impl Into<Failure>) -> Stop {
    Stop::Failed(error.into())
}

fn wrong<T>(why: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Wrong(why.into()))
}

/// The folder of the state. Dropping removes it.
struct Place(PathBuf);

impl Place {
    fn make(path: PathBuf) -> Outcome<Self> {
        remove(&path)?;
        Ok(Self(path))
    }
}

fn remove(path: &std::path::Path) -> Outcome {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::io(format!("{} cannot be removed: {error}", path.display())))
        }
        _ => Ok(()),
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(failure) = remove(&self.0) {
            crate::output::notice(&format!("{:#}", failure.error));
        }
    }
}

/// Executes every block of a sound log again. Gives what they came to, and what is wrong with the first one
/// that is.
///
/// # Errors
/// The disk's; that it was interrupted.
pub(super) fn check(locked: &Locked, context: &Context) -> Outcome<(Replayed, Option<String>)> {
    let log = locked.log()?;
    let place = Place::make(locked.folder.join(FOLDER))?;
    context.catch_signals()?;
    let (state, _) = Projection::open(&place.0, LAYOUT, CACHE_BYTES, &Disk::default())?;
    let mut replay = Replay {
        log: &log,
        state: &state,
        chain: None,
        expected: None,
        blocks: Replayed::default(),
    };
    let found = replay.run(context);
    let blocks = Replayed { checked: true, ..std::mem::take(&mut replay.blocks) };
    drop(replay);
    drop(state);
    found.map(|wrong| (blocks, wrong))
}

/// The chain as far as it was executed again.
struct Replay<'a> {
    log: &'a LogReader,
    state: &'a Projection,
    /// The chain and its contracts, once it has begun.
    chain: Option<(Chain, Contracts)>,
    /// The block before this entry changed parameters.
    expected: Option<ExpectedParameters>,
    blocks: Replayed,
}

impl Replay<'_> {
    /// Goes through the log; gives what is wrong with the first block that is.
    fn run(&mut self, context: &Context) -> Outcome<Option<String>> {
        let size = self.log.size();
        let progress = context.progress("blocks", Unit::Items, Some(size));
        let mut gathering = Gathering::default();
        let entries = self.log.entries(EntryIndex(0)..EntryIndex(size))?;
        for (index, entry) in (0..size).zip(entries) {
            if context.cancel.load(Ordering::SeqCst) {
                return Err(Failure::io("interrupted: the blocks are not checked"));
            }
            match self.take(&mut gathering, index, &entry?) {
                Ok(()) => progress.set(index + 1),
                Err(Stop::Failed(failure)) => return Err(failure),
                Err(Stop::Wrong(why)) => {
                    let next = self.blocks.blocks;
                    return Ok(Some(format!("block {next}, entry {index} of the log: {why}")));
                }
            }
        }
        Ok(ExpectedParameters::hold(self.expected.take(), None).err())
    }

    fn take(&mut self, gathering: &mut Gathering, index: u64, bytes: &[u8]) -> Result<(), Stop> {
        // What no entry can be is among the log's findings already.
        let Ok(entry) = Entry::parse(bytes) else { return Ok(()) };
        let logged = gathering.take(entry)?;
        ExpectedParameters::hold(self.expected.take(), logged.as_ref()).map_err(Stop::Wrong)?;
        match logged {
            None | Some(Logged::Parameters(_)) => Ok(()),
            Some(Logged::Genesis { genesis, header }) => self.begin(genesis, &header),
            Some(Logged::Block(block)) => self.block(index, &block),
        }
    }

    fn begin(&mut self, genesis: Genesis, header: &Header) -> Result<(), Stop> {
        if self.chain.is_some() {
            return wrong("the chain begins a second time");
        }
        let contracts = Contracts::of(genesis.coinbase);
        let tree = self.state.tree("evm").map_err(failed)?;
        let chain = Chain::open(tree, genesis, HISTORY_BLOCKS)?;
        if chain.head().hash != header.hash() {
            return wrong("its header is not what its document makes");
        }
        self.blocks.blocks = 1;
        self.blocks.head = Some(header.hash());
        self.chain = Some((chain, contracts));
        Ok(())
    }

    fn block(&mut self, index: u64, block: &Block) -> Result<(), Stop> {
        let Some((chain, contracts)) = &self.chain else {
            return wrong("it is a block before the first");
        };
        let header = &block.header;
        let before = chain.head().header.log_size;
        if header.log_size > index {
            return wrong(format!("it stands for {} entries of the log", header.log_size));
        }
        let root = self.log.root_at(header.log_size).map_err(lucid_store::StoreError::from);
        if root.map_err(failed)? != header.log_root {
            let entries = header.log_size;
            return wrong(format!(
                "its log_root is not the log's root over its first {entries} entries"
            ));
        }
        let (head, receipts) = chain.replay(block)?;
        if header.number.0 == 1 {
            check_creations(chain, contracts, block, &receipts)?;
        }
        let registered = receipts
            .iter()
            .flat_map(|receipt| receipt.logs.iter().filter_map(|log| contracts.registered(log)));
        let sealed = Sealed::new(self.log, before, header.log_size)?;
        let count = check_registrations(sealed, registered)?;
        let expected = ExpectedParameters::behind(header.number, &receipts, contracts, Some(chain));
        self.expected = expected.map_err(|error| match error {
            CallError::Chain(error) => Stop::from(error),
            error => Stop::Wrong(error.to_string()),
        })?;
        let blocks = &mut self.blocks;
        blocks.blocks += 1;
        blocks.transactions += block.body.len() as u64;
        blocks.registered += count;
        blocks.log_size = header.log_size;
        blocks.head = Some(head.hash);
        if blocks.blocks.is_multiple_of(FLUSH_BLOCKS) {
            self.state.flush().map_err(failed)?;
        }
        Ok(())
    }
}

/// That block 1 creates the contracts, by the node's account, over a log of nothing (docs/chain.md).
fn check_creations(
    chain: &Chain,
    contracts: &Contracts,
    block: &Block,
    receipts: &[Receipt],
) -> Result<(), Stop> {
    let creator = chain.genesis().coinbase;
    for nonce in 0..CREATIONS {
        let place = nonce as usize;
        let tx = block.body.get(place).map(|raw| Transaction::decode(raw, chain.chain_id()));
        let is_it = match tx {
            Some(Ok(tx)) => {
                (tx.sender(), tx.nonce()) == (creator, nonce)
                    && contracts.is_creation(nonce, tx.input())?
                    && receipts.get(place).is_some_and(|receipt| receipt.success)
            }
            _ => false,
        };
        if !is_it {
            let name = tx_name(nonce);
            return wrong(format!("its transaction {nonce} does not create the contract {name}"));
        }
    }
    match block.header.log_size {
        0 => Ok(()),
        entries => wrong(format!("it stands for {entries} entries, and the first block for none")),
    }
}

fn tx_name(nonce: u64) -> &'static str {
    Contracts::NAMES.get(nonce as usize).copied().unwrap_or("of a later version")
}

/// The `session.sealed` entries of a part of the log, in order.
struct Sealed<'a> {
    entries: lucid_store::log::Entries<'a>,
    next: u64,
}

impl<'a> Sealed<'a> {
    fn new(log: &'a LogReader, from: u64, to: u64) -> Result<Self, Stop> {
        let entries = log.entries(EntryIndex(from)..EntryIndex(to));
        let entries = entries.map_err(|error| failed(lucid_store::StoreError::from(error)))?;
        Ok(Self { entries, next: from })
    }

    fn next(&mut self) -> Result<Option<(u64, SessionSealed)>, Stop> {
        for bytes in self.entries.by_ref() {
            let bytes = bytes.map_err(|error| failed(lucid_store::StoreError::from(error)))?;
            let index = self.next;
            self.next += 1;
            if let Ok(Entry::SessionSealed(sealed)) = Entry::parse(&bytes) {
                return Ok(Some((index, sealed)));
            }
        }
        Ok(None)
    }
}

/// That each sealed session is registered once, in the log's order, as what its entry says; gives how many are.
fn check_registrations(
    mut sealed: Sealed<'_>,
    registered: impl Iterator<Item = Registered>,
) -> Result<u64, Stop> {
    let mut count = 0;
    for registered in registered {
        let session = registered.session;
        let Some((index, entry)) = sealed.next()? else {
            let index = registered.log_index;
            return wrong(format!(
                "it registers session {session}, entry {index}, which was not sealed in what it stands for"
            ));
        };
        if registered != of_entry(index, &entry) {
            return wrong(format!(
                "it registers session {session}, entry {}, where session {}, entry {index}, is the next, or with \
                 other values than that entry's",
                registered.log_index, entry.session_id
            ));
        }
        count += 1;
    }
    match sealed.next()? {
        None => Ok(count),
        Some((index, entry)) => wrong(format!(
            "session {}, sealed in entry {index}, is not registered, though it is before its log_size",
            entry.session_id
        )),
    }
}

/// What is to be registered of an entry.
fn of_entry(index: u64, entry: &SessionSealed) -> Registered {
    Registered {
        session: entry.session_id,
        merkle_root: entry.merkle_root,
        manifest_hash: entry.manifest_hash,
        policy_hash: entry.policy_hash,
        owner: entry.owner.to_string(),
        plain_bytes: entry.plain_bytes,
        chunk_count: entry.chunk_count,
        log_index: index,
    }
}
