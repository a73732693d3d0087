//! JSON-RPC 2.0: calls, batches and notifications, and the text of their answers.
//!
//! A text is read whole before anything of it is done. What is no JSON is answered once, with a `null` id;
//! what is no call, in its place. Members that the specification does not have are ignored, as it does not
//! forbid them; parameters by name are refused, because Ethereum's have none.

use serde_json::Value;

use super::{error::RpcError, json::Json};

/// The longest id, bytes: it is sent back with every answer.
const ID_BYTES_MAX: usize = 256;

/// A call.
pub(super) struct Request {
    /// What to answer to; a notification has none.
    pub(super) id: Option<Value>,
    pub(super) method: String,
    pub(super) params: Vec<Json>,
}

/// A call that is none, and what to answer to.
pub(super) type Refused = (Value, RpcError);

impl Request {
    pub(super) fn read(json: Json) -> Result<Self, Refused> {
        let refused = |why: &str| (Value::Null, RpcError::invalid_request(why));
        let Json::Object(fields) = json else {
            return Err(refused(&format!("want an object, have {}", json.kind())));
        };
        let (mut version, mut id, mut method, mut params) = (None, None, None, None);
        for (name, value) in fields {
            match name.as_str() {
                "jsonrpc" => version = Some(value),
                "id" => id = Some(value),
                "method" => method = Some(value),
                "params" => params = Some(value),
                _ => {}
            }
        }
        let id = id.map(read_id).transpose().map_err(|why| refused(&why))?;
        // From here on it is known whom to answer. An invalid call is answered even without an id.
        let answer_to = id.clone().unwrap_or_default();
        let refused = |why: &str| (answer_to.clone(), RpcError::invalid_request(why));
        if version != Some(Json::Text("2.0".to_owned())) {
            return Err(refused("jsonrpc must be \"2.0\""));
        }
        let Some(Json::Text(method)) = method else {
            return Err(refused("method must be a string"));
        };
        let params = match params {
            None => Vec::new(),
            Some(Json::List(params)) => params,
            Some(Json::Object(_)) => {
                let why = "parameters by name are not supported: send an array";
                return Err((answer_to, RpcError::invalid_params(why)));
            }
            Some(_) => return Err(refused("params must be an array")),
        };
        Ok(Self { id, method, params })
    }
}

/// A string, an integer or null: a fraction has more than one form.
fn read_id(json: Json) -> Result<Value, String> {
    match json {
        Json::Null => Ok(Value::Null),
        Json::Number(number) if !number.is_f64() => Ok(Value::Number(number)),
        Json::Text(text) if text.len() <= ID_BYTES_MAX => Ok(Value::String(text)),
        Json::Text(_) => Err(format!("id is longer than {ID_BYTES_MAX} bytes")),
        _ => Err("id must be a string, an integer or null".to_owned()),
    }
}

/// The text of an answer: `result` is JSON already.
pub(super) fn answer(id: &Value, result: Result<Vec<u8>, RpcError>) -> Vec<u8> {
    let (name, result) = match result {
        Ok(result) => ("result", result),
        Err(error) => ("error", serde_json::to_vec(&error).expect("a number and two texts")),
    };
    let mut text = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"{name}\":").into_bytes();
    text.extend_from_slice(&result);
    text.push(b'}');
    text
}
