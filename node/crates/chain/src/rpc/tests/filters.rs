//! Filters.

use std::collections::HashSet;

use super::*;
use crate::rpc::{
    Caller,
    filters::{ANNOUNCED_MAX, CALLER_FILTERS_MAX, FILTERS_MAX, IDLE_MILLIS},
};

fn changes(node: &Node, id: &Value) -> Value {
    node.ask("eth_getFilterChanges", json!([id]))
}

fn is_gone(node: &Node, id: &Value) {
    node.refuses("eth_getFilterChanges", json!([id]), -32000, "filter not found");
}

#[test]
fn each_tells_what_is_new_once() {
    let node = Node::new();
    let blocks = node.ask("eth_newBlockFilter", json!([]));
    let pending = node.ask("eth_newPendingTransactionFilter", json!([]));
    let logs = node.ask("eth_newFilter", json!([{"fromBlock": "0x0", "topics": [word(5)]}]));
    let other = node.ask("eth_newFilter", json!([{"topics": [word(6)]}]));
    let early = node.ask("eth_newFilter", json!([{"toBlock": "0x1"}]));
    for id in [&blocks, &pending, &logs] {
        assert_eq!(changes(&node, id), json!([]));
    }
    let (_, created, stored) = node.keeper();
    let hashes: Vec<_> = ["0x1", "0x2"]
        .map(|number| node.ask("eth_getBlockByNumber", json!([number, false]))["hash"].take())
        .into();
    assert_eq!(changes(&node, &blocks), json!(hashes));
    assert_eq!(changes(&node, &pending), json!([created, stored]));
    let told = changes(&node, &logs);
    assert_eq!(told[0]["transactionHash"], stored);
    assert_eq!(told.as_array().unwrap().len(), 1);
    for id in [&blocks, &pending, &logs, &other, &early] {
        assert_eq!(changes(&node, id), json!([]), "it was told");
    }
    assert_eq!(
        node.ask("eth_getFilterLogs", json!([logs])),
        told,
        "all of its range, as often as asked"
    );
    node.refuses("eth_getFilterLogs", json!([blocks]), -32000, "filter not found");
    let hash = B256::repeat_byte(1);
    node.rpc.announce(hash);
    assert_eq!(changes(&node, &pending), json!([hash]));
}

#[test]
fn they_are_removed_and_expire() {
    let node = Node::new();
    let make = || node.ask("eth_newBlockFilter", json!([]));
    let (removed, used, idle) = (make(), make(), make());
    assert_eq!(node.ask("eth_uninstallFilter", json!([removed])), true);
    assert_eq!(node.ask("eth_uninstallFilter", json!([removed])), false);
    is_gone(&node, &removed);
    is_gone(&node, &json!("0x1"));
    for _ in 0..2 {
        node.wait(IDLE_MILLIS / 2 + 1);
        assert_eq!(changes(&node, &used), json!([]));
    }
    is_gone(&node, &idle);
}

/// Makes a filter of somebody with this name.
fn filter_of(node: &Node, name: &str) -> Value {
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_newBlockFilter"}).to_string();
    let answer = node.rpc.answer_to(Caller::named(name), call.as_bytes()).unwrap();
    serde_json::from_slice(&answer).unwrap()
}

#[test]
fn there_are_so_many_and_their_ids_cannot_be_guessed() {
    let node = Node::new();
    let make = || node.ask("eth_newBlockFilter", json!([]));
    let ids: HashSet<_> = (0..CALLER_FILTERS_MAX).map(|_| make().to_string()).collect();
    assert_eq!(ids.len(), CALLER_FILTERS_MAX);
    node.refuses("eth_newBlockFilter", json!([]), -32005, "you have 32 filters");
    node.wait(IDLE_MILLIS + 1);
    let id = make();
    assert!(id.as_str().unwrap().len() > 24, "{id}: 128 bits");
    let other = Rpc::new(Arc::clone(&node.chain), Arc::clone(&node.host) as Arc<dyn Host>, [8; 32]);
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_newBlockFilter"}).to_string();
    let answer: Value = serde_json::from_slice(&other.answer(call.as_bytes()).unwrap()).unwrap();
    assert!(!ids.contains(&answer["result"].to_string()));
}

/// Who comes when there are as many as there can be has one nevertheless, and those who have few keep them.
#[test]
fn nobody_keeps_others_from_having_filters() {
    let node = Node::new();
    let alone = filter_of(&node, "alone")["result"].take();
    let many = FILTERS_MAX / CALLER_FILTERS_MAX;
    let mut first = Vec::new();
    for number in 0..many {
        let name = format!("greedy {number}");
        let filters: Vec<_> = (0..CALLER_FILTERS_MAX).map(|_| filter_of(&node, &name)).collect();
        first.push(filters[0]["result"].clone());
        assert!(filters.iter().all(|filter| filter.get("error").is_none()), "{filters:?}");
        assert_eq!(filter_of(&node, &name)["error"]["code"], -32005);
    }
    // One of theirs has gone for the last of theirs already; this one was asked since.
    is_gone(&node, &first[0]);
    changes(&node, &first[1]);
    for name in ["late", "later"] {
        assert!(filter_of(&node, name).get("error").is_none());
    }
    assert_eq!(changes(&node, &alone), json!([]));
    assert_eq!(changes(&node, &first[1]), json!([]), "the one not asked longest goes first");
    // Of the second caller another one went, then one of the third, who had the most by then.
    is_gone(&node, &first[2]);
    assert_eq!(changes(&node, &first[3]), json!([]));
}

#[test]
fn a_filter_that_missed_transactions_says_so() {
    let node = Node::new();
    let id = node.ask("eth_newPendingTransactionFilter", json!([]));
    let announce = |count: usize| (0..count).for_each(|_| node.rpc.announce(B256::ZERO));
    announce(ANNOUNCED_MAX);
    assert_eq!(changes(&node, &id).as_array().unwrap().len(), ANNOUNCED_MAX);
    announce(ANNOUNCED_MAX + 1);
    node.refuses("eth_getFilterChanges", json!([id]), -32005, "make the filter anew");
    is_gone(&node, &id);
}

#[test]
fn too_many_logs_are_told_in_parts() {
    let node = Node::new();
    // CALLDATALOAD of word 0 is how many: a loop of LOG0 with nothing in it.
    // PUSH0 CALLDATALOAD JUMPDEST DUP1 ISZERO PUSH1 18 JUMPI PUSH1 1 SWAP1 SUB PUSH0 PUSH0 LOG0 PUSH1 2 JUMP
    // JUMPDEST STOP
    let code = hex!("5f355b8015601257600190035f5fa06002565b00");
    let created = node.send(0, unsigned(0, None, init_code(&code)));
    node.mine();
    let receipt = node.ask("eth_getTransactionReceipt", json!([created]));
    let to = receipt["contractAddress"].as_str().unwrap().parse().unwrap();
    let id = node.ask("eth_newFilter", json!([{}]));
    let emit = |nonce, logs| {
        let call = unsigned(nonce, Some(to), words(&[logs]));
        node.send(0, Unsigned { gas_limit: crate::rules::TX_GAS_MAX, ..call });
        node.mine();
    };
    for nonce in 1..=3 {
        emit(nonce, 6000);
    }
    let told = |parts: &[usize]| {
        let mut last = (String::new(), String::new());
        for &part in parts {
            let logs = changes(&node, &id);
            let logs = logs.as_array().unwrap();
            assert_eq!(logs.len(), part);
            for log in logs {
                let hex = |name: &str| format!("{:0>18}", log[name].as_str().unwrap());
                let place = (hex("blockNumber"), hex("logIndex"));
                assert!(place > last, "each once, and in order: {place:?} after {last:?}");
                last = place;
            }
        }
        assert_eq!(changes(&node, &id), json!([]));
    };
    told(&[10_000, 8000]);
    let all = json!([{"fromBlock": "0x0"}]);
    node.refuses("eth_getLogs", all, -32005, "more than 10000 logs match up to block 3");
    // More in one block than are told at once: the rest is told when it is asked again.
    emit(4, 10_001);
    emit(5, 1);
    told(&[10_000, 2]);
}
