//! What calls and blocks cost: `cargo run --release -p lucid-chain --example figures`.
//!
//! Prints simple `eth_call`s a second in process, and what a block of 1,000 registrations takes: a
//! registration here is one new slot and one event, which is what the least contract has to do. Everything
//! is on one thread, but for what sled writes on its own; the database is a folder in the temporary
//! directory, flushed as the node does it. Last it looks through the logs of 100,000 blocks, as services do that
//! follow contracts from the first block on. Beside the time on the wall stands the thread's time on a core
//! (Linux), which is what counts where other programs run too.
#![expect(clippy::print_stdout, reason = "a program that prints figures")]
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "it measures")]
#![expect(clippy::unwrap_used, reason = "a failure ends the measurement")]

use std::{
    fs,
    time::{Duration, Instant},
};

use lucid_chain::{
    At, Block, BlockNumber, Call, Chain, ChainId, Genesis, HISTORY_BLOCKS, LOG_BLOCKS_MAX,
    LogFilter, LogPosition, Signer, Transaction, Unsigned,
    alloy_primitives::{Address, Bytes, U256, hex},
};
use lucid_core::{Hash, Timestamp};

const CHAIN: ChainId = ChainId(31_337);
/// Init code of a contract: two words are stored, second under first, and the first is logged; one word is
/// read and returned.
const KEEPER: &[u8] = &hex!(
    "610034" "80600a5f395ff3" "36604014601857" "36602014602a57" "5f5f5f5f5f5f5f5f5ffd"
    "5b6020355f35555f355f525f3560205fa100" "5b5f35545f5260205ff3"
);
const REGISTRATIONS: u64 = 1000;
/// Blocks whose logs are looked through, and in which of them there is one that is looked for.
const BLOCKS: u64 = 100_000;
const LOGGED_EVERY: u64 = 1000;

fn words(words: [u64; 2]) -> Bytes {
    words.iter().flat_map(|word| U256::from(*word).to_be_bytes::<32>()).collect()
}

struct Bench {
    chain: Chain,
    db: sled::Db,
    signer: Signer,
    nonce: u64,
    keeper: Address,
}

impl Bench {
    fn open(folder: &std::path::Path) -> Self {
        let config = sled::Config::new()
            .path(folder)
            .mode(sled::Mode::LowSpace)
            .segment_size(64 << 10)
            .cache_capacity(16 << 20)
            .flush_every_ms(None);
        let db = config.open().unwrap();
        let signer = Signer::new(&[7; 32]).unwrap();
        let genesis = Genesis {
            allocations: [(signer.address(), U256::MAX >> 8)].into(),
            chain_id: CHAIN,
            coinbase: signer.address(),
            time: Timestamp::from_unix_millis(0),
        };
        let chain = Chain::open(db.open_tree("chain").unwrap(), genesis, HISTORY_BLOCKS).unwrap();
        let keeper = signer.address().create(0);
        Self { chain, db, signer, nonce: 0, keeper }
    }

    fn sign(&mut self, to: Option<Address>, input: Bytes) -> Transaction {
        let nonce = self.nonce;
        self.nonce += 1;
        self.signer.sign(Unsigned {
            chain_id: CHAIN,
            nonce,
            to,
            value: U256::ZERO,
            input,
            gas_limit: 100_000,
        })
    }

    fn registrations(&mut self) -> Vec<Transaction> {
        let keeper = Some(self.keeper);
        let first = self.nonce;
        (first..first + REGISTRATIONS).map(|id| self.sign(keeper, words([id, 1]))).collect()
    }

    /// Proposes, applies and flushes a block; answers it, and what each step took.
    fn block(&mut self, txs: Vec<Transaction>) -> (Block, [Taken; 3]) {
        let log =
            LogPosition { size: self.chain.head().header.number.0 + 1, root: Hash::default() };
        let watch = Watch::start();
        let proposal = self.chain.propose(Timestamp::from_unix_millis(1), log, txs).unwrap();
        assert!(proposal.left_out.is_empty());
        assert!(proposal.receipts.iter().all(|receipt| receipt.success));
        let execute = watch.stop();
        let block = proposal.block.clone();
        let watch = Watch::start();
        self.chain.apply(proposal).unwrap();
        let apply = watch.stop();
        let watch = Watch::start();
        self.db.flush().unwrap();
        (block, [execute, apply, watch.stop()])
    }
}

/// A point in time, on the wall and on the thread's core.
struct Watch(Instant, Duration);

impl Watch {
    fn start() -> Self {
        Self(Instant::now(), on_core())
    }

    fn stop(self) -> Taken {
        Taken { wall: self.0.elapsed(), core: on_core().saturating_sub(self.1) }
    }
}

#[derive(Clone, Copy)]
struct Taken {
    wall: Duration,
    core: Duration,
}

impl std::ops::Add for Taken {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { wall: self.wall + other.wall, core: self.core + other.core }
    }
}

impl std::fmt::Display for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [wall, core] = [self.wall, self.core].map(|time| time.as_secs_f64() * 1000.0);
        write!(f, "{wall:.1} ms ({core:.1} on a core)")
    }
}

/// How long this thread ran on a core (Linux, Documentation/scheduler/sched-stats).
fn on_core() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

fn main() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut bench = Bench::open(folder.path());
    let deploy = bench.sign(None, KEEPER.into());
    let mut blocks = vec![bench.block(vec![deploy]).0];

    println!("a block of {REGISTRATIONS} registrations (execute and hash, apply to sled, flush):");
    for _ in 0..8 {
        let watch = Watch::start();
        let txs = bench.registrations();
        let signed = watch.stop();
        let (block, [execute, apply, flush]) = bench.block(txs);
        let (bytes, gas) = (block.body_bytes().len(), block.header.gas_used);
        println!("  {}: {execute}, {apply}, {flush}", execute + apply + flush);
        println!("    {bytes} bytes, {gas} gas; signed before in {signed}");
        blocks.push(block);
    }

    let replica = Bench::open(other.path());
    replica.chain.replay(&blocks[0]).unwrap();
    println!("the same blocks replayed, signatures recovered:");
    for block in &blocks[1..] {
        let watch = Watch::start();
        replica.chain.replay(block).unwrap();
        println!("  {}", watch.stop());
    }

    let call = Call {
        to: Some(bench.keeper),
        input: U256::from(1).to_be_bytes::<32>().into(),
        ..Call::default()
    };
    let past = At::Number(bench.chain.head().header.number);
    let before = At::Number(BlockNumber(3));
    for (name, at) in [("latest", At::Latest), ("the head by number", past), ("block 3", before)] {
        let watch = Watch::start();
        let mut calls = 0_u32;
        while watch.0.elapsed() < Duration::from_secs(2) {
            for _ in 0..100 {
                let output = bench.chain.call(&call, at).unwrap().output;
                assert_eq!(output.as_ref(), U256::from(1).to_be_bytes::<32>());
            }
            calls += 100;
        }
        let taken = watch.stop();
        let rate = |time: Duration| f64::from(calls) / time.as_secs_f64();
        println!(
            "eth_call at {name}: {:.0} calls/s ({:.0} for each second on a core)",
            rate(taken.wall),
            rate(taken.core)
        );
    }
    logs(&mut bench);
}

/// Looks for one contract's logs in many blocks, most of which have those of others, or none.
fn logs(bench: &mut Bench) {
    let (keeper, before) = (bench.keeper, bench.chain.head().header.number.0);
    for block in 0..BLOCKS {
        let to = if block % LOGGED_EVERY == 0 { keeper } else { Address::repeat_byte(9) };
        let tx = bench.sign(Some(to), words([u64::MAX - block, 1]));
        let log =
            LogPosition { size: bench.chain.head().header.log_size + 1, root: Hash::default() };
        let proposal = bench.chain.propose(Timestamp::from_unix_millis(1), log, [tx]).unwrap();
        bench.chain.apply(proposal).unwrap();
    }
    bench.db.flush().unwrap();
    let filter = LogFilter { addresses: vec![keeper], topics: Vec::new() };
    let watch = Watch::start();
    let (mut from, mut found) = (before + 1, 0);
    while from <= before + BLOCKS {
        let to = from + LOG_BLOCKS_MAX - 1;
        found += bench.chain.logs(BlockNumber(from), BlockNumber(to), &filter).unwrap().len();
        from = to + 1;
    }
    println!("{found} logs found in {BLOCKS} blocks: {}", watch.stop());
}
