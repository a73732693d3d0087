//! The part of the configuration that is about services.

use std::{fmt, net::SocketAddr, num::NonZeroU32, path::PathBuf, str::FromStr, time::Duration};

use ipnet::IpNet;
use lucid_chain::contracts::Governance;
use lucid_core::{Owner, note::VerifierKey};
use serde::Serialize;
use zeroize::Zeroizing;

/// How services listen, whom they trust, and how much they allow.
#[derive(Clone)]
pub struct ServiceConfig {
    /// Where a service listens; `None` for its own default.
    pub listen: Option<SocketAddr>,
    /// The gateway's certificate chain, PEM.
    pub tls_certificate: Option<PathBuf>,
    /// The gateway's private key, PEM.
    pub tls_key: Option<PathBuf>,
    /// How the node calls itself to people who sign in; `None` for its id.
    pub public_name: Option<String>,
    /// Addresses that become admins when they first sign in. What the ledger says of them later counts.
    pub admins: Vec<Owner>,
    /// Proxies in front of the gateway, whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Origins whose pages may call the gateway.
    pub cors_origins: Vec<String>,
    /// What the keys of access tokens are derived from, where it comes from outside.
    pub jwt_secret: Option<SecretText>,
    /// What services know each other by.
    pub service_secret: Option<SecretText>,
    /// Requests a minute from one address, and from one account.
    pub requests_per_minute: NonZeroU32,
    /// Requests a minute from one address that are about signing in.
    pub sign_ins_per_minute: NonZeroU32,
    /// Connections at once.
    pub connections_max: u32,
    /// Connections at once from one address that is no trusted proxy's.
    pub connections_per_address_max: u32,
    /// Open sessions of an owner.
    pub open_sessions_max: u32,
    /// How long an upload may rest before its session is closed.
    pub upload_expires_after: Duration,
    /// How long requests under way may take when the node stops.
    pub shutdown_grace: Duration,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Whether the log is for everybody to read.
    pub public_log: bool,
    /// Whether the node has a chain.
    pub chain: bool,
    /// The chain's id (EIP-155) where it is still to begin; `None` for one that follows from the node's id.
    pub chain_id: Option<u64>,
    /// A block is made so long after there is something to put in it.
    pub block_time: Duration,
    /// How decisions are made where the chain is still to begin; its nodes are the others.
    pub governance: Governance,
    /// Who is asked for cosignatures of the log's checkpoints.
    pub witnesses: Vec<WitnessAddress>,
    /// How many of them make a checkpoint count; all where it is not said.
    pub witness_quorum: Option<u32>,
    /// How long between two times of asking them at the least.
    pub witness_interval: Duration,
    /// Logs of other nodes that this one witnesses, by their keys.
    pub witnessed_logs: Vec<VerifierKey>,
    /// Where the other services are.
    pub urls: Vec<(ServiceName, String)>,
}

/// A witness: the key it cosigns with, and where it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WitnessAddress {
    /// Of type 0x04 (C2SP tlog-cosignature).
    pub key: VerifierKey,
    /// Its submission prefix, without a slash at its end.
    pub url: String,
}

impl fmt::Display for WitnessAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.url)
    }
}

impl ServiceConfig {
    /// Where a service is.
    #[must_use]
    pub fn url(&self, service: ServiceName) -> &str {
        let found = self.urls.iter().find(|(name, _)| *name == service);
        found.map_or("", |(_, url)| url)
    }

    /// How many witnesses make a checkpoint count; 0 where none is asked.
    #[must_use]
    pub fn quorum(&self) -> u32 {
        let all = u32::try_from(self.witnesses.len()).unwrap_or(u32::MAX);
        self.witness_quorum.unwrap_or(all).min(all)
    }
}

/// How log lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, to standard output.
    Json,
}

/// A secret's text. No `Debug`; overwritten when dropped.
#[derive(Clone)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// A secret.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// The services that this binary can be one of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ServiceName {
    /// The only way in from outside.
    ApiGateway,
    /// The public REST API.
    ApiServer,
    /// Cuts and compresses.
    SessionChunker,
    /// Keys; seals and stores chunks.
    SessionEncryptor,
    /// Trees and proofs.
    MerkleBuilder,
    /// Session states, the ledger.
    SessionOrchestrator,
    /// Wallet sign-in, tokens, accounts.
    Authentication,
    /// The log as others see it, and witnesses.
    BlockchainLedger,
    /// The chain: EVM execution and state.
    BlockchainVm,
    /// The chain and the log as others ask of them.
    BlockchainApi,
    /// The index of sessions: lists by time, search, sums.
    BlockchainSessionsData,
    /// What the nodes decide together.
    BlockchainGovernance,
    /// Onion services.
    TorProxy,
    /// Looks at onion services from outside.
    TunnelTools,
}

impl ServiceName {
    /// All of them, those that others need first.
    pub const ALL: [Self; 14] = [
        Self::SessionEncryptor,
        Self::SessionOrchestrator,
        Self::SessionChunker,
        Self::MerkleBuilder,
        Self::Authentication,
        Self::BlockchainLedger,
        Self::BlockchainVm,
        Self::BlockchainApi,
        Self::BlockchainGovernance,
        Self::BlockchainSessionsData,
        Self::ApiServer,
        Self::ApiGateway,
        Self::TorProxy,
        Self::TunnelTools,
    ];

    /// The name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApiGateway => "api-gateway",
            Self::ApiServer => "api-server",
            Self::SessionChunker => "session-chunker",
            Self::SessionEncryptor => "session-encryptor",
            Self::MerkleBuilder => "merkle-builder",
            Self::SessionOrchestrator => "session-orchestrator",
            Self::Authentication => "authentication",
            Self::BlockchainLedger => "blockchain-ledger",
            Self::BlockchainVm => "blockchain-vm",
            Self::BlockchainApi => "blockchain-api",
            Self::BlockchainSessionsData => "blockchain-sessions-data",
            Self::BlockchainGovernance => "blockchain-governance",
            Self::TorProxy => "tor-proxy",
            Self::TunnelTools => "tunnel-tools",
        }
    }

    /// All names in a line.
    #[must_use]
    pub fn listed() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }

    /// The port it listens at by default, as operators of the Layer 1 stack know it.
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Self::ApiGateway => 8080,
            Self::ApiServer => 8081,
            Self::MerkleBuilder => 8090,
            Self::SessionChunker => 8091,
            Self::SessionEncryptor => 8092,
            Self::SessionOrchestrator => 8093,
            Self::Authentication => 8094,
            Self::TorProxy => 8095,
            Self::TunnelTools => 8096,
            Self::BlockchainApi => 8100,
            Self::BlockchainLedger => 8104,
            Self::BlockchainVm => 8103,
            Self::BlockchainSessionsData => 8102,
            Self::BlockchainGovernance => 8101,
        }
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ServiceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|name| name.as_str() == text)
            .ok_or_else(|| format!("there is no service {text:?}: it is one of {}", Self::listed()))
    }
}
