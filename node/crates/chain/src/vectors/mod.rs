//! The published Ethereum state tests (ethereum/tests, `GeneralStateTests`), through this crate's own state
//! in sled: every transaction's post-state root and logs hash.
//!
//! They run where `LUCID_ETHEREUM_TESTS` names a folder with the unpacked files. They end at Cancun; the
//! machine, the state and the trie are the same for every fork.

mod file;

use std::{
    collections::BTreeMap,
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use alloy_primitives::{B256, keccak256};
use alloy_trie::{
    EMPTY_ROOT_HASH,
    root::{state_root_unhashed, storage_root_unhashed},
};
use revm::{context_interface::result::ExecutionResult, primitives::hardfork::SpecId};

use self::file::{Post, Test};
use crate::{
    BlockNumber, keys,
    machine::{Failure, Machine},
    state::State,
};

/// Post-states that must be compared: the suite has 21,442, of which 21,353 can be.
const FLOOR: usize = 21_353;

/// Tests that create a contract where there is storage, but neither code nor a nonce. Ethereum refuses that
/// (EIP-7610), revm does not. No transaction can make such an account since EIP-161, and no genesis of this
/// crate has one.
const STORAGE_WITHOUT_CODE: [&str; 5] = [
    "InitCollisionParis",
    "RevertInCreateInInitCreate2Paris",
    "RevertInCreateInInit_Paris",
    "create2collisionStorageParis",
    "dynamicAccountOverwriteEmpty_Paris",
];

/// How a post-state came out.
#[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Copy, Debug)]
enum Outcome {
    Agreed,
    /// Why it cannot be run.
    NotRun(&'static str),
}

/// The fork of a name, if this crate's state can follow it.
fn fork(name: &str) -> Result<SpecId, &'static str> {
    match name {
        "Cancun" => Ok(SpecId::CANCUN),
        "Shanghai" => Ok(SpecId::SHANGHAI),
        "Paris" => Ok(SpecId::MERGE),
        "London" => Ok(SpecId::LONDON),
        "Berlin" => Ok(SpecId::BERLIN),
        "Istanbul" => Ok(SpecId::ISTANBUL),
        "ConstantinopleFix" => Ok(SpecId::PETERSBURG),
        "Byzantium" => Ok(SpecId::BYZANTIUM),
        "Constantinople" => {
            Err("revm has no Constantinople: EIP-1283 was taken back before it ran")
        }
        "Frontier" | "Homestead" => {
            Err("before EIP-161 empty accounts are kept, and here they are not")
        }
        _ => Err("a fork that this list does not name"),
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            found.push(path);
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "where the files are is said in the environment")]
fn published_state_tests() {
    let Some(folder) = env::var_os("LUCID_ETHEREUM_TESTS") else {
        say(
            "NOT RUN: the published Ethereum state tests. LUCID_ETHEREUM_TESTS names no folder with them.",
        );
        return;
    };
    let mut paths = Vec::new();
    files(Path::new(&folder), &mut paths);
    paths.sort();
    let db = sled::Config::new().temporary(true).open().unwrap();
    let mut outcomes = BTreeMap::<Outcome, usize>::new();
    let mut wrong = Vec::new();
    for path in &paths {
        for (name, test) in file::read(path) {
            let mut bench = Bench::new(&db, &test);
            for (fork_name, posts) in &test.post {
                for post in posts {
                    match bench.run(&name, &test, fork_name, post) {
                        Ok(outcome) => *outcomes.entry(outcome).or_default() += 1,
                        Err(difference) => wrong.push(format!("{name} {fork_name}: {difference}")),
                    }
                }
            }
            bench.done(&db);
        }
    }
    say(&format!("published state tests: {} files, {outcomes:?}", paths.len()));
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    let agreed = outcomes.get(&Outcome::Agreed).copied().unwrap_or_default();
    assert!(agreed >= FLOOR, "only {agreed} of {FLOOR} post-states were compared");
}

/// Writes past the test harness, which shows what a test prints only where it fails.
fn say(words: &str) {
    writeln!(io::stderr(), "\n{words}\n").unwrap();
}

/// A test's pre-state in a tree of its own.
struct Bench {
    name: B256,
    state: State,
    root: B256,
}

impl Bench {
    fn new(db: &sled::Db, test: &Test) -> Self {
        let name = test.name();
        let tree = db.open_tree(name).unwrap();
        // The tests' convention: a block's hash is Keccak-256 of its number in decimal digits.
        for number in test.number().saturating_sub(256)..test.number() {
            let hash = keccak256(number.to_string());
            tree.insert(keys::header(BlockNumber(number)), hash.as_slice()).unwrap();
        }
        let state = State::open(tree);
        let staged = state.stage(None, EMPTY_ROOT_HASH, test.pre_changes()).unwrap();
        let root = staged.root;
        state.commit(staged).unwrap();
        let full = state_root_unhashed(test.pre.iter().filter_map(|(address, account)| {
            let storage = account.storage.iter().map(|(slot, value)| (B256::from(*slot), *value));
            let leaf = account.leaf(storage_root_unhashed(storage.filter(|row| !row.1.is_zero())));
            leaf.map(|leaf| (*address, leaf))
        }));
        assert_eq!(root, full, "the pre-state's root, computed from all rows");
        Self { name, state, root }
    }

    fn run(
        &mut self,
        name: &str,
        test: &Test,
        fork_name: &str,
        post: &Post,
    ) -> Result<Outcome, String> {
        let fork = match fork(fork_name) {
            Ok(fork) => fork,
            Err(why) => return Ok(Outcome::NotRun(why)),
        };
        let tx = match test.transaction(post) {
            Ok(tx) => tx,
            Err(why) => return Ok(Outcome::NotRun(why)),
        };
        if STORAGE_WITHOUT_CODE.contains(&name) {
            assert!(test.has_storage_without_code(), "{name} is not one of these");
            return Ok(Outcome::NotRun("EIP-7610: an account with storage and no code"));
        }
        let mut machine =
            Machine::new(self.state.after(BlockNumber(0)), Test::config(fork), test.block(fork));
        let logs = match (machine.execute(tx), &post.expect_exception) {
            (Ok(result), None) => ExecutionResult::into_logs(result),
            (Err(Failure::Transaction(_)), Some(_)) => Vec::new(),
            (Ok(_), Some(reason)) => {
                return Err(format!("{post:?} ran, and {reason} was expected"));
            }
            (Err(failure), _) => return Err(format!("{post:?}: {failure:?}")),
        };
        let changes = machine.into_parts().1;
        let root = self.state.stage(Some(BlockNumber(1)), self.root, changes).unwrap().root;
        if root != post.hash {
            return Err(format!("{:?}: root {root}, and {} was expected", post.indexes, post.hash));
        }
        if keccak256(alloy_rlp::encode(&logs)) != post.logs {
            return Err(format!("{:?}: other logs: {logs:?}", post.indexes));
        }
        Ok(Outcome::Agreed)
    }

    fn done(self, db: &sled::Db) {
        db.drop_tree(self.name).unwrap();
    }
}
