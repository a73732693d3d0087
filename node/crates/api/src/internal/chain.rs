//! [`ChainApi`] over HTTP.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{Router, extract::DefaultBodyLimit, http::HeaderMap, routing::post};
use bytes::Bytes;
use lucid_core::SessionId;

use super::{Caller, answer, method, serving::arguments};
use crate::ports::{
    AnchorPage, Answer, Asker, BlockDetail, BlockId, BlockPage, ChainApi, ChainEntry, ChainNode,
    ChainState, EntryPage, EntryQuery, RPC_BYTES_MAX, Registration, TransactionDetail, TxHash,
};

/// Longer than blockchain-api waits for blockchain-vm, so that it is told what that one said.
const RPC_TIME: Duration = Duration::from_secs(35);

/// blockchain-api's called end.
pub fn chain(port: Arc<dyn ChainApi>) -> Router {
    macro_rules! route {
        ($router:expr, $name:literal, |$port:ident, $arguments:tt: $kind:ty| $call:expr) => {{
            let shared = Arc::clone(&port);
            $router.route(
                concat!("/internal/v1/chain/", $name),
                post(move |body: Bytes| {
                    let $port = Arc::clone(&shared);
                    async move { method(body, |$arguments: $kind| async move { $call.await }).await }
                }),
            )
        }};
    }
    let router = route!(Router::new(), "head", |port, (): ()| port.head());
    let router =
        route!(router, "blocks", |port, (asker, before, limit): (Asker, Option<u64>, u32)| port
            .blocks(asker, before, limit));
    let router =
        route!(router, "block", |port, (asker, block): (Asker, BlockId)| port.block(asker, block));
    let router = route!(router, "transaction", |port, (asker, hash): (Asker, TxHash)| port
        .transaction(asker, hash));
    let router = route!(router, "entries", |port, query: EntryQuery| port.entries(query));
    let router = route!(router, "entry", |port, index: u64| port.entry(index));
    let router =
        route!(router, "registration", |port, session: SessionId| port.registration(session));
    let router =
        route!(router, "anchors", |port, (asker, before, limit): (Asker, Option<u64>, u32)| port
            .anchors(asker, before, limit));
    let router = route!(router, "node", |port, (): ()| port.node());
    let rpc = move |headers: HeaderMap, body: Bytes| {
        let port = Arc::clone(&port);
        async move {
            let text = |bytes: Bytes| String::from_utf8_lossy(&bytes).into_owned();
            let answered = match arguments::<Asker>(&headers) {
                Ok(asker) => port.rpc(asker, body).await,
                Err(problem) => Err(problem),
            };
            answer(answered.map(|answer| axum::Json(answer.map(text))))
        }
    };
    router.route("/internal/v1/chain/rpc", post(rpc)).layer(DefaultBodyLimit::max(RPC_BYTES_MAX))
}

/// The calling end of who asks blockchain-api.
pub struct RemoteChainApi(pub Caller);

#[async_trait]
impl ChainApi for RemoteChainApi {
    async fn rpc(&self, asker: Asker, body: Bytes) -> Answer<Option<Bytes>> {
        let answer: Answer<Option<String>> =
            self.0.send_bytes("chain/rpc", &asker, body.into(), Some(RPC_TIME)).await;
        Ok(answer?.map(Bytes::from))
    }

    async fn head(&self) -> Answer<ChainState> {
        self.0.call("chain/head", &()).await
    }

    async fn blocks(&self, asker: Asker, before: Option<u64>, limit: u32) -> Answer<BlockPage> {
        self.0.call("chain/blocks", &(asker, before, limit)).await
    }

    async fn block(&self, asker: Asker, block: BlockId) -> Answer<BlockDetail> {
        self.0.call("chain/block", &(asker, block)).await
    }

    async fn transaction(&self, asker: Asker, hash: TxHash) -> Answer<TransactionDetail> {
        self.0.call("chain/transaction", &(asker, hash)).await
    }

    async fn entries(&self, query: EntryQuery) -> Answer<EntryPage> {
        self.0.call("chain/entries", &query).await
    }

    async fn entry(&self, index: u64) -> Answer<ChainEntry> {
        self.0.call("chain/entry", &index).await
    }

    async fn registration(&self, session: SessionId) -> Answer<Registration> {
        self.0.call("chain/registration", &session).await
    }

    async fn anchors(&self, asker: Asker, before: Option<u64>, limit: u32) -> Answer<AnchorPage> {
        self.0.call("chain/anchors", &(asker, before, limit)).await
    }

    async fn node(&self) -> Answer<ChainNode> {
        self.0.call("chain/node", &()).await
    }
}
