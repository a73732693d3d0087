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
    made(from, plain(nonce, tip))
}

fn plain(nonce: u64, tip: u128) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN.0,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: u128::from(BASE_FEE) + tip,
        max_priority_fee_per_gas: tip,
        to: Address::ZERO.into(),
        ..TxEip1559::default()
    }
}

fn made(from: u8, tx: TxEip1559) -> Transaction {
    let signature = signer(from).signature(tx.signature_hash());
    Transaction::decode(&tx.into_signed(signature).encoded_2718(), CHAIN).unwrap()
}

fn after(millis: u64) -> Timestamp {
    Timestamp::from_unix_millis(START + millis)
}

fn add(
    pool: &mut Pool,
    tx: Transaction,
    account: TrieAccount,
) -> Result<Vec<Transaction>, TxError> {
    pool.add(tx, account, Intake { at: after(0), reserved: false })
}

fn reserve(pool: &mut Pool, tx: Transaction) -> Result<Vec<Transaction>, TxError> {
    pool.add(tx, rich(), Intake { at: after(0), reserved: true })
}

/// A transaction of signer `from` with so many bytes of calldata.
fn long(from: u8, nonce: u64, tip: u128, bytes: usize) -> Transaction {
    let gas_limit = 21_000 + 40 * bytes as u64;
    made(from, TxEip1559 { gas_limit, input: vec![7; bytes].into(), ..plain(nonce, tip) })
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
        assert_eq!(add(&mut pool, tx(from, nonce, tip), rich()), Ok(vec![]));
    }
    assert_eq!(offered(&pool, 0), [(1, 0), (1, 1), (2, 0), (0, 0), (0, 1)]);
    assert_eq!(offered(&pool, 1), [(3, 1), (0, 1), (1, 1)]);
    assert_eq!(pool.next_nonce(signer(0).address(), 0), 2);
    assert_eq!(pool.next_nonce(signer(2).address(), 0), 1, "a gap");
    assert_eq!(pool.next_nonce(signer(4).address(), 7), 7);
    // The gap is filled.
    add(&mut pool, tx(3, 0, 1), rich()).unwrap();
    assert_eq!(offered(&pool, 0)[4..], [(0, 1), (3, 0), (3, 1)]);

    let Ok(()) = pool.prune(|_| Ok::<_, Infallible>(TrieAccount { nonce: 1, ..rich() }));
    assert_eq!(offered(&pool, 0), []);
    assert_eq!(pool.len(), 4);
}

#[test]
fn a_replacement_pays_a_tenth_more() {
    let mut pool = pool(8, 100);
    let old = tx(0, 0, 1_000_000_000);
    add(&mut pool, old.clone(), rich()).unwrap();
    let needed = TxError::Underpriced { needed_fee: 2_200_000_000, needed_tip: 1_100_000_000 };
    assert_eq!(add(&mut pool, tx(0, 0, 1_199_999_999), rich()), Err(needed.clone()));
    assert_eq!(add(&mut pool, tx(0, 0, 1), rich()), Err(needed));
    let new = tx(0, 0, 1_200_000_000);
    assert_eq!(add(&mut pool, new.clone(), rich()), Ok(vec![old.clone()]));
    assert_eq!(pool.get(old.hash()), None);
    assert_eq!(pool.get(new.hash()), Some(&new));
    assert_eq!(pool.len(), 1);
    assert_eq!(pool.remove(new.hash()), Some(new));
    assert!(pool.is_empty() && pool.common == Room::default());
}

#[test]
fn what_waits_before_is_paid_first() {
    let mut pool = pool(8, 100);
    let cost = tx(0, 0, 0).cost();
    let account = TrieAccount { balance: cost * U256::from(2), ..TrieAccount::default() };
    add(&mut pool, tx(0, 0, 0), account).unwrap();
    add(&mut pool, tx(0, 1, 0), account).unwrap();
    let error = TxError::InsufficientFunds { balance: U256::ZERO, cost };
    assert_eq!(add(&mut pool, tx(0, 2, 0), account), Err(error));
}

#[test]
fn an_account_and_the_pool_have_bounds() {
    let mut pool = pool(3, 5);
    for nonce in 0..3 {
        add(&mut pool, tx(0, nonce, 10 + u128::from(nonce)), rich()).unwrap();
    }
    let sender = signer(0).address();
    let far = TxError::NonceTooHigh { have: 4, want: 0, ahead_max: 3 };
    assert_eq!(add(&mut pool, tx(0, 4, 99), rich()), Err(far));
    assert_eq!(
        add(&mut pool, tx(0, 3, 99), rich()),
        Err(TxError::AccountLimit { sender, limit: 3 })
    );
    add(&mut pool, tx(1, 0, 20), rich()).unwrap();
    add(&mut pool, tx(2, 0, 5), rich()).unwrap();
    // Full: who pays no more is refused, who pays more takes the place of the one that would be last.
    assert_eq!(add(&mut pool, tx(3, 0, 5), rich()), Err(TxError::PoolFull));
    let gone = add(&mut pool, tx(3, 0, 6), rich()).unwrap().remove(0);
    assert_eq!((gone.sender(), pool.len()), (signer(2).address(), 5));
    // Its own last makes no room for the next, which would have a gap before it; another's does.
    for (from, nonce, last) in [(3, 1, 2), (4, 0, 1), (5, 0, 0)] {
        let gone = add(&mut pool, tx(from, nonce, 50), rich()).unwrap();
        let gone: Vec<_> = gone.iter().map(|tx| (tx.sender(), tx.nonce())).collect();
        assert_eq!(gone, [(sender, last)], "no gap is made");
    }
    // A replacement needs no place.
    assert!(add(&mut pool, tx(5, 0, 1_200_000_000), rich()).unwrap().len() == 1);
    assert_eq!(pool.len(), 5);

    let small = tx(0, 0, 1);
    let mut pool = Pool::new(Limits { bytes: small.raw().len(), ..Limits::default() });
    add(&mut pool, small, rich()).unwrap();
    assert_eq!(add(&mut pool, tx(1, 0, 1), rich()), Err(TxError::PoolFull));
    assert!(add(&mut pool, tx(1, 0, 2), rich()).unwrap().len() == 1);
}

#[test]
fn what_is_not_ready_has_little_room_and_gives_way() {
    let limits = Limits { account: 64, total: 64, bytes: 1 << 20 };
    let mut pool = Pool::new(limits);
    // With a gap, at any price: an eighth of the bytes, then of the places.
    for nonce in 1..=4 {
        add(&mut pool, long(0, nonce, 1_000_000, 30_000), rich()).unwrap();
    }
    let more = long(0, 5, 1_000_000, 30_000);
    assert_eq!(add(&mut pool, more, rich()), Err(TxError::PoolFull));
    // Another's takes their place where it pays more, and not otherwise.
    assert_eq!(add(&mut pool, long(1, 1, 1_000_000, 30_000), rich()), Err(TxError::PoolFull));
    let gone = add(&mut pool, long(1, 1, 2_000_000, 30_000), rich()).unwrap();
    assert_eq!((gone.len(), gone[0].nonce()), (1, 4), "the newest of those that pay least");
    // What is ready, at no price, takes all of it.
    let mut gone = Vec::new();
    for from in 2..6 {
        for nonce in 0..9 {
            gone.extend(add(&mut pool, long(from, nonce, 0, 28_000), rich()).unwrap());
        }
    }
    assert_eq!(gone.len(), 3, "as many as need be");
    // Full of what is ready: who pays as much is refused, and so is what is not ready.
    let mut full = || add(&mut pool, long(6, 0, 0, 60_000), rich());
    assert_eq!(full(), Err(TxError::PoolFull));
    assert_eq!(add(&mut pool, tx(6, 1, 9), rich()), Ok(vec![]), "a small one");
    // One that is long and pays more takes the place of several.
    let gone = add(&mut pool, long(7, 0, 1, 60_000), rich()).unwrap();
    assert_eq!(gone.iter().map(Transaction::nonce).collect::<Vec<_>>(), [1, 1, 8]);
}

#[test]
fn what_cannot_be_paid_any_more_is_not_ready() {
    let mut pool = pool(8, 4);
    let cost = tx(0, 0, 0).cost();
    let account = TrieAccount { balance: cost * U256::from(4), ..TrieAccount::default() };
    for nonce in 0..3 {
        add(&mut pool, tx(0, nonce, 0), account).unwrap();
    }
    add(&mut pool, tx(1, 0, 0), rich()).unwrap();
    assert_eq!(add(&mut pool, tx(2, 0, 0), rich()), Err(TxError::PoolFull));
    // The first is replaced by one that spends nearly all of it.
    let spends = TxEip1559 { value: cost * U256::from(2), ..plain(0, 200_000_000) };
    add(&mut pool, made(0, spends), account).unwrap();
    let gone = add(&mut pool, tx(2, 0, 0), rich()).unwrap();
    assert_eq!((gone[0].sender(), gone[0].nonce()), (signer(0).address(), 2));
}

#[test]
fn nothing_waits_for_ever() {
    let mut pool = pool(8, 100);
    add(&mut pool, tx(0, 0, 0), rich()).unwrap();
    add(&mut pool, tx(1, 1, 0), rich()).unwrap();
    reserve(&mut pool, tx(2, 1, 0)).unwrap();
    pool.expire(after(UNREADY_MILLIS_MAX));
    assert_eq!(pool.len(), 3);
    pool.expire(after(UNREADY_MILLIS_MAX + 1));
    assert_eq!(pool.len(), 3, "looked at a moment ago");
    pool.expire(after(UNREADY_MILLIS_MAX + 1000));
    assert_eq!(pool.len(), 1);
    pool.expire(after(WAITING_MILLIS_MAX + 1));
    assert!(pool.is_empty());
    assert_eq!((pool.common, pool.reserved), (Room::default(), Room::default()));
}

#[test]
fn what_is_reserved_has_room_of_its_own_and_goes_first() {
    let limits = Limits { account: 64, total: 4, bytes: 1 << 20 };
    let mut pool = Pool::new(limits);
    for nonce in 0..4 {
        add(&mut pool, tx(0, nonce, 1_000_000), rich()).unwrap();
    }
    // The pool is full, and at this price for nobody else.
    assert_eq!(add(&mut pool, tx(1, 0, 0), rich()), Err(TxError::PoolFull));
    assert_eq!(reserve(&mut pool, tx(1, 0, 0)), Ok(vec![]));
    assert_eq!(reserve(&mut pool, tx(2, 0, 50)), Ok(vec![]));
    assert_eq!(reserve(&mut pool, tx(2, 1, 99)), Ok(vec![]));
    assert!(pool.is_reserved(tx(1, 0, 0).hash()) && !pool.is_reserved(tx(0, 0, 1_000_000).hash()));
    // One of each account, who came first, whatever they pay; then by price.
    let offers = [(1, 0), (2, 0), (0, 0), (0, 1), (0, 2), (0, 3), (2, 1)];
    assert_eq!(offered(&pool, 0), offers);
    // No price takes a reserved one's place.
    let gone = add(&mut pool, tx(3, 0, 2_000_000), rich()).unwrap();
    assert_eq!(gone[0].sender(), signer(0).address());

    // Each account has so much of it, in transactions and in bytes; then the room of all.
    for nonce in 1..RESERVED_OF_ACCOUNT as u64 {
        reserve(&mut pool, tx(1, nonce, 0)).unwrap();
    }
    let more = RESERVED_OF_ACCOUNT as u64;
    assert_eq!(reserve(&mut pool, tx(1, more, 0)), Err(TxError::PoolFull));
    assert_eq!(reserve(&mut pool, long(4, 0, 0, 120_000)), Ok(vec![]));
    assert_eq!(reserve(&mut pool, long(4, 1, 0, 60_000)), Err(TxError::PoolFull));
    // A replacement has the room of what it replaces.
    let old = long(4, 0, 0, 120_000);
    let gone = reserve(&mut pool, long(4, 0, 1_200_000_000, 120_000)).unwrap();
    assert_eq!(gone, [old]);
    assert_eq!(pool.reserved.count, 11);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn its_books_balance(adds in prop::collection::vec((0_u8..4, 0_u64..6, 0_u128..9), 1..40)) {
        let mut pool = pool(4, 8);
        for (from, nonce, tip) in adds {
            let _refused = add(&mut pool, tx(from, nonce, tip * 500_000_000), rich());
            let waiting = || pool.accounts.values().flat_map(|of| of.waiting.values());
            prop_assert!(pool.len() <= 8 && pool.accounts.values().all(|of| of.waiting.len() <= 4));
            prop_assert_eq!(waiting().count(), pool.len());
            let bytes = waiting().map(|waiting| waiting.tx.raw().len()).sum::<usize>();
            prop_assert_eq!((pool.len(), bytes), (pool.common.count, pool.common.bytes));
            let unready = pool.accounts.values().map(|of| of.waiting.len() - of.ready()).sum::<usize>();
            prop_assert!(unready <= 1, "an eighth");
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
