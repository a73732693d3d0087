//! Parameters: by position, each of one form, none too many. Quantities and data are as Ethereum's
//! execution API specification writes them: `0x`, and no leading zeros in a quantity.

use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_primitives::{Address, B256, Bytes, U256, hex};

use super::{caller::Asked, error::RpcError, json::Json};
use crate::BlockNumber;

/// A value from outside, read strictly. The error says what is expected.
pub(super) trait Read: Sized {
    fn read(json: Json) -> Result<Self, String>;
}

/// The parameters of a call that are still to be read.
pub(super) struct Params {
    values: std::vec::IntoIter<Json>,
    /// Parameters that were asked for so far.
    place: usize,
    asked: Asked,
}

impl Params {
    pub(super) fn new(values: Vec<Json>, asked: Asked) -> Self {
        Self { values: values.into_iter(), place: 0, asked }
    }

    /// Who asks, and until when.
    pub(super) fn asked(&self) -> Asked {
        self.asked
    }

    /// The next parameter, which must be there.
    pub(super) fn take<T: Read>(&mut self, name: &str) -> Result<T, RpcError> {
        match self.take_or_none(name)? {
            Some(value) => Ok(value),
            None => Err(RpcError::invalid_params(format!(
                "missing value for required argument {} ({name})",
                self.place - 1
            ))),
        }
    }

    /// The next parameter, or nothing where it is left out or `null`.
    pub(super) fn take_or_none<T: Read>(&mut self, name: &str) -> Result<Option<T>, RpcError> {
        let place = self.place;
        self.place += 1;
        match self.values.next() {
            None | Some(Json::Null) => Ok(None),
            Some(json) => T::read(json).map(Some).map_err(|why| {
                RpcError::invalid_params(format!("invalid argument {place} ({name}): {why}"))
            }),
        }
    }

    /// That there are no more.
    pub(super) fn end(self) -> Result<(), RpcError> {
        match self.values.len() {
            0 => Ok(()),
            _ => Err(RpcError::invalid_params(format!(
                "too many arguments, want at most {}",
                self.place
            ))),
        }
    }
}

/// The fields of an object that are still to be read.
pub(super) struct Fields(Vec<(String, Json)>);

impl Fields {
    /// A field, or nothing where it is left out or `null`.
    pub(super) fn take<T: Read>(&mut self, name: &str) -> Result<Option<T>, String> {
        let Some(at) = self.0.iter().position(|(field, _)| field == name) else { return Ok(None) };
        match self.0.swap_remove(at).1 {
            Json::Null => Ok(None),
            json => T::read(json).map(Some).map_err(|why| format!("{name}: {why}")),
        }
    }

    /// That there are no more: a field that is not understood may change what is meant.
    pub(super) fn end(self) -> Result<(), String> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => {
                let shown: String = name.chars().take(64).collect();
                Err(format!("{shown}: there is no such field here"))
            }
        }
    }
}

impl Read for Fields {
    fn read(json: Json) -> Result<Self, String> {
        match json {
            Json::Object(fields) => Ok(Self(fields)),
            other => Err(format!("want an object, have {}", other.kind())),
        }
    }
}

fn text(json: Json) -> Result<String, String> {
    match json {
        Json::Text(text) => Ok(text),
        other => Err(format!("want a string, have {}", other.kind())),
    }
}

/// What follows `0x`.
fn digits(text: &str) -> Result<&str, String> {
    text.strip_prefix("0x").ok_or_else(|| "hex string without 0x prefix".to_owned())
}

fn quantity(text: &str) -> Result<U256, String> {
    match digits(text)?.as_bytes() {
        [] => Err("empty hex number: zero is 0x0".to_owned()),
        [b'0', _, ..] => Err("hex number with leading zero digits".to_owned()),
        digits => word(digits),
    }
}

/// A number of at most 64 digits.
fn word(digits: &[u8]) -> Result<U256, String> {
    if digits.len() > 64 {
        return Err("hex number exceeds 256 bits".to_owned());
    }
    digits.iter().try_fold(U256::ZERO, |word, digit| {
        let digit = char::from(*digit).to_digit(16).ok_or("invalid hex digit")?;
        Ok((word << 4) | U256::from(digit))
    })
}

fn data(text: &str) -> Result<Vec<u8>, String> {
    let digits = digits(text)?;
    match digits.len() % 2 {
        0 => hex::decode(digits).map_err(|_| "invalid hex digit".to_owned()),
        _ => Err("hex string of odd length".to_owned()),
    }
}

fn fixed<const N: usize>(json: Json) -> Result<[u8; N], String> {
    let bytes = data(&text(json)?)?;
    let have = bytes.len();
    bytes.try_into().map_err(|_| format!("want {N} bytes, have {have}"))
}

impl Read for bool {
    fn read(json: Json) -> Result<Self, String> {
        match json {
            Json::Bool(value) => Ok(value),
            other => Err(format!("want a boolean, have {}", other.kind())),
        }
    }
}

impl Read for String {
    fn read(json: Json) -> Result<Self, String> {
        text(json)
    }
}

impl Read for U256 {
    fn read(json: Json) -> Result<Self, String> {
        quantity(&text(json)?)
    }
}

impl Read for u128 {
    fn read(json: Json) -> Result<Self, String> {
        U256::read(json)?.try_into().map_err(|_| "hex number exceeds 128 bits".to_owned())
    }
}

impl Read for u64 {
    fn read(json: Json) -> Result<Self, String> {
        U256::read(json)?.try_into().map_err(|_| "hex number exceeds 64 bits".to_owned())
    }
}

impl Read for Bytes {
    fn read(json: Json) -> Result<Self, String> {
        data(&text(json)?).map(Self::from)
    }
}

impl Read for Address {
    fn read(json: Json) -> Result<Self, String> {
        fixed(json).map(Self::new)
    }
}

impl Read for B256 {
    fn read(json: Json) -> Result<Self, String> {
        fixed(json).map(Self::new)
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(json: Json) -> Result<Self, String> {
        match json {
            Json::List(values) => values.into_iter().map(T::read).collect(),
            other => Err(format!("want an array, have {}", other.kind())),
        }
    }
}

/// A slot's place: a quantity, or its 32 bytes; libraries send either.
pub(super) struct Slot(pub(super) U256);

impl Read for Slot {
    fn read(json: Json) -> Result<Self, String> {
        match digits(&text(json)?)?.as_bytes() {
            [] => Err("empty hex number: zero is 0x0".to_owned()),
            digits => word(digits).map(Self),
        }
    }
}

/// A number that some libraries send as hex and others as a JSON number.
pub(super) struct Count(pub(super) u64);

impl Read for Count {
    fn read(json: Json) -> Result<Self, String> {
        match json {
            Json::Number(number) => number
                .as_u64()
                .map(Self)
                .ok_or_else(|| format!("want a quantity, have the number {number}")),
            other => u64::read(other).map(Self),
        }
    }
}

/// A share of a hundred.
pub(super) struct Percentile(pub(super) f64);

impl Read for Percentile {
    fn read(json: Json) -> Result<Self, String> {
        let Json::Number(number) = &json else {
            return Err(format!("want a number from 0 to 100, have {}", json.kind()));
        };
        let value = number.as_f64().filter(|value| (0.0..=100.0).contains(value));
        value.map(Self).ok_or_else(|| format!("want a number from 0 to 100, have {number}"))
    }
}

/// A block by its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tag {
    /// The newest: "latest", "safe" and "finalized".
    Latest,
    /// The next.
    Pending,
    /// "earliest" is 0.
    Number(BlockNumber),
}

impl Read for Tag {
    fn read(json: Json) -> Result<Self, String> {
        match text(json)?.as_str() {
            "latest" | "safe" | "finalized" => Ok(Self::Latest),
            "pending" => Ok(Self::Pending),
            "earliest" => Ok(Self::Number(BlockNumber(0))),
            hex if hex.starts_with("0x") => {
                let number = u64::read(Json::Text(hex.to_owned()))?;
                Ok(Self::Number(BlockNumber(number)))
            }
            _ => {
                Err("want a block number, latest, safe, finalized, pending or earliest".to_owned())
            }
        }
    }
}

/// A block by its place or its hash (EIP-1898).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BlockId {
    Tag(Tag),
    Hash(B256),
}

impl Read for BlockId {
    fn read(json: Json) -> Result<Self, String> {
        if let Json::Text(_) = json {
            return Tag::read(json).map(Self::Tag);
        }
        let mut fields = Fields::read(json)?;
        let number = fields.take("blockNumber")?;
        let hash = fields.take("blockHash")?;
        // Every block here is canonical.
        let _: Option<bool> = fields.take("requireCanonical")?;
        fields.end()?;
        match (number, hash) {
            (Some(number), None) => Ok(Self::Tag(number)),
            (None, Some(hash)) => Ok(Self::Hash(hash)),
            _ => Err("want either blockNumber or blockHash".to_owned()),
        }
    }
}

/// One value, or a list of alternatives.
pub(super) fn one_or_many<T: Read>(json: Json) -> Result<Vec<T>, String> {
    match json {
        Json::List(_) => Vec::read(json),
        one => Ok(vec![T::read(one)?]),
    }
}

/// An access list (EIP-2930).
pub(super) struct Warm(pub(super) AccessList);

impl Read for Warm {
    fn read(json: Json) -> Result<Self, String> {
        struct Item(AccessListItem);
        impl Read for Item {
            fn read(json: Json) -> Result<Self, String> {
                let mut fields = Fields::read(json)?;
                let address = fields.take("address")?.ok_or("an item has no address")?;
                let storage_keys = fields.take("storageKeys")?.unwrap_or_default();
                fields.end()?;
                Ok(Self(AccessListItem { address, storage_keys }))
            }
        }
        let items = Vec::<Item>::read(json)?;
        Ok(Self(AccessList(items.into_iter().map(|item| item.0).collect())))
    }
}
