//! What joins the node with what is outside it: TRON and MongoDB.

use std::{path::Path, sync::Arc, time::Duration};

use lucid_api::{
    metrics::Metrics,
    ports::{Ledger, Sessions, TransparencyLog},
};
use lucid_store::{AnchorFolder, Disk, Store};

use super::{
    Running,
    local::{INDEX_THREADS, orchestrator_options},
};
use crate::{
    config::Config,
    context::Context,
    failure::{Failure, Outcome},
    services::{
        anchors::{AnchorsOptions, LocalAnchors},
        cpu::Pool,
        orchestrator::Orchestrator,
        sync::LocalSync,
    },
};

/// An anchor that is due is noticed in this time.
const LOOK_EVERY_MAX: Duration = Duration::from_millis(100);

/// What anchors `log`, with what it remembers in the folder `anchors` of `data`, and the task that does it.
pub(super) fn anchors(
    config: &Config,
    data: &Path,
    log: Arc<dyn TransparencyLog>,
    ledger: Arc<dyn Ledger>,
    running: &Running,
) -> Outcome<Arc<LocalAnchors>> {
    let folder = AnchorFolder::of(data, &Disk::default());
    let options = AnchorsOptions {
        outside: config.outside.clone(),
        look_every: config.services.block_time.min(LOOK_EVERY_MAX),
        poll_every: None,
    };
    let pool = Pool::new(INDEX_THREADS);
    let anchors = LocalAnchors::new(folder, log, ledger, pool, options);
    let anchors = Arc::new(anchors.map_err(|error| Failure::usage(error.to_string()))?);
    running.tasks.spawn(Arc::clone(&anchors).run(running.stop.clone()));
    Ok(anchors)
}

/// The sync of `log` and the manifests of `sessions` to MongoDB, where one is configured, and the task that does it.
pub(super) fn sync(
    config: &Config,
    data: &Path,
    log: Arc<dyn TransparencyLog>,
    sessions: Arc<dyn Sessions>,
    running: &Running,
) -> Option<Arc<LocalSync>> {
    let options = config.outside.mongo.clone()?;
    let sync = LocalSync::new(data, log, sessions, Pool::new(INDEX_THREADS), options);
    let sync = Arc::new(sync);
    running.tasks.spawn(Arc::clone(&sync).run(running.stop.clone()));
    Some(sync)
}

/// The database that is configured.
///
/// # Errors
/// Where none is.
pub(crate) fn mongo_options(context: &Context) -> Outcome<lucid_mongo::Options> {
    context.config.outside.mongo.clone().ok_or_else(|| {
        Failure::usage(
            "no database is configured: name a file with its address in LUCID_MONGO_URL_FILE",
        )
    })
}

/// The sync of a store that nobody serves.
///
/// # Errors
/// Where no database is configured.
pub(crate) fn sync_of(context: &Context, store: Store) -> Outcome<LocalSync> {
    let mongo = mongo_options(context)?;
    let path = store.path().to_owned();
    let metrics = Metrics::new(env!("CARGO_PKG_VERSION"), String::new());
    let (options, pool) = (orchestrator_options(context)?, Pool::new(INDEX_THREADS));
    let sessions = Arc::new(Orchestrator::new(Arc::new(store), pool.clone(), options, metrics));
    let log = Arc::clone(&sessions) as Arc<dyn TransparencyLog>;
    Ok(LocalSync::new(&path, log, sessions, pool, mongo))
}
