//! That a transaction and its receipt are in a block (docs/chain.md, "Block").

use lucid_core::{Hash, merkle};

use crate::{BlockNumber, Chain, ChainError, error::damaged};

/// The way from one transaction of a block, and from its receipt, to the roots in the block's header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Paths {
    /// Leaves of both trees: transactions of the block.
    pub leaves: u32,
    /// From the transaction's leaf to `tx_root`, the leaf's sibling first (RFC 6962 §2.1.1).
    pub transaction: Vec<Hash>,
    /// From the receipt's leaf to `receipts_root`.
    pub receipt: Vec<Hash>,
    /// What the receipt's leaf is the hash of: its EIP-2718 bytes, bloom included.
    pub receipt_bytes: Vec<u8>,
}

impl Chain {
    /// The paths of transaction `index` of a block.
    ///
    /// # Errors
    /// [`ChainError::NoSuchBlock`], [`ChainError::Damaged`] where the block has no such transaction or is not
    /// what its header says, and the database's.
    pub fn paths(&self, number: BlockNumber, index: u32) -> Result<Paths, ChainError> {
        let Leaves { transactions, outcomes, texts } = self.leaves(number)?;
        let missing = |_| damaged(format!("block {number} has no transaction {index}"));
        let path = |leaves: &[Hash]| merkle::inclusion_proof(leaves, index.into()).map_err(missing);
        Ok(Paths {
            leaves: u32::try_from(transactions.len()).unwrap_or(u32::MAX),
            transaction: path(&transactions)?,
            receipt: path(&outcomes)?,
            receipt_bytes: texts.into_iter().nth(index as usize).unwrap_or_default(),
        })
    }

    /// Whether the transactions and receipts that the database has of a block are those in its header.
    ///
    /// # Errors
    /// [`ChainError::NoSuchBlock`], [`ChainError::Damaged`] where they are not, and the database's.
    pub fn check_block(&self, number: BlockNumber) -> Result<(), ChainError> {
        self.leaves(number).map(|_| ())
    }

    fn leaves(&self, number: BlockNumber) -> Result<Leaves, ChainError> {
        let (_, header) = self.header(number)?;
        let (body, receipts) = (self.body_of(number)?, self.receipts_of(number)?);
        let transactions: Vec<_> = body.iter().map(|raw| merkle::leaf_hash(raw)).collect();
        let texts: Vec<_> = receipts.iter().map(crate::Receipt::consensus_bytes).collect();
        let outcomes: Vec<_> = texts.iter().map(|text| merkle::leaf_hash(text)).collect();
        let roots = (merkle::root(&transactions), merkle::root(&outcomes));
        match roots == (header.tx_root, header.receipts_root) {
            true => Ok(Leaves { transactions, outcomes, texts }),
            false => Err(damaged(format!("the transactions or receipts of block {number}"))),
        }
    }
}

/// What a block's roots are over.
struct Leaves {
    /// Hashes of its transactions' leaves, and of its receipts'.
    transactions: Vec<Hash>,
    outcomes: Vec<Hash>,
    /// The receipts' bytes.
    texts: Vec<Vec<u8>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn paths_lead_to_the_headers_roots() {
        let chain = testing::chain();
        let keeper = testing::deploy(&chain);
        let call = |nonce| {
            let input = testing::words(&[nonce, 1]);
            testing::signer(0).sign(testing::unsigned(nonce, Some(keeper), input))
        };
        testing::block(&chain, (1..6).map(call).collect());
        let number = BlockNumber(2);
        let (_, header) = chain.header(number).unwrap();
        for index in 0..5 {
            let paths = chain.paths(number, index).unwrap();
            assert_eq!(paths.leaves, 5);
            let raw = &chain.block(number).unwrap().body[index as usize];
            let place = u64::from(index);
            let verify = |root, bytes: &[u8], path: &[Hash]| {
                merkle::verify_inclusion(root, 5, place, merkle::leaf_hash(bytes), path)
            };
            verify(header.tx_root, raw, &paths.transaction).unwrap();
            verify(header.receipts_root, &paths.receipt_bytes, &paths.receipt).unwrap();
            verify(header.tx_root, raw, &paths.receipt).unwrap_err();
        }
        assert!(matches!(chain.paths(number, 5), Err(ChainError::Damaged { .. })));
        assert!(matches!(chain.paths(BlockNumber(3), 0), Err(ChainError::NoSuchBlock { .. })));
    }
}
