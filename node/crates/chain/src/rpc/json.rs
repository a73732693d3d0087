//! JSON from outside, read with bounds: how deep, how many values, and each name once in an object.
//!
//! `serde_json`'s own tree takes the last of two fields with one name, so that what was checked by one
//! reader may not be what another one sees; here such a text is refused.

use core::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

/// Lists and objects within each other: a batch of calls with an access list has seven.
const DEPTH_MAX: usize = 12;
/// Values in one text: as many storage keys as the gas of one transaction pays for, and some.
const VALUES_MAX: usize = 16_384;
/// Fields of an object: a call with everything in it has about twenty.
const FIELDS_MAX: usize = 64;

/// A JSON value.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Json>),
    /// In the order of the text, each name once.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads one value and nothing after it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let values = Cell::new(VALUES_MAX);
        let mut text = serde_json::Deserializer::from_slice(bytes);
        let value = Reader { depth: DEPTH_MAX, values: &values }.deserialize(&mut text)?;
        text.end()?;
        Ok(value)
    }

    /// What it is, for whoever sent something else than was asked for.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

/// Reads one value.
#[derive(Clone, Copy)]
struct Reader<'a> {
    /// Levels that are left.
    depth: usize,
    /// Values that are left.
    values: &'a Cell<usize>,
}

impl Reader<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1);
        let depth = depth
            .ok_or_else(|| E::custom(format_args!("more than {DEPTH_MAX} levels of nesting")))?;
        Ok(Self { depth, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, text: D) -> Result<Json, D::Error> {
        let left = self.values.get().checked_sub(1);
        let left =
            left.ok_or_else(|| D::Error::custom(format_args!("more than {VALUES_MAX} values")))?;
        self.values.set(left);
        text.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Json, E> {
        Number::from_f64(value).map(Json::Number).ok_or_else(|| E::custom("no finite number"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let inner = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Json::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Json, A::Error> {
        let inner = self.deeper()?;
        let mut fields: Vec<(String, Json)> = Vec::new();
        while let Some(name) = object.next_key::<String>()? {
            if fields.iter().any(|(before, _)| *before == name) {
                return Err(A::Error::custom("a field stands twice in an object"));
            }
            if fields.len() == FIELDS_MAX {
                return Err(A::Error::custom(format_args!("more than {FIELDS_MAX} fields")));
            }
            fields.push((name, object.next_value_seed(inner)?));
        }
        Ok(Json::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str, words: &str) {
        let error = Json::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(words), "{text:.40}: {error}");
    }

    #[test]
    fn takes_json_and_nothing_else() {
        let object = Json::parse(br#" {"a":[null,true,-1,0.5,"\u00e9"],"b":{}} "#).unwrap();
        let list = vec![
            Json::Null,
            Json::Bool(true),
            Json::Number((-1).into()),
            Json::Number(Number::from_f64(0.5).unwrap()),
            Json::Text("é".to_owned()),
        ];
        let fields =
            vec![("a".to_owned(), Json::List(list)), ("b".to_owned(), Json::Object(Vec::new()))];
        assert_eq!(object, Json::Object(fields));
        for bad in ["", "{", "[1,]", "{'a':1}", "1 2", "nul", "\"\\ud800\"", "01", "[1]x", "NaN"] {
            assert!(Json::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(Json::parse(b"\"\xff\"").is_err(), "not UTF-8");
    }

    #[test]
    fn is_bounded() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Json::parse(nested(DEPTH_MAX).as_bytes()).is_ok());
        refused(&nested(DEPTH_MAX + 1), "levels of nesting");
        refused(&"[".repeat(100_000), "levels of nesting");
        let list = |count| format!("[{}]", vec!["0"; count].join(","));
        assert!(Json::parse(list(VALUES_MAX - 1).as_bytes()).is_ok());
        refused(&list(VALUES_MAX), "values");
        refused(r#"{"a":1,"b":2,"a":1}"#, "stands twice");
        refused(r#"{"a":1,"\u0061":1}"#, "stands twice");
        let fields = |count| {
            let fields: Vec<_> = (0..count).map(|name| format!("\"{name}\":0")).collect();
            format!("{{{}}}", fields.join(","))
        };
        assert!(Json::parse(fields(FIELDS_MAX).as_bytes()).is_ok());
        refused(&fields(FIELDS_MAX + 1), "fields");
        refused("1e999", "out of range");
    }
}
