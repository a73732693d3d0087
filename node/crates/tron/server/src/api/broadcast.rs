//! Transactions, taken or refused.

use serde_json::{Value, json};

use super::{Reply, Request, exception};
use crate::{
    chain::refusal::{Code, Refusal},
    json::{
        fields::{FieldError, Fields},
        read,
        write::{self, Object},
    },
    message::{self, Transaction},
    world::World,
};

/// A transaction that was sent, and whether what is said of it is visible.
struct Sent {
    transaction: Transaction,
    visible: bool,
    hex: bool,
}

/// `broadcasttransaction` and `broadcasthex`.
pub(super) fn answer(world: &mut World, request: &Request) -> Value {
    let sent = match sent(request) {
        Ok(sent) => sent,
        Err(error) => {
            return exception("org.tron.core.services.http.JsonFormat$ParseException", error);
        }
    };
    let seen = world.seen();
    let result = world.chain.broadcast(sent.transaction.clone(), seen);
    result_json(&sent, result.as_ref().err())
}

/// The answer with a code that a test scripted.
pub(super) fn scripted(request: &Request, code: Code) -> Reply {
    let value = match sent(request) {
        Ok(sent) => {
            let refusal = Refusal::new(code, "scripted");
            result_json(&sent, Some(&refusal).filter(|_| code != Code::Success))
        }
        Err(error) => exception("org.tron.core.services.http.JsonFormat$ParseException", error),
    };
    Reply::json(200, &value)
}

fn sent(request: &Request) -> Result<Sent, FieldError> {
    if !request.post {
        return Err(FieldError("a transaction is sent with POST".to_owned()));
    }
    let value: Value = serde_json::from_slice(&request.body)
        .map_err(|error| FieldError(format!("the body is no JSON: {error}")))?;
    if request.path.ends_with("hex") {
        let mut fields = Fields::of("parameters", value, false)?;
        let bytes = fields.bytes("transaction")?;
        let transaction = message::read(&bytes)
            .map_err(|error| FieldError(format!("parameters.transaction: {error}")))?;
        return Ok(Sent { transaction, visible: true, hex: true });
    }
    let visible = value.get("visible").and_then(Value::as_bool).unwrap_or_default();
    Ok(Sent { transaction: read::transaction(value)?, visible, hex: false })
}

/// What `BroadcastServlet` and `BroadcastHexServlet` print.
fn result_json(sent: &Sent, refusal: Option<&Refusal>) -> Value {
    let id = hex::encode(sent.transaction.id());
    let (code, message) = match refusal {
        None => (Code::Success, String::new()),
        Some(refusal) => (refusal.code, refusal.message()),
    };
    if sent.hex {
        return json!({
            "result": refusal.is_none(),
            "code": code.name(),
            "message": message,
            "transaction": write::transaction(&sent.transaction, true).to_string(),
            "txid": id,
        });
    }
    let object = Object::new(sent.visible);
    let object = match refusal {
        None => object.value("result", true),
        Some(_) => object.text("code", code.name()).words("message", &message),
    };
    object.text("txid", &id).done()
}
