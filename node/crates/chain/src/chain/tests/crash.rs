//! A process that is killed while it makes blocks leaves the state of a whole block.

use std::{
    env,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use alloy_primitives::B256;

use super::{everything, full_root};
use crate::{BlockNumber, Chain, chain::HISTORY_BLOCKS, testing::*};

/// Says to the child where it is to make blocks.
const FOLDER: &str = "LUCID_CHAIN_CRASH_FOLDER";

fn open(folder: &Path) -> (sled::Db, Chain) {
    // Small segments and no flusher, as the node has them.
    let config = sled::Config::new().path(folder).segment_size(64 << 10).flush_every_ms(None);
    let db = config.open().unwrap();
    let chain = Chain::open(db.open_tree("chain").unwrap(), genesis(), HISTORY_BLOCKS).unwrap();
    (db, chain)
}

/// The transactions of a block, which follow from its number: some forty slots of the contract.
fn transactions(number: u64) -> Vec<crate::Transaction> {
    let keeper = signer(0).address().create(0);
    if number == 1 {
        return vec![signer(0).sign(unsigned(0, None, init_code(&KEEPER)))];
    }
    let first = 40 * (number - 2);
    let store = |nonce: u64| {
        let input = words(&[nonce * 7919 % 400, number]);
        signer(1).sign(unsigned(nonce, Some(keeper), input))
    };
    (first..first + 40).map(store).collect()
}

/// What the child does: makes blocks until it is killed. Does nothing in any other run.
#[test]
#[expect(clippy::disallowed_methods, reason = "a test's child is told by its environment")]
fn makes_blocks_until_killed() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let (db, chain) = open(Path::new(&folder));
    loop {
        let number = chain.head().header.number.0 + 1;
        block(&chain, transactions(number));
        if number % 3 == 0 {
            db.flush().unwrap();
        }
        println!("block {number}");
    }
}

#[test]
fn a_kill_leaves_a_whole_block() {
    let folder = tempfile::tempdir().unwrap();
    // What the blocks should be, made without a crash.
    let model = chain();
    let mut furthest = 0;
    for round in 0..8 {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "chain::tests::crash::makes_blocks_until_killed", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let made = lines.map_while(Result::ok).filter(|line| line.starts_with("block ")).nth(round);
        child.kill().unwrap();
        child.wait().unwrap();
        let made: u64 = made.unwrap().trim_start_matches("block ").parse().unwrap();

        let (_db, chain) = open(folder.path());
        let head = chain.head();
        let number = head.header.number.0;
        assert!(number >= furthest - furthest % 3, "flushed blocks stay: {number}, {furthest}");
        furthest = number.max(made);
        for number in model.head().header.number.0 + 1..=number {
            block(&model, transactions(number));
        }
        assert_eq!(model.header(head.header.number).unwrap(), (head.hash, head.header.clone()));
        let root = full_root(&everything(&chain));
        assert_eq!(root, B256::from(head.header.state_root.0), "round {round}, block {number}");
        // And it goes on from there: every trie node is there.
        for number in number + 1..number + 3 {
            if model.head().header.number.0 < number {
                block(&model, transactions(number));
            }
            let next = model.block(BlockNumber(number)).unwrap();
            chain.replay(&next).unwrap();
        }
    }
}
