//! A session's row.

use lucid_core::{EntryIndex, Hash, SessionId};

use super::keys::{Moment, OwnerNumber};
use crate::db::SessionRow;

/// What the catalogue says of a session. All of it follows from the log and the session's chunks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CatalogueRow {
    /// What the log says of it.
    pub session: SessionRow,
    /// Hash of the policy that it was recorded under.
    pub policy_hash: Hash,
    /// Bytes of its chunk files, once its chunks were read.
    pub stored_bytes: Option<u64>,
    /// Its owner's number here.
    pub(super) owner: OwnerNumber,
}

impl CatalogueRow {
    /// Where it stands in lists.
    pub(super) fn moment(&self) -> Moment {
        Moment { at: self.session.created_at, place: self.session.opened }
    }

    /// The row's bytes, integers big-endian: session id (16) ‖ owner's number (4) ‖ policy hash (32) ‖ 0, or 1
    /// and stored bytes (8) ‖ the session's row as the store's own database has it.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(224);
        bytes.extend_from_slice(self.session.session.as_bytes());
        bytes.extend_from_slice(&self.owner.0.to_be_bytes());
        bytes.extend_from_slice(self.policy_hash.as_bytes());
        bytes.push(u8::from(self.stored_bytes.is_some()));
        if let Some(stored) = self.stored_bytes {
            bytes.extend_from_slice(&stored.to_be_bytes());
        }
        bytes.extend_from_slice(&self.session.to_bytes());
        bytes
    }

    /// Reads the row at `place`; `None` where the bytes are none, or another place's.
    pub(super) fn parse(place: EntryIndex, bytes: &[u8]) -> Option<Self> {
        let (id, rest) = bytes.split_first_chunk()?;
        let (owner, rest) = rest.split_first_chunk()?;
        let (policy_hash, rest) = rest.split_first_chunk()?;
        let (stored_bytes, rest) = match rest.split_first()? {
            (0, rest) => (None, rest),
            (1, rest) => {
                let (stored, rest) = rest.split_first_chunk()?;
                (Some(u64::from_be_bytes(*stored)), rest)
            }
            _ => return None,
        };
        let session = SessionRow::parse(SessionId::from_bytes(*id).ok()?, rest)?;
        (session.opened == place).then_some(Self {
            session,
            policy_hash: Hash(*policy_hash),
            stored_bytes,
            owner: OwnerNumber(u32::from_be_bytes(*owner)),
        })
    }
}

#[cfg(test)]
mod tests {
    use lucid_core::Timestamp;

    use super::*;
    use crate::testing::session;

    #[test]
    fn rows_come_back_and_nothing_else_is_one() {
        let place = EntryIndex(7);
        for stored_bytes in [None, Some(0), Some(u64::MAX)] {
            let row = CatalogueRow {
                session: SessionRow {
                    session: session(1),
                    owner: "local".parse().unwrap(),
                    media_type: "video/mp4".parse().unwrap(),
                    created_at: Timestamp::from_unix_millis(5),
                    opened: place,
                    retention_seconds: 86_400,
                    sealed: None,
                    ended: Some((EntryIndex(9), Timestamp::from_unix_millis(6))),
                },
                policy_hash: Hash([3; 32]),
                stored_bytes,
                owner: OwnerNumber(4),
            };
            let bytes = row.to_bytes();
            assert_eq!(CatalogueRow::parse(place, &bytes), Some(row));
            assert_eq!(CatalogueRow::parse(EntryIndex(8), &bytes), None, "another's");
            for cut in 0..bytes.len() {
                assert_eq!(CatalogueRow::parse(place, &bytes[..cut]), None, "{cut}");
            }
            assert_eq!(CatalogueRow::parse(place, &[&bytes, b"x".as_slice()].concat()), None);
        }
    }
}
