//! The chain over a real log: what is sealed is registered, whatever happens meanwhile.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use lucid_api::{
    Code, Problem,
    ports::{Answer, Asker, BlockLog, ChainState},
};
use lucid_core::{EntryIndex, entry::Entry};
use serde_json::{Value, json};

use super::{Node, Reach, asker, code, node::Vm};

impl Vm {
    /// The chain once so many sessions are registered in it.
    pub(super) async fn registered(&self, sessions: u64) -> ChainState {
        let start = Instant::now();
        loop {
            let chain = self.evm.chain().await;
            match &chain {
                Ok(chain) if chain.sessions == sessions => return chain.clone(),
                Ok(chain) => assert!(chain.sessions < sessions, "{chain:?}"),
                Err(problem) => assert_eq!(problem.code, Code::Unavailable, "{problem:?}"),
            }
            assert!(start.elapsed() < Duration::from_mins(1), "{chain:?}, not {sessions}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn call(&self, body: &Value) -> Option<Value> {
        let answer = self.evm.rpc(asker(), body.to_string().into()).await.unwrap();
        answer.map(|answer| serde_json::from_slice(&answer).unwrap())
    }
}

/// How many entries of a kind the log has.
async fn entries_of(node: &Node, kind: &str) -> usize {
    let mut count = 0;
    let mut next = 0;
    loop {
        let page = node.log.entries(EntryIndex(next), 1000).await.unwrap();
        let Some(last) = page.last() else { return count };
        next = last.index + 1;
        let kinds = page.iter().map(|entry| Entry::parse(entry.entry.as_bytes()).unwrap());
        count += kinds.filter(|entry| entry.kind() == kind).count();
    }
}

pub(super) async fn a_chain_registers_what_was_sealed_once_and_survives_anything(reach: Reach) {
    let node = Node::new(reach).await;
    // Before there is a chain at all, and while there is.
    node.sealed(b"first").await;
    let vm = node.vm("vm", node.blocks.clone()).await;
    let first = vm.registered(1).await;
    assert_eq!(first.chain_id >> 32, 0x4c, "it follows from the node's id");
    for number in 0..3 {
        node.sealed(&[number]).await;
    }
    let second = vm.registered(4).await;
    assert!(second.number > first.number && second.log_size > first.log_size);
    // Nothing more is made of nothing.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(vm.evm.chain().await.unwrap(), second);
    vm.stop().await;

    node.sealed(b"while it was away").await;
    let vm = node.vm("vm", node.blocks.clone()).await;
    assert_eq!(vm.repaired, None);
    let third = vm.registered(5).await;
    node.sealed(b"and then killed").await;
    vm.registered(6).await;
    vm.kill().await;

    let vm = node.vm("vm", node.blocks.clone()).await;
    let fourth = vm.registered(6).await;
    assert!(fourth.number > third.number);
    vm.stop().await;

    // All of it again, from the log alone.
    std::fs::remove_dir_all(node.folder.path().join("vm/evm")).unwrap();
    let vm = node.vm("vm", node.blocks.clone()).await;
    assert_eq!(vm.registered(6).await, fourth);
    vm.stop().await;
    std::fs::write(node.folder.path().join("vm/evm/db"), "no database").unwrap();
    let vm = node.vm("vm", node.blocks.clone()).await;
    assert!(vm.repaired.as_ref().is_some_and(|said| said.contains("evm.damaged-1")));
    assert_eq!(vm.registered(6).await, fourth);
    vm.stop().await;

    // Another account: the chain is not gone on with, and it is said whose it is. With its own again it is.
    let key = node.folder.path().join("vm/secrets/evm.key");
    let own = std::fs::read_to_string(&key).unwrap();
    std::fs::write(&key, "11".repeat(32)).unwrap();
    let vm = node.vm("vm", node.blocks.clone()).await;
    let mut away = vm.local.away();
    for _ in 0..500 {
        if away.as_ref().is_some_and(|why| why.contains("begun with")) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        away = vm.local.away();
    }
    let why = away.unwrap();
    assert!(why.contains(&fourth.account) && why.contains("secrets/evm.key"), "{why}");
    vm.stop().await;
    std::fs::write(&key, own).unwrap();
    let vm = node.vm("vm", node.blocks.clone()).await;
    assert_eq!(vm.registered(6).await, fourth);
    vm.stop().await;

    // Another node's database: what it stands for is not in this log.
    let other = Node::new(reach).await;
    other.sealed(b"of another node").await;
    let vm = other.vm("vm", other.blocks.clone()).await;
    vm.registered(1).await;
    vm.stop().await;
    let (from, to) = (other.folder.path().join("vm/evm"), node.folder.path().join("vm/evm"));
    std::fs::remove_dir_all(&to).unwrap();
    std::fs::rename(from, to).unwrap();
    let vm = node.vm("vm", node.blocks.clone()).await;
    assert_eq!(vm.registered(6).await, fourth);
    vm.stop().await;
    assert_eq!(entries_of(&node, "evm.block").await as u64, fourth.number + 1);
}

/// Puts blocks into a log, and now and then does not say so, or does not.
struct Unreliable {
    log: Arc<dyn BlockLog>,
    count: AtomicU32,
}

#[async_trait]
impl BlockLog for Unreliable {
    async fn append_block(&self, entries: Vec<String>) -> Answer<u64> {
        let lost = || Problem::new(Code::Unavailable, "the connection is gone");
        match self.count.fetch_add(1, Ordering::Relaxed) % 3 {
            0 => {
                self.log.append_block(entries).await?;
                Err(lost())
            }
            1 => Err(lost()),
            _ => self.log.append_block(entries).await,
        }
    }

    async fn room(&self) -> Answer<()> {
        self.log.room().await
    }
}

pub(super) async fn an_append_whose_end_is_not_known_is_not_made_twice(reach: Reach) {
    let node = Node::new(reach).await;
    node.sealed(b"one").await;
    node.sealed(b"two").await;
    let blocks = Arc::new(Unreliable { log: node.blocks.clone(), count: AtomicU32::new(0) });
    let vm = node.vm("vm", blocks.clone()).await;
    let chain = vm.registered(2).await;
    vm.stop().await;
    assert!(blocks.count.load(Ordering::Relaxed) > chain.number as u32, "some were not taken");
    assert_eq!(entries_of(&node, "evm.block").await as u64, chain.number + 1);
    // What is no block does not get in.
    let block = node.log.entries(EntryIndex(0), 1000).await.unwrap();
    let of_kind = |kind: &str| {
        let is_it = |entry: &str| Entry::parse(entry.as_bytes()).unwrap().kind() == kind;
        block.iter().find(|entry| is_it(&entry.entry)).unwrap().entry.clone()
    };
    let (header, part) = (of_kind("evm.block"), of_kind("evm.body"));
    let opened = of_kind("session.opened");
    for entries in [
        vec![],
        vec![header.clone()],
        vec![part.clone()],
        vec![header.clone(), part.clone()],
        vec![opened, header],
        vec![part, "{}".to_owned()],
    ] {
        assert_eq!(code(node.blocks.append_block(entries).await), Code::InvalidRequest);
    }
    assert_eq!(node.log.head().await.unwrap().size, block.len() as u64);
    // A block that comes late, after others, does not get in, nor does another first one.
    let place = |number: u64| {
        let is_it = |entry: &str| match Entry::parse(entry.as_bytes()).unwrap() {
            Entry::EvmBlock(block) => block.header.number.0 == number,
            _ => false,
        };
        block.iter().position(|entry| is_it(&entry.entry)).unwrap()
    };
    for number in [0, 1, chain.number] {
        let header = place(number);
        let Entry::EvmBlock(of) = Entry::parse(block[header].entry.as_bytes()).unwrap() else {
            panic!("a block")
        };
        let again = &block[header - of.parts as usize..=header];
        let again = again.iter().map(|entry| entry.entry.clone()).collect();
        assert_eq!(code(node.blocks.append_block(again).await), Code::Conflict, "{number}");
    }
    assert_eq!(node.log.head().await.unwrap().size, block.len() as u64);
}

pub(super) async fn calls_are_answered_as_json_rpc_says(reach: Reach) {
    let node = Node::new(reach).await;
    let vm = node.vm("vm", node.blocks.clone()).await;
    let chain = vm.registered(0).await;
    let ask = |method: &str, params: Value| json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let answer = vm.call(&ask("eth_chainId", json!([]))).await.unwrap();
    assert_eq!(answer["result"], format!("{:#x}", chain.chain_id));
    let balance = ask("eth_getBalance", json!([chain.account, "latest"]));
    let balance = vm.call(&balance).await.unwrap();
    assert!(balance["result"].as_str().is_some_and(|wei| wei.len() > 20), "{balance}");
    let code = vm.call(&ask("eth_getCode", json!([chain.anchors, "latest"]))).await.unwrap();
    assert!(code["result"].as_str().is_some_and(|code| code.len() > 1000), "{code}");
    let unknown = vm.call(&ask("eth_mine", json!([]))).await.unwrap();
    assert_eq!(unknown["error"]["code"], -32601);
    let notification = json!({"jsonrpc": "2.0", "method": "eth_chainId"});
    assert_eq!(vm.call(&notification).await, None);
    let answer = vm.evm.rpc(asker(), "{".into()).await.unwrap().unwrap();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(answer["error"]["code"], -32700);
    assert_eq!(vm.local.away(), None);
    let local = vm.local.clone();
    vm.stop().await;
    assert!(local.away().is_some_and(|why| why.contains("stopping")));
}

/// Batches that compute, of many who ask: what only reads is answered before them.
pub(super) async fn what_computes_keeps_no_read_waiting(reach: Reach) {
    let node = Node::new(reach).await;
    let vm = node.vm("vm", node.blocks.clone()).await;
    let chain = vm.registered(0).await;
    // BLAKE2's compression with all the rounds that a call's gas pays for (EIP-152): a batch takes half a
    // second or more.
    let rounds = hex::encode(((1_u32 << 24) - 25_000).to_be_bytes());
    let input = format!("0x{rounds}{}01", "00".repeat(208));
    let to = "0x0000000000000000000000000000000000000009";
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_call",
        "params": [{"to": to, "data": input}, "latest"]});
    let batch = Bytes::from(Value::Array(vec![call; 10]).to_string());
    let tasks: Vec<_> = (0..6)
        .map(|number| {
            let (evm, batch) = (Arc::clone(&vm.evm), batch.clone());
            tokio::spawn(async move { evm.rpc(Asker::service(&format!("{number}")), batch).await })
        })
        .collect();
    // Until they are there.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(vm.evm.chain().await.unwrap().hash, chain.hash);
    vm.evm.blocks(asker(), None, 10).await.unwrap();
    let number = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber"});
    assert_eq!(vm.call(&number).await.unwrap()["result"], format!("{:#x}", chain.number));
    // There are two threads: whoever had waited behind them would have seen four end.
    let ended = tasks.iter().filter(|task| task.is_finished()).count();
    assert!(ended <= 2, "{ended}");
    for task in tasks {
        let answer = task.await.unwrap().unwrap().unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert!(answer[0]["result"].is_string(), "{answer}");
    }
    vm.stop().await;
}
