//! A service that listens before it can do its work.
//!
//! Health answers from the first moment; until the service is joined, everything else is `unavailable`
//! and says what is waited for. So a health check tells "it starts" from "it hangs", and services can
//! be started in any order.

use std::{
    convert::Infallible,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    Router,
    extract::Request,
    middleware,
    response::{IntoResponse, Response},
};
use lucid_api::{
    Code, Problem,
    health::{self, Check, Health, Readiness},
    metrics::Measured,
    request::{self, RequestLayer},
};
use tower::ServiceExt;

use super::process;

/// The first pause before asking again; each is twice the last one.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// The check that fails until the service is joined.
pub(super) const STARTING: &str = "start";

/// A service that is joined.
pub(super) struct Joined {
    /// What it answers.
    pub router: Router,
    /// Whether it can do its work.
    pub readiness: Arc<dyn Readiness>,
}

/// A service that may not be joined yet.
pub(super) struct Late {
    joined: OnceLock<Joined>,
    /// What is waited for.
    waiting: Mutex<String>,
    layer: RequestLayer,
}

impl Late {
    pub(super) fn new(layer: RequestLayer) -> Arc<Self> {
        Arc::new(Self { joined: OnceLock::new(), waiting: Mutex::default(), layer })
    }

    /// From now on the service answers.
    pub(super) fn join(&self, joined: Joined) {
        let Joined { router, readiness } = joined;
        let layer = middleware::from_fn_with_state(self.layer.clone(), request::layer);
        // It is joined once: a service is started by one task.
        let _ = self.joined.set(Joined { router: router.layer(layer), readiness });
    }

    /// Tries again until `attempt` does not want another; what it lacks is told meanwhile.
    pub(super) async fn until<T, E>(
        &self,
        mut attempt: impl AsyncFnMut() -> Result<T, Missing<E>>,
    ) -> Result<T, E> {
        let mut pause = PAUSE_MIN;
        loop {
            match attempt().await {
                Ok(done) => return Ok(done),
                Err(Missing::Never(error)) => return Err(error),
                Err(Missing::Yet(what)) => {
                    let mut waiting = self.waiting();
                    if *waiting != what {
                        tracing::warn!("waiting: {what}");
                        *waiting = what;
                    }
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// All that the process answers.
    pub(super) fn router(self: &Arc<Self>) -> Router {
        let health = Health {
            service: self.layer.service,
            metrics: self.layer.metrics.clone(),
            readiness: Arc::clone(self) as Arc<_>,
        };
        let layer = middleware::from_fn_with_state(self.layer.clone(), request::layer);
        let late = Arc::clone(self);
        let starting = Router::new().fallback(starting).layer(layer.clone());
        let service = tower::service_fn(move |request: Request| {
            let router = late.joined.get().map_or(&starting, |joined| &joined.router).clone();
            answer(router.oneshot(request))
        });
        health::router(health).layer(layer).fallback_service(service)
    }

    fn waiting(&self) -> MutexGuard<'_, String> {
        // A text is whole whatever happens beside it.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn answer(
    answer: impl Future<Output = Result<Response, Infallible>> + Send,
) -> Result<Response, Infallible> {
    answer.await
}

async fn starting() -> Response {
    Problem::new(Code::Unavailable, "the service is starting: try again soon").into_response()
}

/// Why an attempt came to nothing.
pub(super) enum Missing<E> {
    /// Something is not there yet.
    Yet(String),
    /// It will not help to try again.
    Never(E),
}

#[async_trait]
impl Readiness for Late {
    async fn checks(&self) -> Vec<Check> {
        match self.joined.get() {
            Some(joined) => joined.readiness.checks().await,
            None => vec![Check::failed(STARTING, self.waiting().clone())],
        }
    }

    async fn measure(&self) -> Measured {
        let own = match self.joined.get() {
            Some(joined) => joined.readiness.measure().await,
            None => Measured::default(),
        };
        Measured { process: process::measured(), ..own }
    }
}
