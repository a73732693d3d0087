//! Which methods there are, and those that need no state.

use alloy_primitives::{Address, Bytes, U64, keccak256};

use super::{Answer, Rpc, error::RpcError, params::Params, write};

type Method = fn(&Rpc, Params) -> Result<Answer, RpcError>;

/// Every method, in the order of the names.
pub(super) const METHODS: &[(&str, Method)] = &[
    ("debug_traceTransaction", Rpc::trace_transaction),
    ("eth_accounts", accounts),
    ("eth_blockNumber", Rpc::block_number),
    ("eth_call", Rpc::eth_call),
    ("eth_chainId", chain_id),
    ("eth_estimateGas", Rpc::estimate_gas),
    ("eth_feeHistory", Rpc::fee_history),
    ("eth_gasPrice", Rpc::gas_price),
    ("eth_getBalance", Rpc::balance),
    ("eth_getBlockByHash", Rpc::block_by_hash),
    ("eth_getBlockByNumber", Rpc::block_by_number),
    ("eth_getBlockReceipts", Rpc::block_receipts),
    ("eth_getBlockTransactionCountByHash", Rpc::transaction_count_by_hash),
    ("eth_getBlockTransactionCountByNumber", Rpc::transaction_count_by_number),
    ("eth_getCode", Rpc::code),
    ("eth_getFilterChanges", Rpc::filter_changes),
    ("eth_getFilterLogs", Rpc::filter_logs),
    ("eth_getLogs", Rpc::logs),
    ("eth_getStorageAt", Rpc::storage_at),
    ("eth_getTransactionByBlockHashAndIndex", Rpc::transaction_by_hash_and_index),
    ("eth_getTransactionByBlockNumberAndIndex", Rpc::transaction_by_number_and_index),
    ("eth_getTransactionByHash", Rpc::transaction_by_hash),
    ("eth_getTransactionCount", Rpc::nonce),
    ("eth_getTransactionReceipt", Rpc::receipt),
    ("eth_maxPriorityFeePerGas", no_tip),
    ("eth_newBlockFilter", Rpc::new_block_filter),
    ("eth_newFilter", Rpc::new_filter),
    ("eth_newPendingTransactionFilter", Rpc::new_pending_filter),
    ("eth_sendRawTransaction", Rpc::send_raw_transaction),
    ("eth_syncing", no),
    ("eth_uninstallFilter", Rpc::uninstall_filter),
    ("net_listening", yes),
    ("net_peerCount", peer_count),
    ("net_version", net_version),
    ("web3_clientVersion", client_version),
    ("web3_sha3", sha3),
];

/// The method with this name.
pub(super) fn find(name: &str) -> Option<Method> {
    let at = METHODS.binary_search_by(|(method, _)| (*method).cmp(name)).ok()?;
    METHODS.get(at).map(|(_, run)| *run)
}

/// Methods that read a few rows, whatever their parameters, and execute nothing; in the order of the names.
const LIGHT: &[&str] = &[
    "eth_accounts",
    "eth_blockNumber",
    "eth_chainId",
    "eth_gasPrice",
    "eth_getBalance",
    "eth_getBlockTransactionCountByHash",
    "eth_getBlockTransactionCountByNumber",
    "eth_getCode",
    "eth_getStorageAt",
    "eth_getTransactionByHash",
    "eth_getTransactionCount",
    "eth_getTransactionReceipt",
    "eth_maxPriorityFeePerGas",
    "eth_syncing",
    "net_listening",
    "net_peerCount",
    "net_version",
    "web3_clientVersion",
];

/// Whether the method with this name takes no more than a few reads.
pub(super) fn is_light(name: &str) -> bool {
    LIGHT.binary_search(&name).is_ok()
}

fn chain_id(rpc: &Rpc, params: Params) -> Result<Answer, RpcError> {
    params.end()?;
    write(&U64::from(rpc.chain.chain_id().0))
}

/// In decimal digits, unlike everything else.
fn net_version(rpc: &Rpc, params: Params) -> Result<Answer, RpcError> {
    params.end()?;
    write(&rpc.chain.chain_id().to_string())
}

fn client_version(rpc: &Rpc, params: Params) -> Result<Answer, RpcError> {
    params.end()?;
    write(&rpc.host.client_version())
}

/// The node signs for nobody.
fn accounts(_: &Rpc, params: Params) -> Result<Answer, RpcError> {
    params.end()?;
    write(&[Address::ZERO; 0])
}

/// `eth_syncing`: what is answered is there.
fn no(_: &Rpc, params: Params) -> Result<Answer, RpcError> {
    params.end()?;
    write(&false)
}

/// `net_listening`: older clients ask it to see whether anybody answers.
fn yes(_: &Rpc, params: Params) -> Result<Answer, RpcError> {
    params.end()?;
    write(&true)
}

/// Blocks are made by one node and are not gossiped.
fn peer_count(_: &Rpc, params: Params) -> Result<Answer, RpcError> {
    params.end()?;
    write(&U64::ZERO)
}

/// `eth_maxPriorityFeePerGas`: blocks are made when there is something to put in them, so a tip buys nothing.
fn no_tip(_: &Rpc, params: Params) -> Result<Answer, RpcError> {
    params.end()?;
    write(&U64::ZERO)
}

/// Keccak-256, under its old name.
fn sha3(_: &Rpc, mut params: Params) -> Result<Answer, RpcError> {
    let data: Bytes = params.take("data")?;
    params.end()?;
    write(&keccak256(data))
}
