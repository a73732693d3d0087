//! What a call that fails is answered with: JSON-RPC's codes, and those that Ethereum adds (EIP-1474), in
//! geth's words where clients look for them.

use alloy_primitives::hex;
use serde::Serialize;

use crate::{CallError, ChainError, TxError};

const REVERTED: i32 = 3;
const SERVER: i32 = -32000;
const NOT_FOUND: i32 = -32001;
const LIMIT: i32 = -32005;
const INVALID_REQUEST: i32 = -32600;
const NO_METHOD: i32 = -32601;
const INVALID_PARAMS: i32 = -32602;
const INTERNAL: i32 = -32603;
const PARSE: i32 = -32700;

/// The `error` of an answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct RpcError {
    code: i32,
    message: String,
    /// What a contract returned when it reverted, in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
}

impl RpcError {
    fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// The text is no JSON.
    pub(super) fn parse(why: &serde_json::Error) -> Self {
        Self::new(PARSE, format!("parse error: {why}"))
    }

    /// JSON, and no call.
    pub(super) fn invalid_request(why: impl core::fmt::Display) -> Self {
        Self::new(INVALID_REQUEST, format!("invalid request: {why}"))
    }

    pub(super) fn no_method(name: &str) -> Self {
        // A name from outside is shown, not echoed at any length.
        let shown: String = name.chars().take(64).collect();
        Self::new(NO_METHOD, format!("the method {shown} does not exist/is not available"))
    }

    pub(super) fn invalid_params(why: impl Into<String>) -> Self {
        Self::new(INVALID_PARAMS, why)
    }

    /// Something is wrong here that the caller cannot help; the cause is in the log.
    pub(super) fn internal() -> Self {
        Self::new(INTERNAL, "internal error: the node's log says more")
    }

    /// The question is right and has no answer.
    pub(super) fn server(why: impl Into<String>) -> Self {
        Self::new(SERVER, why)
    }

    pub(super) fn not_found(why: impl Into<String>) -> Self {
        Self::new(NOT_FOUND, why)
    }

    /// More than one may ask for; the message says how much that is.
    pub(super) fn limit(why: impl core::fmt::Display) -> Self {
        Self::new(LIMIT, format!("limit exceeded: {why}"))
    }
}

impl From<TxError> for RpcError {
    fn from(error: TxError) -> Self {
        Self::server(error.to_string())
    }
}

impl From<ChainError> for RpcError {
    fn from(error: ChainError) -> Self {
        match error {
            ChainError::NoSuchBlock { .. } => Self::server(format!("header not found: {error}")),
            // Clients take geth's words for "ask an archive".
            ChainError::StateNotKept { .. } => {
                Self::server(format!("missing trie node (state is pruned): {error}"))
            }
            ChainError::NoSuchTransaction { .. } => {
                Self::server(format!("transaction not found: {error}"))
            }
            ChainError::RangeBackwards { .. } => {
                Self::invalid_params(format!("invalid block range params: {error}"))
            }
            ChainError::RangeTooWide { .. }
            | ChainError::TooManyLogs { .. }
            | ChainError::LogsTooLong { .. }
            | ChainError::OutOfTime { .. }
            | ChainError::FilterTooLarge { .. }
            | ChainError::TraceTooLarge { .. } => Self::limit(error),
            ChainError::Database(_)
            | ChainError::Damaged { .. }
            | ChainError::Layout { .. }
            | ChainError::GenesisDiffers { .. }
            | ChainError::Genesis { .. }
            | ChainError::NotNext { .. }
            | ChainError::TimeBackwards { .. }
            | ChainError::Mismatch { .. }
            | ChainError::Transaction { .. }
            | ChainError::Malformed { .. }
            | ChainError::Artefact { .. }
            | ChainError::Answer { .. }
            | ChainError::Machine { .. } => {
                tracing::error!(%error, "a JSON-RPC call failed");
                Self::internal()
            }
        }
    }
}

impl From<CallError> for RpcError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Reverted { revert, data } => Self {
                code: REVERTED,
                message: revert.to_string(),
                data: Some(hex::encode_prefixed(data)),
            },
            CallError::Chain(error) => error.into(),
            CallError::Halted { .. }
            | CallError::Refused(_)
            | CallError::GasExceedsAllowance { .. } => Self::server(error.to_string()),
        }
    }
}
