//! An object's fields, taken one by one, so that what nobody asked for is found.

use serde_json::{Map, Value};

use crate::address::Address;

/// Why a text is not what it should be; the text names the field.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct FieldError(pub(crate) String);

/// The fields of an object that were not taken yet.
pub(crate) struct Fields {
    what: &'static str,
    map: Map<String, Value>,
    /// Whether addresses are base58check.
    pub(crate) visible: bool,
}

impl Fields {
    /// The fields of `value`, which `what` names in errors.
    pub(crate) fn of(what: &'static str, value: Value, visible: bool) -> Result<Self, FieldError> {
        match value {
            Value::Object(map) => Ok(Self { what, map, visible }),
            _ => Err(FieldError(format!("{what} is no object"))),
        }
    }

    fn wrong(&self, name: &str, wanted: &str) -> FieldError {
        FieldError(format!("{}.{name} is not {wanted}", self.what))
    }

    /// A field as it is; null is as absent as it is to java-tron.
    pub(crate) fn value(&mut self, name: &str) -> Option<Value> {
        self.map.remove(name).filter(|value| !value.is_null())
    }

    /// An integer of 64 bits; 0 where there is none.
    pub(crate) fn int(&mut self, name: &str) -> Result<i64, FieldError> {
        match self.value(name) {
            None => Ok(0),
            Some(value) => value.as_i64().ok_or_else(|| self.wrong(name, "a whole number")),
        }
    }

    /// A yes or no; no where there is none.
    pub(crate) fn flag(&mut self, name: &str) -> Result<bool, FieldError> {
        match self.value(name) {
            None => Ok(false),
            Some(value) => value.as_bool().ok_or_else(|| self.wrong(name, "true or false")),
        }
    }

    /// A text; the empty one where there is none.
    pub(crate) fn text(&mut self, name: &str) -> Result<String, FieldError> {
        match self.value(name) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(self.wrong(name, "a text")),
        }
    }

    /// Bytes in hex; none where there are none.
    pub(crate) fn bytes(&mut self, name: &str) -> Result<Vec<u8>, FieldError> {
        let text = self.text(name)?;
        hex::decode(text).map_err(|_| self.wrong(name, "hex digits, two a byte"))
    }

    /// An address, in hex or as `visible` has it; no bytes where there is none.
    pub(crate) fn address(&mut self, name: &str) -> Result<Vec<u8>, FieldError> {
        if !self.visible {
            return self.bytes(name);
        }
        let text = self.text(name)?;
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let address = Address::of_base58(&text);
        address
            .map(|address| address.bytes().to_vec())
            .map_err(|_| self.wrong(name, "an address in base58check, as visible says"))
    }

    /// A list; the empty one where there is none.
    pub(crate) fn list(&mut self, name: &str) -> Result<Vec<Value>, FieldError> {
        match self.value(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) => Ok(list),
            Some(_) => Err(self.wrong(name, "a list")),
        }
    }

    /// Another object in it.
    pub(crate) fn object(
        &mut self,
        name: &str,
        what: &'static str,
    ) -> Result<Option<Self>, FieldError> {
        let visible = self.visible;
        self.value(name).map(|value| Self::of(what, value, visible)).transpose()
    }

    /// That nothing is left.
    pub(crate) fn done(self) -> Result<(), FieldError> {
        match self.map.keys().next() {
            None => Ok(()),
            Some(name) => Err(FieldError(format!("{}.{name} is no field of it", self.what))),
        }
    }
}
