//! Random blocks: replayed into an empty tree, held against a full recomputation, and looked back at.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, U256};
use proptest::prelude::*;

use super::{Everything, everything, full_root};
use crate::{
    At, BlockNumber, Chain, ChainError, Transaction, Unsigned, chain::HISTORY_BLOCKS, testing::*,
};

/// What one transaction does.
#[derive(Clone, Debug)]
enum Act {
    Send { from: u8, to: u8, wei: u64 },
    Store { from: u8, slot: u64, value: u64 },
    Revert { from: u8 },
    Deploy { from: u8, code: Vec<u8> },
}

fn acts() -> impl Strategy<Value = Act> {
    let from = 0..4_u8;
    prop_oneof![
        (from.clone(), any::<u8>(), any::<u64>()).prop_map(|(from, to, wei)| Act::Send {
            from,
            to,
            wei
        }),
        (from.clone(), 0..40_u64, 0..3_u64).prop_map(|(from, slot, value)| Act::Store {
            from,
            slot,
            value
        }),
        from.clone().prop_map(|from| Act::Revert { from }),
        (from, prop::collection::vec(0..0x60_u8, 0..40))
            .prop_map(|(from, code)| Act::Deploy { from, code }),
    ]
}

fn transaction(act: &Act, keeper: Address, nonces: &mut BTreeMap<u8, u64>) -> Transaction {
    let (from, unsigned) = match act {
        Act::Send { from, to, wei } => {
            let unsigned = unsigned(0, Some(Address::repeat_byte(*to)), words(&[]));
            (*from, Unsigned { value: U256::from(*wei), ..unsigned })
        }
        Act::Store { from, slot, value } => {
            (*from, unsigned(0, Some(keeper), words(&[*slot, *value])))
        }
        Act::Revert { from } => (*from, unsigned(0, Some(keeper), words(&[]))),
        Act::Deploy { from, code } => (*from, unsigned(0, None, init_code(code))),
    };
    let nonce = nonces.entry(from).or_default();
    let tx = signer(from).sign(Unsigned { nonce: *nonce, ..unsigned });
    *nonce += 1;
    tx
}

/// All rows of a tree.
fn rows(chain: &Chain) -> Vec<(sled::IVec, sled::IVec)> {
    chain.tree.iter().collect::<Result<_, _>>().unwrap()
}

/// Whether the state after a block reads as it was recorded then.
fn same_as_then(chain: &Chain, number: BlockNumber, then: &Everything, now: &Everything) {
    let at = At::Number(number);
    for address in then.accounts.keys().chain(now.accounts.keys()) {
        let expected = then.accounts.get(address).copied().unwrap_or_default();
        assert_eq!(chain.account(*address, at).unwrap(), expected, "{address} after {number}");
    }
    for slot in then.slots.keys().chain(now.slots.keys()) {
        let expected = then.slots.get(slot).copied().unwrap_or_default();
        let (address, slot) = (slot.0, U256::from_be_bytes(slot.1.0));
        assert_eq!(chain.slot(address, slot, at).unwrap(), expected, "{slot} after {number}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn replaying_random_blocks_gives_the_same_rows(
        blocks in prop::collection::vec(prop::collection::vec(acts(), 0..12), 1..12)
    ) {
        const KEPT: u64 = 4;
        let chain = Chain::open(tree(), genesis(), KEPT).unwrap();
        let keeper = deploy(&chain);
        let mut nonces = BTreeMap::from([(0, 1)]);
        let mut then = vec![Everything::default(), everything(&chain)];
        for acts in &blocks {
            let txs = acts.iter().map(|act| transaction(act, keeper, &mut nonces)).collect();
            block(&chain, txs);
            let all = everything(&chain);
            prop_assert_eq!(B256::from(chain.head().header.state_root.0), full_root(&all));
            then.push(all);
        }
        let head = chain.head();
        let last = head.header.number.0;
        prop_assert_eq!(head.oldest_state.0, last.saturating_sub(KEPT));
        for number in head.oldest_state.0.max(1)..=last {
            same_as_then(&chain, BlockNumber(number), &then[number as usize], &then[last as usize]);
        }
        if head.oldest_state.0 > 0 {
            let number = BlockNumber(head.oldest_state.0 - 1);
            let error = chain.account(keeper, At::Number(number)).unwrap_err();
            let kept = matches!(error, ChainError::StateNotKept { oldest, .. } if oldest == head.oldest_state);
            prop_assert!(kept, "{}", error);
        }
        // Nothing is left of what was to be forgotten.
        for row in chain.tree.scan_prefix(b"x").chain(chain.tree.scan_prefix(b"y")) {
            let key = row.unwrap().0;
            let number = u64::from_be_bytes(key[key.len() - 8..].try_into().unwrap());
            prop_assert!(number > head.oldest_state.0);
        }

        let replica = Chain::open(tree(), genesis(), KEPT).unwrap();
        for number in 1..=last {
            replica.replay(&chain.block(BlockNumber(number)).unwrap()).unwrap();
        }
        prop_assert_eq!(rows(&replica), rows(&chain));
        let reopened = Chain::open(chain.tree.clone(), genesis(), KEPT).unwrap();
        prop_assert_eq!(reopened.head(), chain.head());
    }
}

#[test]
fn fewer_states_are_kept_once_that_is_asked_for() {
    let tree = tree();
    let chain = Chain::open(tree.clone(), genesis(), HISTORY_BLOCKS).unwrap();
    for _ in 0..20 {
        block(&chain, vec![]);
    }
    assert_eq!(chain.head().oldest_state, BlockNumber(0));
    drop(chain);
    let chain = Chain::open(tree, genesis(), 2).unwrap();
    for gone in 1..=10 {
        block(&chain, vec![]);
        assert_eq!(chain.head().oldest_state, BlockNumber(2 * gone), "two blocks' worth at a time");
    }
    for _ in 0..20 {
        block(&chain, vec![]);
    }
    let head = chain.head();
    assert_eq!(head.oldest_state.0, head.header.number.0 - 2);
}
