//! Questions to contracts, and what calls would take.

use prost::Message as _;
use serde_json::Value;

use super::{View, build, params::Params};
use crate::{
    address::Address,
    chain::{
        contract::{self, Called, Contract},
        refusal::Code,
    },
    hash::selector,
    json::{
        fields::FieldError,
        write::{self, Object},
    },
    message::{TRIGGER, Transaction, Trigger},
    world::Shared,
};

/// The call that parameters speak of: calldata, or a selector with its parameters in hex.
pub(super) fn asked(params: &mut Params) -> Result<Trigger, FieldError> {
    let owner_address = params.0.address("owner_address")?;
    if owner_address.is_empty() {
        return Err(FieldError("owner_address isn't set.".to_owned()));
    }
    let function = params.0.text("function_selector")?;
    let arguments = params.0.bytes("parameter")?;
    let data = params.0.bytes("data")?;
    let data = match function.is_empty() {
        true => data,
        false => [selector(&function).as_slice(), &arguments].concat(),
    };
    Ok(Trigger {
        owner_address,
        contract_address: params.0.address("contract_address")?,
        call_value: params.0.int("call_value")?,
        data,
        call_token_value: params.0.int("call_token_value")?,
        token_id: params.0.int("token_id")?,
    })
}

/// The contract at an address, in a copy that can be called.
pub(super) fn contract(view: &View<'_>, address: &[u8]) -> Option<(Address, Contract)> {
    let address = Address::of_bytes(address).ok()?;
    Some((address, view.state().contracts.get(&address)?.clone()))
}

/// What a call, or a creation where no contract is named, would come to.
fn tried(view: &View<'_>, asked: &Trigger) -> Option<Called> {
    let energy = &view.world.chain.energy;
    let caller = Address::of_bytes(&asked.owner_address).ok()?;
    if asked.contract_address.is_empty() {
        let made = contract::create(&asked.data, asked.call_value);
        return Some(match made {
            None => Called { energy: energy.create, reverted: true, ..Called::default() },
            Some((_, code)) => {
                Called { energy: energy.creation(code.len()), output: code, ..Called::default() }
            }
        });
    }
    let (here, mut contract) = contract(view, &asked.contract_address)?;
    Some(contract.call(here, caller, asked.call_value, &asked.data, energy))
}

/// A refusal of either kind of question.
pub(super) fn failed(text: &str, visible: bool) -> Value {
    let result = Object::new(visible)
        .text("code", Code::ContractValidateError.name())
        .words("message", text)
        .done();
    Object::new(visible).value("result", result).done()
}

/// `triggerconstantcontract`.
pub(super) fn call(view: &View<'_>, mut params: Params) -> Value {
    let visible = params.visible();
    match asked(&mut params) {
        Err(error) => failed(&error.0, visible),
        Ok(asked) => {
            let built = build::transaction(view, TRIGGER, asked.encode_to_vec());
            answered(view, &asked, &built, visible)
        }
    }
}

/// What `triggerconstantcontract` prints of a call that was tried.
pub(super) fn answered(
    view: &View<'_>,
    asked: &Trigger,
    built: &Transaction,
    visible: bool,
) -> Value {
    let Some(called) = tried(view, asked) else {
        return failed("Smart contract is not exist.", visible);
    };
    let mut printed = write::transaction(built, visible);
    if let Value::Object(map) = &mut printed {
        // FAILED after a revert, with nothing else in it; of success, which is the default, nothing at all.
        let status = if called.reverted { "FAILED" } else { "" };
        map.insert("ret".to_owned(), vec![Object::new(visible).text("ret", status).done()].into());
        map.insert("visible".to_owned(), visible.into());
    }
    let message = if called.reverted { "REVERT opcode executed" } else { "" };
    let result = Object::new(visible).value("result", true).words("message", message).done();
    Object::new(visible)
        .value("result", result)
        .int("energy_used", called.energy)
        .value("constant_result", vec![Value::from(hex::encode(&called.output))])
        .list("logs", called.logs.iter().map(|log| write::log(log, visible)).collect())
        .value("transaction", printed)
        .done()
}

/// `estimateenergy`, which many nodes have off.
pub(super) fn estimate(shared: &Shared, view: &View<'_>, mut params: Params) -> Value {
    let visible = params.visible();
    if !shared.rules.estimate_energy {
        return failed("this node does not support estimate energy", visible);
    }
    let asked = match asked(&mut params) {
        Ok(asked) => asked,
        Err(error) => return failed(&error.0, visible),
    };
    let Some(called) = tried(view, &asked) else {
        return failed("Smart contract is not exist.", visible);
    };
    if called.reverted {
        let result = Object::new(visible)
            .text("code", Code::ContractExeError.name())
            .words("message", "REVERT opcode executed");
        return Object::new(visible).value("result", result.done()).done();
    }
    let result = Object::new(visible).value("result", true).done();
    Object::new(visible).value("result", result).int("energy_required", called.energy).done()
}
