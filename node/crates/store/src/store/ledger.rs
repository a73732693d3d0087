//! The one way into the log, and from there into the database; and what the log itself says where the
//! database is only a guide to it.

use std::{path::Path, sync::MutexGuard};

use lucid_core::{
    EntryIndex, Hash, SessionId,
    entry::{Entry, SessionOpened, SessionSealed},
    note::NoteSignature,
};

use super::{Store, group::Request};
use crate::{
    db::{Each, SealedFacts, SessionRow, Source, State},
    error::{StoreError, chain},
    log::{Log, LogError, LogReader, Prepared},
};

/// Where entries stand in the log, and the checkpoint that covers them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Committed {
    /// Place of the first of the entries; the others follow it.
    pub first: EntryIndex,
    /// Entries in the log.
    pub log_size: u64,
    /// The checkpoint, a signed note.
    pub checkpoint: String,
}

impl Store {
    pub(super) fn lock_log(&self) -> Result<MutexGuard<'_, Log>, StoreError> {
        // A panic while appending leaves a log whose state nobody knows; the next start does.
        self.log.lock().map_err(|_| StoreError::Poisoned { path: self.folder.join("log") })
    }

    /// Checks entries against the sessions they are about, appends them with a checkpoint, and
    /// applies them to the database: alone, or with what other writers have waiting (`group`). Where
    /// the log can take no more after these, a warning says so, and the next are refused before anything
    /// is done for them.
    ///
    /// Once the entries are in the log they are the truth, so a database that then fails is no error
    /// here: it catches up before the next entry, which is refused where it cannot.
    pub(super) fn commit(&self, entries: Vec<Entry>) -> Result<Committed, StoreError> {
        let bytes: Vec<_> = entries.iter().map(Entry::to_bytes).collect::<Result<_, _>>()?;
        let prepared = Prepared::new(&bytes)?;
        let poisoned = || StoreError::Poisoned { path: self.folder.join("log") };
        self.queue
            .commit(Request::new(entries, prepared), poisoned, |group| self.commit_group(group))
    }

    /// Appends what a group of writers waits for, and tells each of them.
    fn commit_group(&self, mut group: Vec<&Request>) -> Result<(), StoreError> {
        let mut log = self.lock_log()?;
        check_takes_more(&log)?;
        self.db.catch_up(&**log)?;
        group.retain(|request| match request.entries.iter().try_for_each(|e| self.db.check(e)) {
            Ok(()) => true,
            Err(error) => {
                request.tell(Err(error));
                false
            }
        });
        let prepared: Vec<_> = group.iter().map(|request| &request.prepared).collect();
        let mut first = log.append_group(&prepared)?.start;
        if let Some(cause) = log.poisoned() {
            tracing::warn!(cause, "these entries are in the log, and no more are taken: restart");
        }
        if let Err(error) = self.db.catch_up(&**log) {
            tracing::error!(error = chain(&error), "the database is behind the log");
        }
        for request in group {
            let (log_size, checkpoint) = (log.size(), log.checkpoint_text().to_owned());
            request.tell(Ok(Committed { first, log_size, checkpoint }));
            first.0 += request.prepared.count() as u64;
        }
        Ok(())
    }

    /// Keeps what witnesses said of a checkpoint of this log, as [`Log::keep_cosignatures`] does.
    ///
    /// # Errors
    /// As there.
    pub fn keep_cosignatures(
        &self,
        checkpoint: &str,
        cosignatures: Vec<NoteSignature>,
    ) -> Result<bool, StoreError> {
        Ok(self.lock_log()?.keep_cosignatures(checkpoint, cosignatures)?)
    }

    /// Refuses where the log takes no more entries, so that nothing is begun that needs one.
    ///
    /// # Errors
    /// [`LogError::Poisoned`].
    pub fn check_log(&self) -> Result<(), StoreError> {
        check_takes_more(&*self.lock_log()?)
    }

    /// A session's `session.opened` entry, which has its policy: read from the log, where the
    /// database says it is.
    ///
    /// # Errors
    /// [`StoreError::UnknownSession`]; [`StoreError::Damaged`] where database and log disagree; the
    /// log's.
    pub fn opened(&self, session: SessionId) -> Result<SessionOpened, StoreError> {
        let row = self.session(session)?;
        let entry = self.entry_about(session, row.opened)?;
        match entry {
            Entry::SessionOpened(entry) if row.agrees_with(&entry) => Ok(entry),
            _ => Err(self.db.disagrees(session, row.opened)),
        }
    }

    /// A sealed session's `session.sealed` entry, also after it was erased: read from the log, where
    /// the database says it is.
    ///
    /// # Errors
    /// [`StoreError::UnknownSession`], [`StoreError::State`] before it is sealed;
    /// [`StoreError::Damaged`] where database and log disagree; the log's.
    pub fn sealed(&self, session: SessionId) -> Result<SessionSealed, StoreError> {
        let row = self.session(session)?;
        let Some(facts) = row.sealed else {
            let (state, wanted) = (row.state(), "only a sealed session has that");
            return Err(StoreError::State { session, state, wanted });
        };
        match self.entry_about(session, facts.entry)? {
            Entry::SessionSealed(entry) if SealedFacts::of(facts.entry, &entry) == facts => {
                Ok(entry)
            }
            _ => Err(self.db.disagrees(session, facts.entry)),
        }
    }

    /// Holds it against the log that a session is voided or erased, before anything is destroyed
    /// because the database says so.
    pub(super) fn check_ended(&self, row: &SessionRow) -> Result<(), StoreError> {
        let Some((index, at)) = row.ended else { return Ok(()) };
        let agrees = match self.entry_about(row.session, index)? {
            Entry::SessionVoided(entry) => entry.at == at && row.state() == State::Voided,
            Entry::SessionErased(entry) => entry.at == at && row.state() == State::Erased,
            _ => false,
        };
        if agrees { Ok(()) } else { Err(self.db.disagrees(row.session, index)) }
    }

    /// The entry at `index`, which the database says is about `session`.
    fn entry_about(&self, session: SessionId, index: EntryIndex) -> Result<Entry, StoreError> {
        let read = self.with_log(|log| match log.entry(index) {
            Err(LogError::Beyond { .. }) => Ok(None),
            bytes => Ok(Some(Entry::parse(&bytes?).map_err(|source| {
                let path = log.dir().to_owned();
                LogError::EntryMalformed { path, index, source }
            })?)),
        })?;
        let about = read.filter(|entry| entry.session() == Some(session));
        about.ok_or_else(|| self.db.disagrees(session, index))
    }
}

fn check_takes_more(log: &Log) -> Result<(), StoreError> {
    match log.poisoned() {
        Some(cause) => Err(LogError::Poisoned { cause: cause.to_owned() }.into()),
        None => Ok(()),
    }
}

impl Source for LogReader {
    fn path(&self) -> &Path {
        self.dir()
    }

    fn size(&self) -> u64 {
        LogReader::size(self)
    }

    fn root_at(&self, size: u64) -> Result<Hash, StoreError> {
        Ok(LogReader::root_at(self, size)?)
    }

    fn entry(&self, index: EntryIndex) -> Result<Vec<u8>, StoreError> {
        Ok(LogReader::entry(self, index)?)
    }

    fn read_from(&self, from: EntryIndex, each: Each<'_>) -> Result<(), StoreError> {
        let entries = self.entries(from..EntryIndex(LogReader::size(self)))?;
        for (index, entry) in (from.0..).map(EntryIndex).zip(entries) {
            each(index, &entry?)?;
        }
        Ok(())
    }
}
