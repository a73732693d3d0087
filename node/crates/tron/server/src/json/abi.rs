//! A contract's ABI: as solc and wallets write it in JSON, and as TRON keeps it.

use serde_json::{Map, Value, json};

use super::fields::{FieldError, Fields};
use crate::message::{Abi, ENTRY_TYPES, Entry, MUTABILITIES, Param};

/// Reads a list of entries. What solc says of parameters beyond TRON's fields is left out, as java-tron does.
pub(crate) fn read(value: &Value) -> Result<Abi, FieldError> {
    let Value::Array(list) = value else {
        return Err(FieldError("abi is no list".to_owned()));
    };
    Ok(Abi { entrys: list.iter().map(entry).collect::<Result<_, _>>()? })
}

fn entry(value: &Value) -> Result<Entry, FieldError> {
    let mut fields = Fields::of("abi entry", value.clone(), false)?;
    let entry = Entry {
        anonymous: fields.flag("anonymous")?,
        constant: fields.flag("constant")?,
        name: fields.text("name")?,
        inputs: params(&mut fields, "inputs")?,
        outputs: params(&mut fields, "outputs")?,
        kind: named(&ENTRY_TYPES, &fields.text("type")?)?,
        payable: fields.flag("payable")?,
        mutability: named(&MUTABILITIES, &fields.text("stateMutability")?)?,
    };
    fields.done()?;
    Ok(entry)
}

fn params(fields: &mut Fields, name: &'static str) -> Result<Vec<Param>, FieldError> {
    let param = |value: Value| {
        let mut fields = Fields::of("abi parameter", value, false)?;
        for unknown_to_tron in ["internalType", "components"] {
            fields.value(unknown_to_tron);
        }
        let param = Param {
            indexed: fields.flag("indexed")?,
            name: fields.text("name")?,
            kind: fields.text("type")?,
        };
        fields.done()?;
        Ok(param)
    };
    fields.list(name)?.into_iter().map(param).collect()
}

/// A name's number; its first letter may be small.
fn named(names: &[&str], name: &str) -> Result<i32, FieldError> {
    if name.is_empty() {
        return Ok(0);
    }
    let place = names.iter().position(|known| known.eq_ignore_ascii_case(name));
    place
        .and_then(|place| i32::try_from(place).ok())
        .ok_or_else(|| FieldError(format!("{name:?} is none of {}", names.join(", "))))
}

/// Writes it as getcontract does.
pub(crate) fn write(abi: &Abi) -> Value {
    let entrys: Vec<Value> = abi.entrys.iter().map(write_entry).collect();
    if entrys.is_empty() { json!({}) } else { json!({ "entrys": entrys }) }
}

fn write_entry(entry: &Entry) -> Value {
    let mut map = Map::new();
    let param = |param: &Param| {
        let mut map = Map::new();
        flag(&mut map, "indexed", param.indexed);
        text(&mut map, "name", &param.name);
        text(&mut map, "type", &param.kind);
        Value::Object(map)
    };
    flag(&mut map, "anonymous", entry.anonymous);
    flag(&mut map, "constant", entry.constant);
    text(&mut map, "name", &entry.name);
    for (name, list) in [("inputs", &entry.inputs), ("outputs", &entry.outputs)] {
        if !list.is_empty() {
            map.insert(name.to_owned(), list.iter().map(param).collect());
        }
    }
    let names = |list: &[&str], number: i32| {
        usize::try_from(number)
            .ok()
            .filter(|n| *n > 0)
            .and_then(|n| Some((*list.get(n)?).to_owned()))
    };
    text(&mut map, "type", &names(&ENTRY_TYPES, entry.kind).unwrap_or_default());
    flag(&mut map, "payable", entry.payable);
    let mutability = names(&MUTABILITIES, entry.mutability).unwrap_or_default();
    text(&mut map, "stateMutability", &mutability);
    Value::Object(map)
}

fn flag(map: &mut Map<String, Value>, name: &str, value: bool) {
    if value {
        map.insert(name.to_owned(), Value::Bool(true));
    }
}

fn text(map: &mut Map<String, Value>, name: &str, value: &str) {
    if !value.is_empty() {
        map.insert(name.to_owned(), Value::String(value.to_owned()));
    }
}
