//! What joins the node with what is outside it: TRON, MongoDB, witnesses.

use std::{io, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use lucid_api::{
    client::{Client, Dial, Trust},
    metrics::Metrics,
    ports::{Ledger, Sessions, TransparencyLog},
};
use lucid_store::{AnchorFolder, Disk, Store};
use lucid_tunnel::{Egress, Purpose, socks::Target};
use tokio::net::TcpStream;

use super::{
    Running,
    local::{INDEX_THREADS, orchestrator_options},
};
use crate::{
    config::{Config, WitnessAddress},
    context::Context,
    failure::{Failure, Outcome},
    services::{
        anchors::{AnchorsOptions, LocalAnchors},
        cpu::Pool,
        ledger::asking::{Asked, HttpWitness},
        orchestrator::Orchestrator,
        sync::LocalSync,
    },
};

/// An anchor that is due is noticed in this time.
const LOOK_EVERY_MAX: Duration = Duration::from_millis(100);
/// A witness answers in this time, or is asked again later.
const WITNESS_TIME: Duration = Duration::from_secs(15);
/// Through Tor, to an onion service, a connection takes its time.
const WITNESS_CONNECT: Duration = Duration::from_secs(45);

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

/// The ways to the witnesses that are asked.
///
/// # Errors
/// Where an address is none.
pub(super) fn witnesses(addresses: &[WitnessAddress], egress: &Egress) -> Outcome<Vec<Asked>> {
    let way: Arc<dyn Dial> = Arc::new(WayToWitnesses(egress.clone()));
    addresses.iter().map(|address| asked(address, &way)).collect()
}

/// How witnesses are connected with.
struct WayToWitnesses(Egress);

#[async_trait]
impl Dial for WayToWitnesses {
    async fn dial(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let target = Target::new(host, port).map_err(io::Error::other)?;
        self.0.connect(Purpose::Witness, &target, WITNESS_CONNECT).await.map_err(io::Error::other)
    }
}

/// The way to a witness.
fn asked(WitnessAddress { key, url }: &WitnessAddress, way: &Arc<dyn Dial>) -> Outcome<Asked> {
    let host = url.find("://").map_or(0, |scheme| scheme + "://".len());
    let end = url[host..].find('/').map_or(url.len(), |path| host + path);
    let (base, prefix) = url.split_at(end);
    let client = Client::new(base, &Trust::System, WITNESS_TIME)
        .map_err(|error| Failure::usage(format!("the witness {}: {error}", key.name())))?;
    let (client, prefix) = (client.dialled_by(Arc::clone(way)), prefix.to_owned());
    Ok(Asked { key: key.clone(), reach: Box::new(HttpWitness { client, prefix }) })
}
