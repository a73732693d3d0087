//! The one sled tree's keys. A first byte says what a row is; numbers are big-endian, so that rows are in
//! order. Texts longer than [`PIECE_BYTES`] are cut into pieces, because sled 0.34 puts what does not fit
//! a quarter of its segment into a file of its own, which it does not sync.
//!
//! | first byte | then | value |
//! | --- | --- | --- |
//! | `v` | | layout version, 1 byte |
//! | `g` | piece | the genesis, canonical JSON |
//! | `m` | | the head: number ‖ oldest number whose state is kept |
//! | `a` | address | nonce, balance, storage root, code hash (RLP, as the trie's leaf has it) |
//! | `s` | address ‖ slot | the word without leading zeros; no row is zero |
//! | `c` | code hash ‖ piece | code |
//! | `n` | path | a node of the accounts' trie, RLP |
//! | `o` | address ‖ path | a node of an account's storage trie, RLP |
//! | `x` | address ‖ number | what `a` was before that block; empty: nothing |
//! | `y` | address ‖ slot ‖ number | what `s` was before that block; empty: zero |
//! | `u` | number ‖ piece | which `x` and `y` rows that block wrote: to drop them once they are old |
//! | `b` | number | block hash ‖ header, canonical JSON |
//! | `l` | number | logs bloom, 256 bytes; no row: no logs |
//! | `t` | number ‖ group ‖ piece | [`GROUP`] raw transactions |
//! | `r` | number ‖ group ‖ piece | their receipts |
//! | `i` | block hash | number |
//! | `j` | transaction hash | number ‖ index |

use alloy_primitives::{Address, B256, U256};
use alloy_trie::Nibbles;
use lucid_core::Hash;

use crate::BlockNumber;

/// Layout of the tree; another one is made anew from the log.
pub(crate) const LAYOUT: u8 = 1;
/// The longest piece of a long text, bytes: seventeen, which is what a page of sled's has at most, stay
/// below a quarter of a segment of 64 KiB.
pub(crate) const PIECE_BYTES: usize = 768;
/// Transactions whose texts stand together: one is found without reading a whole block, and a block is
/// not a row for each.
pub(crate) const GROUP: usize = 16;

pub(crate) const VERSION: &[u8] = b"v";
pub(crate) const HEAD: &[u8] = b"m";
pub(crate) const GENESIS: &[u8] = b"g";

fn key(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
    key.push(kind);
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

pub(crate) fn account(address: Address) -> Vec<u8> {
    key(b'a', &[address.as_slice()])
}

pub(crate) fn slots(address: Address) -> Vec<u8> {
    key(b's', &[address.as_slice()])
}

pub(crate) fn slot(address: Address, slot: U256) -> Vec<u8> {
    key(b's', &[address.as_slice(), &slot.to_be_bytes::<32>()])
}

pub(crate) fn code(hash: B256) -> Vec<u8> {
    key(b'c', &[hash.as_slice()])
}

pub(crate) fn account_node(path: &Nibbles) -> Vec<u8> {
    key(b'n', &[&path.to_vec()])
}

pub(crate) fn storage_node(address: Address, path: &Nibbles) -> Vec<u8> {
    key(b'o', &[address.as_slice(), &path.to_vec()])
}

/// What an account was before blocks; the number follows.
pub(crate) fn past_account(address: Address) -> Vec<u8> {
    key(b'x', &[address.as_slice()])
}

/// What a slot was before blocks; the number follows.
pub(crate) fn past_slot(address: Address, slot: U256) -> Vec<u8> {
    key(b'y', &[address.as_slice(), &slot.to_be_bytes::<32>()])
}

/// `key` of a past value, at a block.
pub(crate) fn at(mut key: Vec<u8>, number: BlockNumber) -> Vec<u8> {
    key.extend_from_slice(&number.0.to_be_bytes());
    key
}

pub(crate) fn written_past(number: BlockNumber) -> Vec<u8> {
    at(vec![b'u'], number)
}

pub(crate) fn header(number: BlockNumber) -> Vec<u8> {
    at(vec![b'b'], number)
}

pub(crate) fn bloom(number: BlockNumber) -> Vec<u8> {
    at(vec![b'l'], number)
}

pub(crate) fn transactions(number: BlockNumber, group: u32) -> Vec<u8> {
    key(b't', &[&number.0.to_be_bytes(), &group.to_be_bytes()])
}

pub(crate) fn receipts(number: BlockNumber, group: u32) -> Vec<u8> {
    key(b'r', &[&number.0.to_be_bytes(), &group.to_be_bytes()])
}

pub(crate) fn block_hash(hash: Hash) -> Vec<u8> {
    key(b'i', &[hash.as_bytes()])
}

pub(crate) fn transaction_hash(hash: B256) -> Vec<u8> {
    key(b'j', &[hash.as_slice()])
}
