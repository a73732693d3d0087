//! `/health`, `/ready` and `/metrics`, which every service has.
//!
//! Health says that the process runs and answers; nothing it asks for waits for a disk or a pool.
//! Ready says that it can do its work now.

use std::sync::Arc;

use async_trait::async_trait;
use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{StatusCode, header};
use serde::Serialize;

use crate::metrics::{Measured, Metrics};

/// One thing that a service needs to be ready.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Check {
    /// What.
    pub name: &'static str,
    /// Whether it is there.
    pub ok: bool,
    /// What is wrong, and what to do.
    pub detail: String,
}

impl Check {
    /// One that is well.
    #[must_use]
    pub fn ok(name: &'static str) -> Self {
        Self { name, ok: true, detail: String::new() }
    }

    /// One that is not.
    pub fn failed(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, ok: false, detail: detail.into() }
    }
}

/// Whether a service can do its work.
#[async_trait]
pub trait Readiness: Send + Sync {
    /// Looks at what it needs. Quick: it is asked every few seconds.
    async fn checks(&self) -> Vec<Check>;

    /// What is measured when metrics are asked for.
    async fn measure(&self) -> Measured;
}

/// What these resources work with.
#[derive(Clone)]
pub struct Health {
    /// Which service it is.
    pub service: &'static str,
    /// The metrics.
    pub metrics: Metrics,
    /// What the service needs.
    pub readiness: Arc<dyn Readiness>,
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are the answer's")]
struct Status {
    status: &'static str,
    /// Which service answers.
    service: &'static str,
    checks: Vec<Check>,
}

/// The three resources.
pub fn router(health: Health) -> Router {
    Router::new()
        .route("/health", get(well))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(health)
}

async fn well(State(health): State<Health>) -> Response {
    Json(Status { status: "ok", service: health.service, checks: Vec::new() }).into_response()
}

async fn ready(State(health): State<Health>) -> Response {
    let checks = health.readiness.checks().await;
    let ok = checks.iter().all(|check| check.ok);
    let status = if ok { "ready" } else { "not ready" };
    let code = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(Status { status, service: health.service, checks })).into_response()
}

async fn metrics(State(health): State<Health>) -> Response {
    health.metrics.set(health.readiness.measure().await);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], health.metrics.text()).into_response()
}
