//! blockchain-vm: the node's chain, as far as one process has it.
//!
//! The blocks are in the log; here is what they come to. One task reads them from there (`reading`),
//! then makes the next ones (`making`), and nobody else does either. Questions are answered from the
//! state that is there.
//!
//! Owns on disk: the account's key, and a database that is a projection of the log.
//!
//! Invariants:
//! - a block is executed, then in the log, then the head: the database never stands for what the log has
//!   not;
//! - a block that changes parameters is in the log together with what they are after it, which is what its
//!   state says: where that cannot be, no block is made or read;
//! - every `session.sealed` entry before a block's `log_size` is registered in it or in one before it, in
//!   the log's order. Where that cannot be, no block is made;
//! - an append whose outcome is not known is looked for in the log before another block is made;
//! - no block is made of a row that does not follow from the newest header: where one was altered, the database
//!   is made anew from the log;
//! - of others' transactions no more is written than `allowance` has, and nothing while its disk is
//!   nearly full.
//!
//! A crash loses transactions that wait for a block, and nothing else. What the service answers is in
//! `answering`; what is asked of contracts, and the node's own calls of the governor, in `calls`; those that wait, in `own`, and those of others, which
//! come by JSON-RPC, in `waiting`. When a block is dated is in `clock`, and what it
//! waits for in `restraint`.

mod allowance;
mod answering;
mod asked;
mod beginning;
mod calls;
mod clock;
mod error;
mod making;
mod own;
mod reading;
mod restraint;
mod waiting;

use std::{
    num::NonZeroUsize,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use lucid_api::{
    Code, Problem,
    ports::{Answer, BlockLog, TransparencyLog},
};
use lucid_chain::{
    Chain, Places, Pool as Waiting, Signer,
    contracts::{Contracts, Governance},
    rpc::Rpc,
};
use lucid_core::{EntryIndex, Hash, Parameters, entry::Entry};
use lucid_store::{Disk, Projection, StoreError, secrets};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use self::{allowance::Allowance, error::VmError, own::OwnCalls, waiting::PoolHost};
use super::{cpu::Pool, turns::Turns};
use crate::context::now;

/// What the trees hold; another one is made anew from the log.
const LAYOUT: &str = "lucid-evm 2";
/// sled's page cache. The state itself is cached apart from it, in a form that need not be parsed.
const CACHE_BYTES: u64 = 8 << 20;
/// After a failure the log is looked at again after this long, longer each time up to `PAUSE_MAX`.
const PAUSE: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_mins(1);

/// How a chain begins, and how its blocks are made.
#[derive(Clone, Debug)]
pub struct VmOptions {
    /// EIP-155's chain id where the chain is still to begin; `None` for one that follows from the node's id.
    pub chain_id: Option<u64>,
    /// How decisions are made where it is still to begin. Of the nodes this one need not be among them.
    pub governance: Governance,
    /// The parameters where it is still to begin.
    pub parameters: Parameters,
    /// A block is made so long after there is something to put in it, at the most.
    pub block_time: Duration,
}

/// Questions that wait for `pool`.
const READS_MAX: usize = 256;

/// blockchain-vm.
pub struct LocalVm {
    parts: Arc<Parts>,
    /// For what reads a row or two, or calls the node's own contracts, for whomever.
    pool: Pool,
    /// For what reads more.
    reads: Turns,
    /// For what others have computed.
    turns: Turns,
}

/// What its task and its answers share.
struct Parts {
    log: Arc<dyn TransparencyLog>,
    blocks: Arc<dyn BlockLog>,
    options: VmOptions,
    signer: Signer,
    /// SHA-256 of the key that signs the log: the node as `NodeRegistry` knows it. Once the log was asked.
    log_key: OnceLock<Hash>,
    database: Projection,
    pool: Pool,
    waiting: Mutex<Waiting>,
    /// The node's own calls, beside registrations.
    own: OwnCalls,
    /// What of others' may still go into the log.
    allowance: Mutex<Allowance>,
    /// Whether the log's disk had room for others' when it was looked at last.
    has_room: AtomicBool,
    /// The database has what the chain did not make: it is to be made anew.
    is_altered: AtomicBool,
    /// Why blocks wait for the clock, where they do.
    held_back: Mutex<Option<String>>,
    /// When the process had it.
    began: Instant,
    wake: Notify,
    /// How far in the log all that was sealed is registered; nothing before that is known.
    looked: Mutex<Option<u64>>,
    state: Mutex<State>,
}

/// Where the chain is.
enum State {
    /// It is read from the log, or cannot be: why.
    Away(String),
    /// It is there.
    There(Arc<Running>),
}

/// A chain that is there.
struct Running {
    chain: Arc<Chain>,
    /// Where blocks are in the log, and registrations in the chain.
    places: Places,
    contracts: Contracts,
    rpc: Rpc,
}

impl LocalVm {
    /// A chain with its key and database in `data`, whose log is `log` and written by `blocks`. It is there
    /// once [`run`](Self::run) has read it. Says what had to be done for the database.
    ///
    /// # Errors
    /// The disk's.
    pub fn open(
        data: &Path,
        log: Arc<dyn TransparencyLog>,
        blocks: Arc<dyn BlockLog>,
        pool: Pool,
        options: VmOptions,
    ) -> Result<(Self, Option<String>), StoreError> {
        let disk = Disk::default();
        let path = data.join("secrets").join("evm.key");
        let key = secrets::load_or_make(&path, &disk)?;
        let signer = Signer::new(&key).map_err(|_| StoreError::SecretText { path })?;
        let folder = data.join("evm");
        let (database, anew) = Projection::open(&folder, LAYOUT, CACHE_BYTES, &disk)?;
        // One that was never there is none that was lost.
        let anew = anew.filter(|anew| anew.aside.is_some()).map(|anew| anew.to_string());
        let parts = Parts {
            log,
            blocks,
            options,
            signer,
            log_key: OnceLock::new(),
            database,
            // Blocks do not wait behind questions.
            pool: Pool::new(NonZeroUsize::MIN),
            waiting: Mutex::new(Waiting::new(Default::default())),
            own: OwnCalls::default(),
            allowance: Mutex::new(Allowance::new(Instant::now())),
            has_room: AtomicBool::new(true),
            is_altered: AtomicBool::new(false),
            held_back: Mutex::default(),
            began: Instant::now(),
            wake: Notify::new(),
            looked: Mutex::default(),
            state: Mutex::new(State::Away("the chain is being read from the log".to_owned())),
        };
        let (reads, turns) = (Turns::new(pool.threads()), Turns::new(pool.threads()));
        let pool = pool.with_at_most_waiting(READS_MAX);
        Ok((Self { parts: Arc::new(parts), pool, reads, turns }, anew))
    }

    /// Reads the chain from the log and makes its blocks, until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let parts = &self.parts;
        let mut pause = PAUSE;
        loop {
            let Some(error) = stop.run_until_cancelled(Box::pin(parts.go_on(&mut pause))).await
            else {
                break;
            };
            let why = error.to_string();
            if error.is_altered() {
                parts.is_altered.store(true, Ordering::Relaxed);
            }
            match error.is_absence() {
                true => tracing::info!(why, "the chain waits for another service"),
                false => tracing::error!(why, "the chain does not go on; it is looked at again"),
            }
            parts.set(State::Away(format!("the chain does not go on: {why}")));
            parts.own.give_up();
            if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                break;
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
        parts.set(State::Away("the node is stopping".to_owned()));
        parts.own.give_up();
        // What is not flushed is read from the log again at the next start.
        let parts = Arc::clone(parts);
        let flushed = tokio::task::spawn_blocking(move || parts.database.flush()).await;
        if let Ok(Err(error)) = flushed {
            tracing::warn!(%error, "the chain's database is not flushed");
        }
    }

    /// How many blocks it has, where it is there.
    #[must_use]
    pub fn blocks(&self) -> Option<u64> {
        let running = self.parts.running().ok()?;
        Some(running.chain.head().header.number.0)
    }

    /// How many entries the log has that no block stands for, and how many seconds the oldest of them waits.
    /// Nothing where the log cannot be asked, or the chain was never there.
    pub async fn lag(&self) -> Option<(u64, f64)> {
        let (log, looked) = (&self.parts.log, (*self.parts.looked())?);
        let entries = log.head().await.ok()?.size.saturating_sub(looked);
        if entries == 0 {
            return Some((0, 0.0));
        }
        let oldest = log.entries(EntryIndex(looked), 1).await.ok()?.into_iter().next()?;
        let oldest = Entry::parse(oldest.entry.as_bytes()).ok()?.at();
        let millis = now().unix_millis().saturating_sub(oldest.unix_millis());
        Some((entries, Duration::from_millis(millis).as_secs_f64()))
    }

    /// Why the chain is not there, where that is so.
    #[must_use]
    pub fn away(&self) -> Option<String> {
        match &*self.parts.lock() {
            State::Away(why) => Some(why.clone()),
            State::There(_) => None,
        }
    }

    /// What is to be known of a chain that is there: that its blocks wait for the clock, or that the newest is of a
    /// time to come. Recording and reading go on meanwhile.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let running = self.parts.running().ok()?;
        let ahead = || clock::ahead(now(), running.chain.head().header.time);
        self.parts.held_back().clone().or_else(ahead)
    }
}

impl Parts {
    /// Reads the chain, then makes blocks; gives why that ended.
    async fn go_on(self: &Arc<Self>, pause: &mut Duration) -> VmError {
        let chain = match self.read().await {
            Ok(chain) => Arc::new(chain),
            Err(error) => return error,
        };
        if let Err(error) = self.check_account(&chain) {
            return error;
        }
        let mut secret = [0; 32];
        if let Err(error) = getrandom::fill(&mut secret) {
            return VmError::Broken(format!("no random bytes can be had: {error}"));
        }
        let host = Arc::new(PoolHost(Arc::downgrade(self)));
        let rpc = Rpc::new(Arc::clone(&chain), host, secret);
        let contracts = self.contracts();
        let places = match self.places() {
            Ok(places) => places,
            Err(error) => return error,
        };
        let running = Arc::new(Running { chain, places, contracts, rpc });
        if let Err(error) = self.create_contracts(&running).await {
            return error;
        }
        self.tell_what_counts(&running).await;
        let head = running.chain.head().header;
        tracing::info!(number = head.number.0, log_size = head.log_size, "the chain is there");
        self.set(State::There(Arc::clone(&running)));
        match self.make_blocks(&running, pause).await {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    /// A problem as it is told: a damaged database is made anew.
    fn seen(&self, problem: Problem) -> Problem {
        match problem.code {
            // It is about the database, or about what is in it.
            Code::Damaged => self.altered(),
            _ => problem,
        }
    }

    /// Has the database made anew, in which somebody altered something; what to say to who met it.
    fn altered(&self) -> Problem {
        self.is_altered.store(true, Ordering::Relaxed);
        self.wake.notify_one();
        let detail = "the chain's database is damaged, and is made anew from the log: try again";
        Problem::new(Code::Unavailable, detail)
    }

    fn contracts(&self) -> Contracts {
        Contracts::of(self.signer.address())
    }

    /// The places, whose tree is beside the chain's.
    fn places(&self) -> Result<Places, VmError> {
        Ok(Places::new(self.database.tree("places")?, self.contracts()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // It is assigned whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, state: State) {
        *self.lock() = state;
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // A panic in it leaves it whole between two operations, or the process ends.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn allowance(&self) -> MutexGuard<'_, Allowance> {
        // A panic in it leaves numbers that are not larger than they may be.
        self.allowance.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held_back(&self) -> MutexGuard<'_, Option<String>> {
        // It is assigned whole.
        self.held_back.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn looked(&self) -> MutexGuard<'_, Option<u64>> {
        // It is assigned whole.
        self.looked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running(&self) -> Answer<Arc<Running>> {
        match &*self.lock() {
            State::There(running) => Ok(Arc::clone(running)),
            State::Away(why) => Err(Problem::new(Code::Unavailable, why.clone())),
        }
    }

    /// Does work that computes or waits for the database.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, VmError> + Send + 'static,
    ) -> Result<T, VmError> {
        // The pool's own errors are problems; the work's pass through it.
        self.pool.run(move || Ok(work())).await?
    }
}
