//! Accounts, slots, calls, and taking transactions in.

use alloy_primitives::{Address, B256, Bytes, U64};

use super::{
    Answer, Rpc,
    call::CallObject,
    error::RpcError,
    json::Json,
    params::{BlockId, Params, Read, Slot, Tag},
    write,
};
use crate::{At, Transaction};

const LATEST: BlockId = BlockId::Tag(Tag::Latest);
const PENDING: BlockId = BlockId::Tag(Tag::Pending);

/// What would be changed for one call. Nothing is: only that nothing is asked for is taken.
struct NoOverrides;

impl Read for NoOverrides {
    fn read(json: Json) -> Result<Self, String> {
        match json {
            Json::Object(fields) if fields.is_empty() => Ok(Self),
            _ => Err("this node does not override state or blocks for a call".to_owned()),
        }
    }
}

impl Rpc {
    pub(super) fn balance(&self, mut params: Params) -> Result<Answer, RpcError> {
        let address = params.take("address")?;
        let at = self.asked(params)?;
        write(&self.chain.account(address, at)?.balance)
    }

    pub(super) fn nonce(&self, mut params: Params) -> Result<Answer, RpcError> {
        let address: Address = params.take("address")?;
        let at = self.asked(params)?;
        let nonce = self.chain.account(address, at)?.nonce;
        write(&U64::from(match at {
            At::Pending(_) => self.host.next_nonce(address, nonce),
            At::Latest | At::Number(_) => nonce,
        }))
    }

    pub(super) fn code(&self, mut params: Params) -> Result<Answer, RpcError> {
        let address = params.take("address")?;
        let at = self.asked(params)?;
        write(&self.chain.code(address, at)?)
    }

    pub(super) fn storage_at(&self, mut params: Params) -> Result<Answer, RpcError> {
        let address = params.take("address")?;
        let Slot(slot) = params.take("slot")?;
        let at = self.asked(params)?;
        write(&B256::from(self.chain.slot(address, slot, at)?))
    }

    /// The block, which is the last parameter and may be left out.
    fn asked(&self, mut params: Params) -> Result<At, RpcError> {
        let block = params.take_or_none("block")?;
        params.end()?;
        self.at(block.unwrap_or(LATEST))
    }

    pub(super) fn eth_call(&self, params: Params) -> Result<Answer, RpcError> {
        let (object, at) = self.call_params(params, LATEST)?;
        write(&self.chain.call(&object.call, at)?.output)
    }

    /// In the state and at the time that the next block will have: what is estimated is about to be sent.
    pub(super) fn estimate_gas(&self, params: Params) -> Result<Answer, RpcError> {
        let asked = params.asked();
        let (object, at) = self.call_params(params, PENDING)?;
        let mut call = object.call;
        call.gas_price = object.fee_cap;
        let gas =
            self.in_time(asked, |patience| self.chain.estimate_gas_within(&call, at, patience))?;
        write(&U64::from(gas))
    }

    fn call_params(
        &self,
        mut params: Params,
        default: BlockId,
    ) -> Result<(CallObject, At), RpcError> {
        let object: CallObject = params.take("call")?;
        let block = params.take_or_none("block")?;
        let _: Option<NoOverrides> = params.take_or_none("state overrides")?;
        let _: Option<NoOverrides> = params.take_or_none("block overrides")?;
        params.end()?;
        let want = self.chain.chain_id();
        if let Some(have) = object.chain_id.filter(|have| *have != want) {
            return Err(RpcError::server(format!(
                "chainId does not match node's (have={have}, want={want})"
            )));
        }
        Ok((object, self.at(block.unwrap_or(default))?))
    }

    pub(super) fn send_raw_transaction(&self, mut params: Params) -> Result<Answer, RpcError> {
        let raw: Bytes = params.take("transaction")?;
        params.end()?;
        let tx = Transaction::decode(&raw, self.chain.chain_id())?;
        let hash = tx.hash();
        self.host.submit(tx)?;
        self.filters.announce(hash);
        write(&hash)
    }
}
