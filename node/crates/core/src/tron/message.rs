//! TRON's messages (protocol buffers, proto3) with their public field numbers: `core/Tron.proto`,
//! `core/contract/balance_contract.proto` and `core/contract/smart_contract.proto` of
//! <https://github.com/tronprotocol/protocol>. Names are TRON's, in Rust's case.
//!
//! These are shapes only, and only of what is understood here; [`super::Body`] and [`super::Header`] say
//! what the values may be. [`decode`] refuses bytes that the shape does not give back.

use prost::Message;

use super::TronError;
use crate::Hash;

/// Reads a message that has nothing but what its shape has, in the one encoding that every writer of
/// TRON makes: fields in order of their numbers, defaults left out.
///
/// # Errors
/// [`TronError::Malformed`], [`TronError::NotCanonical`].
pub fn decode<M: Message + Default>(what: &'static str, bytes: &[u8]) -> Result<M, TronError> {
    let message = M::decode(bytes).map_err(|why| TronError::Malformed { what, why })?;
    match message.encode_to_vec() == bytes {
        true => Ok(message),
        false => Err(TronError::NotCanonical { what }),
    }
}

/// `protocol.Transaction`. What is signed stays as the bytes that were signed: [`Raw`] reads them.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Envelope {
    /// A [`Raw`], encoded. Its SHA-256 is the transaction's id.
    #[prost(bytes = "vec", tag = "1")]
    pub raw_data: Vec<u8>,
    /// r ‖ s ‖ v, 65 bytes each, more than one with several signers.
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub signature: Vec<Vec<u8>>,
    /// How it ended, once it is in a block.
    #[prost(message, repeated, tag = "5")]
    pub ret: Vec<Ended>,
}

impl Envelope {
    /// The transaction's leaf in its block's tree: the SHA-256 of the whole message.
    #[must_use]
    pub fn leaf(&self) -> Hash {
        Hash::of(&self.encode_to_vec())
    }
}

/// `protocol.Transaction.raw`. The fields that are left out (9 `auths`, 12 `scripts`) are unused.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Raw {
    /// Bytes 6 and 7 of a recent block's number.
    #[prost(bytes = "vec", tag = "1")]
    pub ref_block_bytes: Vec<u8>,
    /// Unused: no writer sets it.
    #[prost(int64, tag = "3")]
    pub ref_block_num: i64,
    /// Bytes 8 to 15 of that block's id.
    #[prost(bytes = "vec", tag = "4")]
    pub ref_block_hash: Vec<u8>,
    /// Milliseconds since 1970, after which it is in no block.
    #[prost(int64, tag = "8")]
    pub expiration: i64,
    /// The memo.
    #[prost(bytes = "vec", tag = "10")]
    pub data: Vec<u8>,
    /// What is done: exactly one.
    #[prost(message, repeated, tag = "11")]
    pub contract: Vec<Contract>,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "14")]
    pub timestamp: i64,
    /// The most SUN that energy may cost.
    #[prost(int64, tag = "18")]
    pub fee_limit: i64,
}

/// `protocol.Transaction.Contract`. The fields that are left out (3 `provider`, 4 `ContractName`) are
/// unused.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Contract {
    /// `ContractType`.
    #[prost(int32, tag = "1")]
    pub kind: i32,
    /// The contract, by its type's name.
    #[prost(message, optional, tag = "2")]
    pub parameter: Option<Any>,
    /// Which permission of the account signs; 0 is the owner's.
    #[prost(int32, tag = "5")]
    pub permission_id: i32,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Any {
    /// `type.googleapis.com/protocol.` and the type's name.
    #[prost(string, tag = "1")]
    pub type_url: String,
    /// The message.
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

/// `protocol.Transaction.Result`, without what only other kinds of contracts and old blocks have.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Ended {
    /// SUN. Blocks do not have it.
    #[prost(int64, tag = "1")]
    pub fee: i64,
    /// `code`: 0 success, 1 failure. Blocks do not have it.
    #[prost(int32, tag = "2")]
    pub ret: i32,
    /// `contractResult`: 1 is success.
    #[prost(int32, tag = "3")]
    pub contract_ret: i32,
}

impl Ended {
    /// `contractResult.SUCCESS`.
    pub const SUCCESS: i32 = 1;
}

/// `protocol.TransferContract`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct TransferContract {
    /// 21 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub owner_address: Vec<u8>,
    /// 21 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub to_address: Vec<u8>,
    /// SUN.
    #[prost(int64, tag = "3")]
    pub amount: i64,
}

/// `protocol.TriggerSmartContract`, without TRC-10 tokens (5 and 6).
#[derive(Clone, PartialEq, Eq, Message)]
pub struct TriggerSmartContract {
    /// 21 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub owner_address: Vec<u8>,
    /// 21 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub contract_address: Vec<u8>,
    /// SUN.
    #[prost(int64, tag = "3")]
    pub call_value: i64,
    /// The selector and its arguments.
    #[prost(bytes = "vec", tag = "4")]
    pub data: Vec<u8>,
}

/// `protocol.CreateSmartContract`, without TRC-10 tokens (3 and 4).
#[derive(Clone, PartialEq, Eq, Message)]
pub struct CreateSmartContract {
    /// 21 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub owner_address: Vec<u8>,
    /// What is created.
    #[prost(message, optional, tag = "2")]
    pub new_contract: Option<SmartContract>,
}

/// `protocol.SmartContract`, without what the chain sets by itself (2 and 9 to 11).
#[derive(Clone, PartialEq, Eq, Message)]
pub struct SmartContract {
    /// 21 bytes: the owner's.
    #[prost(bytes = "vec", tag = "1")]
    pub origin_address: Vec<u8>,
    /// The interface, for explorers.
    #[prost(message, optional, tag = "3")]
    pub abi: Option<Abi>,
    /// Init code with its arguments.
    #[prost(bytes = "vec", tag = "4")]
    pub bytecode: Vec<u8>,
    /// SUN.
    #[prost(int64, tag = "5")]
    pub call_value: i64,
    /// 0 to 100: the part of a call's energy that the caller pays.
    #[prost(int64, tag = "6")]
    pub consume_user_resource_percent: i64,
    /// At most 32 bytes.
    #[prost(string, tag = "7")]
    pub name: String,
    /// The most energy that the owner pays of one call.
    #[prost(int64, tag = "8")]
    pub origin_energy_limit: i64,
}

/// `protocol.SmartContract.ABI`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Abi {
    /// One for each function, event, error and the constructor.
    #[prost(message, repeated, tag = "1")]
    pub entrys: Vec<AbiEntry>,
}

/// `protocol.SmartContract.ABI.Entry`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct AbiEntry {
    /// Of an event: whether its name is no topic.
    #[prost(bool, tag = "1")]
    pub anonymous: bool,
    /// Older compilers' word for view.
    #[prost(bool, tag = "2")]
    pub constant: bool,
    /// Its name.
    #[prost(string, tag = "3")]
    pub name: String,
    /// What it takes.
    #[prost(message, repeated, tag = "4")]
    pub inputs: Vec<AbiParam>,
    /// What it gives.
    #[prost(message, repeated, tag = "5")]
    pub outputs: Vec<AbiParam>,
    /// `EntryType`: 1 constructor, 2 function, 3 event, 4 fallback, 5 receive, 6 error.
    #[prost(int32, tag = "6")]
    pub kind: i32,
    /// Older compilers' word.
    #[prost(bool, tag = "7")]
    pub payable: bool,
    /// `StateMutabilityType`: 1 pure, 2 view, 3 nonpayable, 4 payable.
    #[prost(int32, tag = "8")]
    pub state_mutability: i32,
}

/// `protocol.SmartContract.ABI.Entry.Param`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct AbiParam {
    /// Of an event's: whether it is a topic.
    #[prost(bool, tag = "1")]
    pub indexed: bool,
    /// Its name.
    #[prost(string, tag = "2")]
    pub name: String,
    /// Its Solidity type.
    #[prost(string, tag = "3")]
    pub kind: String,
}

/// `protocol.BlockHeader`. What is signed stays as the bytes that were signed: [`HeaderRaw`] reads them.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct BlockHeader {
    /// A [`HeaderRaw`], encoded.
    #[prost(bytes = "vec", tag = "1")]
    pub raw_data: Vec<u8>,
    /// r ‖ s ‖ v, 65 bytes, over the SHA-256 of it.
    #[prost(bytes = "vec", tag = "2")]
    pub witness_signature: Vec<u8>,
}

/// `protocol.BlockHeader.raw`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct HeaderRaw {
    /// Milliseconds since 1970.
    #[prost(int64, tag = "1")]
    pub timestamp: i64,
    /// The root over the block's transactions, 32 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub tx_trie_root: Vec<u8>,
    /// The id of the block before, 32 bytes.
    #[prost(bytes = "vec", tag = "3")]
    pub parent_hash: Vec<u8>,
    /// Its number.
    #[prost(int64, tag = "7")]
    pub number: i64,
    /// Unused.
    #[prost(int64, tag = "8")]
    pub witness_id: i64,
    /// Who made it, 21 bytes.
    #[prost(bytes = "vec", tag = "9")]
    pub witness_address: Vec<u8>,
    /// The rules that it was made by.
    #[prost(int32, tag = "10")]
    pub version: i32,
    /// Nothing, or 32 bytes.
    #[prost(bytes = "vec", tag = "11")]
    pub account_state_root: Vec<u8>,
}
