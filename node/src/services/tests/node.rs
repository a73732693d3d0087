//! A node for the suite: its services, and the ports that the tests reach them through.

use std::{net::SocketAddr, num::NonZeroUsize, sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{Router, middleware};
use lucid_api::{
    internal::{
        self, Caller, RemoteBlockLog, RemoteChunker, RemoteEncryptor, RemoteEvm, RemoteLog,
        RemoteMerkleBuilder, RemoteSessions, RemoteWitness, ServiceKey, guarded,
    },
    metrics::Metrics,
    ports::{BlockLog, Chunker, Encryptor, Evm, MerkleBuilder, Sessions, TransparencyLog, Witness},
    request::{self, RequestLayer},
    server::{self, ServerOptions},
};
use lucid_core::{Policy, chunk::Suite};
use lucid_store::{
    CreateOptions, DataFolder, Disk, FolderKind, KekSource, Store, Witness as Memory,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use super::super::{
    chunker::{ChunkerOptions, LocalChunker},
    cpu::Pool,
    encryptor::LocalEncryptor,
    ledger::{
        LocalWitness,
        asking::{Asked, Asking, AskingOptions, Reach as Reaching},
    },
    merkle_builder::LocalMerkleBuilder,
    orchestrator::{Orchestrator, OrchestratorOptions},
    vm::{LocalVm, VmOptions},
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
    pub(super) encryptor: Arc<dyn Encryptor>,
    pub(super) chunker: Arc<dyn Chunker>,
    pub(super) merkle: Arc<dyn MerkleBuilder>,
    pub(super) log: Arc<dyn TransparencyLog>,
    pub(super) witness: Arc<dyn Witness>,
    /// Asks the node's own witness about its own log, when it is told to.
    pub(super) asking: Arc<Asking>,
    pub(super) orchestrator: Arc<Orchestrator>,
    pub(super) blocks: Arc<dyn BlockLog>,
    pub(super) folder: tempfile::TempDir,
    reach: Reach,
    servers: Servers,
    _stop: DropGuard,
}

/// A chain, and its end.
pub(super) struct Vm {
    pub(super) evm: Arc<dyn Evm>,
    pub(super) local: Arc<LocalVm>,
    pub(super) repaired: Option<String>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Vm {
    /// Stops it as a node does.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    /// Ends it where it stands, as a crash does: nothing is flushed.
    pub(super) async fn kill(self) {
        self.task.abort();
        self.stop.cancel();
        assert!(self.task.await.is_err_and(|error| error.is_cancelled()));
    }
}

/// Services that listen on loopback, each with a token of its own asked for.
struct Servers {
    key: ServiceKey,
    stop: CancellationToken,
}

impl Servers {
    async fn serve(&self, name: &'static str, router: Router) -> Caller {
        self.serve_until(name, router, self.stop.clone()).await
    }

    async fn serve_until(
        &self,
        name: &'static str,
        router: Router,
        stop: CancellationToken,
    ) -> Caller {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let metrics = Metrics::new("test", String::new());
        let layer = RequestLayer { service: name, trusts_ids: true, metrics };
        let router = guarded(router, self.key.clone(), name)
            .layer(middleware::from_fn_with_state(layer, request::layer));
        let options =
            ServerOptions { tls: None, connections_max: 64, grace: Duration::from_secs(1) };
        tokio::spawn(server::serve(listener, router, options, stop));
        Caller::new("test", name, &url, self.key.clone())
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
        let local = LocalMerkleBuilder::new(sessions.clone(), encryptor.clone(), pool);
        let merkle: Arc<dyn MerkleBuilder> = match reach {
            Reach::Local => Arc::new(local),
            Reach::Http => {
                let router = internal::merkle_builder(Arc::new(local));
                Arc::new(RemoteMerkleBuilder(servers.serve("merkle-builder", router).await))
            }
        };
        Self {
            sessions,
            encryptor,
            chunker,
            merkle,
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
        let data = self.folder.path().join(name);
        if !data.exists() {
            DataFolder::create(&data, FolderKind::Vm, &Disk::default()).unwrap();
        }
        let options = VmOptions { chain_id: None, block_time: Duration::from_millis(10) };
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
        Vm { evm, local, repaired, stop, task }
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
