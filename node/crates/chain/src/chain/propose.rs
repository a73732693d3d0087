//! Making blocks, and making them again.

use lucid_core::Timestamp;

use super::{
    Chain, Head,
    assembly::{Assembled, Assembly},
};
use crate::{
    Block, ChainError, Commitment, Header, LogPosition, Receipt, Transaction, TxError,
    block::{check_bounds, tx_root},
    state::Staged,
};

/// A block that was executed and is not the head yet.
pub struct Proposal {
    /// The block: what goes into the log.
    pub block: Block,
    /// A receipt for each of its transactions.
    pub receipts: Vec<Receipt>,
    /// Candidates that are not in it, and why. One whose reason
    /// [`is_temporary`](TxError::is_temporary) may be in a later block.
    pub left_out: Vec<(Transaction, TxError)>,
    staged: Staged,
}

impl Chain {
    /// Executes `candidates` in order as the block after the head, over the log as it is at `log`. A
    /// candidate that does not hold any more, or does not fit, is left out and said so. A clock that was
    /// set back does not stop the chain: `time` is then the head's.
    ///
    /// Nothing is written. A proposal with an empty body is a block too; whether one is wanted is the
    /// caller's to say.
    ///
    /// # Errors
    /// [`ChainError::Malformed`] where the log is shorter than at the head, [`ChainError::Damaged`] where what was
    /// read is not what the head commits to, and the database's.
    pub fn propose(
        &self,
        time: Timestamp,
        log: LogPosition,
        candidates: impl IntoIterator<Item = Transaction>,
    ) -> Result<Proposal, ChainError> {
        // Held to the end: what is staged is right for one head.
        let head = self.read();
        check_log(&head, log)?;
        let time = time.max(head.header.time);
        let mut assembly = Assembly::begin(self, &head, time);
        let mut left_out = Vec::new();
        for tx in candidates {
            if let Err(refused) = assembly.push(tx)? {
                left_out.push(refused);
            }
        }
        let Assembled { block, receipts, staged } = assembly.finish(&head, time, log)?;
        Ok(Proposal { block, receipts, left_out, staged })
    }

    /// Makes a proposal the head. The block is in the log already: after a crash it is replayed from there.
    ///
    /// # Errors
    /// [`ChainError::NotNext`] where the head moved since it was proposed. After an error of the database
    /// the chain must be opened anew.
    pub fn apply(&self, proposal: Proposal) -> Result<Head, ChainError> {
        self.advance(&proposal.block.header, proposal.staged)
    }

    /// Executes a block from the log after the head, and makes it the head if every commitment in its
    /// header comes out.
    ///
    /// # Errors
    /// [`ChainError::NotNext`], [`ChainError::TimeBackwards`], [`ChainError::Malformed`],
    /// [`ChainError::Transaction`] and [`ChainError::Mismatch`], which name block and field, and
    /// [`ChainError::Damaged`] where the database is not what the head commits to; the chain is unchanged then. After an error of the database the chain must be opened anew.
    pub fn replay(&self, block: &Block) -> Result<(Head, Vec<Receipt>), ChainError> {
        let Assembled { block, receipts, staged } = {
            let head = self.read();
            self.execute(&head, block)?
        };
        Ok((self.advance(&block.header, staged)?, receipts))
    }

    fn execute(&self, head: &Head, block: &Block) -> Result<Assembled, ChainError> {
        let header = &block.header;
        let number = header.number;
        check_next(head, header)?;
        if header.time < head.header.time {
            return Err(ChainError::TimeBackwards { number });
        }
        let log = LogPosition { size: header.log_size, root: header.log_root };
        check_log(head, log)?;
        check_bounds(&block.body)
            .map_err(|why| ChainError::Malformed { what: "a block's body", why })?;
        let same = |same: bool, commitment: Commitment| match same {
            true => Ok(()),
            false => Err(ChainError::Mismatch { number, commitment }),
        };
        same(tx_root(&block.body) == header.tx_root, Commitment::TxRoot)?;
        let mut assembly = Assembly::begin(self, head, header.time);
        for (index, raw) in (0_u32..).zip(&block.body) {
            let refused = |error| ChainError::Transaction { number, index, error: Box::new(error) };
            let tx = Transaction::decode(raw, self.chain_id()).map_err(refused)?;
            if let Err((_, error)) = assembly.push(tx)? {
                // Over rows that somebody altered anything can be refused.
                assembly.hold(head)?;
                return Err(refused(error));
            }
        }
        let done = assembly.finish(head, header.time, log)?;
        let found = &done.block.header;
        same(found.gas_used == header.gas_used, Commitment::GasUsed)?;
        same(found.receipts_root == header.receipts_root, Commitment::ReceiptsRoot)?;
        same(found.state_root == header.state_root, Commitment::StateRoot)?;
        // What is left is copied from it.
        debug_assert_eq!(found, header);
        Ok(done)
    }

    fn advance(&self, header: &Header, staged: Staged) -> Result<Head, ChainError> {
        let mut head = self.write();
        check_next(&head, header)?;
        let oldest_state = staged.kept.oldest;
        self.state.commit(staged)?;
        *head = Head { hash: header.hash(), header: header.clone(), oldest_state };
        Ok(head.clone())
    }
}

fn check_next(head: &Head, header: &Header) -> Result<(), ChainError> {
    let Head { hash, header: last, .. } = head;
    if header.number == last.number.next() && header.parent == *hash {
        return Ok(());
    }
    Err(ChainError::NotNext {
        number: header.number,
        parent: header.parent,
        head_number: last.number,
        head: *hash,
    })
}

/// The log only grows.
fn check_log(head: &Head, log: LogPosition) -> Result<(), ChainError> {
    let last = (head.header.log_size, head.header.log_root);
    let same_root = log.size != last.0 || log.root == last.1;
    if log.size >= last.0 && same_root {
        return Ok(());
    }
    let why = format!(
        "it stands for {} entries of the log with root {}, and its parent for {} with {}",
        log.size, log.root, last.0, last.1
    );
    Err(ChainError::Malformed { what: "a block's header", why })
}
