//! Rows that somebody altered are not what a block is made of.

use alloy_primitives::{Address, U256};
use alloy_trie::TrieAccount;

use crate::{
    BlockNumber, Chain, ChainError, Transaction, chain::HISTORY_BLOCKS, keys, rows, testing::*,
};

/// A chain of three blocks: the keeper has slot 7, which is 9, and `hasher` answers with old blocks' hashes.
fn made() -> (sled::Tree, Chain, Address, Address) {
    let tree = tree();
    let chain = Chain::open(tree.clone(), genesis(), HISTORY_BLOCKS).unwrap();
    let keeper = deploy(&chain);
    block(&chain, vec![signer(1).sign(unsigned(0, Some(keeper), words(&[7, 9])))]);
    // PUSH1 1, BLOCKHASH, PUSH0, SSTORE
    let create = signer(0).sign(unsigned(1, None, init_code(&[0x60, 1, 0x40, 0x5f, 0x55, 0])));
    let hasher = create.creates().unwrap();
    block(&chain, vec![create]);
    (tree, chain, keeper, hasher)
}

/// A transaction that reads every row that is altered below.
fn reading(keeper: Address, hasher: Address) -> Vec<Transaction> {
    let pay = signer(2).sign(unsigned(0, Some(signer(3).address()), words(&[])));
    let store = signer(1).sign(unsigned(1, Some(keeper), words(&[7, 10])));
    vec![pay, store, signer(4).sign(unsigned(0, Some(hasher), words(&[])))]
}

/// The same chain with what it has in memory forgotten.
fn reopened(tree: &sled::Tree) -> Chain {
    Chain::open(tree.clone(), genesis(), HISTORY_BLOCKS).unwrap()
}

#[test]
fn no_block_is_made_of_an_altered_row() {
    let (_, chain, keeper, hasher) = made();
    let good = propose(&chain, reading(keeper, hasher)).block;
    let account = |balance: u64, nonce: u64| {
        let balance = U256::from(balance) * U256::from(10).pow(U256::from(18));
        alloy_rlp::encode(TrieAccount { balance, nonce, ..TrieAccount::default() })
    };
    let header = |chain: &Chain| {
        let (_, mut header) = chain.header(BlockNumber(1)).unwrap();
        header.gas_used += 1;
        [header.hash().as_bytes().as_slice(), &header.to_bytes()].concat()
    };
    let slot = |slot: u64| keys::slot(keeper, U256::from(slot));
    let (_, first, ..) = made();
    let alterations = [
        ("a balance", keys::account(signer(2).address()), Some(account(1001, 0))),
        ("a nonce that refuses", keys::account(signer(2).address()), Some(account(1000, 5))),
        ("no balance", keys::account(signer(2).address()), None),
        ("who is paid", keys::account(signer(3).address()), Some(account(1, 0))),
        ("a slot", slot(7), Some(rows::word_bytes(U256::from(8)))),
        ("no slot", slot(7), None),
        ("no contract", keys::account(keeper), None),
        ("an old block", keys::header(BlockNumber(1)), Some(header(&first))),
    ];
    for (what, key, row) in alterations {
        let (tree, chain, ..) = made();
        drop(chain);
        match row {
            Some(row) => tree.insert(key, row).unwrap(),
            None => tree.remove(key).unwrap(),
        };
        let chain = reopened(&tree);
        let head = chain.head();
        let next = head.header.number.0 + 1;
        let made = chain.propose(time(next), log(next), reading(keeper, hasher));
        let error = made.err().unwrap_or_else(|| panic!("{what} is believed"));
        assert!(matches!(error, ChainError::Damaged { .. }), "{what}: {error}");
        // Nor is one of the log's said to be wrong on account of it.
        let error = chain.replay(&good).err().unwrap_or_else(|| panic!("{what} is believed"));
        assert!(matches!(error, ChainError::Damaged { .. }), "{what}: {error}");
        assert_eq!(chain.head(), head);
    }
}

#[test]
fn what_a_block_does_not_read_does_not_stop_it() {
    let (tree, chain, keeper, hasher) = made();
    drop(chain);
    tree.remove(keys::account(signer(7).address())).unwrap();
    let chain = reopened(&tree);
    block(&chain, reading(keeper, hasher));
    // The trie has it all the same.
    let read = signer(5).sign(unsigned(0, Some(signer(7).address()), words(&[])));
    let error = chain.propose(time(9), log(9), [read]).err().unwrap();
    assert!(error.to_string().contains("the accounts' trie"), "{error}");
}

#[test]
fn altered_code_receipts_and_transactions_are_found_when_they_are_read() {
    let (tree, chain, keeper, _) = made();
    let hash = chain.account(keeper, crate::At::Latest).unwrap().code_hash;
    chain.check_block(BlockNumber(2)).unwrap();
    drop(chain);
    let swap = |prefix: Vec<u8>| {
        let (key, row) = tree.scan_prefix(prefix).next().unwrap().unwrap();
        let mut row = row.to_vec();
        *row.last_mut().unwrap() ^= 1;
        tree.insert(key, row).unwrap()
    };
    let code = swap(keys::code(hash)).unwrap();
    let error = reopened(&tree).code(keeper, crate::At::Latest).unwrap_err();
    assert!(error.to_string().contains("has another hash"), "{error}");
    tree.insert([keys::code(hash), vec![0; 4]].concat(), code).unwrap();
    for prefix in [keys::receipts(BlockNumber(2), 0), keys::transactions(BlockNumber(2), 0)] {
        let row = swap(prefix.clone()).unwrap();
        let error = reopened(&tree).check_block(BlockNumber(2)).unwrap_err();
        assert!(matches!(error, ChainError::Damaged { .. }), "{error}");
        tree.insert([prefix, vec![0; 4]].concat(), row).unwrap();
    }
    reopened(&tree).check_block(BlockNumber(2)).unwrap();
}
