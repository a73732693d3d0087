//! What a node says of a transaction that it was sent (java-tron, `Wallet.broadcastTransaction`).

use super::error::shown;

/// What a node said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broadcast {
    /// Its code.
    pub code: Code,
    /// Its words, cut short; often empty.
    pub said: String,
}

/// TRON's codes (`api.proto`, `Return.response_code`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Code {
    /// `SUCCESS`: it waits for a block.
    Success,
    /// `SIGERROR`: the signature is not its owner's.
    SigError,
    /// `CONTRACT_VALIDATE_ERROR`: it cannot be done, often for too little TRX.
    ContractValidate,
    /// `CONTRACT_EXE_ERROR`: it failed when it was tried.
    ContractExe,
    /// `BANDWITH_ERROR` (its spelling): neither bandwidth nor TRX for it.
    Bandwidth,
    /// `DUP_TRANSACTION_ERROR`: the node has seen it before.
    Duplicate,
    /// `TAPOS_ERROR`: the block that it builds on is none of this chain, or too old.
    Tapos,
    /// `TOO_BIG_TRANSACTION_ERROR`.
    TooBig,
    /// `TRANSACTION_EXPIRATION_ERROR`: it expired, or expires too late: compare clocks.
    Expiration,
    /// `SERVER_BUSY`: too many transactions wait.
    ServerBusy,
    /// `NO_CONNECTION`: the node has no peers.
    NoConnection,
    /// `NOT_ENOUGH_EFFECTIVE_CONNECTION`: too few peers, or none that took it.
    NotEnoughConnections,
    /// `BLOCK_UNSOLIDIFIED`: blocks do not become solid for now.
    BlockUnsolidified,
    /// `OTHER_ERROR`: something threw, before or after it was taken.
    Other,
    /// A code that is not known here.
    Unknown(String),
}

/// What to do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Wait for it to be in a block.
    Wait,
    /// Send the same bytes again, after a pause.
    Again,
    /// Make it anew: on a newer block, with another time. The old one cannot come into a block any more, once
    /// it has expired.
    Rebuild,
    /// Ask for its id: it may be in a block, waiting, or neither: a node that refused it once may call it a
    /// duplicate too.
    LookUp,
    /// It is refused as it is; somebody must change something, such as the balance.
    Refused,
    /// It may have been taken: ask for its id before anything else.
    Unknown,
}

/// TRON's spelling of each.
const NAMES: [(&str, Code); 14] = [
    ("SUCCESS", Code::Success),
    ("SIGERROR", Code::SigError),
    ("CONTRACT_VALIDATE_ERROR", Code::ContractValidate),
    ("CONTRACT_EXE_ERROR", Code::ContractExe),
    ("BANDWITH_ERROR", Code::Bandwidth),
    ("DUP_TRANSACTION_ERROR", Code::Duplicate),
    ("TAPOS_ERROR", Code::Tapos),
    ("TOO_BIG_TRANSACTION_ERROR", Code::TooBig),
    ("TRANSACTION_EXPIRATION_ERROR", Code::Expiration),
    ("SERVER_BUSY", Code::ServerBusy),
    ("NO_CONNECTION", Code::NoConnection),
    ("NOT_ENOUGH_EFFECTIVE_CONNECTION", Code::NotEnoughConnections),
    ("BLOCK_UNSOLIDIFIED", Code::BlockUnsolidified),
    ("OTHER_ERROR", Code::Other),
];

impl Code {
    /// The code that TRON calls so.
    #[must_use]
    pub fn named(name: &str) -> Self {
        match NAMES.into_iter().find(|(known, _)| *known == name) {
            Some((_, code)) => code,
            None => Self::Unknown(shown(name)),
        }
    }

    /// What TRON calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Unknown(name) => name,
            // Each other code is in the list, which a test goes through.
            known => NAMES.iter().find(|(_, code)| code == known).map_or("", |(name, _)| name),
        }
    }

    /// What to do next.
    #[must_use]
    pub fn next(&self) -> Next {
        match self {
            Self::Success => Next::Wait,
            Self::ServerBusy
            | Self::NoConnection
            | Self::NotEnoughConnections
            | Self::BlockUnsolidified => Next::Again,
            Self::Tapos | Self::TooBig | Self::Expiration => Next::Rebuild,
            Self::Duplicate => Next::LookUp,
            Self::SigError | Self::ContractValidate | Self::ContractExe | Self::Bandwidth => {
                Next::Refused
            }
            Self::Other | Self::Unknown(_) => Next::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_name_and_a_way_on() {
        let rows = [
            ("SUCCESS", Next::Wait),
            ("SIGERROR", Next::Refused),
            ("CONTRACT_VALIDATE_ERROR", Next::Refused),
            ("CONTRACT_EXE_ERROR", Next::Refused),
            ("BANDWITH_ERROR", Next::Refused),
            ("DUP_TRANSACTION_ERROR", Next::LookUp),
            ("TAPOS_ERROR", Next::Rebuild),
            ("TOO_BIG_TRANSACTION_ERROR", Next::Rebuild),
            ("TRANSACTION_EXPIRATION_ERROR", Next::Rebuild),
            ("SERVER_BUSY", Next::Again),
            ("NO_CONNECTION", Next::Again),
            ("NOT_ENOUGH_EFFECTIVE_CONNECTION", Next::Again),
            ("BLOCK_UNSOLIDIFIED", Next::Again),
            ("OTHER_ERROR", Next::Unknown),
            ("A_NEW_ERROR", Next::Unknown),
            ("", Next::Unknown),
            ("success", Next::Unknown),
        ];
        assert_eq!(rows.len(), NAMES.len() + 3);
        for (name, next) in rows {
            let code = Code::named(name);
            assert_eq!((code.next(), code.name()), (next, name));
        }
    }
}
