//! Following the log: its entries go into the catalogue, page by page.

use std::{
    convert::Infallible,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use lucid_api::ports::{ENTRIES_MAX, LogEntry};
use lucid_core::EntryIndex;
use lucid_store::{Catalogue, Disk};

use super::{IndexError, PAUSE, Parts, State, chunks::Reading};

/// What was taken up is brought to the disk this often. What is not is read again after a crash, and a card
/// is written to seldom.
const FLUSH_EVERY: Duration = Duration::from_secs(30);

impl Parts {
    /// Opens the catalogue, or begins it `anew` where there is a reason, and follows the log with it. Gives why
    /// that ended. What went well shortens the next `pause`.
    pub(super) async fn follow(
        self: &Arc<Self>,
        anew: &mut Option<String>,
        pause: &mut Duration,
    ) -> IndexError {
        let catalogue = match self.open(anew).await {
            Ok(catalogue) => catalogue,
            Err(error) => return error,
        };
        match self.go_on(&catalogue, pause).await {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    async fn open(&self, anew: &mut Option<String>) -> Result<Arc<Catalogue>, IndexError> {
        let (folder, reason) = (self.folder.clone(), anew.clone());
        let opened = self.work(move || match reason {
            None => Catalogue::open(&folder, &Disk::default()),
            Some(reason) => Catalogue::begin_anew(&folder, &Disk::default(), &reason),
        });
        let (catalogue, made) = opened.await?;
        *anew = None;
        // One that was never there is none that was lost.
        if let Some(made) = made.filter(|made| made.aside.is_some()) {
            tracing::warn!(%made, "the index of sessions");
        }
        self.is_damaged.store(false, Ordering::Relaxed);
        let catalogue = Arc::new(catalogue);
        let of = Arc::clone(&catalogue);
        self.state.send_replace(State { catalogue: Some(of), ..State::default() });
        Ok(catalogue)
    }

    async fn go_on(
        self: &Arc<Self>,
        catalogue: &Arc<Catalogue>,
        pause: &mut Duration,
    ) -> Result<Infallible, IndexError> {
        let begins = catalogue.progress().head.size == 0;
        self.check_log(catalogue).await?;
        let mut reading = Reading::default();
        let (mut flushed, mut flushed_at) = (catalogue.progress(), Instant::now());
        loop {
            self.take_entries(catalogue).await.map_err(|error| match error {
                // Made from the beginning, it is what the log is: the log is not what it says.
                IndexError::Anew(why) if begins && !self.state.borrow().has_caught_up => {
                    let what = "check it with: lucid-node ledger check";
                    IndexError::Broken(format!(
                        "the log does not agree with itself; {what} ({why})"
                    ))
                }
                error => error,
            })?;
            self.tell(catalogue, &reading);
            *pause = PAUSE;
            let more = self.read_chunks(catalogue, &mut reading).await?;
            self.tell(catalogue, &reading);
            let progress = catalogue.progress();
            if flushed_at.elapsed() >= FLUSH_EVERY && progress != flushed {
                let of = Arc::clone(catalogue);
                self.work(move || of.flush()).await?;
                (flushed, flushed_at) = (progress, Instant::now());
            }
            if self.is_damaged.load(Ordering::Relaxed) {
                let what = "what is in the catalogue is not what was put there";
                return Err(IndexError::Anew(what.to_owned()));
            }
            if !more {
                let _ = tokio::time::timeout(self.look_every, self.wake.notified()).await;
            }
        }
    }

    /// Says how far it is, once it has caught up.
    fn tell(&self, catalogue: &Arc<Catalogue>, reading: &Reading) {
        let progress = catalogue.progress();
        let next = (progress.head.size, progress.unread, reading.unreadable);
        self.state.send_if_modified(|state| {
            let before = (state.size, state.unread, state.unreadable);
            let changed = before != next || !state.has_caught_up;
            (state.size, state.unread, state.unreadable) = next;
            state.has_caught_up = true;
            changed
        });
    }

    /// Refuses a catalogue that the log is not a continuation of.
    async fn check_log(&self, catalogue: &Catalogue) -> Result<(), IndexError> {
        let (known, head) = (catalogue.progress().head, self.log.head().await?);
        self.log_size.store(head.size, Ordering::Relaxed);
        // The rest is compared where entries are taken up.
        if known.size == 0 || known.size >= head.size {
            return Ok(());
        }
        let proof = self.log.consistency(known.size, head.size).await?;
        match proof.from_root == known.root {
            true => Ok(()),
            false => Err(IndexError::Anew("it is not of this log".to_owned())),
        }
    }

    /// Takes up what the log has, until nothing is left of what it has now.
    async fn take_entries(&self, catalogue: &Arc<Catalogue>) -> Result<(), IndexError> {
        let head = self.log.head().await?;
        self.log_size.store(head.size, Ordering::Relaxed);
        loop {
            let known = catalogue.progress().head;
            if known.size > head.size {
                let (has, size) = (known.size, head.size);
                let why = format!("it has {has} entries of a log that has {size}");
                return Err(IndexError::Anew(why));
            }
            if known.size == head.size {
                return match known.root == head.root {
                    true => Ok(()),
                    false => Err(IndexError::Anew("the log has another root".to_owned())),
                };
            }
            let left = u32::try_from(head.size - known.size).unwrap_or(ENTRIES_MAX);
            let page = self.log.entries(EntryIndex(known.size), left.min(ENTRIES_MAX)).await?;
            let in_order = (known.size..).zip(&page).all(|(place, entry)| entry.index == place);
            if page.is_empty() || !in_order {
                let why =
                    format!("the log has {} entries, and not {} among them", head.size, known.size);
                return Err(IndexError::Broken(why));
            }
            let of = Arc::clone(catalogue);
            self.work(move || of.take_entries(page.iter().map(bytes))).await?;
            self.state.send_modify(|state| state.size = of_size(catalogue));
        }
    }
}

fn bytes(entry: &LogEntry) -> &[u8] {
    entry.entry.as_bytes()
}

fn of_size(catalogue: &Catalogue) -> u64 {
    catalogue.progress().head.size
}
