//! Searching for what has a hash.

use std::sync::PoisonError;

use lucid_core::{EntryIndex, Hash, HashPrefix, Owner, SessionId};

use super::{
    Catalogue,
    keys::{HashKind, HashRecord, OwnerNumber},
    posting,
    row::CatalogueRow,
    runs::{self, Run},
};
use crate::error::StoreError;

/// Something that has a hash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HashMatch {
    /// The hash.
    pub hash: Hash,
    /// What it is of.
    pub kind: HashKind,
    /// The session it is of.
    pub session: SessionId,
    /// Which of the session's chunks, where it is one's.
    pub chunk: Option<u32>,
    /// Place of the log's entry that says so: of a chunk, the one that the session was sealed with.
    pub entry: EntryIndex,
}

impl Catalogue {
    /// At most `limit` of what has a hash that begins so, of one owner's sessions or of everybody's, after the
    /// match `after`: in the order of hashes, and of one hash by owner, kind and when the session was opened.
    ///
    /// # Errors
    /// [`StoreError::UnknownSession`] where `after` is of a session that is not among those;
    /// [`StoreError::Database`].
    pub fn search(
        &self,
        hash: &HashPrefix,
        owner: Option<&Owner>,
        after: Option<&HashMatch>,
        limit: usize,
    ) -> Result<Vec<HashMatch>, StoreError> {
        // Merged meanwhile, they would not be where they are looked for.
        let runs = self.runs.read().unwrap_or_else(PoisonError::into_inner);
        let first = HashRecord::first(hash.first(), OwnerNumber::EVERYBODY).to_vec();
        let last = HashRecord::first(hash.last(), OwnerNumber(u32::MAX));
        let first = match after {
            None => first,
            Some(after) => match posting::after(&self.record(after, owner)?.bytes()) {
                Some(beyond) => beyond.max(first),
                None => return Ok(Vec::new()),
            },
        };
        match owner {
            None => self.matches((&first, &last), limit, None, &runs),
            Some(owner) => match self.number(owner)? {
                Some(owner) => self.matches((&first, &last), limit, Some(owner), &runs),
                None => Ok(Vec::new()),
            },
        }
    }

    /// Matches between two records. What other owners have is stepped over, hash by hash.
    fn matches(
        &self,
        (first, last): (&[u8], &[u8]),
        limit: usize,
        owner: Option<OwnerNumber>,
        runs: &[Run],
    ) -> Result<Vec<HashMatch>, StoreError> {
        let mut found = Vec::new();
        let mut known: Option<CatalogueRow> = None;
        let mut next = Some(first.to_vec());
        while let Some(from) = next.take() {
            for record in runs::scan(&self.files, runs, (&from, last))? {
                if found.len() == limit {
                    return Ok(found);
                }
                let record = HashRecord::parse(&record?)
                    .ok_or_else(|| self.files.unsound("a hash's record is none"))?;
                if let Some(beyond) = owner.and_then(|owner| beyond(&record, owner)) {
                    next = beyond;
                    break;
                }
                let row = match known.take() {
                    Some(row) if row.session.opened == record.place => row,
                    _ => self.row(record.place)?,
                };
                found.push(self.found(&record, &row)?);
                known = Some(row);
            }
        }
        Ok(found)
    }

    fn found(&self, record: &HashRecord, row: &CatalogueRow) -> Result<HashMatch, StoreError> {
        let wrong = || self.files.unsound("a hash's record is not its session's");
        let (chunk, entry) = match record.kind {
            HashKind::ChunkRoot => {
                let sealed = row.session.sealed.ok_or_else(wrong)?;
                (Some(u32::try_from(record.number).map_err(|_| wrong())?), sealed.entry)
            }
            _ => (None, EntryIndex(record.number)),
        };
        let HashRecord { hash, kind, .. } = *record;
        Ok(HashMatch { hash, kind, session: row.session.session, chunk, entry })
    }

    /// The record that a match was made of, of one owner's sessions or of everybody's.
    fn record(&self, of: &HashMatch, owner: Option<&Owner>) -> Result<HashRecord, StoreError> {
        let row = self.session(of.session)?;
        let row = row.filter(|row| owner.is_none_or(|owner| *owner == row.session.owner));
        let row = row.ok_or(StoreError::UnknownSession(of.session))?;
        let number = of.chunk.map_or(of.entry.0, u64::from);
        let HashMatch { hash, kind, .. } = *of;
        Ok(HashRecord { hash, owner: row.owner, kind, place: row.session.opened, number })
    }
}

/// Where to go on from another owner's record: at what `owner` has of this hash, or of the next one.
/// Nothing where the record is `owner`'s.
#[expect(clippy::option_option, reason = "that nothing comes after it is another thing")]
fn beyond(record: &HashRecord, owner: OwnerNumber) -> Option<Option<Vec<u8>>> {
    match record.owner.cmp(&owner) {
        std::cmp::Ordering::Equal => None,
        std::cmp::Ordering::Less => Some(Some(HashRecord::first(record.hash, owner).to_vec())),
        std::cmp::Ordering::Greater => {
            let next = posting::after(record.hash.as_bytes());
            let next = next.and_then(|next| next.try_into().ok());
            Some(next.map(|next| HashRecord::first(Hash(next), owner).to_vec()))
        }
    }
}
