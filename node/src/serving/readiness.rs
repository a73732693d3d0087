//! Whether what this process has can do its work, and what is measured of it.

use std::sync::Arc;

use async_trait::async_trait;
use lucid_api::{
    health::{Check, Readiness},
    metrics::Measured,
};
use lucid_store::{DataFolder, Figures, FolderVault, Store, StoreError, Vault as _};

use super::{board::Figures as BoardFigures, tor::Onions};
use crate::services::{
    anchors::LocalAnchors, chunker::LocalChunker, cpu::Pool, governance::LocalGovernance,
    sessions_data::LocalSessionsData, tor::Vital, vm::LocalVm,
};

/// The check of the log, which a start repairs.
pub(super) const LEDGER_LOG: &str = "ledger log";

/// Whether the index of sessions is there.
fn index_check(index: &LocalSessionsData) -> Check {
    match index.away() {
        None => Check::ok("sessions index"),
        Some(why) => Check::failed("sessions index", why),
    }
}

/// How far the log is anchored, where it is, beside what else was measured.
fn anchor_figures(anchors: &LocalAnchors, measured: &Measured) -> Measured {
    let Some(progress) = anchors.progress() else { return *measured };
    Measured {
        anchored_entries: Some(progress.anchored_size),
        unanchored_sessions: Some(progress.unanchored.sessions),
        anchor_spent_sun: Some(progress.spent.get()),
        ..*measured
    }
}

/// How far the index of sessions is, beside what else was measured.
fn index_figures(index: &LocalSessionsData, measured: &Measured) -> Measured {
    let (lag, unread) = index.lag();
    let sync = index.sync_status();
    let of_sync = |figure: fn(&lucid_mongo::Status) -> u64| sync.as_ref().map(figure);
    let documents = |status: &lucid_mongo::Status| {
        status.collections.iter().map(|collection| collection.documents).sum()
    };
    Measured {
        index_lag_entries: Some(lag),
        index_unread_sessions: Some(unread),
        sync_lag_entries: of_sync(|status| status.lag_entries),
        sync_lag_seconds: of_sync(|status| status.lag_seconds),
        sync_documents: of_sync(documents),
        sync_faults: of_sync(|status| status.faults.iter().sum()),
        ..*measured
    }
}

/// Whether decisions are followed.
fn governance_check(governance: &LocalGovernance) -> Check {
    match governance.away() {
        None => Check::ok("decisions"),
        Some(why) => Check::failed("decisions", why),
    }
}

/// Whether the chain is there.
fn chain_check(vm: &LocalVm) -> Check {
    match vm.away() {
        // It is told, and no reason to take the node for one that cannot work.
        None => Check { detail: vm.warning().unwrap_or_default(), ..Check::ok("chain") },
        Some(why) => Check::failed("chain", why),
    }
}

/// Whether there is room on the disk, as `look` sees it.
async fn room(look: impl FnOnce() -> Result<(), StoreError> + Send + 'static) -> Check {
    match tokio::task::spawn_blocking(look).await {
        Ok(Ok(())) => Check::ok("disk"),
        Ok(Err(error)) => Check::failed("disk", error.to_string()),
        Err(error) => Check::failed("disk", error.to_string()),
    }
}

/// Whether the ledger log takes entries.
async fn log_taken(store: &Arc<Store>) -> Check {
    let store = Arc::clone(store);
    match tokio::task::spawn_blocking(move || store.check_log()).await {
        Ok(Ok(())) => Check::ok(LEDGER_LOG),
        Ok(Err(error)) => {
            Check::failed(LEDGER_LOG, format!("{error}; restart the node, which repairs it"))
        }
        Err(error) => Check::failed(LEDGER_LOG, error.to_string()),
    }
}

/// What a store says of itself.
async fn figures(store: &Arc<Store>) -> Measured {
    let store = Arc::clone(store);
    let look = move || {
        let free_bytes = store.free_bytes().ok();
        let Figures { log_entries, lag_entries, open_sessions } = store.figures();
        Measured {
            free_bytes,
            log_entries: Some(log_entries),
            lag_entries: Some(lag_entries),
            open_sessions: Some(open_sessions),
            ..Measured::default()
        }
    };
    tokio::task::spawn_blocking(look).await.unwrap_or_default()
}

/// All services in one process.
pub(super) struct LocalReadiness {
    pub(super) store: Arc<Store>,
    pub(super) chunker: Arc<LocalChunker>,
    pub(super) cpu: Pool,
    pub(super) vm: Option<Arc<LocalVm>>,
    pub(super) sessions_data: Arc<LocalSessionsData>,
    pub(super) governance: Option<Arc<LocalGovernance>>,
    pub(super) anchors: Arc<LocalAnchors>,
    pub(super) tor: Onions,
    pub(super) onion_only: bool,
    pub(super) board: BoardFigures,
}

#[async_trait]
impl Readiness for LocalReadiness {
    async fn checks(&self) -> Vec<Check> {
        let store = Arc::clone(&self.store);
        let log = log_taken(&store).await;
        let mut checks = vec![Check::ok("store"), room(move || store.check_room()).await, log];
        checks.extend(self.vm.as_deref().map(chain_check));
        checks.push(index_check(&self.sessions_data));
        checks.extend(self.governance.as_deref().map(governance_check));
        let vital = if self.onion_only { Vital::Gateway } else { Vital::Nothing };
        checks.extend(self.tor.check(vital));
        checks
    }

    async fn measure(&self) -> Measured {
        let (uploads, queue) = (self.chunker.active(), self.cpu.waiting());
        let (uploads, queue) = (Some(uploads as u64), Some(queue as u64));
        let chain_blocks = self.vm.as_deref().and_then(LocalVm::blocks);
        let open_proposals = self.governance.as_deref().and_then(LocalGovernance::open_proposals);
        let lag = match &self.vm {
            Some(vm) => vm.lag().await,
            None => None,
        };
        let figures = index_figures(&self.sessions_data, &figures(&self.store).await);
        let figures = anchor_figures(&self.anchors, &figures);
        Measured {
            uploads,
            queue,
            chain_blocks,
            chain_lag_entries: lag.map(|(entries, _)| entries),
            chain_lag_seconds: lag.map(|(_, seconds)| seconds),
            open_proposals,
            board: self.board.get(),
            tor: self.tor.measured(),
            ..figures
        }
    }
}

/// session-chunker.
pub(super) struct ChunkerReadiness(pub(super) Arc<LocalChunker>, pub(super) Pool);

#[async_trait]
impl Readiness for ChunkerReadiness {
    async fn checks(&self) -> Vec<Check> {
        Vec::new()
    }

    async fn measure(&self) -> Measured {
        let (uploads, queue) = (self.0.active() as u64, self.1.waiting() as u64);
        Measured { uploads: Some(uploads), queue: Some(queue), ..Measured::default() }
    }
}

/// session-encryptor.
pub(super) struct VaultReadiness(pub(super) Arc<FolderVault>, pub(super) Pool);

#[async_trait]
impl Readiness for VaultReadiness {
    async fn checks(&self) -> Vec<Check> {
        let vault = Arc::clone(&self.0);
        vec![room(move || vault.check_room()).await]
    }

    async fn measure(&self) -> Measured {
        let vault = Arc::clone(&self.0);
        let free = tokio::task::spawn_blocking(move || vault.free_bytes()).await;
        let free_bytes = free.ok().and_then(Result::ok);
        let queue = Some(self.1.waiting() as u64);
        Measured { queue, free_bytes, ..Measured::default() }
    }
}

/// session-orchestrator.
pub(super) struct LedgerReadiness(pub(super) Arc<Store>);

#[async_trait]
impl Readiness for LedgerReadiness {
    async fn checks(&self) -> Vec<Check> {
        let store = Arc::clone(&self.0);
        let log = log_taken(&store).await;
        vec![room(move || store.check_room()).await, log]
    }

    async fn measure(&self) -> Measured {
        figures(&self.0).await
    }
}

/// blockchain-vm.
pub(super) struct VmReadiness(pub(super) Arc<LocalVm>, pub(super) FolderReadiness);

#[async_trait]
impl Readiness for VmReadiness {
    async fn checks(&self) -> Vec<Check> {
        let mut checks = self.1.checks().await;
        checks.push(chain_check(&self.0));
        checks
    }

    async fn measure(&self) -> Measured {
        let lag = self.0.lag().await;
        Measured {
            chain_blocks: self.0.blocks(),
            chain_lag_entries: lag.map(|(entries, _)| entries),
            chain_lag_seconds: lag.map(|(_, seconds)| seconds),
            ..self.1.measure().await
        }
    }
}

/// blockchain-governance.
pub(super) struct GovernanceReadiness(pub(super) Arc<LocalGovernance>);

#[async_trait]
impl Readiness for GovernanceReadiness {
    async fn checks(&self) -> Vec<Check> {
        vec![governance_check(&self.0)]
    }

    async fn measure(&self) -> Measured {
        Measured { open_proposals: self.0.open_proposals(), ..Measured::default() }
    }
}

/// blockchain-sessions-data.
pub(super) struct IndexReadiness(pub(super) Arc<LocalSessionsData>, pub(super) FolderReadiness);

#[async_trait]
impl Readiness for IndexReadiness {
    async fn checks(&self) -> Vec<Check> {
        let mut checks = self.1.checks().await;
        checks.push(index_check(&self.0));
        checks
    }

    async fn measure(&self) -> Measured {
        index_figures(&self.0, &self.1.measure().await)
    }
}

/// A service with a folder, of which there is nothing else to say.
pub(super) struct FolderReadiness(pub(super) Arc<DataFolder>);

#[async_trait]
impl Readiness for FolderReadiness {
    async fn checks(&self) -> Vec<Check> {
        let folder = Arc::clone(&self.0);
        vec![room(move || folder.free_bytes().map(drop)).await]
    }

    async fn measure(&self) -> Measured {
        let folder = Arc::clone(&self.0);
        let free = tokio::task::spawn_blocking(move || folder.free_bytes()).await;
        Measured { free_bytes: free.ok().and_then(Result::ok), ..Measured::default() }
    }
}
