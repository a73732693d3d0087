//! The methods over a chain with a host that makes a block when it is told to.

mod ethereum;
mod filters;
mod framing;
mod rows;

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use alloy_primitives::{Address, B256, hex};
use lucid_core::Timestamp;
use serde_json::{Value, json};

use super::{Host, Rpc};
use crate::{
    Chain, Limits, Pool, Transaction, TxError, Unsigned,
    chain::HISTORY_BLOCKS,
    testing::{self, START, genesis, init_code, signer, unsigned, words},
};

struct TestHost {
    chain: Arc<Chain>,
    pool: Mutex<Pool>,
    /// Milliseconds after [`START`].
    clock: AtomicU64,
}

impl Host for TestHost {
    fn submit(&self, tx: Transaction) -> Result<(), TxError> {
        let account = self.chain.account(tx.sender(), crate::At::Latest).unwrap();
        let intake = crate::Intake { at: self.now(), reserved: false };
        self.pool.lock().unwrap().add(tx, account, intake).map(|_| ())
    }

    fn waiting(&self, hash: B256) -> Option<Transaction> {
        self.pool.lock().unwrap().get(hash).cloned()
    }

    fn next_nonce(&self, sender: Address, account_nonce: u64) -> u64 {
        self.pool.lock().unwrap().next_nonce(sender, account_nonce)
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_unix_millis(START + self.clock.load(Ordering::Relaxed))
    }

    fn client_version(&self) -> String {
        "Lucid/v0.1.0".to_owned()
    }
}

struct Node {
    chain: Arc<Chain>,
    host: Arc<TestHost>,
    rpc: Rpc,
}

impl Node {
    fn new() -> Self {
        Self::keeping(HISTORY_BLOCKS)
    }

    fn keeping(history_blocks: u64) -> Self {
        let chain = Chain::open(testing::tree(), genesis(), history_blocks).unwrap();
        let chain = Arc::new(chain);
        let pool = Mutex::new(Pool::new(Limits::default()));
        let host = TestHost { chain: Arc::clone(&chain), pool, clock: AtomicU64::new(0) };
        let host = Arc::new(host);
        let rpc = Rpc::new(Arc::clone(&chain), Arc::clone(&host) as Arc<dyn Host>, [7; 32]);
        Self { chain, host, rpc }
    }

    /// Makes a block of what waits.
    fn mine(&self) {
        let mut pool = self.host.pool.lock().unwrap();
        let account = |sender| self.chain.account(sender, crate::At::Latest);
        let candidates =
            pool.candidates(|sender| Ok::<_, crate::ChainError>(account(sender)?.nonce));
        testing::block(&self.chain, candidates.unwrap());
        pool.prune(account).unwrap();
    }

    fn wait(&self, millis: u64) {
        self.host.clock.fetch_add(millis, Ordering::Relaxed);
    }

    /// The answer to a text, which must be JSON.
    fn text(&self, text: &str) -> Option<Value> {
        self.rpc.answer(text.as_bytes()).map(|answer| serde_json::from_slice(&answer).unwrap())
    }

    /// The whole answer to one call.
    fn call(&self, method: &str, params: &Value) -> Value {
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let answer = self.text(&call.to_string()).unwrap();
        assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!(1)), "{answer}");
        answer
    }

    #[allow(clippy::needless_pass_by_value, reason = "they are written where they are passed")]
    fn ask(&self, method: &str, params: Value) -> Value {
        let mut answer = self.call(method, &params);
        assert!(answer.get("error").is_none(), "{method} {params}: {answer}");
        answer["result"].take()
    }

    /// That a call is refused with this code, in words that have these in them.
    #[allow(clippy::needless_pass_by_value, reason = "they are written where they are passed")]
    #[track_caller]
    fn refuses(&self, method: &str, params: Value, code: i32, words: &str) -> Value {
        let mut answer = self.call(method, &params);
        let error = answer["error"].take();
        assert_eq!(error["code"], code, "{method} {params}: {error}");
        assert!(error["message"].as_str().unwrap().contains(words), "{method} {params}: {error}");
        assert!(answer.get("result").is_none());
        error
    }

    fn send(&self, number: u8, unsigned: Unsigned) -> Value {
        let tx = signer(number).sign(unsigned);
        self.ask("eth_sendRawTransaction", json!([hex::encode_prefixed(tx.raw())]))
    }

    /// Deploys the keeper in block 1 and has it keep 9 under 5 in block 2: its address, and the hashes of
    /// the two transactions.
    fn keeper(&self) -> (Value, Value, Value) {
        let created = self.send(0, unsigned(0, None, init_code(&testing::KEEPER)));
        self.mine();
        let address =
            self.ask("eth_getTransactionReceipt", json!([created]))["contractAddress"].take();
        let to: Address = address.as_str().unwrap().parse().unwrap();
        let stored = self.send(0, unsigned(1, Some(to), words(&[5, 9])));
        self.mine();
        (address, created, stored)
    }
}

fn hex_words(values: &[u64]) -> String {
    hex::encode_prefixed(words(values))
}

fn word(value: u64) -> String {
    hex_words(&[value])
}
