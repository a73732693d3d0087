//! A catalogue as anybody would write one: lists that are gone through.

use std::collections::BTreeMap;

use lucid_core::{EntryIndex, Hash, HashPrefix, Owner, SessionId, Timestamp, entry};

use super::{
    super::{CatalogueFilter, Day, HashKind, HashMatch, Totals},
    at, chunk_root, erased, id, manifest, opened, owner, policy, root, sealed, voided,
};
use crate::db::{Order, State};

/// What may happen to a session.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// One is opened: whose, when, under which level.
    Open { of: u8, when: u64, level: u8 },
    /// One of those that are open is sealed, with so many chunks.
    Seal { which: usize, when: u64, chunks: u32 },
    /// One of those that are open is voided.
    Void { which: usize, when: u64 },
    /// One of those that are sealed is erased.
    Erase { which: usize, when: u64 },
    /// Something else is written.
    Other,
    /// Chunks are read.
    Read,
}

/// A session of the model.
#[derive(Clone, Debug)]
pub(super) struct One {
    pub(super) number: u32,
    pub(super) of: u8,
    pub(super) opened_at: Timestamp,
    pub(super) place: u64,
    pub(super) state: State,
    level: u8,
    chunks: Option<(u64, u32, Timestamp)>,
    is_read: bool,
    /// Places and leaf hashes of its entries.
    entries: Vec<(u64, Hash)>,
}

#[derive(Default)]
pub(super) struct Model {
    pub(super) sessions: Vec<One>,
    pub(super) log: Vec<Vec<u8>>,
}

impl Model {
    /// Takes a step, where it can be taken.
    pub(super) fn step(&mut self, step: Step) {
        let place = self.log.len() as u64;
        match step {
            Step::Open { of, when, level } => {
                let number = self.sessions.len() as u32;
                let entry = opened(number, of, when, level);
                let entries = vec![(place, entry::leaf(&entry))];
                self.log.push(entry);
                let (opened_at, state, is_read) = (at(when), State::Open, false);
                let chunks = None;
                self.sessions.push(One { number, of, opened_at, place, state, level, chunks, is_read, entries });
            }
            Step::Seal { which, when, chunks } => {
                let Some(one) = self.nth(State::Open, which) else { return };
                one.chunks = Some((place, chunks, at(when)));
                one.is_read = chunks == 0;
                let entry = sealed(one.number, one.of, when, chunks);
                self.end(which, State::Open, State::Sealed, entry);
            }
            Step::Void { which, when } => {
                let Some(one) = self.nth(State::Open, which) else { return };
                let entry = voided(one.number, when);
                self.end(which, State::Open, State::Voided, entry);
            }
            Step::Erase { which, when } => {
                let Some(one) = self.nth(State::Sealed, which) else { return };
                let entry = erased(one.number, when);
                self.end(which, State::Sealed, State::Erased, entry);
            }
            Step::Other => self.log.push(
                br#"{"at":"2026-02-01T00:00:00.000Z","detail":"","event":"x","kind":"node.event","v":1}"#
                    .to_vec(),
            ),
            Step::Read => {
                for one in &mut self.sessions {
                    one.is_read |= one.chunks.is_some();
                }
            }
        }
    }

    fn nth(&mut self, state: State, which: usize) -> Option<&mut One> {
        let count = self.sessions.iter().filter(|one| one.state == state).count();
        let which = which.checked_rem(count)?;
        self.sessions.iter_mut().filter(|one| one.state == state).nth(which)
    }

    fn end(&mut self, which: usize, from: State, to: State, entry: Vec<u8>) {
        let place = self.log.len() as u64;
        let one = self.nth(from, which).unwrap();
        one.state = to;
        one.entries.push((place, entry::leaf(&entry)));
        self.log.push(entry);
    }

    pub(super) fn number_of(&self, session: SessionId) -> u32 {
        self.sessions.iter().find(|one| id(one.number) == session).unwrap().number
    }

    /// Sessions that a filter takes, in its order.
    pub(super) fn list(&self, filter: &CatalogueFilter) -> Vec<SessionId> {
        let takes = |one: &&One| {
            filter.owner.as_ref().is_none_or(|of| *of == owner(one.of))
                && filter.state.is_none_or(|state| state == one.state)
                && filter.from.is_none_or(|from| from <= one.opened_at)
                && filter.until.is_none_or(|until| one.opened_at < until)
        };
        let mut all: Vec<&One> = self.sessions.iter().filter(takes).collect();
        all.sort_by_key(|one| (one.opened_at, one.place));
        if filter.order == Order::NewestFirst {
            all.reverse();
        }
        all.iter().map(|one| id(one.number)).collect()
    }

    /// Everything that has a hash, with its owner.
    pub(super) fn hashes(&self) -> Vec<(Owner, HashMatch)> {
        let mut all = Vec::new();
        for one in &self.sessions {
            let mut add = |hash, kind, chunk, entry| {
                let (session, entry) = (id(one.number), EntryIndex(entry));
                all.push((owner(one.of), HashMatch { hash, kind, session, chunk, entry }));
            };
            add(policy(one.level).hash(), HashKind::PolicyHash, None, one.place);
            for (place, leaf) in &one.entries {
                add(*leaf, HashKind::Entry, None, *place);
            }
            let Some((place, chunks, _)) = one.chunks else { continue };
            add(root(one.number), HashKind::MerkleRoot, None, place);
            add(manifest(one.number), HashKind::ManifestHash, None, place);
            for index in 0..if one.is_read { chunks } else { 0 } {
                add(chunk_root(one.number, index), HashKind::ChunkRoot, Some(index), place);
            }
        }
        all
    }

    /// What has a hash that begins so, of an owner or of everybody, in no order.
    pub(super) fn search(&self, prefix: &HashPrefix, of: Option<&Owner>) -> Vec<HashMatch> {
        let all = self.hashes().into_iter();
        let found = all
            .filter(|(owner, found)| prefix.takes(&found.hash) && of.is_none_or(|of| of == owner));
        found.map(|(_, found)| found).collect()
    }

    pub(super) fn totals(&self, of: Option<&Owner>) -> Totals {
        let mut totals = Totals::default();
        for one in self.sessions.iter().filter(|one| of.is_none_or(|of| *of == owner(one.of))) {
            *totals.count(one.state) += 1;
            if let (State::Sealed, Some((_, chunks, _))) = (one.state, one.chunks) {
                totals.chunks += u64::from(chunks);
                totals.plain_bytes += u64::from(chunks) * 10;
                totals.stored_bytes += if one.is_read { u64::from(chunks) * 100 } else { 0 };
            }
        }
        totals
    }

    pub(super) fn sealed_by_day(&self, of: Option<&Owner>) -> Vec<(Day, u64)> {
        let mut days = BTreeMap::new();
        for one in self.sessions.iter().filter(|one| of.is_none_or(|of| *of == owner(one.of))) {
            if let Some((_, _, when)) = one.chunks {
                *days.entry(Day::of(when)).or_insert(0) += 1;
            }
        }
        days.into_iter().collect()
    }
}
