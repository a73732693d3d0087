//! JSON-RPC 2.0 itself.

use super::*;
use crate::rpc::{ANSWER_BYTES_MAX, ANSWER_MILLIS_MAX, BATCH_CALLS_MAX, BODY_BYTES_MAX, is_light};

const CHAIN_ID: &str = r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#;

#[test]
fn answers_to_the_id_that_was_sent() {
    let node = Node::new();
    for id in ["1", "0", "-5", "18446744073709551615", "\"a\\\"b\"", "\"\"", "null"] {
        let call = CHAIN_ID.replace("\"id\":1", &format!("\"id\":{id}"));
        let answer = node.rpc.answer(call.as_bytes()).unwrap();
        let want = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":"0x1c1d"}}"#);
        assert_eq!(String::from_utf8(answer).unwrap(), want);
    }
}

#[test]
fn says_what_is_wrong_with_a_call() {
    let node = Node::new();
    let long_id =
        format!(r#"{{"jsonrpc":"2.0","id":"{}","method":"eth_chainId"}}"#, "x".repeat(257));
    let rows = [
        ("", -32700, json!(null), "parse error"),
        ("{", -32700, json!(null), "parse error"),
        (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"eth_chainId"}"#, -32700, json!(null), "twice"),
        (
            r#"[{"jsonrpc":"2.0","id":1,"method":"eth_chainId"},"#,
            -32700,
            json!(null),
            "parse error",
        ),
        ("[]", -32600, json!(null), "an empty batch"),
        ("1", -32600, json!(null), "want an object, have a number"),
        ("null", -32600, json!(null), "want an object"),
        ("{}", -32600, json!(null), "jsonrpc must be"),
        (r#"{"id":1,"method":"eth_chainId"}"#, -32600, json!(1), "jsonrpc must be"),
        (r#"{"jsonrpc":2.0,"id":1,"method":"eth_chainId"}"#, -32600, json!(1), "jsonrpc must be"),
        (r#"{"jsonrpc":"1.0","id":1,"method":"eth_chainId"}"#, -32600, json!(1), "jsonrpc must be"),
        (r#"{"jsonrpc":"2.0","id":1}"#, -32600, json!(1), "method must be a string"),
        (r#"{"jsonrpc":"2.0","id":1,"method":1}"#, -32600, json!(1), "method must be a string"),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"eth_chainId"}"#, -32600, json!(null), "id must be"),
        (r#"{"jsonrpc":"2.0","id":[],"method":"eth_chainId"}"#, -32600, json!(null), "id must be"),
        (&long_id, -32600, json!(null), "id is longer than 256"),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":1}"#,
            -32600,
            json!(1),
            "params must be an array",
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":{}}"#,
            -32602,
            json!(1),
            "by name are not supported",
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainid"}"#,
            -32601,
            json!(1),
            "the method eth_chainid does not exist",
        ),
        (r#"{"jsonrpc":"2.0","id":1,"method":""}"#, -32601, json!(1), "does not exist"),
    ];
    for (text, code, id, words) in rows {
        let answer = node.text(text).unwrap();
        assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(code), &id), "{text}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(words), "{text}: {answer}");
        assert!(answer.get("result").is_none(), "{text}");
    }
    let long = CHAIN_ID.replace("eth_chainId", &"é".repeat(10_000));
    let answer = node.text(&long).unwrap();
    assert!(answer["error"]["message"].as_str().unwrap().len() < 256, "no echo at any length");
}

#[test]
fn a_batch_is_answered_in_order_and_a_notification_not_at_all() {
    let node = Node::new();
    let notification = CHAIN_ID.replace("\"id\":1,", "");
    assert_eq!(node.text(&notification), None);
    assert_eq!(node.text(&notification.replace("eth_chainId", "eth_none")), None);
    assert_eq!(node.text(&format!("[{notification},{notification}]")), None);
    let second = CHAIN_ID.replace("\"id\":1", "\"id\":2").replace("eth_chainId", "net_version");
    let answer = node.text(&format!("[{CHAIN_ID},{notification},7,{second},[]]")).unwrap();
    let shown: Vec<_> =
        answer.as_array().unwrap().iter().map(|a| (&a["id"], &a["result"])).collect();
    let (nothing, chain, version) = (json!(null), json!("0x1c1d"), json!("7197"));
    assert_eq!(
        shown,
        [(&json!(1), &chain), (&nothing, &nothing), (&json!(2), &version), (&nothing, &nothing)]
    );
    assert_eq!(answer[1]["error"]["code"], -32600);

    // A notification is done nevertheless.
    let tx = signer(0).sign(unsigned(0, Some(Address::ZERO), hex!("").into()));
    let raw = hex::encode_prefixed(tx.raw());
    let send = json!({"jsonrpc": "2.0", "method": "eth_sendRawTransaction", "params": [raw]});
    assert_eq!(node.text(&send.to_string()), None);
    assert!(node.host.waiting(tx.hash()).is_some());
}

#[test]
fn texts_batches_and_answers_are_bounded() {
    let node = Node::new();
    let padded = |bytes: usize| format!("{CHAIN_ID}{}", " ".repeat(bytes - CHAIN_ID.len()));
    assert_eq!(node.text(&padded(BODY_BYTES_MAX)).unwrap()["result"], "0x1c1d");
    let answer = node.text(&padded(BODY_BYTES_MAX + 1)).unwrap();
    assert_eq!(answer["error"]["code"], -32600, "{answer}");

    let batch = |call: &str, calls: usize| format!("[{}]", vec![call; calls].join(","));
    let answer = node.text(&batch(CHAIN_ID, BATCH_CALLS_MAX)).unwrap();
    assert_eq!(answer.as_array().unwrap().len(), BATCH_CALLS_MAX);
    let answer = node.text(&batch(CHAIN_ID, BATCH_CALLS_MAX + 1)).unwrap();
    assert!(answer["error"]["message"].as_str().unwrap().contains("batch too large"), "{answer}");

    // A contract that returns a million zeros: PUSH3 1000000, PUSH0, RETURN.
    let created = node.send(0, unsigned(0, None, init_code(&hex!("620f42405ff3"))));
    node.mine();
    let to = node.ask("eth_getTransactionReceipt", json!([created]))["contractAddress"].take();
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": [{"to": to}]});
    let bytes = node.rpc.answer(call.to_string().as_bytes()).unwrap().len();
    assert!(bytes > 2_000_000, "{bytes}");
    let answer = node.rpc.answer(batch(&call.to_string(), 30).as_bytes()).unwrap();
    assert!(answer.len() < ANSWER_BYTES_MAX + 30 * 256, "{}", answer.len());
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    let (done, refused): (Vec<_>, Vec<_>) =
        answer.as_array().unwrap().iter().partition(|answer| answer.get("result").is_some());
    assert_eq!(done.len(), ANSWER_BYTES_MAX / bytes);
    assert!(refused.iter().all(|answer| answer["error"]["code"] == -32005));
}

#[test]
fn a_batch_that_takes_long_is_cut_short() {
    /// A clock that goes on by a second whenever it is read.
    struct Slow(Node);
    impl Host for Slow {
        fn submit(&self, tx: Transaction) -> Result<(), TxError> {
            self.0.host.submit(tx)
        }
        fn waiting(&self, hash: B256) -> Option<Transaction> {
            self.0.host.waiting(hash)
        }
        fn next_nonce(&self, sender: Address, account_nonce: u64) -> u64 {
            self.0.host.next_nonce(sender, account_nonce)
        }
        fn now(&self) -> Timestamp {
            self.0.wait(1000);
            self.0.host.now()
        }
        fn client_version(&self) -> String {
            self.0.host.client_version()
        }
    }
    let node = Node::new();
    let chain = Arc::clone(&node.chain);
    let rpc = Rpc::new(chain, Arc::new(Slow(node)), [7; 32]);
    let answer = rpc.answer(format!("[{}]", [CHAIN_ID; 9].join(",")).as_bytes()).unwrap();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    let codes: Vec<_> = answer.as_array().unwrap().iter().map(|a| &a["error"]["code"]).collect();
    let done = (ANSWER_MILLIS_MAX / 1000) as usize;
    assert!(codes[..done].iter().all(|code| code.is_null()), "{answer}");
    assert!(codes[done..].iter().all(|code| **code == -32005), "{answer}");
}

#[test]
fn what_is_light_is_one_short_call_that_executes_nothing() {
    let call = |method: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#);
    for (text, light) in [
        (call("eth_blockNumber"), true),
        (call("eth_getTransactionReceipt"), true),
        (call("eth_call"), false),
        (call("eth_getLogs"), false),
        (call("debug_traceTransaction"), false),
        (call("eth_sendRawTransaction"), false),
        (call("unknown"), false),
        (format!("[{}]", call("eth_blockNumber")), false),
        (call("eth_blockNumber") + &" ".repeat(1024), false),
        ("{".to_owned(), false),
        // Whichever of two counts, none of them computes.
        (r#"{"method":"eth_blockNumber","method":"eth_call"}"#.to_owned(), false),
    ] {
        assert_eq!(is_light(text.as_bytes()), light, "{text}");
    }
}
