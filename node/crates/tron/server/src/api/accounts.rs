//! Accounts, contracts, parameters and the node itself, read.

use serde_json::{Value, json};

use super::{View, params::Params};
use crate::{
    address::Address,
    chain::block::witnesses,
    json::{
        fields::FieldError,
        write::{self, Object},
    },
};

/// Bandwidth and energy of the whole network, as on mainnet (`getTotalNetLimit`, `getTotalEnergyLimit`).
const NET_TOTAL: i64 = 43_200_000_000;
const ENERGY_TOTAL: i64 = 180_000_000_000;

type Answer = Result<Value, FieldError>;

/// `getaccount`. Active permissions are left out: what stands for them is the owner's key.
pub(super) fn account(view: &View<'_>, mut params: Params) -> Answer {
    let Some(address) = params.address("address")? else { return Ok(json!({})) };
    let Some(account) = view.state().accounts.get(&address) else { return Ok(json!({})) };
    let (visible, slot) = (params.visible(), view.world.chain.head_slot());
    let (keys, threshold) = match &account.permission {
        Some(permission) => (permission.keys.clone(), permission.threshold),
        None => (vec![(address, 1)], 1),
    };
    let resource = Object::new(visible).int("energy_usage", account.energy.at(slot)).done();
    Ok(Object::new(visible)
        .address("address", address.bytes())
        .text("type", if account.contract { "Contract" } else { "" })
        .int("balance", account.balance)
        .int("create_time", account.created_ms)
        .int("net_usage", account.net.at(slot))
        .int("free_net_usage", account.free_net.at(slot))
        .value("account_resource", resource)
        .value("owner_permission", owner_permission(&keys, threshold, visible))
        .done())
}

/// `Permission`, of an owner.
pub(super) fn owner_permission(keys: &[(Address, i64)], threshold: i64, visible: bool) -> Value {
    let key = |(key, weight): &(Address, i64)| {
        Object::new(visible).address("address", key.bytes()).int("weight", *weight).done()
    };
    Object::new(visible)
        .text("permission_name", "owner")
        .int("threshold", threshold)
        .list("keys", keys.iter().map(key).collect())
        .done()
}

/// `getaccountresource` and, without energy, `getaccountnet`.
pub(super) fn resources(view: &View<'_>, mut params: Params, energy: bool) -> Answer {
    let Some(address) = params.address("address")? else { return Ok(json!({})) };
    let Some(account) = view.state().accounts.get(&address) else { return Ok(json!({})) };
    let slot = view.world.chain.head_slot();
    let object = Object::new(params.visible())
        .int("freeNetUsed", account.free_net.at(slot))
        .int("freeNetLimit", view.world.chain.fees.free_net)
        .int("NetUsed", account.net.at(slot))
        .int("NetLimit", account.net_limit)
        .int("TotalNetLimit", NET_TOTAL);
    Ok(match energy {
        false => object,
        true => object
            .int("EnergyUsed", account.energy.at(slot))
            .int("EnergyLimit", account.energy_limit)
            .int("TotalEnergyLimit", ENERGY_TOTAL),
    }
    .done())
}

/// `getcontract`.
pub(super) fn contract(view: &View<'_>, mut params: Params) -> Answer {
    let Some(address) = params.address("value")? else { return Ok(json!({})) };
    let contract = view.state().contracts.get(&address);
    Ok(contract.map_or_else(
        || json!({}),
        |contract| write::smart_contract(&contract.definition, params.visible()),
    ))
}

/// `getcontractinfo`: with the code that runs.
pub(super) fn contract_info(view: &View<'_>, mut params: Params) -> Answer {
    let Some(address) = params.address("value")? else { return Ok(json!({})) };
    let contract = view.state().contracts.get(&address);
    Ok(contract.map_or_else(
        || json!({}),
        |contract| {
            Object::new(params.visible())
                .value(
                    "smart_contract",
                    write::smart_contract(&contract.definition, params.visible()),
                )
                .bytes("runtimecode", &contract.runtime)
                .done()
        },
    ))
}

/// `getchainparameters`: those that bear on what this server does, under java-tron's names; one that is 0
/// has no value, as there.
pub(super) fn parameters(view: &View<'_>) -> Value {
    let fees = &view.world.chain.fees;
    let list = [
        ("getMaintenanceTimeInterval", 21_600_000),
        ("getCreateAccountFee", fees.create_account),
        ("getTransactionFee", fees.byte),
        ("getCreateNewAccountFeeInSystemContract", fees.create_account_in_transfer),
        ("getCreateNewAccountBandwidthRate", 1),
        ("getAllowCreationOfContracts", 1),
        ("getRemoveThePowerOfTheGr", -1),
        ("getEnergyFee", fees.energy),
        ("getTotalEnergyLimit", ENERGY_TOTAL),
        ("getAllowMultiSign", 1),
        ("getMultiSignFee", fees.multi_sign),
        ("getAllowAccountStateRoot", 0),
        ("getMaxFeeLimit", fees.limit_max),
        ("getAllowTvmCompatibleEvm", 1),
        ("getFreeNetLimit", fees.free_net),
        ("getTotalNetLimit", NET_TOTAL),
        ("getMemoFee", fees.memo),
        ("getMaxCreateAccountTxSize", 1_000),
    ];
    let one = |(key, value): (&str, i64)| Object::new(false).text("key", key).int("value", value);
    json!({ "chainParameter": list.map(|pair| one(pair).done()) })
}

/// `listwitnesses`.
pub(super) fn list_witnesses(params: &Params) -> Value {
    let one = |address: Address| {
        let object = Object::new(params.visible()).address("address", address.bytes());
        object.value("isJobs", true).done()
    };
    json!({ "witnesses": witnesses().map(one).collect::<Vec<_>>() })
}

/// `getnodeinfo`, as far as it says where the node is.
pub(super) fn node(view: &View<'_>) -> Value {
    let words = |number: u64| {
        let id = view.world.chain.block(number).map(|block| hex::encode(block.id));
        format!("Num:{number},ID:{}", id.unwrap_or_default())
    };
    json!({
        "beginSyncNum": view.top,
        "block": words(view.top),
        "solidityBlock": words(view.world.seen_solid()),
        "currentConnectCount": 0,
        "activeConnectCount": 0,
        "passiveConnectCount": 0,
        "configNodeInfo": { "codeVersion": concat!("lucid-tron-server/", env!("CARGO_PKG_VERSION")) },
    })
}
