//! Sessions in the order in which they were opened.
//!
//! At each start after a change sled writes down where each of its pages is, and a page has at most
//! 16 keys. So a key of this tree stands not for one session but for a block of the log: keys that
//! come in order leave their pages half full, and one for each session would need more pages than the
//! rows themselves.
//!
//! | tree | key | value |
//! | --- | --- | --- |
//! | `by_order` | block: entry index / 32, 8 bytes | for each session opened in it, by place: entry index modulo 32, 1 byte ‖ session id, 16 bytes |
//! | `by_owner` | length of owner, 1 byte ‖ owner ‖ block | the same, for the owner's sessions in the block |

use lucid_core::{EntryIndex, Owner, SessionId};

/// Entries of the log that share a value. 16 full values, 544 bytes each, still fit into a page.
const BLOCK_ENTRIES: u64 = 32;
const RECORD_BYTES: usize = 1 + 16;

/// A session, and where it was opened.
pub(super) type Place = (EntryIndex, SessionId);

/// What the keys of an owner's blocks begin with, and nobody else's; nothing where it is everybody's.
pub(super) fn prefix(owner: Option<&Owner>) -> Vec<u8> {
    let owner = owner.map(Owner::as_str);
    // An owner's text is at most 64 bytes long.
    owner.map_or_else(Vec::new, |owner| [&[owner.len() as u8], owner.as_bytes()].concat())
}

/// The key of the block that `place` is in, after a prefix.
pub(super) fn key(prefix: &[u8], place: EntryIndex) -> Vec<u8> {
    [prefix, &(place.0 / BLOCK_ENTRIES).to_be_bytes()].concat()
}

/// The value `block` with the session that was opened at `place`; it may be in there already.
pub(super) fn with(block: &[u8], place: EntryIndex, session: SessionId) -> Vec<u8> {
    let offset = (place.0 % BLOCK_ENTRIES) as u8;
    let before = block.chunks(RECORD_BYTES).take_while(|record| record[0] < offset).count();
    let (before, rest) = block.split_at((before * RECORD_BYTES).min(block.len()));
    let there = rest.first() == Some(&offset);
    let after = if there { rest.get(RECORD_BYTES..).unwrap_or_default() } else { rest };
    [before, &[offset], session.as_bytes(), after].concat()
}

/// The sessions of a block, by place; `None` where key or value are none.
pub(super) fn parse(prefix: &[u8], key: &[u8], value: &[u8]) -> Option<Vec<Place>> {
    let first = u64::from_be_bytes(key.strip_prefix(prefix)?.try_into().ok()?)
        .checked_mul(BLOCK_ENTRIES)?;
    let records = value.chunks(RECORD_BYTES).map(|record| {
        let (&offset, id) = record.split_first()?;
        let session = SessionId::from_bytes(id.try_into().ok()?).ok()?;
        (u64::from(offset) < BLOCK_ENTRIES)
            .then_some((EntryIndex(first + u64::from(offset)), session))
    });
    records.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::session;

    #[test]
    fn no_owner_s_keys_begin_like_another_s() {
        let owners: Vec<Owner> =
            ["a", "ab", "b", "abcdefgh"].iter().map(|text| text.parse().unwrap()).collect();
        for (at, owner) in owners.iter().enumerate() {
            let key = key(&prefix(Some(owner)), EntryIndex(5));
            for (other_at, other) in owners.iter().enumerate() {
                let other = prefix(Some(other));
                assert_eq!(key.starts_with(&other), at == other_at);
                assert_eq!(parse(&other, &key, &[]).is_some(), at == other_at);
            }
        }
    }

    #[test]
    fn a_block_has_each_place_once_and_in_order() {
        let places = [40, 33, 63, 32, 33, 63, 47];
        let mut block = Vec::new();
        for place in places {
            assert_eq!(key(&[], EntryIndex(place)), 1_u64.to_be_bytes());
            block = with(&block, EntryIndex(place), session(place as u8));
        }
        let want = [32, 33, 40, 47, 63].map(|place| (EntryIndex(place), session(place as u8)));
        assert_eq!(parse(&[], &key(&[], EntryIndex(32)), &block).unwrap(), want);
        for cut in (1..block.len()).filter(|cut| cut % RECORD_BYTES != 0) {
            assert_eq!(parse(&[], &key(&[], EntryIndex(32)), &block[..cut]), None, "{cut}");
            // What is damaged is found when it is read; writing into it must not panic.
            with(&block[..cut], EntryIndex(62), session(1));
        }
        block[0] = 32;
        assert_eq!(parse(&[], &key(&[], EntryIndex(32)), &block), None);
        assert_eq!(parse(&[], &u64::MAX.to_be_bytes(), &[]), None);
        assert_eq!(parse(&[], b"short", &[]), None);
    }
}
