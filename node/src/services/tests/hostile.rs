//! What somebody does who may send transactions, decide, or write into the data folder: the chain goes on, and
//! nobody is told what is not so.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use lucid_api::{
    Code, Problem,
    ports::{Answer, BlockLog, Support},
};
use lucid_chain::{
    ChainId, Signer, Unsigned,
    alloy_primitives::{Address, U256, hex},
    contracts::{
        Contracts, Governance as Beginning,
        governance::{Action, ProposalId, Proposed, Support as Said, vote},
    },
};
use lucid_core::Hash;
use lucid_store::{Disk, Projection};
use serde_json::{Value, json};

use super::{Node, Reach, asker, code, node::Vm};
use crate::services::governance::LocalGovernance;

/// Others than the node, which are members with coins from the beginning.
pub(super) fn other(number: u8) -> Signer {
    Signer::new(&[number + 1; 32]).unwrap()
}

/// A chain with so many other members, on which one vote is enough and decisions take some seconds.
pub(super) async fn with_others(node: &Node, others: u8, blocks: Arc<dyn BlockLog>) -> Vm {
    let member = |number| (other(number).address(), Hash::of(&[number]));
    let beginning = Beginning {
        nodes: (0..others).map(member).collect(),
        voting_delay: 1,
        voting_period: 4,
        vote_extension: 0,
        quorum_percent: 1,
        timelock_delay: 1,
    };
    let vm = node.vm_that_decides("vm", blocks, beginning).await;
    vm.registered(0).await;
    vm
}

/// Waits until something is so.
pub(super) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(start.elapsed() < Duration::from_mins(1), "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl Vm {
    async fn rpc(&self, method: &str, params: Value) -> Result<Value, String> {
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let answer =
            self.evm.rpc(asker(), call.to_string().into()).await.map_err(|it| it.detail)?;
        let mut answer: Value = serde_json::from_slice(&answer.unwrap()).unwrap();
        match answer["error"]["message"].as_str() {
            Some(message) => Err(message.to_owned()),
            None => Ok(answer["result"].take()),
        }
    }

    async fn number(&self, method: &str, params: Value) -> u64 {
        let answer = self.rpc(method, params).await.unwrap();
        u64::from_str_radix(answer.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
    }

    async fn unsigned(&self, by: &Signer, to: Address, input: Vec<u8>) -> Unsigned {
        let chain_id = ChainId(self.number("eth_chainId", json!([])).await);
        let nonce = self.number("eth_getTransactionCount", json!([by.address(), "pending"])).await;
        Unsigned::call(chain_id, nonce, to, input.into())
    }

    async fn send(&self, by: &Signer, unsigned: Unsigned) -> Result<Value, String> {
        let raw = hex::encode_prefixed(by.sign(unsigned).raw());
        self.rpc("eth_sendRawTransaction", json!([raw])).await
    }

    /// Sends, and waits until it is in a block; whether it went well.
    async fn done(&self, by: &Signer, unsigned: Unsigned) -> bool {
        let hash = self.send(by, unsigned).await.unwrap();
        let receipt = until("it is in a block", async || {
            let receipt = self.rpc("eth_getTransactionReceipt", json!([hash])).await.ok()?;
            (!receipt.is_null()).then_some(receipt)
        });
        receipt.await["status"] == "0x1"
    }

    async fn call_by(&self, by: &Signer, to: Address, input: Vec<u8>) -> bool {
        let unsigned = self.unsigned(by, to, input).await;
        self.done(by, unsigned).await
    }

    async fn contracts(&self) -> Contracts {
        Contracts::of(self.evm.chain().await.unwrap().account.parse().unwrap())
    }
}

pub(super) async fn a_full_pool_keeps_no_member_from_voting(reach: Reach) {
    let node = Node::new(reach).await;
    let vm = with_others(&node, 5, node.blocks.clone()).await;
    let contracts = vm.contracts().await;
    // One member fills the blocks that there may be for now, and then the pool, at any price; with gaps alone it
    // gets no more than an eighth.
    let mut full = None;
    'all: for from in 0..4 {
        let by = other(from);
        let first = vm.unsigned(&by, Address::ZERO, vec![1; 130_000]).await;
        for ahead in 0..60 {
            let unsigned =
                Unsigned { nonce: first.nonce + ahead, gas_limit: 6_000_000, ..first.clone() };
            if let Err(why) = vm.send(&by, unsigned).await {
                full = Some(why);
                break 'all;
            }
        }
    }
    assert!(full.as_ref().is_some_and(|why| why.contains("txpool is full")), "{full:?}");
    // A member's call is taken and carried out all the same, at no price.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let call = Action::SetParameter { key: "zstd_level".to_owned(), value: 5 };
    let proposed = Proposed::new("T", "", vec![call.call(&contracts).unwrap()]);
    let member = other(4);
    assert!(vm.call_by(&member, contracts.governor, proposed.propose().to_vec()).await);
    vm.stop().await;
}

pub(super) async fn the_nodes_account_is_the_nodes(reach: Reach) {
    let node = Node::new(reach).await;
    let vm = with_others(&node, 0, node.blocks.clone()).await;
    let contracts = vm.contracts().await;
    let key = std::fs::read_to_string(node.folder.path().join("vm/secrets/evm.key")).unwrap();
    let key: [u8; 32] = hex::decode(key.trim()).unwrap().try_into().unwrap();
    let own = Signer::new(&key).unwrap();
    assert_eq!(own.address().create(0), contracts.anchors);
    let refused = async |unsigned| {
        let why = vm.send(&own, unsigned).await.unwrap_err();
        assert!(why.contains("sender is the node itself"), "{why}");
    };
    // Anything said to a contract, or made one.
    let call = vm.unsigned(&own, contracts.anchors, vec![1, 2, 3, 4]).await;
    refused(Unsigned { to: None, ..call.clone() }).await;
    refused(call.clone()).await;
    // Coins may be given away, as long as enough are left, and one after the other.
    let coins = |coins: u64| U256::from(coins) * U256::from(10).pow(U256::from(18));
    let give = |value| Unsigned {
        to: Some(other(7).address()),
        input: Vec::new().into(),
        value,
        gas_limit: 21_000,
        ..call.clone()
    };
    refused(give(coins(999_000_001))).await;
    refused(Unsigned { nonce: call.nonce + 1, ..give(coins(1)) }).await;
    assert!(vm.done(&own, give(coins(2))).await);
    let balance = vm.rpc("eth_getBalance", json!([other(7).address(), "latest"])).await.unwrap();
    assert_eq!(balance, format!("{:#x}", coins(2)));
    node.sealed(b"registered after it").await;
    vm.registered(1).await;
    vm.stop().await;
}

/// A log whose disk is full, or not.
struct Full {
    log: Arc<dyn BlockLog>,
    is_full: AtomicBool,
}

#[async_trait]
impl BlockLog for Full {
    async fn append_block(&self, entries: Vec<String>) -> Answer<u64> {
        self.log.append_block(entries).await
    }

    async fn room(&self) -> Answer<()> {
        match self.is_full.load(Ordering::Relaxed) {
            true => Err(Problem::new(Code::DiskFull, "the disk is nearly full")),
            false => self.log.room().await,
        }
    }
}

pub(super) async fn a_disk_that_is_nearly_full_is_the_nodes_own(reach: Reach) {
    let node = Node::new(reach).await;
    let blocks = Arc::new(Full { log: node.blocks.clone(), is_full: AtomicBool::new(false) });
    let vm = with_others(&node, 1, blocks.clone()).await;
    let by = other(0);
    assert!(vm.call_by(&by, Address::ZERO, Vec::new()).await);
    blocks.is_full.store(true, Ordering::Relaxed);
    let refused = until("it is refused", async || {
        let unsigned = vm.unsigned(&by, Address::ZERO, Vec::new()).await;
        vm.send(&by, unsigned).await.err()
    });
    assert!(refused.await.contains("disk is nearly full"));
    node.sealed(b"what is the node's own goes on").await;
    vm.registered(1).await;
    blocks.is_full.store(false, Ordering::Relaxed);
    until("it is taken again", async || {
        let unsigned = vm.unsigned(&by, Address::ZERO, Vec::new()).await;
        vm.send(&by, unsigned).await.ok()
    })
    .await;
    vm.stop().await;
}

/// Puts `new` in the place of `old` in every row of the chain's database whose key begins with `kind`.
fn alter(node: &Node, kind: u8, old: &[u8], new: &[u8]) {
    let folder = node.folder.path().join("vm/evm");
    let (database, anew) =
        Projection::open(&folder, "lucid-evm 2", 1 << 20, &Disk::default()).unwrap();
    assert!(anew.is_none());
    let tree = database.tree("evm").unwrap();
    let mut altered = 0;
    for row in tree.scan_prefix([kind]) {
        let (key, row) = row.unwrap();
        if let Some(at) = row.windows(old.len()).position(|part| part == old) {
            let row = [&row[..at], new, &row[at + old.len()..]].concat();
            tree.insert(key, row).unwrap();
            altered += 1;
        }
    }
    assert!(altered > 0);
    database.flush().unwrap();
}

/// Dates a block another time, with the hash that its header then has.
fn date_anew(node: &Node, number: u64) {
    let folder = node.folder.path().join("vm/evm");
    let (database, _) =
        Projection::open(&folder, "lucid-evm 2", 1 << 20, &Disk::default()).unwrap();
    let tree = database.tree("evm").unwrap();
    let key = [b"b", &number.to_be_bytes()[..]].concat();
    let row = tree.get(&key).unwrap().unwrap();
    let mut header = row[Hash::BYTES..].to_vec();
    let at = header.windows(9).position(|part| part == b"\"time\":\"2").unwrap() + 8;
    header[at] ^= 1;
    let row = [Hash::of(&header).as_bytes(), &header[..]].concat();
    tree.insert(key, row).unwrap();
    database.flush().unwrap();
}

pub(super) async fn altered_rows_are_not_believed(reach: Reach) {
    let node = Node::new(reach).await;
    let vm = with_others(&node, 1, node.blocks.clone()).await;
    let session = node.sealed(b"somebody's").await;
    vm.registered(1).await;
    vm.stop().await;

    // A balance of 10^24, in the rows alone: the tries have the old one.
    let balance = hex!("8ad3c21bcecceda1000000");
    alter(&node, b'a', &balance, &hex!("8ad3c21bcecceda1000001"));
    let vm = with_others_again(&node).await;
    let by = other(0);
    let unsigned = vm.unsigned(&by, Address::ZERO, Vec::new()).await;
    let gas_limit = unsigned.gas_limit;
    vm.send(&by, Unsigned { gas_limit: 21_000.min(gas_limit), ..unsigned }).await.unwrap();
    let left = until("it is in a block of the chain made anew", async || {
        let nonce = json!([by.address(), "latest"]);
        let nonce = vm.rpc("eth_getTransactionCount", nonce).await.ok()?;
        let left = vm.rpc("eth_getBalance", json!([by.address(), "latest"])).await.ok()?;
        (nonce == "0x1").then_some(left)
    });
    let left =
        u128::from_str_radix(left.await.as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
    assert_eq!(left % 1_000_000_000, 0, "the wei too much was never there");
    let head = vm.evm.chain().await.unwrap();
    vm.stop().await;

    // Whose session it is, in a receipt.
    alter(&node, b'r', b"TOwner", b"TOther");
    let vm = with_others_again(&node).await;
    assert_eq!(code(vm.evm.registration(session.session_id).await), Code::Unavailable);
    let found = until("it is answered as it was", async || {
        vm.evm.registration(session.session_id).await.ok()
    });
    assert_eq!(found.await.unwrap().owner, "TOwner");
    assert_eq!(vm.evm.chain().await.unwrap(), head);
    let blocks = vm.evm.blocks(asker(), None, 10).await.unwrap();
    vm.stop().await;

    // When a block was made, in its header.
    date_anew(&node, 1);
    let vm = with_others_again(&node).await;
    assert_eq!(code(vm.evm.blocks(asker(), None, 10).await), Code::Unavailable);
    let found =
        until("they are told as they were", async || vm.evm.blocks(asker(), None, 10).await.ok());
    assert_eq!(found.await, blocks);
    vm.stop().await;

    // What is in the log can be read from its beginning.
    std::fs::remove_dir_all(node.folder.path().join("vm/evm")).unwrap();
    let vm = with_others_again(&node).await;
    assert_eq!(vm.evm.chain().await.unwrap(), head);
    vm.stop().await;
}

async fn with_others_again(node: &Node) -> Vm {
    let vm = node.vm("vm", node.blocks.clone()).await;
    vm.registered(1).await;
    vm
}

pub(super) async fn no_decision_ends_the_chain_or_its_own_carrying_out(reach: Reach) {
    let node = Node::new(reach).await;
    let vm = with_others(&node, 1, node.blocks.clone()).await;
    let (contracts, member) = (vm.contracts().await, other(0));
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let governance = node.governance(LocalGovernance::new(vm.calls.clone())).await;
    // A text that is no UTF-8, which no encoder here makes: its bytes are put into the calldata.
    let call = Action::SetParameter { key: "zstd_level".to_owned(), value: 5 };
    let calls = vec![call.call(&contracts).unwrap()];
    let (text, bytes) = (b"# t--\n\nbody", b"# t\xff\xfe\n\nbody");
    let mut input = Proposed::of(calls.clone(), text).propose().to_vec();
    let at = input.windows(text.len()).position(|part| part == text).unwrap();
    input[at..at + bytes.len()].copy_from_slice(bytes);
    let odd = Proposed::of(calls, bytes);
    assert!(vm.call_by(&member, contracts.governor, input).await);
    // A delay of 2^64 s.
    let mut call = Action::SetTimelockDelay(1).call(&contracts).unwrap();
    let mut data = call.data.to_vec();
    data[4..].copy_from_slice(&U256::from(1_u128 << 64).to_be_bytes::<32>());
    call.data = data.into();
    let longer = Proposed::new("Longer", "", vec![call]);
    assert!(vm.call_by(&member, contracts.governor, longer.propose().to_vec()).await);

    let id = |of: &Proposed| Hash(of.id().0.0);
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let refused = async |answer: Answer<_>| {
        let problem = answer.map(|_: lucid_api::ports::Acted| ()).unwrap_err();
        assert!(problem.detail.contains("18446744073709551616 s"), "{}", problem.detail);
    };
    refused(governance.vote(id(&longer), Support::For, String::new()).await).await;
    for of in [&odd, &longer] {
        let input = vote(ProposalId(of.id().0), Said::For, "").to_vec();
        assert!(vm.call_by(&member, contracts.governor, input).await);
    }
    let succeeded = |of: Hash| {
        let governance = &governance;
        until("its vote is over", async move || {
            let state = governance.proposal(of).await.unwrap().summary.state;
            (state == lucid_api::ports::ProposalState::Succeeded).then_some(())
        })
    };
    succeeded(id(&odd)).await;
    succeeded(id(&longer)).await;
    assert_eq!(governance.proposal(id(&odd)).await.unwrap().summary.title, "t\u{fffd}\u{fffd}");
    governance.queue(id(&odd)).await.unwrap();
    refused(governance.queue(id(&longer)).await).await;
    assert!(vm.call_by(&member, contracts.governor, longer.queue().to_vec()).await);
    tokio::time::sleep(Duration::from_millis(2100)).await;
    governance.execute(id(&odd)).await.unwrap();
    refused(governance.execute(id(&longer)).await).await;
    assert!(vm.call_by(&member, contracts.governor, longer.execute().to_vec()).await);
    let most = (1 << 53) - 1;
    assert_eq!(governance.settings().await.unwrap().timelock_delay_seconds, most);
    vm.stop().await;
    drop(governance);

    // And it is there again after a start.
    let vm = with_others(&node, 1, node.blocks.clone()).await;
    let governance = node.governance(LocalGovernance::new(vm.calls.clone())).await;
    assert_eq!(governance.settings().await.unwrap().timelock_delay_seconds, most);
    node.sealed(b"and goes on").await;
    vm.registered(1).await;
    vm.stop().await;
}
