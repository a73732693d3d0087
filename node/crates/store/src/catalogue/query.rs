//! Looking sessions up in the catalogue: lists, sums, what is still to be read.

use lucid_core::{EntryIndex, Owner, SessionId, Timestamp};

use super::{
    Catalogue, Files, UnreadSession,
    keys::{self, IdRecord, Moment, OwnerNumber},
    posting,
    row::CatalogueRow,
    totals::{Day, Totals},
};
use crate::{
    db::{Order, State},
    error::StoreError,
};

/// Which sessions are listed.
#[derive(Clone, Debug, Default)]
pub struct CatalogueFilter {
    /// Only this owner's.
    pub owner: Option<Owner>,
    /// Only those in this state.
    pub state: Option<State>,
    /// Only those that are anchored, or only those that are not.
    pub anchored: Option<bool>,
    /// Only those that were opened then or later.
    pub from: Option<Timestamp>,
    /// Only those that were opened before that.
    pub until: Option<Timestamp>,
    /// In this order of their opening times.
    pub order: Order,
}

impl CatalogueFilter {
    /// The first and the last moment that a listed session can have; nothing where none can.
    fn bounds(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        let first = Moment { at: self.from.unwrap_or_default(), place: EntryIndex(0) };
        let last = match self.until {
            None => vec![0xff; Moment::BYTES],
            Some(until) => posting::before(&Moment { at: until, place: EntryIndex(0) }.bytes())?,
        };
        Some((first.bytes(), last))
    }
}

impl Catalogue {
    /// A session's row.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn session(&self, session: SessionId) -> Result<Option<CatalogueRow>, StoreError> {
        self.place(session)?.map(|place| self.row(place)).transpose()
    }

    /// At most `limit` sessions that `filter` takes, in order of their opening times, beginning after the
    /// session `after`, whatever state that one is in by now.
    ///
    /// # Errors
    /// [`StoreError::UnknownSession`] for `after`, [`StoreError::Database`].
    pub fn list(
        &self,
        filter: &CatalogueFilter,
        after: Option<SessionId>,
        limit: usize,
    ) -> Result<Vec<CatalogueRow>, StoreError> {
        let newest = filter.order == Order::NewestFirst;
        let after = match after {
            None => None,
            Some(session) => {
                let row = self.session(session)?.ok_or(StoreError::UnknownSession(session))?;
                Some(row.moment().bytes())
            }
        };
        let Some((mut first, mut last)) = filter.bounds() else { return Ok(Vec::new()) };
        if let Some(after) = after {
            let beyond = if newest { posting::before(&after) } else { posting::after(&after) };
            let Some(beyond) = beyond else { return Ok(Vec::new()) };
            match newest {
                true => last = last.min(beyond),
                false => first = first.max(beyond),
            }
        }
        let owner = match &filter.owner {
            None => OwnerNumber::EVERYBODY,
            Some(owner) => match self.number(owner)? {
                Some(number) => number,
                None => return Ok(Vec::new()),
            },
        };
        let anchored_size = self.anchored_size();
        let takes = |row: &CatalogueRow| {
            let row = &row.session;
            // It may have come into another state since the list was read.
            filter.state.is_none_or(|state| state == row.state())
                && filter.anchored.is_none_or(|is| is == row.is_anchored(anchored_size))
        };
        let mut rows = Vec::new();
        let list = keys::list(owner, filter.state);
        for record in list.scan(&self.files, (&first, &last), newest)? {
            if rows.len() == limit {
                break;
            }
            let moment = Moment::parse(&record?);
            let moment = moment.ok_or_else(|| self.files.unsound("a list's record is none"))?;
            let row = self.row(moment.place)?;
            if takes(&row) {
                rows.push(row);
            }
        }
        Ok(rows)
    }

    /// Sums over an owner's sessions, or everybody's.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn totals(&self, owner: Option<&Owner>) -> Result<Totals, StoreError> {
        let Some(owner) = self.whose(owner)? else { return Ok(Totals::default()) };
        let Some(bytes) = self.files.get(&keys::totals(owner))? else {
            return Ok(Totals::default());
        };
        Totals::parse(&bytes).ok_or_else(|| self.files.unsound("sums are none"))
    }

    /// How many of an owner's sessions, or everybody's, were sealed on each day from one to another, both
    /// included. Days without any are left out.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn sealed_by_day(
        &self,
        owner: Option<&Owner>,
        (first, last): (Day, Day),
    ) -> Result<Vec<(Day, u64)>, StoreError> {
        let Some(owner) = self.whose(owner)? else { return Ok(Vec::new()) };
        let days = self.files.tree.range(keys::day(owner, first.0)..=keys::day(owner, last.0));
        let days = days.map(|day| {
            let (key, count) = self.files.sled(day)?;
            let day = key.last_chunk().map(|day| Day(u32::from_be_bytes(*day)));
            let count = count.as_ref().try_into().map(u64::from_be_bytes).ok();
            day.zip(count).ok_or_else(|| self.files.unsound("a day's count is none"))
        });
        days.collect()
    }

    /// At most `limit` sealed sessions whose chunks are still to be read, in the order of their
    /// `session.sealed` entries, which are at `from` or later.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn unread(&self, from: EntryIndex, limit: usize) -> Result<Vec<UnreadSession>, StoreError> {
        let all = self.files.tree.range(keys::unread(from)..=keys::unread(EntryIndex(u64::MAX)));
        let unread = all.take(limit).map(|unread| {
            let (key, place) = self.files.sled(unread)?;
            let wrong = || self.files.unsound("what is said of an unread session is wrong");
            let sealed = keys::place_in(&key).ok_or_else(wrong)?;
            let place = keys::place_in(&place).ok_or_else(wrong)?;
            let row = self.row(place)?.session;
            let facts = row.sealed.filter(|facts| facts.entry == sealed).ok_or_else(wrong)?;
            let (chunk_count, merkle_root) = (facts.chunk_count, facts.merkle_root);
            Ok(UnreadSession { sealed, session: row.session, chunk_count, merkle_root, place })
        });
        unread.collect()
    }

    pub(super) fn row(&self, place: EntryIndex) -> Result<CatalogueRow, StoreError> {
        let row = self.files.get(&keys::row(place))?;
        let row = row.and_then(|row| CatalogueRow::parse(place, &row));
        row.ok_or_else(|| self.files.unsound("a session's row is none"))
    }

    /// Where a session was opened.
    fn place(&self, session: SessionId) -> Result<Option<EntryIndex>, StoreError> {
        let found =
            keys::ids().first_from(&self.files, &IdRecord::bytes(session, EntryIndex(0)))?;
        let place = found
            .and_then(|found| keys::place_in(found.strip_prefix(session.as_bytes().as_slice())?));
        Ok(place)
    }

    /// An owner's number, where it has one.
    pub(super) fn number(&self, owner: &Owner) -> Result<Option<OwnerNumber>, StoreError> {
        let number = self.files.get(&keys::owner(owner))?;
        number.map(|number| owner_number(&self.files, &number)).transpose()
    }

    /// Whose sessions: those of one who has a number, or everybody's.
    fn whose(&self, owner: Option<&Owner>) -> Result<Option<OwnerNumber>, StoreError> {
        owner.map_or(Ok(Some(OwnerNumber::EVERYBODY)), |owner| self.number(owner))
    }
}

/// An owner's number, as it is written.
pub(super) fn owner_number(files: &Files, bytes: &[u8]) -> Result<OwnerNumber, StoreError> {
    let number = bytes.try_into().map(u32::from_be_bytes).ok().filter(|number| *number > 0);
    number.map(OwnerNumber).ok_or_else(|| files.unsound("an owner's number is none"))
}
