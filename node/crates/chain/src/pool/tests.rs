use core::convert::Infallible;

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_eips::Encodable2718;
use proptest::prelude::*;

use super::*;
use crate::{rules::BASE_FEE, testing::*};

fn rich() -> TrieAccount {
    TrieAccount { balance: U256::MAX >> 1, ..TrieAccount::default() }
}

/// A transaction of signer `from` that pays `tip`.
fn tx(from: u8, nonce: u64, tip: u128) -> Transaction {
    let tx = TxEip1559 {
        chain_id: CHAIN.0,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: u128::from(BASE_FEE) + tip,
        max_priority_fee_per_gas: tip,
        to: Address::ZERO.into(),
        ..TxEip1559::default()
    };
    let signature = signer(from).signature(tx.signature_hash());
    Transaction::decode(&tx.into_signed(signature).encoded_2718(), CHAIN).unwrap()
}

fn pool(account: usize, total: usize) -> Pool {
    Pool::new(Limits { account, total, bytes: 1 << 20 })
}

/// Who is offered, as signer and nonce, where all accounts begin at `first`.
fn offered(pool: &Pool, first: u64) -> Vec<(u8, u64)> {
    let Ok(candidates) = pool.candidates(|_| Ok::<_, Infallible>(first));
    let name = |tx: &Transaction| (0..9).find(|from| signer(*from).address() == tx.sender());
    candidates.iter().map(|tx| (name(tx).unwrap(), tx.nonce())).collect()
}

#[test]
fn offers_who_pays_more_then_who_came_first_and_no_gaps() {
    let mut pool = pool(8, 100);
    for (from, nonce, tip) in
        [(0, 1, 9), (0, 0, 1), (1, 0, 5), (2, 0, 5), (1, 1, 7), (3, 1, 99), (2, 2, 50)]
    {
        assert_eq!(pool.add(tx(from, nonce, tip), rich()), Ok(None));
    }
    assert_eq!(offered(&pool, 0), [(1, 0), (1, 1), (2, 0), (0, 0), (0, 1)]);
    assert_eq!(offered(&pool, 1), [(3, 1), (0, 1), (1, 1)]);
    assert_eq!(pool.next_nonce(signer(0).address(), 0), 2);
    assert_eq!(pool.next_nonce(signer(2).address(), 0), 1, "a gap");
    assert_eq!(pool.next_nonce(signer(4).address(), 7), 7);
    // The gap is filled.
    pool.add(tx(3, 0, 1), rich()).unwrap();
    assert_eq!(offered(&pool, 0)[4..], [(0, 1), (3, 0), (3, 1)]);

    let Ok(()) = pool.prune(|_| Ok::<_, Infallible>(1));
    assert_eq!(offered(&pool, 0), []);
    assert_eq!(pool.len(), 4);
}

#[test]
fn a_replacement_pays_a_tenth_more() {
    let mut pool = pool(8, 100);
    let old = tx(0, 0, 1_000_000_000);
    pool.add(old.clone(), rich()).unwrap();
    let needed = TxError::Underpriced { needed_fee: 2_200_000_000, needed_tip: 1_100_000_000 };
    assert_eq!(pool.add(tx(0, 0, 1_199_999_999), rich()), Err(needed.clone()));
    assert_eq!(pool.add(tx(0, 0, 1), rich()), Err(needed));
    let new = tx(0, 0, 1_200_000_000);
    assert_eq!(pool.add(new.clone(), rich()), Ok(Some(old.clone())));
    assert_eq!(pool.get(old.hash()), None);
    assert_eq!(pool.get(new.hash()), Some(&new));
    assert_eq!(pool.len(), 1);
    assert_eq!(pool.remove(new.hash()), Some(new));
    assert!(pool.is_empty() && pool.bytes == 0);
}

#[test]
fn what_waits_before_is_paid_first() {
    let mut pool = pool(8, 100);
    let cost = tx(0, 0, 0).cost();
    let account = TrieAccount { balance: cost * U256::from(2), ..TrieAccount::default() };
    pool.add(tx(0, 0, 0), account).unwrap();
    pool.add(tx(0, 1, 0), account).unwrap();
    let error = TxError::InsufficientFunds { balance: U256::ZERO, cost };
    assert_eq!(pool.add(tx(0, 2, 0), account), Err(error));
}

#[test]
fn an_account_and_the_pool_have_bounds() {
    let mut pool = pool(3, 5);
    for nonce in 0..3 {
        pool.add(tx(0, nonce, 10 + u128::from(nonce)), rich()).unwrap();
    }
    let sender = signer(0).address();
    let far = TxError::NonceTooHigh { have: 4, want: 0, ahead_max: 3 };
    assert_eq!(pool.add(tx(0, 4, 99), rich()), Err(far));
    assert_eq!(pool.add(tx(0, 3, 99), rich()), Err(TxError::AccountLimit { sender, limit: 3 }));
    pool.add(tx(1, 0, 20), rich()).unwrap();
    pool.add(tx(2, 0, 5), rich()).unwrap();
    // Full: who pays no more is refused, who pays more takes the place of the one that would be last.
    assert_eq!(pool.add(tx(3, 0, 5), rich()), Err(TxError::PoolFull));
    let gone = pool.add(tx(3, 0, 6), rich()).unwrap().unwrap();
    assert_eq!((gone.sender(), pool.len()), (signer(2).address(), 5));
    // Then the last of account 0, whose tip is higher than 6 but lower than 20.
    pool.add(tx(3, 1, 50), rich()).unwrap_err();
    let gone = pool.add(tx(4, 0, 50), rich()).unwrap().unwrap();
    assert_eq!(gone.sender(), signer(3).address());
    let gone = pool.add(tx(5, 0, 50), rich()).unwrap().unwrap();
    assert_eq!((gone.sender(), gone.nonce()), (sender, 2), "no gap is made");
    // A replacement needs no place.
    assert!(pool.add(tx(5, 0, 1_200_000_000), rich()).unwrap().is_some());
    assert_eq!(pool.len(), 5);

    let small = tx(0, 0, 1);
    let mut pool = Pool::new(Limits { bytes: small.raw().len(), ..Limits::default() });
    pool.add(small, rich()).unwrap();
    assert_eq!(pool.add(tx(1, 0, 1), rich()), Err(TxError::PoolFull));
    assert!(pool.add(tx(1, 0, 2), rich()).unwrap().is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn its_books_balance(adds in prop::collection::vec((0_u8..4, 0_u64..6, 0_u128..9), 1..40)) {
        let mut pool = pool(4, 8);
        for (from, nonce, tip) in adds {
            let _refused = pool.add(tx(from, nonce, tip * 500_000_000), rich());
            let waiting = || pool.accounts.values().flat_map(BTreeMap::values);
            prop_assert!(pool.len() <= 8 && pool.accounts.values().all(|of| of.len() <= 4));
            prop_assert_eq!(waiting().count(), pool.len());
            prop_assert_eq!(waiting().map(|waiting| waiting.tx.raw().len()).sum::<usize>(), pool.bytes);
            for waiting in waiting() {
                prop_assert_eq!(pool.get(waiting.tx.hash()), Some(&waiting.tx));
            }
            let offers = offered(&pool, 0);
            for from in 0..4 {
                let nonces: Vec<_> = offers.iter().filter(|(who, _)| *who == from).map(|o| o.1).collect();
                prop_assert_eq!(&nonces, &(0..nonces.len() as u64).collect::<Vec<_>>());
            }
        }
    }
}
