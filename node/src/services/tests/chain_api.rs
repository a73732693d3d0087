//! blockchain-api through its port: what it says holds against the log and against itself.

use std::time::{Duration, Instant};

use lucid_api::{
    Code,
    ports::{Anchor, BlockId, ChainApi, EntryQuery, TransactionDetail, TransactionProof, TxHash},
};
use lucid_chain::{
    ChainId, Signer, Unsigned,
    alloy_primitives::{Bytes, hex, keccak256},
};
use lucid_core::{
    EntryIndex, Hash, SessionId,
    block::Header,
    entry::Entry,
    merkle::{leaf_hash, verify_inclusion},
};
use serde_json::{Value, json};

use super::{
    Node, Reach, asker, code,
    hostile::{other, with_others},
    node::Vm,
};

/// What takes longer hangs.
const PATIENCE: Duration = Duration::from_mins(1);

/// That a transaction and its receipt are in the block with this header.
fn check_proof(detail: &TransactionDetail, header: &Header) {
    let TransactionProof { leaves, transaction, receipt, tx_path, receipt_path, .. } =
        &detail.proof;
    let verify = |root, text: &str, path: &[Hash]| {
        let leaf = leaf_hash(&hex::decode(text).unwrap());
        verify_inclusion(root, u64::from(*leaves), u64::from(detail.index), leaf, path)
    };
    verify(header.tx_root, transaction, tx_path).unwrap();
    verify(header.receipts_root, receipt, receipt_path).unwrap();
    verify(header.tx_root, receipt, tx_path).unwrap_err();
    assert_eq!(detail.proof.tx_root, header.tx_root);
    assert_eq!(detail.proof.receipts_root, header.receipts_root);
}

/// All numbers of blocks, as pages of `limit` give them.
async fn numbers(chain: &dyn ChainApi, limit: u32) -> Vec<u64> {
    let (mut numbers, mut before) = (Vec::new(), None);
    loop {
        let page = chain.blocks(asker(), before, limit).await.unwrap();
        assert!(page.blocks.len() <= limit as usize);
        numbers.extend(page.blocks.iter().map(|block| block.header.number.0));
        match page.next {
            Some(next) => before = Some(next),
            None => return numbers,
        }
    }
}

pub(super) async fn blocks_are_what_the_log_has(reach: Reach) {
    let node = Node::new(reach).await;
    let mut sealed = Vec::new();
    for number in 0..4 {
        sealed.push(node.sealed(&[number]).await.session_id);
    }
    let vm = node.vm("vm", node.blocks.clone()).await;
    let head = vm.registered(4).await;
    let chain = &*vm.chain;
    assert_eq!(chain.head().await.unwrap(), head);
    let all: Vec<_> = (0..=head.number).rev().collect();
    for limit in [1, 2, 200] {
        assert_eq!(numbers(chain, limit).await, all, "{limit}");
    }
    let beyond = chain.blocks(asker(), Some(head.number + 100), 1).await.unwrap();
    assert_eq!(beyond.blocks[0].header.number.0, head.number);
    assert_eq!(chain.blocks(asker(), Some(0), 5).await.unwrap().blocks, []);

    let mut registered = Vec::new();
    for number in 0..=head.number {
        let detail = chain.block(asker(), BlockId::Number(number)).await.unwrap();
        let header = &detail.block.header;
        assert_eq!(Hash::of(&header.to_bytes()), detail.block.hash, "as an auditor makes it");
        assert_eq!(chain.block(asker(), BlockId::Hash(detail.block.hash)).await.unwrap(), detail);
        let entry = node.log.entries(EntryIndex(detail.block.log_index), 1).await.unwrap();
        let Entry::EvmBlock(entry) = Entry::parse(entry[0].entry.as_bytes()).unwrap() else {
            panic!("entry {} is no block", detail.block.log_index)
        };
        assert_eq!((entry.hash, &entry.header), (detail.block.hash, header));
        let counts = (detail.block.transaction_count, detail.block.registered_count);
        assert_eq!(counts, (detail.transactions.len() as u32, detail.registered.len() as u32));
        let gas: u64 = detail.transactions.iter().map(|tx| tx.gas_used).sum();
        assert_eq!(gas, header.gas_used);
        for (index, tx) in (0_u32..).zip(&detail.transactions) {
            let found = chain.transaction(asker(), tx.hash).await.unwrap();
            assert_eq!((found.block_number, found.index), (number, index));
            assert_eq!((found.success, found.gas_used), (true, tx.gas_used));
            check_proof(&found, header);
        }
        registered.extend(detail.registered);
    }
    assert_eq!(registered, sealed);
    let first = chain.block(asker(), BlockId::Number(1)).await.unwrap();
    let creates = chain.transaction(asker(), first.transactions[0].hash).await.unwrap();
    assert_eq!(creates.action.as_deref(), Some("creates the contract LucidAnchors"));
    assert_eq!((creates.to, creates.created), (None, Some(head.anchors)));

    let unknown = Hash::of(b"no block");
    for block in [BlockId::Number(head.number + 1), BlockId::Hash(unknown)] {
        assert_eq!(code(chain.block(asker(), block).await), Code::NotFound);
    }
    assert_eq!(code(chain.transaction(asker(), TxHash(unknown.0)).await), Code::NotFound);
    vm.stop().await;
}

pub(super) async fn registrations_are_found_and_told_newest_first(reach: Reach) {
    let node = Node::new(reach).await;
    let mut sealed = Vec::new();
    for number in 0..5 {
        sealed.push(node.sealed(&[number; 3]).await);
    }
    let vm = node.vm("vm", node.blocks.clone()).await;
    vm.registered(5).await;
    let chain = &*vm.chain;
    for session in &sealed {
        let found = chain.registration(session.session_id).await.unwrap();
        let facts = session.sealed.as_ref().unwrap();
        assert_eq!(found.session_id, session.session_id);
        assert_eq!(
            (found.merkle_root, found.manifest_hash),
            (facts.merkle_root, facts.manifest_hash)
        );
        assert_eq!((found.owner.as_str(), found.log_index), ("TOwner", facts.log_index));
        assert_eq!((found.plain_bytes, found.chunk_count), (3, 1));
        let tx = chain.transaction(asker(), found.transaction).await.unwrap();
        let action = format!(
            "registers session {}, entry {} of the log",
            session.session_id, facts.log_index
        );
        assert_eq!(tx.action, Some(action));
        assert_eq!((tx.block_number, tx.index), (found.block_number, found.transaction_index));
        assert_eq!((tx.logs.len(), &tx.to), (1, &Some(found.contract)));
    }
    let none = chain.registration(SessionId::from_random([9; 16])).await.unwrap_err();
    assert_eq!(none.code, Code::NotFound);
    assert!(none.detail.contains("is not registered yet"), "{none}");
    assert!(none.detail.contains(" entries of the log"), "{none}");

    let newest: Vec<_> = sealed.iter().rev().map(|session| session.session_id).collect();
    for limit in [1, 2, 5, 200] {
        let (mut found, mut before) = (Vec::new(), None);
        loop {
            let page = chain.anchors(asker(), before, limit).await.unwrap();
            found.extend(page.anchors.into_iter().map(|anchor| {
                let Anchor::Registration { network, registration } = anchor else {
                    panic!("nothing is anchored on TRON here");
                };
                assert_eq!(network, "private");
                registration.session_id
            }));
            match page.next {
                Some(next) => before = Some(next),
                None => break,
            }
        }
        assert_eq!(found, newest, "{limit}");
    }
    vm.stop().await;
    // The places are made again with the chain, from the log alone.
    std::fs::remove_dir_all(node.folder.path().join("vm/evm")).unwrap();
    let vm = node.vm("vm", node.blocks.clone()).await;
    vm.registered(5).await;
    let found = vm.chain.registration(sealed[4].session_id).await.unwrap();
    assert_eq!(Some(found.log_index), sealed[4].sealed.as_ref().map(|facts| facts.log_index));
    vm.stop().await;
}

pub(super) async fn entries_are_found_by_kind_and_session(reach: Reach) {
    let node = Node::new(reach).await;
    let (first, second) = (node.sealed(b"one").await, node.sealed(b"two").await);
    let vm = node.vm("vm", node.blocks.clone()).await;
    vm.registered(2).await;
    let chain = &*vm.chain;
    let all = node.log.entries(EntryIndex(0), 1000).await.unwrap();
    let size = all.len() as u64;
    let query = |from, limit| EntryQuery { from, limit, ..EntryQuery::default() };
    let page = chain.entries(query(0, 200)).await.unwrap();
    assert_eq!((page.entries.len(), page.next, page.size), (all.len(), None, size));
    for (found, entry) in page.entries.iter().zip(&all) {
        assert_eq!((found.index, &found.entry), (entry.index, &entry.entry));
        assert_eq!(found.leaf, leaf_hash(entry.entry.as_bytes()));
        let value: Value = serde_json::from_str(&entry.entry).unwrap();
        assert_eq!(value["kind"], found.kind.as_str());
        assert_eq!(&chain.entry(found.index).await.unwrap(), found);
    }
    let page = chain.entries(query(1, 2)).await.unwrap();
    assert_eq!((page.entries.len(), page.entries[0].index, page.next), (2, 1, Some(3)));
    let beyond = chain.entries(query(size + 7, 2)).await.unwrap();
    assert_eq!((beyond.entries.len(), beyond.next), (0, None));
    assert_eq!(code(chain.entry(size).await), Code::NotFound);

    let kind = Some("session.sealed".to_owned());
    let sealed = chain.entries(EntryQuery { kind: kind.clone(), ..query(0, 1) }).await.unwrap();
    let facts = [&first, &second].map(|session| session.sealed.as_ref().unwrap().log_index);
    assert_eq!((sealed.entries[0].index, sealed.next), (facts[0], Some(facts[0] + 1)));
    let rest = EntryQuery { kind: kind.clone(), ..query(facts[0] + 1, 10) };
    let rest = chain.entries(rest).await.unwrap();
    assert_eq!((rest.entries.len(), rest.entries[0].index, rest.next), (1, facts[1], None));
    let about = EntryQuery { session: Some(second.session_id), ..query(0, 10) };
    let about = chain.entries(about).await.unwrap();
    let kinds: Vec<_> = about.entries.iter().map(|entry| entry.kind.as_str()).collect();
    assert_eq!(kinds, ["session.opened", "session.sealed"]);
    let neither = EntryQuery {
        kind: Some("evm.block".to_owned()),
        session: Some(first.session_id),
        ..query(0, 10)
    };
    assert_eq!(chain.entries(neither).await.unwrap().entries, []);
    vm.stop().await;
}

/// Sends a transaction, and waits until it is in a block.
async fn send(vm: &Vm, signer: &Signer, to: &str, input: Bytes) -> TransactionDetail {
    let origin = vm.chain.node().await.unwrap().origin;
    let call = |method: &str, params: Value| {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let chain = vm.chain.clone();
        async move {
            let answer = chain.rpc(asker(), body.to_string().into()).await.unwrap().unwrap();
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            assert_eq!(answer["error"], Value::Null, "{answer}");
            answer["result"].as_str().unwrap().to_owned()
        }
    };
    let nonce = call("eth_getTransactionCount", json!([signer.address(), "latest"])).await;
    let nonce = u64::from_str_radix(nonce.trim_start_matches("0x"), 16).unwrap();
    let to = to.parse().unwrap();
    let unsigned = Unsigned::call(ChainId(origin.chain_id), nonce, to, input);
    let tx = signer.sign(Unsigned { gas_limit: 100_000, ..unsigned });
    let hash = call("eth_sendRawTransaction", json!([hex::encode_prefixed(tx.raw())])).await;
    let start = Instant::now();
    loop {
        match vm.chain.transaction(asker(), hash.parse().unwrap()).await {
            Ok(found) => return found,
            Err(problem) => assert_eq!(problem.code, Code::NotFound),
        }
        assert!(start.elapsed() < PATIENCE, "{hash} is in no block");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(super) async fn the_node_says_who_it_is_and_why_a_transaction_failed(reach: Reach) {
    let node = Node::new(reach).await;
    let vm = with_others(&node, 1, node.blocks.clone()).await;
    let head = vm.registered(0).await;
    let about = vm.chain.node().await.unwrap();
    let key = node.log.head().await.unwrap().key;
    assert_eq!((&about.log_key, about.network.as_str()), (&key, "private"));
    assert_eq!(format!("lucid/{}", about.node_id), key.split('+').next().unwrap());
    assert_eq!((about.origin.chain_id, &about.origin.account), (head.chain_id, &head.account));
    assert_eq!(about.origin.contracts.anchors, head.anchors);
    let genesis = vm.chain.block(asker(), BlockId::Number(0)).await.unwrap().block;
    assert_eq!(genesis.hash, about.origin.genesis_hash);
    assert_eq!(genesis.header.parent, Hash::of(about.origin.genesis.as_bytes()));
    assert_eq!(about.features, ["chain", "witness"], "it witnesses a log, and none is asked");
    assert_eq!(about.services, ["one", "two"]);

    // `set(bytes32,uint256)`, which is for the timelock alone.
    let selector = &keccak256("set(bytes32,uint256)")[..4];
    let set: Bytes = [selector, &[0; 64]].concat().into();
    let failed = send(&vm, &other(0), &about.origin.contracts.parameters, set).await;
    assert!(!failed.success && failed.logs.is_empty());
    let why = failed.failure.as_deref().unwrap_or_default();
    assert!(why.starts_with("only a decision changes this"), "{why}");
    assert!(failed.action.is_some_and(|action| action.starts_with("sets the parameter 0x00")));
    let block = vm.chain.block(asker(), BlockId::Number(failed.block_number)).await.unwrap();
    assert_eq!((block.block.failed_count, block.transactions[0].success), (1, false));
    vm.stop().await;
}
