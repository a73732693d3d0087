//! A request's parameters: JSON in a body, or a query.

use serde_json::{Map, Value};

use super::Request;
use crate::{
    address::Address,
    json::fields::{FieldError, Fields},
};

/// The parameters of a request. What no one asks for is not looked at, as java-tron does.
pub(crate) struct Params(pub(crate) Fields);

impl Params {
    pub(crate) fn read(request: &Request) -> Result<Self, FieldError> {
        let value = if request.post && !request.body.trim_ascii().is_empty() {
            serde_json::from_slice(&request.body)
                .map_err(|error| FieldError(format!("the body is no JSON: {error}")))?
        } else {
            Value::Object(query(&request.query)?)
        };
        let mut fields = Fields::of("parameters", value, false)?;
        fields.visible = fields.flag("visible")?;
        Ok(Self(fields))
    }

    pub(crate) fn visible(&self) -> bool {
        self.0.visible
    }

    /// The 32 bytes of a hash in `value`; `None` where it is none of any block or transaction.
    pub(crate) fn hash(&mut self) -> Result<Option<[u8; 32]>, FieldError> {
        Ok(self.0.bytes("value")?.try_into().ok())
    }

    /// An address; `None` where the bytes are none.
    pub(crate) fn address(&mut self, name: &str) -> Result<Option<Address>, FieldError> {
        Ok(Address::of_bytes(&self.0.address(name)?).ok())
    }
}

/// A query's pairs. Numbers and truths are those where they look so, but for texts that are named.
fn query(query: &str) -> Result<Map<String, Value>, FieldError> {
    let mut map = Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if value.contains(['%', '+']) {
            return Err(FieldError(format!("{name} is escaped; nothing here needs to be")));
        }
        let typed = match (name, value) {
            ("visible" | "detail", text) => Value::Bool(text.eq_ignore_ascii_case("true")),
            ("num", text) => {
                let number: i64 =
                    text.parse().map_err(|_| FieldError(format!("{text:?} is no number")))?;
                number.into()
            }
            (_, text) => text.into(),
        };
        map.insert(name.to_owned(), typed);
    }
    Ok(map)
}
