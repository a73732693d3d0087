//! The log and the memory of anchoring, over the node's ports and its folder.

use std::sync::Arc;

use async_trait::async_trait;
use lucid_api::{
    Code, Problem,
    ports::{ENTRIES_MAX, Ledger, LogEntry, TransparencyLog},
};
use lucid_core::{
    EntryIndex, Parameters,
    entry::{AnchorTron, Entry},
    tron::anchor::AnchorRecord,
};
use lucid_store::{AnchorFolder, StoreError};
use lucid_tron::anchoring::{
    due::Rhythm,
    ports::{Head, Log, Memory, Unavailable},
    state::State,
};

use crate::services::cpu::Pool;

/// The log that is anchored.
pub(super) struct AnchoredLog {
    pub(super) log: Arc<dyn TransparencyLog>,
    pub(super) ledger: Arc<dyn Ledger>,
    /// Reads entries: a page of them can be long.
    pub(super) pool: Pool,
}

#[expect(clippy::needless_pass_by_value, reason = "the form that `map_err` calls for")]
fn unavailable(problem: Problem) -> Unavailable {
    Unavailable(format!("the log: {}", problem.detail))
}

#[async_trait]
impl Log for AnchoredLog {
    async fn head(&self) -> Result<Head, Unavailable> {
        let head = self.log.head().await.map_err(unavailable)?;
        Ok(Head { checkpoint: head.checkpoint, size: head.size, root: head.root })
    }

    async fn entries(&self, from: EntryIndex) -> Result<Vec<(EntryIndex, Entry)>, Unavailable> {
        let page = self.log.entries(from, ENTRIES_MAX).await.map_err(unavailable)?;
        let parse = move |LogEntry { index, entry }| match Entry::parse(entry.as_bytes()) {
            Ok(parsed) => Ok((EntryIndex(index), parsed)),
            Err(error) => Err(Unavailable(format!("entry {index} of the log: {error}"))),
        };
        let parse = move || Ok(page.into_iter().map(parse).collect());
        self.pool.run(parse).await.map_err(unavailable)?
    }

    async fn anchored_size(&self) -> Result<u64, Unavailable> {
        let newest = self.ledger.anchors(None, 1).await.map_err(unavailable)?;
        Ok(newest.first().map_or(0, |anchor| anchor.entry.log_size))
    }

    async fn rhythm(&self) -> Result<Rhythm, Unavailable> {
        let decided = self.ledger.parameters().await.map_err(unavailable)?;
        let parameters = decided.map_or_else(Parameters::default, |decided| decided.parameters);
        Ok(Rhythm {
            interval_seconds: parameters.anchor_interval_seconds,
            sessions_max: parameters.anchor_sessions_max,
        })
    }

    async fn enter(&self, anchor: AnchorTron) -> Result<(), Unavailable> {
        let log_size = anchor.log_size;
        match self.ledger.anchored(anchor).await {
            Ok(()) => Ok(()),
            // It was put there before, and its answer was lost.
            Err(problem) if problem.code == Code::Conflict => {
                match self.anchored_size().await? >= log_size {
                    true => Ok(()),
                    false => Err(unavailable(problem)),
                }
            }
            Err(problem) => Err(unavailable(problem)),
        }
    }
}

/// What is remembered, in the folder `anchors`.
pub(super) struct AnchorMemory {
    pub(super) folder: AnchorFolder,
    pub(super) pool: Pool,
}

impl AnchorMemory {
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&AnchorFolder) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Unavailable> {
        let folder = self.folder.clone();
        // The pool's own errors are problems; the folder's pass through it.
        let done = self.pool.run(move || Ok(work(&folder))).await;
        let done = done.map_err(|problem| Unavailable(problem.detail))?;
        done.map_err(|error| Unavailable(error.to_string()))
    }
}

#[async_trait]
impl Memory for AnchorMemory {
    async fn load(&self) -> Result<State, Unavailable> {
        self.with(|folder| {
            let file = folder.state();
            match file.load()? {
                None => Ok(State::default()),
                Some(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                    file.damaged(format!(
                        "{error}; move it aside, and the anchor begins again: where its transaction was sent \
                         already, a second one is made and paid"
                    ))
                }),
            }
        })
        .await
    }

    async fn save(&self, state: State) -> Result<(), Unavailable> {
        let bytes = serde_json::to_vec(&state).map_err(|error| Unavailable(error.to_string()))?;
        self.with(move |folder| folder.state().save(&bytes)).await
    }

    async fn keep(&self, record: AnchorRecord) -> Result<(), Unavailable> {
        self.with(move |folder| folder.keep(&record).map(drop)).await
    }
}
