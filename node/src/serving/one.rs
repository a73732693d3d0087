//! One service in this process; the others are reached over HTTP.

use std::{convert::Infallible, sync::Arc};

use axum::Router;
use lucid_api::{
    gateway,
    health::Readiness,
    internal::{self, guarded},
    ports::{ChainApi, Governance, Ledger},
    rest::{self, Api},
};
use lucid_core::NodeId;
use lucid_store::FolderKind;

use super::{
    Running, completer,
    folders::{open_folder, open_ledger, open_vault},
    late::{Joined, Late, Missing},
    local::{
        STORE_THREADS, authentication, chain_api, check_reads, chunker_options, gateway_options,
        governance, orchestrator_options, sessions_data, tell_overruled, vm, witness,
    },
    outside::anchors,
    peers::Peers,
    readiness::{
        ChunkerReadiness, FolderReadiness, GovernanceReadiness, IndexReadiness, LedgerReadiness,
        VaultReadiness, VmReadiness,
    },
    tor::{tor_proxy, tunnel_tools},
    vault,
};
use crate::{
    config::ServiceName,
    context::Context,
    failure::Outcome,
    services::{
        chunker::LocalChunker, cpu::Pool, encryptor::LocalEncryptor,
        merkle_builder::LocalMerkleBuilder, orchestrator::Orchestrator,
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
        SessionEncryptor, SessionOrchestrator, TorProxy, TunnelTools,
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
            let (log, anchors) = (peers.log(SessionOrchestrator), peers.anchors());
            let builder = LocalMerkleBuilder::new(sessions, encryptor, log, anchors, cpu());
            // Not blockchain-ledger: what is not anchored is proved without it starting first.
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
        TorProxy => {
            let (router, own) = tor_proxy(context, running).await?;
            (router, peers.readiness(&[], Some(own)))
        }
        TunnelTools => {
            let own = tunnel_tools(&context.config, peers.caller(TorProxy), running);
            (Router::new(), peers.readiness(&[TorProxy], Some(own)))
        }
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
        anchors: peers.anchors(),
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
    let (log, anchors) = (peers.log(BlockchainLedger), peers.anchors());
    let api = chain_api(peers.evm(), log, peers.witness(), anchors);
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

/// blockchain-ledger: its witness, what anchors the log, and the log that the orchestrator has.
fn blockchain_ledger(
    context: &Context,
    peers: &Peers<'_>,
    running: &Running,
) -> Outcome<(Router, Arc<dyn Readiness>)> {
    let folder = open_folder(context, FolderKind::Witness, Some("its witness key is"))?;
    let log = peers.log(ServiceName::SessionOrchestrator);
    let witness = witness(&context.config, folder.path(), log.clone(), running)?;
    let anchors = anchors(&context.config, folder.path(), log.clone(), peers.sessions(), running)?;
    let router =
        internal::log(log).merge(internal::witness(witness)).merge(internal::anchors(anchors));
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
