//! Parameters in force: from the chain's state through the log into the pipeline.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use lucid_api::{
    Code,
    ports::{Answer, BlockLog, EvmAddress, EvmBytes, EvmCall, SessionState},
};
use lucid_chain::{
    alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256},
    contracts::Contracts,
};
use lucid_core::{
    EntryIndex, Parameters, SessionId, Timestamp,
    entry::{Entry, ParametersChanged, SessionOpened},
};
use serde_json::{Value, json};

use super::{
    Node, Reach, asker, code, new,
    node::{CHUNK, Vm, beginning},
    sample,
};
use crate::context::now;

/// What takes longer hangs.
const PATIENCE: Duration = Duration::from_mins(1);

/// `selector(words…)` of a call whose arguments are words, or are encoded already.
fn call(signature: &str, arguments: &[u8]) -> Bytes {
    [&keccak256(signature)[..4], arguments].concat().into()
}

fn word(number: u64) -> [u8; 32] {
    U256::from(number).to_be_bytes()
}

/// A byte string as the ABI has it: its length, then it, filled up to whole words.
fn bytes(content: &[u8]) -> Vec<u8> {
    let filled = content.len().next_multiple_of(32) - content.len();
    [&word(content.len() as u64), content, &vec![0; filled]].concat()
}

/// A decision on one call, as `propose`, `queue` and `execute` take it: lists of one target, value and
/// calldata; `last` is the description or its hash.
fn decision(target: Address, calldata: &[u8], description: Option<&str>) -> Vec<u8> {
    let list = |item: &[u8]| [&word(1), item].concat();
    let targets = list(target.into_word().as_slice());
    let values = list(&word(0));
    let calldatas = [&word(1)[..], &word(32), &bytes(calldata)].concat();
    let mut place = 4 * 32;
    let mut head = Vec::new();
    for part in [&targets, &values, &calldatas] {
        head.extend(word(place));
        place += part.len() as u64;
    }
    let (last, text) = match description {
        Some(text) => (word(place), bytes(text.as_bytes())),
        None => (keccak256(DESCRIPTION).0, Vec::new()),
    };
    [head, last.to_vec(), targets, values, calldatas, text].concat()
}

const DESCRIPTION: &str = "a decision";
/// States of a proposal, as OpenZeppelin's Governor numbers them.
const ACTIVE: u64 = 1;
const SUCCEEDED: u64 = 4;

/// The node's own account, which alone decides here.
struct Voter<'a> {
    vm: &'a Vm,
    contracts: Contracts,
}

impl<'a> Voter<'a> {
    async fn of(vm: &'a Vm) -> Self {
        let account: Address = vm.there().await.account.parse().unwrap();
        Self { vm, contracts: Contracts::of(account) }
    }

    async fn ask(&self, method: &str, params: Value) -> Value {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let answer = self.vm.evm.rpc(asker(), body.to_string().into()).await.unwrap().unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// Has the node's account call the governor, and waits until it is in a block and went well.
    async fn send(&self, to: Address, input: Bytes) {
        let call = EvmCall { to: EvmAddress(to.0.0), input: EvmBytes(input.0) };
        let start = Instant::now();
        while let Err(problem) = self.vm.calls.transact(call.clone()).await {
            // A node is a member from a second after the chain's beginning on.
            let early = problem.detail.contains("only members propose");
            assert!(early && start.elapsed() < PATIENCE, "{problem:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until a proposal is in a state, as a block that is made now would see it.
    async fn until(&self, id: &B256, state: u64) {
        let input = call("state(uint256)", id.as_slice());
        let governor = self.contracts.governor;
        let ask = json!([{"to": governor, "input": input}, "pending"]);
        let start = Instant::now();
        while self.ask("eth_call", ask.clone()).await != format!("0x{}", hex::encode(word(state))) {
            assert!(start.elapsed() < PATIENCE, "the proposal does not come into state {state}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Decides that a parameter gets a value, and has it carried out.
    async fn decide(&self, key: &str, value: u64) {
        let name = B256::right_padding_from(key.as_bytes());
        let set = call("set(bytes32,uint256)", &[name.as_slice(), &word(value)].concat());
        let target = self.contracts.parameters;
        let proposal = decision(target, &set, Some(DESCRIPTION));
        let propose = "propose(address[],uint256[],bytes[],string)";
        let governor = self.contracts.governor;
        self.send(governor, call(propose, &proposal)).await;
        let lists = decision(target, &set, None);
        let id = keccak256(&lists);
        self.until(&id, ACTIVE).await;
        let vote = call("castVote(uint256,uint8)", &[id.as_slice(), &word(1)].concat());
        self.send(governor, vote).await;
        self.until(&id, SUCCEEDED).await;
        let queue = "queue(address[],uint256[],bytes[],bytes32)";
        self.send(governor, call(queue, &lists)).await;
        // The timelock's delay is a second, of a clock that counts whole ones.
        tokio::time::sleep(Duration::from_millis(2100)).await;
        let execute = "execute(address[],uint256[],bytes[],bytes32)";
        self.send(governor, call(execute, &lists)).await;
    }
}

impl Vm {
    /// The chain once it is there.
    async fn there(&self) -> lucid_api::ports::ChainState {
        let start = Instant::now();
        loop {
            match self.evm.chain().await {
                Ok(chain) => return chain,
                Err(problem) => assert_eq!(problem.code, Code::Unavailable, "{problem:?}"),
            }
            assert!(start.elapsed() < PATIENCE, "{:?}", self.local.away());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Why it is not there, once it says something that has `part` in it.
    async fn refused(&self, part: &str) {
        let start = Instant::now();
        loop {
            let away = self.local.away();
            if away.as_ref().is_some_and(|why| why.contains(part)) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "{away:?}, not {part:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// All entries of the log.
async fn entries(node: &Node) -> Vec<Entry> {
    let (mut all, mut next) = (Vec::new(), 0);
    loop {
        let page = node.log.entries(EntryIndex(next), 1000).await.unwrap();
        let Some(last) = page.last() else { return all };
        next = last.index + 1;
        all.extend(page.iter().map(|entry| Entry::parse(entry.entry.as_bytes()).unwrap()));
    }
}

async fn opened(node: &Node, session: SessionId) -> SessionOpened {
    let of = |entry| match entry {
        Entry::SessionOpened(opened) if opened.session_id == session => Some(opened),
        _ => None,
    };
    entries(node).await.into_iter().find_map(of).unwrap()
}

pub(super) async fn a_chain_begins_with_the_configured_parameters_and_a_decision_changes_what_follows(
    reach: Reach,
) {
    let node = Node::new(reach).await;
    assert_eq!(node.ledger.parameters().await.unwrap(), None);
    let before = node.sessions.mint(new(None)).await.unwrap().session_id;
    assert_eq!(opened(&node, before).await.policy.version(), 1);
    let vm = node.vm("vm", node.blocks.clone()).await;
    let voter = Voter::of(&vm).await;
    let first = node.ledger.parameters().await.unwrap().unwrap();
    assert_eq!((first.parameters, first.block.0), (beginning(), 1));
    let after = node.sessions.mint(new(None)).await.unwrap().session_id;
    assert_eq!(opened(&node, after).await.policy.parameters(), Some(beginning()));

    // Larger chunks than the node was started for, and shorter sessions.
    voter.decide("chunk_bytes", 16 << 20).await;
    voter.decide("session_bytes_max", 24 << 20).await;
    let decided = Parameters { chunk_bytes: 16 << 20, session_bytes_max: 24 << 20, ..beginning() };
    let history = node.ledger.parameter_changes(EntryIndex(0)).await.unwrap();
    assert!(!history.more);
    let found: Vec<_> = history.changes.iter().map(|it| it.entry.parameters).collect();
    let between = Parameters { chunk_bytes: 16 << 20, ..beginning() };
    assert_eq!(found, [beginning(), between, decided]);
    let in_force = node.ledger.parameters().await.unwrap().unwrap();
    assert_eq!(in_force, history.changes[2].entry);
    let log = entries(&node).await;
    for (place, entry) in log.iter().enumerate() {
        if let Entry::ParametersChanged(changed) = entry {
            assert!(changed.follows(log.get(place - 1)), "{changed:?}");
        }
    }

    // Sessions of before go on under what they were opened under.
    node.upload(after, 0, &sample(2 * CHUNK)).await.unwrap();
    let old = node.sessions.seal(after, true).await.unwrap().sealed.unwrap();
    assert_eq!(old.chunk_count, 2);
    node.sessions.void(before, String::new()).await.unwrap();
    assert_eq!(code(node.sessions.mint(new(Some((24 << 20) + 1))).await), Code::TooLarge);
    let session = node.sessions.mint(new(None)).await.unwrap().session_id;
    assert_eq!(opened(&node, session).await.policy.parameters(), Some(decided));
    let long = node.sessions.set_length(session, (24 << 20) + 1).await;
    assert_eq!(code(long), Code::TooLarge);
    let plain = sample(20 << 20);
    assert_eq!(node.upload(session, 0, &plain).await.unwrap().offset, 20 << 20);
    let state = node.sessions.session(session).await.unwrap().upload.unwrap();
    assert_eq!(state.chunk_count, 2, "one of 16 MiB and what is left");
    // What does not fit is refused before anything is taken; what fits is taken.
    let beyond = node.upload(session, 20 << 20, &sample((4 << 20) + 1)).await;
    assert_eq!(code(beyond), Code::TooLarge);
    let whole = node.upload(session, 20 << 20, &sample(4 << 20)).await.unwrap();
    assert_eq!((whole.offset, whole.session.state), (24 << 20, SessionState::Open));
    assert_eq!(code(node.upload(session, 24 << 20, b"x").await), Code::TooLarge);
    let sealed = node.sessions.seal(session, true).await.unwrap().sealed.unwrap();
    assert_eq!(sealed.plain_bytes, 24 << 20);

    voter.decide("open_sessions_max", 1).await;
    node.sessions.mint(new(None)).await.unwrap();
    assert_eq!(code(node.sessions.mint(new(None)).await), Code::TooManySessions);
    // All of it again from the log alone.
    vm.stop().await;
    std::fs::remove_dir_all(node.folder.path().join("vm/evm")).unwrap();
    let vm = node.vm("vm", node.blocks.clone()).await;
    vm.there().await;
    vm.stop().await;
}

/// What becomes of a block's entries.
type With = Box<dyn FnMut(Vec<Entry>) -> Vec<Entry> + Send>;

/// Changes what is appended.
struct Tampering {
    log: Arc<dyn BlockLog>,
    with: Mutex<With>,
}

#[async_trait]
impl BlockLog for Tampering {
    async fn append_block(&self, texts: Vec<String>) -> Answer<u64> {
        let entries = texts.iter().map(|text| Entry::parse(text.as_bytes()).unwrap()).collect();
        let entries = (self.with.lock().unwrap())(entries);
        let texts = entries.iter().map(|it| String::from_utf8(it.to_bytes().unwrap()).unwrap());
        self.log.append_block(texts.collect()).await
    }

    async fn room(&self) -> Answer<()> {
        self.log.room().await
    }
}

pub(super) async fn blocks_and_what_the_log_says_of_parameters_must_agree(reach: Reach) {
    let altered = |alter: fn(&mut ParametersChanged)| {
        move |mut entries: Vec<Entry>| {
            for entry in &mut entries {
                if let Entry::ParametersChanged(changed) = entry {
                    alter(changed);
                }
            }
            entries
        }
    };
    let left_out: With = Box::new(|entries| {
        entries.into_iter().filter(|it| !matches!(it, Entry::ParametersChanged(_))).collect()
    });
    let other: With = Box::new(altered(|changed| changed.parameters.zstd_level = 4));
    let one_too_many: With = Box::new(|entries| {
        // The second block, which registers a session, changes nothing.
        match entries.last() {
            Some(Entry::EvmBlock(block)) if block.header.number.0 == 2 => {
                let (kind, v) = Default::default();
                let changed = Entry::ParametersChanged(ParametersChanged {
                    at: block.at,
                    block: block.header.number,
                    block_hash: block.hash,
                    kind,
                    parameters: beginning(),
                    v,
                });
                entries.into_iter().chain([changed]).collect()
            }
            _ => entries,
        }
    });
    for (with, says) in [
        (left_out, "changes parameters, and nothing behind it"),
        (other, "is not what its state has"),
        (one_too_many, "block 2 does not change parameters"),
    ] {
        let node = Node::new(reach).await;
        let blocks = Arc::new(Tampering { log: node.blocks.clone(), with: Mutex::new(with) });
        let vm = node.vm("vm", blocks).await;
        vm.there().await;
        node.sealed(b"registered").await;
        let start = Instant::now();
        while vm.there().await.sessions == 0 {
            assert!(start.elapsed() < PATIENCE, "the session is not registered");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        vm.stop().await;
        // Whoever reads it from the log does not go on.
        std::fs::remove_dir_all(node.folder.path().join("vm/evm")).unwrap();
        let vm = node.vm("vm", node.blocks.clone()).await;
        vm.refused(says).await;
        vm.stop().await;
    }
    // What is not right behind its block does not get into the log.
    let node = Node::new(reach).await;
    let moved: With = Box::new(|mut entries| {
        if matches!(entries.last(), Some(Entry::ParametersChanged(_))) {
            entries.rotate_right(1);
        }
        entries
    });
    let blocks = Arc::new(Tampering { log: node.blocks.clone(), with: Mutex::new(moved) });
    let vm = node.vm("vm", blocks).await;
    vm.refused("not those of one block").await;
    vm.stop().await;
    assert_eq!(node.ledger.parameters().await.unwrap(), None);
}

pub(super) async fn retention_erases_exactly_what_is_due(reach: Reach) {
    let node = Node::new(reach).await;
    let vm = node.vm("vm", node.blocks.clone()).await;
    let voter = Voter::of(&vm).await;
    let for_ever = node.sealed(b"kept for ever").await.session_id;
    voter.decide("retention_seconds", 86_400).await;
    let due = node.sealed(b"kept for a day").await.session_id;
    let open = node.sessions.mint(new(None)).await.unwrap().session_id;
    let later = |seconds: u64| Timestamp::from_unix_millis(now().unix_millis() + seconds * 1000);
    assert_eq!(node.orchestrator.erase_due(later(86_000)).await.unwrap(), 0);
    assert_eq!(node.orchestrator.erase_due(later(86_401)).await.unwrap(), 1);
    assert_eq!(node.orchestrator.erase_due(later(1 << 30)).await.unwrap(), 0);
    let state = async |session| node.sessions.session(session).await.unwrap().state;
    assert_eq!(state(due).await, SessionState::Erased);
    assert_eq!(state(for_ever).await, SessionState::Sealed);
    assert_eq!(state(open).await, SessionState::Open);
    assert_eq!(code(node.encryptor.chunk_keys(due, Vec::new()).await), Code::Gone);
    vm.stop().await;
}
