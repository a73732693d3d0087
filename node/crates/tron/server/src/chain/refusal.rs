//! Why a broadcast is refused: java-tron's codes (`Return.response_code` in `api/api.proto`) with its words
//! (`Wallet.broadcastTransaction`).

use serde::{Deserialize, Serialize};

/// What a broadcast is answered with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    /// Taken.
    Success,
    /// The signature is not the owner's.
    #[serde(rename = "SIGERROR")]
    SigError,
    /// What it asks for cannot be.
    ContractValidateError,
    /// What it asks for failed.
    ContractExeError,
    /// Bandwidth, or what stands in for it, is not there. TRON spells it so.
    BandwithError,
    /// It was taken before.
    DupTransactionError,
    /// Its block of reference is none of this chain's.
    TaposError,
    /// It is too big.
    TooBigTransactionError,
    /// It expired, or would too far ahead.
    TransactionExpirationError,
    /// Too much waits.
    ServerBusy,
    /// The node knows no other.
    NoConnection,
    /// The node knows too few others.
    NotEnoughEffectiveConnection,
    /// The chain has not been solid for too long.
    BlockUnsolidified,
    /// Anything else.
    OtherError,
}

impl Code {
    /// Its name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "SUCCESS",
            Self::SigError => "SIGERROR",
            Self::ContractValidateError => "CONTRACT_VALIDATE_ERROR",
            Self::ContractExeError => "CONTRACT_EXE_ERROR",
            Self::BandwithError => "BANDWITH_ERROR",
            Self::DupTransactionError => "DUP_TRANSACTION_ERROR",
            Self::TaposError => "TAPOS_ERROR",
            Self::TooBigTransactionError => "TOO_BIG_TRANSACTION_ERROR",
            Self::TransactionExpirationError => "TRANSACTION_EXPIRATION_ERROR",
            Self::ServerBusy => "SERVER_BUSY",
            Self::NoConnection => "NO_CONNECTION",
            Self::NotEnoughEffectiveConnection => "NOT_ENOUGH_EFFECTIVE_CONNECTION",
            Self::BlockUnsolidified => "BLOCK_UNSOLIDIFIED",
            Self::OtherError => "OTHER_ERROR",
        }
    }
}

/// A refusal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Refusal {
    pub(crate) code: Code,
    /// What java-tron's log would say of it.
    pub(crate) detail: String,
}

impl Refusal {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }

    /// What cannot be done as it is asked for.
    pub(crate) fn contract(detail: impl Into<String>) -> Self {
        Self::new(Code::ContractValidateError, detail)
    }

    /// What is said to who broadcast it; java-tron keeps some details to itself.
    pub(crate) fn message(&self) -> String {
        let detail = &self.detail;
        match self.code {
            Code::Success => String::new(),
            Code::SigError => format!("Validate signature error: {detail}"),
            Code::ContractValidateError => format!("Contract validate error : {detail}"),
            Code::ContractExeError => format!("Contract execute error : {detail}"),
            Code::BandwithError => "Account resource insufficient error.".to_owned(),
            Code::DupTransactionError => "Dup transaction.".to_owned(),
            Code::TaposError => "Tapos check error.".to_owned(),
            Code::TransactionExpirationError => "Transaction expired".to_owned(),
            Code::ServerBusy => "Server busy.".to_owned(),
            Code::NoConnection => "No connection.".to_owned(),
            Code::BlockUnsolidified => "Block unsolidified.".to_owned(),
            Code::TooBigTransactionError | Code::NotEnoughEffectiveConnection => detail.clone(),
            Code::OtherError => format!("Error: {detail}"),
        }
    }
}
