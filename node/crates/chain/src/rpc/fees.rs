//! What gas costs, and did.

use alloy_consensus::{Transaction as _, TxEnvelope};
use alloy_eips::Decodable2718;
use alloy_primitives::U128;
use alloy_rpc_types_eth::FeeHistory;

use super::{
    Answer, Rpc,
    error::RpcError,
    params::{Count, Params, Percentile, Tag},
    write,
};
use crate::{
    BlockNumber, ChainError,
    error::damaged,
    rules::{BASE_FEE, BLOCK_GAS_MAX},
};

/// Blocks that one question covers; as with geth, one for more is answered for so many.
const BLOCKS_MAX: u64 = 1024;
/// The same where tips are asked for, for which every transaction is read.
const BLOCKS_WITH_TIPS_MAX: u64 = 32;
/// Percentiles that one question has (geth's bound).
const PERCENTILES_MAX: usize = 100;

impl Rpc {
    pub(super) fn gas_price(&self, params: Params) -> Result<Answer, RpcError> {
        params.end()?;
        write(&U128::from(self.chain.gas_price()))
    }

    pub(super) fn fee_history(&self, mut params: Params) -> Result<Answer, RpcError> {
        let Count(asked) = params.take("block count")?;
        let newest: Tag = params.take("newest block")?;
        let percentiles = params.take_or_none::<Vec<Percentile>>("percentiles")?;
        params.end()?;
        let percentiles: Vec<f64> =
            percentiles.unwrap_or_default().into_iter().map(|Percentile(share)| share).collect();
        if percentiles.len() > PERCENTILES_MAX {
            let why = format!("at most {PERCENTILES_MAX} percentiles, have {}", percentiles.len());
            return Err(RpcError::invalid_params(format!(
                "invalid argument 2 (percentiles): {why}"
            )));
        }
        if !percentiles.is_sorted() {
            let why = "invalid argument 2 (percentiles): want them in ascending order";
            return Err(RpcError::invalid_params(why));
        }
        let (newest, head) = (self.number(newest), self.chain.head().header.number);
        if newest > head {
            return Err(ChainError::NoSuchBlock { number: newest, head }.into());
        }
        let most = if percentiles.is_empty() { BLOCKS_MAX } else { BLOCKS_WITH_TIPS_MAX };
        let count = asked.min(most).min(newest.0 + 1);
        if count == 0 {
            return write(&FeeHistory { gas_used_ratio: Vec::new(), ..FeeHistory::default() });
        }
        let oldest = newest.0 + 1 - count;
        let (mut ratios, mut tips) = (Vec::new(), Vec::new());
        for number in (oldest..=newest.0).map(BlockNumber) {
            let (_, header) = self.chain.header(number)?;
            ratios.push(header.gas_used as f64 / BLOCK_GAS_MAX as f64);
            if !percentiles.is_empty() {
                tips.push(self.tips(number, &percentiles)?);
            }
        }
        // The block after the newest is in the fees too; both are constant.
        let blocks = ratios.len();
        write(&FeeHistory {
            base_fee_per_gas: vec![u128::from(BASE_FEE); blocks + 1],
            base_fee_per_blob_gas: vec![1; blocks + 1],
            blob_gas_used_ratio: vec![0.0; blocks],
            gas_used_ratio: ratios,
            oldest_block: oldest,
            reward: (!percentiles.is_empty()).then_some(tips),
        })
    }

    /// The tips at which these shares of a block's gas were bought, in ascending order.
    fn tips(&self, number: BlockNumber, percentiles: &[f64]) -> Result<Vec<u128>, RpcError> {
        let mut bought = Vec::new();
        let mut gas_before = 0;
        let receipts = self.chain.receipts(number)?;
        for (raw, receipt) in self.chain.block(number)?.body.iter().zip(&receipts) {
            // Who signed it does not matter here, and would take longest to find out.
            let tx = TxEnvelope::decode_2718_exact(raw)
                .map_err(|error| damaged(format!("a transaction of block {number}: {error}")))?;
            let tip = tx.effective_tip_per_gas(BASE_FEE).unwrap_or_default();
            bought.push((tip, receipt.cumulative_gas_used.saturating_sub(gas_before)));
            gas_before = receipt.cumulative_gas_used;
        }
        bought.sort_unstable();
        let tip_at = |share: &f64| {
            let threshold = share / 100.0 * gas_before as f64;
            let mut sum = 0_u64;
            let reaches = |(_, gas): &&(u128, u64)| {
                sum += gas;
                sum as f64 >= threshold
            };
            bought.iter().find(reaches).or(bought.last()).map_or(0, |(tip, _)| *tip)
        };
        Ok(percentiles.iter().map(tip_at).collect())
    }
}
