//! Looking sessions up.

use lucid_core::{EntryIndex, Owner, SessionId};

use super::{Database, SessionRow, State, order, order::Place, recent::Recent};
use crate::error::StoreError;

/// How far a ledger is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Figures {
    /// Entries of the log.
    pub log_entries: u64,
    /// Those that the database's trees do not have yet.
    pub lag_entries: u64,
    /// Sessions that are open.
    pub open_sessions: u64,
}

/// In which order sessions are listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Order {
    /// As they were opened.
    #[default]
    OldestFirst,
    /// The last one opened comes first.
    NewestFirst,
}

/// Which sessions are listed.
#[derive(Clone, Debug, Default)]
pub struct SessionFilter {
    /// Only this owner's.
    pub owner: Option<Owner>,
    /// Only those in this state.
    pub state: Option<State>,
    /// Only those that are anchored, or only those that are not.
    pub anchored: Option<bool>,
    /// In this order.
    pub order: Order,
}

impl SessionFilter {
    fn takes(&self, row: &SessionRow, anchored_size: u64) -> bool {
        self.owner.as_ref().is_none_or(|owner| *owner == row.owner)
            && self.state.is_none_or(|state| state == row.state())
            && self.anchored.is_none_or(|anchored| anchored == row.is_anchored(anchored_size))
    }
}

impl Database {
    /// Places of at most `limit` `user.changed` entries of the log, from `from` on, in order.
    pub(crate) fn user_changes(
        &self,
        from: EntryIndex,
        limit: usize,
    ) -> Result<Vec<EntryIndex>, StoreError> {
        // Held over both, so that none is missed while what is recent becomes what is written.
        let recent = self.recent();
        let written = self.users.range(from.0.to_be_bytes()..).keys();
        let written = written.map(|key| self.place(&self.sled(key)?, "users"));
        let recent = recent.users.range(from..).copied().map(Ok);
        written.chain(recent).take(limit).collect()
    }

    /// A session's row.
    pub(crate) fn session(&self, session: SessionId) -> Result<Option<SessionRow>, StoreError> {
        let recent = self.recent().rows.get(&session).cloned();
        recent.map_or_else(|| self.written(session), |row| Ok(Some(row)))
    }

    /// A session's row as it was last written.
    pub(super) fn written(&self, session: SessionId) -> Result<Option<SessionRow>, StoreError> {
        let Some(bytes) = self.sled(self.sessions.get(session.as_bytes()))? else {
            return Ok(None);
        };
        let row = SessionRow::parse(session, &bytes);
        row.map(Some).ok_or_else(|| self.unsound(format!("the row of session {session} is none")))
    }

    /// Those of `sessions` that no entry opened.
    ///
    /// All ids are read from the order they were opened in, which is a twentieth of their rows.
    pub(crate) fn unknown(
        &self,
        mut sessions: Vec<SessionId>,
    ) -> Result<Vec<SessionId>, StoreError> {
        if sessions.is_empty() {
            return Ok(sessions);
        }
        let recent = self.recent();
        let places = self.places(&recent, None, false, None);
        let known = places.map(|place| place.map(|(_, session)| session));
        let mut known = known.collect::<Result<Vec<_>, _>>()?;
        known.sort_unstable();
        sessions.retain(|session| known.binary_search(session).is_err());
        sessions.sort_unstable();
        Ok(sessions)
    }

    /// At most `limit` sessions that `filter` takes, beginning after the session `after`.
    pub(crate) fn list(
        &self,
        filter: &SessionFilter,
        after: Option<SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionRow>, StoreError> {
        let after = match after {
            None => None,
            Some(session) => {
                Some(self.session(session)?.ok_or(StoreError::UnknownSession(session))?.opened)
            }
        };
        let newest = filter.order == Order::NewestFirst;
        let (recent, owner) = (self.recent(), filter.owner.as_ref());
        let places = match filter.state {
            Some(State::Open) => Box::new(recent.open.after(owner, newest, after).map(Ok)),
            _ => self.places(&recent, owner, newest, after),
        };
        let anchored_size = recent.anchored.as_ref().map_or(0, |anchor| anchor.log_size);
        let mut rows = Vec::new();
        for place in places {
            if rows.len() == limit {
                break;
            }
            let (place, session) = place?;
            // The block that `after` is in has others before it.
            if after.is_some_and(|after| if newest { place >= after } else { place <= after }) {
                continue;
            }
            let row = match recent.rows.get(&session) {
                Some(row) => Some(row.clone()),
                None => self.written(session)?,
            };
            rows.extend(row.filter(|row| filter.takes(row, anchored_size)));
        }
        Ok(rows)
    }

    /// How far the log and the trees are.
    pub(crate) fn figures(&self) -> Figures {
        let recent = self.recent();
        Figures {
            log_entries: recent.size,
            lag_entries: recent.size - recent.base,
            open_sessions: recent.open.len() as u64,
        }
    }

    /// Number of an owner's open sessions.
    pub(crate) fn open_sessions(&self, owner: &Owner) -> u32 {
        u32::try_from(self.recent().open.count(owner)).unwrap_or(u32::MAX)
    }

    /// An owner's sessions, or all, in the order of a list, from the block that `after` is in on.
    fn places<'a>(
        &'a self,
        recent: &'a Recent,
        owner: Option<&Owner>,
        newest: bool,
        after: Option<EntryIndex>,
    ) -> Box<dyn Iterator<Item = Result<Place, StoreError>> + 'a> {
        let tree = if owner.is_some() { &self.by_owner } else { &self.by_order };
        let prefix = order::prefix(owner);
        let from = after.map(|after| order::key(&prefix, after));
        let blocks = match (newest, from) {
            (_, None) => tree.scan_prefix(&prefix),
            (false, Some(from)) => tree.range(from..order::key(&prefix, EntryIndex(u64::MAX))),
            (true, Some(from)) => tree.range(order::key(&prefix, EntryIndex(0))..=from),
        };
        let unwritten = recent.opened.after(owner, newest, after).map(Ok);
        let places = move |block| match self.block(&prefix, block) {
            Ok(mut places) => {
                if newest {
                    places.reverse();
                }
                places.into_iter().map(Ok).collect()
            }
            Err(error) => vec![Err(error)],
        };
        if newest {
            Box::new(unwritten.chain(blocks.rev().flat_map(places)))
        } else {
            Box::new(blocks.flat_map(places).chain(unwritten))
        }
    }

    fn block(
        &self,
        prefix: &[u8],
        block: sled::Result<(sled::IVec, sled::IVec)>,
    ) -> Result<Vec<Place>, StoreError> {
        let (key, value) = self.sled(block)?;
        order::parse(prefix, &key, &value)
            .ok_or_else(|| self.unsound("a block of sessions is none".to_owned()))
    }
}
