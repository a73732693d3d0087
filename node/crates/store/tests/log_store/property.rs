//! The log against a list.

use lucid_core::{EntryIndex, merkle};
use lucid_store::log::LogReader;
use proptest::prelude::*;

use crate::support::*;

#[derive(Clone, Debug)]
enum Step {
    Append(u64),
    Reopen,
    ReadOnly,
    Prove(u64, u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0_u64..600).prop_map(Step::Append),
        3 => (0_u64..4).prop_map(Step::Append),
        1 => Just(Step::Reopen),
        1 => Just(Step::ReadOnly),
        4 => any::<(u64, u64)>().prop_map(|(size, index)| Step::Prove(size, index)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_log_is_a_list(steps in proptest::collection::vec(step(), 1..12)) {
        let (_folder, dir, mut log) = new_log();
        let mut list: Vec<Vec<u8>> = Vec::new();
        for step in steps {
            match step {
                Step::Append(count) => {
                    let from = list.len() as u64;
                    list.extend(entries(from, from + count));
                    let appended = log.append(&list[from as usize..]).unwrap();
                    prop_assert_eq!(appended, EntryIndex(from)..EntryIndex(from + count));
                }
                Step::Reopen => {
                    drop(log);
                    log = open(&dir);
                    assert_holds(&log, &list);
                }
                Step::ReadOnly => assert_holds(&LogReader::open(&dir, &public()).unwrap(), &list),
                Step::Prove(size, index) if !list.is_empty() => {
                    let leaves = leaves(&list);
                    let size = size % list.len() as u64 + 1;
                    let index = index % size;
                    let path = log.inclusion_proof(EntryIndex(index), size).unwrap();
                    let tree = &leaves[..size as usize];
                    prop_assert_eq!(path, merkle::inclusion_proof(tree, index).unwrap());
                    let path = log.consistency_proof(size, log.size()).unwrap();
                    prop_assert_eq!(path, merkle::consistency_proof(&leaves, size).unwrap());
                }
                Step::Prove(..) => {}
            }
        }
        drop(log);
        assert_sound(&dir, &list);
    }
}
