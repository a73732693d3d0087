//! All services in one process.

use std::{num::NonZeroUsize, path::Path, sync::Arc};

use lucid_api::{
    gateway::{GatewayOptions, RateLimits},
    health::Readiness,
    metrics::Metrics,
    ports::{
        Anchors, Authentication, BlockLog, ChainApi, ChainCalls, Chunker, Encryptor, Evm,
        Governance, MerkleBuilder, Sessions, TransparencyLog,
    },
    rest::Api,
};
use lucid_auth::{KeyRing, Service, ServiceOptions};
use lucid_store::{Disk, FolderVault, Store, Witness, secrets};
use zeroize::Zeroizing;

use super::{
    Running, accounts,
    board::{self, Figures},
    late::Late,
    outside::{anchors, sync, witnesses},
    readiness::LocalReadiness,
    tor::Onions,
};
use crate::{
    config::{Config, ServiceName},
    context::{Context, now},
    failure::{Failure, Outcome},
    output::notice,
    policy,
    services::{
        anchors::LocalAnchors,
        chain_api::LocalChainApi,
        chunker::{ChunkerOptions, LocalChunker},
        cpu::Pool,
        encryptor::LocalEncryptor,
        governance::LocalGovernance,
        ledger::{
            LocalWitness,
            asking::{Asking, AskingOptions},
        },
        merkle_builder::LocalMerkleBuilder,
        orchestrator::{Orchestrator, OrchestratorOptions},
        sessions_data::LocalSessionsData,
        vm::{LocalVm, VmOptions},
    },
};

/// Threads for what reads and writes the store: more than there are processors, because they wait.
pub(super) const STORE_THREADS: NonZeroUsize = NonZeroUsize::new(16).expect("it is not 0");

/// The folder of the index of sessions.
const INDEX: &str = "sessions-data";
/// Threads for what is asked of it: a question reads a few pages.
pub(super) const INDEX_THREADS: NonZeroUsize = NonZeroUsize::new(4).expect("it is not 0");

/// The services.
pub(super) struct Local {
    store: Arc<Store>,
    pub(super) cpu: Pool,
    pub(super) sessions: Arc<Orchestrator>,
    pub(super) authentication: Arc<dyn Authentication>,
    encryptor: Arc<dyn Encryptor>,
    pub(super) chunker: Arc<LocalChunker>,
    merkle_builder: Arc<dyn MerkleBuilder>,
    witness: Arc<LocalWitness>,
    anchors: Arc<LocalAnchors>,
    vm: Option<Arc<LocalVm>>,
    chain: Option<Arc<dyn ChainApi>>,
    sessions_data: Arc<LocalSessionsData>,
    governance: Option<Arc<LocalGovernance>>,
    public_log: bool,
    /// Onion services, where the node looks after any.
    pub(super) tor: Onions,
    /// Whether they are the one way in.
    onion_only: bool,
    /// What the board measures, where somebody attends to it.
    pub(super) board: Figures,
}

impl Local {
    pub(super) async fn new(context: &Context, store: Store, running: &Running) -> Outcome<Self> {
        let (config, store) = (&context.config, Arc::new(store));
        tell_overruled(config, &store);
        let cpu = Pool::new(config.workers);
        let vault = Arc::clone(store.local()?);
        check_reads(&vault)?;
        let encryptor = Arc::new(LocalEncryptor::new(vault, cpu.clone(), config.workers));
        let options = orchestrator_options(context)?;
        let pool = Pool::new(STORE_THREADS);
        let metrics = running.metrics.clone();
        let sessions = Arc::new(Orchestrator::new(Arc::clone(&store), pool, options, metrics));
        let chunker = Arc::new(LocalChunker::new(
            sessions.clone(),
            encryptor.clone(),
            cpu.clone(),
            chunker_options(config),
            running.stop.clone(),
            running.tasks.clone(),
        ));
        let anchors = anchors(config, store.path(), sessions.clone(), sessions.clone(), running)?;
        let merkle = LocalMerkleBuilder::new(
            sessions.clone(),
            encryptor.clone(),
            sessions.clone(),
            anchors.clone(),
            cpu.clone(),
        );
        let issuer = store.node_id().to_string();
        let authentication =
            authentication(config, store.path(), issuer, Arc::clone(&sessions) as Arc<_>, None)
                .await?;
        let witness = witness(config, store.path(), Arc::clone(&sessions) as Arc<_>, running)?;
        let vm = match config.services.chain {
            false => None,
            true => {
                let (log, blocks) = (Arc::clone(&sessions), Arc::clone(&sessions));
                Some(vm(config, store.path(), log, blocks, running)?)
            }
        };
        let log = Arc::clone(&sessions) as Arc<dyn TransparencyLog>;
        let chain = vm.clone().map(|vm| chain_api(vm, log, witness.clone(), anchors.clone()));
        let governance = vm.clone().map(|vm| governance(vm, running));
        let (log, path) = (Arc::clone(&sessions), store.path());
        let sessions_data =
            sessions_data(config, path, log, Arc::clone(&sessions) as Arc<_>, running);
        Ok(Self {
            witness,
            anchors,
            vm,
            chain,
            governance,
            sessions_data,
            public_log: config.services.public_log,
            tor: Onions::default(),
            onion_only: config.tor.onion_only,
            board: Figures::default(),
            store,
            cpu,
            sessions,
            authentication: Arc::new(authentication),
            encryptor,
            chunker,
            merkle_builder: Arc::new(merkle),
        })
    }

    /// What the API works with.
    pub(super) fn api(&self, metrics: &Metrics) -> Api {
        Api {
            authentication: self.authentication.clone(),
            sessions: self.sessions.clone(),
            chunker: Arc::clone(&self.chunker) as Arc<dyn Chunker>,
            encryptor: self.encryptor.clone(),
            merkle_builder: self.merkle_builder.clone(),
            log: self.sessions.clone(),
            witness: self.witness.clone(),
            anchors: self.anchors.clone(),
            chain: self.chain.clone(),
            governance: self.governance.clone().map(|governance| governance as Arc<dyn Governance>),
            sessions_data: self.sessions_data.clone(),
            public_log: self.public_log,
            metrics: metrics.clone(),
        }
    }

    /// What of it the board works with.
    pub(super) fn of_board(&self, running: &Running) -> board::Parts {
        board::Parts {
            readiness: self.readiness(),
            sessions: Arc::clone(&self.sessions),
            chunker: Arc::clone(&self.chunker),
            cpu: self.cpu.clone(),
            figures: self.board.clone(),
            stop: running.stop.clone(),
            leave: running.leave.clone(),
        }
    }

    /// Whether it can do its work.
    pub(super) fn readiness(&self) -> Arc<dyn Readiness> {
        Arc::new(LocalReadiness {
            store: Arc::clone(&self.store),
            chunker: Arc::clone(&self.chunker),
            cpu: self.cpu.clone(),
            vm: self.vm.clone(),
            sessions_data: self.sessions_data.clone(),
            governance: self.governance.clone(),
            anchors: self.anchors.clone(),
            tor: self.tor.clone(),
            onion_only: self.onion_only,
            board: self.board.clone(),
        })
    }
}

/// The accounts of a store that nobody serves.
///
/// # Errors
/// The store's.
pub(crate) async fn accounts_of(
    context: &Context,
    store: Store,
) -> Outcome<Arc<dyn Authentication>> {
    let (issuer, path) = (store.node_id().to_string(), store.path().to_owned());
    let metrics = Metrics::new(env!("CARGO_PKG_VERSION"), String::new());
    let (options, pool) = (orchestrator_options(context)?, Pool::new(NonZeroUsize::MIN));
    let ledger = Orchestrator::new(Arc::new(store), pool, options, metrics);
    let service = authentication(&context.config, &path, issuer, Arc::new(ledger), None).await?;
    Ok(Arc::new(service))
}

/// Says which settings do not count, as the chain has decided on others.
pub(super) fn tell_overruled(config: &Config, store: &Store) {
    let Some(decided) = store.parameters() else { return };
    let overruled = policy::overruled(&config.parameters(), &decided.parameters);
    if !overruled.is_empty() {
        let text = policy::overruled_text(&overruled);
        notice(&format!("the chain's parameters count, and no longer the settings: {text}"));
    }
}

/// The index of a store that nobody serves; whoever wants it lets it run. A store is let go of with it.
///
/// # Errors
/// The store's.
pub(crate) fn index_of(context: &Context, store: Store) -> Outcome<LocalSessionsData> {
    let folder = store.path().join(INDEX);
    let metrics = Metrics::new(env!("CARGO_PKG_VERSION"), String::new());
    let (options, pool) = (orchestrator_options(context)?, Pool::new(NonZeroUsize::MIN));
    let sessions = Arc::new(Orchestrator::new(Arc::new(store), pool, options, metrics));
    let (log, look_every) = (Arc::clone(&sessions), context.config.services.block_time);
    Ok(LocalSessionsData::new(folder, log, sessions, Pool::new(INDEX_THREADS), look_every))
}

/// How sessions are minted and closed.
pub(super) fn orchestrator_options(context: &Context) -> Outcome<OrchestratorOptions> {
    let services = &context.config.services;
    Ok(OrchestratorOptions {
        policy: context.policy()?,
        open_sessions_max: services.open_sessions_max,
        upload_expires_after: services.upload_expires_after,
    })
}

/// How uploads are cut.
pub(super) fn chunker_options(config: &Config) -> ChunkerOptions {
    let Config { workers, chunk_bytes, flush_after, .. } = *config;
    ChunkerOptions { workers, chunk_bytes, flush_after }
}

/// The authentication service over the accounts in `data`, which follow from the ledger.
pub(super) async fn authentication(
    config: &Config,
    data: &Path,
    issuer: String,
    ledger: Arc<dyn lucid_api::ports::Ledger>,
    late: Option<&Late>,
) -> Outcome<Service> {
    let (folder, key) = (data.join("auth"), data.join("secrets").join("jwt.key"));
    if folder.exists() && !key.exists() {
        notice(&format!(
            "{} was missing and is made anew: access tokens that it signed are good no more, refresh \
             tokens still are",
            key.display()
        ));
    }
    let accounts = accounts::open(&folder, &*ledger, late).await?;
    // The configured secret signs; the folder's own key still verifies what it signed before.
    let own = secrets::load_or_make(&key, &Disk::default())?;
    let given = config.services.jwt_secret.as_ref();
    let given = given.map(|secret| Zeroizing::new(secret.expose().as_bytes().to_vec()));
    let keys: Vec<_> = given.into_iter().chain([Zeroizing::new(own.to_vec())]).collect();
    let options = ServiceOptions {
        name: config.services.public_name.clone().unwrap_or_else(|| "Lucid".to_owned()),
        issuer,
        admins: config.services.admins.clone(),
        keys: KeyRing::new(&keys),
        clock: Arc::new(now),
    };
    Ok(Service::new(accounts, ledger, options)?)
}

/// The witness that `data` is the folder of, and the task that asks other witnesses about `log`.
pub(super) fn witness(
    config: &Config,
    data: &Path,
    log: Arc<dyn TransparencyLog>,
    running: &Running,
) -> Outcome<Arc<LocalWitness>> {
    let services = &config.services;
    let witnesses = witnesses(&services.witnesses, &config.outside.egress)?;
    let (quorum, interval) = (services.quorum(), services.witness_interval);
    let options = AskingOptions { witnesses, quorum, interval };
    let asking = Arc::new(Asking::new(log, options, running.metrics.clone()));
    let memory = Witness::open(data, &services.witnessed_logs, &Disk::default())?;
    running.tasks.spawn(Arc::clone(&asking).run(running.stop.clone()));
    Ok(Arc::new(LocalWitness::new(memory, Pool::new(STORE_THREADS), asking)))
}

/// The chain that `data` is the folder of, and the task that reads and makes its blocks.
pub(super) fn vm(
    config: &Config,
    data: &Path,
    log: Arc<dyn TransparencyLog>,
    blocks: Arc<dyn BlockLog>,
    running: &Running,
) -> Outcome<Arc<LocalVm>> {
    // Questions may compute for seconds; sealing has the other half of the processors.
    let threads = NonZeroUsize::new(config.workers.get() / 2).unwrap_or(NonZeroUsize::MIN);
    let options = VmOptions {
        chain_id: config.services.chain_id,
        governance: config.services.governance.clone(),
        parameters: config.parameters(),
        block_time: config.services.block_time,
    };
    let (vm, anew) = LocalVm::open(data, log, blocks, Pool::new(threads), options)?;
    if let Some(anew) = anew {
        notice(&format!("repaired: the chain's part: {anew}"));
    }
    let vm = Arc::new(vm);
    running.tasks.spawn(Arc::clone(&vm).run(running.stop.clone()));
    Ok(vm)
}

/// blockchain-api over a chain and its log.
pub(super) fn chain_api(
    evm: Arc<dyn Evm>,
    log: Arc<dyn TransparencyLog>,
    witness: Arc<dyn lucid_api::ports::Witness>,
    anchors: Arc<dyn Anchors>,
) -> Arc<dyn ChainApi> {
    let services = ServiceName::ALL.map(|service| service.as_str().to_owned());
    Arc::new(LocalChainApi::new(evm, log, witness, anchors, services.into()))
}

/// The index of sessions, in the folder `sessions-data` of `data`, and the task that follows the log with it.
/// Whatever is wrong with it is no reason for others not to start.
pub(super) fn sessions_data(
    config: &Config,
    data: &Path,
    log: Arc<dyn TransparencyLog>,
    sessions: Arc<dyn Sessions>,
    running: &Running,
) -> Arc<LocalSessionsData> {
    let (folder, look_every) = (data.join(INDEX), config.services.block_time);
    let pool = Pool::new(INDEX_THREADS);
    let sync = sync(config, data, Arc::clone(&log), Arc::clone(&sessions), running);
    let index = LocalSessionsData::new(folder, log, sessions, pool, look_every).with_sync(sync);
    let index = Arc::new(index);
    running.tasks.spawn(Arc::clone(&index).run(running.stop.clone()));
    index
}

/// What the nodes decide together on a chain, and the task that follows it.
pub(super) fn governance(chain: Arc<dyn ChainCalls>, running: &Running) -> Arc<LocalGovernance> {
    let governance = Arc::new(LocalGovernance::new(chain));
    running.tasks.spawn(Arc::clone(&governance).run(running.stop.clone()));
    governance
}

/// Refuses a vault that cannot read: each request of an upload unwraps the session's key anew.
pub(super) fn check_reads(vault: &FolderVault) -> Outcome {
    match vault.master_key().kek_id() {
        Some(_) => Ok(()),
        None => Err(write_only()),
    }
}

/// That a node without a master key serves nobody.
pub(super) fn write_only() -> Failure {
    Failure::usage(
        "this node is write-only, and takes sessions on the command line alone (ingest, record): over \
         HTTP it would have to read its keys",
    )
}

/// How the gateway is set up.
pub(super) fn gateway_options(context: &Context) -> GatewayOptions {
    let services = &context.config.services;
    GatewayOptions {
        trusted_proxies: services.trusted_proxies.clone(),
        cors_origins: services.cors_origins.clone(),
        limits: RateLimits {
            requests_per_minute: services.requests_per_minute,
            sign_ins_per_minute: services.sign_ins_per_minute,
        },
    }
}
