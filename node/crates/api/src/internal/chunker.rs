//! [`Chunker`] over HTTP: the body is streamed on.

use std::sync::Arc;

use async_trait::async_trait;
use axum::{Json, Router, extract::Request, routing::post};
use futures_util::StreamExt;

use super::{Caller, answer, caller::passed_on, serving::arguments};
use crate::{
    Code, Problem,
    ports::{Answer, BodyStream, Chunker, UploadJob, Uploaded},
};

/// The called end.
pub fn chunker(port: Arc<dyn Chunker>) -> Router {
    let upload = move |request: Request| {
        let port = Arc::clone(&port);
        async move {
            let (parts, body) = request.into_parts();
            let job: UploadJob = match arguments(&parts.headers) {
                Ok(job) => job,
                Err(problem) => return answer(Err::<(), _>(problem)),
            };
            let broken =
                |_| Problem::new(Code::Timeout, "the body broke off; what arrived is kept");
            let body = body.into_data_stream().map(move |piece| piece.map_err(broken));
            answer(port.upload(job, body.boxed()).await.map(Json))
        }
    };
    Router::new().route("/internal/v1/chunker/upload", post(upload))
}

/// The calling end.
pub struct RemoteChunker(pub Caller);

#[async_trait]
impl Chunker for RemoteChunker {
    async fn upload(&self, job: UploadJob, body: BodyStream) -> Answer<Uploaded> {
        // An upload takes as long as its body does.
        let uploaded = self.0.send_bytes("chunker/upload", &job, passed_on(body), None).await;
        uploaded.map_err(|problem: Problem| match problem.code {
            // The client's body ended early, and with it the call.
            Code::Unavailable => {
                let detail =
                    "the upload broke off; what arrived is kept: ask with HEAD where to go on";
                Problem::new(Code::Unavailable, detail)
            }
            _ => problem,
        })
    }
}
