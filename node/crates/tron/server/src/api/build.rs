//! Transactions that the node builds for who asks: they refer to its head, and expire in a minute.

use prost::Message as _;
use serde_json::{Value, json};

use super::{View, constant, exception, params::Params};
use crate::{
    chain::{
        apply::{Place, apply},
        refusal::Code,
        state::State,
    },
    json::{abi, fields::FieldError, write},
    message::{
        Abi, Any, CONTRACT_TYPES, CREATE, Contract, Create, Raw, SmartContract, TRANSFER, TRIGGER,
        TYPE_URL, Transaction, Transfer, name,
    },
};

/// How long what is built can be used (java-tron, `trx.expiration.timeInMilliseconds`).
const EXPIRES_MS: i64 = 60_000;

/// A transaction of one contract.
pub(super) fn transaction(view: &View<'_>, kind: i32, value: Vec<u8>) -> Transaction {
    let head = view.head();
    let name = name(&CONTRACT_TYPES, kind).unwrap_or_default();
    let parameter = Some(Any { type_url: format!("{TYPE_URL}{name}"), value });
    let raw = Raw {
        ref_block_bytes: head.id[6..8].to_vec(),
        ref_block_hash: head.id[8..16].to_vec(),
        expiration: head.header.timestamp + EXPIRES_MS,
        contract: vec![Contract { kind, parameter, permission_id: 0 }],
        timestamp: head.header.timestamp,
        ..Raw::default()
    };
    Transaction { raw_data: Some(raw), ..Transaction::default() }
}

/// Sets what stands beside the contract.
fn with(
    transaction: Transaction,
    params: &mut Params,
    fee_limit: i64,
) -> Result<Transaction, FieldError> {
    let mut raw = transaction.raw();
    raw.fee_limit = fee_limit;
    let permission = params.0.int("Permission_id")?;
    for contract in &mut raw.contract {
        contract.permission_id = i32::try_from(permission)
            .map_err(|_| FieldError("parameters.Permission_id is not of 32 bits".to_owned()))?;
    }
    raw.data = match params.visible() {
        true => params.0.text("extra_data")?.into_bytes(),
        false => params.0.bytes("extra_data")?,
    };
    Ok(Transaction { raw_data: Some(raw), ..transaction })
}

fn printed(transaction: &Transaction, visible: bool) -> Value {
    let mut value = write::transaction(transaction, visible);
    if let Value::Object(map) = &mut value {
        map.insert("visible".to_owned(), visible.into());
    }
    value
}

/// `createtransaction`, which says at once what could never be.
pub(super) fn transfer(view: &View<'_>, mut params: Params) -> Result<Value, FieldError> {
    let transfer = Transfer {
        owner_address: params.0.address("owner_address")?,
        to_address: params.0.address("to_address")?,
        amount: params.0.int("amount")?,
    };
    let built = with(transaction(view, TRANSFER, transfer.encode_to_vec()), &mut params, 0)?;
    let chain = &view.world.chain;
    let at = Place {
        slot: chain.head_slot(),
        now_ms: view.head().header.timestamp,
        fees: &chain.fees,
        energy: &chain.energy,
    };
    match apply(&mut State::clone(view.state()), &built, at) {
        Err(refusal) if refusal.code == Code::ContractValidateError => {
            Ok(exception("org.tron.core.exception.ContractValidateException", refusal.detail))
        }
        _ => Ok(printed(&built, params.visible())),
    }
}

/// `triggersmartcontract`: a call to sign, or for a question its answer.
pub(super) fn trigger(view: &View<'_>, mut params: Params) -> Value {
    let visible = params.visible();
    let mut built = || -> Result<Value, FieldError> {
        let asked = constant::asked(&mut params)?;
        let fee_limit = params.0.int("fee_limit")?;
        let built =
            with(transaction(view, TRIGGER, asked.encode_to_vec()), &mut params, fee_limit)?;
        let contract = constant::contract(view, &asked.contract_address);
        let Some((_, contract)) = contract else {
            return Ok(constant::failed("No contract or not a valid smart contract", visible));
        };
        let question =
            contract.definition.abi.as_ref().is_some_and(|abi| is_view(abi, &asked.data));
        if question {
            return Ok(constant::answered(view, &asked, &built, visible));
        }
        let transaction = printed(&built, visible);
        Ok(json!({ "result": { "result": true }, "transaction": transaction }))
    };
    built().unwrap_or_else(|error| constant::failed(&error.0, visible))
}

/// Whether calldata is of a function that changes nothing.
fn is_view(abi: &Abi, data: &[u8]) -> bool {
    let views =
        abi.entrys.iter().filter(|entry| entry.constant || [1, 2].contains(&entry.mutability));
    views.into_iter().any(|entry| {
        let types: Vec<_> = entry.inputs.iter().map(|param| param.kind.as_str()).collect();
        data.starts_with(&crate::hash::selector(&format!("{}({})", entry.name, types.join(","))))
    })
}

/// `deploycontract`.
pub(super) fn deploy(view: &View<'_>, mut params: Params) -> Result<Value, FieldError> {
    let owner_address = params.0.address("owner_address")?;
    let abi = match params.0.value("abi") {
        None => Abi::default(),
        Some(Value::String(text)) => {
            let value = serde_json::from_str(&text)
                .map_err(|error| FieldError(format!("parameters.abi is no JSON: {error}")))?;
            abi::read(&value)?
        }
        Some(value) => abi::read(&value)?,
    };
    let bytecode = [params.0.bytes("bytecode")?, params.0.bytes("parameter")?].concat();
    let new_contract = SmartContract {
        origin_address: owner_address.clone(),
        abi: Some(abi),
        bytecode,
        call_value: params.0.int("call_value")?,
        consume_user_resource_percent: params.0.int("consume_user_resource_percent")?,
        name: params.0.text("name")?,
        origin_energy_limit: params.0.int("origin_energy_limit")?,
        ..SmartContract::default()
    };
    let create = Create {
        owner_address,
        new_contract: Some(new_contract),
        call_token_value: params.0.int("call_token_value")?,
        token_id: params.0.int("token_id")?,
    };
    let fee_limit = params.0.int("fee_limit")?;
    let built = with(transaction(view, CREATE, create.encode_to_vec()), &mut params, fee_limit)?;
    Ok(printed(&built, params.visible()))
}
