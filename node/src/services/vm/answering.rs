//! What blockchain-vm answers: of blocks, transactions and registrations, and by JSON-RPC.
//!
//! What a block says is held against the log before it is told: the database is a projection, and not believed
//! where it says more than that.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use lucid_api::ports::{
    Answer, Asker, BlockDetail, BlockId, BlockPage, ChainOrigin, ChainState, Evm, Registration,
    TransactionDetail, TxHash,
};
use lucid_chain::{
    Patience,
    alloy_primitives::Address,
    rpc::{self, ANSWER_MILLIS_MAX, Caller},
};
use lucid_core::{EntryIndex, Hash, SessionId, entry::Entry};

use super::{LocalVm, Running};
use crate::services::problem;

/// So long it is looked for why a transaction failed.
const FAILURE_TIME: Duration = Duration::from_millis(ANSWER_MILLIS_MAX);

impl LocalVm {
    /// Asks the chain, where it is there, on a thread that may wait for the database.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Running, Address) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let (running, account) = (self.parts.running()?, self.parts.signer.address());
        let answer = self.pool.run(move || question(&running, account)).await;
        answer.map_err(|problem| self.parts.seen(problem))
    }

    /// Holds what was answered of blocks against the log: each is there with this hash, where the database says.
    async fn held(&self, blocks: &[(u64, Hash)]) -> Answer<()> {
        for &(number, hash) in blocks {
            let place = self.ask(move |running, _| running.place(number)).await?;
            let entry = self.parts.log.entries(EntryIndex(place), 1).await?.into_iter().next();
            let entry = entry.and_then(|entry| Entry::parse(entry.entry.as_bytes()).ok());
            if !matches!(entry, Some(Entry::EvmBlock(block)) if block.hash == hash) {
                let place = EntryIndex(place);
                tracing::error!(number, %hash, %place, "a block of the chain's database is not in the log");
                return Err(self.parts.altered());
            }
        }
        Ok(())
    }

    /// [`ask`](Self::ask) in turn with others who do.
    async fn read<T: Send + 'static>(
        &self,
        asker: &Asker,
        question: impl FnOnce(&Running) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let running = self.parts.running()?;
        let answer = self.reads.run(asker, move || question(&running)).await;
        answer.map_err(|problem| self.parts.seen(problem))
    }
}

#[async_trait]
impl Evm for LocalVm {
    async fn rpc(&self, asker: Asker, body: Bytes) -> Answer<Option<Bytes>> {
        let running = self.parts.running()?;
        let (is_light, caller) = (rpc::is_light(&body), Caller::named(asker.as_str()));
        let job = move || {
            let answer = running.rpc.answer_to(caller, &body);
            // It may be waited for: no more is kept than it is long.
            Ok(answer.map(|text| Bytes::from(text.into_boxed_slice())))
        };
        match is_light {
            true => self.reads.run(&asker, job).await,
            false => self.turns.run(&asker, job).await,
        }
    }

    async fn chain(&self) -> Answer<ChainState> {
        let running = self.parts.running()?;
        let account = self.parts.signer.address();
        self.pool
            .run(move || {
                let head = running.chain.head();
                let sessions = running.contracts.session_count(&running.chain);
                Ok(ChainState {
                    chain_id: running.chain.chain_id().0,
                    account: account.to_checksum(None),
                    anchors: running.contracts.anchors.to_checksum(None),
                    number: head.header.number.0,
                    hash: head.hash,
                    log_size: head.header.log_size,
                    state_root: head.header.state_root,
                    sessions: sessions.map_err(|error| problem::internal(&error))?,
                })
            })
            .await
    }

    async fn origin(&self) -> Answer<ChainOrigin> {
        self.ask(Running::origin).await
    }

    async fn blocks(&self, asker: Asker, before: Option<u64>, limit: u32) -> Answer<BlockPage> {
        let page = self.read(&asker, move |running| running.blocks(before, limit)).await?;
        // Each names the one before it, so that the newest is enough.
        let newest = page.blocks.first().map(|block| (block.header.number.0, block.hash));
        self.held(newest.as_slice()).await?;
        Ok(page)
    }

    async fn block(&self, asker: Asker, block: BlockId) -> Answer<BlockDetail> {
        let block = self.read(&asker, move |running| running.block(block)).await?;
        self.held(&[(block.block.header.number.0, block.block.hash)]).await?;
        Ok(block)
    }

    async fn transaction(&self, asker: Asker, hash: TxHash) -> Answer<TransactionDetail> {
        let detail = self.read(&asker, move |running| running.transaction(hash)).await?;
        self.held(&[(detail.block_number, detail.block_hash)]).await?;
        if detail.success {
            return Ok(detail);
        }
        let running = self.parts.running()?;
        let job = move || {
            let began = Instant::now();
            let is_over = || began.elapsed() > FAILURE_TIME;
            running.failure(hash, Patience::until(&is_over))
        };
        let failure = self.turns.run(&asker, job).await?;
        Ok(TransactionDetail { failure, ..detail })
    }

    async fn registration(&self, session: SessionId) -> Answer<Option<Registration>> {
        let registration = self.ask(move |running, _| running.registration(session)).await?;
        let blocks = registration.iter().map(|of| (of.block_number, of.block_hash));
        self.held(&blocks.collect::<Vec<_>>()).await?;
        Ok(registration)
    }

    async fn registrations(
        &self,
        asker: Asker,
        before: Option<u64>,
        limit: u32,
    ) -> Answer<Vec<Registration>> {
        let registrations =
            self.read(&asker, move |running| running.registrations(before, limit)).await?;
        let blocks = registrations.iter().map(|of| (of.block_number, of.block_hash));
        let mut blocks: Vec<_> = blocks.collect();
        blocks.dedup();
        self.held(&blocks).await?;
        Ok(registrations)
    }
}
