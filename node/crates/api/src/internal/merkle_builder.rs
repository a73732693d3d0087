//! [`MerkleBuilder`] over HTTP.

use std::sync::Arc;

use async_trait::async_trait;
use axum::{Router, routing::post};
use bytes::Bytes;

use super::{Caller, answer, serving::parsed};
use crate::ports::{Answer, MerkleBuilder, Proof, ProofRequest};

/// The called end.
pub fn merkle_builder(port: Arc<dyn MerkleBuilder>) -> Router {
    let prove = move |body: Bytes| {
        let port = Arc::clone(&port);
        async move {
            answer(match parsed::<ProofRequest>(&body) {
                Ok(request) => port.prove(request).await.map(|proof| proof.0),
                Err(problem) => Err(problem),
            })
        }
    };
    Router::new().route("/internal/v1/merkle_builder/prove", post(prove))
}

/// The calling end.
pub struct RemoteMerkleBuilder(pub Caller);

#[async_trait]
impl MerkleBuilder for RemoteMerkleBuilder {
    async fn prove(&self, request: ProofRequest) -> Answer<Proof> {
        self.0.call_for_bytes("merkle_builder/prove", &request).await.map(Proof)
    }
}
