//! blockchain-api: what is asked of the chain and of the log together.
//!
//! It has neither: blocks, transactions and registrations are blockchain-vm's, entries the log's. Here is what
//! needs both, and what a stranger who comes with nothing but the node's address asks first.

use std::{cmp::Reverse, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use lucid_api::{
    Code, Problem,
    ports::{
        Anchor, AnchorPage, Anchors, Answer, Asker, BlockDetail, BlockId, BlockPage,
        CHAIN_PAGE_MAX, ChainApi, ChainEntry, ChainNode, ChainState, ENTRIES_MAX, EntryPage,
        EntryQuery, Evm, LOOK_MAX, LogEntry, Registration, TransactionDetail, TransparencyLog,
        TxHash, Witness,
    },
};
use lucid_core::{
    EntryIndex, NodeId, SessionId,
    entry::{self, Entry},
    note::VerifierKey,
};

use super::problem;

/// What the node's own chain is called, beside the networks that its anchors may be on.
const NETWORK: &str = "private";
/// Bytes of the entries in one answer, but for a larger one that is alone.
const PAGE_BYTES_MAX: usize = 4 << 20;

/// blockchain-api.
pub struct LocalChainApi {
    evm: Arc<dyn Evm>,
    log: Arc<dyn TransparencyLog>,
    witness: Arc<dyn Witness>,
    anchors: Arc<dyn Anchors>,
    /// The services that the node consists of.
    services: Vec<String>,
}

impl LocalChainApi {
    /// One that asks `evm`, `log`, `witness` and `anchors`, of a node with these services.
    #[must_use]
    pub fn new(
        evm: Arc<dyn Evm>,
        log: Arc<dyn TransparencyLog>,
        witness: Arc<dyn Witness>,
        anchors: Arc<dyn Anchors>,
        services: Vec<String>,
    ) -> Self {
        Self { evm, log, witness, anchors, services }
    }
}

/// An entry as it is answered, and what it is about.
fn read(LogEntry { index, entry }: LogEntry) -> Answer<(ChainEntry, Option<SessionId>)> {
    let parsed = Entry::parse(entry.as_bytes()).map_err(|error| {
        tracing::error!(index, %error, "an entry of the log is damaged");
        Problem::new(Code::Damaged, format!("entry {index} of the log: {error}"))
    })?;
    let leaf = entry::leaf(entry.as_bytes());
    let about = parsed.session();
    Ok((ChainEntry { index, kind: parsed.kind().to_owned(), leaf, entry }, about))
}

/// Entries that match, so far.
struct Found {
    query: EntryQuery,
    entries: Vec<ChainEntry>,
    bytes: usize,
    /// Everything before this one was looked at.
    next: u64,
}

impl Found {
    /// Takes a page of the log; gives whether there is room for more.
    fn take(&mut self, page: Vec<LogEntry>) -> Answer<bool> {
        for entry in page {
            let index = entry.index;
            let (entry, about) = read(entry)?;
            let EntryQuery { kind, session, .. } = &self.query;
            let matches = kind.as_ref().is_none_or(|kind| *kind == entry.kind)
                && session.is_none_or(|session| about == Some(session));
            if matches {
                let bytes = self.bytes + entry.entry.len();
                if bytes > PAGE_BYTES_MAX && !self.entries.is_empty() {
                    return Ok(false);
                }
                self.bytes = bytes;
                self.entries.push(entry);
            }
            self.next = index + 1;
            if self.entries.len() == self.query.limit as usize {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[async_trait]
impl ChainApi for LocalChainApi {
    async fn rpc(&self, asker: Asker, body: Bytes) -> Answer<Option<Bytes>> {
        self.evm.rpc(asker, body).await
    }

    async fn head(&self) -> Answer<ChainState> {
        self.evm.chain().await
    }

    async fn blocks(&self, asker: Asker, before: Option<u64>, limit: u32) -> Answer<BlockPage> {
        self.evm.blocks(asker, before, limit).await
    }

    async fn block(&self, asker: Asker, block: BlockId) -> Answer<BlockDetail> {
        self.evm.block(asker, block).await
    }

    async fn transaction(&self, asker: Asker, hash: TxHash) -> Answer<TransactionDetail> {
        self.evm.transaction(asker, hash).await
    }

    async fn entries(&self, query: EntryQuery) -> Answer<EntryPage> {
        let size = self.log.head().await?.size;
        let query = EntryQuery { limit: query.limit.clamp(1, CHAIN_PAGE_MAX), ..query };
        let end = query.from.saturating_add(LOOK_MAX).min(size);
        let filtered = query.kind.is_some() || query.session.is_some();
        let mut found = Found { next: query.from.min(size), query, entries: Vec::new(), bytes: 0 };
        while found.next < end {
            let left = u32::try_from(end - found.next).unwrap_or(ENTRIES_MAX);
            // Without a filter, what is asked for is what is answered.
            let page = if filtered { ENTRIES_MAX } else { found.query.limit };
            let page = self.log.entries(EntryIndex(found.next), left.min(page)).await?;
            if page.is_empty() {
                let detail = format!("the log has {size} entries, and none from {}", found.next);
                return Err(Problem::new(Code::Damaged, detail));
            }
            if !found.take(page)? {
                break;
            }
        }
        let next = (found.next < size).then_some(found.next);
        Ok(EntryPage { entries: found.entries, next, size })
    }

    async fn entry(&self, index: u64) -> Answer<ChainEntry> {
        let page = self.log.entries(EntryIndex(index), 1).await?;
        match page.into_iter().next() {
            Some(entry) => Ok(read(entry)?.0),
            None => {
                let size = self.log.head().await?.size;
                let detail = format!("the log has {size} entries: there is no entry {index}");
                Err(Problem::new(Code::NotFound, detail))
            }
        }
    }

    async fn registration(&self, session: SessionId) -> Answer<Registration> {
        if let Some(registration) = self.evm.registration(session).await? {
            return Ok(registration);
        }
        let (done, size) = (self.evm.chain().await?.log_size, self.log.head().await?.size);
        let detail = format!(
            "session {session} is not registered yet: what was sealed in the first {done} of {size} entries of the \
             log is"
        );
        Err(Problem::new(Code::NotFound, detail))
    }

    async fn anchors(&self, asker: Asker, before: Option<u64>, limit: u32) -> Answer<AnchorPage> {
        let limit = limit.clamp(1, CHAIN_PAGE_MAX);
        let registered = |registration| {
            let network = NETWORK.to_owned();
            Anchor::Registration { network, registration }
        };
        // As many of each: which of them come first, their places in the log say.
        let registrations = self.evm.registrations(asker, before, limit).await?;
        let logged = self.anchors.logged(before, limit).await?;
        let more = |count: usize| count == limit as usize;
        let is_full = more(registrations.len()) || more(logged.len());
        let mut anchors: Vec<_> = registrations.into_iter().map(registered).collect();
        anchors.extend(logged.into_iter().map(Anchor::from));
        anchors.sort_by_key(|anchor| Reverse(anchor.log_index()));
        let is_full = is_full || anchors.len() > limit as usize;
        anchors.truncate(limit as usize);
        let next = anchors.last().map(Anchor::log_index).filter(|_| is_full);
        Ok(AnchorPage { anchors, next })
    }

    async fn node(&self) -> Answer<ChainNode> {
        let (origin, log_key) = (self.evm.origin().await?, self.log.head().await?.key);
        let witnessing = self.witness.witnessing().await?;
        let features = [
            // Whoever asks is answered by it.
            ("chain", true),
            ("witnesses", !witnessing.witnesses.is_empty()),
            ("anchoring", self.anchors.anchoring().await?.network.is_some()),
            ("witness", !witnessing.witnessed_logs.is_empty()),
        ];
        let features = features.iter().filter(|(_, on)| *on).map(|(name, _)| (*name).to_owned());
        let key: VerifierKey = log_key.parse().map_err(|error| problem::internal(&error))?;
        Ok(ChainNode {
            node_id: NodeId::of_public_key(key.public_key()),
            log_key,
            network: NETWORK.to_owned(),
            origin,
            software: concat!("lucid-node ", env!("CARGO_PKG_VERSION")).to_owned(),
            services: self.services.clone(),
            features: features.collect(),
        })
    }
}
