//! `list`: the sessions of this node.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use lucid_core::{Hash, MediaType, Owner, SessionId, Timestamp};
use lucid_store::{Order, SessionFilter, SessionRow, State, Store};
use serde::Serialize;

use crate::{
    config::Origin,
    context::Context,
    failure::{Failure, Outcome},
    output::human_bytes,
};

/// Rows that are read at once where not all of them are wanted.
const PAGE: usize = 1000;

/// Arguments of `list`. The owner is the configuration's `--owner`, where it is on the command line.
#[derive(Args, Debug)]
pub struct List {
    /// Only sessions in this state
    #[arg(long, value_enum, value_name = "STATE")]
    state: Option<StateName>,
    /// Only sessions opened then or later, such as 2026-01-31T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = Timestamp::from_rfc3339)]
    from: Option<Timestamp>,
    /// Only sessions opened before that
    #[arg(long, value_name = "TIME", value_parser = Timestamp::from_rfc3339)]
    until: Option<Timestamp>,
    /// Begin after this session
    #[arg(long, value_name = "ID")]
    after: Option<SessionId>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// The last one opened first
    #[arg(long)]
    newest: bool,
}

/// A state on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum StateName {
    Open,
    Sealed,
    Anchored,
    Voided,
    Erased,
}

impl StateName {
    /// The state in the store, and whether those in it are anchored, where that tells them from others.
    fn of_store(self) -> (State, Option<bool>) {
        match self {
            Self::Open => (State::Open, None),
            Self::Sealed => (State::Sealed, Some(false)),
            Self::Anchored => (State::Sealed, Some(true)),
            Self::Voided => (State::Voided, None),
            Self::Erased => (State::Erased, None),
        }
    }
}

#[derive(Serialize)]
struct Listed {
    sessions: Vec<Row>,
    /// What to give to `--after` for those that follow; absent where none do.
    next: Option<SessionId>,
}

/// What the log says about a session.
#[derive(Serialize)]
pub(super) struct Row {
    pub(super) session_id: SessionId,
    pub(super) owner: Owner,
    pub(super) state: &'static str,
    pub(super) media_type: MediaType,
    pub(super) created_at: Timestamp,
    pub(super) sealed_at: Option<Timestamp>,
    /// When it was voided or erased.
    pub(super) ended_at: Option<Timestamp>,
    pub(super) chunk_count: Option<u32>,
    pub(super) plain_bytes: Option<u64>,
    pub(super) merkle_root: Option<Hash>,
    pub(super) manifest_hash: Option<Hash>,
}

impl Row {
    /// A session's, where the first `anchored_size` entries of the log are anchored.
    pub(super) fn of(row: &SessionRow, anchored_size: u64) -> Self {
        let sealed = row.sealed.as_ref();
        Self {
            session_id: row.session,
            owner: row.owner.clone(),
            state: match row.state() {
                State::Sealed if row.is_anchored(anchored_size) => "anchored",
                state => state.as_str(),
            },
            media_type: row.media_type.clone(),
            created_at: row.created_at,
            sealed_at: sealed.map(|sealed| sealed.at),
            ended_at: row.ended.map(|(_, at)| at),
            chunk_count: sealed.map(|sealed| sealed.chunk_count),
            plain_bytes: sealed.map(|sealed| sealed.plain_bytes),
            merkle_root: sealed.map(|sealed| sealed.merkle_root),
            manifest_hash: sealed.map(|sealed| sealed.manifest_hash),
        }
    }
}

impl List {
    /// Lists sessions.
    ///
    /// # Errors
    /// The store's; an id after which nothing can begin.
    pub fn run(&self, context: &Context) -> Outcome<ExitCode> {
        if self.limit == 0 {
            return Err(Failure::usage("--limit 0 lists nothing: it is a number from 1"));
        }
        if let (Some(from), Some(until)) = (self.from, self.until)
            && from >= until
        {
            return Err(Failure::usage("--from is a time before --until"));
        }
        let by_owner = context.config.origin("owner") == Origin::CommandLine;
        let state = self.state.map(StateName::of_store);
        let filter = SessionFilter {
            owner: by_owner.then(|| context.config.owner.clone()),
            state: state.map(|(state, _)| state),
            anchored: state.and_then(|(_, anchored)| anchored),
            order: if self.newest { Order::NewestFirst } else { Order::OldestFirst },
        };
        let store = context.look_at_store()?;
        // One more than asked for tells whether any follow.
        let rows = self.rows(&store, &filter, self.limit.saturating_add(1))?;
        let more = rows.len() > self.limit;
        let sessions = rows.iter().take(self.limit);
        let sessions: Vec<_> = sessions.map(|row| Row::of(row, store.anchored_size())).collect();
        let next = if more { sessions.last().map(|last| last.session_id) } else { None };
        context.output.print(&Listed { sessions, next }, text)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl List {
    /// At most `limit` rows that were opened in time. Opening times need not be in the log's order: a clock
    /// can be set back. So all that follow are looked at.
    fn rows(
        &self,
        store: &Store,
        filter: &SessionFilter,
        limit: usize,
    ) -> Outcome<Vec<SessionRow>> {
        if self.from.is_none() && self.until.is_none() {
            return Ok(store.sessions(filter, self.after, limit)?);
        }
        let in_time = |row: &SessionRow| {
            self.from.is_none_or(|from| from <= row.created_at)
                && self.until.is_none_or(|until| row.created_at < until)
        };
        let (mut rows, mut after) = (Vec::new(), self.after);
        loop {
            let page = store.sessions(filter, after, PAGE)?;
            let Some(last) = page.last() else { return Ok(rows) };
            after = Some(last.session);
            rows.extend(page.into_iter().filter(in_time).take(limit - rows.len()));
            if rows.len() == limit {
                return Ok(rows);
            }
        }
    }
}

fn text(listed: &Listed) -> String {
    if listed.sessions.is_empty() {
        return "no sessions".to_owned();
    }
    let owners = listed.sessions.iter().map(|row| row.owner.as_str().len());
    let owner_width = owners.max().unwrap_or(0).max("OWNER".len());
    let mut lines = format!(
        "{:36}  {:8}  {:24}  {:>10}  {:owner_width$}  TYPE\n",
        "SESSION", "STATE", "OPENED", "SIZE", "OWNER"
    );
    for row in &listed.sessions {
        let Row { session_id, state, owner, media_type, .. } = row;
        let size = row.plain_bytes.map_or_else(|| "-".to_owned(), human_bytes);
        let created_at = row.created_at.to_string();
        lines.push_str(&format!(
            "{session_id}  {state:8}  {created_at}  {size:>10}  {:owner_width$}  {media_type}\n",
            owner.as_str()
        ));
    }
    if let Some(next) = listed.next {
        lines.push_str(&format!("more with: --after {next}\n"));
    }
    lines
}
