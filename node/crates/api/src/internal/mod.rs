//! The ports over HTTP, for services in processes of their own.
//!
//! `POST /internal/v1/<port>/<method>` takes the arguments as JSON and answers JSON; where bytes go with
//! them (a chunk, an upload), they are the body and the arguments are in the header `lucid-call`.
//! Problems cross unchanged. Each call carries a service's token (module `token`); who has none is told so
//! and nothing else.
//!
//! Invariants: bodies are bounded but for uploads, which are streamed; no plaintext is kept; a call that
//! was not answered is a problem (`unavailable`, `service_timeout`), never a guess.

mod anchors;
mod authentication;
mod caller;
mod chain;
mod chain_calls;
mod chunker;
mod encryptor;
mod evm;
mod governance;
mod log;
mod merkle_builder;
mod proxy;
mod serving;
mod sessions;
mod sessions_data;
mod token;

pub(crate) use self::caller::passed_on;
pub use self::{
    anchors::{RemoteAnchors, anchors},
    authentication::{RemoteAuthentication, authentication},
    caller::Caller,
    chain::{RemoteChainApi, chain},
    chain_calls::{RemoteChainCalls, chain_calls},
    chunker::{RemoteChunker, chunker},
    encryptor::{RemoteEncryptor, encryptor},
    evm::{RemoteBlockLog, RemoteEvm, block_log, evm},
    governance::{RemoteGovernance, governance},
    log::{RemoteLog, RemoteWitness, log, witness},
    merkle_builder::{RemoteMerkleBuilder, merkle_builder},
    proxy::proxy,
    serving::{CallingService, answer, guarded, method},
    sessions::{RemoteSessions, ledger, sessions},
    sessions_data::{RemoteSessionsData, sessions_data},
    token::ServiceKey,
};

/// The header with a call's arguments where the body is something else.
pub(crate) const CALL: http::HeaderName = http::HeaderName::from_static("lucid-call");
/// The header with the address that a request came to the gateway from.
pub(crate) const CLIENT: http::HeaderName = http::HeaderName::from_static("lucid-client");
/// Marks an answer that refuses the service's token, apart from one that refuses a person's.
pub(crate) const REFUSED: http::HeaderName = http::HeaderName::from_static("lucid-refused");
/// The method with which a service asks whether another is there and lets it in.
const PING: &str = "ping";
