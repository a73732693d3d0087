//! JSON-RPC over a chain of its own: whatever is asked, the answer is one that clients can read.

use std::sync::{Arc, LazyLock};

use lucid_chain::{
    Chain, ChainId, Genesis, Transaction, TxError,
    alloy_primitives::{Address, B256, U256},
    rpc::{Host, Rpc},
};
use lucid_core::Timestamp;
use serde_json::Value;

/// A host that takes no transactions: the chain stays at its genesis.
struct Nobody;

impl Host for Nobody {
    fn submit(&self, _: Transaction) -> Result<(), TxError> {
        Err(TxError::Refused("nobody makes blocks here".to_owned()))
    }

    fn waiting(&self, _: B256) -> Option<Transaction> {
        None
    }

    fn next_nonce(&self, _: Address, account_nonce: u64) -> u64 {
        account_nonce
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_unix_millis(1)
    }

    fn client_version(&self) -> String {
        "fuzz".to_owned()
    }
}

static RPC: LazyLock<Rpc> = LazyLock::new(|| {
    let genesis = Genesis {
        allocations: [(Address::repeat_byte(1), U256::from(1_000_000))].into(),
        chain_id: ChainId(7),
        coinbase: Address::repeat_byte(2),
        time: Timestamp::from_unix_millis(0),
    };
    let tree = sled::Config::new().temporary(true).open().and_then(|db| db.open_tree("chain"));
    let chain = Chain::open(tree.expect("a database in memory"), genesis, 16);
    Rpc::new(Arc::new(chain.expect("a genesis that holds")), Arc::new(Nobody), [7; 32])
});

/// Texts of JSON-RPC: the answer is JSON, each part of it a result or an error, and a list where the text is.
pub fn json_rpc(bytes: &[u8]) {
    let Some(answer) = RPC.answer(bytes) else { return };
    let answer: Value = serde_json::from_slice(&answer).expect("the answer is JSON");
    let parts = match answer {
        Value::Array(parts) => {
            assert!(bytes.trim_ascii_start().first() == Some(&b'['), "a list for a list");
            assert!(!parts.is_empty(), "an empty list is no answer");
            parts
        }
        part => vec![part],
    };
    for part in parts {
        assert_eq!(part["jsonrpc"], "2.0", "{part}");
        let (result, error) = (part.get("result"), part.get("error"));
        assert!(result.is_some() != error.is_some(), "{part}");
        assert!(part.get("id").is_some(), "{part}");
        if let Some(error) = error {
            let said = error["message"].as_str().is_some_and(|message| !message.is_empty());
            assert!(error["code"].is_i64() && said, "{part}");
        }
    }
}
