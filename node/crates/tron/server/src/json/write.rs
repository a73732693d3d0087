//! What is answered, in JSON.

use prost::Message as _;
use serde_json::{Map, Value, json};

use super::abi;
use crate::{
    address::Address,
    chain::{
        block::Block,
        info::{Info, Log},
    },
    message::{
        self, CONTRACT_RESULTS, CONTRACT_TYPES, Contract, Create, Raw, SmartContract, Transaction,
        Transfer, Trigger, name,
    },
};

/// An object whose defaults are left out.
pub(crate) struct Object {
    map: Map<String, Value>,
    visible: bool,
}

impl Object {
    pub(crate) fn new(visible: bool) -> Self {
        Self { map: Map::new(), visible }
    }

    /// A number, unless it is 0.
    pub(crate) fn int(mut self, name: &str, value: i64) -> Self {
        if value != 0 {
            self.map.insert(name.to_owned(), value.into());
        }
        self
    }

    /// Bytes in hex, unless there are none.
    pub(crate) fn bytes(self, name: &str, value: &[u8]) -> Self {
        self.text(name, &hex::encode(value))
    }

    /// A text, unless it is empty.
    pub(crate) fn text(mut self, name: &str, value: &str) -> Self {
        if !value.is_empty() {
            self.map.insert(name.to_owned(), value.into());
        }
        self
    }

    /// A text that is bytes to TRON: in hex, or itself where it is visible.
    pub(crate) fn words(self, name: &str, value: &str) -> Self {
        if self.visible { self.text(name, value) } else { self.bytes(name, value.as_bytes()) }
    }

    /// An address, in the form asked for, unless there is none.
    pub(crate) fn address(self, name: &str, value: &[u8]) -> Self {
        match Address::of_bytes(value) {
            Ok(address) if self.visible => self.text(name, &address.to_string()),
            _ => self.bytes(name, value),
        }
    }

    /// Anything, as it is.
    pub(crate) fn value(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.map.insert(name.to_owned(), value.into());
        self
    }

    /// A list, unless it is empty.
    pub(crate) fn list(self, name: &str, list: Vec<Value>) -> Self {
        if list.is_empty() { self } else { self.value(name, list) }
    }

    pub(crate) fn done(self) -> Value {
        Value::Object(self.map)
    }
}

/// A block (`Util.printBlockToJSON`).
pub(crate) fn block(block: &Block, visible: bool, detail: bool) -> Value {
    let header = &block.header;
    let raw = Object::new(visible)
        .int("number", header.number)
        .bytes("txTrieRoot", &header.tx_trie_root)
        .address("witness_address", &header.witness_address)
        .bytes("parentHash", &header.parent_hash)
        .int("version", header.version.into())
        .int("timestamp", header.timestamp);
    let header = Object::new(visible)
        .value("raw_data", raw.done())
        .bytes("witness_signature", &block.signature);
    let all = if detail { block.transactions.as_slice() } else { &[] };
    Object::new(visible)
        .bytes("blockID", &block.id)
        .value("block_header", header.done())
        .list("transactions", all.iter().map(|each| transaction(each, visible)).collect())
        .done()
}

/// A transaction (`Util.printTransactionToJSON`).
pub(crate) fn transaction(transaction: &Transaction, visible: bool) -> Value {
    let raw = transaction.raw();
    let signatures = transaction.signature.iter().map(|bytes| hex::encode(bytes).into());
    let ret = |ret: &message::Ret| {
        let result = name(&CONTRACT_RESULTS, ret.result).unwrap_or_default();
        let object = Object::new(visible).int("fee", ret.fee);
        let shown = if ret.result == message::DEFAULT { "" } else { result };
        object.text("contractRet", shown).done()
    };
    Object::new(visible)
        .list("ret", transaction.ret.iter().map(ret).collect())
        .list("signature", signatures.collect())
        .bytes("txID", &transaction.id())
        .value("raw_data", raw_data(&raw, visible))
        .text("contract_address", &created(transaction).map(|at| at.hex()).unwrap_or_default())
        .bytes("raw_data_hex", &raw.encode_to_vec())
        .done()
}

/// The address that a creation makes.
fn created(transaction: &Transaction) -> Option<Address> {
    let raw = transaction.raw();
    let contract = raw.contract.first().filter(|contract| contract.kind == message::CREATE)?;
    let create = Create::decode(contract.parameter.as_ref()?.value.as_slice()).ok()?;
    let owner = Address::of_bytes(&create.owner_address).ok()?;
    Some(Address::of_contract(&transaction.id(), owner))
}

fn raw_data(raw: &Raw, visible: bool) -> Value {
    Object::new(visible)
        .value(
            "contract",
            raw.contract.iter().map(|each| contract(each, visible)).collect::<Value>(),
        )
        .bytes("ref_block_bytes", &raw.ref_block_bytes)
        .int("ref_block_num", raw.ref_block_num)
        .bytes("ref_block_hash", &raw.ref_block_hash)
        .int("expiration", raw.expiration)
        .bytes("data", &raw.data)
        .int("timestamp", raw.timestamp)
        .int("fee_limit", raw.fee_limit)
        .done()
}

fn contract(contract: &Contract, visible: bool) -> Value {
    let any = contract.parameter.clone().unwrap_or_default();
    // What is here was read before it was taken.
    let value = match contract.kind {
        message::TRANSFER => Transfer::decode(any.value.as_slice()).map(|v| transfer(&v, visible)),
        message::TRIGGER => Trigger::decode(any.value.as_slice()).map(|v| trigger(&v, visible)),
        _ => Create::decode(any.value.as_slice()).map(|v| create(&v, visible)),
    };
    let parameter = Object::new(visible)
        .value("value", value.unwrap_or_default())
        .text("type_url", &any.type_url);
    Object::new(visible)
        .value("parameter", parameter.done())
        .text("type", name(&CONTRACT_TYPES, contract.kind).unwrap_or_default())
        .int("Permission_id", contract.permission_id.into())
        .done()
}

fn transfer(transfer: &Transfer, visible: bool) -> Value {
    Object::new(visible)
        .int("amount", transfer.amount)
        .address("owner_address", &transfer.owner_address)
        .address("to_address", &transfer.to_address)
        .done()
}

fn trigger(trigger: &Trigger, visible: bool) -> Value {
    Object::new(visible)
        .bytes("data", &trigger.data)
        .address("owner_address", &trigger.owner_address)
        .address("contract_address", &trigger.contract_address)
        .int("call_value", trigger.call_value)
        .int("call_token_value", trigger.call_token_value)
        .int("token_id", trigger.token_id)
        .done()
}

fn create(create: &Create, visible: bool) -> Value {
    let new = create.new_contract.clone().unwrap_or_default();
    Object::new(visible)
        .address("owner_address", &create.owner_address)
        .value("new_contract", smart_contract(&new, visible))
        .int("call_token_value", create.call_token_value)
        .int("token_id", create.token_id)
        .done()
}

/// A contract as it was created (`wallet/getcontract`).
pub(crate) fn smart_contract(contract: &SmartContract, visible: bool) -> Value {
    let object = Object::new(visible)
        .bytes("bytecode", &contract.bytecode)
        .int("consume_user_resource_percent", contract.consume_user_resource_percent)
        .text("name", &contract.name)
        .address("origin_address", &contract.origin_address);
    let object = match &contract.abi {
        Some(abi) => object.value("abi", abi::write(abi)),
        None => object,
    };
    object
        .int("call_value", contract.call_value)
        .int("origin_energy_limit", contract.origin_energy_limit)
        .address("contract_address", &contract.contract_address)
        .bytes("code_hash", &contract.code_hash)
        .bytes("trx_hash", &contract.trx_hash)
        .int("version", contract.version.into())
        .done()
}

/// An event; TRON has 20 bytes of its contract's address, and 21 where they are visible.
pub(crate) fn log(log: &Log, visible: bool) -> Value {
    let topics: Vec<Value> = log.topics.iter().map(|topic| hex::encode(topic).into()).collect();
    let object = Object::new(visible);
    let object = match visible {
        true => object.address("address", log.address.bytes()),
        false => object.bytes("address", log.address.last()),
    };
    object.list("topics", topics).bytes("data", &log.data).done()
}

/// How a transaction ended (`wallet/gettransactioninfobyid`).
pub(crate) fn info(info: &Info, block: &Block, visible: bool) -> Value {
    let receipt = &info.receipt;
    let result = name(&CONTRACT_RESULTS, info.ret).unwrap_or_default();
    let receipt = Object::new(visible)
        .int("energy_usage", receipt.energy_usage)
        .int("energy_fee", receipt.energy_fee)
        .int("energy_usage_total", receipt.energy_usage_total)
        .int("net_usage", receipt.net_usage)
        .int("net_fee", receipt.net_fee)
        .text("result", if info.executed { result } else { "" });
    let contract = info.contract.map(|at| at.bytes().to_vec()).unwrap_or_default();
    Object::new(visible)
        .bytes("id", &info.id)
        .int("fee", info.fee)
        .int("blockNumber", block.header.number)
        .int("blockTimeStamp", block.header.timestamp)
        .value("contractResult", vec![Value::from(hex::encode(&info.output))])
        .address("contract_address", &contract)
        .value("receipt", receipt.done())
        .list("log", info.logs.iter().map(|each| log(each, visible)).collect())
        .text("result", if info.succeeded() { "" } else { "FAILED" })
        .words("resMessage", &info.message)
        .done()
}

/// `{"Error": …}`, which java-tron sends with status 200.
pub(crate) fn error(text: &str) -> Value {
    json!({ "Error": text })
}
