//! What a transaction does to the state, and what it costs, in java-tron's order: bandwidth, several
//! signatures, memo, then the contract (`Manager.processTransaction`).

use std::sync::Arc;

use super::{
    check::{Action, RESULT_BYTES},
    contract::{self, Called, Contract},
    info::Info,
    refusal::{Code, Refusal},
    state::{Account, State},
};
use crate::{
    address::Address,
    message::{self, Create, SmartContract, Transaction, Transfer, Trigger},
    rules::{Energy, Fees},
};

/// Most bytes of a transfer that makes an account (`getMaxCreateAccountTxSize`), signatures apart.
const CREATE_ACCOUNT_BYTES_MAX: usize = 1_000;
/// Bytes of a signature (`Constant.PER_SIGN_LENGTH`).
const SIGNATURE_BYTES: usize = 65;
/// Most bytes of a contract's name (`VMConstant.CONTRACT_NAME_LENGTH`).
const NAME_BYTES_MAX: usize = 32;

/// Where and by which rules.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    /// The slot of the head, by which what was used comes back.
    pub(crate) slot: i64,
    /// The time of the head, in milliseconds.
    pub(crate) now_ms: i64,
    pub(crate) fees: &'a Fees,
    pub(crate) energy: &'a Energy,
}

/// Applies a transaction whose signature, reference, size and expiry were checked. On a refusal the state is
/// half changed and is to be dropped.
pub(crate) fn apply(
    state: &mut State,
    transaction: &Transaction,
    at: Place<'_>,
) -> Result<Info, Refusal> {
    let action = Action::of(transaction)?;
    let owner = action.owner()?;
    let mut info = Info { id: transaction.id(), ret: message::SUCCESS, ..Info::default() };
    bandwidth(state, transaction, &action, at, &mut info)?;
    let raw = transaction.raw();
    let extra = [
        (transaction.signature.len() > 1, at.fees.multi_sign, "multiSign"),
        (!raw.data.is_empty(), at.fees.memo, "memo fee"),
    ];
    for (_, fee, what) in extra.into_iter().filter(|(due, ..)| *due) {
        if !account(state, owner)?.take(fee) {
            let text = format!("account {owner} insufficient balance[{fee}] to {what}");
            return Err(Refusal::new(Code::BandwithError, text));
        }
        info.fee += fee;
    }
    match action {
        Action::Transfer(transfer) => send(state, &transfer, owner, at, &mut info)?,
        Action::Create(create) => new(state, &create, owner, raw.fee_limit, at, &mut info)?,
        Action::Trigger(trigger) => call(state, &trigger, owner, raw.fee_limit, at, &mut info)?,
    }
    info.fee += info.receipt.net_fee + info.receipt.energy_fee;
    Ok(info)
}

fn account(state: &mut State, owner: Address) -> Result<&mut Account, Refusal> {
    let missing = || Refusal::contract(format!("account [{owner}] does not exist"));
    state.accounts.get_mut(&owner).ok_or_else(missing)
}

/// Bandwidth: what was staked for, else what every account has, else SUN (`BandwidthProcessor.consume`).
fn bandwidth(
    state: &mut State,
    transaction: &Transaction,
    action: &Action,
    at: Place<'_>,
    info: &mut Info,
) -> Result<(), Refusal> {
    let makes_account = match action {
        Action::Transfer(transfer) => Address::of_bytes(&transfer.to_address)
            .is_ok_and(|to| !state.accounts.contains_key(&to)),
        _ => false,
    };
    let own = transaction.bytes_without_ret();
    let most = CREATE_ACCOUNT_BYTES_MAX + SIGNATURE_BYTES * transaction.signature.len();
    let owner = action.owner()?;
    let account = account(state, owner)?;
    if makes_account && own > most {
        let id = hex::encode(info.id);
        let text = format!("Too big new account transaction, TxId {id}, the size is {own} bytes");
        return Err(Refusal::new(Code::TooBigTransactionError, text));
    }
    let bytes = i64::try_from(own + RESULT_BYTES).unwrap_or(i64::MAX);
    if bytes <= account.net_limit.saturating_sub(account.net.at(at.slot)) {
        account.net.add(bytes, at.slot);
        info.receipt.net_usage = bytes;
    } else if !makes_account && bytes <= at.fees.free_net - account.free_net.at(at.slot) {
        account.free_net.add(bytes, at.slot);
        info.receipt.net_usage = bytes;
    } else {
        let fee = if makes_account { at.fees.create_account } else { at.fees.byte * bytes };
        if !account.take(fee) {
            let text =
                format!("account [{owner}] has insufficient bandwidth[{bytes}] and balance[{fee}]");
            return Err(Refusal::new(Code::BandwithError, text));
        }
        info.receipt.net_fee = fee;
    }
    Ok(())
}

/// `TransferActuator`.
fn send(
    state: &mut State,
    transfer: &Transfer,
    owner: Address,
    at: Place<'_>,
    info: &mut Info,
) -> Result<(), Refusal> {
    let to = Address::of_bytes(&transfer.to_address)
        .map_err(|_| Refusal::contract("Invalid toAddress!"))?;
    if to == owner {
        return Err(Refusal::contract("Cannot transfer TRX to yourself."));
    }
    if transfer.amount <= 0 {
        return Err(Refusal::contract("Amount must be greater than 0."));
    }
    let there = state.accounts.get(&to);
    if there.is_some_and(|account| account.contract) {
        return Err(Refusal::contract(
            "Cannot transfer TRX to a smartContract which version is one. Instead please use \
             TriggerSmartContract ",
        ));
    }
    let fee = if there.is_none() { at.fees.create_account_in_transfer } else { 0 };
    let all = transfer.amount.checked_add(fee);
    if !all.is_some_and(|all| state.accounts.get_mut(&owner).is_some_and(|from| from.take(all))) {
        return Err(Refusal::contract(
            "Validate TransferContract error, balance is not sufficient.",
        ));
    }
    let made = || Account { created_ms: at.now_ms, ..Account::default() };
    let receiver = state.accounts.entry(to).or_insert_with(made);
    let sum = receiver.balance.checked_add(transfer.amount);
    receiver.balance = sum.ok_or_else(|| Refusal::contract("long overflow"))?;
    info.fee += fee;
    Ok(())
}

/// What a transaction may spend on energy: what it was given, or what its owner has
/// (`VMActuator.getAccountEnergyLimitWithFixRatio`).
fn energy_limit(
    state: &mut State,
    owner: Address,
    fee_limit: i64,
    value: i64,
    at: Place<'_>,
) -> Result<i64, Refusal> {
    let most = at.fees.limit_max;
    if !(0..=most).contains(&fee_limit) {
        return Err(Refusal::contract(format!("feeLimit must be >= 0 and <= {most}")));
    }
    if value < 0 {
        return Err(Refusal::contract("callValue must be >= 0"));
    }
    let account = account(state, owner)?;
    if value > account.balance {
        return Err(Refusal::contract(
            "Validate InternalTransfer error, balance is not sufficient.",
        ));
    }
    let paid_for = (account.balance - value) / at.fees.energy_price();
    let available = account.energy_left(at.slot).saturating_add(paid_for);
    Ok(available.min(fee_limit / at.fees.energy_price()))
}

/// Pays for energy, first out of what was staked for. Whether it was enough.
fn pay_energy(
    state: &mut State,
    owner: Address,
    needed: i64,
    limit: i64,
    at: Place<'_>,
    info: &mut Info,
) -> Result<bool, Refusal> {
    let used = needed.min(limit);
    let account = account(state, owner)?;
    let staked = used.min(account.energy_left(at.slot));
    account.energy.add(staked, at.slot);
    let fee = (used - staked) * at.fees.energy_price();
    assert!(account.take(fee), "the limit is within the balance");
    info.receipt.energy_usage = staked;
    info.receipt.energy_fee = fee;
    info.receipt.energy_usage_total = used;
    info.executed = true;
    if needed > limit {
        info.ret = message::OUT_OF_ENERGY;
        info.message = format!(
            "Not enough energy for 'LOG3' operation executing: opEnergy[{needed}], programEnergy[{limit}]"
        );
    }
    Ok(needed <= limit)
}

fn tokens(value: i64, id: i64) -> Result<(), Refusal> {
    if (value, id) == (0, 0) {
        return Ok(());
    }
    let text = format!("invalid arguments with tokenValue = {value}, tokenId = {id}");
    Err(Refusal::contract(text))
}

fn revert(info: &mut Info) {
    info.ret = message::REVERT;
    "REVERT opcode executed".clone_into(&mut info.message);
}

/// A call of a contract. Its developer has no energy here, so that who calls pays for all of it.
fn call(
    state: &mut State,
    trigger: &Trigger,
    owner: Address,
    fee_limit: i64,
    at: Place<'_>,
    info: &mut Info,
) -> Result<(), Refusal> {
    let here = Address::of_bytes(&trigger.contract_address).ok();
    let found = here.and_then(|here| Some((here, state.contracts.get(&here)?.clone())));
    let Some((here, mut contract)) = found else {
        return Err(Refusal::contract("No contract or not a smart contract"));
    };
    tokens(trigger.call_token_value, trigger.token_id)?;
    let limit = energy_limit(state, owner, fee_limit, trigger.call_value, at)?;
    let called = contract.call(here, owner, trigger.call_value, &trigger.data, at.energy);
    let Called { energy, reverted, output, logs } = called;
    info.contract = Some(here);
    if pay_energy(state, owner, energy, limit, at, info)? {
        info.output = output;
        if reverted {
            revert(info);
        } else {
            info.logs = logs;
            state.contracts.insert(here, contract);
        }
    }
    Ok(())
}

/// That a definition is one that a contract can be created from.
fn definition(create: &Create) -> Result<&SmartContract, Refusal> {
    let Some(new) = &create.new_contract else {
        return Err(Refusal::contract("Cannot get CreateSmartContract from transaction"));
    };
    if create.owner_address != new.origin_address {
        return Err(Refusal::contract("OwnerAddress is not equals OriginAddress"));
    }
    if new.name.len() > NAME_BYTES_MAX {
        return Err(Refusal::contract("contractName's length cannot be greater than 32"));
    }
    if !(0..=100).contains(&new.consume_user_resource_percent) {
        return Err(Refusal::contract("percent must be >= 0 and <= 100"));
    }
    if new.origin_energy_limit <= 0 {
        return Err(Refusal::contract("The originEnergyLimit must be > 0"));
    }
    tokens(create.call_token_value, create.token_id)?;
    Ok(new)
}

/// A creation.
fn new(
    state: &mut State,
    create: &Create,
    owner: Address,
    fee_limit: i64,
    at: Place<'_>,
    info: &mut Info,
) -> Result<(), Refusal> {
    let new = definition(create)?;
    let limit = energy_limit(state, owner, fee_limit, new.call_value, at)?;
    let here = Address::of_contract(&info.id, owner);
    if state.accounts.contains_key(&here) {
        let text = "Trying to create a contract with existing contract address: ";
        return Err(Refusal::contract(format!("{text}{here}")));
    }
    info.contract = Some(here);
    let made = contract::create(&new.bytecode, new.call_value);
    let code_bytes = made.as_ref().map_or(0, |(_, code)| code.len());
    let needed = at.energy.creation(code_bytes);
    if !pay_energy(state, owner, needed, limit, at, info)? {
        return Ok(());
    }
    let Some((kind, code)) = made else {
        revert(info);
        return Ok(());
    };
    assert!(account(state, owner)?.take(new.call_value), "the energy's limit left the value");
    info.output.clone_from(&code);
    let definition = SmartContract { trx_hash: info.id.to_vec(), ..new.clone() };
    state.put_contract(here, definition, kind, code, at.now_ms);
    if let Some(account) = state.accounts.get_mut(&here) {
        account.balance = new.call_value;
    }
    Ok(())
}

impl State {
    /// Puts a contract and its account there.
    pub(crate) fn put_contract(
        &mut self,
        here: Address,
        mut definition: SmartContract,
        kind: contract::Kind,
        code: Vec<u8>,
        created_ms: i64,
    ) {
        definition.contract_address = here.bytes().to_vec();
        definition.code_hash = crate::hash::keccak(&code).to_vec();
        definition.version = 1;
        let contract = Contract { definition: Arc::new(definition), runtime: Arc::new(code), kind };
        self.contracts.insert(here, contract);
        let account = Account { created_ms, contract: true, ..Account::default() };
        self.accounts.insert(here, account);
    }
}
