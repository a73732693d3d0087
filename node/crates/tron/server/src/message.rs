//! TRON's messages as far as this server understands them, with the field numbers of
//! `core/Tron.proto`, `core/contract/balance_contract.proto` and `core/contract/smart_contract.proto`
//! (tronprotocol/java-tron, `protocol/src/main/protos`).
//!
//! Reading is strict: what does not encode to the very bytes it was read from, because of a field that is
//! not here, an order that is not canonical or a default that was written out, is refused ([`read`]).

use prost::Message;

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct Any {
    #[prost(string, tag = "1")]
    pub(crate) type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) value: Vec<u8>,
}

/// `Transaction.Contract`: what a transaction does.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct Contract {
    #[prost(int32, tag = "1")]
    pub(crate) kind: i32,
    #[prost(message, optional, tag = "2")]
    pub(crate) parameter: Option<Any>,
    #[prost(int32, tag = "5")]
    pub(crate) permission_id: i32,
}

/// `Transaction.raw`: what is signed.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct Raw {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) ref_block_bytes: Vec<u8>,
    #[prost(int64, tag = "3")]
    pub(crate) ref_block_num: i64,
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) ref_block_hash: Vec<u8>,
    #[prost(int64, tag = "8")]
    pub(crate) expiration: i64,
    #[prost(bytes = "vec", tag = "10")]
    pub(crate) data: Vec<u8>,
    #[prost(message, repeated, tag = "11")]
    pub(crate) contract: Vec<Contract>,
    #[prost(int64, tag = "14")]
    pub(crate) timestamp: i64,
    #[prost(int64, tag = "18")]
    pub(crate) fee_limit: i64,
}

/// `Transaction.Result`: how it ended, beside it in its block.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct Ret {
    #[prost(int64, tag = "1")]
    pub(crate) fee: i64,
    #[prost(int32, tag = "2")]
    pub(crate) code: i32,
    #[prost(int32, tag = "3")]
    pub(crate) result: i32,
}

/// `Transaction`.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct Transaction {
    #[prost(message, optional, tag = "1")]
    pub(crate) raw_data: Option<Raw>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub(crate) signature: Vec<Vec<u8>>,
    #[prost(message, repeated, tag = "5")]
    pub(crate) ret: Vec<Ret>,
}

/// `TransferContract`: TRX from one account to another, in SUN.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct Transfer {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) owner_address: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) to_address: Vec<u8>,
    #[prost(int64, tag = "3")]
    pub(crate) amount: i64,
}

/// `TriggerSmartContract`: a call of a contract.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct Trigger {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) owner_address: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) contract_address: Vec<u8>,
    #[prost(int64, tag = "3")]
    pub(crate) call_value: i64,
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) data: Vec<u8>,
    #[prost(int64, tag = "5")]
    pub(crate) call_token_value: i64,
    #[prost(int64, tag = "6")]
    pub(crate) token_id: i64,
}

/// `CreateSmartContract`.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct Create {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) owner_address: Vec<u8>,
    #[prost(message, optional, tag = "2")]
    pub(crate) new_contract: Option<SmartContract>,
    #[prost(int64, tag = "3")]
    pub(crate) call_token_value: i64,
    #[prost(int64, tag = "4")]
    pub(crate) token_id: i64,
}

/// `SmartContract`.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct SmartContract {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) origin_address: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) contract_address: Vec<u8>,
    #[prost(message, optional, tag = "3")]
    pub(crate) abi: Option<Abi>,
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) bytecode: Vec<u8>,
    #[prost(int64, tag = "5")]
    pub(crate) call_value: i64,
    #[prost(int64, tag = "6")]
    pub(crate) consume_user_resource_percent: i64,
    #[prost(string, tag = "7")]
    pub(crate) name: String,
    #[prost(int64, tag = "8")]
    pub(crate) origin_energy_limit: i64,
    #[prost(bytes = "vec", tag = "9")]
    pub(crate) code_hash: Vec<u8>,
    #[prost(bytes = "vec", tag = "10")]
    pub(crate) trx_hash: Vec<u8>,
    #[prost(int32, tag = "11")]
    pub(crate) version: i32,
}

/// `SmartContract.ABI`.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct Abi {
    #[prost(message, repeated, tag = "1")]
    pub(crate) entrys: Vec<Entry>,
}

/// `SmartContract.ABI.Entry`.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct Entry {
    #[prost(bool, tag = "1")]
    pub(crate) anonymous: bool,
    #[prost(bool, tag = "2")]
    pub(crate) constant: bool,
    #[prost(string, tag = "3")]
    pub(crate) name: String,
    #[prost(message, repeated, tag = "4")]
    pub(crate) inputs: Vec<Param>,
    #[prost(message, repeated, tag = "5")]
    pub(crate) outputs: Vec<Param>,
    #[prost(int32, tag = "6")]
    pub(crate) kind: i32,
    #[prost(bool, tag = "7")]
    pub(crate) payable: bool,
    #[prost(int32, tag = "8")]
    pub(crate) mutability: i32,
}

/// `SmartContract.ABI.Entry.Param`.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct Param {
    #[prost(bool, tag = "1")]
    pub(crate) indexed: bool,
    #[prost(string, tag = "2")]
    pub(crate) name: String,
    #[prost(string, tag = "3")]
    pub(crate) kind: String,
}

/// `BlockHeader.raw`.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub(crate) struct HeaderRaw {
    #[prost(int64, tag = "1")]
    pub(crate) timestamp: i64,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) tx_trie_root: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) parent_hash: Vec<u8>,
    #[prost(int64, tag = "7")]
    pub(crate) number: i64,
    #[prost(bytes = "vec", tag = "9")]
    pub(crate) witness_address: Vec<u8>,
    #[prost(int32, tag = "10")]
    pub(crate) version: i32,
}

/// What `Contract.kind` says of those understood here (`Transaction.Contract.ContractType`).
pub(crate) const CONTRACT_TYPES: [(i32, &str); 3] = [
    (TRANSFER, "TransferContract"),
    (CREATE, "CreateSmartContract"),
    (TRIGGER, "TriggerSmartContract"),
];
/// `TransferContract`.
pub(crate) const TRANSFER: i32 = 1;
/// `CreateSmartContract`.
pub(crate) const CREATE: i32 = 30;
/// `TriggerSmartContract`.
pub(crate) const TRIGGER: i32 = 31;

/// What comes before a message's name in an `Any`.
pub(crate) const TYPE_URL: &str = "type.googleapis.com/protocol.";

/// `Transaction.Result.contractResult`, by number, as far as this server ends in them.
pub(crate) const CONTRACT_RESULTS: [(i32, &str); 4] = [
    (DEFAULT, "DEFAULT"),
    (SUCCESS, "SUCCESS"),
    (REVERT, "REVERT"),
    (OUT_OF_ENERGY, "OUT_OF_ENERGY"),
];
/// Nothing was executed yet.
pub(crate) const DEFAULT: i32 = 0;
/// It was done.
pub(crate) const SUCCESS: i32 = 1;
/// The contract refused.
pub(crate) const REVERT: i32 = 2;
/// What it may cost was not enough.
pub(crate) const OUT_OF_ENERGY: i32 = 10;

/// `SmartContract.ABI.Entry.EntryType`, by number.
pub(crate) const ENTRY_TYPES: [&str; 7] =
    ["UnknownEntryType", "Constructor", "Function", "Event", "Fallback", "Receive", "Error"];
/// `SmartContract.ABI.Entry.StateMutabilityType`, by number.
pub(crate) const MUTABILITIES: [&str; 5] =
    ["UnknownMutabilityType", "Pure", "View", "Nonpayable", "Payable"];

/// The name of a number in one of the lists above.
pub(crate) fn name(list: &[(i32, &'static str)], number: i32) -> Option<&'static str> {
    list.iter().find(|(known, _)| *known == number).map(|(_, name)| *name)
}

/// Why bytes are no message.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// They are not protobuf.
    #[error("it is no protobuf message: {0}")]
    Malformed(#[from] prost::DecodeError),
    /// They are, with something in them that is not understood or is written in another way.
    #[error("it has a field that is not understood, or is not in the canonical encoding")]
    NotCanonical,
}

/// Reads a message of which every byte is understood.
pub(crate) fn read<M: Message + Default>(bytes: &[u8]) -> Result<M, ReadError> {
    let message = M::decode(bytes)?;
    if message.encode_to_vec() == bytes { Ok(message) } else { Err(ReadError::NotCanonical) }
}

impl Transaction {
    /// What is signed; that of an empty transaction where there is none.
    pub(crate) fn raw(&self) -> Raw {
        self.raw_data.clone().unwrap_or_default()
    }

    /// Its id: the SHA-256 of what is signed.
    pub(crate) fn id(&self) -> [u8; 32] {
        crate::hash::sha256(&self.raw().encode_to_vec())
    }

    /// Its bytes as fees count them: without how it ended.
    pub(crate) fn bytes_without_ret(&self) -> usize {
        Self { ret: Vec::new(), ..self.clone() }.encoded_len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_one_encoding_of_what_is_understood_is_read() {
        let transfer = Transfer { owner_address: vec![0x41; 21], to_address: vec![], amount: 7 };
        let good = transfer.encode_to_vec();
        assert_eq!(read::<Transfer>(&good), Ok(transfer));
        let rows: [(&str, Vec<u8>); 5] = [
            ("an unknown field", [good.clone(), vec![0x20, 1]].concat()),
            ("a default written out", [good.clone(), vec![0x18, 0]].concat()),
            ("a field twice", [good.clone(), vec![0x18, 9]].concat()),
            ("fields in another order", [vec![0x18, 7], good[..23].to_vec()].concat()),
            ("a number in more bytes than it needs", [good[..24].to_vec(), vec![0x87, 0]].concat()),
        ];
        for (what, bytes) in rows {
            assert_eq!(read::<Transfer>(&bytes), Err(ReadError::NotCanonical), "{what}");
        }
        assert!(matches!(read::<Transfer>(&good[..10]), Err(ReadError::Malformed(_))));
    }
}
