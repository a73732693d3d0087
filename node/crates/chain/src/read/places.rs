//! Where blocks are in the ledger log, and where sessions are registered in the chain: what the chain's own
//! rows do not say.
//!
//! A tree beside the chain's, made from the same blocks. Whoever takes a block up puts it in here too, before
//! anybody is answered from it. Nothing is synced: after a crash the newest block may be missing, and the start
//! that reads the log from the head on puts it in again.
//!
//! | row | is |
//! | --- | --- |
//! | `b` ‖ block number (8) | index of its `evm.block` entry (8), then transactions, failed ones, logs and registrations (4 each) |
//! | `s` ‖ session id (16) | block number (8) ‖ transaction (4) |
//! | `r` ‖ index of the `session.sealed` entry (8) | block number (8) ‖ transaction (4) |

use lucid_core::SessionId;
use sled::{Batch, IVec, Tree};

use crate::{
    BlockNumber, ChainError, Receipt,
    contracts::{Contracts, Registered},
    error::damaged,
    rows,
};

/// The tree, and whose registrations count.
#[derive(Clone)]
pub struct Places {
    tree: Tree,
    contracts: Contracts,
}

/// Where a block is in the log, and how much is in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BlockPlace {
    /// Index of its `evm.block` entry.
    pub log_index: u64,
    /// Transactions.
    pub transactions: u32,
    /// Those that failed.
    pub failed: u32,
    /// Logs.
    pub logs: u32,
    /// Sessions that it registers.
    pub registered: u32,
}

/// A registration's transaction: its block, and its place in it.
pub type RegistrationPlace = (BlockNumber, u32);

fn block_key(number: BlockNumber) -> [u8; 9] {
    key(b'b', number.0)
}

fn key(kind: u8, number: u64) -> [u8; 9] {
    let mut key = [kind; 9];
    key[1..].copy_from_slice(&number.to_be_bytes());
    key
}

fn session_key(session: SessionId) -> [u8; 17] {
    let mut key = [b's'; 17];
    key[1..].copy_from_slice(session.as_bytes());
    key
}

fn count(number: usize) -> u32 {
    // A block's bounds keep every count far below.
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl Places {
    /// The places in `tree`, of a chain with these contracts.
    #[must_use]
    pub fn new(tree: Tree, contracts: Contracts) -> Self {
        Self { tree, contracts }
    }

    /// The registrations that a receipt's logs tell of.
    fn registered(&self, receipt: &Receipt) -> Vec<Registered> {
        receipt.logs.iter().filter_map(|log| self.contracts.registered(log)).collect()
    }

    /// Puts a block in, whose `evm.block` entry is at `log_index`, with what its transactions ended in.
    ///
    /// # Errors
    /// sled's.
    pub fn put(
        &self,
        number: BlockNumber,
        log_index: u64,
        receipts: &[Receipt],
    ) -> Result<(), ChainError> {
        let mut batch = Batch::default();
        let mut registered = 0;
        for (index, receipt) in (0_u32..).zip(receipts) {
            let place = [number.0.to_be_bytes().as_slice(), &index.to_be_bytes()].concat();
            for registration in self.registered(receipt) {
                batch.insert(&session_key(registration.session), place.clone());
                batch.insert(&key(b'r', registration.log_index), place.clone());
                registered += 1;
            }
        }
        let failed = receipts.iter().filter(|receipt| !receipt.success).count();
        let logs = receipts.iter().map(|receipt| receipt.logs.len()).sum();
        let counts = [receipts.len(), failed, logs, registered].map(count);
        let mut row = log_index.to_be_bytes().to_vec();
        row.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
        batch.insert(&block_key(number), row);
        Ok(self.tree.apply_batch(batch)?)
    }

    /// Forgets all of it.
    ///
    /// # Errors
    /// sled's.
    pub fn clear(&self) -> Result<(), ChainError> {
        Ok(self.tree.clear()?)
    }

    /// Where a block is that the chain has.
    ///
    /// # Errors
    /// [`ChainError::Damaged`], and sled's.
    pub fn block(&self, number: BlockNumber) -> Result<BlockPlace, ChainError> {
        let wrong = || damaged(format!("the place of block {number}"));
        let row = self.tree.get(block_key(number))?.ok_or_else(wrong)?;
        let row: &[u8; 24] = row.as_ref().try_into().map_err(|_| wrong())?;
        let (index, counts) = row.split_first_chunk::<8>().ok_or_else(wrong)?;
        let mut counts = counts.chunks_exact(4).map(|count| {
            let count = count.try_into().map_err(|_| wrong())?;
            Ok::<_, ChainError>(u32::from_be_bytes(count))
        });
        let mut next = || counts.next().ok_or_else(wrong)?;
        Ok(BlockPlace {
            log_index: u64::from_be_bytes(*index),
            transactions: next()?,
            failed: next()?,
            logs: next()?,
            registered: next()?,
        })
    }

    /// Where a session is registered, if it is.
    ///
    /// # Errors
    /// [`ChainError::Damaged`], and sled's.
    pub fn session(&self, session: SessionId) -> Result<Option<RegistrationPlace>, ChainError> {
        self.tree.get(session_key(session))?.map(|row| rows::place(&row)).transpose()
    }

    /// At most `limit` registrations backwards in the log's order, from the last one before entry `before` of
    /// the log, or from the newest.
    ///
    /// # Errors
    /// [`ChainError::Damaged`], and sled's.
    pub fn before(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<RegistrationPlace>, ChainError> {
        let first = key(b'r', 0);
        let rows = match before {
            Some(before) => self.tree.range(first..key(b'r', before)),
            None => self.tree.range(first..=key(b'r', u64::MAX)),
        };
        let place = |row: Result<(IVec, IVec), sled::Error>| rows::place(&row?.1);
        rows.rev().take(limit).map(place).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{At, testing};

    #[test]
    fn blocks_and_registrations_are_found_again() {
        let chain = testing::chain();
        let (signer, contracts) = crate::contracts::tests::begin(&chain);
        let places = Places::new(testing::tree(), contracts);
        places.put(BlockNumber(1), 4, &chain.receipts(BlockNumber(1)).unwrap()).unwrap();
        let register = |nonce: u64, index| {
            let sealed = crate::contracts::tests::sealed(nonce as u8, "local");
            signer.sign(contracts.registration(
                &chain,
                nonce,
                lucid_core::EntryIndex(index),
                &sealed,
            ))
        };
        let nonce = chain.account(signer.address(), At::Latest).unwrap().nonce;
        // The last one is out of order, and fails.
        let txs = vec![register(nonce, 7), register(nonce + 1, 9), register(nonce + 2, 8)];
        let receipts = testing::block(&chain, txs);
        places.put(BlockNumber(2), 12, &receipts).unwrap();
        let place = places.block(BlockNumber(2)).unwrap();
        let expected =
            BlockPlace { log_index: 12, transactions: 3, failed: 1, logs: 2, registered: 2 };
        assert_eq!(place, expected);
        assert!(matches!(places.block(BlockNumber(3)), Err(ChainError::Damaged { .. })));
        let id = |nonce: u64| SessionId::from_random([nonce as u8; 16]);
        let (first, second) = ((BlockNumber(2), 0), (BlockNumber(2), 1));
        assert_eq!(places.session(id(nonce)).unwrap(), Some(first));
        assert_eq!(places.session(id(nonce + 1)).unwrap(), Some(second));
        assert_eq!(places.session(id(nonce + 2)).unwrap(), None, "it failed");
        assert_eq!(places.before(None, 10).unwrap(), [second, first]);
        assert_eq!(places.before(None, 1).unwrap(), [second]);
        assert_eq!(places.before(Some(9), 10).unwrap(), [first]);
        assert_eq!(places.before(Some(7), 10).unwrap(), []);
        places.clear().unwrap();
        assert_eq!(places.before(None, 10).unwrap(), []);
    }
}
