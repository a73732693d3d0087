//! Answering from the catalogue.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use lucid_api::{
    Code, Problem,
    ports::{
        Answer, DAYS, Found, INDEXED_MAX, ListIndexed, ListOrder, Match, MatchKind, SealedOnDay,
        SealedSession, Search, Session, SessionsData, Statistics, SyncState,
    },
};
use lucid_core::{EntryIndex, Owner};
use lucid_store::{
    Catalogue, CatalogueFilter, CatalogueRow, HashKind, HashMatch, Order, StoreError,
    catalogue::Day,
};

use super::{LocalSessionsData, State};
use crate::{
    context::now,
    services::{
        orchestrator::{api_state, split, store_state},
        problem::of_store,
        sync,
    },
};

/// An answer waits so long for what the log has when it is asked for.
const PATIENCE: Duration = Duration::from_secs(5);
/// A search waits so long for chunks of what was sealed just now.
const CHUNKS_PATIENCE: Duration = Duration::from_secs(1);

impl LocalSessionsData {
    /// The catalogue, with everything that the log has now.
    async fn fresh(&self) -> Answer<Arc<Catalogue>> {
        let size = self.parts.log.head().await?.size;
        let mut state = self.parts.state.subscribe();
        self.parts.wake.notify_one();
        let is_there = |state: &State| state.has_caught_up && state.size >= size;
        let waited = state.wait_for(|state| is_there(state) || state.failure.is_some());
        // Its sender is there as long as this is.
        let waited = tokio::time::timeout(PATIENCE, waited).await;
        let state = waited.map(|state| state.map(|state| state.clone()));
        let state = match state {
            Ok(Ok(state)) => state,
            _ => self.parts.state.borrow().clone(),
        };
        match state.catalogue.as_ref().filter(|_| is_there(&state)) {
            Some(catalogue) => Ok(Arc::clone(catalogue)),
            None => Err(Problem::new(Code::Unavailable, self.parts.why_away(&state))),
        }
    }

    /// Waits a moment for the chunks that can be read; gives whether all are in.
    async fn chunks_read(&self) -> bool {
        let mut state = self.parts.state.subscribe();
        let read = state.wait_for(|state| state.unread <= state.unreadable);
        // Late or not, what counts is how it is now.
        let _ = tokio::time::timeout(CHUNKS_PATIENCE, read).await;
        self.parts.state.borrow().unread == 0
    }

    /// Asks the catalogue.
    async fn ask<T: Send + 'static>(
        &self,
        catalogue: Arc<Catalogue>,
        ask: impl FnOnce(&Catalogue) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<T> {
        // The pool's own errors are problems; the catalogue's pass through it.
        let asked = self.pool.run(move || Ok(ask(&catalogue))).await?;
        asked.map_err(|error| match error {
            StoreError::Database { .. } => {
                tracing::error!(%error, "the index of sessions is damaged");
                self.parts.is_damaged.store(true, std::sync::atomic::Ordering::Relaxed);
                self.parts.wake.notify_one();
                let detail = "the index of sessions is damaged, and is made anew: try again";
                Problem::new(Code::Unavailable, detail)
            }
            error => of_store(error),
        })
    }
}

#[async_trait]
impl SessionsData for LocalSessionsData {
    async fn list(&self, list: ListIndexed) -> Answer<Vec<Session>> {
        let ListIndexed { owner, state, from, until, order, after, limit } = list;
        let (state, anchored) = split(state.map(store_state).transpose()?);
        let order = match order {
            ListOrder::Newest => Order::NewestFirst,
            ListOrder::Oldest => Order::OldestFirst,
        };
        let filter = CatalogueFilter { owner: owner.clone(), state, anchored, from, until, order };
        let catalogue = self.fresh().await?;
        let list =
            move |of: &Catalogue| Ok((of.list(&filter, after, count(limit))?, of.anchored_size()));
        let (rows, anchored_size) = self.ask(catalogue, list).await?;
        self.hold_rows(&rows, owner.as_ref()).await?;
        Ok(rows.into_iter().map(|row| session(row, anchored_size)).collect())
    }

    async fn sync(&self) -> Answer<SyncState> {
        Ok(self.sync.as_ref().map_or_else(sync::none, |sync| sync.state()))
    }

    async fn search(&self, search: Search) -> Answer<Found> {
        let catalogue = self.fresh().await?;
        let complete = self.chunks_read().await;
        let whose = search.owner.clone();
        let found = self.ask(catalogue, move |of| {
            let Search { hash, owner, after, limit } = search;
            let after = after.map(|after| stored_match(&after));
            of.search(&hash, owner.as_ref(), after.as_ref(), count(limit))
        });
        let found = found.await?;
        self.hold_matches(&found, whose.as_ref()).await?;
        let matches = found.iter().map(api_match).collect();
        Ok(Found { matches, complete })
    }

    async fn statistics(&self, owner: Option<Owner>) -> Answer<Statistics> {
        let catalogue = self.fresh().await?;
        let complete = self.chunks_read().await;
        let today = Day::of(now());
        let first = Day(today.0.saturating_sub(DAYS - 1));
        let asked = self.ask(catalogue, move |of| {
            let days = of.sealed_by_day(owner.as_ref(), (first, today))?;
            Ok((of.totals(owner.as_ref())?, days))
        });
        let (totals, days) = asked.await?;
        let sealed_by_day = (first.0..=today.0).map(|day| {
            let found = days.iter().find(|(known, _)| known.0 == day);
            SealedOnDay { day: Day(day).begin(), sealed: found.map_or(0, |(_, sealed)| *sealed) }
        });
        Ok(Statistics {
            open: totals.open,
            sealed: totals.sealed,
            voided: totals.voided,
            erased: totals.erased,
            chunks: totals.chunks,
            plain_bytes: totals.plain_bytes,
            stored_bytes: totals.stored_bytes,
            complete,
            sealed_by_day: sealed_by_day.collect(),
        })
    }
}

fn count(limit: u32) -> usize {
    usize::try_from(limit.min(INDEXED_MAX)).unwrap_or_default()
}

/// A session, as far as the log knows it.
fn session(CatalogueRow { session: row, .. }: CatalogueRow, anchored_size: u64) -> Session {
    let state = api_state(&row, anchored_size);
    let sealed = row.sealed.map(|facts| SealedSession {
        at: facts.at,
        chunk_count: facts.chunk_count,
        plain_bytes: facts.plain_bytes,
        merkle_root: facts.merkle_root,
        manifest_hash: facts.manifest_hash,
        log_index: facts.entry.0,
    });
    Session {
        session_id: row.session,
        owner: row.owner,
        state,
        media_type: row.media_type,
        created_at: row.created_at,
        upload: None,
        sealed,
        ended_at: row.ended.map(|(_, at)| at),
    }
}

fn api_match(found: &HashMatch) -> Match {
    let kind = match found.kind {
        HashKind::MerkleRoot => MatchKind::MerkleRoot,
        HashKind::ManifestHash => MatchKind::ManifestHash,
        HashKind::PolicyHash => MatchKind::PolicyHash,
        HashKind::ChunkRoot => MatchKind::ChunkRoot,
        HashKind::Entry => MatchKind::Entry,
    };
    let HashMatch { hash, session: session_id, chunk, entry, .. } = *found;
    Match { hash, kind, session_id, chunk, log_index: entry.0 }
}

fn stored_match(of: &Match) -> HashMatch {
    let kind = match of.kind {
        MatchKind::MerkleRoot => HashKind::MerkleRoot,
        MatchKind::ManifestHash => HashKind::ManifestHash,
        MatchKind::PolicyHash => HashKind::PolicyHash,
        MatchKind::ChunkRoot => HashKind::ChunkRoot,
        MatchKind::Entry => HashKind::Entry,
    };
    let Match { hash, session_id: session, chunk, log_index, .. } = *of;
    HashMatch { hash, kind, session, chunk, entry: EntryIndex(log_index) }
}
