//! One file of state tests (ethereum/tests documentation, "State Tests").

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
};

use alloy_eips::eip2930::AccessList;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use alloy_trie::TrieAccount;
use revm::{
    context::{BlockEnv, CfgEnv, TxEnv},
    context_interface::block::BlobExcessGasAndPrice,
    primitives::{KECCAK_EMPTY, eip4844, hardfork::SpecId},
    state::AccountInfo,
};
use serde::Deserialize;

use crate::state::{AccountChange, Changes};

#[derive(Deserialize)]
pub(super) struct Test {
    env: Env,
    pub(super) pre: BTreeMap<Address, Account>,
    transaction: Parts,
    pub(super) post: BTreeMap<String, Vec<Post>>,
}

#[derive(Deserialize)]
struct Env {
    #[serde(rename = "currentCoinbase")]
    coinbase: Address,
    #[serde(rename = "currentDifficulty")]
    difficulty: U256,
    #[serde(rename = "currentGasLimit")]
    gas_limit: U256,
    #[serde(rename = "currentNumber")]
    number: U256,
    #[serde(rename = "currentTimestamp")]
    timestamp: U256,
    #[serde(rename = "currentBaseFee")]
    base_fee: Option<U256>,
    #[serde(rename = "currentRandom")]
    random: Option<B256>,
    #[serde(rename = "currentExcessBlobGas")]
    excess_blob_gas: Option<U256>,
}

#[derive(Deserialize)]
pub(super) struct Account {
    balance: U256,
    nonce: U256,
    code: Bytes,
    pub(super) storage: BTreeMap<U256, U256>,
}

/// A transaction's parts, some of them several times over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parts {
    data: Vec<Bytes>,
    gas_limit: Vec<U256>,
    value: Vec<String>,
    nonce: U256,
    sender: Address,
    to: String,
    gas_price: Option<U256>,
    max_fee_per_gas: Option<U256>,
    max_priority_fee_per_gas: Option<U256>,
    access_lists: Option<Vec<Option<AccessList>>>,
    blob_versioned_hashes: Option<Vec<B256>>,
    max_fee_per_blob_gas: Option<U256>,
}

#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Post {
    pub(super) hash: B256,
    pub(super) logs: B256,
    pub(super) indexes: Indexes,
    pub(super) expect_exception: Option<String>,
}

#[derive(Deserialize, Debug)]
pub(super) struct Indexes {
    data: usize,
    gas: usize,
    value: usize,
}

/// The tests of a file, by name.
#[expect(clippy::disallowed_methods, reason = "vectors are files")]
pub(super) fn read(path: &Path) -> BTreeMap<String, Test> {
    let text = fs::read(path).unwrap();
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

impl Account {
    /// The account's leaf; none where it is empty.
    pub(super) fn leaf(&self, storage_root: B256) -> Option<TrieAccount> {
        let code_hash = if self.code.is_empty() { KECCAK_EMPTY } else { keccak256(&self.code) };
        let (balance, nonce) = (self.balance, self.nonce.to());
        let empty = nonce == 0 && balance.is_zero() && code_hash == KECCAK_EMPTY;
        (!empty || !self.storage.is_empty()).then_some(TrieAccount {
            nonce,
            balance,
            storage_root,
            code_hash,
        })
    }
}

impl Test {
    /// What a tree for it may be called.
    pub(super) fn name(&self) -> B256 {
        keccak256(format!("{:?}", self.post))
    }

    pub(super) fn number(&self) -> u64 {
        self.env.number.to()
    }

    pub(super) fn pre_changes(&self) -> Changes {
        let mut changes = Changes::default();
        for (&address, account) in &self.pre {
            let Some(leaf) = account.leaf(B256::ZERO) else { continue };
            let info = AccountInfo {
                balance: leaf.balance,
                nonce: leaf.nonce,
                code_hash: leaf.code_hash,
                account_id: None,
                code: None,
            };
            let slots: HashMap<_, _> = account.storage.clone().into_iter().collect();
            changes.codes.insert(leaf.code_hash, account.code.clone());
            changes
                .accounts
                .insert(address, AccountChange { info: Some(info), wiped: false, slots });
        }
        changes
    }

    pub(super) fn config(fork: SpecId) -> CfgEnv {
        let mut config = CfgEnv::new().with_chain_id(1).with_spec_and_mainnet_gas_params(fork);
        config.max_blobs_per_tx = Some(eip4844::MAX_BLOB_NUMBER_PER_BLOCK_CANCUN);
        config
    }

    pub(super) fn block(&self, fork: SpecId) -> BlockEnv {
        let env = &self.env;
        let excess = env.excess_blob_gas.unwrap_or_default().to();
        let fraction = eip4844::BLOB_BASE_FEE_UPDATE_FRACTION_CANCUN;
        BlockEnv {
            number: env.number,
            beneficiary: env.coinbase,
            timestamp: env.timestamp,
            gas_limit: env.gas_limit.saturating_to(),
            basefee: env.base_fee.unwrap_or_default().to(),
            difficulty: env.difficulty,
            prevrandao: fork.is_enabled_in(SpecId::MERGE).then(|| env.random.unwrap_or_default()),
            blob_excess_gas_and_price: Some(BlobExcessGasAndPrice::new(excess, fraction)),
            slot_num: 0,
        }
    }

    /// Whether an account of the pre-state has storage, and neither code nor a nonce.
    pub(super) fn has_storage_without_code(&self) -> bool {
        let mut accounts = self.pre.values();
        accounts.any(|account| {
            !account.storage.is_empty() && account.code.is_empty() && account.nonce.is_zero()
        })
    }

    /// The transaction of a post-state, or why there is none.
    pub(super) fn transaction(&self, post: &Post) -> Result<TxEnv, &'static str> {
        let parts = &self.transaction;
        let Indexes { data, gas, value } = post.indexes;
        let access_list = parts.access_lists.as_ref().and_then(|lists| lists[data].clone());
        let tx_type = match parts {
            Parts { blob_versioned_hashes: Some(_), .. } => 3,
            Parts { max_fee_per_gas: Some(_), .. } => 2,
            _ if access_list.is_some() => 1,
            _ => 0,
        };
        let kind = match parts.to.as_str() {
            "" if tx_type == 3 => return Err("a blob transaction without a target has no bytes"),
            "" => TxKind::Create,
            to => TxKind::Call(to.parse().unwrap()),
        };
        let price = parts.max_fee_per_gas.or(parts.gas_price).unwrap();
        let priority = parts.max_priority_fee_per_gas.map(u128::try_from);
        let too_large = "a number in it is none that a transaction can hold";
        Ok(TxEnv {
            tx_type,
            caller: parts.sender,
            gas_limit: parts.gas_limit[gas].saturating_to(),
            gas_price: price.try_into().map_err(|_| too_large)?,
            kind,
            value: parts.value[value].parse().map_err(|_| too_large)?,
            data: parts.data[data].clone(),
            nonce: parts.nonce.try_into().map_err(|_| too_large)?,
            chain_id: Some(1),
            access_list: access_list.unwrap_or_default(),
            gas_priority_fee: priority.transpose().map_err(|_| too_large)?,
            blob_hashes: parts.blob_versioned_hashes.clone().unwrap_or_default(),
            max_fee_per_blob_gas: parts.max_fee_per_blob_gas.unwrap_or_default().saturating_to(),
            authorization_list: Vec::new(),
        })
    }
}
