use alloy_primitives::Log;
use alloy_sol_types::sol;
use lucid_core::{SessionId, Timestamp};
use serde_json::Value;

use super::*;
use crate::{Signer, testing};

fn governance(node: Address) -> Governance {
    Governance {
        nodes: vec![(node, Hash::of(b"log key"))],
        voting_delay: 1,
        voting_period: 60,
        vote_extension: 30,
        quorum_percent: 50,
        timelock_delay: 10,
    }
}

pub(crate) fn sealed(number: u8, owner: &str) -> SessionSealed {
    SessionSealed {
        at: Timestamp::from_unix_millis(1),
        chunk_count: 3,
        kind: Default::default(),
        manifest_hash: Hash::of(b"manifest"),
        merkle_root: Hash::of(&[number]),
        owner: owner.parse().unwrap(),
        plain_bytes: 9_007_199_254_740_991,
        policy_hash: Hash::of(b"policy"),
        session_id: SessionId::from_random([number; 16]),
        v: Default::default(),
    }
}

/// A chain with the contracts on it.
fn begun() -> (Chain, Signer, Contracts) {
    let chain = testing::chain();
    let (signer, contracts) = begin(&chain);
    (chain, signer, contracts)
}

/// Creates the contracts on an empty chain.
pub(crate) fn begin(chain: &Chain) -> (Signer, Contracts) {
    let signer = testing::signer(0);
    let contracts = Contracts::of(signer.address());
    let governance = governance(signer.address());
    let creations =
        contracts.creations(signer.address(), &governance, &Parameters::default()).unwrap();
    let creations = (0..).zip(creations).map(|(nonce, input)| {
        let call = Unsigned::call(chain.chain_id(), nonce, Address::ZERO, input);
        signer.sign(Unsigned { to: None, ..call })
    });
    let receipts = testing::block(chain, creations.collect());
    assert!(receipts.iter().all(|receipt| receipt.success), "{receipts:?}");
    (signer, contracts)
}

#[test]
fn all_are_where_they_are_expected_and_know_each_other() {
    let (chain, _, contracts) = begun();
    let Contracts { anchors, nodes, timelock, parameters, governor } = contracts;
    for at in [anchors, nodes, timelock, parameters, governor] {
        assert!(!chain.code(at, At::Latest).unwrap().is_empty(), "{at}");
    }
    for parameter in &PARAMETERS {
        assert_eq!(contracts.parameter(&chain, parameter).unwrap(), parameter.value);
    }
    let unknown = Parameter { key: "moon_phase", ..PARAMETERS[0] };
    assert!(matches!(contracts.parameter(&chain, &unknown), Err(CallError::Reverted { .. })));
    sol! { function timelock() external view returns (address); }
    for at in [nodes, parameters, governor] {
        assert_eq!(ask(&chain, at, &timelockCall {}).unwrap(), timelock, "{at}");
    }
    assert_eq!(contracts.session_count(&chain).unwrap(), 0);
    let Governance { voting_delay, voting_period, vote_extension, quorum_percent, .. } =
        governance(Address::ZERO);
    let expected = GovernanceInForce {
        voting_delay: voting_delay.into(),
        voting_period: voting_period.into(),
        vote_extension: vote_extension.into(),
        quorum_percent: quorum_percent.into(),
        timelock_delay: 10,
    };
    assert_eq!(contracts.governance(&chain).unwrap(), expected);
    assert!(contracts.is_node(&chain, testing::signer(0).address()).unwrap());
    assert!(!contracts.is_node(&chain, testing::signer(1).address()).unwrap());
}

#[test]
fn parameters_are_those_of_the_contracts_folder() {
    let declared: Vec<Value> =
        serde_json::from_str(include_str!("../../../../contracts/parameters.json")).unwrap();
    let ours = PARAMETERS.iter().map(|parameter| {
        serde_json::json!({
            "key": parameter.key,
            "unit": format!("{:?}", parameter.unit).to_lowercase(),
            "min": parameter.min,
            "max": parameter.max,
            "zeroIsNone": parameter.zero_is_none,
            "value": parameter.value,
        })
    });
    assert_eq!(ours.collect::<Vec<_>>(), declared);
}

#[test]
fn sessions_are_registered_once_in_order_and_within_their_gas() {
    let (chain, signer, contracts) = begun();
    let longest = "x".repeat(64);
    let register = |nonce, index, number, owner: &str| {
        contracts.registration(&chain, nonce, EntryIndex(index), &sealed(number, owner))
    };
    let calls = [
        register(5, 10, 1, &longest),
        register(6, 11, 2, "local"),
        // Again, and one that stands before it in the log.
        register(7, 12, 2, "local"),
        register(8, 9, 3, "local"),
    ];
    let receipts = testing::block(&chain, calls.map(|call| signer.sign(call)).into());
    let went: Vec<_> = receipts.iter().map(|receipt| receipt.success).collect();
    assert_eq!(went, [true, true, false, false]);
    assert_eq!(contracts.session_count(&chain).unwrap(), 2);
    assert_eq!((receipts[0].logs.len(), receipts[2].logs.len()), (1, 0));
}

#[test]
fn a_block_holds_as_many_registrations_as_are_put_in_one() {
    let (chain, signer, contracts) = begun();
    let first = 5;
    let calls = (0..REGISTRATIONS_MAX as u64).map(|number| {
        let id = SessionId::from_random((u128::from(number) + 1).to_be_bytes());
        let sealed = SessionSealed { session_id: id, ..sealed(1, "local") };
        let index = EntryIndex(number);
        signer.sign(contracts.registration(&chain, first + number, index, &sealed))
    });
    let receipts = testing::block(&chain, calls.collect());
    assert!(receipts.iter().all(|receipt| receipt.success));
    assert_eq!(contracts.session_count(&chain).unwrap(), REGISTRATIONS_MAX as u64);
}

#[test]
fn parameters_begin_with_what_is_given_and_a_block_s_receipts_say_so() {
    let given = Parameters {
        chunk_bytes: 65_536,
        session_bytes_max: 1 << 30,
        open_sessions_max: 3,
        ..Parameters::default()
    };
    let (chain, signer) = (testing::chain(), testing::signer(0));
    let contracts = Contracts::of(signer.address());
    let governance = governance(signer.address());
    let creations = contracts.creations(signer.address(), &governance, &given).unwrap();
    let creations = (0..).zip(creations).map(|(nonce, input)| {
        let call = Unsigned::call(chain.chain_id(), nonce, Address::ZERO, input);
        signer.sign(Unsigned { to: None, ..call })
    });
    let proposal = testing::propose(&chain, creations.collect());
    let after = contracts.parameters_after(&chain, &proposal.receipts).unwrap();
    assert_eq!(after, Some(given), "before the block is the head");
    let receipts = proposal.receipts.clone();
    chain.apply(proposal).unwrap();
    assert_eq!(contracts.parameters(&chain).unwrap(), given);
    let logs = || receipts.iter().flat_map(|receipt| &receipt.logs);
    let changes = contracts.parameter_changes(logs()).unwrap();
    assert!(changes.end_in(&given) && !changes.is_empty());
    assert!(!changes.end_in(&Parameters { zstd_level: 4, ..given }));
    // A block that has nothing to do with them.
    let sent = signer.sign(testing::unsigned(5, Some(Address::ZERO), Bytes::new()));
    let other = testing::block(&chain, vec![sent]);
    assert_eq!(contracts.parameters_after(&chain, &other).unwrap(), None);
    // Another contract may say the same, and is not listened to; what the contract cannot say is no answer.
    let mut said: Vec<Log> = logs().cloned().collect();
    for log in &mut said {
        log.address = contracts.governor;
    }
    assert!(contracts.parameter_changes(&said).unwrap().is_empty());
    let unknown = Log::new_unchecked(contracts.parameters, vec![B256::ZERO], Bytes::new());
    assert!(matches!(contracts.parameter_changes([&unknown]), Err(ChainError::Answer { .. })));
}
