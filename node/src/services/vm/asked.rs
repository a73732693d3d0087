//! What is asked of blocks, transactions and registrations.

use lucid_api::{
    Code, Problem,
    ports::{
        Answer, BlockDetail, BlockId, BlockPage, BlockSummary, BlockTransaction, CHAIN_PAGE_MAX,
        ChainOrigin, ContractPlaces, Registration, TransactionDetail, TransactionLog,
        TransactionProof, TxHash,
    },
};
use lucid_chain::{
    BlockNumber, ChainError, Head, Included, Patience, Receipt, RegistrationPlace, Tracer,
    alloy_primitives::{Address, B256, Bytes, Log, hex, keccak256},
    alloy_rpc_types_trace::geth::{CallConfig, GethTrace},
    contracts::{Contracts, Registered, governance::refusal},
};
use lucid_core::SessionId;

use super::Running;
use crate::services::problem;

/// The problem that answers an error of the chain. What is damaged is the node's own copy: the log has all
/// of it.
fn of_chain(error: ChainError) -> Problem {
    match error {
        ChainError::NoSuchBlock { .. } | ChainError::NoSuchTransaction { .. } => {
            Problem::new(Code::NotFound, error.to_string())
        }
        ChainError::Damaged { .. } => {
            tracing::error!(%error, "the chain's database is damaged");
            let detail = "the chain's database is damaged: restart the node without its folder evm, and it is \
                          made anew from the log";
            Problem::new(Code::Damaged, detail)
        }
        error => problem::internal(&error),
    }
}

fn text(address: Address) -> String {
    address.to_checksum(None)
}

fn tx_hash(hash: B256) -> TxHash {
    TxHash(hash.0)
}

fn count(number: usize) -> u32 {
    // A block's bounds keep every count far below.
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl Running {
    pub(super) fn origin(&self, account: Address) -> Answer<ChainOrigin> {
        let (genesis_hash, _) = self.chain.header(BlockNumber(0)).map_err(of_chain)?;
        let genesis = self.chain.genesis();
        let document = String::from_utf8(genesis.to_bytes());
        let Contracts { anchors, nodes, timelock, parameters, governor } = self.contracts;
        Ok(ChainOrigin {
            chain_id: genesis.chain_id.0,
            account: text(account),
            genesis_hash,
            genesis: document.map_err(|error| problem::internal(&error))?,
            contracts: ContractPlaces {
                anchors: text(anchors),
                nodes: text(nodes),
                timelock: text(timelock),
                parameters: text(parameters),
                governor: text(governor),
            },
        })
    }

    /// A block in short. What is not there is beyond the head.
    fn summary(&self, number: BlockNumber) -> Answer<BlockSummary> {
        let (hash, header) = self.chain.header(number).map_err(of_chain)?;
        let place = self.places.block(number).map_err(of_chain)?;
        Ok(BlockSummary {
            hash,
            header,
            log_index: place.log_index,
            transaction_count: place.transactions,
            failed_count: place.failed,
            log_count: place.logs,
            registered_count: place.registered,
        })
    }

    /// Where a block's header is in the log.
    pub(super) fn place(&self, number: u64) -> Answer<u64> {
        Ok(self.places.block(BlockNumber(number)).map_err(of_chain)?.log_index)
    }

    pub(super) fn blocks(&self, before: Option<u64>, limit: u32) -> Answer<BlockPage> {
        let Head { header, .. } = self.chain.head();
        let end = before.unwrap_or(u64::MAX).min(header.number.0 + 1);
        let begin = end.saturating_sub(limit.min(CHAIN_PAGE_MAX).into());
        let blocks = (begin..end).rev().map(|number| self.summary(BlockNumber(number)));
        let blocks = blocks.collect::<Answer<Vec<_>>>()?;
        if let Some(pair) = blocks.windows(2).find(|pair| pair[0].header.parent != pair[1].hash) {
            let number = pair[1].header.number;
            let detail = format!("block {number} is not the one that the next one names");
            return Err(Problem::new(Code::Damaged, detail));
        }
        let next = (begin > 0 && begin < end).then_some(begin);
        Ok(BlockPage { blocks, next })
    }

    pub(super) fn block(&self, block: BlockId) -> Answer<BlockDetail> {
        let number = match block {
            BlockId::Number(number) => BlockNumber(number),
            BlockId::Hash(hash) => {
                let none = || Problem::new(Code::NotFound, format!("no block has the hash {hash}"));
                self.chain.number_of(hash).map_err(of_chain)?.ok_or_else(none)?
            }
        };
        let block = self.summary(number)?;
        self.chain.check_block(number).map_err(of_chain)?;
        let body = self.chain.block(number).map_err(of_chain)?.body;
        let receipts = self.chain.receipts(number).map_err(of_chain)?;
        let mut before = 0;
        let transactions = body.iter().zip(&receipts).map(|(raw, receipt)| {
            let gas_used = receipt.cumulative_gas_used.saturating_sub(before);
            before = receipt.cumulative_gas_used;
            BlockTransaction {
                hash: tx_hash(keccak256(raw)),
                success: receipt.success,
                gas_used,
                log_count: count(receipt.logs.len()),
            }
        });
        let transactions = transactions.collect();
        let registered = receipts.iter().flat_map(|receipt| self.registered_by(receipt));
        let registered = registered.map(|registered| registered.session).collect();
        Ok(BlockDetail { block, transactions, registered })
    }

    fn registered_by<'a>(&'a self, receipt: &'a Receipt) -> impl Iterator<Item = Registered> + 'a {
        receipt.logs.iter().filter_map(|log| self.contracts.registered(log))
    }

    pub(super) fn transaction(&self, hash: TxHash) -> Answer<TransactionDetail> {
        let none = || Problem::new(Code::NotFound, format!("no block has the transaction {hash}"));
        let included =
            self.chain.included(B256::from(hash.0)).map_err(of_chain)?.ok_or_else(none)?;
        let Included { number, index, transaction: tx, receipt, gas_used, .. } = included;
        let (block_hash, header) = self.chain.header(number).map_err(of_chain)?;
        let paths = self.chain.paths(number, index).map_err(of_chain)?;
        Ok(TransactionDetail {
            hash,
            block_number: number.0,
            block_hash,
            time: header.time,
            index,
            action: self.contracts.words(&tx),
            from: text(tx.sender()),
            to: tx.to().map(text),
            created: tx.creates().map(text),
            nonce: tx.nonce(),
            value: tx.value().to_string(),
            gas_limit: tx.gas_limit(),
            gas_used,
            gas_price: tx.effective_gas_price().to_string(),
            success: receipt.success,
            // Looked for apart, where there is one: it takes longer.
            failure: None,
            logs: receipt.logs.iter().map(emitted).collect(),
            proof: TransactionProof {
                leaves: paths.leaves,
                transaction: hex::encode_prefixed(tx.raw()),
                receipt: hex::encode_prefixed(paths.receipt_bytes),
                tx_path: paths.transaction,
                tx_root: header.tx_root,
                receipt_path: paths.receipt,
                receipts_root: header.receipts_root,
            },
        })
    }

    /// Why a transaction failed: it is executed again over the state before its block, where that is kept and
    /// there is time for it.
    pub(super) fn failure(&self, hash: TxHash, patience: Patience<'_>) -> Answer<Option<String>> {
        let top = CallConfig { only_top_call: Some(true), with_log: None };
        let trace = match self.chain.trace_within(B256::from(hash.0), &Tracer::Calls(top), patience)
        {
            Ok(trace) => trace,
            Err(
                ChainError::StateNotKept { .. }
                | ChainError::TraceTooLarge { .. }
                | ChainError::OutOfTime { .. },
            ) => return Ok(None),
            Err(error) => return Err(of_chain(error)),
        };
        let GethTrace::CallTracer(call) = trace else { return Ok(None) };
        Ok(match call.error.as_deref() {
            Some("execution reverted") => Some(refusal(&call.output.unwrap_or_else(Bytes::new))),
            other => other.map(str::to_owned),
        })
    }

    pub(super) fn registration(&self, session: SessionId) -> Answer<Option<Registration>> {
        match self.places.session(session).map_err(of_chain)? {
            Some(place) => {
                self.chain.check_block(place.0).map_err(of_chain)?;
                self.registration_at(place, |found| found.session == session).map(Some)
            }
            None => Ok(None),
        }
    }

    pub(super) fn registrations(
        &self,
        before: Option<u64>,
        limit: u32,
    ) -> Answer<Vec<Registration>> {
        let limit = limit.min(CHAIN_PAGE_MAX) as usize;
        let places = self.places.before(before, limit).map_err(of_chain)?;
        let mut blocks: Vec<_> = places.iter().map(|(number, _)| *number).collect();
        blocks.dedup();
        blocks.iter().try_for_each(|number| self.chain.check_block(*number)).map_err(of_chain)?;
        places.into_iter().map(|place| self.registration_at(place, |_| true)).collect()
    }

    /// The registration at a place, as its transaction's log tells it.
    fn registration_at(
        &self,
        (number, index): RegistrationPlace,
        is_it: impl Fn(&Registered) -> bool,
    ) -> Answer<Registration> {
        let included = self.chain.included_at(number, index).map_err(of_chain)?;
        let found = included.as_ref().and_then(|included| {
            let found = self.registered_by(&included.receipt).find(|found| is_it(found));
            found.zip(Some(included))
        });
        let (found, included) = found.ok_or_else(|| {
            tracing::error!(number = number.0, index, "a registration is not where it should be");
            Problem::new(Code::Damaged, "the chain's database is damaged")
        })?;
        let (block_hash, header) = self.chain.header(number).map_err(of_chain)?;
        Ok(Registration {
            session_id: found.session,
            merkle_root: found.merkle_root,
            manifest_hash: found.manifest_hash,
            policy_hash: found.policy_hash,
            owner: found.owner,
            plain_bytes: found.plain_bytes,
            chunk_count: found.chunk_count,
            log_index: found.log_index,
            contract: text(self.contracts.anchors),
            block_number: number.0,
            block_hash,
            time: header.time,
            transaction: tx_hash(included.transaction.hash()),
            transaction_index: index,
        })
    }
}

fn emitted(log: &Log) -> TransactionLog {
    TransactionLog {
        address: text(log.address),
        topics: log.topics().iter().map(B256::to_string).collect(),
        data: log.data.data.to_string(),
    }
}
