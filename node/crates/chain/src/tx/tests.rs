use alloy_consensus::{
    SignableTransaction, TxEip1559, TxEip2930, TxEip7702, TxLegacy,
    transaction::RlpEcdsaEncodableTx,
};
use alloy_eips::eip2930::AccessListItem;
use alloy_primitives::{Signature, hex, keccak256};

use super::*;
use crate::{
    Pool,
    pool::{Intake, Limits},
    testing::*,
};

/// An EIP-1559 transaction that holds; each row changes one thing.
fn good() -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN.0,
        nonce: 0,
        gas_limit: 30_000,
        max_fee_per_gas: 2 * u128::from(BASE_FEE),
        max_priority_fee_per_gas: 1,
        to: Address::repeat_byte(7).into(),
        value: U256::from(5),
        ..TxEip1559::default()
    }
}

/// A transaction's bytes, signed by signer 0.
fn raw<T: SignableTransaction<Signature> + RlpEcdsaEncodableTx>(tx: T) -> Vec<u8> {
    let signature = signer(0).signature(tx.signature_hash());
    tx.into_signed(signature).encoded_2718()
}

fn decode(raw: &[u8]) -> Result<Transaction, TxError> {
    Transaction::decode(raw, CHAIN)
}

/// `good`, changed: the error it gives, which must begin as clients expect.
#[track_caller]
fn check(change: impl FnOnce(&mut TxEip1559), words: &str) -> TxError {
    let mut tx = good();
    change(&mut tx);
    let error = decode(&raw(tx)).unwrap_err();
    assert!(error.to_string().starts_with(words), "{error}");
    error
}

#[test]
fn each_type_decodes_to_itself() {
    let legacy = TxLegacy {
        chain_id: Some(CHAIN.0),
        gas_price: u128::from(BASE_FEE),
        gas_limit: 21_000,
        to: Address::ZERO.into(),
        ..TxLegacy::default()
    };
    let listed = AccessListItem { address: Address::ZERO, storage_keys: vec![B256::ZERO] };
    let listing = TxEip2930 {
        chain_id: CHAIN.0,
        gas_price: u128::from(BASE_FEE) + 3,
        gas_limit: 30_000,
        to: Address::ZERO.into(),
        access_list: vec![listed].into(),
        ..TxEip2930::default()
    };
    for (tx_type, tip, bytes) in [
        (TxType::Legacy, 0, raw(legacy)),
        (TxType::Eip2930, 3, raw(listing)),
        (TxType::Eip1559, 1, raw(good())),
    ] {
        let tx = decode(&bytes).unwrap();
        assert_eq!((tx.tx_type(), tx.tip()), (tx_type, tip));
        assert_eq!(tx.raw().as_ref(), bytes);
        assert_eq!(tx.hash(), keccak256(&bytes));
        assert_eq!(tx.sender(), signer(0).address());
    }
    let tx = decode(&raw(good())).unwrap();
    assert_eq!(tx.cost(), U256::from(30_000_u64 * 2 * BASE_FEE + 5));
    assert_eq!(tx.effective_gas_price(), u128::from(BASE_FEE) + 1);
    assert_eq!(tx.creates(), None);
}

#[test]
fn a_transaction_that_never_holds_says_why() {
    use TxError as E;

    let error = check(|tx| tx.chain_id = 1, "invalid chain id");
    assert_eq!(error, E::InvalidChainId { have: ChainId(1), want: CHAIN });
    let error = check(|tx| tx.gas_limit = 20_999, "intrinsic gas too low");
    assert_eq!(error, E::IntrinsicGas { gas: 20_999, needed: 21_000 });
    let error = check(
        |tx| {
            tx.input = vec![1; 1000].into();
            tx.gas_limit = 40_000;
        },
        "insufficient gas for floor data gas cost",
    );
    assert_eq!(error, E::FloorGas { gas: 40_000, needed: 61_000 }, "EIP-7623: 40 for each byte");
    let error =
        check(|tx| tx.max_fee_per_gas = 999_999_999, "max fee per gas less than block base fee");
    assert_eq!(error, E::FeeCapTooLow { max: 999_999_999 });
    let error = check(
        |tx| tx.max_priority_fee_per_gas = 3_000_000_000,
        "max priority fee per gas higher than max fee per gas",
    );
    assert_eq!(error, E::TipAboveFeeCap { tip: 3_000_000_000, max: 2_000_000_000 });
    let error = check(|tx| tx.gas_limit = BLOCK_GAS_MAX + 1, "exceeds block gas limit");
    assert_eq!(error, E::ExceedsBlockGas { gas: BLOCK_GAS_MAX + 1 });
    let error = check(|tx| tx.gas_limit = TX_GAS_MAX + 1, "transaction gas limit too high");
    assert_eq!(error, E::ExceedsTxGas { gas: TX_GAS_MAX + 1 });
    let error = check(
        |tx| {
            tx.to = TxKind::Create;
            tx.input = vec![0; MAX_INITCODE_SIZE + 1].into();
            tx.gas_limit = TX_GAS_MAX;
        },
        "max initcode size exceeded",
    );
    assert_eq!(error, E::InitCodeTooLong { bytes: 49_153, max: 49_152 });
    assert_eq!(check(|tx| tx.nonce = u64::MAX, "nonce has max value"), E::NonceMax);
    let error = check(|tx| tx.input = vec![0; TX_BYTES_MAX].into(), "oversized data");
    assert!(matches!(error, E::Oversized { bytes } if bytes > TX_BYTES_MAX));

    let unprotected =
        TxLegacy { gas_price: 2_000_000_000, gas_limit: 21_000, ..TxLegacy::default() };
    assert_eq!(decode(&raw(unprotected)), Err(E::Unprotected));
    let delegating = TxEip7702 { chain_id: CHAIN.0, ..TxEip7702::default() };
    assert_eq!(decode(&raw(delegating)), Err(E::TypeNotSupported { tx_type: 4 }));
    for tx_type in [0, 3, 5, 0x7f] {
        let error = decode(&[tx_type, 0xc0]).unwrap_err();
        assert_eq!(error, E::TypeNotSupported { tx_type });
        assert!(error.to_string().starts_with("transaction type not supported"));
    }
}

#[test]
fn a_signature_has_one_form() {
    let tx = good();
    let signature = signer(0).signature(tx.signature_hash());
    let order = U256::from_be_bytes(hex!(
        "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
    ));
    let high = Signature::new(signature.r(), order - signature.s(), !signature.v());
    for bad in [
        high,
        Signature::new(U256::ZERO, signature.s(), false),
        Signature::new(signature.r(), U256::ZERO, false),
        Signature::new(order, signature.s(), false),
    ] {
        let raw = tx.clone().into_signed(bad).encoded_2718();
        assert_eq!(decode(&raw), Err(TxError::InvalidSignature));
    }
}

#[test]
fn malformed_bytes_are_refused() {
    let good = raw(good());
    decode(&good).unwrap();
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    // good: 02, f8 LEN (list), 82 1c1d (chain id), 80 (nonce), 01 (tip), 84 .... (fee cap), …
    assert_eq!(&good[..8], &[2, 0xf8, good[2], 0x82, 0x1c, 0x1d, 0x80, 1]);
    let rows: [(&str, Vec<u8>); 14] = [
        ("nothing", vec![]),
        ("a string where a list belongs", vec![0x80]),
        ("a long string where a list belongs", vec![0xb8, 0x38]),
        ("a type and nothing else", vec![2]),
        ("an empty list", vec![2, 0xc0]),
        ("an empty legacy list", vec![0xc0]),
        ("a byte missing", good[..good.len() - 1].to_vec()),
        ("a byte too many", [good.as_slice(), &[0]].concat()),
        ("a list that says it is longer", with(2, good[2] + 1)),
        ("a list that says it is shorter", with(2, good[2] - 1)),
        ("a list of 2^64 bytes", [&[2, 0xff], [0xff; 8].as_slice()].concat()),
        ("a nonce with a leading zero", with(6, 0)),
        (
            "a number in a long form",
            [&[2, 0xf8, good[2] + 1], &good[3..7], &[0x81, 1], &good[8..]].concat(),
        ),
        ("a string in a string", {
            let mut wrapped = Vec::new();
            alloy_rlp::Encodable::encode(good.as_slice(), &mut wrapped);
            wrapped
        }),
    ];
    for (what, bytes) in rows {
        let error = decode(&bytes).unwrap_err();
        assert!(matches!(error, TxError::Malformed { .. }), "{what}: {error:?}");
        assert!(error.to_string().starts_with("rlp: "), "{error}");
    }
    // Any single byte changed gives an error, or another transaction: never this one's sender and hash.
    let tx = decode(&good).unwrap();
    for (at, byte) in good.iter().enumerate() {
        if let Ok(other) = decode(&with(at, byte ^ 1)) {
            assert_ne!(other.hash(), tx.hash());
            assert_ne!(other.sender(), tx.sender(), "byte {at}");
        }
    }
}

#[test]
fn a_transaction_is_held_against_its_account() {
    let tx = |nonce| decode(&raw(TxEip1559 { nonce, ..good() })).unwrap();
    let cost = tx(0).cost();
    let account = |nonce, balance| TrieAccount { nonce, balance, ..TrieAccount::default() };
    assert_eq!(tx(3).check(account(3, cost), 0), Ok(()));
    assert_eq!(tx(5).check(account(3, cost), 2), Ok(()));

    let words = |result: Result<(), TxError>, words: &str| {
        let error = result.unwrap_err();
        assert!(error.to_string().starts_with(words), "{error}");
        error
    };
    let error = words(tx(2).check(account(3, cost), 9), "nonce too low");
    assert_eq!(error, TxError::NonceTooLow { have: 2, want: 3 });
    let error = words(tx(6).check(account(3, cost), 2), "nonce too high");
    assert_eq!(error, TxError::NonceTooHigh { have: 6, want: 3, ahead_max: 2 });
    let balance = cost - U256::from(1);
    let funds = "insufficient funds for gas * price + value";
    let error = words(tx(3).check(account(3, balance), 0), funds);
    assert_eq!(error, TxError::InsufficientFunds { balance, cost });
    words(tx(0).check(TrieAccount::default(), 0), funds);
    let code_hash = keccak256([1]);
    let contract = TrieAccount { balance: cost, code_hash, ..TrieAccount::default() };
    let error = words(tx(0).check(contract, 0), "sender not an eoa");
    assert_eq!(error, TxError::SenderNotEoa { sender: signer(0).address() });
}

#[test]
fn the_pool_says_what_clients_know() {
    let mut pool = Pool::new(Limits::default());
    let now = Intake { at: lucid_core::Timestamp::from_unix_millis(START), reserved: false };
    let account = TrieAccount { balance: U256::MAX >> 1, ..TrieAccount::default() };
    let tx = decode(&raw(good())).unwrap();
    pool.add(tx.clone(), account, now).unwrap();
    let error = pool.add(tx.clone(), account, now).unwrap_err();
    assert_eq!(error, TxError::AlreadyKnown { hash: tx.hash() });
    assert!(error.to_string().starts_with("already known"));
    let other = decode(&raw(TxEip1559 { value: U256::ZERO, ..good() })).unwrap();
    let error = pool.add(other, account, now).unwrap_err();
    assert_eq!(error, TxError::Underpriced { needed_fee: 2_200_000_000, needed_tip: 2 });
    assert!(error.to_string().starts_with("replacement transaction underpriced"));
}
