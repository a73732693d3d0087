//! The contracts that are understood, without a virtual machine: `LucidAnchors` and a token as USDT is one.
//! Any other is stored as it came, and reverts whatever is asked of it.

use std::{collections::BTreeMap, sync::Arc, sync::LazyLock};

use serde::Deserialize;
use serde_json::Value;

use super::info::Log;
use crate::{
    address::Address,
    hash::{keccak, selector},
    json::abi,
    message::{Abi, SmartContract},
    rules::Energy,
};

/// A contract in the state.
#[derive(Clone)]
pub(crate) struct Contract {
    /// As it was created.
    pub(crate) definition: Arc<SmartContract>,
    /// What its account holds as code.
    pub(crate) runtime: Arc<Vec<u8>>,
    pub(crate) kind: Kind,
}

/// What it does.
#[derive(Clone)]
pub(crate) enum Kind {
    /// `LucidAnchors`; who may register sessions with it.
    Anchors { registrar: [u8; 32] },
    /// A TRC-20 token.
    Token(Token),
    /// Something that takes a virtual machine.
    Opaque,
}

/// A TRC-20 token of six decimals.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) balances: BTreeMap<Address, u128>,
}

/// What a call came to, if it has the energy.
#[derive(Clone, Default, Debug)]
pub(crate) struct Called {
    pub(crate) energy: i64,
    pub(crate) reverted: bool,
    pub(crate) output: Vec<u8>,
    pub(crate) logs: Vec<Log>,
}

/// The artefact that everybody builds with.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Artefact {
    abi: Value,
    bytecode: String,
    runtime_bytecode: String,
    immutable_references: Vec<Place>,
}

#[derive(Deserialize)]
struct Place {
    start: usize,
    length: usize,
}

/// `LucidAnchors` as the project's artefact has it.
pub(crate) struct Anchors {
    pub(crate) abi: Abi,
    pub(crate) creation: Vec<u8>,
    runtime: Vec<u8>,
    registrar_at: Vec<usize>,
}

/// `LucidAnchors`, read once.
pub(crate) static ANCHORS: LazyLock<Anchors> = LazyLock::new(|| {
    let text = include_str!("../../../../../contracts/artefacts/LucidAnchors.json");
    let artefact: Artefact = serde_json::from_str(text).expect("the artefact is built so");
    let bytes = |text: &str| hex::decode(&text[2..]).expect("the artefact has its code in hex");
    assert!(artefact.immutable_references.iter().all(|place| place.length == 32));
    Anchors {
        abi: abi::read(&artefact.abi).expect("the artefact has an ABI as solc writes it"),
        creation: bytes(&artefact.bytecode),
        runtime: bytes(&artefact.runtime_bytecode),
        registrar_at: artefact.immutable_references.iter().map(|place| place.start).collect(),
    }
});

impl Anchors {
    /// The code of one with this registrar.
    pub(crate) fn runtime(&self, registrar: [u8; 32]) -> Vec<u8> {
        let mut code = self.runtime.clone();
        for at in &self.registrar_at {
            code[*at..*at + 32].copy_from_slice(&registrar);
        }
        code
    }
}

/// The 32 bytes in place `n` of what follows a selector.
fn word(data: &[u8], n: usize) -> Option<[u8; 32]> {
    data.get(4 + 32 * n..36 + 32 * n)?.try_into().ok()
}

/// A number as a word.
fn number(n: u128) -> [u8; 32] {
    let mut word = [0; 32];
    word[16..].copy_from_slice(&n.to_be_bytes());
    word
}

/// A word that is an address.
fn address(word: [u8; 32]) -> Option<Address> {
    let (zeroes, last) = word.split_at(12);
    let last = last.try_into().ok()?;
    zeroes.iter().all(|byte| *byte == 0).then(|| Address::of_last(last))
}

/// A text as the ABI returns it.
fn text(text: &str) -> Vec<u8> {
    let mut out = [number(32), number(text.len() as u128)].concat();
    out.extend_from_slice(text.as_bytes());
    out.resize(out.len().next_multiple_of(32), 0);
    out
}

/// What a creation leaves: the contract's kind and code; nothing where its constructor reverts.
pub(crate) fn create(bytecode: &[u8], value: i64) -> Option<(Kind, Vec<u8>)> {
    let Some(arguments) = bytecode.strip_prefix(ANCHORS.creation.as_slice()) else {
        return Some((Kind::Opaque, bytecode.to_vec()));
    };
    let registrar: [u8; 32] = arguments.get(..32)?.try_into().ok()?;
    address(registrar).filter(|_| value == 0)?;
    Some((Kind::Anchors { registrar }, ANCHORS.runtime(registrar)))
}

impl Contract {
    /// Calls it. What it changes is changed; a caller without the energy drops it with its copy of the state.
    pub(crate) fn call(
        &mut self,
        here: Address,
        caller: Address,
        value: i64,
        data: &[u8],
        energy: &Energy,
    ) -> Called {
        let answer = match &mut self.kind {
            _ if value != 0 => None,
            Kind::Anchors { registrar } => anchors(*registrar, here, caller, data, energy),
            Kind::Token(token) => token.call(here, caller, data, energy),
            Kind::Opaque => None,
        };
        answer.unwrap_or(Called { energy: energy.view, reverted: true, ..Called::default() })
    }
}

/// `LucidAnchors`: anchoring and what its questions answer while nothing is registered, which on TRON is
/// for good. `None` where it reverts.
fn anchors(
    registrar: [u8; 32],
    here: Address,
    caller: Address,
    data: &[u8],
    energy: &Energy,
) -> Option<Called> {
    let view = |output: Vec<u8>| Called { energy: energy.view, output, ..Called::default() };
    let asked: [u8; 4] = data.get(..4)?.try_into().ok()?;
    if asked == selector("anchor(bytes32,uint64)") {
        let (root, size) = (word(data, 0)?, word(data, 1)?);
        if size[..24].iter().any(|byte| *byte != 0) {
            return None;
        }
        let topics = vec![keccak(b"Anchored(address,bytes32,uint64)"), caller.word(), root];
        let logs = vec![Log { address: here, topics, data: size.to_vec() }];
        return Some(Called { energy: energy.anchor, logs, ..Called::default() });
    }
    match asked {
        _ if asked == selector("registrar()") => Some(view(registrar.to_vec())),
        _ if asked == selector("sessionCount()") => Some(view(number(0).to_vec())),
        _ if asked == selector("lastLogIndex()") => Some(view(number(0).to_vec())),
        _ if asked == selector("OWNER_LENGTH_MAX()") => Some(view(number(64).to_vec())),
        _ => None,
    }
}

impl Token {
    fn call(
        &mut self,
        here: Address,
        caller: Address,
        data: &[u8],
        energy: &Energy,
    ) -> Option<Called> {
        let view = |output: Vec<u8>| Called { energy: energy.view, output, ..Called::default() };
        let asked: [u8; 4] = data.get(..4)?.try_into().ok()?;
        match asked {
            _ if asked == selector("name()") => Some(view(text("Tether USD"))),
            _ if asked == selector("symbol()") => Some(view(text("USDT"))),
            _ if asked == selector("decimals()") => Some(view(number(6).to_vec())),
            _ if asked == selector("totalSupply()") => {
                Some(view(number(self.balances.values().sum()).to_vec()))
            }
            _ if asked == selector("balanceOf(address)") => {
                let holder = address(word(data, 0)?)?;
                Some(view(number(self.balance(holder)).to_vec()))
            }
            _ if asked == selector("transfer(address,uint256)") => {
                self.transfer(here, caller, data, energy)
            }
            _ => None,
        }
    }

    fn transfer(
        &mut self,
        here: Address,
        caller: Address,
        data: &[u8],
        energy: &Energy,
    ) -> Option<Called> {
        let (to, amount) = (address(word(data, 0)?)?, word(data, 1)?);
        let (high, low) = amount.split_at(16);
        let sum = u128::from_be_bytes(low.try_into().ok()?);
        let left = self.balance(caller).checked_sub(sum)?;
        if high.iter().any(|byte| *byte != 0) {
            return None;
        }
        let used = if self.balance(to) > 0 { energy.transfer } else { energy.transfer_to_new };
        self.balances.insert(caller, left);
        *self.balances.entry(to).or_default() += sum;
        let topics = vec![keccak(b"Transfer(address,address,uint256)"), caller.word(), to.word()];
        let logs = vec![Log { address: here, topics, data: amount.to_vec() }];
        Some(Called { energy: used, output: number(1).to_vec(), logs, reverted: false })
    }

    /// What somebody has.
    pub(crate) fn balance(&self, holder: Address) -> u128 {
        self.balances.get(&holder).copied().unwrap_or_default()
    }
}

/// The ABI of [`Token`], as getcontract has it.
pub(crate) fn token_abi() -> Abi {
    let text = r#"[
        {"name":"name","outputs":[{"type":"string"}],"stateMutability":"View","type":"Function"},
        {"name":"symbol","outputs":[{"type":"string"}],"stateMutability":"View","type":"Function"},
        {"name":"decimals","outputs":[{"type":"uint8"}],"stateMutability":"View","type":"Function"},
        {"name":"totalSupply","outputs":[{"type":"uint256"}],"stateMutability":"View",
         "type":"Function"},
        {"name":"balanceOf","inputs":[{"name":"who","type":"address"}],
         "outputs":[{"type":"uint256"}],"stateMutability":"View","type":"Function"},
        {"name":"transfer","inputs":[{"name":"to","type":"address"},
         {"name":"value","type":"uint256"}],"outputs":[{"type":"bool"}],
         "stateMutability":"Nonpayable","type":"Function"},
        {"name":"Transfer","inputs":[{"indexed":true,"name":"from","type":"address"},
         {"indexed":true,"name":"to","type":"address"},{"name":"value","type":"uint256"}],
         "type":"Event"}]"#;
    let value = serde_json::from_str(text).expect("it is JSON");
    abi::read(&value).expect("it is an ABI")
}
