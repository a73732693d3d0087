//! What a transaction does: transfers, calls and creations of contracts.

use prost::Message;

use super::{
    Address, Sun, TronError,
    message::{self, Abi, decode},
};

/// In front of a contract's type.
const TYPE_URL: &str = "type.googleapis.com/protocol.";

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
    pub(super) fn encode(&self) -> message::Contract {
        let (kind, name, value) = match self {
            Self::Transfer(transfer) => (1, "TransferContract", transfer.encode()),
            Self::Call(call) => (31, "TriggerSmartContract", call.encode()),
            Self::Create(creation) => (30, "CreateSmartContract", creation.encode()),
        };
        let parameter = message::Any { type_url: format!("{TYPE_URL}{name}"), value };
        message::Contract { kind, parameter: Some(parameter), permission_id: 0 }
    }

    pub(super) fn decode(contract: message::Contract) -> Result<Self, TronError> {
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

pub(super) fn sun(what: &'static str, field: &'static str, sun: i64) -> Result<Sun, TronError> {
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
