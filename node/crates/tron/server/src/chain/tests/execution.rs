//! Contracts: called, created, out of energy.

use super::*;

#[test]
fn an_anchor_is_an_event_and_costs_its_energy() {
    let mut world = World::new();
    let contract = world.chain.put_anchors();
    let before = world.balance();
    let id = world.send(world.sign(world.call(contract, anchor(9), 10 * SUN))).unwrap();
    world.chain.make_block();
    let (_, transaction, info) = world.chain.included(&id).unwrap();
    assert_eq!(transaction.ret[0].result, crate::message::SUCCESS);
    assert_eq!((info.receipt.energy_usage_total, info.receipt.energy_fee), (2_100, 210_000));
    assert_eq!(before - world.balance(), info.fee);
    let [log] = info.logs.as_slice() else { panic!("one event") };
    assert_eq!(log.address, contract);
    assert_eq!(log.topics[1..], [world.own.word(), [9; 32]]);
    assert_eq!(log.data, [vec![0; 31], vec![7]].concat());

    // Staked energy is used first, then SUN for the rest.
    world.chain.account(world.own, |account| account.energy_limit = 1_500);
    let id = world.send(world.sign(world.call(contract, anchor(8), 10 * SUN))).unwrap();
    world.chain.make_block();
    let receipt = world.chain.included(&id).unwrap().2.receipt;
    assert_eq!((receipt.energy_usage, receipt.energy_fee), (1_500, 60_000));
}

#[test]
fn what_is_not_enough_or_not_understood_fails_in_its_block_and_is_paid_for() {
    let mut world = World::new();
    let contract = world.chain.put_anchors();
    let rows = [
        ("OUT_OF_ENERGY", anchor(1), 209_999, 2_099),
        ("REVERT", anchor(1)[..40].to_vec(), SUN, 500),
        ("REVERT", vec![1, 2, 3, 4], SUN, 500),
        ("SUCCESS", anchor(1), 210_000, 2_100),
    ];
    for (wanted, data, limit, energy) in rows {
        let id = world.send(world.sign(world.call(contract, data, limit))).unwrap();
        world.chain.make_block();
        let (_, transaction, info) = world.chain.included(&id).unwrap();
        let ended = name(&CONTRACT_RESULTS, transaction.ret[0].result).unwrap();
        assert_eq!((ended, info.receipt.energy_usage_total), (wanted, energy));
        assert_eq!(info.receipt.energy_fee, energy * 100);
        assert_eq!(info.logs.len(), usize::from(wanted == "SUCCESS"), "{wanted}");
    }
}

#[test]
fn a_token_moves_and_an_overdraft_reverts() {
    let mut world = World::new();
    let token = world.chain.put_token(world.own, 100);
    let transfer = |amount: u8| {
        let mut data = hash::selector("transfer(address,uint256)").to_vec();
        data.extend_from_slice(&other(0x44).word());
        data.extend_from_slice(&[0; 31]);
        data.push(amount);
        data
    };
    for (amount, wanted) in [(60, "SUCCESS"), (41, "REVERT"), (40, "SUCCESS")] {
        let id = world.send(world.sign(world.call(token, transfer(amount), 100 * SUN))).unwrap();
        world.chain.make_block();
        let info = &world.chain.included(&id).unwrap().2;
        assert_eq!(name(&CONTRACT_RESULTS, info.ret), Some(wanted), "{amount}");
    }
    let contract::Kind::Token(token) = &world.chain.state().contracts[&token].kind else {
        panic!("it is a token");
    };
    assert_eq!((token.balance(world.own), token.balance(other(0x44))), (0, 100));
}

#[test]
fn a_contract_is_where_java_tron_puts_it() {
    let mut world = World::new();
    let create = |arguments: &[u8]| Create {
        owner_address: other(0x11).bytes().to_vec(),
        new_contract: Some(SmartContract {
            origin_address: other(0x11).bytes().to_vec(),
            bytecode: [contract::ANCHORS.creation.as_slice(), arguments].concat(),
            consume_user_resource_percent: 100,
            origin_energy_limit: 1,
            name: "LucidAnchors".to_owned(),
            ..SmartContract::default()
        }),
        ..Create::default()
    };
    let rows = [(vec![0; 32], "SUCCESS"), (vec![1; 32], "REVERT"), (vec![0; 31], "REVERT")];
    for (arguments, wanted) in rows {
        let raw = world.raw(CREATE, "CreateSmartContract", create(&arguments).encode_to_vec());
        let id = world.send(world.sign(Raw { fee_limit: 1_000 * SUN, ..raw })).unwrap();
        world.chain.make_block();
        let info = &world.chain.included(&id).unwrap().2;
        assert_eq!(name(&CONTRACT_RESULTS, info.ret), Some(wanted), "{info:?}");
        let at = Address::of_contract(&id, world.own);
        assert_eq!(world.chain.state().contracts.contains_key(&at), wanted == "SUCCESS");
    }
}
