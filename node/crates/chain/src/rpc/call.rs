//! The call object of `eth_call` and `eth_estimateGas`, in the forms that libraries send.

use alloy_primitives::{Bytes, U256};

use super::json::Json;
use super::params::{Fields, Read, Warm};
use crate::{Call, ChainId, rules::BASE_FEE};

/// A call, and what of it is not the machine's to look at.
pub(super) struct CallObject {
    pub(super) call: Call,
    /// The most that it pays, wei per gas: what must be there to send it.
    pub(super) fee_cap: Option<u128>,
    /// Which chain it is for, if it says so.
    pub(super) chain_id: Option<ChainId>,
}

impl Read for CallObject {
    fn read(json: Json) -> Result<Self, String> {
        let mut fields = Fields::read(json)?;
        check_type(fields.take("type")?)?;
        // A call is nobody's transaction: its nonce says nothing.
        let _: Option<u64> = fields.take("nonce")?;
        let (gas_price, fee_cap) = fees(&mut fields)?;
        let call = Call {
            from: fields.take("from")?.unwrap_or_default(),
            to: fields.take("to")?,
            gas: fields.take("gas")?,
            gas_price,
            value: fields.take::<U256>("value")?.unwrap_or_default(),
            input: input(&mut fields)?,
            access_list: fields.take::<Warm>("accessList")?.map(|warm| warm.0).unwrap_or_default(),
        };
        let chain_id = fields.take("chainId")?.map(ChainId);
        fields.end()?;
        Ok(Self { call, fee_cap, chain_id })
    }
}

fn check_type(tx_type: Option<u64>) -> Result<(), String> {
    match tx_type {
        None | Some(0..=2) => Ok(()),
        Some(other) => Err(format!("type: {other:#x} is not supported, this chain has 0, 1 and 2")),
    }
}

/// `input` is the newer name of `data`; some libraries send both.
fn input(fields: &mut Fields) -> Result<Bytes, String> {
    match (fields.take::<Bytes>("input")?, fields.take::<Bytes>("data")?) {
        (Some(input), Some(data)) if input != data => {
            Err("both data and input are set and not equal: leave data out".to_owned())
        }
        (input, data) => Ok(input.or(data).unwrap_or_default()),
    }
}

/// What it pays per gas, and the most that it may.
fn fees(fields: &mut Fields) -> Result<(Option<u128>, Option<u128>), String> {
    let price: Option<u128> = fields.take("gasPrice")?;
    let cap: Option<u128> = fields.take("maxFeePerGas")?;
    let tip: Option<u128> = fields.take("maxPriorityFeePerGas")?;
    if price.is_some() && (cap.is_some() || tip.is_some()) {
        let both = "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified";
        return Err(both.to_owned());
    }
    let Some(cap) = cap else { return Ok((price, price)) };
    let tip = tip.unwrap_or_default();
    if tip > cap {
        return Err(format!(
            "max priority fee per gas higher than max fee per gas: {tip} and {cap}"
        ));
    }
    // EIP-1559; a cap of nothing is a call that is free.
    let paid = cap.min(u128::from(BASE_FEE).saturating_add(tip));
    Ok((Some(paid), Some(cap)))
}
