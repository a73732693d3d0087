//! Services on loopback, each with a token of its own asked for; and their tasks.

use std::{net::SocketAddr, time::Duration};

use axum::{Router, middleware};
use lucid_api::{
    internal::{Caller, ServiceKey, guarded},
    metrics::Metrics,
    request::{self, RequestLayer},
    server::{self, SERVICE_WRITE_TIME, ServerOptions},
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// Services that listen on loopback, each with a token of its own asked for.
pub(super) struct Servers {
    pub(super) key: ServiceKey,
    pub(super) stop: CancellationToken,
}

impl Servers {
    pub(super) async fn serve(&self, name: &'static str, router: Router) -> Caller {
        self.serve_until(name, router, self.stop.clone()).await
    }

    pub(super) async fn serve_until(
        &self,
        name: &'static str,
        router: Router,
        stop: CancellationToken,
    ) -> Caller {
        self.serve_as(["test", name], router, stop).await
    }

    /// Serves a router; gives the way to it of who calls.
    pub(super) async fn serve_as(
        &self,
        [caller, name]: [&'static str; 2],
        router: Router,
        stop: CancellationToken,
    ) -> Caller {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let metrics = Metrics::new("test", String::new());
        let layer = RequestLayer { service: name, trusts_ids: true, metrics };
        let router = guarded(router, self.key.clone(), name)
            .layer(middleware::from_fn_with_state(layer, request::layer));
        let options = ServerOptions {
            tls: None,
            connections_max: 64,
            grace: Duration::from_secs(1),
            write_time: SERVICE_WRITE_TIME,
        };
        tokio::spawn(server::serve(listener, router, options, stop));
        Caller::new(caller, name, &url, self.key.clone())
    }
}

/// A service's own task.
pub(super) struct Task {
    pub(super) stop: CancellationToken,
    pub(super) task: JoinHandle<()>,
}

impl Task {
    /// Stops it as a node does.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    /// Ends it where it stands, as a crash does: nothing is flushed.
    pub(super) async fn kill(self) {
        self.task.abort();
        self.stop.cancel();
        assert!(self.task.await.is_err_and(|error| error.is_cancelled()));
    }
}
