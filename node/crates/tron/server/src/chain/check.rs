//! What holds of a transaction before anything is executed: signature, reference, size, expiry.

use super::{
    block::Block,
    refusal::{Code, Refusal},
    state::State,
};
use crate::{
    address::Address,
    hash,
    message::{self, CONTRACT_TYPES, Create, TYPE_URL, Transaction, Transfer, Trigger},
};

/// Most bytes of a transaction (java-tron, `Constant.TRANSACTION_MAX_BYTE_SIZE`).
const BYTES_MAX: usize = 500 * 1_024;
/// Room for how it ended (`Constant.MAX_RESULT_SIZE_IN_TX`).
pub(crate) const RESULT_BYTES: usize = 64;
/// How far ahead of the head a transaction may expire (`Constant.MAXIMUM_TIME_UNTIL_EXPIRATION`).
const EXPIRATION_MS_MAX: i64 = 24 * 60 * 60 * 1_000;
/// Blocks are three seconds apart.
pub(crate) const BLOCK_MS: i64 = 3_000;

/// What a transaction does, every byte of it understood.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Transfer(Transfer),
    Create(Box<Create>),
    Trigger(Trigger),
}

impl Action {
    /// Who asks for it.
    pub(crate) fn owner(&self) -> Result<Address, Refusal> {
        let bytes = match self {
            Self::Transfer(transfer) => &transfer.owner_address,
            Self::Create(create) => &create.owner_address,
            Self::Trigger(trigger) => &trigger.owner_address,
        };
        Address::of_bytes(bytes).map_err(|_| Refusal::contract("Invalid ownerAddress!"))
    }

    /// What a transaction does.
    pub(crate) fn of(transaction: &Transaction) -> Result<Self, Refusal> {
        let raw = transaction.raw();
        let [contract] = raw.contract.as_slice() else {
            return Err(Refusal::contract(match raw.contract.len() {
                0 => "No contract!".to_owned(),
                many => format!("contract size should be exactly 1, actual :{many}"),
            }));
        };
        let Some(name) = message::name(&CONTRACT_TYPES, contract.kind) else {
            let known = "TransferContract, CreateSmartContract and TriggerSmartContract";
            let kind = contract.kind;
            return Err(Refusal::contract(format!("this server knows {known}, not type {kind}")));
        };
        let parameter = contract.parameter.clone().unwrap_or_default();
        if parameter.type_url != format!("{TYPE_URL}{name}") {
            let url = parameter.type_url;
            let text = format!("contract type error, expected type [{name}], real type [{url}]");
            return Err(Refusal::contract(text));
        }
        let value = parameter.value.as_slice();
        let action = match contract.kind {
            message::TRANSFER => message::read(value).map(Self::Transfer),
            message::CREATE => message::read(value).map(|create| Self::Create(Box::new(create))),
            _ => message::read(value).map(Self::Trigger),
        };
        action.map_err(|error| Refusal::contract(format!("{name}: {error}")))
    }
}

/// Who signed a transaction, out of those who may.
pub(crate) struct Weight {
    pub(crate) keys: Vec<(Address, i64)>,
    pub(crate) threshold: i64,
    pub(crate) signed: Vec<Address>,
    pub(crate) reached: i64,
}

/// That who owns it signed it.
pub(crate) fn signature(transaction: &Transaction, state: &State) -> Result<(), Refusal> {
    if transaction.signature.is_empty() {
        return Err(Refusal::new(Code::SigError, "miss sig or contract"));
    }
    let weight = weigh(transaction, state)?;
    let enough = weight.reached >= weight.threshold;
    if enough { Ok(()) } else { Err(Refusal::new(Code::SigError, "sig error")) }
}

/// Who signed it (`TransactionCapsule.checkWeight`).
pub(crate) fn weigh(transaction: &Transaction, state: &State) -> Result<Weight, Refusal> {
    let refuse = |detail: String| Err(Refusal::new(Code::SigError, detail));
    let owner = Action::of(transaction)?.owner()?;
    let permission_id = transaction.raw().contract.first().map_or(0, |it| it.permission_id);
    let permission = state.accounts.get(&owner).and_then(|account| account.permission.clone());
    // Permissions: 0 is the owner's, 1 a witness's, 2 the first active one, which by default is the owner's key.
    let (keys, threshold) = match (permission_id, permission) {
        (0, Some(permission)) => (permission.keys.clone(), permission.threshold),
        (0 | 2, _) => (vec![(owner, 1)], 1),
        _ => return refuse("permission isn't exit".to_owned()),
    };
    if transaction.signature.len() > keys.len() {
        let (count, most) = (transaction.signature.len(), keys.len());
        return refuse(format!(
            "Signature count is {count} more than key counts of permission : {most}"
        ));
    }
    let (id, mut signed, mut reached) = (transaction.id(), Vec::new(), 0_i64);
    for bytes in &transaction.signature {
        let signer = match hash::signer(bytes, &id) {
            Ok(signer) => signer,
            Err(error) => return refuse(error.to_string()),
        };
        let Some((_, own)) = keys.iter().find(|(key, _)| *key == signer) else {
            let text = hex::encode(bytes);
            return refuse(format!(
                "{text} is signed by {signer} but it is not contained of permission."
            ));
        };
        if signed.contains(&signer) {
            return refuse(format!("{signer} has signed twice!"));
        }
        signed.push(signer);
        reached = reached.saturating_add(*own);
    }
    Ok(Weight { keys, threshold, signed, reached })
}

/// That its block of reference is one of this chain's latest 65,536 (TAPOS).
pub(crate) fn reference(transaction: &Transaction, blocks: &[Block]) -> Result<(), Refusal> {
    let raw = transaction.raw();
    let refuse = |what: &str| {
        let (bytes, hash) = (hex::encode(&raw.ref_block_bytes), hex::encode(&raw.ref_block_hash));
        Err(Refusal::new(
            Code::TaposError,
            format!("Tapos failed, {what}, ref block {bytes}, {hash}"),
        ))
    };
    let Ok(low) = <[u8; 2]>::try_from(raw.ref_block_bytes.as_slice()) else {
        return refuse("block not found");
    };
    let (head, low) = (blocks.len() - 1, usize::from(u16::from_be_bytes(low)));
    // The last number up to the head that ends in these two bytes.
    let number = (head & !0xffff) | low;
    let number = if number > head { number.checked_sub(0x1_0000) } else { Some(number) };
    match number.and_then(|number| blocks.get(number)) {
        Some(block) if block.id[8..16] == *raw.ref_block_hash => Ok(()),
        Some(_) => refuse("different block hash"),
        None => refuse("block not found"),
    }
}

/// That it is not too big.
pub(crate) fn size(transaction: &Transaction) -> Result<(), Refusal> {
    let bytes = transaction.bytes_without_ret() + 2 * RESULT_BYTES;
    if bytes <= BYTES_MAX {
        return Ok(());
    }
    let id = hex::encode(transaction.id());
    Err(Refusal::new(
        Code::TooBigTransactionError,
        format!(
            "Too big transaction with result, TxId {id}, the size is {bytes} bytes, maxTxSize {BYTES_MAX}"
        ),
    ))
}

/// That it has not expired when the block after `head` is made, and does within a day.
pub(crate) fn expiration(transaction: &Transaction, head: &Block) -> Result<(), Refusal> {
    let (at, now) = (transaction.raw().expiration, head.header.timestamp);
    if at >= now + BLOCK_MS && at <= now + EXPIRATION_MS_MAX {
        return Ok(());
    }
    Err(Refusal::new(
        Code::TransactionExpirationError,
        format!(
            "Transaction expiration, transaction expiration time is {at}, but headBlockTime is {now}"
        ),
    ))
}
