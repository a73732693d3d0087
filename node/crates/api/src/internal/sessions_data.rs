//! [`SessionsData`] over HTTP.

use std::sync::Arc;

use async_trait::async_trait;
use axum::{Router, routing::post};
use bytes::Bytes;
use lucid_core::Owner;

use super::{Caller, method};
use crate::ports::{
    Answer, Found, ListIndexed, Search, Session, SessionsData, Statistics, SyncState,
};

/// The called end.
pub fn sessions_data(port: Arc<dyn SessionsData>) -> Router {
    let (for_list, for_search) = (Arc::clone(&port), Arc::clone(&port));
    let for_sync = Arc::clone(&port);
    let sync = move |body: Bytes| {
        let port = Arc::clone(&for_sync);
        async move { method(body, |()| async move { port.sync().await }).await }
    };
    let list = move |body: Bytes| {
        let port = Arc::clone(&for_list);
        async move { method(body, |list: ListIndexed| async move { port.list(list).await }).await }
    };
    let search = move |body: Bytes| {
        let port = Arc::clone(&for_search);
        async move { method(body, |search: Search| async move { port.search(search).await }).await }
    };
    let statistics = move |body: Bytes| {
        let port = Arc::clone(&port);
        async move {
            let of = |owner: Option<Owner>| async move { port.statistics(owner).await };
            method(body, of).await
        }
    };
    Router::new()
        .route("/internal/v1/sessions_data/list", post(list))
        .route("/internal/v1/sessions_data/search", post(search))
        .route("/internal/v1/sessions_data/statistics", post(statistics))
        .route("/internal/v1/sessions_data/sync", post(sync))
}

/// The calling end.
pub struct RemoteSessionsData(pub Caller);

#[async_trait]
impl SessionsData for RemoteSessionsData {
    async fn list(&self, list: ListIndexed) -> Answer<Vec<Session>> {
        self.0.call("sessions_data/list", &list).await
    }

    async fn search(&self, search: Search) -> Answer<Found> {
        self.0.call("sessions_data/search", &search).await
    }

    async fn statistics(&self, owner: Option<Owner>) -> Answer<Statistics> {
        self.0.call("sessions_data/statistics", &owner).await
    }

    async fn sync(&self) -> Answer<SyncState> {
        self.0.call("sessions_data/sync", &()).await
    }
}
