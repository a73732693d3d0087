//! Every method: a good call, too few, too many and wrong parameters; and calls that were tampered with.

use proptest::prelude::*;

use super::*;
use crate::rpc::methods::METHODS;

struct Row {
    method: &'static str,
    /// All parameters, the optional ones too.
    params: Value,
    required: usize,
}

/// A good call of each method on a node with a [`Node::keeper`].
fn rows(node: &Node) -> Vec<Row> {
    let (keeper, _, stored) = node.keeper();
    let block = node.ask("eth_getBlockByNumber", json!(["latest", false]))["hash"].take();
    let account = signer(0).address();
    let waits = signer(3).sign(unsigned(0, Some(account), hex!("").into()));
    let filter = node.ask("eth_newFilter", json!([{}]));
    let other = node.ask("eth_newBlockFilter", json!([]));
    let call = json!({"from": account, "to": keeper, "data": word(5), "gas": "0xffff", "value": "0x0",
        "maxFeePerGas": "0x77359400", "maxPriorityFeePerGas": "0x0", "nonce": "0x2", "type": "0x2",
        "chainId": "0x1c1d", "accessList": [{"address": keeper, "storageKeys": [word(5)]}]});
    let logs = json!({"fromBlock": "0x0", "toBlock": "latest", "address": [keeper],
        "topics": [[word(5), null]]});
    let options =
        json!({"tracer": "callTracer", "tracerConfig": {"withLog": true}, "timeout": "5s"});
    let row = |method, params, required| Row { method, params, required };
    vec![
        row("debug_traceTransaction", json!([stored, options]), 1),
        row("eth_accounts", json!([]), 0),
        row("eth_blockNumber", json!([]), 0),
        row("eth_call", json!([call, {"blockHash": block, "requireCanonical": true}, {}, {}]), 1),
        row("eth_chainId", json!([]), 0),
        row("eth_estimateGas", json!([call, "latest", {}, {}]), 1),
        row("eth_feeHistory", json!(["0x5", "latest", [0, 50.5, 100]]), 2),
        row("eth_gasPrice", json!([]), 0),
        row("eth_getBalance", json!([account, "pending"]), 1),
        row("eth_getBlockByHash", json!([block, true]), 2),
        row("eth_getBlockByNumber", json!(["0x1", true]), 2),
        row("eth_getBlockReceipts", json!([{"blockNumber": "0x2"}]), 1),
        row("eth_getBlockTransactionCountByHash", json!([block]), 1),
        row("eth_getBlockTransactionCountByNumber", json!(["earliest"]), 1),
        row("eth_getCode", json!([keeper, "safe"]), 1),
        row("eth_getFilterChanges", json!([other]), 1),
        row("eth_getFilterLogs", json!([filter]), 1),
        row("eth_getLogs", json!([logs]), 1),
        row("eth_getStorageAt", json!([keeper, "0x5", "finalized"]), 2),
        row("eth_getTransactionByBlockHashAndIndex", json!([block, "0x0"]), 2),
        row("eth_getTransactionByBlockNumberAndIndex", json!(["0x2", "0x0"]), 2),
        row("eth_getTransactionByHash", json!([stored]), 1),
        row("eth_getTransactionCount", json!([account, "latest"]), 1),
        row("eth_getTransactionReceipt", json!([stored]), 1),
        row("eth_maxPriorityFeePerGas", json!([]), 0),
        row("eth_newBlockFilter", json!([]), 0),
        row("eth_newFilter", json!([{"topics": [null, word(5)]}]), 1),
        row("eth_newPendingTransactionFilter", json!([]), 0),
        row("eth_sendRawTransaction", json!([hex::encode_prefixed(waits.raw())]), 1),
        row("eth_syncing", json!([]), 0),
        row("eth_uninstallFilter", json!(["0x77"]), 1),
        row("net_listening", json!([]), 0),
        row("net_peerCount", json!([]), 0),
        row("net_version", json!([]), 0),
        row("web3_clientVersion", json!([]), 0),
        row("web3_sha3", json!(["0x"]), 1),
    ]
}

#[test]
fn every_method_takes_its_parameters_and_no_others() {
    let node = Node::new();
    let rows = rows(&node);
    let names: Vec<_> = rows.iter().map(|row| row.method).collect();
    let methods: Vec<_> = METHODS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, methods, "each has a row");
    assert!(methods.is_sorted(), "they are looked for by halves");
    for Row { method, params, required } in rows {
        let all = params.as_array().unwrap();
        node.ask(method, params.clone());
        if method == "eth_sendRawTransaction" {
            node.refuses(method, params.clone(), -32000, "already known");
        } else {
            // What is optional may be left out or null.
            node.ask(method, json!(all[..required]));
            let nulls =
                all.iter().enumerate().map(|(n, p)| if n < required { p } else { &Value::Null });
            node.ask(method, nulls.cloned().collect());
        }
        for less in 0..required {
            let words = format!("missing value for required argument {less}");
            node.refuses(method, json!(all[..less]), -32602, &words);
        }
        let more: Value = all.iter().cloned().chain([json!("0x1")]).collect();
        let words = format!("too many arguments, want at most {}", all.len());
        node.refuses(method, more, -32602, &words);
        for place in 0..all.len() {
            for wrong in [json!({"no": "such"}), json!("zz"), json!("0xzz"), json!([{}]), json!(-1)]
            {
                let mut params = params.clone();
                params[place] = wrong;
                node.refuses(method, params, -32602, &format!("invalid argument {place} ("));
            }
        }
    }
}

#[test]
fn values_have_one_form() {
    let node = Node::new();
    let account = json!(signer(0).address());
    let zeros = |digits| format!("0x{}", "0".repeat(digits));
    for (block, words) in [
        ("0x", "empty hex number"),
        ("0x01", "leading zero"),
        ("1", "want a block number"),
        ("LATEST", "want a block number"),
        ("0x1 ", "invalid hex digit"),
        ("0x-1", "invalid hex digit"),
        ("0x10000000000000000", "exceeds 64 bits"),
        (&format!("0x1{}", "0".repeat(64)), "exceeds 256 bits"),
    ] {
        node.refuses("eth_getBalance", json!([account, block]), -32602, words);
    }
    for (block, words) in [
        (json!({}), "want either blockNumber or blockHash"),
        (json!({"blockNumber": "0x0", "blockHash": zeros(64)}), "want either"),
        (json!({"blockNumber": "0x0", "requireCanonical": 1}), "requireCanonical: want a boolean"),
        (json!({"blockHash": "0x00"}), "blockHash: want 32 bytes, have 1"),
        (json!({"blockNumber": "0x0", "more": 1}), "more: there is no such field"),
        (json!(0), "want an object, have a number"),
    ] {
        node.refuses("eth_getBalance", json!([account, block]), -32602, words);
    }
    for (address, words) in [
        (zeros(38), "want 20 bytes, have 19"),
        (zeros(42), "want 20 bytes, have 21"),
        (zeros(39), "odd length"),
        ("0".repeat(40), "without 0x prefix"),
    ] {
        node.refuses("eth_getBalance", json!([address]), -32602, words);
    }
    // A slot is a quantity or 32 bytes.
    for slot in ["0x0", "0x00", &zeros(64)] {
        let value = node.ask("eth_getStorageAt", json!([account, slot, "latest"]));
        assert_eq!(value, json!(zeros(64)));
    }
    node.refuses("eth_getStorageAt", json!([account, zeros(65), "latest"]), -32602, "256 bits");
    for (call, words) in [
        (json!({"input": "0x01", "data": "0x02"}), "both data and input"),
        (json!({"gasPrice": "0x1", "maxFeePerGas": "0x1"}), "both gasPrice and"),
        (json!({"maxFeePerGas": "0x1", "maxPriorityFeePerGas": "0x2"}), "higher than max fee"),
        (json!({"type": "0x3"}), "type: 0x3 is not supported"),
        (json!({"blobVersionedHashes": []}), "blobVersionedHashes: there is no such field"),
        (json!({"accessList": [{"storageKeys": []}]}), "accessList: an item has no address"),
        (json!({"value": "0x00"}), "value: hex number with leading zero"),
    ] {
        node.refuses("eth_call", json!([call]), -32602, words);
        node.refuses("eth_estimateGas", json!([call]), -32602, words);
    }
    node.refuses("eth_call", json!([{"chainId": "0x1"}]), -32000, "chainId does not match");
    let changed = json!([{}, "latest", {signer(0).address().to_string(): {"balance": "0x1"}}]);
    node.refuses("eth_call", changed, -32602, "does not override state");
    for (shares, words) in [
        (json!([1, 0]), "ascending"),
        (json!([101]), "from 0 to 100"),
        (json!(vec![1; 101]), "at most 100 percentiles"),
    ] {
        node.refuses("eth_feeHistory", json!([1, "latest", shares]), -32602, words);
    }
}

/// Cuts, copies and changes bytes, and puts in what readers choke on.
fn tamper(text: &mut Vec<u8>, edits: &[(usize, u8, u8)]) {
    const TOKENS: [&str; 12] = [
        "\"",
        "{",
        "[",
        "null",
        "-1",
        "1e308",
        "0x",
        "\\u0000",
        "\u{2028}",
        "[[[[[[[[[[[[[",
        ",",
        "0xffffffffffffffff",
    ];
    for &(place, edit, byte) in edits {
        let place = place % (text.len() + 1);
        let end = (place + usize::from(byte % 40)).min(text.len());
        match edit % 5 {
            0 if place < text.len() => text[place] ^= byte,
            1 => drop(text.drain(place..end)),
            2 => {
                let copy = text[place..end].to_vec();
                text.splice(place..place, copy);
            }
            3 => drop(text.splice(place..end, TOKENS[usize::from(byte) % 12].bytes())),
            _ => drop(text.splice(place..place, TOKENS[usize::from(byte) % 12].bytes())),
        }
    }
}

#[test]
fn tampered_calls_are_answered_in_the_same_form() {
    let node = Node::new();
    let mut texts: Vec<String> = rows(&node)
        .into_iter()
        .map(|Row { method, params, .. }| {
            json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string()
        })
        .collect();
    texts.push(format!("[{}]", texts.join(",")));
    let edits = prop::collection::vec((any::<usize>(), any::<u8>(), any::<u8>()), 1..5);
    let config = ProptestConfig { cases: 20_000, failure_persistence: None, ..Default::default() };
    let codes = [3, -32000, -32001, -32005, -32600, -32601, -32602, -32700].map(|code| json!(code));
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let tampered = (0..texts.len(), edits);
    runner
        .run(&tampered, |(which, edits)| {
            let mut text = texts[which].clone().into_bytes();
            tamper(&mut text, &edits);
            let Some(answer) = node.rpc.answer(&text) else { return Ok(()) };
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            let answers = answer.as_array().cloned().unwrap_or_else(|| vec![answer]);
            for answer in answers {
                prop_assert_eq!(&answer["jsonrpc"], "2.0");
                let code = &answer["error"]["code"];
                // Never "internal error": nothing from outside may cause one.
                prop_assert!(answer.get("result").is_some() || codes.contains(code), "{}", answer);
            }
            Ok(())
        })
        .unwrap();
}
