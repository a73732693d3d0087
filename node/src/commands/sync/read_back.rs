//! `sync read-back`: what a node that lost its disk gets back from MongoDB.

mod said;

use std::{
    io,
    process::ExitCode,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use clap::Args;
use lucid_core::{ChunkIndex, EntryIndex, Hash, NodeId, SessionId, note::VerifierKey};
use lucid_mongo::{
    GoneSession, Had, LossReport, ManifestState, Options, PortError, ReadBack, ReadBackError,
    stored_key,
};
use lucid_store::{Disk, ManifestDraft, Remake, StoreError};

use self::said::{Answer, Loss};
use crate::{
    context::Context,
    failure::{Failure, Outcome},
    progress::{Progress, Unit},
    serving::mongo_options,
};

/// Sessions with a loss that are named; more are only counted.
const NAMED_MAX: usize = 1_000;

/// Arguments of `sync read-back`.
#[derive(Args, Debug)]
pub struct ReadBackArgs {
    /// Make nothing, and say what the database has of this node, whose key need not be here
    #[arg(long, value_name = "ID")]
    node: Option<NodeId>,
}

impl ReadBackArgs {
    /// Does it.
    ///
    /// # Errors
    /// Where the database has no log of this node, or not one that its key signed; where the data folder has a log;
    /// the store's and the database's.
    pub fn run(&self, context: &Context) -> Outcome<ExitCode> {
        let options = mongo_options(context)?;
        // Its files are written while it waits for the database: on threads that may block.
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).enable_all().build()?;
        let answer = match self.node {
            Some(node) => runtime.block_on(async {
                let key = stored_key(options.clone(), node).await.map_err(failure)?;
                read(context, options, node, &key, None).await
            })?,
            None => {
                let remake = Remake::begin(&context.config.data, &Disk::default());
                let remake = remake.map_err(|error| begun(context, error))?;
                let (node, key) = (remake.node_id(), remake.verifier_key().clone());
                runtime.block_on(read(context, options, node, &key, Some(remake)))?
            }
        };
        context.output.print(&answer, said::text)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What to do where nothing can be made.
fn begun(context: &Context, error: StoreError) -> Failure {
    let data = context.config.data.display();
    let is_missing = |error: &StoreError| matches!(error, StoreError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound);
    match error {
        StoreError::AlreadyThere { .. } => Failure::usage(format!(
            "{data} has a log, which is not replaced: compare it with the database by `sync verify`"
        )),
        error if is_missing(&error) => Failure::usage(format!(
            "{data}/secrets/node.key is not there: a log goes on with its node's key only. Put the folder secrets \
             back from your backup, or say --node ID to see what the database has"
        )),
        error => error.into(),
    }
}

fn failure(error: ReadBackError) -> Failure {
    match error {
        ReadBackError::Fault(_) | ReadBackError::Sink(_) => Failure::io(error.to_string()),
        error => Failure::check(error.to_string()),
    }
}

async fn read(
    context: &Context,
    options: Options,
    node_id: NodeId,
    key: &VerifierKey,
    remake: Option<Remake>,
) -> Outcome<Answer> {
    let bar = Progress::new(context.progress, "verifying entries", Unit::Items, None);
    let back = ReadBack::open(options, key, &|read, _| bar.set(read)).await.map_err(failure)?;
    drop(bar);
    let answer = make(context, node_id, &back, remake).await;
    back.close().await;
    answer
}

async fn make(
    context: &Context,
    node_id: NodeId,
    back: &ReadBack,
    mut remake: Option<Remake>,
) -> Outcome<Answer> {
    let head = back.head();
    if let Some(remake) = &mut remake {
        let bar = Progress::new(context.progress, "writing the log", Unit::Items, Some(head.size));
        while remake.size() < head.size {
            let page = back.entries(EntryIndex(remake.size())).await.map_err(failure)?;
            tokio::task::block_in_place(|| remake.push(&page))?;
            bar.set(remake.size());
        }
    }
    let place = Place::new(remake);
    let bar = Progress::new(context.progress, "looking for sessions", Unit::Items, None);
    let mut count = 0;
    let tell = &mut |session: GoneSession| {
        count += 1;
        bar.set(count);
        place.told(session);
    };
    let report = back.report(&place, tell).await;
    drop(bar);
    // What the disk said is said as it was.
    let Told { remake, error, gone, gone_count, without_key, .. } = place.end();
    if let Some(error) = error {
        return Err(error.into());
    }
    let report: LossReport = report.map_err(failure)?;
    let (made, looked_for_chunks) =
        (remake.is_some(), remake.as_ref().is_some_and(Remake::has_vault));
    if let Some(remake) = remake {
        tokio::task::block_in_place(|| remake.finish(head))?;
    }
    Ok(Answer {
        node_id,
        log_size: head.size,
        root: head.root,
        checkpoint: back.checkpoint().to_owned(),
        made,
        unsigned_entries: back.unsigned_entries(),
        sessions: report.sessions,
        sessions_open: report.sessions_open,
        sessions_with_chunks_gone: report.sessions_with_loss,
        chunks_gone: report.chunks_gone,
        sessions_without_key: without_key,
        manifests: report.manifests_verified,
        manifests_lost: report.manifests_lost,
        looked_for_chunks,
        gone,
        gone_count,
    })
}

/// The data folder, as far as there is one.
struct Place(Mutex<Told>);

#[derive(Default)]
struct Told {
    remake: Option<Remake>,
    draft: Option<ManifestDraft>,
    error: Option<StoreError>,
    gone: Vec<Loss>,
    gone_count: u64,
    without_key: u64,
}

impl Place {
    fn new(remake: Option<Remake>) -> Self {
        Self(Mutex::new(Told { remake, ..Told::default() }))
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        // A panic ends the command.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(self) -> Told {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn told(&self, session: GoneSession) {
        let mut told = self.lock();
        let is_kept = session.manifest.is_some() && session.state != "erased";
        let key_gone = match &told.remake {
            Some(remake) if is_kept && remake.has_vault() => {
                tokio::task::block_in_place(|| remake.has_key(session.session)).map(|has| !has)
            }
            _ => Ok(false),
        };
        let key_gone = key_gone.unwrap_or_else(|error| {
            told.error.get_or_insert(error);
            false
        });
        told.without_key += u64::from(key_gone);
        if session.state == "open" {
            told.reopen(session.session);
        }
        let manifest = session.manifest.map(|state| match state {
            ManifestState::Verified => "verified",
            ManifestState::Missing => "missing",
            ManifestState::Altered => "altered",
        });
        let is_whole = session.chunks_gone == 0
            && !key_gone
            && session.state != "open"
            && manifest.is_none_or(|state| state == "verified");
        if is_whole {
            return;
        }
        told.gone_count += 1;
        if told.gone.len() < NAMED_MAX {
            told.gone.push(Loss {
                session: session.session,
                owner: session.owner,
                state: session.state,
                chunk_count: session.chunk_count,
                plain_bytes: session.plain_bytes,
                chunks_gone: session.chunks_gone,
                chunks: session.gone.iter().map(|range| [*range.start(), *range.end()]).collect(),
                key_gone,
                manifest,
            });
        }
    }
}

impl Told {
    /// What is left of an open session is taken up at the next start.
    fn reopen(&mut self, session: SessionId) {
        let Some(remake) = &self.remake else { return };
        if let Err(error) = tokio::task::block_in_place(|| remake.reopen(session)) {
            self.error.get_or_insert(error);
        }
    }

    fn put(&mut self, session: SessionId, bytes: &[u8]) -> Result<(), StoreError> {
        let Some(remake) = &self.remake else { return Ok(()) };
        let draft = match &mut self.draft {
            Some(draft) => draft,
            none => none.insert(remake.manifest(session)?),
        };
        draft.put(bytes)
    }

    fn end_manifest(
        &mut self,
        session: SessionId,
        state: ManifestState,
        hash: Hash,
    ) -> Result<(), StoreError> {
        let (Some(remake), Some(draft)) = (&self.remake, self.draft.take()) else { return Ok(()) };
        if state != ManifestState::Verified {
            return draft.discard();
        }
        draft.keep()?;
        if remake.has_vault() {
            // Where chunk files are missing there is none, which is told of the chunks.
            remake.index(session, hash)?;
        }
        Ok(())
    }
}

#[async_trait]
impl Had for Place {
    fn put(&self, session: SessionId, bytes: &[u8]) -> io::Result<()> {
        let mut told = self.lock();
        let put = tokio::task::block_in_place(|| told.put(session, bytes));
        put.map_err(|error| {
            let kept = io::Error::other(error.to_string());
            told.error.get_or_insert(error);
            kept
        })
    }

    async fn ended(
        &self,
        session: SessionId,
        state: ManifestState,
        hash: Hash,
    ) -> Result<(), PortError> {
        let mut told = self.lock();
        let ended = tokio::task::block_in_place(|| told.end_manifest(session, state, hash));
        told.kept(ended)
    }

    async fn has_chunk(&self, session: SessionId, index: ChunkIndex) -> Result<bool, PortError> {
        let mut told = self.lock();
        let Some(remake) = told.remake.as_ref().filter(|remake| remake.has_vault()) else {
            // They are not looked for, and not said to be gone.
            return Ok(true);
        };
        let has = tokio::task::block_in_place(|| remake.has_chunk(session, index));
        told.kept(has)
    }
}

impl Told {
    /// Keeps the disk's first error as it was, and passes its text on.
    fn kept<T>(&mut self, done: Result<T, StoreError>) -> Result<T, PortError> {
        done.map_err(|error| {
            let text = PortError(error.to_string());
            self.error.get_or_insert(error);
            text
        })
    }
}
