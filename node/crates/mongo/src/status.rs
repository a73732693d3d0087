//! What can be told about the sync at any moment, as plain numbers.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use lucid_core::Timestamp;

use crate::{Collection, Cursor, Fault, FaultKind};

/// How far the sync is and what went wrong.
#[derive(Clone, PartialEq, Debug)]
pub struct Status {
    /// The log's size when it was last looked at.
    pub log_size: u64,
    /// Entries that some collection does not have yet.
    pub lag_entries: u64,
    /// How long ago the oldest of them that is being sent was made, in seconds; 0 where there is none.
    pub lag_seconds: u64,
    /// Whether the last thing that was asked of the database went well. `None` before the first.
    pub is_well: Option<bool>,
    /// Each collection, in the order of [`Collection::ALL`].
    pub collections: Vec<CollectionStatus>,
    /// Errors so far, in the order of [`FaultKind::ALL`].
    pub faults: [u64; FaultKind::ALL.len()],
    /// The last of them. It stays when things go well again.
    pub last_fault: Option<LastFault>,
    /// What could not be set up, each with the way out: indexes and validators that the user may not make.
    pub not_set_up: Vec<String>,
    /// Sealed sessions that were passed over because their manifests could not be read.
    pub manifests_unreadable: u64,
}

/// How far a collection is.
#[derive(Clone, PartialEq, Debug)]
pub struct CollectionStatus {
    /// Which.
    pub collection: Collection,
    /// Everything before this is in the database, by majority.
    pub cursor: Cursor,
    /// Documents sent since the start; one that was sent twice counts twice.
    pub documents: u64,
    /// Bytes of them, about.
    pub bytes: u64,
    /// Batches sent.
    pub batches: u64,
}

/// What went wrong last.
#[derive(Clone, PartialEq, Debug)]
pub struct LastFault {
    /// What, with the way out. No credentials.
    pub fault: Fault,
    /// For which collection; `None` where for the database as a whole.
    pub collection: Option<Collection>,
    /// When.
    pub at: Timestamp,
}

/// The status as it is kept.
pub(crate) struct Kept(Mutex<Inner>);

struct Inner {
    status: Status,
    /// When the oldest entry being sent was made, by collection.
    oldest: [Option<Timestamp>; Collection::ALL.len()],
    /// What the log said last of each collection, and of the database as a whole, since it went well.
    told: [Option<Fault>; Collection::ALL.len() + 1],
}

impl Inner {
    /// Whether the log has not said this yet. The same again is counted, not told: a database that is down for a day is
    /// a line for each collection that waits for it, not one for each try.
    fn is_news(&mut self, of: Option<Collection>, fault: &Fault) -> bool {
        let told = &mut self.told[of.map_or(Collection::ALL.len(), |of| of as usize)];
        let is_news = told.as_ref() != Some(fault);
        *told = Some(fault.clone());
        is_news
    }

    /// It went well with this collection, and so with the database.
    fn is_well_with(&mut self, of: Collection) {
        self.told[of as usize] = None;
        self.told[Collection::ALL.len()] = None;
        self.status.is_well = Some(true);
    }
}

impl Kept {
    pub(crate) fn new() -> Self {
        let one = |collection| CollectionStatus {
            collection,
            cursor: Cursor::default(),
            documents: 0,
            bytes: 0,
            batches: 0,
        };
        let status = Status {
            log_size: 0,
            lag_entries: 0,
            lag_seconds: 0,
            is_well: None,
            collections: Collection::ALL.map(one).into(),
            faults: [0; FaultKind::ALL.len()],
            last_fault: None,
            not_set_up: Vec::new(),
            manifests_unreadable: 0,
        };
        let oldest = [None; Collection::ALL.len()];
        Self(Mutex::new(Inner { status, oldest, told: Default::default() }))
    }

    pub(crate) fn get(&self) -> Status {
        let inner = self.lock();
        let mut status = inner.status.clone();
        let of_log = |of: &&CollectionStatus| of.collection != Collection::NodeStatus;
        let behind = status.collections.iter().filter(of_log).map(|of| of.cursor.entry).min();
        status.lag_entries = status.log_size.saturating_sub(behind.unwrap_or(0));
        let oldest = inner.oldest.iter().flatten().min();
        let age = |at: &Timestamp| now().unix_millis().saturating_sub(at.unix_millis()) / 1000;
        status.lag_seconds = oldest.map_or(0, age);
        status
    }

    pub(crate) fn log_size(&self, size: u64) {
        self.lock().status.log_size = size;
    }

    pub(crate) fn not_set_up(&self, what: Vec<String>) {
        self.lock().status.not_set_up = what;
    }

    pub(crate) fn cursor(&self, of: Collection, cursor: Cursor) {
        self.lock().status.collections[of as usize].cursor = cursor;
    }

    /// A batch whose oldest entry was made then is on its way; none where everything was sent.
    pub(crate) fn sending(&self, of: Collection, oldest: Option<Timestamp>) {
        self.lock().oldest[of as usize] = oldest;
    }

    /// Nothing can be sent, and the next entry was made then; what a batch said before is kept.
    pub(crate) fn waiting(&self, of: Collection, next: Option<Timestamp>) {
        let oldest = &mut self.lock().oldest[of as usize];
        *oldest = oldest.or(next);
    }

    /// All that there was is sent: what failed before is news where it comes again.
    pub(crate) fn idle(&self, of: Collection) {
        self.lock().told[of as usize] = None;
    }

    pub(crate) fn sent(&self, of: Collection, cursor: Cursor, documents: u64, bytes: u64) {
        let mut inner = self.lock();
        let status = &mut inner.status.collections[of as usize];
        status.cursor = cursor;
        status.documents += documents;
        status.bytes += bytes;
        status.batches += u64::from(documents > 0);
        if documents > 0 {
            inner.is_well_with(of);
        }
    }

    pub(crate) fn unreadable(&self, count: u64) {
        self.lock().status.manifests_unreadable += count;
    }

    pub(crate) fn failed(&self, of: Option<Collection>, fault: &Fault) {
        let name = of.map(Collection::name);
        let mut inner = self.lock();
        if inner.is_news(of, fault) {
            tracing::warn!(kind = fault.kind.name(), collection = name, %fault, "sync to MongoDB");
        }
        let status = &mut inner.status;
        status.faults[fault.kind as usize] += 1;
        status.is_well = Some(false);
        status.last_fault = Some(LastFault { fault: fault.clone(), collection: of, at: now() });
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Each change is made of assignments that cannot fail between.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The node's clock; a clock before 1970 is 1970.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_that_of_the_last_collection() {
        let kept = Kept::new();
        kept.log_size(10);
        for of in Collection::ALL {
            kept.sent(of, Cursor { entry: 10, chunk: 0 }, 1, 100);
        }
        kept.sent(Collection::Chunks, Cursor { entry: 4, chunk: 2 }, 1, 100);
        kept.sent(Collection::NodeStatus, Cursor { entry: 3, chunk: 0 }, 1, 1);
        let minute_ago = now().unix_millis() - 60_000;
        kept.sending(Collection::Chunks, Some(Timestamp::from_unix_millis(minute_ago)));
        let status = kept.get();
        assert_eq!((status.lag_entries, status.is_well), (6, Some(true)));
        assert!((60..70).contains(&status.lag_seconds), "{}", status.lag_seconds);
        let chunks = &status.collections[Collection::Chunks as usize];
        assert_eq!((chunks.documents, chunks.batches, chunks.bytes), (2, 2, 200));
        kept.sending(Collection::Chunks, None);
        assert_eq!(kept.get().lag_seconds, 0);
        kept.failed(None, &Fault::new(FaultKind::Full, "no room"));
        let status = kept.get();
        assert_eq!((status.faults[FaultKind::Full as usize], status.is_well), (1, Some(false)));
    }

    #[test]
    fn the_same_again_is_no_news_until_it_went_well() {
        let kept = Kept::new();
        let fault = |what: &str| Fault::new(FaultKind::Unreachable, what);
        let (chunks, entries) = (Some(Collection::Chunks), Some(Collection::Entries));
        let told = [(chunks, "chunks"), (entries, "entries"), (None, "all")];
        for round in 0..3 {
            for (of, what) in told {
                assert_eq!(kept.lock().is_news(of, &fault(what)), round == 0, "{what}");
            }
        }
        kept.sent(Collection::Chunks, Cursor::default(), 1, 1);
        let news = told.map(|(of, what)| kept.lock().is_news(of, &fault(what)));
        assert_eq!(news, [true, false, true]);
        assert!(kept.lock().is_news(entries, &fault("something else")));
    }
}
