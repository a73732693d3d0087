//! `search`: what has a hash, in a data folder that is not in use.
//!
//! The index of sessions is brought up to the log first. It stays in the folder, so that only what is new
//! has to be read the next time; a node that serves the folder goes on with it.

use std::{process::ExitCode, sync::Arc};

use clap::Args;
use lucid_api::{
    Code, Problem,
    ports::{Found, Match, Search as Asked, SessionsData},
};
use lucid_core::{Hash, HashPrefix, SessionId};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::remote::runtime;
use crate::{
    context::Context,
    failure::{Class, Failure, Outcome},
    output::notice,
    progress::Unit,
    services::sessions_data::LocalSessionsData,
    serving,
};

/// Arguments of `search`.
#[derive(Args, Debug)]
pub struct Search {
    /// The hash in lower-case hex, or at least its first 8 digits
    #[arg(value_name = "HASH")]
    hash: HashPrefix,
    /// Begin after this match: what `next` was
    #[arg(long, value_name = "MATCH")]
    after: Option<Match>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
}

/// What has the hash.
#[derive(Serialize)]
struct Listed {
    matches: Vec<Row>,
    /// What to give to `--after` for those that follow; absent where none do.
    next: Option<String>,
    /// Whether the chunks of all sealed sessions could be read, and so searched.
    complete: bool,
}

/// Something that has the hash.
#[derive(Serialize)]
struct Row {
    kind: &'static str,
    hash: Hash,
    session_id: SessionId,
    /// Which of the session's chunks, where it is one's.
    chunk: Option<u32>,
    /// Place of the log's entry that says so.
    log_index: u64,
}

impl Search {
    /// Searches; exit code 1 where nothing is found.
    ///
    /// # Errors
    /// The store's, the index's.
    pub fn run(&self, context: &Context) -> Outcome<ExitCode> {
        if self.after.is_some_and(|after| !self.hash.takes(&after.hash)) {
            return Err(Failure::usage(
                "--after is no match of this search: give it what next was",
            ));
        }
        let store = context.look_at_store()?;
        let size = store.figures().log_entries;
        let runtime = runtime()?;
        let found = runtime.block_on(async {
            let index = Arc::new(serving::index_of(context, store)?);
            let stop = CancellationToken::new();
            let running = tokio::spawn(Arc::clone(&index).run(stop.clone()));
            let found = self.ask(context, &index, size).await;
            stop.cancel();
            // What it took up is on the disk then.
            running.await.map_err(|error| Failure::io(error.to_string()))?;
            found
        })?;
        let full = found.matches.len() == self.limit as usize;
        let next = found.matches.last().filter(|_| full).map(ToString::to_string);
        let matches: Vec<_> = found.matches.iter().map(row).collect();
        if !found.complete {
            notice(
                "the chunks of some sessions cannot be read, and were not searched: look at them with \
                 lucid-node verify --all",
            );
        }
        let is_none = matches.is_empty();
        context.output.print(&Listed { matches, next, complete: found.complete }, text)?;
        Ok(if is_none { Class::Check.into() } else { ExitCode::SUCCESS })
    }

    async fn ask(&self, context: &Context, index: &LocalSessionsData, size: u64) -> Outcome<Found> {
        let progress = context.progress("indexing", Unit::Items, Some(size));
        index.caught_up(|has, _| progress.set(has)).await.map_err(failure)?;
        drop(progress);
        let (hash, after, limit) = (self.hash, self.after, self.limit);
        index.search(Asked { hash, owner: None, after, limit }).await.map_err(failure)
    }
}

fn failure(problem: Problem) -> Failure {
    match problem.code {
        Code::NotFound => Failure::usage("--after is of a session that is not in this folder"),
        _ => Failure::io(problem.detail),
    }
}

fn row(found: &Match) -> Row {
    let Match { hash, kind, session_id, chunk, log_index } = *found;
    Row { kind: kind.as_str(), hash, session_id, chunk, log_index }
}

fn text(listed: &Listed) -> String {
    if listed.matches.is_empty() {
        return "nothing has this hash".to_owned();
    }
    let mut lines =
        format!("{:13}  {:36}  {:>10}  {:>10}  HASH\n", "KIND", "SESSION", "CHUNK", "ENTRY");
    for Row { kind, hash, session_id, chunk, log_index } in &listed.matches {
        let chunk = chunk.map_or_else(|| "-".to_owned(), |chunk| chunk.to_string());
        lines.push_str(&format!("{kind:13}  {session_id}  {chunk:>10}  {log_index:>10}  {hash}\n"));
    }
    if let Some(next) = &listed.next {
        lines.push_str(&format!("more with: --after {next}\n"));
    }
    lines
}
