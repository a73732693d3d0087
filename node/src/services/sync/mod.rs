//! blockchain-sessions-data's sync: what the log says, in MongoDB too.
//!
//! What a document is and how it is brought there is `lucid_mongo`'s. Here are its log and manifests
//! (`ports::LoggedSource`) and its cursors (`ports::CursorFile`) over the node's ports and folder.
//!
//! Owns on disk: `sync/cursors`. Nothing waits for any of it: with MongoDB down all else works, and the lag is
//! measured. It runs on threads of the lowest priority (`aside`), and makes way for recordings (`recordings`).

mod aside;
mod ports;
pub(super) mod recordings;

use std::{path::Path, sync::Arc};

use lucid_api::ports::{Sessions, SyncState, SyncedCollection, TransparencyLog};
use lucid_core::{NodeId, note::VerifierKey};
use lucid_mongo::{Identity, Options, Progress, Report, Status, Sync};
use lucid_store::Disk;
use tokio::sync::OnceCell;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use self::{
    ports::{CursorFile, LoggedSource},
    recordings::Recordings,
};
use super::cpu::Pool;

/// Until the log says whose it is, it is asked so often.
const ASK_EVERY: std::time::Duration = std::time::Duration::from_secs(1);

/// The sync of a node.
pub struct LocalSync {
    log: Arc<dyn TransparencyLog>,
    sessions: Arc<dyn Sessions>,
    cursors: Arc<CursorFile>,
    pool: Pool,
    options: Options,
    recordings: Arc<Recordings>,
    sync: OnceCell<Sync>,
}

impl LocalSync {
    /// The sync of `log` and the manifests of `sessions`, with its cursors in `data`.
    #[must_use]
    pub fn new(
        data: &Path,
        log: Arc<dyn TransparencyLog>,
        sessions: Arc<dyn Sessions>,
        pool: Pool,
        options: Options,
    ) -> Self {
        let cursors = Arc::new(CursorFile::new(data, &Disk::default(), pool.clone()));
        let recordings = Recordings::new();
        Self { log, sessions, cursors, pool, options, recordings, sync: OnceCell::new() }
    }

    /// Sends what the log has and will have, until `stop`, on threads that take what others leave.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let is_open = stop.run_until_cancelled(async {
            // On the node's own threads: it is they that read the log from then on.
            while let Err(why) = self.sync().await {
                tracing::debug!(why, "the log does not say yet whose it is");
                tokio::time::sleep(ASK_EVERY).await;
            }
        });
        if is_open.await.is_none() {
            return;
        }
        // On the node's own threads, too: one that steps back would hear too late of what it is to make way for.
        let (recordings, sessions) = (Arc::clone(&self.recordings), Arc::clone(&self.sessions));
        let listening = AbortOnDropHandle::new(tokio::spawn(async move {
            recordings.listen(sessions).await;
        }));
        aside::run(async move {
            if let Some(sync) = self.sync.get() {
                sync.run(&stop).await;
            }
            // The driver's tasks are on these threads.
            self.close().await;
        })
        .await;
        drop(listening);
    }

    /// How far it is; nothing before the log has said whose it is.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        self.sync.get().map(Sync::status)
    }

    /// The same, as it is told.
    #[must_use]
    pub fn state(&self) -> SyncState {
        let state = SyncState { enabled: true, ..none() };
        self.status().map_or(state, told)
    }

    /// Compares every document of this node with what it should be; with `mends`, puts right what is not.
    ///
    /// # Errors
    /// Why either side cannot be read.
    pub async fn compare(
        &self,
        mends: bool,
        tell: &(dyn Fn(Progress) + Send + std::marker::Sync),
    ) -> Result<Report, String> {
        let sync = self.sync().await?;
        let report = match mends {
            true => sync.rebuild(tell).await,
            false => sync.verify(tell).await,
        };
        report.map_err(|fault| fault.to_string())
    }

    /// Ends the connection: before the runtime ends, and after all else.
    pub async fn close(&self) {
        if let Some(sync) = self.sync.get() {
            sync.close().await;
        }
    }

    async fn sync(&self) -> Result<&Sync, String> {
        self.sync
            .get_or_try_init(async || {
                let head = self.log.head().await.map_err(|problem| problem.detail)?;
                let key: VerifierKey = head.key.parse().map_err(|error| format!("{error}"))?;
                let identity = Identity {
                    node_id: NodeId::of_public_key(key.public_key()),
                    key,
                    software: concat!("lucid-node ", env!("CARGO_PKG_VERSION")).to_owned(),
                };
                let (log, sessions) = (Arc::clone(&self.log), Arc::clone(&self.sessions));
                let source = LoggedSource::new(
                    identity,
                    log,
                    sessions,
                    self.pool.clone(),
                    Arc::clone(&self.recordings),
                );
                let cursors = Arc::clone(&self.cursors);
                Ok(Sync::open(self.options.clone(), Arc::new(source), cursors))
            })
            .await
    }
}

/// What is told where no database is configured.
#[must_use]
pub fn none() -> SyncState {
    SyncState {
        enabled: false,
        is_well: None,
        log_size: 0,
        lag_entries: 0,
        lag_seconds: 0,
        collections: Vec::new(),
        faults: 0,
        last_fault: None,
        last_fault_at: None,
        not_set_up: Vec::new(),
        manifests_unreadable: 0,
    }
}

fn told(status: Status) -> SyncState {
    let collection = |of: lucid_mongo::CollectionStatus| SyncedCollection {
        collection: of.collection.name().to_owned(),
        entries: of.cursor.entry,
        documents: of.documents,
        bytes: of.bytes,
        batches: of.batches,
    };
    let (last_fault, last_fault_at) =
        status.last_fault.map(|last| (last.fault.to_string(), last.at)).unzip();
    SyncState {
        enabled: true,
        is_well: status.is_well,
        log_size: status.log_size,
        lag_entries: status.lag_entries,
        lag_seconds: status.lag_seconds,
        collections: status.collections.into_iter().map(collection).collect(),
        faults: status.faults.iter().sum(),
        last_fault,
        last_fault_at,
        not_set_up: status.not_set_up,
        manifests_unreadable: status.manifests_unreadable,
    }
}
