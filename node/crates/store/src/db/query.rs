//! Looking sessions up.

use lucid_core::{EntryIndex, Owner, SessionId};

use super::{Database, SessionRow, State};
use crate::error::StoreError;

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
    /// In this order.
    pub order: Order,
}

impl SessionFilter {
    fn takes(&self, row: &SessionRow) -> bool {
        self.owner.as_ref().is_none_or(|owner| *owner == row.owner)
            && self.state.is_none_or(|state| state == row.state())
    }
}

impl Database {
    /// A session's row.
    pub(crate) fn session(&self, session: SessionId) -> Result<Option<SessionRow>, StoreError> {
        let Some(bytes) = self.sled(self.sessions.get(session.as_bytes()))? else {
            return Ok(None);
        };
        let row = SessionRow::parse(session, &bytes);
        row.map(Some).ok_or_else(|| self.unsound(format!("the row of session {session} is none")))
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
        let key = |place: EntryIndex| place.0.to_be_bytes();
        let places: Box<dyn Iterator<Item = _>> = match (filter.order, after) {
            (Order::OldestFirst, None) => Box::new(self.by_order.iter()),
            (Order::OldestFirst, Some(place)) => {
                Box::new(self.by_order.range(key(EntryIndex(place.0.saturating_add(1)))..))
            }
            (Order::NewestFirst, None) => Box::new(self.by_order.iter().rev()),
            (Order::NewestFirst, Some(place)) => Box::new(self.by_order.range(..key(place)).rev()),
        };
        let mut rows = Vec::new();
        for place in places {
            if rows.len() == limit {
                break;
            }
            let (_, id) = self.sled(place)?;
            let row = self.session(self.parse_id(&id)?)?;
            rows.extend(row.filter(|row| filter.takes(row)));
        }
        Ok(rows)
    }
}
