//! Transactions that this node makes: what they say, their one encoding, their id and signature.

use core::{fmt, str::FromStr};

use k256::ecdsa::SigningKey;
use prost::Message;
use serde::{Deserialize, Serialize};
use sha3::{Digest, Keccak256};

use super::{
    Address, BlockId, Signature, Sun, TronError,
    message::{self, Abi, Envelope, decode},
};
use crate::{Hash, hash::HashParseError};

/// Bytes of a transaction at most (java-tron, `TRANSACTION_MAX_BYTE_SIZE`).
pub const TRANSACTION_BYTES_MAX: usize = 500 * 1024;

const RAW: &str = "the signed part of a transaction";
const TRANSACTION: &str = "a transaction";
/// In front of a contract's type.
const TYPE_URL: &str = "type.googleapis.com/protocol.";

/// A transaction's id: the SHA-256 of its signed part.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TransactionId(pub Hash);

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for TransactionId {
    type Err = HashParseError;

    fn from_str(text: &str) -> Result<Self, HashParseError> {
        text.parse().map(Self)
    }
}

/// A recent block that a transaction builds on (TAPOS): on a chain without it, it is in no block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reference {
    /// The last two bytes of its number.
    pub number: [u8; 2],
    /// Bytes 8 to 15 of its id.
    pub hash: [u8; 8],
}

impl Reference {
    /// The reference to a block.
    #[must_use]
    pub fn to(block: &BlockId) -> Self {
        let bytes = block.as_bytes();
        let (mut number, mut hash) = ([0; 2], [0; 8]);
        number.copy_from_slice(&bytes[6..8]);
        hash.copy_from_slice(&bytes[8..16]);
        Self { number, hash }
    }
}

/// What a transaction says: the signed part. It has one encoding, which is also tronweb's and java-tron's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Body {
    /// The block it builds on.
    pub reference: Reference,
    /// Milliseconds since 1970, after which it is in no block. At most a day after the block before it.
    pub expiration_ms: u64,
    /// Milliseconds since 1970. Nobody checks it; with it two transactions that say the same differ.
    pub timestamp_ms: u64,
    /// The memo, often empty. It has a fee of its own.
    pub memo: Vec<u8>,
    /// The most that energy may cost. Transfers have none.
    pub fee_limit: Sun,
    /// What is done.
    pub contract: Contract,
}

/// What a transaction does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Contract {
    /// TRX to an account.
    Transfer(Transfer),
    /// A call of a contract.
    Call(Call),
    /// A new contract.
    Create(Creation),
}

/// TRX to an account (`TransferContract`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transfer {
    /// Whose.
    pub owner: Address,
    /// To whom.
    pub to: Address,
    /// How much.
    pub amount: Sun,
}

/// A call of a contract (`TriggerSmartContract`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// Who calls and pays.
    pub owner: Address,
    /// What is called.
    pub contract: Address,
    /// TRX sent along.
    pub value: Sun,
    /// The selector and its arguments.
    pub data: Vec<u8>,
}

/// A new contract (`CreateSmartContract`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Creation {
    /// Who creates it and pays.
    pub owner: Address,
    /// Its name for explorers, at most 32 bytes.
    pub name: String,
    /// Its interface for explorers.
    pub abi: Option<Abi>,
    /// Init code with its arguments.
    pub bytecode: Vec<u8>,
    /// TRX sent along.
    pub value: Sun,
    /// 0 to 100: the part of a call's energy that the caller pays.
    pub caller_percent: u8,
    /// The most energy that the owner pays of one call.
    pub owner_energy_max: u32,
}

impl Contract {
    /// Whose account it spends of.
    #[must_use]
    pub fn owner(&self) -> Address {
        match self {
            Self::Transfer(transfer) => transfer.owner,
            Self::Call(call) => call.owner,
            Self::Create(creation) => creation.owner,
        }
    }

    /// TRON's number and name of the kind, and the message.
    fn encode(&self) -> message::Contract {
        let (kind, name, value) = match self {
            Self::Transfer(transfer) => (1, "TransferContract", transfer.encode()),
            Self::Call(call) => (31, "TriggerSmartContract", call.encode()),
            Self::Create(creation) => (30, "CreateSmartContract", creation.encode()),
        };
        let parameter = message::Any { type_url: format!("{TYPE_URL}{name}"), value };
        message::Contract { kind, parameter: Some(parameter), permission_id: 0 }
    }

    fn decode(contract: message::Contract) -> Result<Self, TronError> {
        let value = contract.parameter.unwrap_or_default().value;
        match contract.kind {
            1 => Transfer::decode(&value).map(Self::Transfer),
            30 => Creation::decode(&value).map(Self::Create),
            31 => Call::decode(&value).map(Self::Call),
            kind => Err(TronError::ContractType { kind }),
        }
    }
}

fn address(field: &'static str, bytes: &[u8]) -> Result<Address, TronError> {
    Address::from_bytes(bytes).map_err(|source| TronError::Address { field, source })
}

fn sun(what: &'static str, field: &'static str, sun: i64) -> Result<Sun, TronError> {
    Sun::from_signed(sun).ok_or(TronError::Field { what, field, wanted: "an amount in SUN" })
}

impl Transfer {
    const WHAT: &str = "a TransferContract";

    fn encode(&self) -> Vec<u8> {
        let message = message::TransferContract {
            owner_address: self.owner.to_bytes().into(),
            to_address: self.to.to_bytes().into(),
            amount: self.amount.signed(),
        };
        message.encode_to_vec()
    }

    fn decode(bytes: &[u8]) -> Result<Self, TronError> {
        let message: message::TransferContract = decode(Self::WHAT, bytes)?;
        Ok(Self {
            owner: address("owner_address", &message.owner_address)?,
            to: address("to_address", &message.to_address)?,
            amount: sun(Self::WHAT, "amount", message.amount)?,
        })
    }
}

impl Call {
    const WHAT: &str = "a TriggerSmartContract";

    fn encode(&self) -> Vec<u8> {
        let message = message::TriggerSmartContract {
            owner_address: self.owner.to_bytes().into(),
            contract_address: self.contract.to_bytes().into(),
            call_value: self.value.signed(),
            data: self.data.clone(),
        };
        message.encode_to_vec()
    }

    fn decode(bytes: &[u8]) -> Result<Self, TronError> {
        let message: message::TriggerSmartContract = decode(Self::WHAT, bytes)?;
        Ok(Self {
            owner: address("owner_address", &message.owner_address)?,
            contract: address("contract_address", &message.contract_address)?,
            value: sun(Self::WHAT, "call_value", message.call_value)?,
            data: message.data,
        })
    }
}

impl Creation {
    const WHAT: &str = "a CreateSmartContract";

    fn encode(&self) -> Vec<u8> {
        let contract = message::SmartContract {
            origin_address: self.owner.to_bytes().into(),
            abi: self.abi.clone(),
            bytecode: self.bytecode.clone(),
            call_value: self.value.signed(),
            consume_user_resource_percent: self.caller_percent.into(),
            name: self.name.clone(),
            origin_energy_limit: self.owner_energy_max.into(),
        };
        let message = message::CreateSmartContract {
            owner_address: self.owner.to_bytes().into(),
            new_contract: Some(contract),
        };
        message.encode_to_vec()
    }

    fn decode(bytes: &[u8]) -> Result<Self, TronError> {
        let message: message::CreateSmartContract = decode(Self::WHAT, bytes)?;
        let field = |field, wanted| TronError::Field { what: Self::WHAT, field, wanted };
        let contract = message.new_contract.unwrap_or_default();
        let owner = address("owner_address", &message.owner_address)?;
        if address("origin_address", &contract.origin_address)? != owner {
            return Err(field("origin_address", "the owner's address"));
        }
        let percent = u8::try_from(contract.consume_user_resource_percent).ok();
        let percent = percent.filter(|percent| *percent <= 100);
        if contract.name.len() > Self::NAME_BYTES_MAX {
            return Err(field("name", "at most 32 bytes"));
        }
        Ok(Self {
            owner,
            name: contract.name,
            abi: contract.abi,
            bytecode: contract.bytecode,
            value: sun(Self::WHAT, "call_value", contract.call_value)?,
            caller_percent: percent
                .ok_or(field("consume_user_resource_percent", "from 0 to 100"))?,
            owner_energy_max: u32::try_from(contract.origin_energy_limit)
                .map_err(|_| field("origin_energy_limit", "from 0 to 4,294,967,295"))?,
        })
    }

    /// Bytes of a contract's name at most (java-tron, `VMActuator.create`).
    pub const NAME_BYTES_MAX: usize = 32;
}

/// As messages have them. A time beyond them is as far away as the last one.
fn milliseconds(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

impl Body {
    /// The one encoding: the bytes that are signed.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let raw = message::Raw {
            ref_block_bytes: self.reference.number.into(),
            ref_block_num: 0,
            ref_block_hash: self.reference.hash.into(),
            expiration: milliseconds(self.expiration_ms),
            data: self.memo.clone(),
            contract: vec![self.contract.encode()],
            timestamp: milliseconds(self.timestamp_ms),
            fee_limit: self.fee_limit.signed(),
        };
        raw.encode_to_vec()
    }

    /// Reads the signed part of a transaction that this node could have made: one contract that is known,
    /// signed with the owner's permission, nothing else set.
    ///
    /// # Errors
    /// [`TronError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, TronError> {
        if bytes.len() > TRANSACTION_BYTES_MAX {
            return Err(TronError::TooLong { bytes: bytes.len() });
        }
        let field = |field, wanted| TronError::Field { what: RAW, field, wanted };
        let mut raw: message::Raw = decode(RAW, bytes)?;
        let contract = match (raw.contract.pop(), raw.contract.is_empty()) {
            (Some(contract), true) => Contract::decode(contract)?,
            _ => return Err(field("contract", "exactly one")),
        };
        let wanted = "milliseconds since 1970";
        let ms = |name, ms: i64| u64::try_from(ms).map_err(|_| field(name, wanted));
        let body = Self {
            reference: Reference {
                number: (*raw.ref_block_bytes)
                    .try_into()
                    .map_err(|_| field("ref_block_bytes", "two bytes"))?,
                hash: (*raw.ref_block_hash)
                    .try_into()
                    .map_err(|_| field("ref_block_hash", "eight bytes"))?,
            },
            expiration_ms: ms("expiration", raw.expiration)?,
            timestamp_ms: ms("timestamp", raw.timestamp)?,
            memo: raw.data,
            fee_limit: sun(RAW, "fee_limit", raw.fee_limit)?,
            contract,
        };
        // Whatever else was set (a permission, another type's name) is not in what is encoded again.
        if body.encode() != bytes {
            return Err(TronError::NotCanonical { what: RAW });
        }
        Ok(body)
    }

    /// The transaction's id.
    #[must_use]
    pub fn id(&self) -> TransactionId {
        TransactionId(Hash::of(&self.encode()))
    }

    /// The address of the contract that this transaction creates; nothing where it creates none.
    ///
    /// java-tron, `generateContractAddress`: the Keccak-256 of the transaction's id and the owner's 21 bytes.
    #[must_use]
    pub fn creates(&self) -> Option<Address> {
        let Contract::Create(creation) = &self.contract else { return None };
        let hash = Keccak256::new()
            .chain_update(self.id().0.as_bytes())
            .chain_update(creation.owner.to_bytes());
        Some(Address::of_hash(&hash.finalize().into()))
    }
}

/// A transaction that its owner signed, before it is sent or as a block has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transaction {
    raw: Vec<u8>,
    id: TransactionId,
    body: Body,
    signature: Signature,
    ended: Option<message::Ended>,
}

impl Transaction {
    /// Puts a signature to a body.
    ///
    /// # Errors
    /// [`TronError::Signer`] where it is another's than the owner's, [`TronError::Unrecoverable`],
    /// [`TronError::TooLong`], [`TronError::Field`] where a value is one that no transaction has.
    pub fn new(body: &Body, signature: Signature) -> Result<Self, TronError> {
        let raw = body.encode();
        let body = Body::decode(&raw)?;
        Self::checked(raw, body, signature, None)
    }

    /// Signs a body with its owner's key. Nonces are those of RFC 6979: signed again, after a crash, it has
    /// the same bytes and the same id.
    ///
    /// # Errors
    /// [`TronError::Signer`] where the key is another's, [`TronError::TooLong`], [`TronError::Field`] where
    /// a value is one that no transaction has.
    pub fn sign(body: &Body, key: &SigningKey) -> Result<Self, TronError> {
        let (owner, signer) = (body.contract.owner(), Address::of_key(key.verifying_key()));
        if owner != signer {
            return Err(TronError::Signer { owner, signer });
        }
        let raw = body.encode();
        let body = Body::decode(&raw)?;
        let id = TransactionId(Hash::of(&raw));
        let (signature, recovery) = key.sign_prehash_recoverable(id.0.as_bytes());
        let signature = Signature::new(&signature, recovery)?;
        Self { raw, id, body, signature, ended: None }.short_enough()
    }

    fn checked(
        raw: Vec<u8>,
        body: Body,
        signature: Signature,
        ended: Option<message::Ended>,
    ) -> Result<Self, TronError> {
        let id = TransactionId(Hash::of(&raw));
        let (owner, signer) = (body.contract.owner(), signature.signer(&id.0)?);
        if owner != signer {
            return Err(TronError::Signer { owner, signer });
        }
        Self { raw, id, body, signature, ended }.short_enough()
    }

    fn short_enough(self) -> Result<Self, TronError> {
        match self.envelope().encoded_len() {
            bytes if bytes > TRANSACTION_BYTES_MAX => Err(TronError::TooLong { bytes }),
            _ => Ok(self),
        }
    }

    /// Reads a transaction: one signature, the owner's, and at most one result.
    ///
    /// # Errors
    /// [`TronError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, TronError> {
        if bytes.len() > TRANSACTION_BYTES_MAX {
            return Err(TronError::TooLong { bytes: bytes.len() });
        }
        Self::from_envelope(decode(TRANSACTION, bytes)?)
    }

    /// Reads a transaction's parts, as [`Transaction::decode`].
    ///
    /// # Errors
    /// [`TronError`].
    pub fn from_envelope(envelope: Envelope) -> Result<Self, TronError> {
        let field = |field, wanted| TronError::Field { what: TRANSACTION, field, wanted };
        let [signature] = envelope.signature.as_slice() else {
            return Err(field("signature", "exactly one"));
        };
        let signature = Signature::from_bytes(signature)?;
        let ended = match envelope.ret.as_slice() {
            [] => None,
            [ended] => Some(*ended),
            _ => return Err(field("ret", "at most one")),
        };
        let body = Body::decode(&envelope.raw_data)?;
        Self::checked(envelope.raw_data, body, signature, ended)
    }

    fn envelope(&self) -> Envelope {
        Envelope {
            raw_data: self.raw.clone(),
            signature: vec![self.signature.as_bytes().to_vec()],
            ret: self.ended.into_iter().collect(),
        }
    }

    /// The whole message, with how it ended where a block has it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.envelope().encode_to_vec()
    }

    /// The same transaction as it is in a block.
    #[must_use]
    pub fn ended_as(mut self, ended: message::Ended) -> Self {
        self.ended = Some(ended);
        self
    }

    /// The leaf in its block's tree. It depends on how it ended: before a block has it there is none.
    #[must_use]
    pub fn leaf(&self) -> Option<Hash> {
        self.ended.map(|_| self.envelope().leaf())
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> TransactionId {
        self.id
    }

    /// The signed part, as it was signed.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// What it says.
    #[must_use]
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The owner's signature.
    #[must_use]
    pub fn signature(&self) -> Signature {
        self.signature
    }

    /// How it ended, where a block has it.
    #[must_use]
    pub fn ended(&self) -> Option<message::Ended> {
        self.ended
    }
}
