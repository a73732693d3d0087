//! Transactions: read from bytes, held against the rules and the sender's account, and signed.
//!
//! [`Transaction::decode`] is all that needs no state; [`Transaction::check`] holds it against an account.
//! What passes both is executed, whatever becomes of it then.

mod error;
mod sign;
#[cfg(test)]
mod tests;

use alloy_consensus::{
    Transaction as _, TxEnvelope, TxType, Typed2718, transaction::SignerRecoverable,
};
use alloy_eips::{Decodable2718, Encodable2718};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_trie::{KECCAK_EMPTY, TrieAccount};
use revm::{
    context::{TxEnv, transaction::AccessList},
    context_interface::cfg::GasParams,
    primitives::eip3860::MAX_INITCODE_SIZE,
};

pub use self::{
    error::TxError,
    sign::{SignError, Signer, Unsigned},
};
use crate::{
    ChainId,
    rules::{BASE_FEE, BLOCK_GAS_MAX, FORK, TX_BYTES_MAX, TX_GAS_MAX},
};

/// A transaction that holds by itself: well-formed, for this chain, within its limits, and signed by
/// [`sender`](Self::sender).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transaction {
    raw: Bytes,
    envelope: TxEnvelope,
    sender: Address,
}

impl Transaction {
    /// Reads a transaction's EIP-2718 bytes: legacy (EIP-155), EIP-2930 or EIP-1559, in their one form,
    /// with nothing after them. Recovers the sender, which takes some 0.1 ms.
    ///
    /// # Errors
    /// [`TxError`]; never one that another state of the chain would change.
    pub fn decode(raw: &[u8], chain_id: ChainId) -> Result<Self, TxError> {
        if raw.len() > TX_BYTES_MAX {
            return Err(TxError::Oversized { bytes: raw.len() });
        }
        // EIP-2718: a first byte below 0x80 is a type, one from 0xc0 begins a legacy transaction's list.
        match raw.first() {
            Some(1 | 2 | 0xc0..) => {}
            Some(&tx_type @ ..0x80) => return Err(TxError::TypeNotSupported { tx_type }),
            Some(_) => return Err(TxError::Malformed { why: "not a list".to_owned() }),
            None => return Err(TxError::Malformed { why: "no bytes".to_owned() }),
        }
        let envelope = TxEnvelope::decode_2718_exact(raw)
            .map_err(|error| TxError::Malformed { why: error.to_string() })?;
        if envelope.encoded_2718() != raw {
            return Err(TxError::Malformed { why: "not the canonical form".to_owned() });
        }
        match envelope.chain_id() {
            None => return Err(TxError::Unprotected),
            Some(have) if have != chain_id.0 => {
                return Err(TxError::InvalidChainId { have: ChainId(have), want: chain_id });
            }
            Some(_) => {}
        }
        check_fees_and_gas(&envelope)?;
        let sender = envelope.recover_signer().map_err(|_| TxError::InvalidSignature)?;
        Ok(Self { raw: Bytes::copy_from_slice(raw), envelope, sender })
    }

    /// Holds the transaction against its sender's account, as a block would: `ahead_max` is how far its
    /// nonce may be ahead, 0 for one that is to be executed now.
    ///
    /// # Errors
    /// [`TxError`].
    pub fn check(&self, account: TrieAccount, ahead_max: u64) -> Result<(), TxError> {
        let (have, want) = (self.nonce(), account.nonce);
        if have < want {
            return Err(TxError::NonceTooLow { have, want });
        }
        if have - want > ahead_max {
            return Err(TxError::NonceTooHigh { have, want, ahead_max });
        }
        if account.code_hash != KECCAK_EMPTY {
            return Err(TxError::SenderNotEoa { sender: self.sender });
        }
        if self.cost() > account.balance {
            return Err(TxError::InsufficientFunds { balance: account.balance, cost: self.cost() });
        }
        Ok(())
    }

    /// Its EIP-2718 bytes: what is in a block's body.
    #[must_use]
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// Its parts, as alloy has them: what JSON-RPC shows.
    #[must_use]
    pub fn envelope(&self) -> &TxEnvelope {
        &self.envelope
    }

    /// Keccak-256 of its bytes: what clients know it by.
    #[must_use]
    pub fn hash(&self) -> B256 {
        *self.envelope.tx_hash()
    }

    /// Who signed it.
    #[must_use]
    pub fn sender(&self) -> Address {
        self.sender
    }

    /// Whom it calls; nothing where it creates a contract.
    #[must_use]
    pub fn to(&self) -> Option<Address> {
        self.envelope.to()
    }

    /// What it sends along, wei.
    #[must_use]
    pub fn value(&self) -> U256 {
        self.envelope.value()
    }

    /// Calldata, or init code.
    #[must_use]
    pub fn input(&self) -> &Bytes {
        self.envelope.input()
    }

    /// Its place among the sender's.
    #[must_use]
    pub fn nonce(&self) -> u64 {
        self.envelope.nonce()
    }

    /// The most gas it may use.
    #[must_use]
    pub fn gas_limit(&self) -> u64 {
        self.envelope.gas_limit()
    }

    /// Its type: 0, 1 or 2.
    #[must_use]
    pub fn tx_type(&self) -> TxType {
        self.envelope.tx_type()
    }

    /// The most it costs: gas at the highest price, and value. Saturates.
    #[must_use]
    pub fn cost(&self) -> U256 {
        let gas = U256::from(self.gas_limit()) * U256::from(self.fee_cap());
        gas.saturating_add(self.envelope.value())
    }

    /// The most it pays, wei per gas.
    #[must_use]
    pub fn fee_cap(&self) -> u128 {
        self.envelope.max_fee_per_gas()
    }

    /// The most it pays above the base fee, wei per gas; a legacy transaction's whole price.
    #[must_use]
    pub fn tip_cap(&self) -> u128 {
        self.envelope.max_priority_fee_per_gas().unwrap_or_else(|| self.fee_cap())
    }

    /// What the coinbase gets, wei per gas.
    #[must_use]
    pub fn tip(&self) -> u128 {
        self.tip_cap().min(self.fee_cap().saturating_sub(u128::from(BASE_FEE)))
    }

    /// What is paid, wei per gas: base fee and tip.
    #[must_use]
    pub fn effective_gas_price(&self) -> u128 {
        u128::from(BASE_FEE).saturating_add(self.tip())
    }

    /// The address of the contract that it creates, if it creates one.
    #[must_use]
    pub fn creates(&self) -> Option<Address> {
        matches!(self.envelope.kind(), TxKind::Create).then(|| self.sender.create(self.nonce()))
    }

    /// What the machine executes.
    pub(crate) fn to_env(&self) -> TxEnv {
        TxEnv {
            tx_type: self.envelope.ty(),
            caller: self.sender,
            gas_limit: self.gas_limit(),
            gas_price: self.fee_cap(),
            kind: self.envelope.kind(),
            value: self.envelope.value(),
            data: self.envelope.input().clone(),
            nonce: self.nonce(),
            chain_id: self.envelope.chain_id(),
            access_list: self.envelope.access_list().cloned().unwrap_or_default(),
            gas_priority_fee: self.envelope.max_priority_fee_per_gas(),
            blob_hashes: Vec::new(),
            max_fee_per_blob_gas: 0,
            authorization_list: Vec::new(),
        }
    }
}

/// Fees and gas that no state can make right.
fn check_fees_and_gas(envelope: &TxEnvelope) -> Result<(), TxError> {
    let max = envelope.max_fee_per_gas();
    if let Some(tip) = envelope.max_priority_fee_per_gas()
        && tip > max
    {
        return Err(TxError::TipAboveFeeCap { tip, max });
    }
    if max < u128::from(BASE_FEE) {
        return Err(TxError::FeeCapTooLow { max });
    }
    if envelope.nonce() == u64::MAX {
        return Err(TxError::NonceMax);
    }
    let gas = envelope.gas_limit();
    if gas > BLOCK_GAS_MAX {
        return Err(TxError::ExceedsBlockGas { gas });
    }
    if gas > TX_GAS_MAX {
        return Err(TxError::ExceedsTxGas { gas });
    }
    let creates = matches!(envelope.kind(), TxKind::Create);
    let input = envelope.input();
    if creates && input.len() > MAX_INITCODE_SIZE {
        return Err(TxError::InitCodeTooLong { bytes: input.len(), max: MAX_INITCODE_SIZE });
    }
    let (addresses, slots) = envelope.access_list().map_or((0, 0), list_sizes);
    let cost = GasParams::new_spec(FORK).initial_tx_gas(input, creates, addresses, slots, 0, None);
    if gas < cost.initial_regular_gas {
        return Err(TxError::IntrinsicGas { gas, needed: cost.initial_regular_gas });
    }
    if gas < cost.floor_gas {
        return Err(TxError::FloorGas { gas, needed: cost.floor_gas });
    }
    Ok(())
}

fn list_sizes(list: &AccessList) -> (u64, u64) {
    let slots: usize = list.iter().map(|item| item.storage_keys.len()).sum();
    (list.len() as u64, slots as u64)
}
