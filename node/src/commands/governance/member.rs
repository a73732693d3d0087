//! A member that signs its own transactions, and sends them through a node that is not its own.
//!
//! That node is believed for how things stand, and not for what a proposal is: its text and calls must make
//! the id that was named.

use std::{fs::File, io::Read, path::Path, time::Duration};

use lucid_api::ports::{
    Acted, GovernanceSettings, GovernedParameters, NewProposal, ParameterUnit, Proposal, Support,
};
use lucid_chain::{
    ChainId, Signer, Unsigned,
    alloy_primitives::{Address, B256, Bytes, U256, hex},
    contracts::{
        Contracts, Unit,
        governance::{self, Bounded, Member as Voter, Proposed, ProposedCall, Rules, refusal},
    },
};
use lucid_core::{Hash, Timestamp};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{Deed, node::Node};
use crate::{
    failure::{Failure, Outcome},
    services::governance::proposed,
};

/// No key's file is longer.
const KEY_BYTES_MAX: u64 = 4096;
/// A transaction is looked for this often, and so many times: for a minute.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const LOOKS_MAX: u32 = 240;

/// A member, at a node.
pub(super) struct Member<'a> {
    node: &'a Node,
    signer: Signer,
    settings: GovernanceSettings,
    governor: Address,
}

/// What JSON-RPC answers.
#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    result: Value,
    error: Option<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    message: String,
    #[serde(default)]
    data: Value,
}

/// A transaction in a block, as far as it is of interest.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Receipt {
    status: String,
    block_number: String,
}

#[derive(Deserialize)]
struct BlockTime {
    timestamp: String,
}

impl<'a> Member<'a> {
    /// # Errors
    /// Where the file has no key, and the node's.
    pub(super) fn open(node: &'a Node, key: &Path) -> Outcome<Self> {
        let signer = read_key(key)?;
        let settings = node.settings()?;
        let governor = read_address(&settings.contracts.governor)?;
        Ok(Self { node, signer, settings, governor })
    }

    pub(super) fn propose(&self, new: &NewProposal) -> Outcome<Acted> {
        let rules = rules(&self.settings, &self.node.parameters()?)?;
        let proposed = proposed(new, &self.contracts()?, &rules);
        let proposed = proposed.map_err(|problem| Failure::usage(problem.detail))?;
        self.send(Hash(proposed.id().0.0), proposed.propose())
    }

    pub(super) fn act(&self, id: Hash, deed: &Deed<'_>) -> Outcome<Acted> {
        let proposed = known(id, &self.node.proposal(id)?)?;
        let furthers = matches!(deed, Deed::Vote(Support::For, _) | Deed::Queue | Deed::Execute);
        if let Some(why) = proposed.ends_decisions(&self.contracts()?).filter(|_| furthers) {
            return Err(Failure::usage(format!("nothing was sent for this proposal: {why}")));
        }
        let input = match deed {
            Deed::Vote(support, reason) => {
                let support = match support {
                    Support::For => governance::Support::For,
                    Support::Against => governance::Support::Against,
                    Support::Abstain => governance::Support::Abstain,
                };
                governance::vote(proposed.id(), support, reason)
            }
            Deed::Queue => proposed.queue(),
            Deed::Execute => proposed.execute(),
            Deed::Cancel => proposed.cancel(),
        };
        self.send(id, input)
    }

    fn contracts(&self) -> Outcome<Contracts> {
        let contracts = &self.settings.contracts;
        Ok(Contracts {
            // Nothing is proposed about it.
            anchors: Address::ZERO,
            nodes: read_address(&contracts.nodes)?,
            timelock: read_address(&contracts.timelock)?,
            parameters: read_address(&contracts.parameters)?,
            governor: self.governor,
        })
    }

    /// Signs a call of the governor, sends it, and waits until it is in a block.
    fn send(&self, proposal: Hash, input: Bytes) -> Outcome<Acted> {
        let from = self.signer.address();
        let call = json!({"from": from, "to": self.governor, "data": input});
        // What the contract refuses is known before anything is sent.
        let gas = number(&self.rpc::<String>("eth_estimateGas", &json!([call]))?)?;
        let nonce = json!([from, "pending"]);
        let nonce = number(&self.rpc::<String>("eth_getTransactionCount", &nonce)?)?;
        let chain_id = ChainId(self.settings.chain_id);
        let unsigned = Unsigned::call(chain_id, nonce, self.governor, input);
        // The vote before this one may make it dearer.
        let gas_limit = unsigned.gas_limit.min(gas + gas / 4 + 100_000);
        let signed = self.signer.sign(Unsigned { gas_limit, ..unsigned });
        let raw = hex::encode_prefixed(signed.raw());
        let hash: B256 = self.rpc("eth_sendRawTransaction", &json!([raw]))?;
        let receipt = self.receipt(hash)?;
        if receipt.status != "0x1" {
            // Why, as far as it can still be seen.
            self.rpc::<String>("eth_call", &json!([call, "latest"]))?;
            let detail = format!(
                "the transaction {hash} failed: what it relies on changed just before it; look, and try again"
            );
            return Err(Failure::usage(detail));
        }
        let block = number(&receipt.block_number)?;
        let time = json!([receipt.block_number, false]);
        let time: BlockTime = self.rpc("eth_getBlockByNumber", &time)?;
        let at = Timestamp::from_unix_millis(number(&time.timestamp)?.saturating_mul(1000));
        Ok(Acted { proposal, transaction: hash.to_string(), block, at })
    }

    fn receipt(&self, hash: B256) -> Outcome<Receipt> {
        for _ in 0..LOOKS_MAX {
            let receipt: Option<Receipt> = self.rpc("eth_getTransactionReceipt", &json!([hash]))?;
            if let Some(receipt) = receipt {
                return Ok(receipt);
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Err(Failure::io(format!(
            "the transaction {hash} was sent, and is in no block yet: look whether it was done before you \
             send another"
        )))
    }

    fn rpc<R: DeserializeOwned>(&self, method: &str, params: &Value) -> Outcome<R> {
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let reply: Reply = self.node.post("/rpc", &call)?;
        if let Some(Fault { message, data }) = reply.error {
            // What a contract says when it refuses.
            let data = data.as_str().and_then(|data| hex::decode(data).ok());
            let why = data.map_or(message, |data| refusal(&data.into()));
            return Err(Failure::usage(why));
        }
        serde_json::from_value(reply.result)
            .map_err(|error| Failure::io(format!("{method} answers what it should not: {error}")))
    }
}

/// A proposal with the text and calls that the node gives for it, if they make its id.
fn known(id: Hash, told: &Proposal) -> Outcome<Proposed> {
    let calls = told.calls.iter().map(|call| {
        let value: U256 = call.value.parse().map_err(|_| nonsense("a call's value"))?;
        let data = hex::decode(&call.data).map_err(|_| nonsense("a call's data"))?;
        Ok(ProposedCall { target: read_address(&call.target)?, value, data: data.into() })
    });
    let proposed = Proposed::of(calls.collect::<Outcome<_>>()?, told.text.as_bytes());
    match proposed.id().0.0 == id.0 {
        true => Ok(proposed),
        false => Err(Failure::check(format!(
            "the text and calls that the node gives are not those of the proposal {id}: nothing was sent"
        ))),
    }
}

fn rules(settings: &GovernanceSettings, parameters: &GovernedParameters) -> Outcome<Rules> {
    let members = settings.nodes.iter().map(|node| {
        Ok(Voter { account: read_address(&node.account)?, log_key_hash: node.log_key_hash })
    });
    let parameters = parameters.parameters.iter().map(|parameter| Bounded {
        key: parameter.name.clone(),
        unit: match parameter.unit {
            ParameterUnit::Count => Unit::Count,
            ParameterUnit::Bytes => Unit::Bytes,
            ParameterUnit::Seconds => Unit::Seconds,
            ParameterUnit::Level => Unit::Level,
        },
        min: parameter.min,
        max: parameter.max,
        zero_is_none: parameter.zero_is_none,
        value: parameter.value,
    });
    Ok(Rules {
        voting_delay: settings.voting_delay_seconds,
        voting_period: settings.voting_period_seconds,
        vote_extension: settings.vote_extension_seconds,
        quorum_percent: settings.quorum_percent,
        timelock_delay: settings.timelock_delay_seconds,
        member_count: settings.node_count,
        members: members.collect::<Outcome<_>>()?,
        parameters: parameters.collect(),
    })
}

fn nonsense(what: &str) -> Failure {
    Failure::io(format!("the node answers what it should not: {what}"))
}

fn read_address(text: &str) -> Outcome<Address> {
    text.parse().map_err(|_| nonsense("an address"))
}

/// A number as JSON-RPC has them.
fn number(text: &str) -> Outcome<u64> {
    let digits = text.strip_prefix("0x").unwrap_or_default();
    u64::from_str_radix(digits, 16).map_err(|_| nonsense("a number"))
}

/// Reads an account's key. Nothing of the file is in an error.
fn read_key(path: &Path) -> Outcome<Signer> {
    let shown = path.display();
    let cannot = |error: std::io::Error| Failure::io(format!("{shown}: {error}"));
    let mut text = Zeroizing::new(String::new());
    let file = File::open(path).map_err(cannot)?;
    file.take(KEY_BYTES_MAX).read_to_string(&mut text).map_err(cannot)?;
    let mut key = Zeroizing::new([0; 32]);
    let digits = text.trim();
    let digits = digits.strip_prefix("0x").unwrap_or(digits);
    let read = hex::decode_to_slice(digits, key.as_mut_slice());
    let no_key = || Failure::usage(format!("{shown} holds no key of an account: 64 hex digits"));
    read.map_err(|_| no_key())?;
    Signer::new(&key).map_err(|_| no_key())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_and_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let key = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
        let address = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
        for text in [key.to_owned(), format!("0x{key}\n"), format!(" {key}\n")] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(read_key(&path).unwrap().address().to_checksum(None), address);
        }
        for text in ["", "secret", &key[1..], &"0".repeat(64), &"f".repeat(64)] {
            std::fs::write(&path, text).unwrap();
            let failure = read_key(&path).err().unwrap();
            let said = failure.error.to_string();
            assert!(said.contains("64 hex digits") && !said.contains("secret"), "{said}");
        }
    }

    #[test]
    fn numbers_are_those_of_json_rpc() {
        assert_eq!(number("0x0").ok(), Some(0));
        assert_eq!(number("0xffffffffffffffff").ok(), Some(u64::MAX));
        for bad in ["", "0x", "7", "0x10000000000000000", "0xg"] {
            assert!(number(bad).is_err(), "{bad}");
        }
    }
}
