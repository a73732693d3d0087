//! `getsignweight`: who signed a transaction, and what it is once its JSON was changed. Wallets add a memo
//! with it: they change `raw_data`, and take the id and the bytes from the answer.

use serde_json::{Value, json};

use super::{Request, accounts::owner_permission, exception};
use crate::{
    chain::check::{self, Weight},
    json::{
        read,
        write::{self, Object},
    },
    message::Transaction,
    world::World,
};

/// Answers it (`Wallet.getTransactionSignWeight`).
pub(super) fn answer(world: &World, request: &Request) -> Value {
    let read = || -> Result<(Transaction, bool), String> {
        let mut value: Value = serde_json::from_slice(&request.body).map_err(|e| e.to_string())?;
        let visible = value.get("visible").and_then(Value::as_bool).unwrap_or_default();
        // They are of the transaction before it was changed.
        if let Value::Object(map) = &mut value {
            map.remove("raw_data_hex");
            map.remove("txID");
        }
        Ok((read::transaction(value).map_err(|error| error.to_string())?, visible))
    };
    let (transaction, visible) = match read() {
        Ok(read) => read,
        Err(text) => {
            return exception("org.tron.core.services.http.JsonFormat$ParseException", text);
        }
    };
    let weighed = check::weigh(&transaction, world.chain.state());
    let result = Object::new(visible);
    let result = match &weighed {
        // Enough is the default.
        Ok(weight) if weight.reached >= weight.threshold => result,
        Ok(_) => result.text("code", "NOT_ENOUGH_PERMISSION"),
        Err(refusal) => result.text("code", "PERMISSION_ERROR").text("message", &refusal.detail),
    };
    let whole = json!({
        "result": { "result": true },
        "txid": hex::encode(transaction.id()),
        "transaction": write::transaction(&transaction, visible),
    });
    let object = Object::new(visible).value("result", result.done()).value("transaction", whole);
    match weighed {
        Err(_) => object,
        Ok(Weight { keys, threshold, signed, reached }) => {
            let form = |address: &crate::Address| match visible {
                true => address.to_string(),
                false => address.hex(),
            };
            object
                .value("permission", owner_permission(&keys, threshold, visible))
                .list("approved_list", signed.iter().map(|it| form(it).into()).collect())
                .int("current_weight", reached)
        }
    }
    .done()
}
