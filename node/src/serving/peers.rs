//! The other services, where each is a process of its own.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures_util::future::join_all;
use lucid_api::{
    health::{Check, Readiness},
    internal::{
        Caller, RemoteAnchors, RemoteAuthentication, RemoteBlockLog, RemoteChainApi,
        RemoteChainCalls, RemoteChunker, RemoteEncryptor, RemoteEvm, RemoteGovernance, RemoteLog,
        RemoteMerkleBuilder, RemoteSessions, RemoteSessionsData, RemoteWitness, ServiceKey,
    },
    metrics::Measured,
};
use tokio::sync::Mutex;

use crate::{
    config::{Config, ServiceName},
    failure::{Failure, Outcome},
};

/// One service's ways to the others.
pub(super) struct Peers<'a> {
    own: ServiceName,
    config: &'a Config,
    key: ServiceKey,
}

impl<'a> Peers<'a> {
    /// # Errors
    /// Where services have no shared secret.
    pub(super) fn new(own: ServiceName, config: &'a Config) -> Outcome<Self> {
        let secret = config.services.service_secret.as_ref().ok_or_else(|| {
            Failure::usage(
                "services know each other by a shared secret: make one with `openssl rand -hex 32 > \
                 service.secret`, and give every one of them LUCID_SERVICE_SECRET_FILE",
            )
        })?;
        let key = ServiceKey::new(secret.expose().as_bytes());
        Ok(Self { own, config, key })
    }

    pub(super) fn key(&self) -> ServiceKey {
        self.key.clone()
    }

    pub(super) fn caller(&self, called: ServiceName) -> Caller {
        let url = self.config.services.url(called);
        Caller::new(self.own.as_str(), called.as_str(), url, self.key.clone())
    }

    pub(super) fn authentication(&self) -> Arc<RemoteAuthentication> {
        Arc::new(RemoteAuthentication(self.caller(ServiceName::Authentication)))
    }

    pub(super) fn sessions(&self) -> Arc<RemoteSessions> {
        Arc::new(RemoteSessions(self.caller(ServiceName::SessionOrchestrator)))
    }

    pub(super) fn chunker(&self) -> Arc<RemoteChunker> {
        Arc::new(RemoteChunker(self.caller(ServiceName::SessionChunker)))
    }

    pub(super) fn encryptor(&self) -> Arc<RemoteEncryptor> {
        Arc::new(RemoteEncryptor(self.caller(ServiceName::SessionEncryptor)))
    }

    pub(super) fn merkle_builder(&self) -> Arc<RemoteMerkleBuilder> {
        Arc::new(RemoteMerkleBuilder(self.caller(ServiceName::MerkleBuilder)))
    }

    /// The log, with who writes it (session-orchestrator) or who serves it (blockchain-ledger).
    pub(super) fn log(&self, from: ServiceName) -> Arc<RemoteLog> {
        Arc::new(RemoteLog(self.caller(from)))
    }

    pub(super) fn witness(&self) -> Arc<RemoteWitness> {
        Arc::new(RemoteWitness(self.caller(ServiceName::BlockchainLedger)))
    }

    pub(super) fn anchors(&self) -> Arc<RemoteAnchors> {
        Arc::new(RemoteAnchors(self.caller(ServiceName::BlockchainLedger)))
    }

    /// The log as blocks are put into it.
    pub(super) fn block_log(&self) -> Arc<RemoteBlockLog> {
        Arc::new(RemoteBlockLog(self.caller(ServiceName::SessionOrchestrator)))
    }

    pub(super) fn evm(&self) -> Arc<RemoteEvm> {
        Arc::new(RemoteEvm(self.caller(ServiceName::BlockchainVm)))
    }

    pub(super) fn chain_api(&self) -> Arc<RemoteChainApi> {
        Arc::new(RemoteChainApi(self.caller(ServiceName::BlockchainApi)))
    }

    pub(super) fn sessions_data(&self) -> Arc<RemoteSessionsData> {
        Arc::new(RemoteSessionsData(self.caller(ServiceName::BlockchainSessionsData)))
    }

    /// The contracts, for blockchain-governance alone.
    pub(super) fn chain_calls(&self) -> Arc<RemoteChainCalls> {
        Arc::new(RemoteChainCalls(self.caller(ServiceName::BlockchainVm)))
    }

    pub(super) fn governance(&self) -> Arc<RemoteGovernance> {
        Arc::new(RemoteGovernance(self.caller(ServiceName::BlockchainGovernance)))
    }

    /// Whether a service is ready: what it needs itself, and that each of the others that it asks lets it
    /// in and is ready, which those say of the ones that they ask. No two ask each other.
    pub(super) fn readiness(
        &self,
        asked: &[ServiceName],
        own: Option<Arc<dyn Readiness>>,
    ) -> Arc<dyn Readiness> {
        let asked = asked.iter().map(|service| self.caller(*service)).collect();
        Arc::new(PeerReadiness { asked, own, said: Mutex::default() })
    }
}

/// How long what was said counts: anybody may ask, and every question becomes some to others.
const SAID_FOR: Duration = Duration::from_millis(500);

struct PeerReadiness {
    asked: Vec<Caller>,
    own: Option<Arc<dyn Readiness>>,
    /// What was said last, and when. Whoever asks meanwhile waits for that.
    said: Mutex<Option<(Instant, Vec<Check>)>>,
}

async fn ask(peer: &Caller) -> Check {
    // That it is there says nothing of whether it lets this one in.
    let said = match peer.ping().await {
        Ok(()) => peer.ready().await,
        Err(problem) => Err(problem),
    };
    match said {
        Ok(()) => Check::ok(peer.called()),
        Err(problem) => Check::failed(peer.called(), problem.detail),
    }
}

impl PeerReadiness {
    async fn look(&self) -> Vec<Check> {
        let mut checks = match &self.own {
            Some(own) => own.checks().await,
            None => Vec::new(),
        };
        checks.extend(join_all(self.asked.iter().map(ask)).await);
        checks
    }
}

#[async_trait]
impl Readiness for PeerReadiness {
    async fn checks(&self) -> Vec<Check> {
        let mut said = self.said.lock().await;
        match &*said {
            Some((at, checks)) if at.elapsed() < SAID_FOR => checks.clone(),
            _ => {
                let checks = self.look().await;
                *said = Some((Instant::now(), checks.clone()));
                checks
            }
        }
    }

    async fn measure(&self) -> Measured {
        match &self.own {
            Some(own) => own.measure().await,
            None => Measured::default(),
        }
    }
}
