//! [`Encryptor`] over HTTP.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{
    Json, Router,
    body::Body,
    extract::{DefaultBodyLimit, Request},
    http::header,
    response::IntoResponse,
    routing::post,
};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use lucid_core::{ChunkIndex, SessionId, chunk::CHUNK_BYTES_MAX, keys::ChunkKey};

use super::{
    Caller, answer,
    serving::{arguments, parsed},
};
use crate::{
    Code, Problem,
    ports::{Answer, Encryptor, Payload, SealJob, SealedChunk, Summary},
};

/// A chunk is sealed in this time, on a slow disk too.
const SEAL_TIME: Duration = Duration::from_mins(2);

/// The called end.
pub fn encryptor(port: Arc<dyn Encryptor>) -> Router {
    let (seal, open, sealed, keys) =
        (Arc::clone(&port), Arc::clone(&port), Arc::clone(&port), port);
    Router::new()
        .route(
            "/internal/v1/encryptor/seal",
            post(move |request: Request| {
                let port = Arc::clone(&seal);
                async move { answer(seal_chunk(&*port, request).await.map(Json)) }
            }),
        )
        .route(
            "/internal/v1/encryptor/open",
            post(move |body: Bytes| {
                let port = Arc::clone(&open);
                async move {
                    answer(match parsed::<(SessionId, Summary)>(&body) {
                        Ok((session, summary)) => {
                            port.open(session, summary).await.map(|plain| plain.0)
                        }
                        Err(problem) => Err(problem),
                    })
                }
            }),
        )
        .route(
            "/internal/v1/encryptor/sealed",
            post(move |body: Bytes| {
                let port = Arc::clone(&sealed);
                async move {
                    answer(match parsed::<(SessionId, Summary)>(&body) {
                        Ok((session, chunk)) => port.sealed(session, chunk).await.map(|sealed| {
                            let length = [(header::CONTENT_LENGTH, sealed.bytes.to_string())];
                            (length, Body::from_stream(sealed.content)).into_response()
                        }),
                        Err(problem) => Err(problem),
                    })
                }
            }),
        )
        .route(
            "/internal/v1/encryptor/chunk_keys",
            post(move |body: Bytes| {
                let port = Arc::clone(&keys);
                async move {
                    answer(match parsed::<(SessionId, Vec<ChunkIndex>)>(&body) {
                        Ok((session, chunks)) => {
                            port.chunk_keys(session, chunks).await.map(|keys| {
                                // Keys cross here and nowhere else, to whoever discloses them.
                                Json(
                                    keys.iter()
                                        .map(|key| key.to_hex().to_string())
                                        .collect::<Vec<_>>(),
                                )
                            })
                        }
                        Err(problem) => Err(problem),
                    })
                }
            }),
        )
        .layer(DefaultBodyLimit::max(1 << 20))
}

async fn seal_chunk(port: &dyn Encryptor, request: Request) -> Result<Summary, Problem> {
    let (parts, body) = request.into_parts();
    let job: SealJob = arguments(&parts.headers)?;
    let body = Limited::new(body, CHUNK_BYTES_MAX as usize).collect().await;
    let body =
        body.map_err(|_| Problem::new(Code::TooLarge, "the payload is too large, or broke off"))?;
    port.seal(job, Payload(body.to_bytes())).await
}

/// The calling end.
pub struct RemoteEncryptor(pub Caller);

#[async_trait]
impl Encryptor for RemoteEncryptor {
    async fn seal(&self, job: SealJob, payload: Payload) -> Answer<Summary> {
        let body = Body::from(payload.0);
        self.0.send_bytes("encryptor/seal", &job, body, Some(SEAL_TIME)).await
    }

    async fn open(&self, session: SessionId, summary: Summary) -> Answer<Payload> {
        self.0.call_for_bytes("encryptor/open", &(session, summary)).await.map(Payload)
    }

    async fn sealed(&self, session: SessionId, summary: Summary) -> Answer<SealedChunk> {
        let (bytes, content) =
            self.0.call_for_stream("encryptor/sealed", &(session, summary)).await?;
        let unknown =
            || Problem::new(Code::BadGateway, "the encryptor did not say how long the chunk is");
        Ok(SealedChunk { bytes: bytes.ok_or_else(unknown)?, content })
    }

    async fn chunk_keys(
        &self,
        session: SessionId,
        chunks: Vec<ChunkIndex>,
    ) -> Answer<Vec<ChunkKey>> {
        let wanted = chunks.len();
        let keys: Vec<zeroize::Zeroizing<String>> =
            self.0.call("encryptor/chunk_keys", &(session, chunks)).await?;
        let nonsense = || Problem::new(Code::BadGateway, "the encryptor gave what are no keys");
        let keys: Vec<_> = keys
            .iter()
            .map(|key| ChunkKey::from_hex(key))
            .collect::<Result<_, _>>()
            .map_err(|_| nonsense())?;
        if keys.len() == wanted { Ok(keys) } else { Err(nonsense()) }
    }
}
