//! The chain's rules, by its own means; `tronweb` checks them from outside.

mod execution;

use k256::ecdsa::SigningKey;
use prost::Message as _;

use super::*;
use crate::{
    Address, Forked, Rules, SUN, hash,
    message::{
        Any, CREATE, Contract, Create, Raw, SmartContract, TRANSFER, TRIGGER, TYPE_URL, Transfer,
        Trigger,
    },
};

const NOW_MS: i64 = 1_750_000_000_000;

/// A chain with an account that has 1,000 TRX, and the means to write its transactions.
struct World {
    chain: Chain,
    key: SigningKey,
    own: Address,
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_slice(&[seed; 32]).unwrap()
}

fn other(seed: u8) -> Address {
    Address::of_key(key(seed).verifying_key())
}

impl World {
    fn new() -> Self {
        let chain = Chain::new(&Rules { block_every: None, ..Rules::default() }, NOW_MS);
        let mut world = Self { chain, key: key(0x11), own: other(0x11) };
        world.chain.account(world.own, |account| account.balance = 1_000 * SUN);
        world.chain.account(other(0x22), |account| account.balance = 1);
        world
    }

    fn raw(&self, kind: i32, name: &str, value: Vec<u8>) -> Raw {
        let head = self.chain.head();
        let parameter = Some(Any { type_url: format!("{TYPE_URL}{name}"), value });
        Raw {
            ref_block_bytes: head.id[6..8].to_vec(),
            ref_block_hash: head.id[8..16].to_vec(),
            expiration: head.header.timestamp + 60_000,
            contract: vec![Contract { kind, parameter, permission_id: 0 }],
            timestamp: head.header.timestamp,
            ..Raw::default()
        }
    }

    fn transfer(&self, to: Address, amount: i64) -> Raw {
        let transfer = Transfer {
            owner_address: self.own.bytes().to_vec(),
            to_address: to.bytes().to_vec(),
            amount,
        };
        self.raw(TRANSFER, "TransferContract", transfer.encode_to_vec())
    }

    fn call(&self, contract: Address, data: Vec<u8>, fee_limit: i64) -> Raw {
        let trigger = Trigger {
            owner_address: self.own.bytes().to_vec(),
            contract_address: contract.bytes().to_vec(),
            data,
            ..Trigger::default()
        };
        let raw = self.raw(TRIGGER, "TriggerSmartContract", trigger.encode_to_vec());
        Raw { fee_limit, ..raw }
    }

    fn sign(&self, raw: Raw) -> Transaction {
        let transaction = Transaction { raw_data: Some(raw), ..Transaction::default() };
        let signature = vec![hash::sign(&self.key, &transaction.id())];
        Transaction { signature, ..transaction }
    }

    fn send(&mut self, transaction: Transaction) -> Result<[u8; 32], Code> {
        let (id, head) = (transaction.id(), self.chain.head_number());
        self.chain.broadcast(transaction, head).map(|()| id).map_err(|refusal| refusal.code)
    }

    fn balance(&self) -> i64 {
        self.chain.state().accounts[&self.own].balance
    }
}

fn anchor(root: u8) -> Vec<u8> {
    let mut data = hash::selector("anchor(bytes32,uint64)").to_vec();
    data.extend_from_slice(&[root; 32]);
    data.extend_from_slice(&[0; 31]);
    data.push(7);
    data
}

#[test]
fn blocks_are_chained_and_signed_by_whose_turn_it_is() {
    let mut world = World::new();
    for _ in 0..30 {
        world.chain.make_block();
    }
    let blocks: Vec<&Block> = (0..=60).map(|number| world.chain.block(number).unwrap()).collect();
    for pair in blocks.windows(2) {
        let [parent, block] = pair else { unreachable!("windows of two") };
        let digest = hash::sha256(&block.header.encode_to_vec());
        assert_eq!(block.header.parent_hash, parent.id);
        assert_eq!(block.header.timestamp, parent.header.timestamp + check::BLOCK_MS);
        assert_eq!(block.id[..8], block.header.number.to_be_bytes());
        assert_eq!(block.id[8..], digest[8..]);
        let signer = hash::signer(&block.signature, &digest).unwrap();
        assert_eq!(block.header.witness_address, signer.bytes());
    }
    // 27 by turns; 18 more have built on what is solid.
    assert_eq!(blocks[1].header.witness_address, blocks[28].header.witness_address);
    assert_ne!(blocks[1].header.witness_address, blocks[2].header.witness_address);
    assert_eq!((world.chain.head_number(), world.chain.solid_number()), (60, 42));
    assert_eq!(world.chain.head().header.timestamp, NOW_MS / 3_000 * 3_000 + 90_000);
}

#[test]
fn a_transfer_costs_what_java_tron_takes() {
    let mut world = World::new();
    let plain = world.sign(world.transfer(other(0x22), 5));
    let bytes = i64::try_from(plain.bytes_without_ret()).unwrap() + 64;
    let id = world.send(plain).unwrap();
    world.chain.make_block();
    let info = &world.chain.included(&id).unwrap().2;
    assert_eq!((info.fee, info.receipt.net_usage, info.receipt.net_fee), (0, bytes, 0));
    assert_eq!(world.balance(), 1_000 * SUN - 5);

    // A memo is a TRX; the day's bandwidth is used up by the third.
    let mut fees = Vec::new();
    for n in 0..3 {
        let before = world.balance();
        let memo = world.sign(Raw { data: vec![n; 32], ..world.transfer(other(0x22), 1) });
        let bytes = i64::try_from(memo.bytes_without_ret()).unwrap() + 64;
        world.send(memo).unwrap();
        world.chain.make_block();
        fees.push((before - 1 - world.balance(), bytes));
    }
    let bytes = fees[2].1;
    assert_eq!(fees[2].0, SUN + 1_000 * bytes);
    assert!(fees[0].0 == SUN, "600 bytes are enough for two");

    // An account that is not there yet: 0.1 TRX for its bandwidth, 1 TRX for itself.
    let before = world.balance();
    let id = world.send(world.sign(world.transfer(other(0x33), 9))).unwrap();
    world.chain.make_block();
    assert_eq!(before - world.balance(), 9 + SUN + SUN / 10);
    assert_eq!(world.chain.included(&id).unwrap().2.fee, SUN + SUN / 10);
}

#[test]
fn what_is_not_right_is_refused_with_java_trons_code() {
    let mut world = World::new();
    let contract = world.chain.put_anchors();
    let good = world.transfer(other(0x22), 5);
    let head = world.chain.head().header.timestamp;
    let with = |change: &dyn Fn(&mut Raw)| {
        let mut raw = good.clone();
        change(&mut raw);
        raw
    };
    let any = |change: &dyn Fn(&mut Any)| {
        with(&|raw| change(raw.contract[0].parameter.as_mut().unwrap()))
    };
    let rows: Vec<(&str, Raw, Code)> = vec![
        ("no contract", with(&|raw| raw.contract.clear()), Code::ContractValidateError),
        (
            "two contracts",
            with(&|raw| raw.contract.push(raw.contract[0].clone())),
            Code::ContractValidateError,
        ),
        ("another type", with(&|raw| raw.contract[0].kind = 4), Code::ContractValidateError),
        ("another url", any(&|any| any.type_url.push('x')), Code::ContractValidateError),
        ("an unknown field", any(&|any| any.value.extend([0x20, 1])), Code::ContractValidateError),
        ("another number", with(&|raw| raw.ref_block_bytes[1] ^= 1), Code::TaposError),
        ("another hash", with(&|raw| raw.ref_block_hash[0] ^= 1), Code::TaposError),
        ("no reference", with(&|raw| raw.ref_block_bytes.clear()), Code::TaposError),
        ("expired", with(&|raw| raw.expiration = head), Code::TransactionExpirationError),
        (
            "expired when the block is",
            with(&|raw| raw.expiration = head + 2_999),
            Code::TransactionExpirationError,
        ),
        (
            "a day and a bit",
            with(&|raw| raw.expiration = head + 86_400_001),
            Code::TransactionExpirationError,
        ),
        ("too big", with(&|raw| raw.data = vec![1; 512_000]), Code::TooBigTransactionError),
        ("nothing", world.transfer(other(0x22), 0), Code::ContractValidateError),
        ("to oneself", world.transfer(world.own, 5), Code::ContractValidateError),
        ("to a contract", world.transfer(contract, 5), Code::ContractValidateError),
        ("too much", world.transfer(other(0x22), 1_000 * SUN + 1), Code::ContractValidateError),
        (
            "a limit too high",
            world.call(contract, anchor(1), 15_000 * SUN + 1),
            Code::ContractValidateError,
        ),
        ("a limit below 0", world.call(contract, anchor(1), -1), Code::ContractValidateError),
        ("no contract there", world.call(other(0x22), anchor(1), 1), Code::ContractValidateError),
        (
            "a permission that is not there",
            with(&|raw| raw.contract[0].permission_id = 3),
            Code::SigError,
        ),
    ];
    for (what, raw, code) in rows {
        assert_eq!(world.send(world.sign(raw)), Err(code), "{what}");
    }
    assert_eq!(world.chain.journal.entries.len(), 0, "nothing was accepted");
}

#[test]
fn what_another_signed_or_cannot_be_paid_for_or_came_before_is_refused() {
    let mut world = World::new();
    let good = world.transfer(other(0x22), 5);
    let signed = world.sign(good.clone());
    let other_key = World { key: key(0x22), ..World::new() }.sign(good.clone());
    let signatures = [
        ("none", vec![]),
        ("another's", other_key.signature),
        ("cut short", vec![signed.signature[0][..64].to_vec()]),
        ("twice", vec![signed.signature[0].clone(), signed.signature[0].clone()]),
    ];
    for (what, signature) in signatures {
        let transaction = Transaction { signature, ..signed.clone() };
        assert_eq!(world.send(transaction), Err(Code::SigError), "{what}");
    }
    assert_eq!(world.chain.journal.entries.len(), 0, "nothing was accepted");

    // A memo that cannot be paid for.
    world.chain.account(world.own, |account| account.balance = SUN - 1);
    let memo = world.sign(Raw { data: vec![1], ..good.clone() });
    assert_eq!(world.send(memo), Err(Code::BandwithError));

    // The same again, while it waits and when it is in a block.
    assert!(world.send(signed.clone()).is_ok());
    assert_eq!(world.send(signed.clone()), Err(Code::DupTransactionError));
    world.chain.make_block();
    assert_eq!(world.send(signed), Err(Code::DupTransactionError));
}

#[test]
fn several_sign_where_it_takes_several() {
    let mut world = World::new();
    world.chain.permit(world.own, vec![(other(0x22), 1), (other(0x33), 1)], 2);
    let raw = world.transfer(other(0x22), 5);
    let by = |seeds: &[u8]| {
        let transaction = Transaction { raw_data: Some(raw.clone()), ..Transaction::default() };
        let id = transaction.id();
        let signature = seeds.iter().map(|seed| hash::sign(&key(*seed), &id)).collect();
        Transaction { signature, ..transaction }
    };
    for seeds in [&[0x11][..], &[0x22], &[0x22, 0x22], &[0x22, 0x11], &[0x22, 0x33, 0x11]] {
        assert_eq!(world.send(by(seeds)), Err(Code::SigError), "{seeds:?}");
    }
    let id = world.send(by(&[0x22, 0x33])).unwrap();
    world.chain.make_block();
    assert_eq!(world.chain.included(&id).unwrap().2.fee, SUN);
}

#[test]
fn a_fork_takes_its_transactions_back_or_away() {
    for forked in [Forked::Wait, Forked::Vanish] {
        let mut world = World::new();
        let raw = Raw { data: b"memo".to_vec(), ..world.transfer(other(0x22), 5) };
        let id = world.send(world.sign(raw)).unwrap();
        world.chain.make_block();
        world.chain.make_block();
        let left = world.chain.head().id;
        assert_eq!(world.chain.included(&id).unwrap().0.header.number, 31);
        world.chain.fork(2, forked).unwrap();
        assert!(world.chain.included(&id).is_none());
        assert_eq!(world.balance(), 1_000 * SUN);
        world.chain.make_block();
        world.chain.make_block();
        assert_ne!(world.chain.head().id, left, "another block of the same number");
        let found = world.chain.included(&id).map(|(block, ..)| block.header.number);
        assert_eq!(found, (forked == Forked::Wait).then_some(31));
        let entry = world.chain.journal.by_payload(b"memo").next().unwrap();
        assert!(entry.was_included());
        assert_eq!(entry.included(), found.map(i64::unsigned_abs));
    }
    let mut world = World::new();
    let unsolid = world.chain.head_number() - world.chain.solid_number();
    assert!(world.chain.fork(unsolid + 1, Forked::Wait).is_err());
    assert!(world.chain.fork(unsolid, Forked::Wait).is_ok());
}

#[test]
fn what_refers_to_a_block_that_is_gone_is_dropped() {
    let mut world = World::new();
    world.chain.make_block();
    let id = world.send(world.sign(world.transfer(other(0x22), 5))).unwrap();
    world.chain.fork(1, Forked::Wait).unwrap();
    world.chain.make_block();
    assert!(world.chain.included(&id).is_none());
    let entry = world.chain.journal.by_id(&hex::encode(id)).unwrap().clone();
    let Some(Event::Dropped { reason }) = entry.events.last() else { panic!("{entry:?}") };
    assert!(reason.starts_with("Tapos failed"), "{reason}");
}

#[test]
fn what_expires_while_it_waits_is_dropped() {
    let mut world = World::new();
    world.chain.hold = true;
    let id = world.send(world.sign(world.transfer(other(0x22), 5))).unwrap();
    for _ in 0..25 {
        world.chain.make_block();
    }
    world.chain.hold = false;
    world.chain.make_block();
    assert!(world.chain.included(&id).is_none());
    assert_eq!(world.chain.waiting().count(), 0);
    assert_eq!(world.chain.journal.entries.len(), 1);
}
