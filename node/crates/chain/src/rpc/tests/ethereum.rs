//! What the methods say of a chain on which something happened.

use alloy_primitives::{Bytes, U256, keccak256};

use super::*;
use crate::{ChainId, rules};

#[test]
fn blocks_have_the_fields_that_clients_read() {
    let node = Node::new();
    let (_, created, stored) = node.keeper();
    let head = node.chain.head();
    let block = node.ask("eth_getBlockByNumber", json!(["latest", false]));
    let body = node.chain.block(head.header.number).unwrap().body;
    let hex = |hash: lucid_core::Hash| hex::encode_prefixed(hash.0);
    let receipt = node.ask("eth_getTransactionReceipt", json!([stored]));
    assert_eq!(
        block,
        json!({
            "hash": hex(head.hash),
            "parentHash": hex(head.header.parent),
            "number": "0x2",
            "timestamp": format!("{:#x}", (START + 500) / 1000),
            "nonce": "0x0000000000000000",
            "difficulty": "0x0",
            "totalDifficulty": "0x0",
            "gasLimit": format!("{:#x}", rules::BLOCK_GAS_MAX),
            "gasUsed": format!("{:#x}", head.header.gas_used),
            "baseFeePerGas": "0x3b9aca00",
            "miner": "0xcbcbcbcbcbcbcbcbcbcbcbcbcbcbcbcbcbcbcbcb",
            "extraData": "0x",
            "logsBloom": receipt["logsBloom"],
            "transactionsRoot": hex(head.header.tx_root),
            "stateRoot": hex(head.header.state_root),
            "receiptsRoot": hex(head.header.receipts_root),
            // Keccak-256 of an empty list's RLP, and the root of an empty trie (Yellow Paper, 4.3.2).
            "sha3Uncles": "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347",
            "withdrawalsRoot": "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421",
            "mixHash": hex(head.header.parent),
            "size": format!("{:#x}", head.header.to_bytes().len() + body[0].len()),
            "uncles": [],
            "withdrawals": [],
            "blobGasUsed": "0x0",
            "excessBlobGas": "0x0",
            "transactions": [stored],
        })
    );
    assert_ne!(block["logsBloom"], json!(format!("0x{}", "0".repeat(512))));
    assert_eq!(node.ask("eth_getBlockByHash", json!([block["hash"], false])), block);
    for tag in ["safe", "finalized", "pending", "0x2"] {
        assert_eq!(node.ask("eth_getBlockByNumber", json!([tag, false])), block, "{tag}");
    }
    let full = node.ask("eth_getBlockByNumber", json!(["0x1", true]));
    assert_eq!(full["transactions"][0]["hash"], created);
    assert_eq!(node.ask("eth_getBlockByNumber", json!(["earliest", true]))["number"], "0x0");
    let nothing = [
        ("eth_getBlockByNumber", json!(["0x3", false])),
        ("eth_getBlockByHash", json!([created, false])),
        ("eth_getBlockReceipts", json!(["0x3"])),
        ("eth_getBlockTransactionCountByNumber", json!(["0x3"])),
        ("eth_getBlockTransactionCountByHash", json!([created])),
        ("eth_getTransactionByBlockNumberAndIndex", json!(["0x2", "0x1"])),
        ("eth_getTransactionByBlockNumberAndIndex", json!(["0x2", "0x100000000"])),
        ("eth_getTransactionByBlockNumberAndIndex", json!(["0x3", "0x0"])),
        ("eth_getTransactionByHash", json!([block["hash"]])),
        ("eth_getTransactionReceipt", json!([block["hash"]])),
    ];
    for (method, params) in nothing {
        assert_eq!(node.ask(method, params), Value::Null, "{method}");
    }
    assert_eq!(node.ask("eth_getBlockTransactionCountByNumber", json!(["0x2"])), "0x1");
    assert_eq!(node.ask("eth_blockNumber", json!([])), "0x2");
}

#[test]
fn a_transaction_waits_and_is_then_in_a_block() {
    let node = Node::new();
    let (keeper, ..) = node.keeper();
    let account = json!(signer(0).address());
    let to = keeper.as_str().unwrap().parse().unwrap();
    let hash = node.send(0, unsigned(2, Some(to), words(&[6, 7])));
    let mut waiting = node.ask("eth_getTransactionByHash", json!([hash]));
    for field in ["blockHash", "blockNumber", "transactionIndex"] {
        assert_eq!(waiting[field].take(), Value::Null);
        waiting.as_object_mut().unwrap().remove(field);
    }
    assert_eq!(node.ask("eth_getTransactionReceipt", json!([hash])), Value::Null);
    let nonce = |tag| node.ask("eth_getTransactionCount", json!([account, tag]));
    assert_eq!(
        (nonce("latest"), nonce("pending"), nonce("0x1")),
        ("0x2".into(), "0x3".into(), "0x1".into())
    );
    node.mine();
    assert_eq!((nonce("latest"), nonce("pending")), ("0x3".into(), "0x3".into()));

    let included = node.ask("eth_getTransactionByHash", json!([hash]));
    for (field, value) in waiting.as_object().unwrap() {
        assert_eq!(&included[field], value, "{field}");
    }
    for (field, value) in [
        ("from", account),
        ("to", keeper.clone()),
        ("nonce", json!("0x2")),
        ("type", json!("0x2")),
        ("chainId", json!("0x1c1d")),
        ("value", json!("0x0")),
        ("gas", json!("0x30d40")),
        ("gasPrice", json!("0x3b9aca00")),
        ("blockNumber", json!("0x3")),
        ("maxFeePerGas", json!("0x3b9aca00")),
        ("maxPriorityFeePerGas", json!("0x0")),
        ("transactionIndex", json!("0x0")),
        ("input", json!(hex_words(&[6, 7]))),
        ("accessList", json!([])),
    ] {
        let text = |value: &Value| value.to_string().to_lowercase();
        assert_eq!(text(&included[field]), text(&value), "{field}");
    }
    for field in ["v", "r", "s", "yParity"] {
        assert!(included[field].is_string(), "{field}");
    }
    let by = json!([included["blockHash"], "0x0"]);
    assert_eq!(node.ask("eth_getTransactionByBlockHashAndIndex", by), included);
    let receipts = node.ask("eth_getBlockReceipts", json!(["latest"]));
    assert_eq!(receipts, json!([node.ask("eth_getTransactionReceipt", json!([hash]))]));
    let receipt = &receipts[0];
    for (field, value) in [
        ("status", json!("0x1")),
        ("type", json!("0x2")),
        ("contractAddress", Value::Null),
        ("effectiveGasPrice", json!("0x3b9aca00")),
        ("cumulativeGasUsed", receipt["gasUsed"].clone()),
    ] {
        assert_eq!(receipt[field], value, "{field}");
    }
    let log = json!({"address": keeper, "topics": [word(6)], "data": word(6), "blockHash": included["blockHash"],
        "blockNumber": "0x3", "transactionHash": hash, "transactionIndex": "0x0", "logIndex": "0x0",
        "removed": false});
    assert_eq!(receipt["logs"], json!([log]));
    let logs = |query| node.ask("eth_getLogs", json!([query]));
    assert_eq!(logs(json!({})), json!([log]), "of the newest block");
    assert_eq!(logs(json!({"blockHash": log["blockHash"]})), json!([log]));
    let all = logs(json!({"fromBlock": "earliest", "address": keeper}));
    assert_eq!(all.as_array().unwrap().len(), 2);
    assert_eq!(logs(json!({"fromBlock": "0x0", "topics": [[word(6), word(7)]]})), json!([log]));
    assert_eq!(logs(json!({"fromBlock": "0x0", "topics": [[word(6), null]]})), all, "null is any");
    assert_eq!(logs(json!({"fromBlock": "0x0", "topics": [null, null]})), json!([]));
    assert_eq!(logs(json!({"fromBlock": "0x0", "toBlock": "0x1"})), json!([]));
}

#[test]
fn several_transactions_of_a_block_count_up() {
    let node = Node::new();
    let (keeper, ..) = node.keeper();
    let to = keeper.as_str().unwrap().parse().unwrap();
    for number in 1..4 {
        node.send(number, unsigned(0, Some(to), words(&[u64::from(number), 1])));
    }
    node.mine();
    let receipts = node.ask("eth_getBlockReceipts", json!(["latest"]));
    let mut gas = U256::ZERO;
    for (index, receipt) in receipts.as_array().unwrap().iter().enumerate() {
        assert_eq!(
            node.ask("eth_getTransactionReceipt", json!([receipt["transactionHash"]])),
            *receipt
        );
        let number = |field: &str| receipt[field].as_str().unwrap().parse::<U256>().unwrap();
        gas += number("gasUsed");
        assert_eq!(number("cumulativeGasUsed"), gas);
        assert_eq!(receipt["logs"][0]["logIndex"], format!("{index:#x}"));
        assert_eq!(receipt["transactionIndex"], format!("{index:#x}"));
    }
    let full = node.ask("eth_getBlockByNumber", json!(["latest", true]));
    assert_eq!(full["transactions"].as_array().unwrap().len(), 3);
    assert_eq!(full["gasUsed"].as_str().unwrap().parse::<U256>().unwrap(), gas);
}

#[test]
fn calls_return_revert_and_are_estimated() {
    let node = Node::new();
    let (keeper, created, _) = node.keeper();
    let call = |data: &str| json!({"to": keeper, "input": data});
    assert_eq!(node.ask("eth_call", json!([call(&word(5)), "latest"])), json!(word(9)));
    assert_eq!(node.ask("eth_call", json!([call(&word(5)), "0x1"])), json!(word(0)), "before");
    assert_eq!(node.ask("eth_getStorageAt", json!([keeper, "0x5", "latest"])), json!(word(9)));
    let code = node.ask("eth_getCode", json!([keeper, "latest"]));
    assert_eq!(code, json!(hex::encode_prefixed(testing::KEEPER)));
    assert_eq!(node.ask("eth_getCode", json!([keeper, "0x0"])), json!("0x"));
    for method in ["eth_call", "eth_estimateGas"] {
        let error = node.refuses(method, json!([call("0x01")]), 3, "execution reverted: no");
        // Error("no"), after its selector.
        let data = format!("0x08c379a0{:064x}{:064x}{:0<64}", 32, 2, "6e6f");
        assert_eq!(error["data"], json!(data));
        let poor = json!([{"from": keeper, "to": created.as_str().unwrap()[..42], "value": "0x1"}]);
        node.refuses(method, poor, -32000, "insufficient funds");
        node.refuses(method, json!([{"data": "0xfe"}]), -32000, "invalid opcode");
        node.refuses(
            method,
            json!([call(&word(5)), "0x9"]),
            -32000,
            "header not found: there is no block 9",
        );
        let unknown = json!([call(&word(5)), {"blockHash": created}]);
        node.refuses(method, unknown, -32001, "header for hash not found");
    }
    let cheap = json!([{"to": keeper, "data": word(5), "maxFeePerGas": "0x1"}]);
    node.refuses("eth_call", cheap, -32000, "max fee per gas less than block base fee");
    let account = json!(signer(1).address());
    let transfer = json!([{"from": account, "to": account, "value": "0x1"}]);
    assert_eq!(node.ask("eth_estimateGas", transfer), "0x5208");
    let gas: U256 = node
        .ask("eth_estimateGas", json!([call(&hex_words(&[8, 8]))]))
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let to = keeper.as_str().unwrap().parse().unwrap();
    let mut store = unsigned(0, Some(to), words(&[8, 8]));
    store.gas_limit = gas.to();
    let hash = node.send(1, store);
    node.mine();
    assert_eq!(
        node.ask("eth_getTransactionReceipt", json!([hash]))["status"],
        "0x1",
        "it suffices"
    );
    // TIMESTAMP, returned: what the next block will see.
    let time = "0x425f5260205ff3";
    node.wait(3_600_000);
    let call = |tag| node.ask("eth_call", json!([{"data": time}, tag]));
    assert_eq!(call("latest"), json!(word((START + 750) / 1000)));
    assert_eq!(call("pending"), json!(word((START + 3_600_000) / 1000)));
}

#[test]
fn transactions_are_refused_in_the_words_of_geth() {
    let node = Node::new();
    let (_, created, _) = node.keeper();
    let raw = |number, unsigned| json!([hex::encode_prefixed(signer(number).sign(unsigned).raw())]);
    let to = Some(signer(1).address());
    let plain = |nonce| unsigned(nonce, to, Bytes::new());
    let refuses = |params, words| node.refuses("eth_sendRawTransaction", params, -32000, words);
    let replayed =
        node.chain.included(created.as_str().unwrap().parse().unwrap()).unwrap().unwrap();
    refuses(json!([hex::encode_prefixed(replayed.transaction.raw())]), "nonce too low");
    refuses(raw(0, plain(1000)), "nonce too high");
    refuses(raw(0, Unsigned { chain_id: ChainId(1), ..plain(2) }), "invalid chain id for signer");
    refuses(raw(20, plain(0)), "insufficient funds for gas * price + value");
    refuses(raw(0, Unsigned { gas_limit: 20_999, ..plain(2) }), "intrinsic gas too low");
    refuses(raw(0, Unsigned { gas_limit: 1 << 25, ..plain(2) }), "gas limit too high");
    refuses(json!(["0x"]), "rlp: no bytes");
    refuses(json!(["0x03"]), "transaction type not supported");
    refuses(json!(["0x02c0"]), "rlp: ");
    let long = format!("0x02{}", "00".repeat(rules::TX_BYTES_MAX));
    refuses(json!([long]), "oversized data");
    node.send(0, plain(2));
    refuses(raw(0, plain(2)), "already known");
    refuses(
        raw(0, Unsigned { value: U256::ONE, ..plain(2) }),
        "replacement transaction underpriced",
    );
}

#[test]
fn states_that_are_not_kept_and_ranges_that_are_too_wide_are_said_so() {
    let node = Node::keeping(1);
    let (keeper, created, stored) = node.keeper();
    node.mine();
    let call = json!({"to": keeper, "data": word(5)});
    node.refuses("eth_call", json!([call, "0x0"]), -32000, "missing trie node");
    node.refuses(
        "eth_getBalance",
        json!([keeper, "0x1"]),
        -32000,
        "is not kept: this node answers for",
    );
    node.refuses("debug_traceTransaction", json!([created]), -32000, "missing trie node");
    assert_eq!(node.ask("eth_getTransactionReceipt", json!([stored]))["status"], "0x1");
    node.refuses(
        "debug_traceTransaction",
        json!([keccak256("none")]),
        -32000,
        "transaction not found",
    );
    let refuses = |query, code, words| node.refuses("eth_getLogs", json!([query]), code, words);
    refuses(json!({"fromBlock": "0x3", "toBlock": "0x1"}), -32602, "invalid block range params");
    refuses(json!({"fromBlock": "0x9", "toBlock": "0x9"}), -32000, "there is no block 9");
    refuses(json!({"blockHash": created}), -32001, "unknown block");
    refuses(json!({"blockHash": created, "toBlock": "0x1"}), -32602, "choose one");
    refuses(json!({"topics": [[], [], [], [], []]}), -32005, "at most 4 topic positions");
    let many = vec![keeper; crate::ALTERNATIVES_MAX + 1];
    refuses(json!({"address": many}), -32005, "at most 1000 addresses");
    node.refuses("eth_newFilter", json!([{"address": many}]), -32005, "at most 1000 addresses");
    refuses(json!({"topics": [[null, "0x00"]]}), -32602, "topics: want 32 bytes, have 1");
}

#[test]
fn fees_are_constant_and_tips_are_told() {
    let node = Node::new();
    node.keeper();
    assert_eq!(node.ask("eth_gasPrice", json!([])), "0x3b9aca00");
    assert_eq!(node.ask("eth_maxPriorityFeePerGas", json!([])), "0x0");
    let history = node.ask("eth_feeHistory", json!(["0x2", "latest", [0, 100]]));
    let ratio = node.chain.head().header.gas_used as f64 / rules::BLOCK_GAS_MAX as f64;
    assert_eq!(history["oldestBlock"], "0x1");
    assert_eq!(history["baseFeePerGas"], json!(["0x3b9aca00", "0x3b9aca00", "0x3b9aca00"]));
    assert_eq!(history["gasUsedRatio"][1], json!(ratio));
    assert_eq!(history["reward"], json!([["0x0", "0x0"], ["0x0", "0x0"]]));
    let all = node.ask("eth_feeHistory", json!([5000, "latest"]));
    assert_eq!((&all["oldestBlock"], &all["reward"]), (&json!("0x0"), &Value::Null));
    assert_eq!(all["gasUsedRatio"].as_array().unwrap().len(), 3);
    assert_eq!(node.ask("eth_feeHistory", json!(["0x0", "latest"]))["gasUsedRatio"], json!([]));
    node.refuses("eth_feeHistory", json!(["0x1", "0x3"]), -32000, "header not found");
}

#[test]
fn traces_come_in_both_forms() {
    let node = Node::new();
    let (keeper, _, stored) = node.keeper();
    let calls = node.ask(
        "debug_traceTransaction",
        json!([stored, {"tracer": "callTracer", "tracerConfig": {"withLog": true}}]),
    );
    let receipt = node.ask("eth_getTransactionReceipt", json!([stored]));
    assert_eq!((&calls["type"], &calls["to"]), (&json!("CALL"), &keeper));
    assert_eq!(calls["gasUsed"], receipt["gasUsed"]);
    assert_eq!(calls["logs"][0]["topics"], json!([word(5)]));
    let lines = node.ask("debug_traceTransaction", json!([stored]));
    let ops: Vec<_> =
        lines["structLogs"].as_array().unwrap().iter().map(|line| &line["op"]).collect();
    assert!(ops.contains(&&json!("SSTORE")) && ops.last() == Some(&&json!("STOP")), "{ops:?}");
    assert_eq!(lines["failed"], false);
    let few =
        node.ask("debug_traceTransaction", json!([stored, {"limit": 2, "disableStack": true}]));
    assert_eq!(few["structLogs"].as_array().unwrap().len(), 2);
    assert!(few["structLogs"][0].get("stack").is_none());
    for (options, words) in [
        (json!({"tracer": "prestateTracer"}), "want callTracer"),
        (
            json!({"tracer": "callTracer", "tracerConfig": {"deep": true}}),
            "tracerConfig: deep: there is no",
        ),
        (json!({"enableMemory": 1}), "enableMemory: want a boolean"),
    ] {
        node.refuses("debug_traceTransaction", json!([stored, options]), -32602, words);
    }
}

#[test]
fn says_who_it_is() {
    let node = Node::new();
    assert_eq!(node.ask("net_version", json!([])), "7197");
    assert_eq!(node.ask("net_listening", json!([])), true);
    assert_eq!(node.ask("net_peerCount", json!([])), "0x0");
    assert_eq!(node.ask("web3_clientVersion", json!([])), "Lucid/v0.1.0");
    assert_eq!(node.ask("eth_syncing", json!([])), false);
    assert_eq!(node.ask("eth_accounts", json!([])), json!([]));
    // Keccak-256 of nothing (Yellow Paper, 4.1).
    let empty = "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470";
    assert_eq!(node.ask("web3_sha3", json!(["0x"])), empty);
}
