//! A contract's interface, from a Solidity compiler's JSON to TRON's message.

use lucid_core::tron::message::{Abi, AbiEntry, AbiParam};
use serde::Deserialize;

/// A text that is no interface.
#[derive(Debug, thiserror::Error)]
pub enum AbiError {
    /// No JSON, or of another shape.
    #[error("it is no ABI as Solidity's compiler writes one: {0}")]
    Shape(#[from] serde_json::Error),
    /// A word that is not known.
    #[error("the ABI has an entry of {what} {word:?}, which TRON has no number for")]
    Word {
        /// Type or mutability.
        what: &'static str,
        /// What it says.
        word: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    inputs: Vec<Param>,
    #[serde(default)]
    outputs: Vec<Param>,
    #[serde(default)]
    anonymous: bool,
    #[serde(default)]
    constant: bool,
    #[serde(default)]
    payable: bool,
    state_mutability: Option<String>,
}

#[derive(Deserialize)]
struct Param {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    indexed: bool,
}

/// Words in the order of their numbers, which begin with 1 (`EntryType`, `StateMutabilityType`).
const TYPES: [&str; 6] = ["constructor", "function", "event", "fallback", "receive", "error"];
const MUTABILITIES: [&str; 4] = ["pure", "view", "nonpayable", "payable"];

fn number(what: &'static str, words: &[&str], word: String) -> Result<i32, AbiError> {
    match (1..).zip(words).find(|(_, known)| **known == word) {
        Some((number, _)) => Ok(number),
        None => Err(AbiError::Word { what, word }),
    }
}

/// Reads a compiler's ABI.
///
/// # Errors
/// [`AbiError`].
pub fn read_abi(json: &str) -> Result<Abi, AbiError> {
    let entries: Vec<Entry> = serde_json::from_str(json)?;
    let entry = |entry: Entry| {
        Ok(AbiEntry {
            anonymous: entry.anonymous,
            constant: entry.constant,
            name: entry.name,
            inputs: entry.inputs.into_iter().map(param).collect(),
            outputs: entry.outputs.into_iter().map(param).collect(),
            kind: number("type", &TYPES, entry.kind)?,
            payable: entry.payable,
            state_mutability: match entry.state_mutability {
                None => 0,
                Some(word) => number("mutability", &MUTABILITIES, word)?,
            },
        })
    };
    Ok(Abi { entrys: entries.into_iter().map(entry).collect::<Result<_, AbiError>>()? })
}

fn param(param: Param) -> AbiParam {
    AbiParam { indexed: param.indexed, name: param.name, kind: param.kind }
}
