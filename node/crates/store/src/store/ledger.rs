//! The one way into the log, and from there into the database.

use std::{path::Path, sync::MutexGuard};

use lucid_core::{
    EntryIndex, Hash,
    entry::{Entry, SessionOpened},
};

use super::Store;
use crate::{
    db::{Each, Source},
    error::{StoreError, chain, damaged},
    log::{Log, LogError, LogReader},
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
    /// applies them to the database.
    ///
    /// Once the entries are in the log they are the truth, so a database that then fails is no error
    /// here: it catches up before the next entry, which is refused where it cannot.
    pub(super) fn commit(&self, entries: &[Entry]) -> Result<Committed, StoreError> {
        let mut log = self.lock_log()?;
        self.db.catch_up(&**log)?;
        let mut bytes = Vec::with_capacity(entries.len());
        for entry in entries {
            self.db.check(entry)?;
            bytes.push(entry.to_bytes()?);
        }
        let places = log.append(&bytes)?;
        if let Err(error) = self.db.catch_up(&**log) {
            tracing::error!(error = chain(&error), "the database is behind the log");
        }
        let (log_size, checkpoint) = (log.size(), log.checkpoint_text().to_owned());
        Ok(Committed { first: places.start, log_size, checkpoint })
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

    fn read_from(&self, from: EntryIndex, each: Each<'_>) -> Result<(), StoreError> {
        let entries = self.entries(from..EntryIndex(LogReader::size(self)))?;
        for (index, entry) in (from.0..).map(EntryIndex).zip(entries) {
            each(index, &entry?)?;
        }
        Ok(())
    }
}

/// The `session.opened` entry at `index`.
pub(super) fn opened_entry(
    log: &LogReader,
    index: EntryIndex,
) -> Result<SessionOpened, StoreError> {
    let bytes = log.entry(index)?;
    match Entry::parse(&bytes) {
        Ok(Entry::SessionOpened(entry)) => Ok(entry),
        Ok(_) => Err(damaged(log.dir(), format!("entry {index} opens no session"))),
        Err(source) => {
            let path = log.dir().to_owned();
            Err(LogError::EntryMalformed { path, index, source }.into())
        }
    }
}
