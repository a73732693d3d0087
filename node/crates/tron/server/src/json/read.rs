//! A transaction out of the JSON that `wallet/broadcasttransaction` takes (`Util.packTransaction`).
//!
//! Stricter than java-tron: fields that no message has are refused, and so is JSON whose `txID` or
//! `raw_data_hex` speak of another transaction than its `raw_data`, which java-tron does not look at.

use prost::Message as _;
use serde_json::Value;

use super::{
    abi,
    fields::{FieldError, Fields},
};
use crate::message::{
    Any, CONTRACT_TYPES, Contract, Create, Raw, SmartContract, TRANSFER, TRIGGER, TYPE_URL,
    Transaction, Transfer, Trigger,
};

/// Reads a transaction.
pub(crate) fn transaction(value: Value) -> Result<Transaction, FieldError> {
    let mut fields = Fields::of("transaction", value, false)?;
    fields.visible = fields.flag("visible")?;
    let Some(raw) = fields.object("raw_data", "raw_data")? else {
        return Err(FieldError("transaction.raw_data is not there".to_owned()));
    };
    let raw = read_raw(raw)?;
    let signatures = fields.list("signature")?.into_iter().map(|value| {
        let bytes = value.as_str().and_then(|text| hex::decode(text).ok());
        bytes.ok_or_else(|| FieldError("transaction.signature is not in hex".to_owned()))
    });
    let signature = signatures.collect::<Result<_, _>>()?;
    let transaction = Transaction { raw_data: Some(raw), signature, ret: Vec::new() };
    let raw_hex = fields.text("raw_data_hex")?;
    if !raw_hex.is_empty()
        && !raw_hex.eq_ignore_ascii_case(&hex::encode(transaction.raw().encode_to_vec()))
    {
        return Err(FieldError("raw_data_hex is not what raw_data encodes to".to_owned()));
    }
    let id = fields.text("txID")?;
    if !id.is_empty() && !id.eq_ignore_ascii_case(&hex::encode(transaction.id())) {
        return Err(FieldError("txID is not the SHA-256 of raw_data".to_owned()));
    }
    // A creation's, which follows from the rest.
    fields.value("contract_address");
    fields.done()?;
    Ok(transaction)
}

fn read_raw(mut fields: Fields) -> Result<Raw, FieldError> {
    let visible = fields.visible;
    let mut contract = Vec::new();
    for value in fields.list("contract")? {
        contract.extend(read_contract(Fields::of("contract", value, visible)?)?);
    }
    let raw = Raw {
        ref_block_bytes: fields.bytes("ref_block_bytes")?,
        ref_block_num: fields.int("ref_block_num")?,
        ref_block_hash: fields.bytes("ref_block_hash")?,
        expiration: fields.int("expiration")?,
        data: fields.bytes("data")?,
        contract,
        timestamp: fields.int("timestamp")?,
        fee_limit: fields.int("fee_limit")?,
    };
    fields.done()?;
    Ok(raw)
}

/// One contract; nothing for a type that is not understood, which java-tron leaves out too.
fn read_contract(mut fields: Fields) -> Result<Option<Contract>, FieldError> {
    let name = fields.text("type")?;
    let Some((kind, _)) = CONTRACT_TYPES.iter().find(|(_, known)| *known == name) else {
        return Ok(None);
    };
    let permission = fields.int("Permission_id")?;
    let permission_id = i32::try_from(permission)
        .map_err(|_| FieldError("contract.Permission_id is not of 32 bits".to_owned()))?;
    let Some(mut parameter) = fields.object("parameter", "parameter")? else {
        return Err(FieldError("contract.parameter is not there".to_owned()));
    };
    fields.done()?;
    let type_url = parameter.text("type_url")?;
    if type_url != format!("{TYPE_URL}{name}") {
        return Err(FieldError(format!("parameter.type_url {type_url:?} is not {name}'s")));
    }
    let Some(value) = parameter.object("value", "value")? else {
        return Err(FieldError("parameter.value is not there".to_owned()));
    };
    parameter.done()?;
    let value = match *kind {
        TRANSFER => transfer(value)?.encode_to_vec(),
        TRIGGER => trigger(value)?.encode_to_vec(),
        _ => create(value)?.encode_to_vec(),
    };
    Ok(Some(Contract { kind: *kind, parameter: Some(Any { type_url, value }), permission_id }))
}

fn transfer(mut fields: Fields) -> Result<Transfer, FieldError> {
    let transfer = Transfer {
        owner_address: fields.address("owner_address")?,
        to_address: fields.address("to_address")?,
        amount: fields.int("amount")?,
    };
    fields.done()?;
    Ok(transfer)
}

fn trigger(mut fields: Fields) -> Result<Trigger, FieldError> {
    let trigger = Trigger {
        owner_address: fields.address("owner_address")?,
        contract_address: fields.address("contract_address")?,
        call_value: fields.int("call_value")?,
        data: fields.bytes("data")?,
        call_token_value: fields.int("call_token_value")?,
        token_id: fields.int("token_id")?,
    };
    fields.done()?;
    Ok(trigger)
}

fn create(mut fields: Fields) -> Result<Create, FieldError> {
    let new_contract = fields.object("new_contract", "new_contract")?;
    let create = Create {
        owner_address: fields.address("owner_address")?,
        new_contract: new_contract.map(smart_contract).transpose()?,
        call_token_value: fields.int("call_token_value")?,
        token_id: fields.int("token_id")?,
    };
    fields.done()?;
    Ok(create)
}

fn smart_contract(mut fields: Fields) -> Result<SmartContract, FieldError> {
    let abi = match fields.object("abi", "abi")? {
        None => None,
        Some(mut abi) => {
            let entrys = abi::read(&Value::Array(abi.list("entrys")?))?;
            abi.done()?;
            Some(entrys)
        }
    };
    let contract = SmartContract {
        origin_address: fields.address("origin_address")?,
        contract_address: fields.address("contract_address")?,
        abi,
        bytecode: fields.bytes("bytecode")?,
        call_value: fields.int("call_value")?,
        consume_user_resource_percent: fields.int("consume_user_resource_percent")?,
        name: fields.text("name")?,
        origin_energy_limit: fields.int("origin_energy_limit")?,
        ..SmartContract::default()
    };
    fields.done()?;
    Ok(contract)
}
