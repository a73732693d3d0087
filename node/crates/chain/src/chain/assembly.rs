//! A block that is being put together: transactions executed in order over one state.

use alloy_primitives::Bytes;
use lucid_core::Hash;

use super::{
    Chain, Head,
    open::{put_head, put_header},
};
use crate::{
    Block, BlockNumber, ChainError, Header, LogPosition, Receipt, Transaction, TxError,
    block::{bloom_of, receipts_root, tx_root},
    keys,
    machine::{Failure, Machine, refusal},
    rows,
    rules::{BLOCK_BYTES_MAX, BLOCK_GAS_MAX, BLOCK_TRANSACTIONS_MAX},
    state::{Remembering, Staged},
};

/// The block after the head, so far.
pub(super) struct Assembly<'a> {
    chain: &'a Chain,
    machine: Machine<Remembering<'a>>,
    transactions: Vec<Transaction>,
    bytes: usize,
    receipts: Vec<Receipt>,
    gas_used: u64,
}

/// A block that was executed, and what it writes.
pub(super) struct Assembled {
    pub(super) block: Block,
    pub(super) receipts: Vec<Receipt>,
    pub(super) staged: Staged,
}

impl<'a> Assembly<'a> {
    /// Begins the block after `head`, which the caller holds.
    pub(super) fn begin(chain: &'a Chain, head: &Head, time: lucid_core::Timestamp) -> Self {
        let block = chain.block_after(head.header.number.next(), time, head.hash);
        let state = Remembering::new(chain.state.after(head.header.number));
        let machine = Machine::new(state, chain.config.clone(), block);
        Self {
            chain,
            machine,
            transactions: Vec::new(),
            bytes: 0,
            receipts: Vec::new(),
            gas_used: 0,
        }
    }

    /// Executes `tx` as the block's next one. A transaction that does not hold comes back with the reason,
    /// and changes nothing.
    pub(super) fn push(
        &mut self,
        tx: Transaction,
    ) -> Result<Result<(), (Transaction, TxError)>, ChainError> {
        // Ethereum's rule: what a transaction may use must fit, not what it will (Yellow Paper, 6.2).
        if self.gas_used + tx.gas_limit() > BLOCK_GAS_MAX
            || self.bytes + tx.raw().len() > BLOCK_BYTES_MAX
            || self.transactions.len() == BLOCK_TRANSACTIONS_MAX
        {
            return Ok(Err((tx, TxError::BlockFull)));
        }
        let env = tx.to_env();
        let result = match self.machine.execute(env) {
            Ok(result) => result,
            Err(Failure::Transaction(error)) => {
                let error = refusal(error, &tx.to_env());
                return Ok(Err((tx, error)));
            }
            Err(Failure::Chain(error)) => return Err(error),
        };
        self.gas_used += result.tx_gas_used();
        self.bytes += tx.raw().len();
        self.receipts.push(Receipt {
            tx_type: tx.tx_type(),
            success: result.is_success(),
            cumulative_gas_used: self.gas_used,
            logs: result.into_logs(),
        });
        self.transactions.push(tx);
        Ok(Ok(()))
    }

    /// Holds what was read so far against what `head`, which it began with, commits to.
    pub(super) fn hold(&self, head: &Head) -> Result<(), ChainError> {
        self.machine.base().hold(&self.chain.state, head)
    }

    /// Ends the block: its header, and the rows that make it the head. All that it read is what `head` commits
    /// to, or there is no block.
    pub(super) fn finish(
        self,
        head: &Head,
        time: lucid_core::Timestamp,
        log: LogPosition,
    ) -> Result<Assembled, ChainError> {
        self.hold(head)?;
        let number = head.header.number.next();
        let root = alloy_primitives::B256::from(head.header.state_root.0);
        let mut staged = self.chain.state.stage(Some(number), root, self.machine.into_parts().1)?;
        let body: Vec<Bytes> = self.transactions.iter().map(|tx| tx.raw().clone()).collect();
        let header = Header {
            gas_used: self.gas_used,
            log_root: log.root,
            log_size: log.size,
            number,
            parent: head.hash,
            receipts_root: receipts_root(&self.receipts),
            state_root: Hash(staged.root.0),
            time,
            tx_root: tx_root(&body),
        };
        put_block(&mut staged, &header, &self.transactions, &self.receipts);
        self.chain.forget_old(&mut staged, number, head.oldest_state)?;
        put_head(&mut staged.batch, number, staged.kept.oldest);
        Ok(Assembled { block: Block { header, body }, receipts: self.receipts, staged })
    }
}

impl Chain {
    /// Adds to `staged` the removal of states that are older than they are kept, two blocks' at most, so
    /// that a smaller number of blocks is reached in time and no block pays for it all.
    fn forget_old(
        &self,
        staged: &mut Staged,
        number: BlockNumber,
        oldest: BlockNumber,
    ) -> Result<(), ChainError> {
        staged.kept.oldest = oldest;
        for _ in 0..2 {
            if number.0 - staged.kept.oldest.0 <= self.history_blocks {
                break;
            }
            staged.kept.oldest = staged.kept.oldest.next();
            // What was before that block is only asked for in the state after the block before it.
            self.state.forget(&mut staged.batch, staged.kept.oldest)?;
        }
        Ok(())
    }
}

/// Adds to `staged` the block itself, and the way to it from its hash and its transactions' hashes.
fn put_block(
    staged: &mut Staged,
    header: &Header,
    transactions: &[Transaction],
    receipts: &[Receipt],
) {
    let batch = &mut staged.batch;
    let number = header.number;
    put_header(batch, &header.to_bytes(), header.hash(), number);
    for (index, tx) in (0_u32..).zip(transactions) {
        let place = [number.0.to_be_bytes().as_slice(), &index.to_be_bytes()].concat();
        batch.insert(keys::transaction_hash(tx.hash()), place);
    }
    let groups = transactions.chunks(keys::GROUP).zip(receipts.chunks(keys::GROUP));
    for (group, (transactions, receipts)) in (0_u32..).zip(groups) {
        let (mut texts, mut rows_) = (Vec::new(), Vec::new());
        for (tx, receipt) in transactions.iter().zip(receipts) {
            alloy_rlp::Encodable::encode(tx.raw(), &mut texts);
            receipt.encode_row(&mut rows_);
        }
        rows::put_long(batch, &keys::transactions(number, group), &texts);
        rows::put_long(batch, &keys::receipts(number, group), &rows_);
    }
    let bloom = bloom_of(receipts.iter().flat_map(|receipt| &receipt.logs));
    if !bloom.is_zero() {
        batch.insert(keys::bloom(number), bloom.as_slice());
    }
}
