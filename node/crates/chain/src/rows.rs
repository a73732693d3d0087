//! Reading and writing rows of the tree: long texts in pieces, and numbers.

use alloy_primitives::{B256, U256, keccak256};
use alloy_rlp::Decodable;
use alloy_trie::TrieAccount;
use lucid_core::Hash;
use sled::{Batch, Tree};

use crate::{
    BlockNumber, ChainError, Header,
    error::damaged,
    keys::{self, PIECE_BYTES},
};

/// Puts `text` under `key`, in pieces. A text is written once and never shortened.
pub(crate) fn put_long(batch: &mut Batch, key: &[u8], text: &[u8]) {
    for (piece, bytes) in (0_u32..).zip(text.chunks(PIECE_BYTES)) {
        batch.insert([key, &piece.to_be_bytes()].concat(), bytes);
    }
}

/// The text under `key`; empty where there is none.
pub(crate) fn long(tree: &Tree, key: &[u8]) -> Result<Vec<u8>, ChainError> {
    let mut text = Vec::new();
    for row in tree.range([key, &[0; 4]].concat()..=[key, &[0xff; 4]].concat()) {
        text.extend_from_slice(&row?.1);
    }
    Ok(text)
}

/// Removes the text under `key`.
pub(crate) fn remove_long(tree: &Tree, batch: &mut Batch, key: &[u8]) -> Result<(), ChainError> {
    for row in tree.range([key, &[0; 4]].concat()..=[key, &[0xff; 4]].concat()) {
        batch.remove(row?.0);
    }
    Ok(())
}

/// An account's row; an empty one is no account.
pub(crate) fn account(mut row: &[u8]) -> Result<Option<TrieAccount>, ChainError> {
    if row.is_empty() {
        return Ok(None);
    }
    let account = TrieAccount::decode(&mut row);
    match account {
        Ok(account) if row.is_empty() => Ok(Some(account)),
        _ => Err(damaged("a row of an account")),
    }
}

/// A slot's row; an empty one is zero.
pub(crate) fn word(row: &[u8]) -> Result<U256, ChainError> {
    U256::try_from_be_slice(row).ok_or_else(|| damaged("a row of a slot"))
}

/// A slot's value as its row has it.
pub(crate) fn word_bytes(word: U256) -> Vec<u8> {
    word.to_be_bytes_trimmed_vec()
}

/// Eight bytes, big-endian.
pub(crate) fn number(bytes: &[u8]) -> Result<BlockNumber, ChainError> {
    let bytes = bytes.try_into().map_err(|_| damaged("a block number"))?;
    Ok(BlockNumber(u64::from_be_bytes(bytes)))
}

/// Where a transaction is: block and index.
pub(crate) fn place(bytes: &[u8]) -> Result<(BlockNumber, u32), ChainError> {
    let (block, index) = bytes.split_at_checked(8).ok_or_else(|| damaged("a place"))?;
    let index = index.try_into().map_err(|_| damaged("a place"))?;
    Ok((number(block)?, u32::from_be_bytes(index)))
}

/// The code whose hash is `hash`, which must be there. The hash is computed anew.
pub(crate) fn code(tree: &Tree, hash: B256) -> Result<Vec<u8>, ChainError> {
    let code = long(tree, &keys::code(hash))?;
    match keccak256(&code) == hash {
        true => Ok(code),
        false if code.is_empty() => Err(damaged(format!("the code {hash} is missing"))),
        false => Err(damaged(format!("the code {hash} has another hash"))),
    }
}

/// A block's hash and header, if there is such a block. The hash is computed anew: a changed byte shows.
pub(crate) fn header(
    tree: &Tree,
    number: BlockNumber,
) -> Result<Option<(Hash, Header)>, ChainError> {
    let Some(row) = tree.get(keys::header(number))? else { return Ok(None) };
    let wrong = || damaged(format!("the header of block {number}"));
    let (hash, bytes) = row.split_at_checked(Hash::BYTES).ok_or_else(wrong)?;
    let header = Header::from_bytes(bytes).map_err(|_| wrong())?;
    if Hash::of(bytes).as_bytes() != hash || header.number != number {
        return Err(wrong());
    }
    Ok(Some((Hash::of(bytes), header)))
}
