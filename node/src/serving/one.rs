//! One service in this process; the others are reached over HTTP.

use std::{convert::Infallible, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use axum::Router;
use lucid_api::{
    gateway,
    health::{Check, Readiness},
    internal::{self, guarded},
    metrics::Measured,
    ports::{ChainApi, Governance, Ledger},
    rest::{self, Api},
};
use lucid_core::NodeId;
use lucid_store::{
    DataFolder, Disk, ErrorKind, FolderKind, FolderVault, KekSource, LedgerOptions, RemoteVault,
    Store, StoreError, Vault, VaultOptions,
};
use tokio::runtime::Handle;

use super::{
    Running, completer,
    late::{Joined, Late, Missing},
    local::{
        STORE_THREADS, authentication, chain_api, chain_check, check_reads, chunker_options,
        figures, gateway_options, governance, governance_check, index_check, index_figures,
        log_taken, orchestrator_options, room, sessions_data, tell_overruled, vm, witness,
    },
    peers::Peers,
    vault::{self, HttpTransport},
};
use crate::{
    config::ServiceName,
    context::{Context, now, tell},
    failure::{Failure, Outcome},
    output::notice,
    services::{
        chunker::LocalChunker, cpu::Pool, encryptor::LocalEncryptor, governance::LocalGovernance,
        merkle_builder::LocalMerkleBuilder, orchestrator::Orchestrator,
        sessions_data::LocalSessionsData, vm::LocalVm,
    },
};

/// Joins the service, and keeps on trying where it needs another one for that.
pub(super) async fn join(
    service: ServiceName,
    context: &Context,
    peers: &Peers<'_>,
    running: &Running,
    late: &Late,
) -> Outcome<Joined> {
    use ServiceName::{
        ApiGateway, ApiServer, Authentication, BlockchainApi, BlockchainGovernance,
        BlockchainLedger, BlockchainSessionsData, BlockchainVm, MerkleBuilder, SessionChunker,
        SessionEncryptor, SessionOrchestrator,
    };
    let cpu = || Pool::new(context.config.workers);
    let metrics = &running.metrics;
    let (router, readiness) = match service {
        ApiGateway => {
            let api = internal::proxy(peers.caller(ApiServer));
            let options = gateway_options(context);
            let router = gateway::router(api, peers.authentication(), options, metrics.clone());
            return Ok(Joined {
                router,
                readiness: peers.readiness(&[ApiServer, Authentication], None),
            });
        }
        ApiServer => api_server(context, peers, running),
        SessionChunker => session_chunker(context, peers, running),
        SessionEncryptor => {
            let folder = Arc::new(open_vault(context)?);
            check_reads(&folder)?;
            let cpu = cpu();
            let own = VaultReadiness(folder.clone(), cpu.clone());
            let encryptor = LocalEncryptor::new(folder.clone(), cpu, context.config.workers);
            let router = internal::encryptor(Arc::new(encryptor))
                .merge(vault::router(folder, Pool::new(STORE_THREADS)));
            (router, peers.readiness(&[], Some(Arc::new(own))))
        }
        MerkleBuilder => {
            let (sessions, encryptor) = (peers.sessions(), peers.encryptor());
            let builder = LocalMerkleBuilder::new(sessions, encryptor, cpu());
            let readiness = peers.readiness(&[SessionOrchestrator, SessionEncryptor], None);
            (internal::merkle_builder(Arc::new(builder)), readiness)
        }
        SessionOrchestrator => {
            let store = Arc::new(open_ledger(context, peers, late).await?);
            tell_overruled(&context.config, &store);
            let options = orchestrator_options(context)?;
            let (pool, metrics) = (Pool::new(STORE_THREADS), metrics.clone());
            let sessions = Orchestrator::new(store.clone(), pool, options, metrics.clone());
            let sessions = Arc::new(sessions);
            completer(context, &sessions, running);
            let router = internal::sessions(sessions.clone())
                .merge(internal::ledger(sessions.clone()))
                .merge(internal::block_log(sessions.clone()))
                .merge(internal::log(sessions));
            let own = Arc::new(LedgerReadiness(store));
            (router, peers.readiness(&[SessionEncryptor], Some(own)))
        }
        Authentication => {
            let folder =
                open_folder(context, FolderKind::Accounts, Some("the key of its tokens is"))?;
            let ledger = peers.sessions();
            let issuer = issuer(&*ledger, late).await;
            let (config, issuer) = (&context.config, issuer.to_string());
            let service = authentication(config, folder.path(), issuer, ledger, Some(late)).await?;
            let own = Arc::new(FolderReadiness(folder));
            let readiness = peers.readiness(&[SessionOrchestrator], Some(own));
            (internal::authentication(Arc::new(service)), readiness)
        }
        BlockchainLedger => blockchain_ledger(context, peers, running)?,
        BlockchainVm => blockchain_vm(context, peers, running)?,
        BlockchainApi => blockchain_api(peers),
        BlockchainGovernance => blockchain_governance(peers, running),
        BlockchainSessionsData => blockchain_sessions_data(context, peers, running)?,
    };
    Ok(Joined { router: guarded(router, peers.key(), service.as_str()), readiness })
}

/// api-server: the public API over the other services.
fn api_server(
    context: &Context,
    peers: &Peers<'_>,
    running: &Running,
) -> (Router, Arc<dyn Readiness>) {
    use ServiceName::{
        Authentication, BlockchainApi, BlockchainGovernance, BlockchainLedger,
        BlockchainSessionsData, MerkleBuilder, SessionChunker, SessionEncryptor,
        SessionOrchestrator,
    };
    let services = &context.config.services;
    let api = Api {
        authentication: peers.authentication(),
        sessions: peers.sessions(),
        chunker: peers.chunker(),
        encryptor: peers.encryptor(),
        merkle_builder: peers.merkle_builder(),
        log: peers.log(BlockchainLedger),
        witness: peers.witness(),
        sessions_data: peers.sessions_data(),
        chain: services.chain.then(|| peers.chain_api() as Arc<dyn ChainApi>),
        governance: services.chain.then(|| peers.governance() as Arc<dyn Governance>),
        public_log: services.public_log,
        metrics: running.metrics.clone(),
    };
    let mut asked = vec![
        Authentication,
        SessionOrchestrator,
        SessionChunker,
        SessionEncryptor,
        MerkleBuilder,
        BlockchainLedger,
        BlockchainSessionsData,
    ];
    if services.chain {
        asked.extend([BlockchainApi, BlockchainGovernance]);
    }
    (rest::router(api), peers.readiness(&asked, None))
}

/// blockchain-api: the chain that blockchain-vm has, and the log as blockchain-ledger serves it.
fn blockchain_api(peers: &Peers<'_>) -> (Router, Arc<dyn Readiness>) {
    use ServiceName::{BlockchainLedger, BlockchainVm};
    let api = chain_api(peers.evm(), peers.log(BlockchainLedger), peers.witness());
    (internal::chain(api), peers.readiness(&[BlockchainVm, BlockchainLedger], None))
}

/// session-chunker: what is sent, cut and compressed.
fn session_chunker(
    context: &Context,
    peers: &Peers<'_>,
    running: &Running,
) -> (Router, Arc<dyn Readiness>) {
    let cpu = Pool::new(context.config.workers);
    let chunker = Arc::new(LocalChunker::new(
        peers.sessions(),
        peers.encryptor(),
        cpu.clone(),
        chunker_options(&context.config),
        running.stop.clone(),
        running.tasks.clone(),
    ));
    let own = Arc::new(ChunkerReadiness(chunker.clone(), cpu));
    let asked = [ServiceName::SessionOrchestrator, ServiceName::SessionEncryptor];
    (internal::chunker(chunker), peers.readiness(&asked, Some(own)))
}

/// blockchain-governance: what the nodes decide on the chain that blockchain-vm has.
fn blockchain_governance(peers: &Peers<'_>, running: &Running) -> (Router, Arc<dyn Readiness>) {
    let governance = governance(peers.chain_calls(), running);
    let own = Arc::new(GovernanceReadiness(governance.clone()));
    let readiness = peers.readiness(&[ServiceName::BlockchainVm], Some(own));
    (internal::governance(governance), readiness)
}

/// blockchain-ledger: its witness, and the log that the orchestrator has.
fn blockchain_ledger(
    context: &Context,
    peers: &Peers<'_>,
    running: &Running,
) -> Outcome<(Router, Arc<dyn Readiness>)> {
    let folder = open_folder(context, FolderKind::Witness, Some("its witness key is"))?;
    let log = peers.log(ServiceName::SessionOrchestrator);
    let witness = witness(&context.config, folder.path(), log.clone(), running)?;
    let router = internal::log(log).merge(internal::witness(witness));
    let own = Arc::new(FolderReadiness(folder));
    Ok((router, peers.readiness(&[ServiceName::SessionOrchestrator], Some(own))))
}

/// blockchain-vm: its chain, whose blocks are in the log that the orchestrator has.
fn blockchain_vm(
    context: &Context,
    peers: &Peers<'_>,
    running: &Running,
) -> Outcome<(Router, Arc<dyn Readiness>)> {
    let folder = open_folder(context, FolderKind::Vm, Some("the key of the chain's account is"))?;
    let (log, blocks) = (peers.log(ServiceName::SessionOrchestrator), peers.block_log());
    let vm = vm(&context.config, folder.path(), log, blocks, running)?;
    let own = Arc::new(VmReadiness(vm.clone(), FolderReadiness(folder)));
    let router = internal::evm(vm.clone()).merge(internal::chain_calls(vm));
    Ok((router, peers.readiness(&[ServiceName::SessionOrchestrator], Some(own))))
}

/// blockchain-sessions-data: the index of the sessions that are in the log, which the orchestrator has.
fn blockchain_sessions_data(
    context: &Context,
    peers: &Peers<'_>,
    running: &Running,
) -> Outcome<(Router, Arc<dyn Readiness>)> {
    let folder = open_folder(context, FolderKind::SessionsData, None)?;
    let log = peers.log(ServiceName::SessionOrchestrator);
    let (config, path) = (&context.config, folder.path());
    let index = sessions_data(config, path, log, peers.sessions(), running);
    let own = Arc::new(IndexReadiness(index.clone(), FolderReadiness(folder)));
    let readiness = peers.readiness(&[ServiceName::SessionOrchestrator], Some(own));
    Ok((internal::sessions_data(index), readiness))
}

/// Opens the folder of the encryptor, and makes it first where nothing is there.
fn open_vault(context: &Context) -> Outcome<FolderVault> {
    let config = &context.config;
    let (disk, ciphers) = (Disk::default(), context.ciphers());
    let options = || VaultOptions {
        reserve_bytes: config.reserve_bytes,
        disk: disk.clone(),
        ciphers: Arc::clone(&ciphers),
    };
    match FolderVault::open(&config.data, config.master_key.clone(), options()) {
        Ok((vault, repairs)) => {
            for repair in repairs {
                notice(&format!("repaired: {repair}"));
            }
            Ok(vault)
        }
        Err(error) if is_to_be_made(&error) => {
            let kek = context.kek_source();
            let in_folder = matches!(kek, KekSource::Folder);
            let vault = FolderVault::create(&config.data, kek, options())?;
            made(&config.data, in_folder.then_some("its master key is"));
            Ok(vault)
        }
        Err(error) => Err(error.into()),
    }
}

/// Opens the folder of the orchestrator, and makes it first where nothing is there. The vault is asked
/// what a crash left of sessions, as soon as it can be.
async fn open_ledger(context: &Context, peers: &Peers<'_>, late: &Late) -> Outcome<Store> {
    let (path, reserve_bytes) = (context.config.data.clone(), context.config.reserve_bytes);
    let caller = peers.caller(ServiceName::SessionEncryptor);
    let opened = late
        .until(async || {
            let transport = HttpTransport { caller: caller.clone(), runtime: Handle::current() };
            let vault: Arc<dyn Vault> = Arc::new(RemoteVault::new(transport));
            let path = path.clone();
            let opening = move || open_or_create_ledger(&path, vault, reserve_bytes);
            match tokio::task::spawn_blocking(opening).await {
                Ok(Ok(opened)) => Ok(opened),
                Ok(Err(error)) if error.kind() == ErrorKind::Unavailable => {
                    Err(Missing::Yet(error.to_string()))
                }
                Ok(Err(error)) => Err(Missing::Never(Failure::from(error))),
                Err(error) => Err(Missing::Never(Failure::io(error.to_string()))),
            }
        })
        .await?;
    match opened {
        (store, Some(recovery)) => {
            tell(&recovery);
            Ok(store)
        }
        (store, None) => {
            made(&path, Some("the key that signs the ledger is"));
            Ok(store)
        }
    }
}

type Opened = (Store, Option<lucid_store::Recovery>);

fn open_or_create_ledger(
    path: &std::path::Path,
    vault: Arc<dyn Vault>,
    reserve_bytes: Option<u64>,
) -> Result<Opened, StoreError> {
    let options = || LedgerOptions { at: now(), reserve_bytes, disk: Disk::default() };
    match Store::open_with(path, Arc::clone(&vault), options()) {
        Ok((store, recovery)) => Ok((store, Some(recovery))),
        Err(error) if is_to_be_made(&error) => {
            Ok((Store::create_with(path, vault, options())?, None))
        }
        Err(error) => Err(error),
    }
}

/// Opens a service's folder that is no store, and makes it first where nothing is there.
fn open_folder(context: &Context, kind: FolderKind, key: Option<&str>) -> Outcome<Arc<DataFolder>> {
    let path = &context.config.data;
    let folder = match DataFolder::open(path, kind) {
        Err(error) if is_to_be_made(&error) => {
            let folder = DataFolder::create(path, kind, &Disk::default())?;
            made(path, key);
            folder
        }
        opened => opened?,
    };
    Ok(Arc::new(folder))
}

/// Whether there is nothing yet, or something that was begun. Making refuses what is neither.
fn is_to_be_made(error: &StoreError) -> bool {
    use StoreError::{NoFolder, NotADataFolder, Unfinished};
    matches!(error, NoFolder { .. } | Unfinished { .. } | NotADataFolder { .. })
}

fn made(path: &std::path::Path, key: Option<&str>) {
    notice(&format!("made the data folder {}", path.display()));
    if let Some(key) = key {
        let secrets: PathBuf = path.join("secrets");
        notice(&format!("{key} in {}: back it up, apart from it", secrets.display()));
    }
}

/// The node that tokens and challenges name: the one whose ledger it is.
async fn issuer(ledger: &dyn Ledger, late: &Late) -> NodeId {
    // Whatever the problem is: without the ledger nobody can sign in.
    let asked = late.until(async || {
        ledger.node_id().await.map_err(|problem| Missing::<Infallible>::Yet(problem.detail))
    });
    match asked.await {
        Ok(id) => id,
        Err(never) => match never {},
    }
}

struct ChunkerReadiness(Arc<LocalChunker>, Pool);

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

struct VaultReadiness(Arc<FolderVault>, Pool);

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

struct LedgerReadiness(Arc<Store>);

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

struct VmReadiness(Arc<LocalVm>, FolderReadiness);

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

struct GovernanceReadiness(Arc<LocalGovernance>);

#[async_trait]
impl Readiness for GovernanceReadiness {
    async fn checks(&self) -> Vec<Check> {
        vec![governance_check(&self.0)]
    }

    async fn measure(&self) -> Measured {
        Measured { open_proposals: self.0.open_proposals(), ..Measured::default() }
    }
}

struct IndexReadiness(Arc<LocalSessionsData>, FolderReadiness);

#[async_trait]
impl Readiness for IndexReadiness {
    async fn checks(&self) -> Vec<Check> {
        let mut checks = self.1.checks().await;
        checks.push(index_check(&self.0));
        checks
    }

    async fn measure(&self) -> Measured {
        index_figures(&self.0, self.1.measure().await)
    }
}

struct FolderReadiness(Arc<DataFolder>);

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
