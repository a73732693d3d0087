use alloy_primitives::{Address, B256, U256};
use lucid_core::Hash;

use super::{everything, full_root};
use crate::{
    At, Block, BlockNumber, Chain, ChainError, Commitment, Genesis, TxError, Unsigned, keys,
    testing::*,
};

#[test]
fn a_chain_begins_with_its_genesis_and_with_no_other() {
    let tree = tree();
    let chain = Chain::open(tree.clone(), genesis(), 16).unwrap();
    let head = chain.head();
    assert_eq!(head.header.number, BlockNumber(0));
    assert_eq!(head.header.parent, genesis().hash());
    assert_eq!(B256::from(head.header.state_root.0), full_root(&everything(&chain)));
    let again = Chain::open(tree.clone(), genesis(), 16).unwrap();
    assert_eq!(again.head(), head);

    let change = |change: fn(&mut Genesis)| {
        let mut other = genesis();
        change(&mut other);
        other
    };
    for other in [
        change(|genesis| genesis.chain_id.0 += 1),
        change(|genesis| genesis.coinbase = Address::ZERO),
        change(|genesis| *genesis.allocations.values_mut().next().unwrap() += U256::from(1)),
        change(|genesis| genesis.time = time(1)),
    ] {
        let error = Chain::open(tree.clone(), other, 16).err().unwrap();
        assert!(matches!(error, ChainError::GenesisDiffers { .. }), "{error}");
    }
    for bad in [
        change(|genesis| genesis.chain_id.0 = 0),
        change(|genesis| genesis.chain_id.0 = 1 << 53),
        change(|genesis| *genesis.allocations.values_mut().next().unwrap() = U256::MAX),
    ] {
        let error = Chain::open(crate::testing::tree(), bad, 16).err().unwrap();
        assert!(matches!(error, ChainError::Genesis { .. }), "{error}");
    }
    tree.insert(keys::VERSION, &[9]).unwrap();
    let error = Chain::open(tree.clone(), genesis(), 16).err().unwrap();
    assert!(matches!(error, ChainError::Layout { found: 9, .. }), "{error}");
    tree.remove(keys::VERSION).unwrap();
    let error = Chain::open(tree, genesis(), 16).err().unwrap();
    assert!(matches!(error, ChainError::Damaged { .. }), "{error}");
}

#[test]
fn blocks_commit_to_what_they_did() {
    let chain = chain();
    let keeper = deploy(&chain);
    let call = |nonce, input| signer(1).sign(unsigned(nonce, Some(keeper), input));
    let receipts = block(&chain, vec![call(0, words(&[7, 9])), call(1, words(&[]))]);
    assert_eq!(receipts.iter().map(|receipt| receipt.success).collect::<Vec<_>>(), [true, false]);
    assert_eq!(receipts[0].logs[0].address, keeper);
    assert_eq!(receipts[0].logs[0].topics(), [B256::from(U256::from(7))]);
    assert_eq!(chain.slot(keeper, U256::from(7), At::Latest).unwrap(), U256::from(9));
    assert_eq!(chain.code(keeper, At::Latest).unwrap().as_ref(), KEEPER);

    let head = chain.head();
    let stored = chain.block(BlockNumber(2)).unwrap();
    assert_eq!(stored.header, head.header);
    assert_eq!(head.hash, Hash::of(&head.header.to_bytes()));
    assert_eq!(head.header.gas_used, receipts[1].cumulative_gas_used);
    assert_eq!(stored.tx_root(), head.header.tx_root);
    assert_eq!(Block::body_from(&stored.body_bytes()).unwrap(), stored.body);
    assert_eq!(chain.receipts(BlockNumber(2)).unwrap(), receipts);
    assert_eq!(chain.number_of(head.hash).unwrap(), Some(BlockNumber(2)));
    assert_eq!(chain.number_of(Hash::of(b"other")).unwrap(), None);

    let second = call(1, words(&[]));
    let included = chain.included(second.hash()).unwrap().unwrap();
    assert_eq!((included.number, included.index, included.logs_before), (BlockNumber(2), 1, 1));
    assert_eq!(included.transaction, second);
    assert_eq!(
        included.gas_used,
        receipts[1].cumulative_gas_used - receipts[0].cumulative_gas_used
    );
    assert_eq!(chain.included(B256::ZERO).unwrap(), None);
    assert_eq!(chain.included_at(BlockNumber(2), 2).unwrap(), None);
    let error = chain.block(BlockNumber(3)).unwrap_err();
    assert!(matches!(error, ChainError::NoSuchBlock { .. }), "{error}");

    // The base fee is burnt; nothing was paid above it.
    assert_eq!(chain.account(genesis().coinbase, At::Latest).unwrap().balance, U256::ZERO);
}

#[test]
fn a_transaction_and_a_receipt_are_proved_by_the_logs_own_verifier() {
    use lucid_core::merkle::{inclusion_proof, leaf_hash, verify_inclusion};

    let chain = chain();
    let txs =
        (0..5).map(|number| signer(number).sign(unsigned(0, Some(Address::ZERO), words(&[]))));
    let receipts = block(&chain, txs.collect());
    let Block { header, body } = chain.block(BlockNumber(1)).unwrap();
    let leaves: [Vec<_>; 2] = [
        body.iter().map(|raw| leaf_hash(raw)).collect(),
        receipts.iter().map(|receipt| leaf_hash(&receipt.consensus_bytes())).collect(),
    ];
    for (leaves, root) in leaves.iter().zip([header.tx_root, header.receipts_root]) {
        for (index, &leaf) in (0..).zip(leaves) {
            let path = inclusion_proof(leaves, index).unwrap();
            verify_inclusion(root, 5, index, leaf, &path).unwrap();
        }
    }
}

#[test]
fn what_cannot_be_executed_is_left_out_and_said_so() {
    let chain = chain();
    // A contract of one INVALID, which takes all the gas there is.
    let deploy = signer(0).sign(unsigned(0, None, init_code(&[0xfe])));
    let eater = deploy.creates().unwrap();
    block(&chain, vec![deploy]);
    let first = chain.block(BlockNumber(1)).unwrap();
    let eat = |number: u8, nonce| {
        let unsigned = unsigned(nonce, Some(eater), words(&[]));
        signer(number).sign(Unsigned { gas_limit: 16_000_000, ..unsigned })
    };
    // Nine fit into a block of 150 million gas.
    let mut txs: Vec<_> = (1..=10).map(|nonce| eat(0, nonce)).collect();
    txs.insert(2, eat(0, 1));
    txs.insert(3, eat(1, 5));
    txs.insert(4, eat(9, 0));
    let proposal = chain.propose(time(2), log(2), txs).unwrap();
    assert_eq!(proposal.block.body.len(), 9);
    let mut reasons = proposal.left_out.iter().map(|(_, error)| error);
    assert!(matches!(reasons.next(), Some(TxError::NonceTooLow { have: 1, want: 3 })));
    let ahead = reasons.next().unwrap();
    assert!(
        matches!(ahead, TxError::NonceTooHigh { have: 5, want: 0, .. }) && ahead.is_temporary()
    );
    let poor = reasons.next().unwrap();
    assert!(matches!(poor, TxError::InsufficientFunds { .. }) && poor.is_temporary());
    let full = reasons.next().unwrap();
    assert!(*full == TxError::BlockFull && full.is_temporary());
    assert_eq!(reasons.next(), None);
    // What was left out changed nothing.
    let replica = crate::testing::chain();
    replica.replay(&first).unwrap();
    replica.replay(&proposal.block).unwrap();
}

#[test]
fn replaying_insists_on_every_commitment() {
    let chain = chain();
    let keeper = deploy(&chain);
    let first = chain.block(BlockNumber(1)).unwrap();
    let tx = signer(1).sign(unsigned(0, Some(keeper), words(&[1, 2])));
    let good = propose(&chain, vec![tx]).block;
    let replica = crate::testing::chain();
    replica.replay(&first).unwrap();
    let before = everything(&replica);
    let wrong = Hash::of(b"wrong");
    let row = |change: fn(&mut Block, Hash)| {
        let mut bad = good.clone();
        change(&mut bad, wrong);
        replica.replay(&bad).unwrap_err()
    };
    let mismatch = |error: ChainError| match error {
        ChainError::Mismatch { number: BlockNumber(2), commitment } => commitment,
        other => panic!("{other}"),
    };
    assert_eq!(mismatch(row(|bad, wrong| bad.header.state_root = wrong)), Commitment::StateRoot);
    assert_eq!(
        mismatch(row(|bad, wrong| bad.header.receipts_root = wrong)),
        Commitment::ReceiptsRoot
    );
    assert_eq!(mismatch(row(|bad, wrong| bad.header.tx_root = wrong)), Commitment::TxRoot);
    assert_eq!(mismatch(row(|bad, _| bad.header.gas_used += 1)), Commitment::GasUsed);
    assert_eq!(mismatch(row(|bad, _| bad.body.clear())), Commitment::TxRoot);
    let error = row(|bad, wrong| bad.header.parent = wrong);
    assert!(matches!(error, ChainError::NotNext { .. }), "{error}");
    let error = row(|bad, _| bad.header.number.0 += 1);
    assert!(matches!(error, ChainError::NotNext { .. }), "{error}");
    let error = row(|bad, _| bad.header.time = time(0));
    assert!(matches!(error, ChainError::TimeBackwards { .. }), "{error}");
    let error = row(|bad, _| bad.header.log_size = 0);
    assert!(matches!(error, ChainError::Malformed { .. }), "{error}");
    let error = row(|bad, _| {
        bad.body.push(vec![2, 1].into());
        bad.header.tx_root = bad.tx_root();
    });
    assert!(matches!(error, ChainError::Transaction { index: 1, .. }), "{error}");
    let error = row(|bad, _| {
        bad.body.push(bad.body[0].clone());
        bad.header.tx_root = bad.tx_root();
    });
    assert!(error.to_string().contains("nonce too low"), "{error}");
    let error = row(|bad, _| bad.body.push(vec![0; crate::rules::TX_BYTES_MAX + 1].into()));
    assert!(matches!(error, ChainError::Malformed { .. }), "{error}");

    assert_eq!(everything(&replica), before, "nothing of it stayed");
    replica.replay(&good).unwrap();
    assert_eq!(replica.head().header, good.header);
    let error = replica.replay(&good).unwrap_err();
    assert!(matches!(error, ChainError::NotNext { .. }), "{error}");
}

#[test]
fn a_proposal_is_for_the_head_it_was_made_on() {
    let chain = chain();
    let (one, other) = (propose(&chain, vec![]), propose(&chain, vec![]));
    chain.apply(one).unwrap();
    let error = chain.apply(other).unwrap_err();
    assert!(matches!(error, ChainError::NotNext { .. }), "{error}");
}

#[test]
fn a_clock_that_was_set_back_does_not_stop_the_chain() {
    let chain = chain();
    chain.apply(chain.propose(time(9), log(1), vec![]).unwrap()).unwrap();
    chain.apply(chain.propose(time(2), log(1), vec![]).unwrap()).unwrap();
    assert_eq!(chain.head().header.time, time(9));
    for position in [log(0), crate::LogPosition { size: 1, ..log(7) }] {
        let error = chain.propose(time(9), position, vec![]).err().unwrap();
        assert!(error.to_string().contains("entries of the log"), "{error}");
    }
}

#[test]
fn bodies_have_one_form_and_bounds() {
    let body = |body: &[&[u8]]| {
        let body = body.iter().map(|raw| raw.to_vec().into()).collect();
        Block { header: genesis().header(Hash::default()), body }.body_bytes()
    };
    assert!(Block::body_from(&body(&[])).unwrap().is_empty());
    let good = body(&[b"one", b"two"]);
    let long = vec![7; crate::rules::TX_BYTES_MAX + 1];
    let largest = &long[1..];
    for bad in [
        vec![],
        good[..good.len() - 1].to_vec(),
        [good.as_slice(), &[0]].concat(),
        // A byte below 0x80 stands for itself, and a list says its length in its first byte.
        vec![0xc2, 0x81, 0x01],
        vec![0xf8, 0x01, 0x01],
        body(&[&long]),
        body(&vec![largest; 33]),
        body(&vec![&[1][..]; crate::rules::BLOCK_TRANSACTIONS_MAX + 1]),
        vec![0xff; 64],
    ] {
        let error = Block::body_from(&bad).unwrap_err();
        assert!(matches!(error, ChainError::Malformed { .. }), "{error}");
    }
}

#[test]
fn a_question_sees_one_block_while_others_come() {
    let chain = Chain::open(tree(), genesis(), 3).unwrap();
    let keeper = deploy(&chain);
    let view = chain.view(&chain.head(), At::Latest).unwrap();
    let read = || view.slot(keeper, U256::from(7));
    for value in 1..=3 {
        assert_eq!(read().unwrap(), U256::ZERO, "as it was after block 1");
        block(&chain, vec![signer(1).sign(unsigned(value - 1, Some(keeper), words(&[7, value])))]);
    }
    assert_eq!(read().unwrap(), U256::ZERO);
    block(&chain, vec![]);
    let error = read().unwrap_err();
    assert!(matches!(error, ChainError::StateNotKept { number: BlockNumber(1), .. }), "{error}");
}
