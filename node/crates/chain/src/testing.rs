//! What the tests of this crate share: a chain with funded accounts, and a contract small enough to read.

use alloy_primitives::{Address, Bytes, U256, hex};
use lucid_core::{Hash, Timestamp, merkle};

use crate::{
    Chain, ChainId, Genesis, LogPosition, Proposal, Receipt, Signer, Transaction, Unsigned,
    chain::HISTORY_BLOCKS,
};

pub(crate) const CHAIN: ChainId = ChainId(0x1c1d);
/// 2026-01-01.
pub(crate) const START: u64 = 1_767_225_600_000;

/// What [`init_code`] deploys. Called with two words it stores the second under the first and logs the
/// first, as topic and as data; with one word it returns what is stored under it; with anything else it
/// reverts with `Error("no")`.
pub(crate) const KEEPER: [u8; 152] = hex!(
    "36604014601857" // 64 bytes of calldata: 0x18
    "36602014602a57" // 32 bytes: 0x2a
    "606460345f3960645ffd" // revert with the 100 bytes at 0x34
    "5b6020355f35555f355f525f3560205fa100" // SSTORE(word 0, word 1), LOG1(word 0, word 0)
    "5b5f35545f5260205ff3" // SLOAD(word 0)
    "08c379a0"
    "0000000000000000000000000000000000000000000000000000000000000020"
    "0000000000000000000000000000000000000000000000000000000000000002"
    "6e6f000000000000000000000000000000000000000000000000000000000000"
);

/// Init code that deploys `code`.
pub(crate) fn init_code(code: &[u8]) -> Bytes {
    let len = u16::try_from(code.len()).unwrap().to_be_bytes();
    // PUSH2 len, DUP1, PUSH1 10, PUSH0, CODECOPY, PUSH0, RETURN
    [&[0x61, len[0], len[1], 0x80, 0x60, 0x0a, 0x5f, 0x39, 0x5f, 0xf3], code].concat().into()
}

/// The `number`th funded account's key.
pub(crate) fn signer(number: u8) -> Signer {
    Signer::new(&[number + 1; 32]).unwrap()
}

/// A genesis in which the first eight signers have a thousand coins each.
pub(crate) fn genesis() -> Genesis {
    let coins = U256::from(1000) * U256::from(10).pow(U256::from(18));
    Genesis {
        allocations: (0..8).map(|number| (signer(number).address(), coins)).collect(),
        chain_id: CHAIN,
        coinbase: Address::repeat_byte(0xcb),
        time: Timestamp::from_unix_millis(START),
    }
}

/// A tree that is gone with its last handle.
pub(crate) fn tree() -> sled::Tree {
    sled::Config::new().temporary(true).open().unwrap().open_tree("chain").unwrap()
}

pub(crate) fn chain() -> Chain {
    Chain::open(tree(), genesis(), HISTORY_BLOCKS).unwrap()
}

/// The log after `size` entries of nothing in particular.
pub(crate) fn log(size: u64) -> LogPosition {
    let root = if size == 0 { merkle::EMPTY_ROOT } else { Hash::of(&size.to_be_bytes()) };
    LogPosition { size, root }
}

pub(crate) fn time(blocks: u64) -> Timestamp {
    Timestamp::from_unix_millis(START + 250 * blocks)
}

/// What comes after the head with these transactions, all of which must fit in.
pub(crate) fn propose(chain: &Chain, txs: Vec<Transaction>) -> Proposal {
    let next = chain.head().header.number.0 + 1;
    let proposal = chain.propose(time(next), log(next), txs).unwrap();
    let left_out: Vec<_> = proposal.left_out.iter().map(|(_, error)| error).collect();
    assert!(left_out.is_empty(), "{left_out:?}");
    proposal
}

/// Makes a block of these transactions the head.
pub(crate) fn block(chain: &Chain, txs: Vec<Transaction>) -> Vec<Receipt> {
    let proposal = propose(chain, txs);
    let receipts = proposal.receipts.clone();
    chain.apply(proposal).unwrap();
    receipts
}

pub(crate) fn unsigned(nonce: u64, to: Option<Address>, input: Bytes) -> Unsigned {
    Unsigned { chain_id: CHAIN, nonce, to, value: U256::ZERO, input, gas_limit: 200_000 }
}

/// Words as calldata.
pub(crate) fn words(words: &[u64]) -> Bytes {
    words.iter().flat_map(|word| U256::from(*word).to_be_bytes::<32>()).collect()
}

/// Deploys [`KEEPER`] from signer 0 as its first transaction.
pub(crate) fn deploy(chain: &Chain) -> Address {
    let tx = signer(0).sign(unsigned(0, None, init_code(&KEEPER)));
    let address = tx.creates().unwrap();
    assert!(block(chain, vec![tx])[0].success);
    address
}
