//! [`ChainCalls`] over HTTP.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{Extension, Router, extract::DefaultBodyLimit, routing::post};
use bytes::Bytes;

use super::{Caller, CallingService, answer, method};
use crate::{
    Code, Problem,
    ports::{Answer, ChainCalls, ChainPlace, EvmCall, LogsFilter, LogsPage, Transacted, Viewed},
};

/// A full [`ChainCalls::view`], and then some.
const CALL_BYTES_MAX: usize = 2 << 20;
/// The only service for which the node's account transacts.
const TRANSACTING: &str = "blockchain-governance";
/// A block comes soon, or the wait for it is given up before this.
const TRANSACT_TIME: Duration = Duration::from_secs(45);

/// blockchain-vm's called end, for blockchain-governance.
pub fn chain_calls(port: Arc<dyn ChainCalls>) -> Router {
    let for_place = Arc::clone(&port);
    let place = move |body: Bytes| {
        let port = Arc::clone(&for_place);
        async move { method(body, |()| async move { port.place().await }).await }
    };
    let for_view = Arc::clone(&port);
    let view = move |body: Bytes| {
        let port = Arc::clone(&for_view);
        async move { method(body, |calls: Vec<EvmCall>| async move { port.view(calls).await }).await }
    };
    let for_logs = Arc::clone(&port);
    let logs = move |body: Bytes| {
        let port = Arc::clone(&for_logs);
        async move { method(body, |filter: LogsFilter| async move { port.logs(filter).await }).await }
    };
    let transact = move |caller: Option<Extension<CallingService>>, body: Bytes| {
        let port = Arc::clone(&port);
        async move {
            match caller {
                Some(Extension(CallingService(name))) if name == TRANSACTING => {
                    method(body, |call: EvmCall| async move { port.transact(call).await }).await
                }
                _ => answer::<axum::Json<Transacted>>(Err(Problem::new(
                    Code::Forbidden,
                    "the node's account transacts for blockchain-governance alone",
                ))),
            }
        }
    };
    Router::new()
        .route("/internal/v1/chain_calls/place", post(place))
        .route("/internal/v1/chain_calls/view", post(view))
        .route("/internal/v1/chain_calls/logs", post(logs))
        .route("/internal/v1/chain_calls/transact", post(transact))
        .layer(DefaultBodyLimit::max(CALL_BYTES_MAX))
}

/// blockchain-governance's way to blockchain-vm.
pub struct RemoteChainCalls(pub Caller);

#[async_trait]
impl ChainCalls for RemoteChainCalls {
    async fn place(&self) -> Answer<ChainPlace> {
        self.0.call("chain_calls/place", &()).await
    }

    async fn view(&self, calls: Vec<EvmCall>) -> Answer<Viewed> {
        self.0.call("chain_calls/view", &calls).await
    }

    async fn logs(&self, filter: LogsFilter) -> Answer<LogsPage> {
        self.0.call("chain_calls/logs", &filter).await
    }

    async fn transact(&self, call: EvmCall) -> Answer<Transacted> {
        self.0.call_within("chain_calls/transact", &call, TRANSACT_TIME).await
    }
}
