//! One session's row.

use core::fmt;

use lucid_core::{
    EntryIndex, Hash, MediaType, Owner, SessionId, Timestamp,
    entry::{SessionErased, SessionOpened, SessionSealed, SessionVoided},
};

/// Where a session is in its life, as the log has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum State {
    /// It takes chunks.
    Open,
    /// It is what it is, for good.
    Sealed,
    /// It was given up before it was sealed.
    Voided,
    /// Its keys and chunks were destroyed; its manifest is kept.
    Erased,
}

impl State {
    /// The state's name in JSON and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Sealed => "sealed",
            Self::Voided => "voided",
            Self::Erased => "erased",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a `session.sealed` entry says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SealedFacts {
    /// The entry's place in the log.
    pub entry: EntryIndex,
    /// When.
    pub at: Timestamp,
    /// Number of chunks.
    pub chunk_count: u32,
    /// Plaintext length in bytes.
    pub plain_bytes: u64,
    /// Root of the session tree.
    pub merkle_root: Hash,
    /// Hash of the manifest.
    pub manifest_hash: Hash,
}

impl SealedFacts {
    pub(crate) fn of(at: EntryIndex, entry: &SessionSealed) -> Self {
        Self {
            entry: at,
            at: entry.at,
            chunk_count: entry.chunk_count,
            plain_bytes: entry.plain_bytes,
            merkle_root: entry.merkle_root,
            manifest_hash: entry.manifest_hash,
        }
    }
}

/// What the log says about one session. Everything in it can be read from the log again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionRow {
    /// The session.
    pub session: SessionId,
    /// Whose it is.
    pub owner: Owner,
    /// What the stream is.
    pub media_type: MediaType,
    /// When it was opened.
    pub created_at: Timestamp,
    /// Place of its `session.opened` entry.
    pub opened: EntryIndex,
    /// Seconds after its sealing that it is erased, by its policy; 0 for never.
    pub retention_seconds: u64,
    /// Once it was sealed.
    pub sealed: Option<SealedFacts>,
    /// Once it was voided or erased: place of that entry, and when.
    pub ended: Option<(EntryIndex, Timestamp)>,
}

impl SessionRow {
    pub(crate) fn opened(at: EntryIndex, entry: &SessionOpened) -> Self {
        Self {
            session: entry.session_id,
            owner: entry.owner.clone(),
            media_type: entry.media_type.clone(),
            created_at: entry.at,
            opened: at,
            retention_seconds: entry.policy.retention_seconds().unwrap_or(0),
            sealed: None,
            ended: None,
        }
    }

    /// Whether the row says of the session's opening what its entry says.
    pub(crate) fn agrees_with(&self, entry: &SessionOpened) -> bool {
        (self.session, &self.owner, &self.media_type, self.created_at, self.retention_seconds)
            == (
                entry.session_id,
                &entry.owner,
                &entry.media_type,
                entry.at,
                entry.policy.retention_seconds().unwrap_or(0),
            )
    }

    pub(crate) fn seal(&mut self, at: EntryIndex, entry: &SessionSealed) {
        self.sealed = Some(SealedFacts::of(at, entry));
    }

    pub(crate) fn void(&mut self, at: EntryIndex, entry: &SessionVoided) {
        self.ended = Some((at, entry.at));
    }

    pub(crate) fn erase(&mut self, at: EntryIndex, entry: &SessionErased) {
        self.ended = Some((at, entry.at));
    }

    /// The session's state.
    #[must_use]
    pub fn state(&self) -> State {
        match (&self.sealed, &self.ended) {
            (None, None) => State::Open,
            (Some(_), None) => State::Sealed,
            (None, Some(_)) => State::Voided,
            (Some(_), Some(_)) => State::Erased,
        }
    }

    /// Whether what was sealed is among the first `anchored_size` entries of the log.
    #[must_use]
    pub fn is_anchored(&self, anchored_size: u64) -> bool {
        self.sealed.is_some_and(|sealed| sealed.entry.0 < anchored_size)
    }

    /// From when on it is to be erased, or was to be, once it was sealed and where that is so.
    #[must_use]
    pub fn erased_from(&self) -> Option<Timestamp> {
        let sealed = self.sealed.filter(|_| self.retention_seconds > 0)?;
        Some(sealed.at.after_seconds(self.retention_seconds))
    }

    /// The row's bytes, integers big-endian:
    ///
    /// | bytes | field |
    /// | --- | --- |
    /// | 1 | flags: 1 sealed, 2 ended, 4 to be erased |
    /// | 8 | created at, in milliseconds |
    /// | 8 | opened: entry index |
    /// | 8 if to be erased | seconds after its sealing, not 0 |
    /// | 92 if sealed | entry 8, at 8, chunk count 4, plain bytes 8, root 32, manifest hash 32 |
    /// | 16 if ended | entry 8, at 8 |
    /// | 1 + n | owner |
    /// | 1 + n | media type |
    ///
    /// Binary because a sled page holds at most 16 rows and the whole database is written at least
    /// once to an SD card: 150 bytes instead of JSON's 450.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(160);
        let retained = self.retention_seconds > 0;
        let flags = [self.sealed.is_some(), self.ended.is_some(), retained];
        bytes.push(flags.iter().rev().fold(0, |bits, &flag| (bits << 1) | u8::from(flag)));
        bytes.extend_from_slice(&self.created_at.unix_millis().to_be_bytes());
        bytes.extend_from_slice(&self.opened.0.to_be_bytes());
        if retained {
            bytes.extend_from_slice(&self.retention_seconds.to_be_bytes());
        }
        if let Some(sealed) = &self.sealed {
            bytes.extend_from_slice(&sealed.entry.0.to_be_bytes());
            bytes.extend_from_slice(&sealed.at.unix_millis().to_be_bytes());
            bytes.extend_from_slice(&sealed.chunk_count.to_be_bytes());
            bytes.extend_from_slice(&sealed.plain_bytes.to_be_bytes());
            bytes.extend_from_slice(sealed.merkle_root.as_bytes());
            bytes.extend_from_slice(sealed.manifest_hash.as_bytes());
        }
        if let Some((entry, at)) = &self.ended {
            bytes.extend_from_slice(&entry.0.to_be_bytes());
            bytes.extend_from_slice(&at.unix_millis().to_be_bytes());
        }
        for text in [self.owner.as_str(), self.media_type.as_str()] {
            bytes.push(text.len() as u8);
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes
    }

    /// Reads a row; `None` where the bytes are none.
    pub(crate) fn parse(session: SessionId, bytes: &[u8]) -> Option<Self> {
        let mut rest = Rest(bytes);
        let [flags] = rest.take()?;
        let created_at = rest.time()?;
        let opened = EntryIndex(rest.u64()?);
        let retention_seconds = if flags & 4 == 0 { 0 } else { rest.u64().filter(|s| *s > 0)? };
        let sealed = if flags & 1 == 0 { None } else { Some(rest.sealed()?) };
        let ended = match flags & 2 {
            0 => None,
            _ => Some((EntryIndex(rest.u64()?), rest.time()?)),
        };
        let owner = rest.text()?.parse().ok()?;
        let media_type = rest.text()?.parse().ok()?;
        let whole = flags < 8 && rest.0.is_empty();
        whole.then_some(Self {
            session,
            owner,
            media_type,
            created_at,
            opened,
            retention_seconds,
            sealed,
            ended,
        })
    }
}

/// What of a row is still to be read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    fn time(&mut self) -> Option<Timestamp> {
        self.u64().map(Timestamp::from_unix_millis)
    }

    fn sealed(&mut self) -> Option<SealedFacts> {
        Some(SealedFacts {
            entry: EntryIndex(self.u64()?),
            at: self.time()?,
            chunk_count: u32::from_be_bytes(self.take()?),
            plain_bytes: self.u64()?,
            merkle_root: Hash(self.take()?),
            manifest_hash: Hash(self.take()?),
        })
    }

    fn text(&mut self) -> Option<&'a str> {
        let [bytes] = self.take()?;
        let (text, rest) = self.0.split_at_checked(usize::from(bytes))?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::session;

    #[test]
    fn rows_come_back() {
        let at = Timestamp::from_unix_millis(5);
        let facts = SealedFacts {
            entry: EntryIndex(8),
            at,
            chunk_count: 9,
            plain_bytes: 10,
            merkle_root: Hash::of(b"r"),
            manifest_hash: Hash::of(b"m"),
        };
        for (retention_seconds, sealed, ended, state) in [
            (0, None, None, State::Open),
            (86_400, None, None, State::Open),
            (0, Some(facts), None, State::Sealed),
            (86_400, Some(facts), None, State::Sealed),
            (0, None, Some((EntryIndex(3), at)), State::Voided),
            (0, Some(facts), Some((EntryIndex(u64::MAX), at)), State::Erased),
            (u64::MAX, Some(facts), Some((EntryIndex(u64::MAX), at)), State::Erased),
        ] {
            let row = SessionRow {
                session: session(1),
                owner: "x".repeat(64).parse().unwrap(),
                media_type: "video/mp4".parse().unwrap(),
                created_at: at,
                opened: EntryIndex(7),
                retention_seconds,
                sealed,
                ended,
            };
            let bytes = row.to_bytes();
            assert_eq!(row.state(), state);
            assert_eq!(SessionRow::parse(session(1), &bytes), Some(row));
            for cut in 0..bytes.len() {
                assert_eq!(SessionRow::parse(session(1), &bytes[..cut]), None, "{cut}");
            }
            assert_eq!(SessionRow::parse(session(1), &[&bytes, b"x".as_slice()].concat()), None);
        }
    }
}
