//! The vault between two processes: the orchestrator's store asks, the encryptor's folder does.
//!
//! One call is one `POST /internal/v1/vault/call`: [`VaultCall`] in JSON, and a [`VaultReply`] or a
//! [`VaultFailure`] back.

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Bytes, extract::DefaultBodyLimit, routing::post};
use lucid_api::{
    Problem,
    internal::{Caller, method},
};
use lucid_store::{FolderVault, Transport, VaultCall, VaultFailure, VaultReply, dispatch};
use tokio::runtime::Handle;

use crate::services::cpu::Pool;

/// A call's bytes: the chunks of one acknowledgement, or of a session at start.
const CALL_BYTES_MAX: usize = 16 << 20;
/// Destroying a long session on a slow card takes this long, and then some.
const CALL_TIME: Duration = Duration::from_mins(15);

/// The called end. Calls have threads of their own, so that none waits behind what is being sealed.
pub(super) fn router(vault: Arc<FolderVault>, pool: Pool) -> Router {
    let call = move |body: Bytes| {
        let (vault, pool) = (Arc::clone(&vault), pool.clone());
        async move {
            method(body, |call: VaultCall| async move {
                let done = move || Ok(dispatch(&*vault, call).map_err(|e| vault.failure(&e)));
                pool.run(done).await
            })
            .await
        }
    };
    Router::new()
        .route("/internal/v1/vault/call", post(call))
        .layer(DefaultBodyLimit::max(CALL_BYTES_MAX))
}

/// The calling end. Blocks: it is for the store's threads, never for the runtime's.
pub(super) struct HttpTransport {
    pub(super) caller: Caller,
    pub(super) runtime: Handle,
}

impl Transport for HttpTransport {
    fn call(&self, call: VaultCall) -> Result<VaultReply, VaultFailure> {
        type Crossed = Result<VaultReply, VaultFailure>;
        let answer: Result<Crossed, Problem> =
            self.runtime.block_on(self.caller.call_within("vault/call", &call, CALL_TIME));
        answer.unwrap_or_else(|problem| Err(VaultFailure::unavailable(problem.detail)))
    }
}
