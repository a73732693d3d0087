//! [`Evm`] and [`BlockLog`] over HTTP.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{Router, extract::DefaultBodyLimit, http::HeaderMap, routing::post};
use bytes::Bytes;
use lucid_core::SessionId;

use super::{Caller, answer, method, serving::arguments};
use crate::ports::{
    Answer, Asker, BlockDetail, BlockId, BlockLog, BlockPage, ChainOrigin, ChainState, Evm,
    RPC_BYTES_MAX, Registration, TransactionDetail, TxHash,
};

/// A block's entries, quoted twice: as entries, and as texts of the call.
const BLOCK_BYTES_MAX: usize = 16 << 20;

/// The longest answer computes for some five seconds, and waits for its turn for fifteen at the most.
const RPC_TIME: Duration = Duration::from_secs(30);

/// The called end of who writes the log.
pub fn block_log(port: Arc<dyn BlockLog>) -> Router {
    let for_room = Arc::clone(&port);
    let room = move |body: Bytes| {
        let port = Arc::clone(&for_room);
        async move { method(body, |()| async move { port.room().await }).await }
    };
    let append = move |body: Bytes| {
        let port = Arc::clone(&port);
        async move {
            let append = |entries: Vec<String>| async move { port.append_block(entries).await };
            method(body, append).await
        }
    };
    Router::new()
        .route("/internal/v1/evm/append_block", post(append))
        .route("/internal/v1/evm/room", post(room))
        .layer(DefaultBodyLimit::max(BLOCK_BYTES_MAX))
}

/// blockchain-vm's called end.
pub fn evm(port: Arc<dyn Evm>) -> Router {
    let for_rpc = Arc::clone(&port);
    let rpc = move |headers: HeaderMap, body: Bytes| {
        let port = Arc::clone(&for_rpc);
        async move {
            // The text as a text: it need not be looked into on its way.
            let text = |bytes: Bytes| String::from_utf8_lossy(&bytes).into_owned();
            let answered = match arguments::<Asker>(&headers) {
                Ok(asker) => port.rpc(asker, body).await,
                Err(problem) => Err(problem),
            };
            answer(answered.map(|answer| axum::Json(answer.map(text))))
        }
    };
    let queries = evm_queries(&port);
    let chain = move |body: Bytes| {
        let port = Arc::clone(&port);
        async move { method(body, |()| async move { port.chain().await }).await }
    };
    Router::new()
        .route("/internal/v1/evm/rpc", post(rpc))
        .route("/internal/v1/evm/chain", post(chain))
        .merge(queries)
        .layer(DefaultBodyLimit::max(RPC_BYTES_MAX))
}

/// What is asked of blocks, transactions and registrations.
fn evm_queries(port: &Arc<dyn Evm>) -> Router {
    macro_rules! route {
        ($router:expr, $name:literal, |$port:ident, $arguments:tt: $kind:ty| $call:expr) => {{
            let shared = Arc::clone(port);
            $router.route(
                concat!("/internal/v1/evm/", $name),
                post(move |body: Bytes| {
                    let $port = Arc::clone(&shared);
                    async move { method(body, |$arguments: $kind| async move { $call.await }).await }
                }),
            )
        }};
    }
    let router = route!(Router::new(), "origin", |port, (): ()| port.origin());
    let router =
        route!(router, "blocks", |port, (asker, before, limit): (Asker, Option<u64>, u32)| port
            .blocks(asker, before, limit));
    let router =
        route!(router, "block", |port, (asker, block): (Asker, BlockId)| port.block(asker, block));
    let router = route!(router, "transaction", |port, (asker, hash): (Asker, TxHash)| port
        .transaction(asker, hash));
    let router =
        route!(router, "registration", |port, session: SessionId| port.registration(session));
    route!(router, "registrations", |port, (asker, before, limit): (Asker, Option<u64>, u32)| port
        .registrations(asker, before, limit))
}

/// The calling end of who makes blocks.
pub struct RemoteBlockLog(pub Caller);

#[async_trait]
impl BlockLog for RemoteBlockLog {
    async fn append_block(&self, entries: Vec<String>) -> Answer<u64> {
        self.0.call("evm/append_block", &entries).await
    }

    async fn room(&self) -> Answer<()> {
        self.0.call("evm/room", &()).await
    }
}

/// The calling end of who asks the chain.
pub struct RemoteEvm(pub Caller);

#[async_trait]
impl Evm for RemoteEvm {
    async fn rpc(&self, asker: Asker, body: Bytes) -> Answer<Option<Bytes>> {
        let answer: Answer<Option<String>> =
            self.0.send_bytes("evm/rpc", &asker, body.into(), Some(RPC_TIME)).await;
        Ok(answer?.map(Bytes::from))
    }

    async fn chain(&self) -> Answer<ChainState> {
        self.0.call("evm/chain", &()).await
    }

    async fn origin(&self) -> Answer<ChainOrigin> {
        self.0.call("evm/origin", &()).await
    }

    async fn blocks(&self, asker: Asker, before: Option<u64>, limit: u32) -> Answer<BlockPage> {
        self.0.call("evm/blocks", &(asker, before, limit)).await
    }

    async fn block(&self, asker: Asker, block: BlockId) -> Answer<BlockDetail> {
        self.0.call("evm/block", &(asker, block)).await
    }

    async fn transaction(&self, asker: Asker, hash: TxHash) -> Answer<TransactionDetail> {
        self.0.call("evm/transaction", &(asker, hash)).await
    }

    async fn registration(&self, session: SessionId) -> Answer<Option<Registration>> {
        self.0.call("evm/registration", &session).await
    }

    async fn registrations(
        &self,
        asker: Asker,
        before: Option<u64>,
        limit: u32,
    ) -> Answer<Vec<Registration>> {
        self.0.call("evm/registrations", &(asker, before, limit)).await
    }
}
