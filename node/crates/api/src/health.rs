//! `/health`, `/ready` and `/metrics`, which every service has.
//!
//! Health says that the process runs and answers; nothing it asks for waits for a disk or a pool.
//! Ready says that it can do its work now.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{Method, StatusCode, header};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::{Registry, Unit},
};
use serde::Serialize;

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

    /// Sets the metrics that are measured when they are asked for.
    async fn measure(&self);
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Answered {
    service: String,
    route: String,
    method: String,
    status: u16,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Service {
    service: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct CodeLabel {
    code: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct StateLabel {
    state: String,
}

/// What is counted.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Mutex<Registry>,
    requests: Family<Answered, Counter>,
    durations: Family<Service, Histogram>,
    in_flight: Family<Service, Gauge>,
    auth_failures: Family<CodeLabel, Counter>,
    rate_limited: Counter,
    state_changes: Family<StateLabel, Counter>,
    proof_failures: Counter,
    uploads: Gauge,
    free_bytes: Gauge<f64, AtomicU64>,
    queue: Gauge<i64, AtomicI64>,
}

/// A request that is being answered.
pub struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    /// Metrics of a build of the node.
    #[must_use]
    pub fn new(version: &'static str, features: String) -> Self {
        let histogram = || Histogram::new(exponential_buckets(0.0005, 2.0, 16));
        let inner = Inner {
            registry: Mutex::new(Registry::with_prefix("lucid")),
            requests: Family::default(),
            durations: Family::new_with_constructor(histogram),
            in_flight: Family::default(),
            auth_failures: Family::default(),
            rate_limited: Counter::default(),
            state_changes: Family::default(),
            proof_failures: Counter::default(),
            uploads: Gauge::default(),
            free_bytes: Gauge::default(),
            queue: Gauge::default(),
        };
        {
            let mut registry = inner.registry.lock().unwrap_or_else(PoisonError::into_inner);
            let build = Info::new(vec![("version", version.to_owned()), ("cpu", features)]);
            registry.register("build", "The build and the processor it runs on", build);
            let help = "Requests answered";
            registry.register("http_requests", help, inner.requests.clone());
            let help = "Time from a request's head to its answer's head";
            registry.register_with_unit(
                "http_request_duration",
                help,
                Unit::Seconds,
                inner.durations.clone(),
            );
            registry.register("http_in_flight", "Requests being answered", inner.in_flight.clone());
            let help = "Sign-ins and tokens refused";
            registry.register("auth_failures", help, inner.auth_failures.clone());
            let help = "Requests refused because there were too many";
            registry.register("rate_limited", help, inner.rate_limited.clone());
            let help = "Sessions that came into a state";
            registry.register("session_state_changes", help, inner.state_changes.clone());
            let help = "Proofs that did not hold";
            registry.register("proof_failures", help, inner.proof_failures.clone());
            registry.register("uploads_active", "Uploads under way", inner.uploads.clone());
            let help = "Room on the data folder's disk";
            registry.register_with_unit("free", help, Unit::Bytes, inner.free_bytes.clone());
            let help = "Chunks and requests that wait for a turn to compute";
            registry.register("queue_depth", help, inner.queue.clone());
        }
        Self(Arc::new(inner))
    }

    /// Counts a request that is being answered until what is given is dropped.
    #[must_use]
    pub fn begin_request(&self, service: &str) -> InFlight {
        let gauge = self.0.in_flight.get_or_create(&Service { service: service.into() }).clone();
        gauge.inc();
        InFlight(gauge)
    }

    /// Counts an answer.
    pub fn request(
        &self,
        service: &str,
        route: &str,
        method: &Method,
        status: StatusCode,
        elapsed: Duration,
    ) {
        // Only methods that exist: a label for each invented one would fill the memory.
        let method = match *method {
            Method::GET
            | Method::HEAD
            | Method::POST
            | Method::PUT
            | Method::PATCH
            | Method::DELETE
            | Method::OPTIONS => method.as_str(),
            _ => "other",
        };
        let (service, route, method) = (service.to_owned(), route.to_owned(), method.to_owned());
        let durations = self.0.durations.get_or_create(&Service { service: service.clone() });
        durations.observe(elapsed.as_secs_f64());
        let route = Answered { service, route, method, status: status.as_u16() };
        self.0.requests.get_or_create(&route).inc();
    }

    /// Counts a refused sign-in or token.
    pub fn auth_failure(&self, code: crate::Code) {
        self.0.auth_failures.get_or_create(&CodeLabel { code: code.to_string() }).inc();
    }

    /// Counts a request that came too soon.
    pub fn rate_limited(&self) {
        self.0.rate_limited.inc();
    }

    /// Counts a session that came into a state.
    pub fn state_change(&self, state: &str) {
        self.0.state_changes.get_or_create(&StateLabel { state: state.to_owned() }).inc();
    }

    /// Counts a proof that did not hold.
    pub fn proof_failure(&self) {
        self.0.proof_failures.inc();
    }

    /// Sets what is measured when it is asked for.
    pub fn set(&self, uploads: usize, queue: usize, free_bytes: Option<u64>) {
        self.0.uploads.set(i64::try_from(uploads).unwrap_or(i64::MAX));
        self.0.queue.set(i64::try_from(queue).unwrap_or(i64::MAX));
        if let Some(free) = free_bytes {
            self.0.free_bytes.set(free as f64);
        }
    }

    /// All of it as OpenMetrics text.
    ///
    /// # Panics
    /// Never: a string takes what is written to it.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let registry = self.0.registry.lock().unwrap_or_else(PoisonError::into_inner);
        encode(&mut text, &registry).expect("a string takes what it is given");
        text
    }
}

/// What these resources work with.
#[derive(Clone)]
pub struct Health {
    /// The metrics.
    pub metrics: Metrics,
    /// What the service needs.
    pub readiness: Arc<dyn Readiness>,
}

#[derive(Serialize)]
struct Status {
    status: &'static str,
    checks: Vec<Check>,
}

/// The three resources.
pub fn router(health: Health) -> Router {
    Router::new()
        .route("/health", get(|| async { Json(Status { status: "ok", checks: Vec::new() }) }))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(health)
}

async fn ready(State(health): State<Health>) -> Response {
    let checks = health.readiness.checks().await;
    let ok = checks.iter().all(|check| check.ok);
    let status = if ok { "ready" } else { "not ready" };
    let code = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(Status { status, checks })).into_response()
}

async fn metrics(State(health): State<Health>) -> Response {
    health.readiness.measure().await;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], health.metrics.text()).into_response()
}
