//! The questions, by the names that TRON's HTTP API has for them
//! (<https://github.com/tronprotocol/documentation-en>, `docs/api/http`).

use async_trait::async_trait;
use lucid_core::tron::{
    Address, BlockId, BlockNumber, Header, Transaction, TransactionId, message::Envelope,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    Account, Asked, Block, Broadcast, Client, ClientError, Code, ConstantCall, DeployedContract,
    Energy, EnergyFrom, Failure, Info, Tron,
    answers::{
        AccountJson, ConstantJson, ContractJson, EstimateJson, InfoJson, ParametersJson,
        ResourcesJson, TransactionJson, bytes, read,
    },
    block::{BlockJson, GenesisJson, HeadJson},
    error::shown,
};
use crate::{ChainParameters, Resources};

/// The one call that changes something: an error of it may leave open whether it did.
pub(super) const BROADCAST: &str = "wallet/broadcasthex";

const CONSTANT_CALL: &str = "wallet/triggerconstantcontract";
const ESTIMATE: &str = "wallet/estimateenergy";

/// Bytes of an answer: a contract of 500 KiB in hex with its interface, and room.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Bytes of a block's answer: a block has 2 MB at most, and its JSON each transaction twice, in hex.
const BLOCK_BYTES_MAX: usize = 32 << 20;
/// Bytes that a call returns.
const RETURNED_BYTES_MAX: usize = 1 << 20;

/// What a node says of a transaction. `broadcasthex` has all of these, others leave defaults out.
#[derive(Deserialize)]
struct BroadcastJson {
    #[serde(default)]
    result: bool,
    code: Option<String>,
    #[serde(default)]
    message: String,
    txid: Option<String>,
}

impl Client {
    /// Asks for what there always is.
    async fn one<T: DeserializeOwned, R>(
        &self,
        call: &'static str,
        arguments: Value,
        then: impl FnOnce(T) -> Result<R, Failure>,
    ) -> Result<R, ClientError> {
        let answer = self.ask(call, &arguments, ANSWER_BYTES_MAX).await?;
        let answer = self.read_answer(&answer).and_then(then);
        answer.map_err(|failure| self.error(call, failure))
    }

    /// Asks for what there may be none of: java-tron then answers `{}`.
    async fn maybe<T: DeserializeOwned, R>(
        &self,
        call: &'static str,
        arguments: Value,
        then: impl FnOnce(T) -> Result<R, Failure>,
    ) -> Result<Option<R>, ClientError> {
        let answer = self.ask(call, &arguments, ANSWER_BYTES_MAX).await?;
        if is_none(&answer) {
            return Ok(None);
        }
        let answer = self.read_answer(&answer).and_then(then).map(Some);
        answer.map_err(|failure| self.error(call, failure))
    }

    /// Asks for a block, whose reading and hashing is no work for the runtime's threads.
    async fn block_of<T: DeserializeOwned, R: Send + 'static>(
        &self,
        call: &'static str,
        arguments: Value,
        then: impl FnOnce(T) -> Result<R, Failure> + Send + 'static,
    ) -> Result<Option<R>, ClientError> {
        let answer = self.ask(call, &arguments, BLOCK_BYTES_MAX).await?;
        if is_none(&answer) {
            return Ok(None);
        }
        let this = self.clone();
        let read = tokio::task::spawn_blocking(move || this.read_answer(&answer).and_then(then));
        let read = match read.await {
            Ok(read) => read.map(Some),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(Failure::BrokenOff("the node is stopping".to_owned())),
        };
        read.map_err(|failure| self.error(call, failure))
    }

    async fn header_of(&self, call: &'static str) -> Result<Header, ClientError> {
        let header = self.block_of(call, json!({}), |head: HeadJson| head.header()).await?;
        header.ok_or_else(|| self.error(call, Failure::Malformed("it has no block".to_owned())))
    }

    async fn info_of(
        &self,
        call: &'static str,
        id: TransactionId,
    ) -> Result<Option<Info>, ClientError> {
        self.maybe(call, json!({ "value": id }), |info: InfoJson| info.info(id)).await
    }

    async fn transaction_of(
        &self,
        call: &'static str,
        id: TransactionId,
    ) -> Result<Option<Envelope>, ClientError> {
        let then = |transaction: TransactionJson| {
            let envelope = transaction.envelope()?;
            let found = TransactionId(lucid_core::Hash::of(&envelope.raw_data));
            match found == id {
                true => Ok(envelope),
                false => Err(Failure::Contradicts(format!("{id} was asked for, not {found}"))),
            }
        };
        self.maybe(call, json!({ "value": id }), then).await
    }

    /// What the node thinks a call takes; nothing where it does not do that.
    async fn estimate(&self, asked: &Asked) -> Result<Option<u64>, ClientError> {
        let then = |answer: EstimateJson| match answer.result.result {
            true => Ok(answer.energy_required),
            false => self.refused(&answer.result.said()),
        };
        match self.one(ESTIMATE, asked.arguments(), then).await {
            Ok(units) => Ok(Some(units)),
            // Most nodes have it switched off, some providers not at all; what else it may be, the call says.
            Err(ClientError {
                failure: Failure::Refused(_) | Failure::Status { status: 400..=499, .. },
                ..
            }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Asked {
    fn arguments(&self) -> Value {
        let mut arguments = json!({
            "owner_address": self.owner.to_hex(),
            "data": hex::encode(&self.data),
            "call_value": self.value.get(),
        });
        if let Some(contract) = self.contract {
            arguments["contract_address"] = contract.to_hex().into();
        }
        arguments
    }
}

fn is_none(answer: &[u8]) -> bool {
    answer.trim_ascii() == b"{}"
}

#[derive(Serialize)]
struct Sent {
    transaction: String,
}

#[async_trait]
impl Tron for Client {
    async fn genesis(&self) -> Result<BlockId, ClientError> {
        const CALL: &str = "wallet/getblockbynum";
        let id = self.block_of(CALL, json!({ "num": 0 }), |first: GenesisJson| first.id()).await?;
        id.ok_or_else(|| self.error(CALL, Failure::Malformed("it has no first block".to_owned())))
    }

    async fn head(&self) -> Result<Header, ClientError> {
        self.header_of("wallet/getnowblock").await
    }

    async fn solid_head(&self) -> Result<Header, ClientError> {
        self.header_of("walletsolidity/getnowblock").await
    }

    async fn block(&self, number: BlockNumber) -> Result<Option<Block>, ClientError> {
        let then = move |block: BlockJson| block.block(number);
        self.block_of("wallet/getblockbynum", json!({ "num": number }), then).await
    }

    async fn account(&self, address: Address) -> Result<Option<Account>, ClientError> {
        let arguments = json!({ "address": address.to_hex() });
        let then = |account: AccountJson| account.account(address);
        self.maybe("wallet/getaccount", arguments, then).await
    }

    async fn resources(&self, address: Address) -> Result<Resources, ClientError> {
        let arguments = json!({ "address": address.to_hex() });
        let then = |resources: ResourcesJson| Ok(resources.resources());
        self.one("wallet/getaccountresource", arguments, then).await
    }

    async fn parameters(&self) -> Result<ChainParameters, ClientError> {
        let then = |parameters: ParametersJson| parameters.parameters();
        self.one("wallet/getchainparameters", json!({}), then).await
    }

    async fn contract(&self, address: Address) -> Result<Option<DeployedContract>, ClientError> {
        let arguments = json!({ "value": address.to_hex() });
        let then = |contract: ContractJson| contract.contract(address);
        self.maybe("wallet/getcontract", arguments, then).await
    }

    async fn constant_call(&self, asked: &Asked) -> Result<ConstantCall, ClientError> {
        let then = |answer: ConstantJson| {
            if !answer.result.result && answer.constant_result.is_empty() {
                return self.refused(&answer.result.said());
            }
            let returned = answer.constant_result.first().map_or("", String::as_str);
            let returned = bytes("what the call returned", returned, RETURNED_BYTES_MAX)?;
            let failed = answer.has_failed().then(|| {
                let reason = alloy_sol_types::decode_revert_reason(&returned);
                let reason = reason.or_else(|| answer.result.message());
                shown(&reason.unwrap_or_else(|| "it does not say why".to_owned()))
            });
            Ok(ConstantCall { returned, energy: answer.energy_used, failed })
        };
        self.one(CONSTANT_CALL, asked.arguments(), then).await
    }

    async fn energy(&self, asked: &Asked) -> Result<Energy, ClientError> {
        if let Some(units) = self.estimate(asked).await? {
            return Ok(Energy { units, from: EnergyFrom::Estimate });
        }
        let call = self.constant_call(asked).await?;
        match call.failed {
            None => Ok(Energy { units: call.energy, from: EnergyFrom::Call }),
            Some(reason) => Err(self.error(CONSTANT_CALL, Failure::Reverted(reason))),
        }
    }

    async fn broadcast(&self, transaction: &Transaction) -> Result<Broadcast, ClientError> {
        let sent = Sent { transaction: hex::encode(transaction.encode()) };
        let answer = self.ask(BROADCAST, &sent, ANSWER_BYTES_MAX).await?;
        let answer = self.read_broadcast(&answer, transaction.id());
        answer.map_err(|failure| self.error(BROADCAST, failure))
    }

    async fn transaction(&self, id: TransactionId) -> Result<Option<Envelope>, ClientError> {
        self.transaction_of("wallet/gettransactionbyid", id).await
    }

    async fn solid_transaction(&self, id: TransactionId) -> Result<Option<Envelope>, ClientError> {
        self.transaction_of("walletsolidity/gettransactionbyid", id).await
    }

    async fn info(&self, id: TransactionId) -> Result<Option<Info>, ClientError> {
        self.info_of("wallet/gettransactioninfobyid", id).await
    }

    async fn solid_info(&self, id: TransactionId) -> Result<Option<Info>, ClientError> {
        self.info_of("walletsolidity/gettransactioninfobyid", id).await
    }
}

impl Client {
    /// What a node says of a transaction: a refusal with a code is an answer here.
    fn read_broadcast(&self, answer: &[u8], id: TransactionId) -> Result<Broadcast, Failure> {
        let read_as: BroadcastJson = match serde_json::from_slice(answer) {
            Ok(BroadcastJson { code: None, result: false, .. }) | Err(_) => {
                self.read_answer(answer)?
            }
            Ok(read_as) => read_as,
        };
        if let Some(txid) = &read_as.txid {
            let found: TransactionId = read("a transaction's id", txid)?;
            if found != id {
                return Err(Failure::Contradicts(format!("{id} was sent, not {found}")));
            }
        }
        let code = match (read_as.result, read_as.code.as_deref()) {
            (true, None | Some("SUCCESS")) => Code::Success,
            (false, Some(name)) if name != "SUCCESS" => Code::named(name),
            (result, code) => {
                let code = shown(code.unwrap_or("none"));
                return Err(Failure::Malformed(format!("result {result} with code {code}")));
            }
        };
        Ok(Broadcast { code, said: shown(&read_as.message) })
    }
}
