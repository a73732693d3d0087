//! Holding answers against the log: the catalogue says where to look, and the log what is there.
//!
//! Whose a session is decides who is told of it. So what is answered of a session is what its entries say, and
//! a catalogue that says otherwise is made anew. What is left out of a list is not found so: that takes a log
//! that is read from its beginning.

use std::{
    collections::{BTreeSet, HashMap},
    sync::atomic::Ordering,
};

use lucid_api::{Code, Problem, ports::Answer};
use lucid_core::{EntryIndex, Owner, entry::Entry};
use lucid_store::{CatalogueRow, HashMatch};

use super::LocalSessionsData;

/// Entries that are fetched together where not all of them are needed: others between may be long.
const SPAN: u64 = 64;

/// Whether a row says what the entries say that it names.
fn agrees(row: &CatalogueRow, entries: &HashMap<u64, Entry>) -> bool {
    let row = &row.session;
    let opened = match entries.get(&row.opened.0) {
        Some(Entry::SessionOpened(entry)) => {
            (entry.session_id, &entry.owner, &entry.media_type, entry.at)
                == (row.session, &row.owner, &row.media_type, row.created_at)
        }
        _ => false,
    };
    let sealed = row.sealed.as_ref().is_none_or(|facts| match entries.get(&facts.entry.0) {
        Some(Entry::SessionSealed(entry)) => {
            (entry.session_id, entry.at, entry.chunk_count, entry.plain_bytes)
                == (row.session, facts.at, facts.chunk_count, facts.plain_bytes)
                && (entry.merkle_root, entry.manifest_hash)
                    == (facts.merkle_root, facts.manifest_hash)
        }
        _ => false,
    });
    let ended = row.ended.is_none_or(|(place, _)| {
        entries.get(&place.0).and_then(Entry::session) == Some(row.session)
    });
    opened && sealed && ended
}

impl LocalSessionsData {
    /// Holds rows against the log, and against whose they should be.
    ///
    /// # Errors
    /// `unavailable` where one is not what the log says; the log's.
    pub(super) async fn hold_rows(
        &self,
        rows: &[CatalogueRow],
        owner: Option<&Owner>,
    ) -> Answer<()> {
        let places = rows.iter().map(|row| &row.session).flat_map(|row| {
            let sealed = row.sealed.as_ref().map(|facts| facts.entry.0);
            let ended = row.ended.map(|(place, _)| place.0);
            [Some(row.opened.0), sealed, ended].into_iter().flatten()
        });
        let entries = self.entries(places.collect()).await?;
        let holds = |row: &CatalogueRow| {
            owner.is_none_or(|owner| row.session.owner == *owner) && agrees(row, &entries)
        };
        match rows.iter().all(holds) {
            true => Ok(()),
            false => Err(self.altered()),
        }
    }

    /// Holds matches against the log: that they are of the sessions which their entries are about, and of those
    /// sessions' owner where it is asked for one's.
    ///
    /// # Errors
    /// As [`hold_rows`](Self::hold_rows).
    pub(super) async fn hold_matches(
        &self,
        matches: &[HashMatch],
        owner: Option<&Owner>,
    ) -> Answer<()> {
        let places = matches.iter().map(|found| found.entry.0).collect();
        let entries = self.entries(places).await?;
        let holds = |found: &HashMatch| {
            let entry = entries.get(&found.entry.0);
            let whose = match entry {
                Some(Entry::SessionOpened(entry)) => Some(&entry.owner),
                Some(Entry::SessionSealed(entry)) => Some(&entry.owner),
                // These name no owner: of them no more is told than that they are there.
                _ => None,
            };
            entry.and_then(Entry::session) == Some(found.session)
                && owner.is_none_or(|owner| whose.is_none_or(|whose| whose == owner))
        };
        match matches.iter().all(holds) {
            true => Ok(()),
            false => Err(self.altered()),
        }
    }

    /// The log's entries at these places.
    async fn entries(&self, places: BTreeSet<u64>) -> Answer<HashMap<u64, Entry>> {
        let mut entries = HashMap::with_capacity(places.len());
        let mut left = places.iter().copied().peekable();
        while let Some(first) = left.next() {
            let mut last = first;
            while let Some(next) = left.next_if(|next| next - first < SPAN) {
                last = next;
            }
            let limit = u32::try_from(last - first + 1).unwrap_or(u32::MAX);
            for entry in self.parts.log.entries(EntryIndex(first), limit).await? {
                if places.contains(&entry.index)
                    && let Ok(parsed) = Entry::parse(entry.entry.as_bytes())
                {
                    entries.insert(entry.index, parsed);
                }
            }
        }
        Ok(entries)
    }

    /// Has the catalogue made anew; what to say to who met it.
    fn altered(&self) -> Problem {
        tracing::error!("the index of sessions is not what the log says");
        self.parts.is_damaged.store(true, Ordering::Relaxed);
        self.parts.wake.notify_one();
        let detail = "the index of sessions is damaged, and is made anew: try again";
        Problem::new(Code::Unavailable, detail)
    }
}
