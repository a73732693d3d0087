//! What became of every transaction that was ever accepted, for tests to assert on.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::address::Address;

/// One transaction that was accepted at least once.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Its id, 64 hex digits.
    pub id: String,
    /// Whose it is.
    pub owner: Address,
    /// What kind of contract, by TRON's name.
    pub kind: String,
    /// What it carries, in hex: a transfer's memo, a call's data, a creation's code.
    pub payload: String,
    /// What happened to it, in order.
    pub events: Vec<Event>,
}

/// Something that happened to a transaction.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// It was broadcast and taken.
    Accepted {
        /// The head's number then.
        head: u64,
    },
    /// It is in a block.
    Included {
        /// The block's number.
        number: u64,
        /// `contractRet`: `SUCCESS`, `REVERT`, `OUT_OF_ENERGY`.
        result: String,
    },
    /// The block was forked away.
    ForkedAway {
        /// The block's number.
        number: u64,
    },
    /// It is no longer in the pool, and in no block.
    Dropped {
        /// Why.
        reason: String,
    },
}

impl Entry {
    /// The number of the block that it is in now.
    #[must_use]
    pub fn included(&self) -> Option<u64> {
        match self.events.last() {
            Some(Event::Included { number, .. }) => Some(*number),
            _ => None,
        }
    }

    /// Whether it was in a block at any time, on a fork that was left too.
    #[must_use]
    pub fn was_included(&self) -> bool {
        self.events.iter().any(|event| matches!(event, Event::Included { .. }))
    }
}

/// Every transaction that was ever accepted, in the order of its first acceptance.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub struct Journal {
    /// The entries.
    pub entries: Vec<Entry>,
    #[serde(skip)]
    places: HashMap<String, usize>,
}

impl Journal {
    /// Those of one account.
    pub fn by_owner(&self, owner: Address) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.owner == owner)
    }

    /// Those that carry exactly these bytes.
    pub fn by_payload(&self, payload: &[u8]) -> impl Iterator<Item = &Entry> {
        let payload = hex::encode(payload);
        self.entries.iter().filter(move |entry| entry.payload == payload)
    }

    /// The one with this id, in hex.
    #[must_use]
    pub fn by_id(&self, id: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id == id)
    }

    /// Adds what happened, and the entry where it is the first time; `new` makes that one without events.
    pub(crate) fn add(&mut self, id: &[u8; 32], event: Event, new: impl FnOnce(String) -> Entry) {
        let id = hex::encode(id);
        let place = self.places.get(&id).copied().unwrap_or_else(|| {
            self.places.insert(id.clone(), self.entries.len());
            self.entries.push(new(id));
            self.entries.len() - 1
        });
        self.entries[place].events.push(event);
    }
}
