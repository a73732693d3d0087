use alloy_primitives::{Address, B256, U256, hex};
use proptest::prelude::*;

use crate::{
    ALTERNATIVES_MAX, BlockNumber, Chain, ChainError, LOG_BLOCKS_MAX, LogFilter, Patience,
    testing::*,
};

/// Blocks in which the keeper logs these topics.
fn logged(blocks: &[Vec<u64>]) -> (Chain, Address) {
    let chain = chain();
    let keeper = deploy(&chain);
    let mut nonce = 0;
    for topics in blocks {
        let store = |topic: &u64| {
            nonce += 1;
            signer(1).sign(unsigned(nonce - 1, Some(keeper), words(&[*topic, 1])))
        };
        block(&chain, topics.iter().map(store).collect());
    }
    (chain, keeper)
}

fn topic(number: u64) -> B256 {
    B256::from(U256::from(number))
}

#[test]
fn finds_what_a_filter_asks_for_where_it_is() {
    let (chain, keeper) = logged(&[vec![7, 8], vec![], vec![8, 9, 8]]);
    let find = |from, to, addresses: &[Address], topics: &[&[u64]]| {
        let filter = LogFilter {
            addresses: addresses.to_vec(),
            topics: topics.iter().map(|any| any.iter().copied().map(topic).collect()).collect(),
        };
        let found = chain.logs(BlockNumber(from), BlockNumber(to), &filter).unwrap();
        found.iter().map(|entry| (entry.number.0, entry.log_index)).collect::<Vec<_>>()
    };
    let all = [(2, 0), (2, 1), (4, 0), (4, 1), (4, 2)];
    assert_eq!(find(0, 4, &[], &[]), all);
    assert_eq!(find(0, u64::MAX, &[keeper], &[&[]]), all);
    assert_eq!(find(3, 4, &[], &[]), all[2..]);
    assert_eq!(find(0, 4, &[], &[&[8]]), [all[1], all[2], all[4]]);
    assert_eq!(find(0, 4, &[keeper, Address::ZERO], &[&[7, 9]]), [all[0], all[3]]);
    assert_eq!(find(0, 4, &[Address::ZERO], &[]), []);
    assert_eq!(find(0, 4, &[], &[&[8], &[]]), [], "it has one topic");

    let entries = chain.logs(BlockNumber(4), BlockNumber(4), &LogFilter::default()).unwrap();
    let last = &entries[2];
    assert_eq!(last.block_hash, chain.head().hash);
    assert_eq!((last.transaction_index, last.log.address), (2, keeper));
    let included = chain.included(last.transaction_hash).unwrap().unwrap();
    assert_eq!((included.number, included.index), (BlockNumber(4), 2));
    assert_eq!(included.receipt.logs.iter().collect::<Vec<_>>(), [&last.log]);
}

#[test]
fn a_query_is_bounded_and_says_so() {
    let (chain, _) = logged(&[]);
    let all = LogFilter::default();
    let error = chain.logs(BlockNumber(2), BlockNumber(1), &all).unwrap_err();
    assert!(matches!(error, ChainError::RangeBackwards { .. }), "{error}");
    let error = chain.logs(BlockNumber(2), BlockNumber(9), &all).unwrap_err();
    assert!(matches!(error, ChainError::NoSuchBlock { .. }), "{error}");
    for (filter, words) in [
        (
            LogFilter { addresses: vec![Address::ZERO; ALTERNATIVES_MAX + 1], ..all.clone() },
            "1000 addresses",
        ),
        (LogFilter { topics: vec![vec![]; 5], ..all.clone() }, "4 topic positions"),
        (
            LogFilter { topics: vec![vec![B256::ZERO; ALTERNATIVES_MAX + 1]], ..all.clone() },
            "1000 topics",
        ),
    ] {
        let error = chain.logs(BlockNumber(0), BlockNumber(1), &filter).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
    while chain.head().header.number.0 < LOG_BLOCKS_MAX {
        block(&chain, vec![]);
    }
    let error = chain.logs(BlockNumber(0), BlockNumber(u64::MAX), &all).unwrap_err();
    assert!(
        matches!(error, ChainError::RangeTooWide { blocks: 10_001, blocks_max: LOG_BLOCKS_MAX }),
        "{error}"
    );
    assert_eq!(chain.logs(BlockNumber(1), BlockNumber(u64::MAX), &all).unwrap(), []);
}

#[test]
fn too_many_logs_are_refused_with_the_block_where_they_became_too_many() {
    // LOG0 of nothing, over and over until 1,500 gas are left: JUMPDEST, PUSH0, PUSH0, LOG0,
    // PUSH2 1500, GAS, GT, PUSH0, JUMPI.
    let chain = chain();
    let deploy = signer(7).sign(unsigned(
        0,
        None,
        init_code(&[0x5b, 0x5f, 0x5f, 0xa0, 0x61, 0x05, 0xdc, 0x5a, 0x11, 0x5f, 0x57]),
    ));
    let talker = deploy.creates().unwrap();
    block(&chain, vec![deploy]);
    let talk = |nonce| {
        let unsigned = unsigned(nonce, Some(talker), words(&[]));
        signer(7).sign(crate::Unsigned { gas_limit: 1_900_000, ..unsigned })
    };
    for nonce in 1..4 {
        assert!(block(&chain, vec![talk(nonce)])[0].logs.len() > 4000);
    }
    let error = chain.logs(BlockNumber(0), BlockNumber(9), &LogFilter::default()).unwrap_err();
    assert!(matches!(error, ChainError::TooManyLogs { number: BlockNumber(4), .. }), "{error}");
    assert!(
        chain.logs(BlockNumber(0), BlockNumber(3), &LogFilter::default()).unwrap().len() > 8000
    );
}

#[test]
fn logs_that_are_long_together_are_refused_too() {
    // LOG0 of 64 KiB at a time until 700,000 gas are left: JUMPDEST, PUSH3 65536, PUSH0, LOG0,
    // PUSH3 700,000, GAS, GT, PUSH0, JUMPI.
    let code = hex!("5b" "62010000" "5f" "a0" "620aae60" "5a" "11" "5f" "57");
    let chain = chain();
    let deploy = signer(7).sign(unsigned(0, None, init_code(&code)));
    let talker = deploy.creates().unwrap();
    block(&chain, vec![deploy]);
    let talk = |nonce| {
        let unsigned = unsigned(nonce, Some(talker), words(&[]));
        signer(7).sign(crate::Unsigned { gas_limit: 16_000_000, ..unsigned })
    };
    let receipts = block(&chain, (1..=9).map(talk).collect());
    assert!(receipts.iter().all(|receipt| receipt.success));
    let error = chain.logs(BlockNumber(0), BlockNumber(9), &LogFilter::default()).unwrap_err();
    assert!(matches!(error, ChainError::LogsTooLong { number: BlockNumber(2), .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    // The bloom and the index may not hide a log: every answer is that of reading all receipts.
    #[test]
    fn answers_what_reading_all_receipts_does(
        blocks in prop::collection::vec(prop::collection::vec(0..6_u64, 0..20), 1..6),
        any in prop::collection::vec(0..6_u64, 0..3),
        from in 0..4_u64,
    ) {
        let (chain, _) = logged(&blocks);
        let filter = LogFilter { addresses: vec![], topics: vec![any.into_iter().map(topic).collect()] };
        let last = chain.head().header.number.0;
        let mut slow = Vec::new();
        for number in from.min(last)..=last {
            let receipts = chain.receipts(BlockNumber(number)).unwrap();
            let logs = receipts.into_iter().flat_map(|receipt| receipt.logs);
            slow.extend(logs.filter(|log| filter.matches(log)).map(|log| (number, log)));
        }
        let fast = chain.logs(BlockNumber(from.min(last)), BlockNumber(last), &filter).unwrap();
        let fast: Vec<_> = fast.into_iter().map(|entry| (entry.number.0, entry.log)).collect();
        prop_assert_eq!(fast, slow);
    }
}

#[test]
fn a_query_ends_when_its_time_does() {
    // Blocks 2 to 6 have a log each; the others have nothing to be looked into.
    let (chain, _) = logged(&[vec![1], vec![1], vec![1], vec![1], vec![1]]);
    let all = LogFilter::default();
    let looks = std::cell::Cell::new(0);
    let is_over = || {
        looks.set(looks.get() + 1);
        looks.get() > 3
    };
    let (from, to) = (BlockNumber(0), BlockNumber(6));
    let error = chain.logs_within(from, to, &all, Patience::until(&is_over)).unwrap_err();
    assert!(matches!(error, ChainError::OutOfTime { number: BlockNumber(5) }), "{error}");
    assert_eq!(chain.logs(from, to, &all).unwrap().len(), 5);
}
