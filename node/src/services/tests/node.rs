//! A node for the suite: its services, and the ports that the tests reach them through.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use async_trait::async_trait;
use lucid_api::{
    internal::{
        self, RemoteBlockLog, RemoteChainApi, RemoteChainCalls, RemoteChunker, RemoteEncryptor,
        RemoteEvm, RemoteGovernance, RemoteLog, RemoteSessions, RemoteSessionsData, RemoteWitness,
        ServiceKey,
    },
    metrics::Metrics,
    ports::{
        Anchors, BlockLog, ChainApi, ChainCalls, Chunker, Encryptor, Evm, Governance as Decisions,
        Ledger, MerkleBuilder, Sessions, SessionsData, TransparencyLog, Witness,
    },
};
use lucid_chain::contracts::Governance;
use lucid_core::{Parameters, Policy, chunk::Suite};
use lucid_store::{
    CreateOptions, DataFolder, Disk, FolderKind, KekSource, Store, Witness as Memory,
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use super::{
    super::{
        chain_api::LocalChainApi,
        chunker::{ChunkerOptions, LocalChunker},
        cpu::Pool,
        encryptor::LocalEncryptor,
        governance::LocalGovernance,
        ledger::{
            LocalWitness,
            asking::{Asked, Asking, AskingOptions, Reach as Reaching},
        },
        orchestrator::{Orchestrator, OrchestratorOptions},
        sessions_data::LocalSessionsData,
        vm::{LocalVm, VmOptions},
    },
    servers::{Servers, Task},
};
use crate::{context::now, ports::PipelineCiphers};

pub(super) const CHUNK: usize = 64 << 10;

/// How a service reaches another.
#[derive(Clone, Copy)]
pub(super) enum Reach {
    Local,
    Http,
}

/// The ports, however they are reached, and the orchestrator itself for what no port has.
pub(super) struct Node {
    pub(super) sessions: Arc<dyn Sessions>,
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) encryptor: Arc<dyn Encryptor>,
    pub(super) chunker: Arc<dyn Chunker>,
    pub(super) merkle: Arc<dyn MerkleBuilder>,
    /// What anchored the log, where a test lets anything do so.
    pub(super) anchors: Arc<dyn Anchors>,
    pub(super) log: Arc<dyn TransparencyLog>,
    pub(super) witness: Arc<dyn Witness>,
    /// Asks the node's own witness about its own log, when it is told to.
    pub(super) asking: Arc<Asking>,
    pub(super) orchestrator: Arc<Orchestrator>,
    pub(super) blocks: Arc<dyn BlockLog>,
    pub(super) folder: tempfile::TempDir,
    pub(super) reach: Reach,
    pub(super) servers: Servers,
    _stop: DropGuard,
}

/// What a chain begins with here, where a test says nothing else: chunks as small as the node's, and an
/// owner's few open sessions.
pub(super) fn beginning() -> Parameters {
    Parameters { chunk_bytes: CHUNK as u32, open_sessions_max: 3, ..Parameters::default() }
}

/// A chain, and its end.
pub(super) struct Vm {
    pub(super) evm: Arc<dyn Evm>,
    pub(super) chain: Arc<dyn ChainApi>,
    /// The contracts, as blockchain-governance reaches them; and as another service would.
    pub(super) calls: Arc<dyn ChainCalls>,
    pub(super) calls_for_another: Option<Arc<dyn ChainCalls>>,
    pub(super) local: Arc<LocalVm>,
    pub(super) repaired: Option<String>,
    task: Task,
}

impl Vm {
    pub(super) async fn stop(self) {
        self.task.stop().await;
    }

    pub(super) async fn kill(self) {
        self.task.kill().await;
    }
}

/// An index of sessions, and its end.
pub(super) struct Index {
    pub(super) port: Arc<dyn SessionsData>,
    pub(super) local: Arc<LocalSessionsData>,
    task: Task,
}

impl Index {
    pub(super) async fn stop(self) {
        self.task.stop().await;
    }

    pub(super) async fn kill(self) {
        self.task.kill().await;
    }
}

impl Node {
    pub(super) async fn new(reach: Reach) -> Self {
        Self::expiring(reach, Duration::from_hours(1)).await
    }

    pub(super) async fn expiring(reach: Reach, upload_expires_after: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = CreateOptions {
            kek: KekSource::Folder,
            at: now(),
            reserve_bytes: Some(0),
            disk: Disk::default(),
            ciphers: Arc::new(PipelineCiphers { recipients: Vec::new() }),
        };
        let store = Arc::new(Store::create(&folder.path().join("data"), options).unwrap());
        let workers = NonZeroUsize::new(2).unwrap();
        let pool = Pool::new(workers);
        let stop = CancellationToken::new();
        let servers = Servers { key: ServiceKey::new(b"secret"), stop: stop.clone() };

        let vault = Arc::clone(store.local().unwrap());
        let local = Arc::new(LocalEncryptor::new(vault, pool.clone(), workers));
        let encryptor: Arc<dyn Encryptor> = match reach {
            Reach::Local => local,
            Reach::Http => {
                let router = internal::encryptor(local);
                Arc::new(RemoteEncryptor(servers.serve("session-encryptor", router).await))
            }
        };
        let options = OrchestratorOptions {
            policy: Policy::new(CHUNK as u32, 3, Suite::Aes256Gcm).unwrap(),
            open_sessions_max: 3,
            upload_expires_after,
        };
        let metrics = Metrics::new("test", String::new());
        let orchestrator = Orchestrator::new(store, Pool::new(workers), options, metrics);
        let orchestrator = Arc::new(orchestrator);
        let sessions: Arc<dyn Sessions> = match reach {
            Reach::Local => orchestrator.clone(),
            Reach::Http => {
                let router = internal::sessions(orchestrator.clone());
                Arc::new(RemoteSessions(servers.serve("session-orchestrator", router).await))
            }
        };
        let ledger: Arc<dyn Ledger> = match reach {
            Reach::Local => orchestrator.clone(),
            Reach::Http => {
                let router = internal::ledger(orchestrator.clone());
                Arc::new(RemoteSessions(servers.serve("session-orchestrator", router).await))
            }
        };
        let log: Arc<dyn TransparencyLog> = match reach {
            Reach::Local => orchestrator.clone(),
            Reach::Http => {
                let router = internal::log(orchestrator.clone());
                Arc::new(RemoteLog(servers.serve("blockchain-ledger", router).await))
            }
        };
        let blocks: Arc<dyn BlockLog> = match reach {
            Reach::Local => orchestrator.clone(),
            Reach::Http => {
                let router = internal::block_log(orchestrator.clone());
                Arc::new(RemoteBlockLog(servers.serve("session-orchestrator", router).await))
            }
        };
        let (witness, asking) = Self::witnessed(&folder, log.clone(), reach, &servers).await;
        let chunking = ChunkerOptions {
            workers,
            chunk_bytes: CHUNK as u32,
            flush_after: Duration::from_secs(10),
        };
        let local = Arc::new(LocalChunker::new(
            sessions.clone(),
            encryptor.clone(),
            pool.clone(),
            chunking,
            CancellationToken::new(),
            TaskTracker::new(),
        ));
        let chunker: Arc<dyn Chunker> = match reach {
            Reach::Local => local,
            Reach::Http => {
                let router = internal::chunker(local);
                Arc::new(RemoteChunker(servers.serve("session-chunker", router).await))
            }
        };
        let asked = (sessions.clone(), encryptor.clone(), log.clone(), ledger.clone());
        let (merkle, anchors) = Self::proving(asked, (folder.path(), pool), reach, &servers).await;
        Self {
            sessions,
            ledger,
            encryptor,
            chunker,
            merkle,
            anchors,
            log,
            witness,
            asking,
            orchestrator,
            blocks,
            folder,
            reach,
            servers,
            _stop: stop.drop_guard(),
        }
    }

    /// A chain in the folder `name`, reached as the others are; its blocks go into the log through `blocks`.
    pub(super) async fn vm(&self, name: &str, blocks: Arc<dyn BlockLog>) -> Vm {
        // As fast as decisions can be, with time to vote in.
        let fast = Governance {
            nodes: Vec::new(),
            voting_delay: 1,
            voting_period: 4,
            vote_extension: 0,
            quorum_percent: 100,
            timelock_delay: 1,
        };
        self.vm_that_decides(name, blocks, fast).await
    }

    /// The same, where decisions are made in a way of the test's.
    pub(super) async fn vm_that_decides(
        &self,
        name: &str,
        blocks: Arc<dyn BlockLog>,
        governance: Governance,
    ) -> Vm {
        let data = self.folder.path().join(name);
        if !data.exists() {
            DataFolder::create(&data, FolderKind::Vm, &Disk::default()).unwrap();
        }
        let options = VmOptions {
            chain_id: None,
            governance,
            parameters: beginning(),
            block_time: Duration::from_millis(10),
        };
        let pool = Pool::new(NonZeroUsize::new(2).unwrap());
        let opened = LocalVm::open(&data, self.log.clone(), blocks, pool, options).unwrap();
        let (local, repaired) = (Arc::new(opened.0), opened.1);
        let stop = CancellationToken::new();
        let task = tokio::spawn(Arc::clone(&local).run(stop.clone()));
        let evm: Arc<dyn Evm> = match self.reach {
            Reach::Local => local.clone(),
            Reach::Http => {
                let router = internal::evm(local.clone());
                let until = stop.clone();
                let caller = self.servers.serve_until("blockchain-vm", router, until).await;
                Arc::new(RemoteEvm(caller))
            }
        };
        let services = ["one", "two"].map(str::to_owned).into();
        let (log, witness) = (self.log.clone(), self.witness.clone());
        let anchors = self.anchors.clone();
        let api = Arc::new(LocalChainApi::new(evm.clone(), log, witness, anchors, services));
        let chain: Arc<dyn ChainApi> = match self.reach {
            Reach::Local => api,
            Reach::Http => {
                let (router, until) = (internal::chain(api), stop.clone());
                let caller = self.servers.serve_until("blockchain-api", router, until).await;
                Arc::new(RemoteChainApi(caller))
            }
        };
        let (calls, calls_for_another): (Arc<dyn ChainCalls>, Option<Arc<dyn ChainCalls>>) =
            match self.reach {
                Reach::Local => (local.clone(), None),
                Reach::Http => {
                    let reached = async |caller| {
                        let router = internal::chain_calls(local.clone());
                        let names = [caller, "blockchain-vm"];
                        let caller = self.servers.serve_as(names, router, stop.clone()).await;
                        Arc::new(RemoteChainCalls(caller)) as Arc<dyn ChainCalls>
                    };
                    (reached("blockchain-governance").await, Some(reached("api-server").await))
                }
            };
        Vm { evm, chain, calls, calls_for_another, local, repaired, task: Task { stop, task } }
    }

    /// An index in the folder `name`, of the sessions in `log` and the chunks that `sessions` has, reached as
    /// the others are.
    pub(super) async fn index(
        &self,
        name: &str,
        log: Arc<dyn TransparencyLog>,
        sessions: Arc<dyn Sessions>,
    ) -> Index {
        let (folder, pool) = (self.folder.path().join(name), Pool::new(NonZeroUsize::MIN));
        let every = Duration::from_millis(10);
        let local = Arc::new(LocalSessionsData::new(folder, log, sessions, pool, every));
        let stop = CancellationToken::new();
        let task = tokio::spawn(Arc::clone(&local).run(stop.clone()));
        let port: Arc<dyn SessionsData> = match self.reach {
            Reach::Local => local.clone(),
            Reach::Http => {
                let (router, until) = (internal::sessions_data(local.clone()), stop.clone());
                let name = "blockchain-sessions-data";
                Arc::new(RemoteSessionsData(self.servers.serve_until(name, router, until).await))
            }
        };
        Index { port, local, task: Task { stop, task } }
    }

    /// What the nodes decide together, reached as the others are.
    pub(super) async fn governance(&self, local: LocalGovernance) -> Arc<dyn Decisions> {
        let local = Arc::new(local);
        match self.reach {
            Reach::Local => local,
            Reach::Http => {
                let router = internal::governance(local);
                Arc::new(RemoteGovernance(
                    self.servers.serve("blockchain-governance", router).await,
                ))
            }
        }
    }

    /// The name of the node's log.
    pub(super) async fn log_origin(&self) -> String {
        let head = self.log.head().await.unwrap();
        let key: lucid_core::note::VerifierKey = head.key.parse().unwrap();
        key.name().to_string()
    }

    /// A witness of the node's own log, and what asks it.
    async fn witnessed(
        folder: &tempfile::TempDir,
        log: Arc<dyn TransparencyLog>,
        reach: Reach,
        servers: &Servers,
    ) -> (Arc<dyn Witness>, Arc<Asking>) {
        let own = log.head().await.unwrap().key.parse().unwrap();
        let place = folder.path().join("witness");
        DataFolder::create(&place, FolderKind::Witness, &Disk::default()).unwrap();
        let memory = Memory::open(&place, &[own], &Disk::default()).unwrap();
        let (key, metrics) = (memory.key().clone(), Metrics::new("test", String::new()));
        let nobody = AskingOptions { witnesses: vec![], quorum: 0, interval: Duration::ZERO };
        let nobody = Arc::new(Asking::new(log.clone(), nobody, metrics.clone()));
        let pool = Pool::new(NonZeroUsize::MIN);
        let local = Arc::new(LocalWitness::new(memory, pool, nobody));
        let witness: Arc<dyn Witness> = match reach {
            Reach::Local => local,
            Reach::Http => {
                let router = internal::witness(local);
                Arc::new(RemoteWitness(servers.serve("blockchain-ledger", router).await))
            }
        };
        let asked = Asked { key, reach: Box::new(ByPort(witness.clone())) };
        let options = AskingOptions { witnesses: vec![asked], quorum: 1, interval: Duration::ZERO };
        (witness, Arc::new(Asking::new(log, options, metrics)))
    }
}

/// A witness that is asked through its port.
struct ByPort(Arc<dyn Witness>);

#[async_trait]
impl Reaching for ByPort {
    async fn add_checkpoint(&self, body: String) -> Result<(u16, String), String> {
        let reply = self.0.add_checkpoint(body.into()).await.map_err(|problem| problem.detail)?;
        Ok((reply.status, reply.body))
    }
}
