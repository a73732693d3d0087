//! Keys and records of the catalogue's tree. All integers are big-endian, so that keys sort as numbers do.
//!
//! | key | value |
//! | --- | --- |
//! | `m` | how far it is, see [`Progress`](super::progress::Progress) |
//! | `r` ‖ place | a session's [`CatalogueRow`](super::row::CatalogueRow) |
//! | `i` ‖ [`IdRecord`] | block of ids: which place a session has |
//! | `o` ‖ owner's text | the owner's number, 4 bytes |
//! | `l` ‖ owner's number ‖ state ‖ [`Moment`] | block of a list: sessions by when they were opened |
//! | `h` ‖ number of a run, 8 ‖ [`HashRecord`] | block of hashes: what has them, see `runs` |
//! | `c` ‖ place of a `session.sealed` entry, 8 | place of the session whose chunks are still to be read |
//! | `s` ‖ owner's number | [`Totals`](super::totals::Totals) |
//! | `d` ‖ owner's number ‖ day since 1970, 4 | sessions that were sealed on it, 8 bytes |
//!
//! A session's *place* is that of its `session.opened` entry in the log, 8 bytes. Owners are numbered from 1 as
//! they appear; number 0 is everybody, and state 0 any. Blocks are explained in `posting`.

use lucid_core::{EntryIndex, Hash, Owner, SessionId, Timestamp};

use super::posting::Space;
use crate::db::State;

pub(super) const PROGRESS: &[u8] = b"m";

/// Who a list, a sum or a hash belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct OwnerNumber(pub(super) u32);

impl OwnerNumber {
    pub(super) const EVERYBODY: Self = Self(0);
}

pub(super) fn row(place: EntryIndex) -> Vec<u8> {
    [b"r".as_slice(), &place.0.to_be_bytes()].concat()
}

pub(super) fn owner(owner: &Owner) -> Vec<u8> {
    [b"o", owner.as_str().as_bytes()].concat()
}

pub(super) fn unread(sealed: EntryIndex) -> Vec<u8> {
    [b"c".as_slice(), &sealed.0.to_be_bytes()].concat()
}

pub(super) fn totals(owner: OwnerNumber) -> Vec<u8> {
    [b"s".as_slice(), &owner.0.to_be_bytes()].concat()
}

pub(super) fn day(owner: OwnerNumber, day: u32) -> Vec<u8> {
    [b"d".as_slice(), &owner.0.to_be_bytes(), &day.to_be_bytes()].concat()
}

/// The last 8 bytes of a key or a value, as a place in the log.
pub(super) fn place_in(bytes: &[u8]) -> Option<EntryIndex> {
    bytes.last_chunk().map(|place| EntryIndex(u64::from_be_bytes(*place)))
}

/// Ids: records are session id (16) ‖ place (8).
pub(super) fn ids() -> Space {
    // New ids fall anywhere: what is written with each of them is a block.
    Space { prefix: b"i".to_vec(), width: IdRecord::BYTES, records_max: 16 }
}

/// Which place a session has.
pub(super) struct IdRecord;

impl IdRecord {
    pub(super) const BYTES: usize = 16 + 8;

    pub(super) fn bytes(session: SessionId, place: EntryIndex) -> Vec<u8> {
        [session.as_bytes().as_slice(), &place.0.to_be_bytes()].concat()
    }
}

/// A list of an owner's sessions, or everybody's, in a state, or in any.
pub(super) fn list(owner: OwnerNumber, state: Option<State>) -> Space {
    let prefix = [b"l".as_slice(), &owner.0.to_be_bytes(), &[state.map_or(0, state_byte)]].concat();
    Space { prefix, width: Moment::BYTES, records_max: 48 }
}

fn state_byte(state: State) -> u8 {
    match state {
        State::Open => 1,
        State::Sealed => 2,
        State::Voided => 3,
        State::Erased => 4,
    }
}

/// Where a session stands in a list: when it was opened, and among those of one millisecond its place in the
/// log. Clocks can be set back, so the order is not always the log's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Moment {
    pub(super) at: Timestamp,
    pub(super) place: EntryIndex,
}

impl Moment {
    pub(super) const BYTES: usize = 8 + 8;

    pub(super) fn bytes(self) -> Vec<u8> {
        [self.at.unix_millis().to_be_bytes(), self.place.0.to_be_bytes()].concat()
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (at, place) = bytes.split_first_chunk::<8>()?;
        let millis = u64::from_be_bytes(*at);
        let at = Timestamp::from_unix_millis(millis);
        let whole = place.len() == 8 && at.unix_millis() == millis;
        whole.then_some(())?;
        Some(Self { at, place: place_in(place)? })
    }
}

/// What a hash is of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum HashKind {
    /// The root of a session's tree.
    MerkleRoot,
    /// The hash of a session's manifest.
    ManifestHash,
    /// The hash of the policy that a session was recorded under.
    PolicyHash,
    /// The root of a chunk's tree.
    ChunkRoot,
    /// The leaf hash of an entry about a session (RFC 6962 §2.1).
    Entry,
}

impl HashKind {
    /// All of them, in the order of matches.
    pub const ALL: [Self; 5] =
        [Self::MerkleRoot, Self::ManifestHash, Self::PolicyHash, Self::ChunkRoot, Self::Entry];

    fn byte(self) -> u8 {
        match self {
            Self::MerkleRoot => 1,
            Self::ManifestHash => 2,
            Self::PolicyHash => 3,
            Self::ChunkRoot => 4,
            Self::Entry => 5,
        }
    }
}

/// A run of hashes.
pub(super) fn hashes(run: u64) -> Space {
    let prefix = [b"h".as_slice(), &run.to_be_bytes()].concat();
    // 16 blocks, with their keys, fit a page.
    Space { prefix, width: HashRecord::BYTES, records_max: 15 }
}

/// That something of a session has a hash. The owner comes right after the hash, so that what one owner has
/// is found without passing by what others have: the hash of a policy is that of everybody's sessions.
///
/// | bytes | field |
/// | --- | --- |
/// | 32 | hash |
/// | 4 | owner's number |
/// | 1 | kind |
/// | 8 | the session's place |
/// | 8 | number: of the chunk, or the place of the entry that says it |
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct HashRecord {
    pub(super) hash: Hash,
    pub(super) owner: OwnerNumber,
    pub(super) kind: HashKind,
    pub(super) place: EntryIndex,
    pub(super) number: u64,
}

impl HashRecord {
    pub(super) const BYTES: usize = 32 + 4 + 1 + 8 + 8;

    pub(super) fn bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = Self::first(self.hash, self.owner);
        bytes[36] = self.kind.byte();
        bytes[37..45].copy_from_slice(&self.place.0.to_be_bytes());
        bytes[45..].copy_from_slice(&self.number.to_be_bytes());
        bytes
    }

    /// Before every record of an owner with a hash, and after every one of an owner before.
    pub(super) fn first(hash: Hash, owner: OwnerNumber) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..32].copy_from_slice(hash.as_bytes());
        bytes[32..36].copy_from_slice(&owner.0.to_be_bytes());
        bytes
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (hash, rest) = bytes.split_first_chunk()?;
        let (owner, rest) = rest.split_first_chunk()?;
        let (kind, rest) = rest.split_first()?;
        let (place, number) = rest.split_first_chunk()?;
        Some(Self {
            hash: Hash(*hash),
            owner: OwnerNumber(u32::from_be_bytes(*owner)),
            kind: HashKind::ALL.into_iter().find(|known| known.byte() == *kind)?,
            place: EntryIndex(u64::from_be_bytes(*place)),
            number: u64::from_be_bytes(number.try_into().ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::session;

    #[test]
    fn records_come_back_and_sort_as_what_they_say() {
        let moments =
            [(0, 5), (0, 6), (1, 0), (1 << 40, 0), (1 << 40, u64::MAX)].map(|(at, place)| Moment {
                at: Timestamp::from_unix_millis(at),
                place: EntryIndex(place),
            });
        for pair in moments.windows(2) {
            assert!(pair[0] < pair[1] && pair[0].bytes() < pair[1].bytes());
        }
        for moment in moments {
            assert_eq!(Moment::parse(&moment.bytes()), Some(moment));
        }
        let mut records = Vec::new();
        for hash in [Hash([0; 32]), Hash([7; 32])] {
            for owner in [1, 300] {
                for kind in HashKind::ALL {
                    for (place, number) in [(0, 9), (1, 0), (1, 70_000)] {
                        let (owner, place) = (OwnerNumber(owner), EntryIndex(place));
                        records.push(HashRecord { hash, owner, kind, place, number });
                    }
                }
            }
        }
        for pair in records.windows(2) {
            assert!(pair[0] < pair[1] && pair[0].bytes() < pair[1].bytes());
        }
        for record in records {
            assert_eq!(record.bytes().len(), HashRecord::BYTES);
            assert_eq!(HashRecord::parse(&record.bytes()), Some(record));
            assert!(record.bytes() > HashRecord::first(record.hash, record.owner));
        }
    }

    #[test]
    fn what_is_no_record_is_none() {
        let moment = Moment { at: Timestamp::from_unix_millis(1), place: EntryIndex(2) }.bytes();
        assert_eq!(Moment::parse(&moment[1..]), None);
        assert_eq!(Moment::parse(&[0xff; 16]), None, "no such year");
        let owner = OwnerNumber(1);
        assert_eq!(HashRecord::parse(&HashRecord::first(Hash([1; 32]), owner)), None, "kind 0");
        for cut in 0..HashRecord::BYTES {
            let (kind, place) = (HashKind::Entry, EntryIndex(3));
            let record = HashRecord { hash: Hash([1; 32]), owner, kind, place, number: 4 };
            assert_eq!(HashRecord::parse(&record.bytes()[..cut]), None, "{cut}");
        }
        let id = IdRecord::bytes(session(1), EntryIndex(9));
        assert_eq!((id.len(), place_in(&id)), (IdRecord::BYTES, Some(EntryIndex(9))));
        assert_eq!(place_in(b"short"), None);
    }
}
