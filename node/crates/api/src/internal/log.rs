//! [`TransparencyLog`] and [`Witness`] over HTTP.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{Router, extract::DefaultBodyLimit, routing::post};
use bytes::Bytes;
use lucid_core::{EntryIndex, Hash, merkle::TilePath, note::ADD_CHECKPOINT_BYTES_MAX};

use super::{Caller, answer, method, serving::parsed};
use crate::{
    Code, Problem,
    ports::{
        Answer, ConsistencyProof, InclusionProof, LogEntry, LogHead, TransparencyLog, Witness,
        WitnessReply, Witnessing,
    },
};

/// A cosignature is durable in this time, on a slow card too.
const WITNESS_TIME: Duration = Duration::from_secs(30);

/// The log's called end.
pub fn log(port: Arc<dyn TransparencyLog>) -> Router {
    macro_rules! route {
        ($router:expr, $name:literal, |$port:ident, $arguments:tt: $kind:ty| $call:expr) => {{
            let shared = Arc::clone(&port);
            $router.route(
                concat!("/internal/v1/log/", $name),
                post(move |body: Bytes| {
                    let $port = Arc::clone(&shared);
                    async move { method(body, |$arguments: $kind| async move { $call.await }).await }
                }),
            )
        }};
    }
    let router = route!(Router::new(), "head", |port, (): ()| port.head());
    let router = route!(router, "entries", |port, (from, limit): (u64, u32)| port
        .entries(EntryIndex(from), limit));
    let router = route!(router, "inclusion", |port, (index, size): (u64, u64)| port
        .inclusion(EntryIndex(index), size));
    let router =
        route!(router, "consistency", |port, (from, to): (u64, u64)| port.consistency(from, to));
    let router =
        route!(router, "keep_cosignatures", |port, (note, lines): (String, Vec<String>)| port
            .keep_cosignatures(note, lines));
    let resource = move |body: Bytes| {
        let port = Arc::clone(&port);
        async move {
            answer(match parsed::<String>(&body).and_then(|path| read_path(&path)) {
                Ok(path) => port.resource(path).await,
                Err(problem) => Err(problem),
            })
        }
    };
    router.route("/internal/v1/log/resource", post(resource))
}

fn read_path(text: &str) -> Result<TilePath, Problem> {
    text.parse().map_err(|_| Problem::new(Code::InvalidRequest, "it is no path of a tile"))
}

/// The log's calling end.
pub struct RemoteLog(pub Caller);

#[async_trait]
impl TransparencyLog for RemoteLog {
    async fn head(&self) -> Answer<LogHead> {
        self.0.call("log/head", &()).await
    }

    async fn resource(&self, path: TilePath) -> Answer<Bytes> {
        self.0.call_for_bytes("log/resource", &path.path()).await
    }

    async fn entries(&self, from: EntryIndex, limit: u32) -> Answer<Vec<LogEntry>> {
        self.0.call("log/entries", &(from.0, limit)).await
    }

    async fn inclusion(&self, index: EntryIndex, size: u64) -> Answer<InclusionProof> {
        self.0.call("log/inclusion", &(index.0, size)).await
    }

    async fn consistency(&self, from: u64, to: u64) -> Answer<ConsistencyProof> {
        self.0.call("log/consistency", &(from, to)).await
    }

    async fn keep_cosignatures(&self, checkpoint: String, lines: Vec<String>) -> Answer<bool> {
        self.0.call("log/keep_cosignatures", &(checkpoint, lines)).await
    }
}

/// The witness's called end.
pub fn witness(port: Arc<dyn Witness>) -> Router {
    let (for_origin, for_state) = (Arc::clone(&port), Arc::clone(&port));
    let add = move |body: Bytes| {
        let port = Arc::clone(&port);
        async move { answer(port.add_checkpoint(body).await.map(axum::Json)) }
    };
    let witnessed = move |body: Bytes| {
        let port = Arc::clone(&for_origin);
        async move { method(body, |origin: Hash| async move { port.witnessed(origin).await }).await }
    };
    let state = move |body: Bytes| {
        let port = Arc::clone(&for_state);
        async move { method(body, |()| async move { port.witnessing().await }).await }
    };
    Router::new()
        .route("/internal/v1/witness/add_checkpoint", post(add))
        .layer(DefaultBodyLimit::max(ADD_CHECKPOINT_BYTES_MAX + 1))
        .route("/internal/v1/witness/witnessed", post(witnessed))
        .route("/internal/v1/witness/witnessing", post(state))
}

/// The witness's calling end.
pub struct RemoteWitness(pub Caller);

#[async_trait]
impl Witness for RemoteWitness {
    async fn add_checkpoint(&self, body: Bytes) -> Answer<WitnessReply> {
        self.0.send_bytes("witness/add_checkpoint", &(), body.into(), Some(WITNESS_TIME)).await
    }

    async fn witnessed(&self, origin: Hash) -> Answer<String> {
        self.0.call("witness/witnessed", &origin).await
    }

    async fn witnessing(&self) -> Answer<Witnessing> {
        self.0.call("witness/witnessing", &()).await
    }
}
