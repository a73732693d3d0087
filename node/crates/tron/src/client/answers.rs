//! The shapes of answers (java-tron's `JsonFormat`: defaults are left out, bytes are hex).

use lucid_core::{
    Hash,
    tron::{Address, Sun, TRANSACTION_BYTES_MAX, message::Ended, message::Envelope},
};
use serde::Deserialize;

use super::{Account, DeployedContract, Failure, Info, error::shown};
use crate::{ChainParameters, Resources};

/// A transaction, in a block or by itself.
#[derive(Deserialize)]
pub(super) struct TransactionJson {
    #[serde(rename = "txID")]
    id: String,
    raw_data_hex: String,
    #[serde(default)]
    signature: Vec<String>,
    #[serde(default)]
    ret: Vec<EndedJson>,
}

/// How it ended. Whatever else could be here would be in the block's hash: it is refused.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct EndedJson {
    #[serde(default)]
    fee: i64,
    ret: Option<String>,
    contract_ret: Option<String>,
}

/// `contractResult`, in the order of its numbers.
const RESULTS: [&str; 16] = [
    "DEFAULT",
    "SUCCESS",
    "REVERT",
    "BAD_JUMP_DESTINATION",
    "OUT_OF_MEMORY",
    "PRECOMPILED_CONTRACT",
    "STACK_TOO_SMALL",
    "STACK_TOO_LARGE",
    "ILLEGAL_OPERATION",
    "STACK_OVERFLOW",
    "OUT_OF_ENERGY",
    "OUT_OF_TIME",
    "JVM_STACK_OVER_FLOW",
    "UNKNOWN",
    "TRANSFER_FAILED",
    "INVALID_CODE",
];
/// `code`, with its spelling.
const CODES: [&str; 2] = ["SUCESS", "FAILED"];

fn number(words: &[&str], word: Option<&str>) -> Result<i32, Failure> {
    let Some(word) = word else { return Ok(0) };
    match (0..).zip(words).find(|(_, known)| **known == word) {
        Some((number, _)) => Ok(number),
        None => Err(Failure::Malformed(format!("a transaction that ended as {}", shown(word)))),
    }
}

pub(super) fn bytes(what: &str, text: &str, most: usize) -> Result<Vec<u8>, Failure> {
    if text.len() > 2 * most {
        return Err(Failure::Malformed(format!("{what} of more than {most} bytes")));
    }
    hex::decode(text).map_err(|_| Failure::Malformed(format!("{what} that is no hex")))
}

/// Reads what is TRON's text of a value.
pub(super) fn read<T: std::str::FromStr>(what: &str, text: &str) -> Result<T, Failure> {
    text.parse().map_err(|_| Failure::Malformed(format!("{what} that is none: {}", shown(text))))
}

pub(super) fn address(what: &str, text: &str) -> Result<Address, Failure> {
    let wrong = |_| Failure::Malformed(format!("{what} that is no address: {}", shown(text)));
    Address::from_hex(text).map_err(wrong)
}

pub(super) fn sun(what: &str, sun: i64) -> Result<Sun, Failure> {
    Sun::from_signed(sun).ok_or_else(|| Failure::Malformed(format!("{what} of {sun} SUN")))
}

impl TransactionJson {
    /// The message, whose bytes hash to its id.
    pub(super) fn envelope(self) -> Result<Envelope, Failure> {
        let raw_data = bytes("a transaction", &self.raw_data_hex, TRANSACTION_BYTES_MAX)?;
        let id: Hash = read("a transaction's id", &self.id)?;
        if Hash::of(&raw_data) != id {
            return Err(Failure::Contradicts(format!("transaction {id} has another id")));
        }
        let signature = self.signature.iter().map(|text| {
            // java-tron takes longer ones too, and hashes them as they are.
            bytes("a signature", text, 256)
        });
        let ret = self.ret.iter().map(|ended| {
            let contract_ret = number(&RESULTS, ended.contract_ret.as_deref())?;
            let ret = number(&CODES, ended.ret.as_deref())?;
            Ok(Ended { fee: ended.fee, ret, contract_ret })
        });
        Ok(Envelope {
            raw_data,
            signature: signature.collect::<Result<_, Failure>>()?,
            ret: ret.collect::<Result<_, Failure>>()?,
        })
    }
}

#[derive(Deserialize)]
pub(super) struct AccountJson {
    address: String,
    #[serde(default)]
    balance: i64,
    #[serde(rename = "type")]
    kind: Option<String>,
}

impl AccountJson {
    pub(super) fn account(&self, asked: Address) -> Result<Account, Failure> {
        let address = address("an account", &self.address)?;
        if address != asked {
            return Err(Failure::Contradicts(format!("{asked} was asked for, not {address}")));
        }
        let balance = sun("a balance", self.balance)?;
        Ok(Account { address, balance, is_contract: self.kind.as_deref() == Some("Contract") })
    }
}

#[derive(Deserialize)]
pub(super) struct ResourcesJson {
    #[serde(rename = "freeNetUsed", default)]
    free_used: u64,
    #[serde(rename = "freeNetLimit", default)]
    free_limit: u64,
    #[serde(rename = "NetUsed", default)]
    net_used: u64,
    #[serde(rename = "NetLimit", default)]
    net_limit: u64,
    #[serde(rename = "EnergyUsed", default)]
    energy_used: u64,
    #[serde(rename = "EnergyLimit", default)]
    energy_limit: u64,
}

impl ResourcesJson {
    pub(super) fn resources(&self) -> Resources {
        Resources {
            free_bandwidth: self.free_limit.saturating_sub(self.free_used),
            staked_bandwidth: self.net_limit.saturating_sub(self.net_used),
            energy: self.energy_limit.saturating_sub(self.energy_used),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ParametersJson {
    chain_parameter: Vec<ParameterJson>,
}

#[derive(Deserialize)]
struct ParameterJson {
    key: String,
    #[serde(default)]
    value: i64,
}

impl ParametersJson {
    pub(super) fn parameters(&self) -> Result<ChainParameters, Failure> {
        let value = |key: &str| {
            let mut found = self.chain_parameter.iter().filter(|one| one.key == key);
            match (found.next(), found.next()) {
                (Some(one), None) => sun(key, one.value),
                (None, _) => Err(Failure::Malformed(format!("the chain parameters have no {key}"))),
                _ => Err(Failure::Malformed(format!("the chain parameters have {key} twice"))),
            }
        };
        // What chains without a proposal of theirs do not list has no effect there.
        let value_or =
            |key: &str, default: u64| match self.chain_parameter.iter().any(|one| one.key == key) {
                true => Ok(value(key)?.get()),
                false => Ok::<_, Failure>(default),
            };
        Ok(ChainParameters {
            byte: value("getTransactionFee")?,
            energy: value("getEnergyFee")?,
            memo: value("getMemoFee")?,
            account_bandwidth: value("getCreateAccountFee")?,
            account: value("getCreateNewAccountFeeInSystemContract")?,
            account_bandwidth_rate: value_or("getCreateNewAccountBandwidthRate", 1)?,
            fee_limit_max: value("getMaxFeeLimit")?,
            energy_growth: value_or("getDynamicEnergyIncreaseFactor", 0)?,
        })
    }
}

#[derive(Deserialize)]
pub(super) struct ContractJson {
    contract_address: String,
    origin_address: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    bytecode: String,
    #[serde(default)]
    consume_user_resource_percent: u64,
}

impl ContractJson {
    pub(super) fn contract(self, asked: Address) -> Result<DeployedContract, Failure> {
        let address_of = address("a contract", &self.contract_address)?;
        if address_of != asked {
            return Err(Failure::Contradicts(format!("{asked} was asked for, not {address_of}")));
        }
        Ok(DeployedContract {
            address: address_of,
            owner: address("a contract's owner", &self.origin_address)?,
            name: shown(&self.name),
            bytecode: bytes("a contract's code", &self.bytecode, TRANSACTION_BYTES_MAX)?,
            caller_percent: self.consume_user_resource_percent,
        })
    }
}

/// `Return`, of what is only tried.
#[derive(Deserialize)]
pub(super) struct ReturnJson {
    #[serde(default)]
    pub(super) result: bool,
    code: Option<String>,
    message: Option<String>,
}

impl ReturnJson {
    /// Its message, which is hex of a text, or a text.
    pub(super) fn message(&self) -> Option<String> {
        let message = self.message.as_deref().filter(|message| !message.is_empty())?;
        let text = hex::decode(message).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        Some(shown(text.as_deref().unwrap_or(message)))
    }

    pub(super) fn said(&self) -> String {
        let code = self.code.as_deref().unwrap_or("it refuses");
        format!("{code} {}", self.message().unwrap_or_default())
    }
}

#[derive(Deserialize)]
pub(super) struct ConstantJson {
    pub(super) result: ReturnJson,
    #[serde(default)]
    pub(super) energy_used: u64,
    #[serde(default)]
    pub(super) constant_result: Vec<String>,
    transaction: Option<TriedJson>,
}

#[derive(Deserialize)]
struct TriedJson {
    #[serde(default)]
    ret: Vec<TriedEndJson>,
}

#[derive(Deserialize)]
struct TriedEndJson {
    ret: Option<String>,
}

impl ConstantJson {
    /// Whether the call that was tried failed: java-tron says so in the transaction that it made for it.
    pub(super) fn has_failed(&self) -> bool {
        let ends = self.transaction.iter().flat_map(|tried| &tried.ret);
        !self.result.result
            || self.result.message().is_some()
            || ends.into_iter().any(|end| end.ret.as_deref() == Some("FAILED"))
    }
}

#[derive(Deserialize)]
pub(super) struct EstimateJson {
    pub(super) result: ReturnJson,
    #[serde(default)]
    pub(super) energy_required: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InfoJson {
    id: String,
    #[serde(default)]
    fee: i64,
    block_number: u64,
    block_time_stamp: u64,
    #[serde(rename = "contract_address")]
    contract: Option<String>,
    #[serde(default)]
    receipt: ReceiptJson,
    result: Option<String>,
    res_message: Option<String>,
}

#[derive(Deserialize, Default)]
struct ReceiptJson {
    #[serde(default)]
    energy_usage_total: u64,
    result: Option<String>,
}

impl InfoJson {
    pub(super) fn info(self, asked: lucid_core::tron::TransactionId) -> Result<Info, Failure> {
        let id = read("a transaction's id", &self.id)?;
        if id != asked {
            return Err(Failure::Contradicts(format!("{asked} was asked for, not {id}")));
        }
        let ended = self.receipt.result.as_deref().unwrap_or("SUCCESS");
        let is_done = self.result.as_deref() != Some("FAILED") && ended == "SUCCESS";
        let words = self.res_message.as_deref().and_then(|text| hex::decode(text).ok());
        let words = words.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
        Ok(Info {
            id,
            block: lucid_core::tron::BlockNumber(self.block_number),
            block_ms: self.block_time_stamp,
            fee: sun("a fee", self.fee)?,
            failed: (!is_done).then(|| shown(&format!("{ended} {words}"))),
            energy: self.receipt.energy_usage_total,
            contract: match self.contract.as_deref() {
                None | Some("") => None,
                Some(text) => Some(address("a contract", text)?),
            },
        })
    }
}
