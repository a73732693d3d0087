use std::collections::BTreeMap;

use alloy_primitives::{U256, keccak256};
use alloy_trie::root::{state_root_unhashed, storage_root_unhashed};
use proptest::prelude::*;

use super::*;

/// A trie kept in memory, and what it should hold.
#[derive(Default)]
struct Kept {
    nodes: BTreeMap<Vec<u8>, Vec<u8>>,
    values: BTreeMap<B256, U256>,
    root: Option<B256>,
}

impl Nodes for Kept {
    fn node(&self, path: &Nibbles) -> Result<Option<Vec<u8>>, ChainError> {
        Ok(self.nodes.get(&path.to_vec()).cloned())
    }

    fn name(&self) -> String {
        "the trie in memory".to_owned()
    }
}

impl Kept {
    fn root(&self) -> B256 {
        self.root.unwrap_or(EMPTY_ROOT_HASH)
    }

    fn apply(&mut self, changes: &BTreeMap<B256, U256>) {
        let rows = changes.iter().map(|(key, value)| {
            (keccak256(key), (!value.is_zero()).then(|| alloy_rlp::encode(value)))
        });
        let updated = update(self, self.root(), rows).unwrap();
        for (path, node) in updated.nodes {
            match node {
                Some(rlp) => self.nodes.insert(path.to_vec(), rlp),
                None => self.nodes.remove(&path.to_vec()),
            };
        }
        self.root = Some(updated.root);
        self.values.extend(changes);
        self.values.retain(|_, value| !value.is_zero());
    }

    /// Nodes that the trie of the present values has, counted from scratch.
    fn fresh(&self) -> Self {
        let mut fresh = Self::default();
        fresh.apply(&self.values);
        fresh
    }
}

fn slot(number: u64) -> B256 {
    B256::from(U256::from(number))
}

proptest! {
    // The published implementation computes every root from all leaves; the nodes that are left must be
    // those of a trie that never held anything else, or removed ones would pile up.
    #[test]
    fn every_update_has_the_root_of_a_full_recomputation(
        rounds in prop::collection::vec(
            prop::collection::btree_map(0_u64..60, 0_u64..4, 0..25),
            1..12,
        )
    ) {
        let mut kept = Kept::default();
        for round in rounds {
            let changes: BTreeMap<_, _> =
                round.into_iter().map(|(key, value)| (slot(key), U256::from(value))).collect();
            kept.apply(&changes);
            let full = storage_root_unhashed(kept.values.iter().map(|(key, value)| (*key, *value)));
            prop_assert_eq!(kept.root(), full);
            let fresh = kept.fresh();
            prop_assert_eq!(&kept.nodes, &fresh.nodes);
        }
    }
}

#[test]
fn a_trie_that_loses_its_last_key_is_empty() {
    let mut kept = Kept::default();
    kept.apply(&[(slot(1), U256::from(7))].into());
    kept.apply(&[(slot(1), U256::ZERO), (slot(2), U256::ZERO)].into());
    assert_eq!(kept.root(), EMPTY_ROOT_HASH);
    assert!(kept.nodes.is_empty());
    assert_eq!(EMPTY_ROOT_HASH, state_root_unhashed([] as [(_, alloy_trie::TrieAccount); 0]));
}

#[test]
fn reads_only_the_changed_paths() {
    let mut kept = Kept::default();
    kept.apply(&(0..5_000).map(|number| (slot(number), U256::from(1))).collect());
    let changed = update(&kept, kept.root(), [(keccak256(slot(9)), Some(vec![2]))]).unwrap();
    // 5,000 leaves are some four levels deep.
    assert!(changed.nodes.len() < 8, "{}", changed.nodes.len());
}

#[test]
fn a_node_that_is_not_the_one_named_is_an_error() {
    let mut kept = Kept::default();
    kept.apply(&(0..50).map(|number| (slot(number), U256::from(number + 1))).collect());
    let root_node = kept.nodes.get_mut(&Vec::new()).unwrap();
    *root_node.last_mut().unwrap() ^= 1;
    let error = update(&kept, kept.root(), [(keccak256(slot(1)), None)]).unwrap_err();
    assert!(error.to_string().contains("the trie in memory"), "{error}");
    kept.nodes.clear();
    let error = update(&kept, kept.root(), [(keccak256(slot(1)), None)]).unwrap_err();
    assert!(error.to_string().contains("missing"), "{error}");
}

proptest! {
    /// Exactly what is in it holds: present and absent keys together, and none that differs.
    #[test]
    fn values_are_held_to_what_the_trie_has(
        values in prop::collection::btree_map(0_u64..60, 1_u64..4, 0..25),
        asked in prop::collection::btree_set(0_u64..80, 1..20),
        wrong in any::<prop::sample::Index>(),
        other in 0_u64..5,
    ) {
        let mut kept = Kept::default();
        kept.apply(&values.iter().map(|(key, value)| (slot(*key), U256::from(*value))).collect());
        let row = |key: u64, value: u64| {
            (keccak256(slot(key)), (value > 0).then(|| alloy_rlp::encode(U256::from(value))))
        };
        let value = |key: &u64| values.get(key).copied().unwrap_or_default();
        let rows = || asked.iter().map(|key| row(*key, value(key))).collect::<Vec<_>>();
        hold(&kept, kept.root(), rows()).unwrap();
        let (mut altered, place) = (rows(), wrong.index(asked.len()));
        let key = *asked.iter().nth(place).unwrap();
        altered[place] = row(key, other);
        prop_assert_eq!(hold(&kept, kept.root(), altered).is_ok(), other == value(&key));
    }
}

#[test]
fn values_are_not_held_to_a_node_that_is_not_the_one_named() {
    let mut kept = Kept::default();
    kept.apply(&(0..50).map(|number| (slot(number), U256::from(number + 1))).collect());
    let row = || [(keccak256(slot(1)), Some(alloy_rlp::encode(U256::from(2))))];
    hold(&kept, kept.root(), row()).unwrap();
    *kept.nodes.get_mut(&Vec::new()).unwrap().last_mut().unwrap() ^= 1;
    let error = hold(&kept, kept.root(), row()).unwrap_err();
    assert!(error.to_string().contains("not the one that its parent names"), "{error}");
}
