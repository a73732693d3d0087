//! Calls that change nothing, and how much gas one needs.

use alloy_eips::eip2930::AccessList;
use alloy_primitives::{Address, Bytes, TxKind, U256};
use revm::{
    context::TxEnv,
    context_interface::result::{ExecutionResult, HaltReason, Output},
};

use super::{At, Patience, Revert};
use crate::{
    Chain, ChainError, Head, TxError,
    machine::{Failure, Machine, refusal},
    rules::{BASE_FEE, TX_GAS_MAX},
};

/// The most gas that a call may use: as much as the largest transaction, so that what is estimated can be
/// sent, and a call takes at most some tenths of a second of a core.
pub const CALL_GAS_MAX: u64 = TX_GAS_MAX;
/// How near the estimate is to the least gas that works, in thousandths (geth's
/// `estimateGasErrorRatio`): each further digit costs executions.
const ESTIMATE_ERROR_PERMILLE: u64 = 15;
/// The gas of a plain transfer (Yellow Paper, appendix G).
const TRANSFER_GAS: u64 = 21_000;

/// A call as `eth_call` and `eth_estimateGas` have it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Call {
    /// Who calls; anybody, unsigned.
    pub from: Address,
    /// What is called, or nothing where a contract is created.
    pub to: Option<Address>,
    /// The most gas; more than [`CALL_GAS_MAX`] is held at that, and so is nothing.
    pub gas: Option<u64>,
    /// Wei per gas; nothing is free, and then the caller needs no funds but `value`.
    pub gas_price: Option<u128>,
    /// Wei to send along.
    pub value: U256,
    /// Calldata or init code.
    pub input: Bytes,
    /// Warm from the start (EIP-2930).
    pub access_list: AccessList,
}

/// What a call came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Called {
    /// What it returned; the code, where a contract would be created.
    pub output: Bytes,
    /// Gas that it used.
    pub gas_used: u64,
}

/// Why a call gives nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The contract said no.
    #[error("{revert}")]
    Reverted {
        /// Its reason.
        revert: Revert,
        /// What it returned.
        data: Bytes,
    },
    /// The machine stopped.
    #[error("{}", halted(reason))]
    Halted {
        /// Why.
        reason: HaltReason,
    },
    /// It could not begin.
    #[error(transparent)]
    Refused(TxError),
    /// It fails with all the gas that it may have.
    #[error("gas required exceeds allowance ({allowance})")]
    GasExceedsAllowance {
        /// The most that it could have.
        allowance: u64,
    },
    /// The chain's own errors.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

/// geth's words, which clients look for; where it has none, revm's.
fn halted(reason: &HaltReason) -> String {
    match reason {
        HaltReason::OutOfGas(_) => "out of gas".to_owned(),
        HaltReason::OpcodeNotFound => "invalid opcode".to_owned(),
        HaltReason::InvalidFEOpcode => "invalid opcode: INVALID".to_owned(),
        HaltReason::InvalidJump => "invalid jump destination".to_owned(),
        HaltReason::StackUnderflow => "stack underflow".to_owned(),
        HaltReason::StackOverflow => "stack limit reached 1024".to_owned(),
        HaltReason::CreateCollision => "contract address collision".to_owned(),
        HaltReason::CreateContractSizeLimit => "max code size exceeded".to_owned(),
        HaltReason::CreateInitCodeSizeLimit => "max initcode size exceeded".to_owned(),
        HaltReason::CreateContractStartingWithEF => {
            "invalid code: must not begin with 0xef".to_owned()
        }
        HaltReason::OutOfOffset => "return data out of bounds".to_owned(),
        HaltReason::StateChangeDuringStaticCall => "write protection".to_owned(),
        HaltReason::NonceOverflow => "nonce uint64 overflow".to_owned(),
        HaltReason::CallTooDeep => "max call depth exceeded".to_owned(),
        HaltReason::OutOfFunds => "insufficient balance for transfer".to_owned(),
        other => other.to_string(),
    }
}

impl Chain {
    /// Executes `call` at `at` and changes nothing.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn call(&self, call: &Call, at: At) -> Result<Called, CallError> {
        let head = self.head();
        let gas = call.gas.unwrap_or(CALL_GAS_MAX).min(CALL_GAS_MAX);
        called(self.attempt(&head, call, at, gas)?)
    }

    /// Executes calls, each by itself and all in the same state, and changes nothing; gives the newest
    /// block as of then.
    ///
    /// # Errors
    /// The chain's own. What becomes of a call is said for each.
    pub fn call_all(
        &self,
        calls: &[Call],
        at: At,
    ) -> Result<(Head, Vec<Result<Called, CallError>>), ChainError> {
        let head = self.head();
        let mut all = Vec::with_capacity(calls.len());
        for call in calls {
            let gas = call.gas.unwrap_or(CALL_GAS_MAX).min(CALL_GAS_MAX);
            match self.attempt(&head, call, at, gas).and_then(called) {
                Err(CallError::Chain(error)) => return Err(error),
                outcome => all.push(outcome),
            }
        }
        Ok((head, all))
    }

    /// [`estimate_gas_within`](Self::estimate_gas_within) whatever time it takes.
    ///
    /// # Errors
    /// As that, but for the time.
    pub fn estimate_gas(&self, call: &Call, at: At) -> Result<u64, CallError> {
        self.estimate_gas_within(call, at, Patience::ENDLESS)
    }

    /// The gas limit with which `call` succeeds at `at`: the least, or up to 1.5 % more.
    ///
    /// # Errors
    /// [`CallError`]: the call's own where it fails whatever gas it has; [`ChainError::OutOfTime`].
    pub fn estimate_gas_within(
        &self,
        call: &Call,
        at: At,
        patience: Patience<'_>,
    ) -> Result<u64, CallError> {
        let head = self.head();
        let allowance = self.allowance(&head, call, at)?;
        // Most are transfers to accounts without code: no search needed.
        if call.input.is_empty()
            && call.access_list.is_empty()
            && let Some(to) = call.to
            && self.view(&head, at)?.account(to)?.unwrap_or_default().code_hash
                == alloy_trie::KECCAK_EMPTY
            && allowance >= TRANSFER_GAS
            && self.attempt(&head, call, at, TRANSFER_GAS)?.is_success()
        {
            return Ok(TRANSFER_GAS);
        }
        let result = match self.attempt(&head, call, at, allowance) {
            Err(CallError::Refused(TxError::IntrinsicGas { .. } | TxError::FloorGas { .. })) => {
                return Err(CallError::GasExceedsAllowance { allowance });
            }
            other => other?,
        };
        let spent = result.gas().total_gas_spent();
        if let ExecutionResult::Halt { reason: HaltReason::OutOfGas(_), .. } = result {
            return Err(CallError::GasExceedsAllowance { allowance });
        }
        let used = called(result)?.gas_used;
        // A limit of the first fails, one of the second succeeds.
        let bounds = (used.saturating_sub(1), allowance);
        // A call gets at most 63/64 of what is left (EIP-150), and a stipend on top (2,300).
        let first = (spent + 2300) / 63 * 64 + 64;
        Self::search(bounds, first, |gas| {
            patience.check(head.header.number)?;
            self.succeeds(&head, call, at, gas)
        })
    }

    /// Looks for the least limit between these two, `middle` first.
    fn search(
        (mut low, mut high): (u64, u64),
        mut middle: u64,
        succeeds: impl Fn(u64) -> Result<bool, CallError>,
    ) -> Result<u64, CallError> {
        while low + 1 < high && (high - low) * 1000 > high * ESTIMATE_ERROR_PERMILLE {
            // What works is far nearer to what was used than to what is allowed.
            let guess = middle.min(low.saturating_mul(2).max(low + 1)).clamp(low + 1, high - 1);
            match succeeds(guess)? {
                true => high = guess,
                false => low = guess,
            }
            middle = low + (high - low) / 2;
        }
        Ok(high)
    }

    fn succeeds(&self, head: &Head, call: &Call, at: At, gas: u64) -> Result<bool, CallError> {
        match self.attempt(head, call, at, gas) {
            Ok(result) => Ok(result.is_success()),
            Err(CallError::Refused(TxError::IntrinsicGas { .. } | TxError::FloorGas { .. })) => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// The most gas that the caller asks for, may have, and can pay.
    fn allowance(&self, head: &Head, call: &Call, at: At) -> Result<u64, CallError> {
        let asked = call.gas.unwrap_or(CALL_GAS_MAX).min(CALL_GAS_MAX);
        let Some(price) = call.gas_price.filter(|price| *price > 0) else { return Ok(asked) };
        let balance = self.view(head, at)?.account(call.from)?.unwrap_or_default().balance;
        let Some(available) = balance.checked_sub(call.value) else {
            let cost = call.value;
            return Err(CallError::Refused(TxError::InsufficientFunds { balance, cost }));
        };
        let affordable = available / U256::from(price);
        Ok(affordable.try_into().unwrap_or(u64::MAX).min(asked))
    }

    /// Executes a call once, with a gas limit.
    fn attempt(
        &self,
        head: &Head,
        call: &Call,
        at: At,
        gas: u64,
    ) -> Result<ExecutionResult, CallError> {
        let view = self.view(head, at)?;
        let mut config = self.config.clone();
        // The call is nobody's transaction: it has no nonce, may come from a contract, and may be free.
        config.disable_nonce_check = true;
        config.disable_eip3607 = true;
        config.disable_base_fee = call.gas_price.unwrap_or_default() == 0;
        let env = TxEnv {
            tx_type: u8::from(!call.access_list.is_empty()),
            caller: call.from,
            gas_limit: gas,
            gas_price: call.gas_price.unwrap_or_default(),
            kind: call.to.map_or(TxKind::Create, TxKind::Call),
            value: call.value,
            data: call.input.clone(),
            nonce: 0,
            chain_id: Some(self.chain_id().0),
            access_list: call.access_list.clone(),
            ..TxEnv::default()
        };
        let mut machine = Machine::new(view, config, self.block_at(head, at)?);
        machine.call(env.clone()).map_err(|failure| match failure {
            Failure::Transaction(error) => CallError::Refused(refusal(error, &env)),
            Failure::Chain(error) => CallError::Chain(error),
        })
    }

    /// What a gas costs, wei: the base fee. Blocks are made when there is something to put in them, so a tip
    /// buys nothing but a place within one.
    #[must_use]
    pub fn gas_price(&self) -> u128 {
        u128::from(BASE_FEE)
    }
}

fn called(result: ExecutionResult) -> Result<Called, CallError> {
    let gas_used = result.tx_gas_used();
    match result {
        ExecutionResult::Success { output, .. } => {
            let (Output::Call(output) | Output::Create(output, _)) = output;
            Ok(Called { output, gas_used })
        }
        ExecutionResult::Revert { output, .. } => {
            Err(CallError::Reverted { revert: Revert::decode(&output), data: output })
        }
        ExecutionResult::Halt { reason, .. } => Err(CallError::Halted { reason }),
    }
}
