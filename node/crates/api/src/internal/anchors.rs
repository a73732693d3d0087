//! [`Anchors`] over HTTP.

use std::sync::Arc;

use async_trait::async_trait;
use axum::{Router, routing::post};
use bytes::Bytes;
use lucid_core::EntryIndex;

use super::{Caller, method};
use crate::ports::{Anchoring, Anchors, Answer, KeptAnchor, LoggedAnchor};

/// The called end of what anchors the log.
pub fn anchors(port: Arc<dyn Anchors>) -> Router {
    let (for_list, for_now, for_state) = (Arc::clone(&port), Arc::clone(&port), Arc::clone(&port));
    let logged = move |body: Bytes| {
        let port = Arc::clone(&for_list);
        async move {
            method(body, |(before, limit)| async move { port.logged(before, limit).await }).await
        }
    };
    let now = move |body: Bytes| {
        let port = Arc::clone(&for_now);
        async move { method(body, |()| async move { port.anchor_now().await }).await }
    };
    let state = move |body: Bytes| {
        let port = Arc::clone(&for_state);
        async move { method(body, |()| async move { port.anchoring().await }).await }
    };
    let covering = move |body: Bytes| {
        let port = Arc::clone(&port);
        async move { method(body, |index: EntryIndex| async move { port.covering(index).await }).await }
    };
    Router::new()
        .route("/internal/v1/anchors/logged", post(logged))
        .route("/internal/v1/anchors/now", post(now))
        .route("/internal/v1/anchors/anchoring", post(state))
        .route("/internal/v1/anchors/covering", post(covering))
}

/// The calling end.
pub struct RemoteAnchors(pub Caller);

#[async_trait]
impl Anchors for RemoteAnchors {
    async fn logged(&self, before: Option<u64>, limit: u32) -> Answer<Vec<LoggedAnchor>> {
        self.0.call("anchors/logged", &(before, limit)).await
    }

    async fn anchoring(&self) -> Answer<Anchoring> {
        self.0.call("anchors/anchoring", &()).await
    }

    async fn anchor_now(&self) -> Answer<Anchoring> {
        self.0.call("anchors/now", &()).await
    }

    async fn covering(&self, index: EntryIndex) -> Answer<KeptAnchor> {
        self.0.call("anchors/covering", &index).await
    }
}
